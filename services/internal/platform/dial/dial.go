// Package dial builds the clients of the suite. Every call leaves with a
// deadline, an identity, the number of the call it serves and its trace, and
// comes back with a *fault.Error or none. Nothing is retried here but what
// never left: the saga engine is the one place that asks again.
package dial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/fullstorydev/grpchan"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/obs"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc/filters"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/health" // clients watch the servers' health
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// The defaults of a client.
const (
	// DefaultTimeout bounds a unary call whose context has no deadline.
	DefaultTimeout = 15 * time.Second
	// DefaultStreamTimeout bounds a stream whose context has no deadline.
	DefaultStreamTimeout = 15 * time.Minute
	// DefaultMaxMessage is the largest message taken or sent, in bytes; the server's bound too.
	DefaultMaxMessage = 8 << 20
)

// serviceConfig spreads calls over all addresses of a name and leaves out
// servers that say they are not serving.
const serviceConfig = `{"loadBalancingConfig":[{"round_robin":{}}],"healthCheckConfig":{"serviceName":""}}`

// requestIDHeader is the server's RequestIDHeader.
const requestIDHeader = "x-request-id"

// Options say how to call; the zero value calls without identity over plain TCP.
type Options struct {
	// Source gives the service's own identity; nil when calls show the user's token (authn.WithOutgoingToken) or none.
	Source authn.TokenSource
	// Timeout and StreamTimeout bound calls without a deadline; 0 are the defaults.
	Timeout, StreamTimeout time.Duration
	// Credentials secure the connection; nil is plain TCP.
	Credentials credentials.TransportCredentials
	// Meter and Tracer; nil is OpenTelemetry's global.
	Meter  metric.MeterProvider
	Tracer trace.TracerProvider
}

// Conn is a client connection. Close ends it, and may be called twice.
type Conn struct {
	*grpc.ClientConn
}

// Close ends the connection and its calls.
func (c *Conn) Close() error {
	if err := c.ClientConn.Close(); err != nil && status.Code(err) != codes.Canceled {
		return fmt.Errorf("close connection: %w", err)
	}
	return nil
}

// New returns a client connection to a target such as "127.0.0.1:7101" or
// "dns:///contacts:7101". It connects with the first call; a call that finds
// no server fails at once as unavailable.
func New(target string, o Options) (*Conn, error) {
	o = withDefaults(o)
	cc, err := grpc.NewClient(target,
		grpc.WithTransportCredentials(o.Credentials),
		grpc.WithDefaultServiceConfig(serviceConfig), grpc.WithDisableServiceConfig(), grpc.WithDisableRetry(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(DefaultMaxMessage), grpc.MaxCallSendMsgSize(DefaultMaxMessage)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 20 * time.Second, Timeout: 10 * time.Second, PermitWithoutStream: true}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 5 * time.Second},
			MinConnectTimeout: 5 * time.Second,
		}),
		grpc.WithStatsHandler(otelgrpc.NewClientHandler(
			otelgrpc.WithFilter(filters.Not(filters.HealthCheck())),
			otelgrpc.WithTracerProvider(o.Tracer), otelgrpc.WithMeterProvider(o.Meter), otelgrpc.WithPropagators(obs.Propagator()))),
		grpc.WithChainUnaryInterceptor(unary(o)...), grpc.WithChainStreamInterceptor(stream(o)...))
	if err != nil {
		return nil, fmt.Errorf("make client of %s: %w", target, err)
	}
	return &Conn{cc}, nil
}

// Wrap gives an in-process channel (server.InProcess) the manners of New: the
// same deadlines, identity and errors.
func Wrap(ch grpc.ClientConnInterface, o Options) grpc.ClientConnInterface {
	o = withDefaults(o)
	return grpchan.InterceptClientConnStream(grpchan.InterceptClientConnUnary(ch, unary(o)...), stream(o)...)
}

func withDefaults(o Options) Options {
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.StreamTimeout == 0 {
		o.StreamTimeout = DefaultStreamTimeout
	}
	if o.Credentials == nil {
		o.Credentials = insecure.NewCredentials()
	}
	if o.Meter == nil {
		o.Meter = otel.GetMeterProvider()
	}
	if o.Tracer == nil {
		o.Tracer = otel.GetTracerProvider()
	}
	return o
}

// unary returns the interceptors, outermost first: errors are rebuilt from
// whatever the others return, and the identity may need the deadline.
func unary(o Options) []grpc.UnaryClientInterceptor {
	return []grpc.UnaryClientInterceptor{
		func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			return rebuild(invoker(ctx, method, req, reply, cc, opts...))
		},
		func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			ctx, cancel := bounded(ctx, o.Timeout)
			defer cancel()
			return invoker(numbered(ctx), method, req, reply, cc, opts...)
		},
		authn.UnaryClient(o.Source),
	}
}

func stream(o Options) []grpc.StreamClientInterceptor {
	return []grpc.StreamClientInterceptor{
		func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			ctx, cancel := bounded(ctx, o.StreamTimeout)
			cs, err := streamer(numbered(ctx), desc, cc, method, opts...)
			if err != nil {
				cancel()
				return nil, rebuild(err)
			}
			return &rebuilding{ClientStream: cs, single: !desc.ServerStreams, once: !desc.ClientStreams, end: cancel}, nil
		},
		authn.StreamClient(o.Source),
	}
}

// rebuild makes a fault of an error; nil stays nil, and not a typed one.
func rebuild(err error) error {
	if err == nil {
		return nil
	}
	return fault.FromStatus(err)
}

func bounded(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, limit)
}

// numbered passes the number of the call that is being served on.
func numbered(ctx context.Context) context.Context {
	id := obs.RequestID(ctx)
	if id == "" {
		return ctx
	}
	md, _ := metadata.FromOutgoingContext(ctx)
	md = md.Copy()
	md.Set(requestIDHeader, id)
	return metadata.NewOutgoingContext(ctx, md)
}

// rebuilding is a stream whose errors are faults. It frees its deadline when it ends.
type rebuilding struct {
	grpc.ClientStream
	single, once bool
	end          context.CancelFunc
}

// SendMsg sends; io.EOF means that RecvMsg knows why the stream has ended.
func (s *rebuilding) SendMsg(m any) error {
	err := s.ClientStream.SendMsg(m)
	if s.once && errors.Is(err, io.EOF) {
		// Generated code takes it for the stream's good end where one message is
		// sent; a channel inside the process answers it when the refusal was faster.
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return rebuild(err)
}

// RecvMsg receives; io.EOF is the stream's good end.
func (s *rebuilding) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if err != nil || s.single {
		s.end()
	}
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return rebuild(err)
}

// Header waits for the server's header.
func (s *rebuilding) Header() (metadata.MD, error) {
	md, err := s.ClientStream.Header()
	return md, rebuild(err)
}

// CloseSend says that nothing more will be sent.
func (s *rebuilding) CloseSend() error { return rebuild(s.ClientStream.CloseSend()) }
