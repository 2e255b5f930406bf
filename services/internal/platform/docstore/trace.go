package docstore

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// traced makes a span of every call of a backend: what is done to which
// collection, and which error of the port came of it. No value, no id. Without a
// span above that is recorded it makes none and costs a look into the context.
type traced struct {
	Backend
	tracer trace.Tracer
}

// span begins one; the function it returns ends it.
func (b *traced) span(ctx context.Context, operation string, t *Table) (context.Context, func(*error)) {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return ctx, nothing
	}
	ctx, span := b.tracer.Start(ctx, "db "+operation, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("db.operation.name", operation)))
	if t != nil {
		span.SetAttributes(attribute.String("db.collection.name", t.Name))
	}
	return ctx, func(err *error) {
		if kind := errorType(*err); kind != "" {
			span.SetAttributes(attribute.String("error.type", kind))
			if errors.Is(*err, ErrUnavailable) {
				span.SetStatus(codes.Error, "")
			}
		}
		span.End()
	}
}

func nothing(*error) {}

// errorType names an error by the port's sentinel; texts of drivers stay out.
func errorType(err error) string {
	if err == nil {
		return ""
	}
	for _, e := range []error{ErrNotFound, ErrExists, ErrStale, ErrFenced, ErrTooLarge, ErrOtherKey, ErrSlotTaken, ErrUnavailable,
		context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, e) {
			return e.Error()
		}
	}
	return "other"
}

// Insert and the methods below are those of Backend in a span.
func (b *traced) Insert(ctx context.Context, t *Table, w *Write) (err error) {
	ctx, end := b.span(ctx, "insert", t)
	defer end(&err)
	return b.Backend.Insert(ctx, t, w)
}

func (b *traced) Update(ctx context.Context, t *Table, w *Write) (err error) {
	ctx, end := b.span(ctx, "update", t)
	defer end(&err)
	return b.Backend.Update(ctx, t, w)
}

func (b *traced) Delete(ctx context.Context, t *Table, account, id, rev int64, forbidden ring.Mode) (err error) {
	ctx, end := b.span(ctx, "delete", t)
	defer end(&err)
	return b.Backend.Delete(ctx, t, account, id, rev, forbidden)
}

func (b *traced) DeleteWhere(ctx context.Context, t *Table, f *Find) (n int, more bool, err error) {
	ctx, end := b.span(ctx, "delete_where", t)
	defer end(&err)
	return b.Backend.DeleteWhere(ctx, t, f)
}

func (b *traced) UpdateWhere(ctx context.Context, t *Table, f *Find, set []Assign) (n int, more bool, err error) {
	ctx, end := b.span(ctx, "update_where", t)
	defer end(&err)
	return b.Backend.UpdateWhere(ctx, t, f, set)
}

func (b *traced) Get(ctx context.Context, t *Table, account int64, ids []int64, bodies bool, forbidden ring.Mode) (out []Found, err error) {
	ctx, end := b.span(ctx, "get", t)
	defer end(&err)
	return b.Backend.Get(ctx, t, account, ids, bodies, forbidden)
}

func (b *traced) Find(ctx context.Context, t *Table, f *Find) (hits Hits, err error) {
	ctx, end := b.span(ctx, "find", t)
	defer end(&err)
	return b.Backend.Find(ctx, t, f)
}

func (b *traced) Count(ctx context.Context, t *Table, f *Find) (n int64, err error) {
	ctx, end := b.span(ctx, "count", t)
	defer end(&err)
	return b.Backend.Count(ctx, t, f)
}

func (b *traced) Entry(ctx context.Context, s ring.Subject) (e Entry, err error) {
	ctx, end := b.span(ctx, "entry", nil)
	defer end(&err)
	return b.Backend.Entry(ctx, s)
}

func (b *traced) PutEntry(ctx context.Context, e Entry) (err error) {
	ctx, end := b.span(ctx, "put_entry", nil)
	defer end(&err)
	return b.Backend.PutEntry(ctx, e)
}

func (b *traced) AssignKey(ctx context.Context, s ring.Subject, slot keyring.Slot) (e Entry, err error) {
	ctx, end := b.span(ctx, "assign_key", nil)
	defer end(&err)
	return b.Backend.AssignKey(ctx, s, slot)
}

func (b *traced) PutClaim(ctx context.Context, c Claim, void ring.Mode) (err error) {
	ctx, end := b.span(ctx, "put_claim", nil)
	defer end(&err)
	return b.Backend.PutClaim(ctx, c, void)
}

func (b *traced) MoveClaim(ctx context.Context, c Claim, from int64) (err error) {
	ctx, end := b.span(ctx, "move_claim", nil)
	defer end(&err)
	return b.Backend.MoveClaim(ctx, c, from)
}

func (b *traced) GetClaim(ctx context.Context, account int64, hash []byte, void ring.Mode) (c Claim, err error) {
	ctx, end := b.span(ctx, "get_claim", nil)
	defer end(&err)
	return b.Backend.GetClaim(ctx, account, hash, void)
}

func (b *traced) DropClaim(ctx context.Context, account int64, hash []byte, subject int64) (err error) {
	ctx, end := b.span(ctx, "drop_claim", nil)
	defer end(&err)
	return b.Backend.DropClaim(ctx, account, hash, subject)
}

func (b *traced) DropClaims(ctx context.Context, s ring.Subject) (n int64, err error) {
	ctx, end := b.span(ctx, "drop_claims", nil)
	defer end(&err)
	return b.Backend.DropClaims(ctx, s)
}

func (b *traced) CountClaims(ctx context.Context, s ring.Subject) (n int64, err error) {
	ctx, end := b.span(ctx, "count_claims", nil)
	defer end(&err)
	return b.Backend.CountClaims(ctx, s)
}

func (b *traced) Lease(ctx context.Context, account int64, name string, n int64) (first int64, err error) {
	ctx, end := b.span(ctx, "lease", nil)
	defer end(&err)
	return b.Backend.Lease(ctx, account, name, n)
}
