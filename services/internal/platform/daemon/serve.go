package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/config"
	"github.com/lethe-desk/lethe/services/internal/platform/dial"
	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
)

// readHeader bounds how long a client may take to send its headers.
const readHeader = 10 * time.Second

// Service is a service with gRPC methods, as the services' packages make it.
type Service interface {
	// Register adds its methods to a server.
	Register(grpc.ServiceRegistrar)
	// Ready returns nil when it can answer.
	Ready(ctx context.Context) error
	// Close frees what it holds; calls have ended before.
	Close(ctx context.Context) error
}

// worker is a service that works in the background once it takes calls.
type worker interface {
	Start(ctx context.Context) error
}

// Serve opens the listener of a service, and starts its work in the background
// if it has any. When the program stops, calls end before the service closes.
func (p *Process) Serve(ctx context.Context, svc Service) error {
	p.Defer(svc.Close)
	svc.Register(p.server)
	p.Defer(p.server.Stop)
	addr, err := p.server.Start(string(p.starter.listeners().Listen))
	if err != nil {
		return fmt.Errorf("%w; choose another address with --listen when it is taken", err)
	}
	p.at = append(p.at, "gRPC at "+addr.String())
	go func() { p.group.Fail(p.program.Name, <-p.server.Failed()) }()
	if err := p.Tele.Health.Add(p.program.Name, svc.Ready); err != nil {
		return err
	}
	if w, ok := svc.(worker); ok {
		return w.Start(ctx)
	}
	return nil
}

// Self returns a channel to the program's own service, with the manners and
// the identity of a connection over the network.
func (p *Process) Self() (grpc.ClientConnInterface, error) {
	signer, err := p.Signer()
	if err != nil {
		return nil, err
	}
	return dial.Wrap(p.server.InProcess(), p.options(authn.NewServiceSource(signer, p.program.Name))), nil
}

// Dial returns a connection to a neighbour that shows this service's identity.
// The program is ready once the neighbour serves. The connection closes with the program.
func (p *Process) Dial(name string, at config.Address) (grpc.ClientConnInterface, error) {
	signer, err := p.Signer()
	if err != nil {
		return nil, err
	}
	return p.dial(name, at, authn.NewServiceSource(signer, p.program.Name))
}

// DialAll is Dial for several neighbours, by name.
func (p *Process) DialAll(at map[string]config.Address) (map[string]grpc.ClientConnInterface, error) {
	all := map[string]grpc.ClientConnInterface{}
	for _, name := range slices.Sorted(maps.Keys(at)) {
		conn, err := p.Dial(name, at[name])
		if err != nil {
			return nil, err
		}
		all[name] = conn
	}
	return all, nil
}

// DialForUsers is Dial with a connection that shows the end user's token
// (authn.WithOutgoingToken) and has no identity of its own.
func (p *Process) DialForUsers(name string, at config.Address) (grpc.ClientConnInterface, error) {
	return p.dial(name, at, nil)
}

func (p *Process) options(source authn.TokenSource) dial.Options {
	return dial.Options{Source: source, Credentials: p.tls.Client(), Meter: p.Tele.Meter, Tracer: p.Tele.Tracer}
}

func (p *Process) dial(name string, at config.Address, source authn.TokenSource) (grpc.ClientConnInterface, error) {
	conn, err := dial.New(string(at), p.options(source))
	if err != nil {
		return nil, err
	}
	p.Defer(func(context.Context) error { return conn.Close() })
	client := healthv1.NewHealthClient(conn)
	return conn, p.Tele.Health.Add(name, func(ctx context.Context) error {
		answer, err := client.Check(ctx, &healthv1.HealthCheckRequest{})
		if err != nil {
			return err
		}
		if s := answer.GetStatus(); s != healthv1.HealthCheckResponse_SERVING {
			return fmt.Errorf("%s is %s", name, s)
		}
		return nil
	})
}

// health answers /healthz, /readyz and /metrics, from before the service
// starts until after it has stopped.
func (p *Process) health(ctx context.Context, address string) (func(context.Context) error, error) {
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", p.Tele.Health.Live())
	mux.Handle("GET /readyz", p.Tele.Health.Ready())
	mux.Handle("GET /metrics", p.Tele.MetricsHandler())
	return p.listenHTTP(ctx, "health", "--health", address, mux)
}

// ServeHTTP opens the program's HTTP listener; flag is the one that names its
// address. When the program stops, before ends what would keep requests
// running, and the rest of them finish.
func (p *Process) ServeHTTP(ctx context.Context, flag string, at config.Address, handler http.Handler, before func() error) error {
	stop, err := p.listenHTTP(ctx, "REST", flag, string(at), handler)
	if err != nil {
		return err
	}
	p.Defer(func(ctx context.Context) error { return errors.Join(before(), stop(ctx)) })
	return nil
}

func (p *Process) listenHTTP(ctx context.Context, what, flag, address string, handler http.Handler) (func(context.Context) error, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%w; choose another address with %s when it is taken", err, flag)
	}
	p.at = append(p.at, what+" at http://"+l.Addr().String())
	srv := &http.Server{Handler: handler, ReadHeaderTimeout: readHeader}
	go func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			p.group.Fail(what, err)
		}
	}()
	return srv.Shutdown, nil
}
