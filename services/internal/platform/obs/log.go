package obs

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/redact"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/proto"
)

// Dropped stands where a key or a value was that no log may hold.
const Dropped = "[dropped]"

type requestIDKey struct{}

// WithRequestID puts the call's request id into the context; every log line made with that context has it.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestID returns the call's request id, "" outside of a call.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// Handler is a slog handler that lets only listed keys and harmless values
// through and adds request id, trace id and span id from the context.
type Handler struct {
	next    slog.Handler
	dropped *atomic.Int64
}

// NewHandler writes JSON lines to w from a level on.
func NewHandler(w io.Writer, level slog.Leveler) *Handler {
	return &Handler{
		next:    slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}),
		dropped: new(atomic.Int64),
	}
}

// Dropped returns how many attributes were replaced because their key or value is not allowed.
func (h *Handler) Dropped() int64 { return h.dropped.Load() }

// Enabled reports whether a level is written.
func (h *Handler) Enabled(ctx context.Context, l slog.Level) bool { return h.next.Enabled(ctx, l) }

// Handle writes one record with what is allowed of it.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	clean := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(h.clean(a))
		return true
	})
	if id := RequestID(ctx); id != "" {
		clean.AddAttrs(slog.String(KeyRequestID, id))
	}
	if sc := trace.SpanContextFromContext(ctx); sc.HasTraceID() {
		clean.AddAttrs(slog.String(KeyTraceID, sc.TraceID().String()), slog.String(KeySpanID, sc.SpanID().String()))
	}
	return h.next.Handle(ctx, clean)
}

// WithAttrs returns a handler that adds attributes to every record.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	clean := make([]slog.Attr, 0, len(attrs))
	for _, a := range attrs {
		clean = append(clean, h.clean(a))
	}
	return &Handler{next: h.next.WithAttrs(clean), dropped: h.dropped}
}

// WithGroup opens a group, whose name must be on the list too.
func (h *Handler) WithGroup(name string) slog.Handler {
	if name != "" && !Allowed(name) {
		h.dropped.Add(1)
		name = Dropped
	}
	return &Handler{next: h.next.WithGroup(name), dropped: h.dropped}
}

func (h *Handler) clean(a slog.Attr) slog.Attr {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		return slog.Attr{Key: h.key(a.Key), Value: slog.GroupValue(h.group(v.Group())...)}
	}
	if key := h.key(a.Key); key != a.Key {
		// An unlisted key may itself be a value: neither is kept.
		return slog.String(key, Dropped)
	}
	return slog.Attr{Key: a.Key, Value: h.value(v)}
}

func (h *Handler) group(attrs []slog.Attr) []slog.Attr {
	clean := make([]slog.Attr, 0, len(attrs))
	for _, a := range attrs {
		clean = append(clean, h.clean(a))
	}
	return clean
}

func (h *Handler) key(key string) string {
	if key == "" || Allowed(key) {
		return key
	}
	h.dropped.Add(1)
	return Dropped
}

// value keeps scalars, errors and plain lists; messages go through the
// redactor, and any other type is dropped, for JSON would print its inside.
func (h *Handler) value(v slog.Value) slog.Value {
	if v.Kind() != slog.KindAny {
		return v
	}
	switch x := v.Any().(type) {
	case nil:
		return v
	case error:
		return slog.StringValue(x.Error())
	case proto.Message:
		return slog.AnyValue(redact.View(x))
	case []string, []int, []int64, []time.Duration:
		return v
	}
	h.dropped.Add(1)
	return slog.StringValue(Dropped)
}
