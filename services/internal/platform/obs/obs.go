// Package obs sets up what operators look at: logs, traces, metrics and
// health. Everything passes one list of keys (keys.go) before it leaves the
// process, so that a line of code that logs a person's data writes a
// placeholder and raises a counter.
package obs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Options say what to set up; the zero value logs to stderr from Info on and exports no spans.
type Options struct {
	// Service and Version name the process in spans.
	Service, Version string
	// OTLPEndpoint is host:port of a collector that takes spans over gRPC, without TLS; "" for none.
	OTLPEndpoint string
	// TraceFile gets a JSON line per span; "" for none.
	TraceFile string
	// TraceFileMax is its size limit in bytes; 0 is DefaultTraceFileMax.
	TraceFileMax int64
	// LogWriter is where JSON lines go; nil is stderr.
	LogWriter io.Writer
	// LogLevel is the lowest level written.
	LogLevel slog.Level
	// Exporters are further places for spans; they are cleaned like the others.
	Exporters []sdktrace.SpanExporter
}

// Telemetry is what Setup made. Its fields do not change.
type Telemetry struct {
	// Logger writes cleaned JSON lines.
	Logger *slog.Logger
	// Tracer makes spans; without a place for them it makes ids only.
	Tracer *sdktrace.TracerProvider
	// Meter makes instruments, read at MetricsHandler.
	Meter *sdkmetric.MeterProvider
	// Registry is the private Prometheus registry behind MetricsHandler.
	Registry *prometheus.Registry
	// Health answers /healthz and /readyz.
	Health *Health

	handler *Handler
	once    sync.Once
	end     error
}

// Setup makes telemetry. It sets no globals; SetGlobal does.
func Setup(ctx context.Context, o Options) (*Telemetry, error) {
	if o.LogWriter == nil {
		o.LogWriter = os.Stderr
	}
	handler := NewHandler(o.LogWriter, o.LogLevel)
	logger := slog.New(handler)
	if o.Service != "" {
		logger = logger.With(KeyService, o.Service)
	}
	res := resource.NewSchemaless(attribute.String("service.name", o.Service), attribute.String("service.version", o.Version))
	tracer, err := newTracer(ctx, o, res)
	if err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	meter, err := newMeter(registry, res, handler)
	if err != nil {
		return nil, errors.Join(err, tracer.Shutdown(ctx))
	}
	return &Telemetry{Logger: logger, Tracer: tracer, Meter: meter, Registry: registry, Health: NewHealth(), handler: handler}, nil
}

func newTracer(ctx context.Context, o Options, res *resource.Resource) (*sdktrace.TracerProvider, error) {
	opts := []sdktrace.TracerProviderOption{sdktrace.WithResource(res)}
	places := 0
	if o.OTLPEndpoint != "" {
		e, err := otlptracegrpc.New(ctx, otlptracegrpc.WithEndpoint(o.OTLPEndpoint), otlptracegrpc.WithInsecure())
		if err != nil {
			return nil, fmt.Errorf("set up otlp: %w", err)
		}
		opts = append(opts, sdktrace.WithBatcher(Clean(e)))
		places++
	}
	for _, e := range o.Exporters {
		opts = append(opts, sdktrace.WithSyncer(Clean(e)))
		places++
	}
	if o.TraceFile != "" {
		f, err := OpenTraceFile(o.TraceFile, o.TraceFileMax)
		if err != nil {
			return nil, err
		}
		// Written at once: a span of a process that dies right after is what one wants to read.
		opts = append(opts, sdktrace.WithSyncer(Clean(f)))
		places++
	}
	if places == 0 {
		opts = append(opts, sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.NeverSample())))
	}
	return sdktrace.NewTracerProvider(opts...), nil
}

func newMeter(registry *prometheus.Registry, res *resource.Resource, handler *Handler) (*sdkmetric.MeterProvider, error) {
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	exporter, err := otelprom.New(otelprom.WithRegisterer(registry))
	if err != nil {
		return nil, fmt.Errorf("set up metrics: %w", err)
	}
	listed := sdkmetric.NewView(sdkmetric.Instrument{Name: "*"}, sdkmetric.Stream{
		AttributeFilter: func(a attribute.KeyValue) bool { return Allowed(string(a.Key)) },
	})
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithResource(res), sdkmetric.WithReader(exporter), sdkmetric.WithView(listed))
	_, err = provider.Meter("lethe").Int64ObservableCounter("lethe.log.dropped",
		metric.WithDescription("Attributes kept out of the log because their key or type is not allowed."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(handler.Dropped())
			return nil
		}))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("set up metrics: %w", err), provider.Shutdown(context.Background()))
	}
	return provider, nil
}

// SetGlobal makes this telemetry the process's: OpenTelemetry's providers,
// W3C propagation and slog's default. Call it once, in main.
func (t *Telemetry) SetGlobal() {
	otel.SetTracerProvider(t.Tracer)
	otel.SetMeterProvider(t.Meter)
	otel.SetTextMapPropagator(Propagator())
	slog.SetDefault(t.Logger)
}

// Propagator carries the trace over the wire: W3C trace context, and no
// baggage, for anybody could put anything in it.
func Propagator() propagation.TextMapPropagator { return propagation.TraceContext{} }

// Dropped returns how many log attributes were not allowed.
func (t *Telemetry) Dropped() int64 { return t.handler.Dropped() }

// MetricsHandler answers /metrics in Prometheus' format.
func (t *Telemetry) MetricsHandler() http.Handler {
	return promhttp.HandlerFor(t.Registry, promhttp.HandlerOpts{Registry: t.Registry})
}

// Flush sends what spans are waiting.
func (t *Telemetry) Flush(ctx context.Context) error { return t.Tracer.ForceFlush(ctx) }

// Shutdown flushes and closes everything, last of all parts of a process. It may be called twice.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	t.once.Do(func() { t.end = errors.Join(t.Tracer.Shutdown(ctx), t.Meter.Shutdown(ctx)) })
	return t.end
}
