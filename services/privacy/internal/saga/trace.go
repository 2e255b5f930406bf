package saga

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// The names of spans and attributes; none carries more than ids, names of
// definitions and codes.
const (
	spanCreate  = "saga.create"
	spanSegment = "saga.segment"
	spanStep    = "saga.step"

	attrSaga    = attribute.Key("saga.id")
	attrKind    = attribute.Key("saga.kind")
	attrState   = attribute.Key("saga.state")
	attrStep    = attribute.Key("saga.step")
	attrAttempt = attribute.Key("saga.attempt")
	attrEpoch   = attribute.Key("saga.epoch")
	attrUndo    = attribute.Key("saga.undo")
	attrCode    = attribute.Key("saga.code")
)

// newTrace returns the trace a saga created under sc belongs to. Without a
// tracer it draws ids, so that every row names a trace.
func newTrace(sc trace.SpanContext) Trace {
	if sc.IsValid() {
		return Trace{TraceID: sc.TraceID().String(), Creator: sc.SpanID().String(), Sampled: sc.IsSampled()}
	}
	return Trace{TraceID: randomHex(16), Creator: randomHex(8)}
}

// context returns the span context of a span of the saga's trace.
func (t Trace) context(span string) trace.SpanContext {
	tid, err1 := trace.TraceIDFromHex(t.TraceID)
	sid, err2 := trace.SpanIDFromHex(span)
	if err1 != nil || err2 != nil {
		return trace.SpanContext{}
	}
	var flags trace.TraceFlags
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: tid, SpanID: sid, TraceFlags: flags.WithSampled(t.Sampled), Remote: true,
	})
}

// startSegment begins the run's span: in the saga's trace, below its creator,
// linked to the segment before.
func (r *run) startSegment(row *Row) {
	ctx := trace.ContextWithRemoteSpanContext(r.ctx, row.Trace.context(row.Trace.Creator))
	opts := []trace.SpanStartOption{trace.WithAttributes(
		attrSaga.String(row.ID), attrKind.String(row.Kind), attrEpoch.Int64(int64(row.Epoch)+1),
	)}
	if last := row.Trace.context(row.Trace.LastSegment); last.IsValid() {
		opts = append(opts, trace.WithLinks(trace.Link{SpanContext: last}))
	}
	r.ctx, r.span = r.e.opts.Tracer.Start(ctx, spanSegment, opts...)
}

// segment returns the id of the run's span, "" without a tracer.
func (r *run) segment() string {
	if sc := r.span.SpanContext(); sc.HasSpanID() {
		return sc.SpanID().String()
	}
	return ""
}

// endSegment ends the run's span with where the saga stands.
func (r *run) endSegment(err error) {
	if r.span == nil {
		return
	}
	if r.row != nil {
		r.span.SetAttributes(attrState.String(string(r.row.State)))
	}
	if err != nil {
		r.span.SetStatus(codes.Error, "lost")
	}
	r.span.End()
}

// startAttempt begins an attempt's span and returns how to end it.
func (e *Engine) startAttempt(ctx context.Context, call Call) (context.Context, func(Result)) {
	if !e.traced {
		return ctx, func(Result) {}
	}
	ctx, span := e.opts.Tracer.Start(ctx, spanStep)
	if !span.IsRecording() {
		return ctx, func(Result) { span.End() }
	}
	span.SetAttributes(attrSaga.String(call.Saga), attrStep.String(call.Step),
		attrAttempt.Int(call.Attempt), attrUndo.Bool(call.Undo))
	return ctx, func(res Result) {
		if res.code != "" {
			span.SetAttributes(attrCode.String(res.code))
		}
		if res.kind == resFailed || res.kind == resRefused {
			span.SetStatus(codes.Error, res.code)
		}
		span.End()
	}
}
