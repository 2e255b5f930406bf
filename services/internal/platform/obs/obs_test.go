package obs

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/proto"
)

const canary = "Zorro-Canary-7731"

func setup(t *testing.T, o Options) (*Telemetry, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	o.LogWriter = &log
	o.Service = "test"
	tel, err := Setup(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 2 {
			if err := tel.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
		}
	})
	return tel, &log
}

func TestLogLetsOnlyListedKeysAndPlainValuesThrough(t *testing.T) {
	tel, log := setup(t, Options{})
	type inside struct{ Email string }
	tel.Logger.With("email", canary).WithGroup(canary).Info("hello",
		KeyAccount, 7, "email", canary, canary, 1, KeyName, inside{canary}, KeyError, errors.New("plain"),
		KeyMessage, &contactsv1.Contact{Id: proto.Int64(4), Name: proto.String(canary)},
		slog.Group(KeyFields, slog.String("phone", canary), slog.Int(KeyCount, 3)),
		KeyActor, Hide(canary))
	text := log.String()
	if strings.Contains(text, canary) {
		t.Fatalf("the log holds a personal value: %s", text)
	}
	for _, want := range []string{`"account":7`, `"error":"plain"`, `"count":3`, `"id":4`, `"service":"test"`} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing in %s", want, text)
		}
	}
	if tel.Dropped() != 6 {
		t.Errorf("%d attributes counted as dropped, want 6: %s", tel.Dropped(), text)
	}
}

func TestLogAddsRequestAndTrace(t *testing.T) {
	tel, log := setup(t, Options{})
	ctx, span := tel.Tracer.Tracer("x").Start(WithRequestID(context.Background(), "abc"), "work")
	tel.Logger.InfoContext(ctx, "hello")
	span.End()
	var line map[string]any
	if err := json.Unmarshal(log.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	if line[KeyRequestID] != "abc" || line[KeyTraceID] != span.SpanContext().TraceID().String() {
		t.Fatalf("%v", line)
	}
	if !span.SpanContext().HasTraceID() {
		t.Fatal("no trace id without exporters")
	}
}

func TestPersonalPrintsAPlaceholderEverywhere(t *testing.T) {
	p := Hide(canary)
	b, err := json.Marshal(map[string]any{"a": p, "b": []Personal[string]{p}, "c": struct{ P Personal[string] }{p}})
	if err != nil {
		t.Fatal(err)
	}
	text := string(b) + fmt.Sprintf("%v %+v %#v %s %q %x %d", p, p, p, p, p, p, p) + fmt.Sprint(&p, []any{p}, struct{ X any }{p}) + fmt.Errorf("x %w", fmt.Errorf("%v", p)).Error()
	if strings.Contains(text, canary) || strings.Contains(text, fmt.Sprintf("%x", canary)) {
		t.Fatal(text)
	}
	if p.Reveal() != canary {
		t.Fatal("value lost")
	}
}

func readSpans(t *testing.T, path string) []SpanLine {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var spans []SpanLine
	for s := bufio.NewScanner(f); s.Scan(); {
		var l SpanLine
		if err := json.Unmarshal(s.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		spans = append(spans, l)
	}
	return spans
}

func TestTraceFileHasCleanSpans(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trace.jsonl")
	tel, _ := setup(t, Options{TraceFile: path})
	tracer := tel.Tracer.Tracer("x")
	ctx, parent := tracer.Start(context.Background(), "saga step")
	_, child := tracer.Start(ctx, "GET /api/v2/contacts/"+canary,
		trace.WithLinks(trace.Link{SpanContext: parent.SpanContext(), Attributes: []attribute.KeyValue{attribute.String("email", canary)}}))
	child.SetAttributes(attribute.String("url.full", canary), attribute.String(KeySaga, "S1"))
	child.RecordError(errors.New(canary))
	child.SetStatus(codes.Error, canary)
	child.End()
	parent.End()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(raw), canary) {
		t.Fatalf("a span holds a personal value: %s", raw)
	}
	spans := readSpans(t, path)
	if len(spans) != 2 {
		t.Fatalf("%d spans", len(spans))
	}
	c, p := spans[0], spans[1]
	if c.ParentID != p.SpanID || c.TraceID != p.TraceID || c.Name != Dropped || c.Status != "Error" || c.Attributes[KeySaga] != "S1" || c.Service != "test" {
		t.Errorf("child %+v", c)
	}
	if p.Name != "saga step" || p.ParentID != "" || len(c.Links) != 1 || c.Links[0].SpanID != p.SpanID || len(c.Events) != 1 {
		t.Errorf("parent %+v child %+v", p, c)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}

func TestTraceFileTurnsAtItsLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trace.jsonl")
	tel, _ := setup(t, Options{TraceFile: path, TraceFileMax: 1000})
	tracer := tel.Tracer.Tracer("x")
	for range 20 {
		_, s := tracer.Start(context.Background(), "work")
		s.End()
	}
	for _, f := range []string{path, path + ".1"} {
		info, err := os.Stat(f)
		if err != nil || info.Size() > 1000 || len(readSpans(t, f)) == 0 {
			t.Errorf("%s: %v %v", f, info, err)
		}
	}
}

func TestSpanNames(t *testing.T) {
	good := []string{"lethe.contacts.v1.ContactsService/GetContact", "GET /api/v2/contacts/{id}", "POST /api/v2/privacy/requests", "GET", "db get", "saga step",
		"grpc.health.v1.Health/Check", "GET /api/v2/tickets/{ticket.id}/time_entries", "GET /"}
	bad := []string{"anna@example.com", "GET /api/v2/contacts?email=anna@example.com", "GET /x/Anna Smith", "GET /api/v2/contacts/Anna", "", "a\nb", "Anna Smith"}
	for _, n := range good {
		if !spanName.MatchString(n) {
			t.Errorf("%q refused", n)
		}
	}
	for _, n := range bad {
		if spanName.MatchString(n) {
			t.Errorf("%q accepted", n)
		}
	}
}

func TestMetricsDropUnlistedAttributes(t *testing.T) {
	tel, _ := setup(t, Options{})
	c, err := tel.Meter.Meter("x").Int64Counter("lethe.things")
	if err != nil {
		t.Fatal(err)
	}
	c.Add(context.Background(), 2, metric.WithAttributes(attribute.String("email", canary), attribute.String(KeyKind, "a")))
	tel.Logger.Info("x", "bad", 1)
	rec := httptest.NewRecorder()
	tel.MetricsHandler().ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	text := rec.Body.String()
	if strings.Contains(text, canary) || !strings.Contains(text, `lethe_things_total{kind="a"`) || !strings.Contains(text, "lethe_log_dropped_total") || !strings.Contains(text, "go_goroutines") {
		t.Fatal(text)
	}
}

func TestHealth(t *testing.T) {
	h := NewHealth()
	fail := errors.New("down at " + canary)
	if err := errors.Join(h.Add("store", func(context.Context) error { return fail }), h.Add("mad", func(context.Context) error { panic(canary) })); err != nil {
		t.Fatal(err)
	}
	if h.Add("store", nil) == nil {
		t.Fatal("a check was registered twice")
	}
	ask := func(handler http.Handler) (int, string) {
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		return rec.Code, rec.Body.String()
	}
	if code, body := ask(h.Ready()); code != 503 || !strings.Contains(body, `["started","store","mad"]`) || strings.Contains(body, canary) {
		t.Fatalf("%d %s", code, body)
	}
	if code, _ := ask(h.Live()); code != 200 {
		t.Fatal("not live")
	}
	h = NewHealth()
	h.SetReady(true)
	if code, body := ask(h.Ready()); code != 200 || !strings.Contains(body, `"ok"`) {
		t.Fatalf("%d %s", code, body)
	}
}

func TestKeysAreListedOnce(t *testing.T) {
	for _, k := range []string{"email", "name_of_person", "url.full", "user_agent.original", "exception.message"} {
		if Allowed(k) {
			t.Errorf("%s is allowed", k)
		}
	}
	if !Allowed(KeySaga) || !Allowed("rpc.method") {
		t.Error("listed keys refused")
	}
}
