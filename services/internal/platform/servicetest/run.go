package servicetest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"google.golang.org/grpc"

	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/dial"
	"github.com/lethe-desk/lethe/services/internal/platform/server"
)

// Running is a service that New has opened: every service of the suite is one.
type Running interface {
	Register(r grpc.ServiceRegistrar)
	Close(ctx context.Context) error
}

// Service says how a service is opened, again at each restart.
type Service struct {
	// Name is the service's name; connections find it by that.
	Name string
	// Declared are the full names of the gRPC services it registers.
	Declared []string
	// Open opens it on its store. A test that needs the opened service keeps it here.
	Open func(ctx context.Context) (Running, error)
	// Started runs once it can be called, and may be nil.
	Started func(ctx context.Context) error
}

// Stub is a Running without a life of its own: a service that a test answers for.
type Stub func(r grpc.ServiceRegistrar)

// Register registers the stub's services.
func (s Stub) Register(r grpc.ServiceRegistrar) { s(r) }

// Close does nothing.
func (s Stub) Close(context.Context) error { return nil }

// Run opens a service and serves it until the test ends. A name runs once.
func (k *Kit) Run(s Service) {
	k.T.Helper()
	k.mu.Lock()
	if k.running[s.Name] != nil {
		k.mu.Unlock()
		k.T.Fatalf("service %s runs twice", s.Name)
	}
	one := &host{k: k, Service: s}
	k.running[s.Name], k.order = one, append(k.order, s.Name)
	k.mu.Unlock()
	Must(k.T, one.start(k.T.Context()))
}

// Restart closes a service and opens it again on the same store. Connections go on.
func (k *Kit) Restart(name string) {
	k.T.Helper()
	k.Stop(name)
	Must(k.T, k.host(name).start(k.T.Context()))
}

// Stop closes a service; calls to it fail as unavailable until Restart. Files
// of its store can be looked at then.
func (k *Kit) Stop(name string) {
	k.T.Helper()
	s := k.host(name)
	if s == nil {
		k.T.Fatalf("there is no service %s", name)
	}
	Must(k.T, s.stop(k.T.Context()))
}

// Conn returns a connection to a service, which may start later and may be
// restarted. Its calls show the token of their context (As, Agent, Privacy).
func (k *Kit) Conn(name string) grpc.ClientConnInterface { return conn{k: k, name: name} }

// ConnAs is Conn for calls in the name of a service, for the account of the
// call that the context belongs to (or authn.WithAccount).
func (k *Kit) ConnAs(name, caller string) grpc.ClientConnInterface {
	return conn{k: k, name: name, caller: caller}
}

func (k *Kit) host(name string) *host {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.running[name]
}

// host is a service that runs, or has stopped.
type host struct {
	Service
	k *Kit

	mu      sync.Mutex
	running Running
	srv     *listening
	conns   map[string]grpc.ClientConnInterface
}

// listening is the gRPC server with its address, "" in process.
type listening struct {
	*server.Server
	address string
}

func (s *host) start(ctx context.Context) error {
	running, err := s.Open(ctx)
	if err != nil {
		return fmt.Errorf("open %s: %w", s.Name, err)
	}
	srv, err := s.serve(running)
	if err != nil {
		return errors.Join(fmt.Errorf("serve %s: %w", s.Name, err), running.Close(ctx))
	}
	s.mu.Lock()
	s.running, s.srv, s.conns = running, srv, map[string]grpc.ClientConnInterface{}
	s.mu.Unlock()
	if s.Started != nil {
		return s.Started(ctx)
	}
	return nil
}

func (s *host) serve(running Running) (*listening, error) {
	srv, err := server.New(server.Options{
		Name: s.Name, Declared: s.Declared, Logger: s.k.Log, Verifier: authn.NewVerifier(s.k.Clock.Now, s.k.Signer.Public()),
	})
	if err != nil {
		return nil, err
	}
	running.Register(srv)
	if s.k.o.InProcess {
		return &listening{Server: srv}, srv.Verify()
	}
	addr, err := srv.Start("127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &listening{srv, addr.String()}, nil
}

// stop ends calls, then connections, then the service. It may be called twice.
func (s *host) stop(ctx context.Context) error {
	s.mu.Lock()
	running, srv, conns := s.running, s.srv, s.conns
	s.running, s.srv, s.conns = nil, nil, nil
	s.mu.Unlock()
	if running == nil {
		return nil
	}
	var errs []error
	for _, c := range conns {
		if one, ok := c.(*dial.Conn); ok {
			errs = append(errs, one.Close())
		}
	}
	errs = append(errs, srv.Stop(ctx), running.Close(ctx))
	return errors.Join(errs...)
}
