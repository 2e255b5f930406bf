package docstore

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"reflect"
	"slices"

	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// compile resolves a query's names. It answers nil without error where nothing
// can be found.
func (c *Collection[T]) compile(ctx context.Context, p ring.Purpose, account int64, q *Query) (f *Find, err error) {
	forbidden, err := mask(p)
	if err != nil {
		return nil, err
	}
	if q.AllAccounts {
		account = 0
	} else if err := c.right(account); err != nil {
		return nil, err
	}
	switch {
	case q.Limit < 1 || q.Skip < 0:
		return nil, fmt.Errorf("%w: a limit is at least 1", ErrBadQuery)
	case q.Limit > MaxLimit || q.Skip > MaxSkip:
		return nil, ErrTooLarge
	}
	f = &Find{Account: account, All: q.AllAccounts, Desc: q.Desc, Skip: q.Skip, Limit: q.Limit,
		Bodies: q.Bodies, Forbidden: forbidden, Only: q.OnlyModes}
	found, err := c.resolve(ctx, account, q, f)
	if err != nil || !found {
		return nil, err
	}
	if f.Where, err = c.test(ctx, account, q.Where); err != nil {
		return nil, err
	}
	if q.After != "" {
		f.After, err = decodeCursor(q.After, c.sum(f), len(f.order()))
	}
	return f, err
}

// order names the fields a walk is ordered by, before account and id.
func (f *Find) order() []string {
	if f.Index == nil {
		return nil
	}
	return f.Index.Fields
}

// resolve finds the index and the values for it; false when a blind value folds to nothing.
func (c *Collection[T]) resolve(ctx context.Context, account int64, q *Query, f *Find) (bool, error) {
	for i := range c.blinds {
		b := &c.blinds[i]
		if b.Name != q.Index || b.mentions {
			continue
		}
		if len(q.Eq) != 1 || q.From != nil || q.To != nil || q.AllAccounts {
			return false, fmt.Errorf("%w: a blind index takes exactly one value", ErrBadQuery)
		}
		s, ok := q.Eq[0].(string)
		if !ok {
			return false, fmt.Errorf("%w: a blind index takes a string", ErrBadQuery)
		}
		tag, err := c.tag(ctx, account, b, s)
		f.Blinds, f.Tags = []string{b.Name}, [][]byte{tag}
		return tag != nil, err
	}
	for i := range c.table.Indexes {
		if c.table.Indexes[i].Name == q.Index {
			f.Index = &c.table.Indexes[i]
		}
	}
	if f.Index == nil || q.AllAccounts && !f.Index.Global {
		return false, fmt.Errorf("%w: %s has no index %q for it", ErrBadQuery, c.table.Name, q.Index)
	}
	return true, c.bounds(q, f)
}

// bounds types the values of prefix and range.
func (c *Collection[T]) bounds(q *Query, f *Find) error {
	fields := f.Index.Fields
	if len(fields) == 0 {
		fields = []string{"id"}
	}
	if len(q.Eq) > len(fields) || (q.From != nil || q.To != nil) && len(q.Eq) >= len(fields) {
		return fmt.Errorf("%w: index %q has only %d fields", ErrBadQuery, q.Index, len(fields))
	}
	for i, x := range q.Eq {
		v, err := c.typed(fields[i], x)
		if err != nil {
			return err
		}
		f.Eq = append(f.Eq, v)
	}
	for _, b := range []struct {
		x  any
		to **Value
	}{{q.From, &f.From}, {q.To, &f.To}} {
		if b.x == nil {
			continue
		}
		v, err := c.typed(fields[len(q.Eq)], b.x)
		if err != nil {
			return err
		}
		*b.to = &v
	}
	return nil
}

// typed brings a value into the form of the field it is compared with.
func (c *Collection[T]) typed(field string, x any) (Value, error) {
	v, err := anyValue(x)
	if err != nil {
		return v, err
	}
	kind := Null
	if col, ok := c.column(field); ok {
		kind = col.Kind
	} else if i := slices.IndexFunc(c.table.Lists, func(l Column) bool { return l.Name == field }); i >= 0 {
		kind = c.table.Lists[i].Kind
	}
	if kind == Float && v.Kind == Int {
		v = Value{Kind: Float, Float: float64(v.Int)}
	}
	if kind == Null || v.Kind != Null && v.Kind != kind {
		return v, fmt.Errorf("%w: field %q of %s cannot be compared with a %T", ErrBadQuery, field, c.table.Name, x)
	}
	return v, nil
}

// test resolves a condition; nil is always true.
func (c *Collection[T]) test(ctx context.Context, account int64, w Cond) (*Test, error) {
	switch w.Op {
	case "":
		return nil, nil
	case "and", "or":
		t := &Test{Op: w.Op}
		for _, sub := range w.Conds {
			s, err := c.test(ctx, account, sub)
			if err != nil {
				return nil, err
			}
			if s != nil {
				t.Tests = append(t.Tests, *s)
			} else if w.Op == "or" {
				return nil, nil // one branch is always true
			}
		}
		if len(t.Tests) == 0 && w.Op == "and" {
			return nil, nil
		}
		return t, nil
	case "null", "notnull":
		if _, ok := c.column(w.Field); !ok {
			return nil, fmt.Errorf("%w: %s has no clear field %q", ErrBadQuery, c.table.Name, w.Field)
		}
		return &Test{Op: w.Op, Column: w.Field}, nil
	case "=", "in", "<", "<=", ">", ">=":
		return c.comparison(ctx, account, w)
	}
	return nil, fmt.Errorf("%w: unknown test %q", ErrBadQuery, w.Op)
}

func (c *Collection[T]) comparison(ctx context.Context, account int64, w Cond) (*Test, error) {
	t := &Test{Op: w.Op, Column: w.Field}
	list := w.List
	if w.Op != "in" {
		list = []any{w.Value}
	}
	blindAt := slices.IndexFunc(c.blinds, func(b blind) bool { return b.Name == w.Field && !b.mentions })
	t.Blind = blindAt >= 0
	if t.Blind && c.single != (account == 0) {
		return nil, fmt.Errorf("%w: a blind index is an account's own", ErrBadQuery)
	}
	t.Multi = slices.ContainsFunc(c.table.Lists, func(l Column) bool { return l.Name == w.Field })
	if t.Blind || t.Multi {
		if w.Op != "=" && w.Op != "in" {
			return nil, fmt.Errorf("%w: field %q can only be tested for equality", ErrBadQuery, w.Field)
		}
		t.Op = "in"
	}
	for _, x := range list {
		var v Value
		var err error
		if t.Blind {
			s, _ := x.(string)
			var tag []byte
			if tag, err = c.tag(ctx, account, &c.blinds[blindAt], s); err == nil && tag == nil {
				continue
			}
			v = Value{Kind: Bytes, Text: string(tag)}
		} else {
			v, err = c.typed(w.Field, x)
		}
		if err != nil {
			return nil, err
		}
		t.List = append(t.List, v)
	}
	return t, nil
}

// cursor is the wire form of a position. It holds clear index fields and ids only.
type cursor struct {
	_       struct{} `cbor:",toarray"`
	Sum     []byte
	Key     []any
	Account int64
	ID      int64
}

// sum identifies a query. Blind values go in as their keyed hash, so a cursor
// tells nothing about them; page size and bodies may change on the way.
func (c *Collection[T]) sum(f *Find) (sum [8]byte) {
	g := *f
	g.After, g.Skip, g.Limit, g.Bodies, g.Forbidden = nil, 0, 0, false, 0
	data := must(encMode.Marshal([]any{c.table.Name, g}))
	h := sha256.Sum256(data)
	copy(sum[:], h[:])
	return sum
}

func encodeCursor(sum [8]byte, p *Position) string {
	cur := cursor{Sum: sum[:], Key: make([]any, len(p.Key)), Account: p.Account, ID: p.ID}
	for i, v := range p.Key {
		switch v.Kind {
		case Int:
			cur.Key[i] = v.Int
		case Text:
			cur.Key[i] = v.Text
		case Float:
			cur.Key[i] = v.Float
		case Bytes:
			cur.Key[i] = []byte(v.Text)
		}
	}
	return base64.RawURLEncoding.EncodeToString(must(encMode.Marshal(cur)))
}

func decodeCursor(s string, sum [8]byte, fields int) (*Position, error) {
	data, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return nil, ErrCursor
	}
	var cur cursor
	if decMode.Unmarshal(data, &cur) != nil || string(cur.Sum) != string(sum[:]) || len(cur.Key) != fields {
		return nil, ErrCursor
	}
	p := &Position{Account: cur.Account, ID: cur.ID}
	for _, x := range cur.Key {
		if x == nil {
			p.Key = append(p.Key, Value{})
			continue
		}
		v, err := toValue(reflect.ValueOf(x))
		if err != nil {
			return nil, ErrCursor
		}
		p.Key = append(p.Key, v)
	}
	return p, nil
}
