package mongo

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// mostOnly is up to how many owners a query for a mode names them.
const mostOnly = 5000

// combinations lists the sets of modes that pass, as they are stored.
func combinations(pass func(ring.Mode) bool) bson.A {
	out := bson.A{}
	for m := range int64(256) {
		if pass(ring.Mode(m)) {
			out = append(out, m)
		}
	}
	return out
}

// subjects lists people of an account by modes, behind one of them.
func (b *Backend) subjects(ctx context.Context, account int64, modes bson.A, after int64, limit int) ([]int64, error) {
	filter := bson.D{{Key: "account", Value: account}, {Key: "modes", Value: bson.D{{Key: "$in", Value: modes}}},
		{Key: "subject", Value: bson.D{{Key: "$gt", Value: after}}}}
	raws, err := all(ctx, b.ring, filter, options.Find().SetSort(keys("subject")).SetLimit(int64(limit)).SetProjection(bson.D{{Key: "subject", Value: 1}}))
	out := make([]int64, 0, len(raws))
	for _, raw := range raws {
		out = append(out, intOf(raw, "subject"))
	}
	return out, err
}

// only returns whom a query for a mode can be about, if they are few.
func (b *Backend) only(ctx context.Context, f *docstore.Find) (owners []int64, few bool, err error) {
	if f.Only == 0 || f.All {
		return nil, false, nil
	}
	pass := func(m ring.Mode) bool { return m.Has(f.Only) && m&f.Forbidden == 0 }
	owners, err = b.subjects(ctx, f.Account, combinations(pass), -1, mostOnly+1)
	return owners, len(owners) <= mostOnly, err
}

// Count counts all that a query finds, less what belongs to fenced people.
func (b *Backend) Count(ctx context.Context, dt *docstore.Table, f *docstore.Find) (int64, error) {
	t := b.table(dt)
	ctx, stop := b.reading(ctx)
	defer stop()
	switch {
	case f.Forbidden == 0 && f.Only == 0:
		return t.count(ctx, f, nil)
	case f.All:
		return b.countByWalk(ctx, t, f)
	case f.Only != 0:
		return b.countOf(ctx, t, f, func(m ring.Mode) bool { return m.Has(f.Only) && m&f.Forbidden == 0 })
	}
	total, err := t.count(ctx, f, nil)
	if err != nil || total == 0 {
		return 0, err
	}
	less, err := b.countOf(ctx, t, f, func(m ring.Mode) bool { return m&f.Forbidden != 0 })
	return max(total-less, 0), err
}

// countOf counts what belongs to people whose modes pass.
func (b *Backend) countOf(ctx context.Context, t *table, f *docstore.Find, pass func(ring.Mode) bool) (n int64, err error) {
	modes, after := combinations(pass), int64(-1)
	for {
		owners, err := b.subjects(ctx, f.Account, modes, after, batchSize)
		if err != nil || len(owners) == 0 {
			return n, err
		}
		k, err := t.count(ctx, f, bson.D{{Key: "owner", Value: bson.D{{Key: "$in", Value: owners}}}})
		if err != nil {
			return n, err
		}
		n, after = n+k, owners[len(owners)-1]
	}
}

// countByWalk counts over all accounts, where owners cannot be named.
func (b *Backend) countByWalk(ctx context.Context, t *table, f *docstore.Find) (n int64, err error) {
	look := *f
	look.After, look.Skip, look.Limit, look.Bodies = nil, 0, batchSize, false
	for {
		hits, err := b.page(ctx, t, &look, false)
		n += int64(len(hits.Rows))
		if err != nil || hits.Last == nil {
			return n, err
		}
		look.After = hits.Last
	}
}

// count counts what a query finds, fenced or not.
func (t *table) count(ctx context.Context, f *docstore.Find, more bson.D) (int64, error) {
	q := t.query(f)
	if q.list != "" {
		return t.countValues(ctx, f, more)
	}
	o := options.Count()
	if f.Index != nil && more == nil {
		o.SetHint(indexName(f.Index))
	}
	n, err := t.c.CountDocuments(ctx, both(q.base(), more), o)
	return n, failure(ctx, err)
}
