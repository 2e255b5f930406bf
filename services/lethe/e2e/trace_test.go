package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// spanLog keeps every span it is given, also beyond its shutdown.
type spanLog struct {
	mu    sync.Mutex
	spans tracetest.SpanStubs
}

func (l *spanLog) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spans = append(l.spans, tracetest.SpanStubsFromReadOnlySpans(spans)...)
	return nil
}

func (l *spanLog) Shutdown(context.Context) error { return nil }

// of returns the spans of a trace.
func (l *spanLog) of(traceID string) tracetest.SpanStubs {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out tracetest.SpanStubs
	for _, s := range l.spans {
		if s.SpanContext.TraceID().String() == traceID {
			out = append(out, s)
		}
	}
	return out
}

// One saga is one trace: from the gateway through privacy into every
// participant, and across a restart by links.
func TestSagaIsOneTrace(t *testing.T) {
	d := newDesk(t)
	p := d.populate("anna", 2)
	_, saga := d.request("erasure", p.contact)
	traceID := fmt.Sprint(saga["trace_id"])
	d.stop()
	spans := d.spans.of(traceID)
	byID := map[string]tracetest.SpanStub{}
	names := map[string]int{}
	for _, s := range spans {
		byID[s.SpanContext.SpanID().String()] = s
		names[s.Name]++
	}
	roots := 0
	for _, s := range spans {
		if !s.Parent.IsValid() {
			roots++
			if !strings.HasPrefix(s.Name, http.MethodPost+" ") {
				t.Errorf("the root span is %q", s.Name)
			}
			continue
		}
		if _, ok := byID[s.Parent.SpanID().String()]; !ok {
			t.Errorf("the parent of %q is missing", s.Name)
		}
	}
	if roots != 1 {
		t.Errorf("%d root spans of one trace: %v", roots, names)
	}
	for _, want := range []string{
		"POST /api/v2/privacy/requests", "lethe.privacy.v1.PrivacyService/CreateRequest",
		"saga.create", "saga.segment", "saga.step",
		"lethe.participant.v1.PersonalDataService/Fence", "lethe.participant.v1.PersonalDataService/Destroy",
		"lethe.participant.v1.PersonalDataService/Sweep", "lethe.participant.v1.PersonalDataService/CountHoldings",
	} {
		if names[want] == 0 {
			t.Errorf("no span %q in %v", want, names)
		}
	}
	// Every step of the saga has a span of its own below a segment.
	for _, s := range saga["steps"].([]any) {
		name := fmt.Sprint(s.(object)["name"])
		if !hasStep(spans, byID, name) {
			t.Errorf("step %s has no span below a segment", name)
		}
	}
}

func hasStep(spans tracetest.SpanStubs, byID map[string]tracetest.SpanStub, step string) bool {
	for _, s := range spans {
		if s.Name != "saga.step" || byID[s.Parent.SpanID().String()].Name != "saga.segment" {
			continue
		}
		for _, a := range s.Attributes {
			if string(a.Key) == "saga.step" && a.Value.AsString() == step {
				return true
			}
		}
	}
	return false
}

// A saga that a restart interrupts goes on in the same trace: the run after it
// has a span of its own that links to the run before.
func TestTraceGoesOnAcrossARestart(t *testing.T) {
	d := newDesk(t)
	for attempt := range 8 {
		p := d.populate(fmt.Sprint("anna", attempt), 40)
		request := d.create("/api/v2/privacy/requests", object{"kind": "erasure", "contact_id": json.Number(p.contact), "direct": true})
		d.stop() // in the middle, unless the saga was faster
		before := d.spans
		d = open(t, d.dir)
		saga := d.await(fmt.Sprint(request["saga_id"]))
		if saga["state"] != "completed" {
			t.Fatalf("the saga ended as %v", saga["state"])
		}
		d.gone(p)
		d.stop()
		traceID := fmt.Sprint(saga["trace_id"])
		first, second := segments(before.of(traceID)), segments(d.spans.of(traceID))
		d = open(t, d.dir)
		if len(first) == 0 || len(second) == 0 {
			continue // it was done before the stop, or had not begun
		}
		last := first[len(first)-1].SpanContext.SpanID()
		links := second[0].Links
		if len(links) != 1 || links[0].SpanContext.SpanID() != last || links[0].SpanContext.TraceID().String() != traceID {
			t.Errorf("the run after the restart links to %v, want the run before, %s", links, last)
		}
		return
	}
	t.Error("no erasure was still running when the suite stopped")
}

func segments(spans tracetest.SpanStubs) tracetest.SpanStubs {
	var out tracetest.SpanStubs
	for _, s := range spans {
		if s.Name == "saga.segment" {
			out = append(out, s)
		}
	}
	return out
}
