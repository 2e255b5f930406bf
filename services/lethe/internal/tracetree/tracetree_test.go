package tracetree

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/obs"
)

func TestTree(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	span := func(id, parent, name, kind string, from, to int, attrs map[string]any) obs.SpanLine {
		return obs.SpanLine{
			TraceID: "t1", SpanID: id, ParentID: parent, Name: name, Kind: kind, Attributes: attrs,
			Start: at.Add(time.Duration(from) * time.Millisecond), End: at.Add(time.Duration(to) * time.Millisecond),
		}
	}
	other := span("x", "", "other", "server", 0, 1, nil)
	other.TraceID = "t2"
	again := span("e", "a", "saga.segment", "internal", 20, 30, nil)
	again.Links = []obs.SpanLink{{TraceID: "t1", SpanID: "c"}}
	path := filepath.Join(t.TempDir(), "spans.jsonl")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []obs.SpanLine{ // written as they end: children first
		span("d", "c", "svc/Method", "server", 3, 4, map[string]any{"service": "tickets"}), other,
		span("c", "b", "svc/Method", "client", 2, 5, map[string]any{"service": "nobody"}),
		span("b", "a", "saga.step", "internal", 1, 6, map[string]any{"saga.step": "fence.tickets"}),
		span("a", "gone", "POST /x", "server", 0, 10, map[string]any{"service": "gateway"}), again,
	} {
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(append(b, '\n')); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	spans, err := Read(path, "t1")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := Print(&b, spans); err != nil {
		t.Fatal(err)
	}
	want := `    0.0 ms    10.0 ms  POST /x
    1.0 ms     5.0 ms    saga.step fence.tickets
    3.0 ms     1.0 ms      svc/Method
   20.0 ms    10.0 ms    saga.segment (continues an earlier run)
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
	if got := strings.Join(Participants(spans), " "); got != "gateway tickets" {
		t.Errorf("participants %q", got)
	}
}
