package obs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// DefaultTraceFileMax is the size at which a trace file is put aside, in bytes.
const DefaultTraceFileMax = 64 << 20

// TraceFile writes one JSON line per ended span to a file. When the file is
// full it becomes FILE.1, replacing an older one, and a new one begins; so it
// never takes more than twice its limit.
type TraceFile struct {
	mu   sync.Mutex
	path string
	max  int64
	size int64
	file *os.File
}

// SpanLine is one line of a trace file.
type SpanLine struct {
	TraceID    string         `json:"trace_id"`
	SpanID     string         `json:"span_id"`
	ParentID   string         `json:"parent_id,omitempty"`
	Service    string         `json:"service,omitempty"`
	Name       string         `json:"name"`
	Kind       string         `json:"kind"`
	Start      time.Time      `json:"start"`
	End        time.Time      `json:"end"`
	Status     string         `json:"status,omitempty"`
	Attributes map[string]any `json:"attributes,omitempty"`
	Links      []SpanLink     `json:"links,omitempty"`
	Events     []SpanEvent    `json:"events,omitempty"`
}

// SpanLink points from a span to another, such as the run of a saga before a crash.
type SpanLink struct {
	TraceID    string         `json:"trace_id"`
	SpanID     string         `json:"span_id"`
	Attributes map[string]any `json:"attributes,omitempty"`
}

// SpanEvent is a moment inside a span.
type SpanEvent struct {
	Name       string         `json:"name"`
	At         time.Time      `json:"at"`
	Attributes map[string]any `json:"attributes,omitempty"`
}

// OpenTraceFile opens or makes the file, mode 0600, and appends to it. limit in
// bytes; 0 is DefaultTraceFileMax.
func OpenTraceFile(path string, limit int64) (*TraceFile, error) {
	if limit <= 0 {
		limit = DefaultTraceFileMax
	}
	t := &TraceFile{path: path, max: limit}
	return t, t.open()
}

func (t *TraceFile) open() error {
	f, err := os.OpenFile(t.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open trace file: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("open trace file: %w", err), f.Close())
	}
	t.file, t.size = f, info.Size()
	return nil
}

// ExportSpans appends a line for each span.
func (t *TraceFile) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.file == nil {
		return os.ErrClosed
	}
	for _, s := range spans {
		b, err := json.Marshal(line(s))
		if err != nil {
			return fmt.Errorf("encode span: %w", err)
		}
		if err := t.write(append(b, '\n')); err != nil {
			return err
		}
	}
	return nil
}

func (t *TraceFile) write(b []byte) error {
	if t.size > 0 && t.size+int64(len(b)) > t.max {
		if err := t.turn(); err != nil {
			return err
		}
	}
	n, err := t.file.Write(b)
	t.size += int64(n)
	if err != nil {
		return fmt.Errorf("write trace file: %w", err)
	}
	return nil
}

// turn puts the full file aside and begins a new one.
func (t *TraceFile) turn() error {
	err := t.file.Close()
	t.file = nil
	if err != nil {
		return fmt.Errorf("close trace file: %w", err)
	}
	if err := os.Rename(t.path, t.path+".1"); err != nil {
		return fmt.Errorf("turn trace file: %w", err)
	}
	return t.open()
}

// Shutdown closes the file; spans that come later are refused.
func (t *TraceFile) Shutdown(context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.file == nil {
		return nil
	}
	err := t.file.Close()
	t.file = nil
	return err
}

func line(s sdktrace.ReadOnlySpan) SpanLine {
	l := SpanLine{
		TraceID: s.SpanContext().TraceID().String(), SpanID: s.SpanContext().SpanID().String(),
		Name: s.Name(), Kind: s.SpanKind().String(), Start: s.StartTime().UTC(), End: s.EndTime().UTC(),
		Attributes: attributes(s.Attributes()),
	}
	if s.Parent().HasSpanID() {
		l.ParentID = s.Parent().SpanID().String()
	}
	if code := s.Status().Code.String(); code != "Unset" {
		l.Status = code
	}
	if r := s.Resource(); r != nil {
		if v, ok := r.Set().Value("service.name"); ok {
			l.Service = v.AsString()
		}
	}
	for _, k := range s.Links() {
		l.Links = append(l.Links, SpanLink{k.SpanContext.TraceID().String(), k.SpanContext.SpanID().String(), attributes(k.Attributes)})
	}
	for _, e := range s.Events() {
		l.Events = append(l.Events, SpanEvent{e.Name, e.Time.UTC(), attributes(e.Attributes)})
	}
	return l
}

func attributes(all []attribute.KeyValue) map[string]any {
	if len(all) == 0 {
		return nil
	}
	m := make(map[string]any, len(all))
	for _, a := range all {
		m[string(a.Key)] = a.Value.AsInterface()
	}
	return m
}
