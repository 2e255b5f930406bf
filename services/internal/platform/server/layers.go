package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/ids"
	"github.com/lethe-desk/lethe/services/internal/platform/obs"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// RequestIDHeader is the metadata key under which a call's number travels, both ways.
const RequestIDHeader = "x-request-id"

// A call is one call on its way through the layers.
type call struct {
	method string
	unary  bool
	// message is the request of a unary call; streams have theirs checked as they arrive.
	message any

	mu    sync.Mutex
	who   authn.Identity
	attrs []slog.Attr
	stack string
}

// step is what a layer wraps: the rest of the call.
type step func(ctx context.Context, c *call) error

// layer is one interceptor, written once for unary calls and streams.
type layer struct {
	name string
	wrap func(s *Server, next step) step
}

// layers are the interceptors, outermost first. The order matters: the number
// of the call must be known to its log line; refused and panicking calls must
// count and be logged like all others, with the error already mapped; nothing
// below the recovery can end the process; nobody is told by validation what a
// caller without permission may not know.
var layers = []layer{
	{"request id", requestID},
	{"log and metrics", logAndMetrics},
	{"error mapping", errorMapping},
	{"recovery", recovery},
	{"identity and permission", identity},
	{"deadline", deadline},
	{"validation", validation},
}

// Layers returns the names of the interceptors, outermost first.
func Layers() []string {
	names := make([]string, 0, len(layers))
	for _, l := range layers {
		names = append(names, l.name)
	}
	return names
}

// through runs a call through all layers and into its handler.
func (s *Server) through(ctx context.Context, c *call, handler step) error {
	for i := len(layers) - 1; i >= 0; i-- {
		handler = layers[i].wrap(s, handler)
	}
	return handler(ctx, c)
}

// requestID takes the caller's number or draws one, and makes sure that what
// leaves is a bare status: an in-process caller would otherwise hold the cause.
func requestID(_ *Server, next step) step {
	return func(ctx context.Context, c *call) error {
		id := ""
		if sent := metadata.ValueFromIncomingContext(ctx, RequestIDHeader); len(sent) == 1 && ids.IsRequest(sent[0]) {
			id = sent[0]
		}
		if id == "" {
			id = ids.Request()
		}
		// Fails only where headers have gone out already, which no layer above does.
		_ = grpc.SetHeader(ctx, metadata.Pairs(RequestIDHeader, id))
		if err := next(obs.WithRequestID(ctx, id), c); err != nil {
			return fault.ToStatus(fault.From(err)).Err()
		}
		return nil
	}
}

type callKey struct{}

// Annotate adds attributes to the one log line the call will write.
func Annotate(ctx context.Context, attrs ...slog.Attr) {
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.attrs = append(c.attrs, attrs...)
}

func logAndMetrics(s *Server, next step) step {
	return func(ctx context.Context, c *call) error {
		began := s.o.Clock()
		err := next(context.WithValue(ctx, callKey{}, c), c)
		took := s.o.Clock().Sub(began)
		f := fault.From(err)
		code, reason := "OK", ""
		if f != nil {
			code, reason = f.Kind.Code().String(), fault.ReasonName(f.Reason)
		}
		s.calls.Add(ctx, 1, metric.WithAttributes(
			attribute.String(obs.KeyService, s.o.Name), attribute.String(obs.KeyMethod, c.method),
			attribute.String(obs.KeyCode, code), attribute.String(obs.KeyReason, reason)))
		s.o.Logger.LogAttrs(ctx, level(f), "call", c.line(code, reason, took, f)...)
		return err
	}
}

// line makes the attributes of a call's log line. Causes are logged only where
// the fault is ours: the others may quote what the caller sent.
func (c *call) line(code, reason string, took time.Duration, f *fault.Error) []slog.Attr {
	c.mu.Lock()
	defer c.mu.Unlock()
	attrs := []slog.Attr{
		slog.String(obs.KeyMethod, c.method), slog.String(obs.KeyCode, code),
		slog.Float64(obs.KeyDurationMS, float64(took.Microseconds())/1000),
	}
	if c.who.Role != "" {
		attrs = append(attrs, slog.Int64(obs.KeyAccount, c.who.Account), slog.Int64(obs.KeyActor, c.who.Actor), slog.String(obs.KeyRole, string(c.who.Role)))
	}
	if f != nil {
		attrs = append(attrs, slog.String(obs.KeyReason, reason))
		if ours(f.Kind) && f.Cause() != nil {
			attrs = append(attrs, slog.String(obs.KeyCause, f.Cause().Error()))
		}
		if id := f.Meta[fault.MetaIncident]; id != "" {
			attrs = append(attrs, slog.String(obs.KeyIncident, id))
		}
	}
	if c.stack != "" {
		attrs = append(attrs, slog.String(obs.KeyStack, c.stack))
	}
	return append(attrs, c.attrs...)
}

func ours(k fault.Kind) bool {
	return k == fault.KindInternal || k == fault.KindUnavailable || k == fault.KindUnauthenticated || k == fault.KindDeadline
}

func level(f *fault.Error) slog.Level {
	switch {
	case f == nil:
		return slog.LevelInfo
	case f.Kind == fault.KindInternal:
		return slog.LevelError
	case f.Kind == fault.KindUnavailable || f.Kind == fault.KindDeadline:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

func errorMapping(s *Server, next step) step {
	return func(ctx context.Context, c *call) error {
		f := s.faults(next(ctx, c))
		if f == nil {
			return nil
		}
		if f.Remote && (f.Kind == fault.KindUnauthenticated || f.Kind == fault.KindDenied || f.Kind == fault.KindUnimplemented) {
			// Another service refused this one; the caller has done nothing wrong.
			f = fault.Internal(fmt.Errorf("called service refused: %w", f))
		}
		if f.Kind == fault.KindInternal && f.Meta[fault.MetaIncident] == "" {
			f = f.With(fault.MetaIncident, ids.Incident())
		}
		return f
	}
}

// errPanic is the cause of a fault made from a panic.
var errPanic = errors.New("panic")

func recovery(_ *Server, next step) step {
	return func(ctx context.Context, c *call) (err error) {
		defer func() {
			r := recover()
			if r == nil {
				return
			}
			c.mu.Lock()
			c.stack = string(debug.Stack())
			c.mu.Unlock()
			if re, ok := r.(runtime.Error); ok {
				err = fault.Internal(fmt.Errorf("%w: %w", errPanic, re))
				return
			}
			// Anything else may hold a value of somebody; its type has to do.
			err = fault.Internal(fmt.Errorf("%w: %T", errPanic, r))
		}()
		return next(ctx, c)
	}
}

func identity(s *Server, next step) step {
	return func(ctx context.Context, c *call) error {
		ctx, err := s.guard.Admit(ctx, c.method)
		if err != nil {
			return err
		}
		c.mu.Lock()
		c.who = authn.Caller(ctx)
		c.mu.Unlock()
		return next(ctx, c)
	}
}

const (
	// reserveMax is the most a hop keeps of the deadline for its own answer, so
	// that the caller receives the precise error and not its own timeout.
	reserveMax = 20 * time.Millisecond
	// meaningful is how much time a call must have left to be worth starting.
	meaningful = time.Millisecond
)

func deadline(s *Server, next step) step {
	return func(ctx context.Context, c *call) error {
		end, ok := ctx.Deadline()
		if !ok {
			if !c.unary {
				return next(ctx, c)
			}
			end = time.Now().Add(s.o.MaxTime)
		}
		left := time.Until(end)
		if left < meaningful {
			return fault.New(fault.KindDeadline, faultv1.Reason_REASON_DEADLINE, "too little time is left for this call")
		}
		ctx, cancel := context.WithDeadline(ctx, end.Add(-min(reserveMax, left/10)))
		defer cancel()
		return next(ctx, c)
	}
}

func validation(s *Server, next step) step {
	return func(ctx context.Context, c *call) error {
		if c.unary && s.o.Validate != nil {
			if err := s.o.Validate(ctx, c.message); err != nil {
				return err
			}
		}
		return next(ctx, c)
	}
}
