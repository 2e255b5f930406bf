package obs_test

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/lethe-desk/lethe/services/internal/platform/obs"
)

// sink is a collector that keeps what it gets.
type sink struct {
	collector.UnimplementedTraceServiceServer
	mu  sync.Mutex
	got []*collector.ExportTraceServiceRequest
}

func (s *sink) Export(_ context.Context, r *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, r)
	return &collector.ExportTraceServiceResponse{}, nil
}

// Spans reach a collector over OTLP, with what is listed and nothing else.
func TestSpansReachACollector(t *testing.T) {
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, server := &sink{}, grpc.NewServer()
	collector.RegisterTraceServiceServer(server, s)
	go func() { _ = server.Serve(l) }()
	defer server.Stop()
	tele, err := obs.Setup(t.Context(), obs.Options{Service: "tickets", OTLPEndpoint: l.Addr().String(), LogWriter: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	tracer := tele.Tracer.Tracer("test")
	ctx, outer := tracer.Start(t.Context(), "saga.step", trace.WithAttributes(
		attribute.String("saga.step", "fence.tickets"), attribute.String("email", "canary@example.org")))
	_, inner := tracer.Start(ctx, "canary@example.org")
	inner.End()
	outer.End()
	if err := tele.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	spans, all := 0, ""
	for _, r := range s.got {
		all += protojson.Format(r)
		for _, rs := range r.GetResourceSpans() {
			for _, ss := range rs.GetScopeSpans() {
				spans += len(ss.GetSpans())
			}
		}
	}
	if spans != 2 || !strings.Contains(all, "fence.tickets") || !strings.Contains(all, "tickets") || strings.Contains(all, "canary") {
		t.Errorf("%d spans reached the collector: %s", spans, all)
	}
}
