// Package gateway is the REST interface of the suite, in the manners of the
// Freshdesk API v2. It stores nothing and decides nothing about people: it
// checks who calls, turns JSON and forms into messages of the contract, calls
// one service, and turns its answer or fault into what Freshdesk's clients
// expect. Everything it knows of paths, status codes and members it reads from
// the options of the contract at start.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	privacyv1 "github.com/lethe-desk/lethe/gen/go/lethe/privacy/v1"
	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/gateway/internal/identity"
	"github.com/lethe-desk/lethe/services/gateway/internal/limit"
	"github.com/lethe-desk/lethe/services/gateway/internal/route"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/obs"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
)

// The defaults of a gateway.
const (
	// DefaultRateLimit is the calls an account may make in a minute, for those who build a Config from settings.
	DefaultRateLimit = 6000
	// DefaultTimeout bounds a call of a service.
	DefaultTimeout = 30 * time.Second
	// heartbeat is how often a quiet stream of events says that it is alive.
	heartbeat = 15 * time.Second
)

// Config says what a gateway calls and how it presents itself. The
// connections are mandatory; they must show the token of
// authn.WithOutgoingToken, as those of package dial do.
type Config struct {
	// Contacts, Tickets, Forums, Ratings and Privacy are connections to the services, over the network or in the process.
	Contacts, Tickets, Forums, Ratings, Privacy grpc.ClientConnInterface
	// Verifier reads bearer tokens, so that calls are counted per account. Without one
	// they are passed on unseen, services check them, and calls are counted per token.
	Verifier *authn.Verifier
	// RateLimit is how many calls an account may make in a minute; 0 is no limit.
	RateLimit int
	// BaseURL is scheme and host of the absolute URLs in answers, without a slash at
	// the end; empty is what the client used.
	BaseURL string
	// TrustForwarded says that a proxy in front sets X-Forwarded-Proto and X-Forwarded-Host.
	TrustForwarded bool
	// Timeout bounds a call of a service; 0 is DefaultTimeout. Streams have no bound here.
	Timeout time.Duration
	// Live, Ready and Metrics answer /healthz, /readyz and /metrics; nil answers 404.
	Live, Ready, Metrics http.Handler
	// Tracer and Meter; nil is OpenTelemetry's global.
	Tracer trace.TracerProvider
	Meter  metric.MeterProvider
	// Log gets one line per request; nil is slog's default.
	Log *slog.Logger
	// Now is the time of now; nil is time.Now.
	Now func() time.Time

	// ticks makes the heartbeats of event streams; tests set it.
	ticks func() (<-chan time.Time, func())
}

// Gateway is an http.Handler for everything below /api/v2, for its description
// at /openapi.json and /docs, and for /healthz, /readyz and /metrics. Safe for concurrent use.
type Gateway struct {
	cfg    Config
	table  route.Table
	mux    *runtime.ServeMux
	keys   *identity.Keys
	limits *limit.Limiter
	traced http.Handler

	attachments ticketsv1.AttachmentsServiceClient
	privacy     privacyv1.PrivacyServiceClient

	closed context.Context
	close  context.CancelFunc
}

// New builds a gateway. It fails when a connection is missing or when the
// contract and the generated code do not fit each other. ctx bounds the gateway's life
// like Close.
func New(ctx context.Context, cfg Config) (*Gateway, error) {
	for _, conn := range []grpc.ClientConnInterface{cfg.Contacts, cfg.Tickets, cfg.Forums, cfg.Ratings, cfg.Privacy} {
		if conn == nil {
			return nil, errors.New("a gateway needs connections to contacts, tickets, forums, ratings and privacy")
		}
	}
	cfg = withDefaults(cfg)
	g := &Gateway{
		cfg:         cfg,
		keys:        identity.New(contactsv1.NewIdentityServiceClient(cfg.Contacts), cfg.Verifier, cfg.Now),
		limits:      limit.New(cfg.RateLimit, cfg.Now),
		attachments: ticketsv1.NewAttachmentsServiceClient(cfg.Tickets),
		privacy:     privacyv1.NewPrivacyServiceClient(cfg.Privacy),
	}
	g.closed, g.close = context.WithCancel(ctx)
	if err := g.routes(); err != nil {
		g.close()
		return nil, fmt.Errorf("build routes: %w", err)
	}
	g.traced = otelhttp.NewHandler(http.HandlerFunc(g.serve), "http",
		otelhttp.WithServerName("gateway"), otelhttp.WithPropagators(obs.Propagator()),
		otelhttp.WithTracerProvider(cfg.Tracer), otelhttp.WithMeterProvider(cfg.Meter))
	return g, nil
}

func withDefaults(cfg Config) Config {
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.Tracer == nil {
		cfg.Tracer = otel.GetTracerProvider()
	}
	if cfg.Meter == nil {
		cfg.Meter = otel.GetMeterProvider()
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.ticks == nil {
		cfg.ticks = func() (<-chan time.Time, func()) {
			t := time.NewTicker(heartbeat)
			return t.C, t.Stop
		}
	}
	cfg.BaseURL = strings.TrimSuffix(cfg.BaseURL, "/")
	return cfg
}

// Close ends the streams of events, so that the HTTP server can shut down. It
// does not close the connections. It never fails and may be called twice.
func (g *Gateway) Close() error {
	g.close()
	return nil
}
