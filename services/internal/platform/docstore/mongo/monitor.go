package mongo

import (
	"context"
	"sync"

	"go.mongodb.org/mongo-driver/v2/event"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Monitor makes a span of every command below a span that is recorded: what was
// done to which collection, never with which values.
func Monitor(tracer trace.Tracer) *event.CommandMonitor {
	type call struct {
		connection string
		request    int64
	}
	var open sync.Map // call to trace.Span
	end := func(e *event.CommandFinishedEvent, failed bool) {
		s, ok := open.LoadAndDelete(call{e.ConnectionID, e.RequestID})
		if !ok {
			return
		}
		if failed {
			s.(trace.Span).SetStatus(codes.Error, "")
		}
		s.(trace.Span).End()
	}
	return &event.CommandMonitor{
		Started: func(ctx context.Context, e *event.CommandStartedEvent) {
			if !trace.SpanFromContext(ctx).IsRecording() {
				return
			}
			attrs := []attribute.KeyValue{attribute.String("db.system.name", "mongodb"), attribute.String("db.operation.name", e.CommandName)}
			if name, ok := e.Command.Lookup(e.CommandName).StringValueOK(); ok {
				attrs = append(attrs, attribute.String("db.collection.name", name))
			}
			_, s := tracer.Start(ctx, "db command", trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attrs...))
			open.Store(call{e.ConnectionID, e.RequestID}, s)
		},
		Succeeded: func(_ context.Context, e *event.CommandSucceededEvent) { end(&e.CommandFinishedEvent, false) },
		Failed:    func(_ context.Context, e *event.CommandFailedEvent) { end(&e.CommandFinishedEvent, true) },
	}
}
