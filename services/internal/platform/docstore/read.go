package docstore

import (
	"context"
	"crypto/sha256"
	"errors"
	"reflect"

	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// Get returns a document with its bodies. ErrNotFound, or ErrFenced when a fence
// of the owner forbids the purpose or its key is gone. A Sweep gets a document
// whose key is gone with all sealed fields absent.
func (c *Collection[T]) Get(ctx context.Context, p ring.Purpose, account, id int64) (*T, error) {
	found, err := c.get(ctx, p, account, []int64{id}, true)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, ErrNotFound
	}
	if found[0].Fenced {
		return nil, ErrFenced
	}
	return c.decode(p, &found[0], true)
}

// GetMany returns the documents with these ids, with bodies, in the order asked;
// missing and fenced ones are left out. At most MaxLimit ids (ErrTooLarge).
func (c *Collection[T]) GetMany(ctx context.Context, p ring.Purpose, account int64, ids []int64) ([]*T, error) {
	if len(ids) > MaxLimit {
		return nil, ErrTooLarge
	}
	if len(ids) == 0 {
		return nil, nil
	}
	found, err := c.get(ctx, p, account, ids, true)
	if err != nil {
		return nil, err
	}
	return c.decodeAll(p, found, true)
}

func (c *Collection[T]) get(ctx context.Context, p ring.Purpose, account int64, ids []int64, bodies bool) ([]Found, error) {
	forbidden, err := mask(p)
	if err == nil {
		err = c.right(account)
	}
	if err != nil {
		return nil, err
	}
	c.db.reads.Add(1)
	return c.db.b.Get(ctx, c.table, account, ids, bodies, forbidden)
}

// Find returns a page of the documents the query finds, in the index's order.
// Documents of owners whose fences forbid the purpose are skipped undecoded.
// ErrBadQuery, ErrCursor, ErrTooLarge for a limit or skip above its bound.
func (c *Collection[T]) Find(ctx context.Context, p ring.Purpose, account int64, q Query) (Page[T], error) {
	f, err := c.compile(ctx, p, account, &q)
	if err != nil {
		return Page[T]{}, err
	}
	if f == nil {
		return Page[T]{}, nil
	}
	return c.page(ctx, p, f)
}

// page reads one page of a query.
func (c *Collection[T]) page(ctx context.Context, p ring.Purpose, f *Find) (Page[T], error) {
	c.db.reads.Add(1)
	hits, err := c.db.b.Find(ctx, c.table, f)
	if err != nil {
		return Page[T]{}, err
	}
	items, err := c.decodeAll(p, hits.Rows, f.Bodies)
	if err != nil {
		return Page[T]{}, err
	}
	page := Page[T]{Items: items}
	if hits.Last != nil {
		page.Next = encodeCursor(c.sum(f), hits.Last)
	}
	return page, nil
}

// Count counts what Find would return without After, Skip and Limit.
func (c *Collection[T]) Count(ctx context.Context, p ring.Purpose, account int64, q Query) (int64, error) {
	q.After, q.Skip, q.Limit = "", 0, 1
	f, err := c.compile(ctx, p, account, &q)
	if err != nil || f == nil {
		return 0, err
	}
	c.db.reads.Add(1)
	return c.db.b.Count(ctx, c.table, f)
}

// DeleteWhere removes at most q.Limit documents that Find would return, in one
// step, and says whether there are more. After and Skip are not for it.
func (c *Collection[T]) DeleteWhere(ctx context.Context, p ring.Purpose, account int64, q Query) (n int, more bool, err error) {
	if q.After != "" || q.Skip != 0 {
		return 0, false, ErrBadQuery
	}
	f, err := c.compile(ctx, p, account, &q)
	if err != nil || f == nil {
		return 0, false, err
	}
	if found, err := c.any(ctx, f); err != nil || !found {
		return 0, false, err
	}
	c.db.writes.Add(1)
	return c.db.b.DeleteWhere(ctx, c.table, f)
}

// decodeAll decodes what is not fenced. A key that went between the look and the
// decoding makes its documents fenced, too.
func (c *Collection[T]) decodeAll(p ring.Purpose, found []Found, bodies bool) ([]*T, error) {
	out := make([]*T, 0, len(found))
	for i := range found {
		if found[i].Fenced {
			continue
		}
		doc, err := c.decode(p, &found[i], bodies)
		if errors.Is(err, ErrFenced) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, doc)
	}
	return out, nil
}

// decode makes a document of what was read.
func (c *Collection[T]) decode(p ring.Purpose, f *Found, bodies bool) (*T, error) {
	plain, err := c.openParts(f)
	gone := errors.Is(err, ErrFenced)
	if err != nil && !(gone && p == ring.Sweep) {
		return nil, err
	}
	doc := new(T)
	v := reflect.ValueOf(doc).Elem()
	for i, s := range c.plan.scalars {
		fromValue(v.Field(s.at), f.Values[i])
	}
	if err := c.plan.rest.decode(v, f.Clear); err != nil {
		return nil, err
	}
	if err := c.plan.sealed.decode(v, plain.sealed); err != nil {
		return nil, err
	}
	if err := c.plan.body.decode(v, plain.body); err != nil {
		return nil, err
	}
	*metaOf(v) = Meta{Account: f.Account, ID: f.ID, Owner: f.Owner, Rev: f.Rev,
		CreatedAt: FromMillis(f.Created), UpdatedAt: FromMillis(f.Updated),
		stored: &stored{account: f.Account, id: f.ID, owner: f.Owner, kid: f.Kid, sealVer: f.SealVer,
			bodyVer: f.BodyVer, sealed: plain.sealed, withBody: bodies && !gone, gone: gone}}
	if bodies && !gone {
		metaOf(v).stored.bodySum = sha256.Sum256(plain.body)
	}
	return doc, nil
}

// openParts decrypts what was read of a document's parts. ErrFenced when the key
// it was sealed with is not there any more.
func (c *Collection[T]) openParts(f *Found) (parts, error) {
	if f.Sealed == nil && f.Body == nil {
		return parts{}, nil
	}
	if f.Slot == NoSlot || f.Kid != f.OwnerKid {
		return parts{}, ErrFenced
	}
	key, err := c.db.keys.Key(f.Account, f.Slot, f.OwnerKid)
	if err != nil {
		return parts{}, unavailable(err)
	}
	return c.openWith(key, f)
}

func (c *Collection[T]) openWith(key *keyring.Key, f *Found) (p parts, err error) {
	p.sealed, err = c.db.open(key, f.Sealed, additional(c.table.Name, f.Account, f.ID, f.Kid, f.SealVer, sealedPart))
	if err != nil {
		return parts{}, err
	}
	p.body, err = c.db.open(key, f.Body, additional(c.table.Name, f.Account, f.ID, f.Kid, f.BodyVer, bodyPart))
	return p, err
}
