package docstore

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel/trace/noop"

	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// nothingThere is a backend that answers at once.
type nothingThere struct{ Backend }

func (nothingThere) Entry(context.Context, ring.Subject) (Entry, error) { return Entry{}, ErrNotFound }

// BenchmarkTracedCall prints what the wrapper adds to a call of a backend while
// nothing is traced; a call takes 10 µs and more.
func BenchmarkTracedCall(b *testing.B) {
	for name, backend := range map[string]Backend{
		"bare":   nothingThere{},
		"traced": &traced{Backend: nothingThere{}, tracer: noop.NewTracerProvider().Tracer("")},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = backend.Entry(b.Context(), ring.Subject{})
			}
		})
	}
}
