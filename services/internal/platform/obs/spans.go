package obs

import (
	"context"
	"regexp"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// spanName is what a span may be called: a method of the contract with or
// without its service, a verb with a route pattern, or a few plain words.
var spanName = regexp.MustCompile(`^(?:[A-Za-z_][A-Za-z0-9_.]*(?:/[A-Za-z0-9_]+)?|(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS)(?: (?:/[a-z0-9_.:-]*|/\{[a-z0-9_.=*]+\})+)?|[a-z_]+(?: [a-z_]+){0,4})$`)

// cleaning is an exporter that lets only listed names and attributes through
// to the exporter behind it.
type cleaning struct {
	mu    sync.Mutex
	next  sdktrace.SpanExporter
	ended bool
}

// Clean wraps an exporter so that it sees only span names, attributes, events
// and links of the list, and no status text.
func Clean(next sdktrace.SpanExporter) sdktrace.SpanExporter { return &cleaning{next: next} }

// ExportSpans passes cleaned views on.
func (c *cleaning) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	views := make([]sdktrace.ReadOnlySpan, 0, len(spans))
	for _, s := range spans {
		views = append(views, view{s})
	}
	return c.next.ExportSpans(ctx, views)
}

// Shutdown shuts the exporter behind it down, once.
func (c *cleaning) Shutdown(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return nil
	}
	c.ended = true
	return c.next.Shutdown(ctx)
}

// view shows of a span what is allowed.
type view struct{ sdktrace.ReadOnlySpan }

// Name returns the span's name when it is of a known form.
func (v view) Name() string {
	if name := v.ReadOnlySpan.Name(); spanName.MatchString(name) {
		return name
	}
	return Dropped
}

// Attributes returns those with a listed key.
func (v view) Attributes() []attribute.KeyValue { return cleanAttributes(v.ReadOnlySpan.Attributes()) }

// Status returns the code without its text, which may hold anything.
func (v view) Status() sdktrace.Status {
	s := v.ReadOnlySpan.Status()
	s.Description = ""
	return s
}

// Events returns the events with listed attributes only.
func (v view) Events() []sdktrace.Event {
	var events []sdktrace.Event
	for _, e := range v.ReadOnlySpan.Events() {
		if !spanName.MatchString(e.Name) {
			e.Name = Dropped
		}
		e.Attributes = cleanAttributes(e.Attributes)
		events = append(events, e)
	}
	return events
}

// Links returns the links with listed attributes only.
func (v view) Links() []sdktrace.Link {
	var links []sdktrace.Link
	for _, l := range v.ReadOnlySpan.Links() {
		l.Attributes = cleanAttributes(l.Attributes)
		links = append(links, l)
	}
	return links
}

func cleanAttributes(all []attribute.KeyValue) []attribute.KeyValue {
	var kept []attribute.KeyValue
	for _, a := range all {
		if !Allowed(string(a.Key)) {
			continue
		}
		if a.Key == "rpc.method" && !spanName.MatchString(strings.TrimPrefix(a.Value.AsString(), "/")) {
			a.Value = attribute.StringValue(Dropped)
		}
		kept = append(kept, a)
	}
	return kept
}
