package mongo

import (
	"context"
	"errors"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// batchSize bounds how many documents are fetched at once.
const batchSize = 1000

// Get reads by id. The ring is asked after the documents, so that a fence that
// stands when the answer is given counts.
func (b *Backend) Get(ctx context.Context, dt *docstore.Table, account int64, ids []int64, bodies bool, forbidden ring.Mode) ([]docstore.Found, error) {
	t := b.table(dt)
	ctx, stop := b.reading(ctx)
	defer stop()
	rows, err := b.get(ctx, t, account, ids, bodies)
	if err != nil {
		return nil, err
	}
	moved, err := b.judge(ctx, rows, forbidden)
	if err == nil && moved {
		// a document whose key is not its owner's may have changed hands between the two reads
		if rows, err = b.get(ctx, t, account, ids, bodies); err == nil {
			_, err = b.judge(ctx, rows, forbidden)
		}
	}
	return rows, err
}

// judge notes on each row what the ring says; moved when some row's key is not its owner's.
func (b *Backend) judge(ctx context.Context, rows []docstore.Found, forbidden ring.Mode) (moved bool, err error) {
	owners, err := b.owners(ctx, rows)
	if err != nil {
		return false, err
	}
	for i := range rows {
		f := &rows[i]
		e := owners[ring.Subject{Account: f.Account, ID: f.Owner}]
		f.Slot, f.OwnerKid = e.Slot, e.Kid
		moved = moved || f.Kid != e.Kid
		if f.Fenced = e.Modes()&forbidden != 0; f.Fenced {
			f.Sealed, f.Body = nil, nil
		}
	}
	return moved, nil
}

func (b *Backend) get(ctx context.Context, t *table, account int64, ids []int64, bodies bool) ([]docstore.Found, error) {
	names := bson.A{}
	for _, id := range ids {
		names = append(names, docID(account, id))
	}
	o := options.Find()
	if !bodies {
		o.SetProjection(lean(true))
	}
	raws, err := all(ctx, t.c, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: names}}}, {Key: "account", Value: account}}, o)
	if err != nil {
		return nil, err
	}
	byID := make(map[int64]docstore.Found, len(raws))
	for _, raw := range raws {
		f, err := t.found(raw)
		if err != nil {
			return nil, err
		}
		byID[f.ID] = f
	}
	out := make([]docstore.Found, 0, len(ids))
	for _, id := range ids {
		if f, ok := byID[id]; ok {
			out = append(out, f)
		}
	}
	return out, nil
}

func all(ctx context.Context, c *driver.Collection, filter bson.D, o *options.FindOptionsBuilder) ([]bson.Raw, error) {
	cur, err := c.Find(ctx, filter, o)
	return drain(ctx, cur, err)
}

func drain(ctx context.Context, cur *driver.Cursor, err error) ([]bson.Raw, error) {
	if err != nil {
		return nil, failure(ctx, err)
	}
	var raws []bson.Raw
	for cur.Next(ctx) {
		raws = append(raws, slices.Clone(cur.Current)) // the driver uses the batch again
	}
	return raws, failure(ctx, errors.Join(cur.Err(), cur.Close(context.WithoutCancel(ctx))))
}

// Find reads one page.
func (b *Backend) Find(ctx context.Context, dt *docstore.Table, f *docstore.Find) (docstore.Hits, error) {
	return b.page(ctx, b.table(dt), f, true)
}

// page reads one page of an index, or of a list's values one after the other.
func (b *Backend) page(ctx context.Context, t *table, f *docstore.Find, parts bool) (docstore.Hits, error) {
	if t.query(f).list != "" {
		return b.walkValues(ctx, t, f, parts)
	}
	return b.walk(ctx, t, f, parts)
}

// seen is a document a walk came by, with its position.
type seen struct {
	docstore.Found
	at docstore.Position
}

// walk reads batches and leaves out documents of fenced owners, until the page is full.
func (b *Backend) walk(ctx context.Context, t *table, f *docstore.Find, parts bool) (docstore.Hits, error) {
	ctx, stop := b.reading(ctx)
	defer stop()
	var hits docstore.Hits
	owners, few, err := b.only(ctx, f)
	if err != nil || few && len(owners) == 0 {
		return hits, err
	}
	var last docstore.Position
	skip, pos := f.Skip, f.After
	var out []int64 // fenced owners met so far
	for {
		want, light := f.Limit+1-len(hits.Rows), !parts
		if skip > 0 {
			want, light = skip, true
		}
		want = min(want, batchSize)
		batch, err := b.batch(ctx, t, f, pos, narrowing{owners, few, out}, want, light)
		if err != nil {
			return hits, err
		}
		ends := len(batch) < want
		if len(batch) > 0 {
			pos = &batch[len(batch)-1].at
		}
		kept, fenced, err := b.sift(ctx, f, batch)
		if err != nil {
			return hits, err
		}
		if !f.All {
			out = merge(out, fenced)
		}
		if skip > 0 {
			skip -= len(kept)
			kept = nil
		}
		for i := range kept {
			if len(hits.Rows) == f.Limit {
				hits.Last = &last
				return hits, nil
			}
			hits.Rows = append(hits.Rows, kept[i].Found)
			last = kept[i].at
		}
		if ends {
			return hits, nil
		}
	}
}

// mostOut bounds the list of owners that a query names.
const mostOut = 1000

func merge(a, b []int64) []int64 {
	for _, x := range b {
		if len(a) < mostOut && !slices.Contains(a, x) {
			a = append(a, x)
		}
	}
	return a
}

// sift asks the ring about a batch and keeps what may be seen.
func (b *Backend) sift(ctx context.Context, f *docstore.Find, batch []seen) (kept []seen, fenced []int64, err error) {
	rows := make([]docstore.Found, len(batch))
	for i := range batch {
		rows[i] = batch[i].Found
	}
	owners, err := b.owners(ctx, rows)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range batch {
		e := owners[ring.Subject{Account: s.Account, ID: s.Owner}]
		s.Slot, s.OwnerKid = e.Slot, e.Kid
		if m := e.Modes(); m&f.Forbidden != 0 || !m.Has(f.Only) {
			fenced = append(fenced, s.Owner)
			continue
		}
		kept = append(kept, s)
	}
	return kept, fenced, nil
}

// narrowing is what a walk knows of owners beforehand: those it is about, if they
// are few, and those to be left out.
type narrowing struct {
	only []int64
	few  bool
	out  []int64
}

func (n narrowing) filter() bson.D {
	var d bson.D
	if n.few {
		d = append(d, bson.E{Key: "owner", Value: bson.D{{Key: "$in", Value: n.only}}})
	} else if len(n.out) > 0 {
		d = append(d, bson.E{Key: "owner", Value: bson.D{{Key: "$nin", Value: n.out}}})
	}
	return d
}

// batch reads the next documents of a walk, fenced or not.
func (b *Backend) batch(ctx context.Context, t *table, f *docstore.Find, pos *docstore.Position, n narrowing, limit int, light bool) ([]seen, error) {
	q := t.query(f)
	project := bson.D{}
	if light || !f.Bodies {
		project = lean(!light)
	}
	o := options.Find().SetLimit(int64(limit)).SetBatchSize(int32(limit))
	if order := q.sort(); len(order) > 0 {
		o.SetSort(order)
	}
	if len(project) > 0 {
		o.SetProjection(project)
	}
	if f.Index != nil {
		o.SetHint(indexName(f.Index))
	}
	raws, err := all(ctx, t.c, both(both(q.base(), q.after(pos)), n.filter()), o)
	if err != nil {
		return nil, err
	}
	out := make([]seen, len(raws))
	for i, raw := range raws {
		if out[i].Found, err = t.found(raw); err != nil {
			return nil, err
		}
		out[i].at = q.position(&out[i].Found)
	}
	return out, nil
}

// position is where a document lies in the order of a query.
func (q *query) position(f *docstore.Found) docstore.Position {
	p := docstore.Position{Account: f.Account, ID: f.ID}
	if q.f.Index == nil {
		return p
	}
	for i, name := range q.f.Index.Fields {
		if i < len(q.f.Eq) {
			p.Key = append(p.Key, q.f.Eq[i]) // of a list: the value that was looked for
		} else {
			p.Key = append(p.Key, q.t.value(&f.Row, name))
		}
	}
	return p
}

// Walk reads documents of all accounts.
func (b *Backend) Walk(ctx context.Context, dt *docstore.Table, after *docstore.Position, limit int, forbidden ring.Mode) (docstore.Hits, error) {
	t := b.table(dt)
	ctx, stop := b.reading(ctx)
	defer stop()
	var filter bson.D
	if after != nil {
		filter = bson.D{{Key: "$or", Value: bson.A{
			bson.D{{Key: "account", Value: bson.D{{Key: "$gt", Value: after.Account}}}},
			bson.D{{Key: "account", Value: after.Account}, {Key: "id", Value: bson.D{{Key: "$gt", Value: after.ID}}}},
		}}}
	} else {
		filter = bson.D{}
	}
	raws, err := all(ctx, t.c, filter, options.Find().SetSort(keys("account", "id")).SetLimit(int64(limit+1)))
	if err != nil {
		return docstore.Hits{}, err
	}
	var hits docstore.Hits
	for _, raw := range raws {
		f, err := t.found(raw)
		if err != nil {
			return docstore.Hits{}, err
		}
		hits.Rows = append(hits.Rows, f)
	}
	if len(hits.Rows) > limit {
		hits.Rows = hits.Rows[:limit]
		end := &hits.Rows[limit-1]
		hits.Last = &docstore.Position{Account: end.Account, ID: end.ID}
	}
	_, err = b.judge(ctx, hits.Rows, forbidden)
	return hits, err
}
