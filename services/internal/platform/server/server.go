// Package server builds the gRPC server every service runs: interceptors in
// one order, health, tracing, bounds, and a stop that is graceful until its
// deadline and hard after it. The same services can be called in process,
// through the same interceptors.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/fullstorydev/grpchan/inprocgrpc"
	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/mtls"
	"github.com/lethe-desk/lethe/services/internal/platform/obs"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc/filters"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
)

// The defaults of a server.
const (
	// DefaultMaxMessage is the largest message taken or sent, in bytes.
	DefaultMaxMessage = 8 << 20
	// DefaultMaxTime bounds a unary call whose caller set no deadline.
	DefaultMaxTime = time.Minute
)

// Options say what to build. Name, Declared and Verifier are mandatory.
type Options struct {
	// Name is the service's name in logs and metrics.
	Name string
	// Declared are the full names of the gRPC services that will be registered; no more, no fewer.
	Declared []string
	// Verifier checks the callers' tokens.
	Verifier *authn.Verifier
	// Logger gets one line per call; nil is slog's default.
	Logger *slog.Logger
	// Meter and Tracer are where calls are counted and traced; nil is OpenTelemetry's global.
	Meter  metric.MeterProvider
	Tracer trace.TracerProvider
	// Reflection lets callers ask what the server offers.
	Reflection bool
	// MaxMessage is in bytes; 0 is DefaultMaxMessage.
	MaxMessage int
	// MaxTime bounds unary calls without a deadline; 0 is DefaultMaxTime.
	MaxTime time.Duration
	// Validate checks every message that arrives, after the permission; nil for none.
	Validate func(ctx context.Context, message any) error
	// Credentials secure the listener; nil is plain TCP, which only loopback addresses take.
	Credentials credentials.TransportCredentials
	// InsecurePlaintext lets every address take plain TCP.
	InsecurePlaintext bool
	// Clock is for the log's durations; nil is time.Now.
	Clock func() time.Time
}

// Server is a gRPC server in the making, then running, then stopped.
// Register services, Start, Stop. Safe for concurrent use after Start.
type Server struct {
	o      Options
	guard  *authn.Guard
	faults func(error) *fault.Error
	calls  metric.Int64Counter
	grpc   *grpc.Server
	inproc *inprocgrpc.Channel
	health *health.Server

	registered []string
	problems   []error

	mu       sync.Mutex
	started  bool
	failed   chan error
	stopping chan struct{}
	stopOnce sync.Once
	stopped  error
	local    localCalls
}

// New returns a server without services.
func New(o Options) (*Server, error) {
	if o.Name == "" || len(o.Declared) == 0 || o.Verifier == nil {
		return nil, errors.New("a server needs a name, its services and a verifier")
	}
	o = withDefaults(o)
	s := &Server{o: o, guard: authn.NewGuard(o.Verifier), faults: fault.From, health: health.NewServer(), failed: make(chan error, 1), stopping: make(chan struct{})}
	s.local.done = make(chan struct{})
	var err error
	s.calls, err = o.Meter.Meter("lethe/server").Int64Counter("lethe.calls", metric.WithDescription("Calls answered, by method, code and reason."))
	if err != nil {
		return nil, fmt.Errorf("make counter: %w", err)
	}
	secured := o.Credentials
	if secured == nil {
		secured = insecure.NewCredentials()
	}
	// In the all-in-one form all services are one program: the span says which of them answered.
	stats := otelgrpc.NewServerHandler(append(otelOptions(o), otelgrpc.WithSpanAttributes(attribute.String(obs.KeyService, o.Name)))...)
	s.grpc = grpc.NewServer(
		grpc.Creds(secured),
		grpc.StatsHandler(stats),
		grpc.UnaryInterceptor(s.unary), grpc.StreamInterceptor(s.stream),
		grpc.MaxRecvMsgSize(o.MaxMessage), grpc.MaxSendMsgSize(o.MaxMessage),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 30 * time.Second, Timeout: 10 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}))
	s.inproc = new(inprocgrpc.Channel).
		WithServerUnaryInterceptor(s.localUnary).WithServerStreamInterceptor(s.localStream).
		WithServerStatsHandler(stats).WithClientStatsHandler(otelgrpc.NewClientHandler(otelOptions(o)...))
	healthv1.RegisterHealthServer(s.grpc, s.health)
	s.health.SetServingStatus("", healthv1.HealthCheckResponse_NOT_SERVING)
	if o.Reflection {
		reflection.Register(s.grpc)
	}
	return s, nil
}

func withDefaults(o Options) Options {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Meter == nil {
		o.Meter = otel.GetMeterProvider()
	}
	if o.Tracer == nil {
		o.Tracer = otel.GetTracerProvider()
	}
	if o.MaxMessage == 0 {
		o.MaxMessage = DefaultMaxMessage
	}
	if o.MaxTime == 0 {
		o.MaxTime = DefaultMaxTime
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	return o
}

func otelOptions(o Options) []otelgrpc.Option {
	return []otelgrpc.Option{
		otelgrpc.WithFilter(filters.Not(filters.HealthCheck())),
		otelgrpc.WithTracerProvider(o.Tracer), otelgrpc.WithMeterProvider(o.Meter), otelgrpc.WithPropagators(obs.Propagator()),
	}
}

// Bar sets whom methods that write refuse although their token is good; a
// participant sets it when it is registered.
func (s *Server) Bar(b authn.Bar) { s.guard.Bar(b) }

// Faults sets how an error that is no fault becomes one; fault.From unless a
// participant, which has a store whose errors mean something, sets it when it is registered.
func (s *Server) Faults(from func(error) *fault.Error) { s.faults = from }

// RegisterService adds a service. What is wrong with it is told by Start,
// because generated registration functions return nothing.
func (s *Server) RegisterService(desc *grpc.ServiceDesc, impl any) {
	if problem := s.check(desc, impl); problem != nil {
		s.problems = append(s.problems, problem)
		return
	}
	s.registered = append(s.registered, desc.ServiceName)
	s.grpc.RegisterService(desc, impl)
	s.inproc.RegisterService(desc, impl)
}

func (s *Server) check(desc *grpc.ServiceDesc, impl any) error {
	switch {
	case s.isStarted():
		return fmt.Errorf("service %s is registered after the start", desc.ServiceName)
	case slices.Contains(s.registered, desc.ServiceName):
		return fmt.Errorf("service %s is registered twice", desc.ServiceName)
	case !slices.Contains(s.o.Declared, desc.ServiceName):
		return fmt.Errorf("service %s is registered but not declared", desc.ServiceName)
	case desc.HandlerType != nil && (impl == nil || !reflect.TypeOf(impl).Implements(reflect.TypeOf(desc.HandlerType).Elem())):
		return fmt.Errorf("service %s is registered with something that does not implement it", desc.ServiceName)
	}
	var bare []error
	for _, name := range methodNames(desc) {
		if s.guard.PermissionOf("/"+desc.ServiceName+"/"+name) == optionsv1.Permission_PERMISSION_UNSPECIFIED {
			bare = append(bare, fmt.Errorf("method %s/%s has no permission", desc.ServiceName, name))
		}
	}
	return errors.Join(bare...)
}

func methodNames(desc *grpc.ServiceDesc) []string {
	var names []string
	for _, m := range desc.Methods {
		names = append(names, m.MethodName)
	}
	for _, m := range desc.Streams {
		names = append(names, m.StreamName)
	}
	return names
}

func (s *Server) isStarted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.started
}

// Verify returns everything that is wrong with the registered services, nil when nothing is.
func (s *Server) Verify() error {
	problems := slices.Clone(s.problems)
	for _, name := range s.o.Declared {
		if !slices.Contains(s.registered, name) {
			problems = append(problems, fmt.Errorf("service %s is declared but not registered", name))
		}
	}
	return errors.Join(problems...)
}

// Start listens on a TCP address ("127.0.0.1:0" picks a port), serves in the
// background and returns the address. It refuses services that Verify finds
// fault with, and an address that other machines reach in the clear.
func (s *Server) Start(address string) (net.Addr, error) {
	if err := s.Verify(); err != nil {
		return nil, err
	}
	if s.o.Credentials == nil && !s.o.InsecurePlaintext {
		if err := mtls.CheckListen(address); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started {
		return nil, errors.New("server is started twice")
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s.started = true
	s.SetServing(true)
	go func() {
		err := s.grpc.Serve(l)
		if errors.Is(err, grpc.ErrServerStopped) { // stopped before it had begun
			err = nil
		}
		s.failed <- err
	}()
	return l.Addr(), nil
}

// Failed yields once when serving has ended: nil after Stop, else the error.
func (s *Server) Failed() <-chan error { return s.failed }

// SetServing tells health watchers whether the server wants calls; Start says yes, Stop says no.
func (s *Server) SetServing(yes bool) {
	status := healthv1.HealthCheckResponse_NOT_SERVING
	if yes {
		status = healthv1.HealthCheckResponse_SERVING
	}
	s.health.SetServingStatus("", status)
	for _, name := range s.registered {
		s.health.SetServingStatus(name, status)
	}
}

// InProcess returns a channel to the server's services that passes the same
// interceptors without a socket. It works before Start and ends with Stop.
func (s *Server) InProcess() grpc.ClientConnInterface { return s.inproc }

// Stop tells health first, lets running calls finish, and cuts what is left
// when ctx ends; the error then says so. It may be called twice, or without Start.
func (s *Server) Stop(ctx context.Context) error {
	s.stopOnce.Do(func() { s.stopped = s.stop(ctx) })
	return s.stopped
}

func (s *Server) stop(ctx context.Context) error {
	s.health.Shutdown()
	close(s.stopping)
	localDone := s.local.close()
	graceful := make(chan struct{})
	go func() {
		s.grpc.GracefulStop()
		<-localDone
		close(graceful)
	}()
	select {
	case <-graceful:
		return nil
	case <-ctx.Done():
	}
	// Cancels the contexts of what still runs, so that the goroutine above ends too.
	s.local.cancelAll()
	s.grpc.Stop()
	return fmt.Errorf("calls were cut off: %w", context.Cause(ctx))
}
