package server

import (
	"context"
	"strings"
	"sync"

	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"google.golang.org/grpc"
)

// healthPrefix begins the methods that no layer looks at: they are frequent,
// public and say nothing.
const healthPrefix = "/grpc.health.v1.Health/"

func (s *Server) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if strings.HasPrefix(info.FullMethod, healthPrefix) {
		return handler(ctx, req)
	}
	var answer any
	err := s.through(ctx, &call{method: info.FullMethod, unary: true, message: req}, func(ctx context.Context, _ *call) (err error) {
		answer, err = handler(ctx, req)
		return err
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

func (s *Server) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if strings.HasPrefix(info.FullMethod, healthPrefix) {
		return s.watch(srv, ss, handler)
	}
	return s.through(ss.Context(), &call{method: info.FullMethod}, func(ctx context.Context, _ *call) error {
		return handler(srv, &stream{ServerStream: ss, ctx: ctx, validate: s.o.Validate})
	})
}

// watch ends health watchers when the server stops; a graceful stop would wait for them for ever.
func (s *Server) watch(srv any, ss grpc.ServerStream, handler grpc.StreamHandler) error {
	ctx, cancel := context.WithCancel(ss.Context())
	defer cancel()
	go func() {
		select {
		case <-s.stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
	return handler(srv, &stream{ServerStream: ss, ctx: ctx})
}

// stream has the layers' context and checks messages as they arrive.
type stream struct {
	grpc.ServerStream
	ctx      context.Context
	validate func(context.Context, any) error
}

// Context returns the context the layers made.
func (s *stream) Context() context.Context { return s.ctx }

// RecvMsg receives and validates one message.
func (s *stream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	if s.validate != nil {
		return s.validate(s.ctx, m)
	}
	return nil
}

// localCalls knows the in-process calls that run, which grpc.Server does not.
type localCalls struct {
	mu      sync.Mutex
	closed  bool
	running map[int64]context.CancelFunc
	next    int64
	done    chan struct{}
}

// enter admits a call unless the server stops; leave must follow.
func (l *localCalls) enter(ctx context.Context) (_ context.Context, leave func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, nil, fault.ToStatus(fault.Unavailable(nil)).Err()
	}
	ctx, cancel := context.WithCancel(ctx)
	if l.running == nil {
		l.running = map[int64]context.CancelFunc{}
	}
	id := l.next
	l.next++
	l.running[id] = cancel
	return ctx, func() { l.leave(id) }, nil
}

func (l *localCalls) leave(id int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running[id]()
	delete(l.running, id)
	if l.closed && len(l.running) == 0 {
		close(l.done)
	}
}

// close refuses further calls and returns what is closed when the last one has left.
func (l *localCalls) close() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if len(l.running) == 0 {
		close(l.done)
	}
	return l.done
}

func (l *localCalls) cancelAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, cancel := range l.running {
		cancel()
	}
}

func (s *Server) localUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	ctx, leave, err := s.local.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	return s.unary(ctx, req, info, handler)
}

func (s *Server) localStream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	ctx, leave, err := s.local.enter(ss.Context())
	if err != nil {
		return err
	}
	defer leave()
	return s.stream(srv, &stream{ServerStream: ss, ctx: ctx}, info, handler)
}
