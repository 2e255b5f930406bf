package docstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
	"github.com/lethe-desk/lethe/services/internal/platform/mention"
)

// maxSize is the most a document may weigh, all parts together.
const maxSize = 8 << 20

// Collection holds the documents of one type. It is safe for concurrent use.
type Collection[T any] struct {
	db     *DB
	plan   *plan
	table  *Table
	blinds []blind
	single bool // installation-wide
}

// blind is a blind index with its fields found.
type blind struct {
	Blind
	// at are the struct fields it is made of: one, or those whose text is searched for mentions.
	at []int
	// mentions and body say that it is one of the two mention indexes, and that of the body part.
	mentions, body bool
	// label names the key of its hashes.
	label string
}

// stored is what a document remembers of the state the store has of it.
type stored struct {
	account, id, owner int64
	kid                keyring.KeyID
	sealVer, bodyVer   int64
	// sealed is the plain sealed part, to see whether an Update changes it.
	sealed []byte
	// bodySum is the hash of the plain body part, if withBody.
	bodySum  [sha256.Size]byte
	withBody bool
	// gone says that the parts could not be opened because the key is destroyed.
	gone bool
}

// Bind declares a collection and makes its table and indexes, or adds those that
// are new; blind ones are filled from the documents, which takes its time: an
// interrupted Bind goes on where it was. It fails on a type or a Spec that is not right, with a sentence that says what.
func Bind[T any](ctx context.Context, db *DB, s Spec) (*Collection[T], error) {
	t := reflect.TypeFor[T]()
	c, err := newCollection[T](db, t, s)
	if err != nil {
		return nil, fmt.Errorf("collection %q: %w", s.Name, err)
	}
	if db.check != nil {
		if err := db.check(t, s.Name); err != nil {
			return nil, fmt.Errorf("collection %q: %w", s.Name, err)
		}
	}
	db.mu.Lock()
	taken := db.bound[s.Name]
	db.bound[s.Name] = true
	db.checks = append(db.checks, c.check)
	db.mu.Unlock()
	if taken {
		return nil, fmt.Errorf("collection %q is bound twice", s.Name)
	}
	err = db.b.Bind(ctx, c.table)
	if err == nil {
		err = c.rebuild(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("collection %q: %w", s.Name, err)
	}
	return c, nil
}

func newCollection[T any](db *DB, t reflect.Type, s Spec) (*Collection[T], error) {
	if !nameRule.MatchString(s.Name) {
		return nil, errors.New("a collection's name has small letters, digits and underscores")
	}
	p, err := newPlan(t)
	if err != nil {
		return nil, err
	}
	c := &Collection[T]{db: db, plan: p, single: s.Installation, table: &Table{Name: s.Name}}
	for _, sc := range p.scalars {
		c.table.Columns = append(c.table.Columns, sc.col)
	}
	c.table.Indexes = []TableIndex{{Name: "id", List: -1}, {Name: "owner", Fields: []string{"owner"}, List: -1}}
	names := []string{"id", "owner"}
	for _, ix := range s.Indexes {
		if err := c.addIndex(ix); err != nil {
			return nil, fmt.Errorf("index %q: %w", ix.Name, err)
		}
		names = append(names, ix.Name)
	}
	for _, b := range s.Blind {
		if err := c.addBlind(b); err != nil {
			return nil, fmt.Errorf("blind index %q: %w", b.Name, err)
		}
		names = append(names, b.Name)
	}
	if err := c.addMentions(s.Mentions); err != nil {
		return nil, fmt.Errorf("mentions: %w", err)
	}
	if len(s.Mentions) > 0 {
		names = append(names, mentionIndex, mentionBodyIndex)
	}
	n := len(names)
	slices.Sort(names)
	if len(slices.Compact(names)) != n {
		return nil, errors.New("two indexes have the same name")
	}
	return c, nil
}

func (c *Collection[T]) addIndex(ix Index) error {
	if !nameRule.MatchString(ix.Name) || len(ix.Fields) == 0 {
		return errors.New("needs a name of small letters and at least one field")
	}
	out := TableIndex{Name: ix.Name, Fields: ix.Fields, Unique: ix.Unique, Global: ix.Global, List: -1}
	for i, f := range ix.Fields {
		if _, ok := c.column(f); ok {
			continue
		}
		at, ok := c.plan.at[f]
		if !ok {
			return fmt.Errorf("there is no field %q", f)
		}
		ft := c.plan.typ.Field(at).Type
		kind, _, ok := Null, false, false
		if ft.Kind() == reflect.Slice {
			kind, _, ok = scalarKind(ft.Elem())
		}
		if c.plan.fields[at-1].Sealed || !ok {
			return fmt.Errorf("field %q is sealed or not comparable; an index is over clear scalars, times and slices of them", f)
		}
		if out.List >= 0 || ix.Unique {
			return errors.New("has at most one slice, and none if it is unique")
		}
		out.List = i
		if !slices.ContainsFunc(c.table.Lists, func(l Column) bool { return l.Name == f }) {
			c.table.Lists = append(c.table.Lists, Column{Name: f, Kind: kind})
		}
	}
	c.table.Indexes = append(c.table.Indexes, out)
	return nil
}

func (c *Collection[T]) addBlind(b Blind) error {
	at, ok := c.plan.at[b.Field]
	if !ok || !nameRule.MatchString(b.Name) {
		return fmt.Errorf("there is no field %q, or the index has a bad name", b.Field)
	}
	switch reflect.New(c.plan.typ.Field(at).Type).Interface().(type) {
	case *string, **string, *[]string:
	default:
		return fmt.Errorf("field %q is not a string, *string or []string", b.Field)
	}
	if f := c.plan.fields[at-1]; !f.Sealed || f.Body {
		return fmt.Errorf("field %q is not sealed, or lies in the body", b.Field)
	}
	c.blinds = append(c.blinds, blind{Blind: b, at: []int{at}, label: "blind/" + c.table.Name + "/" + b.Name})
	c.table.Blinds = append(c.table.Blinds, b.Name)
	c.table.Forms = append(c.table.Forms, b.Field)
	return nil
}

// column finds a name that queries and indexes may use as a scalar.
func (c *Collection[T]) column(name string) (Column, bool) {
	switch name {
	case "id", "owner", "rev":
		return Column{Name: name, Kind: Int}, true
	case "created_at", "updated_at":
		return Column{Name: name, Kind: Int}, true
	}
	for _, col := range c.table.Columns {
		if col.Name == name {
			return col, true
		}
	}
	return Column{}, false
}

// Fields describes the stored fields, without Meta's.
func (c *Collection[T]) Fields() []Field { return slices.Clone(c.plan.fields) }

// Name returns the collection's name.
func (c *Collection[T]) Name() string { return c.table.Name }

func metaOf(v reflect.Value) *Meta { return v.Field(0).Addr().Interface().(*Meta) }

// right refuses an account the collection cannot hold.
func (c *Collection[T]) right(account int64) error {
	if c.single != (account == 0) {
		return fmt.Errorf("%w: account %d in collection %s", ErrBadQuery, account, c.table.Name)
	}
	return nil
}

// parts are a document's plain sealed parts.
type parts struct{ sealed, body []byte }

// lists are the values of the fields that stand in an index over a list.
func (c *Collection[T]) lists(v reflect.Value) (lists [][]Value) {
	for _, l := range c.table.Lists {
		lists = append(lists, listValues(v.Field(c.plan.at[l.Name])))
	}
	return lists
}

// split turns a document into its clear row and its plain parts.
func (c *Collection[T]) split(v reflect.Value) (Row, parts, error) {
	m := metaOf(v)
	row := Row{Account: m.Account, ID: m.ID, Owner: m.Owner, Rev: m.Rev,
		Created: Millis(m.CreatedAt), Updated: Millis(m.UpdatedAt), Values: make([]Value, len(c.plan.scalars))}
	var err error
	for i, s := range c.plan.scalars {
		if row.Values[i], err = toValue(v.Field(s.at)); err != nil {
			return row, parts{}, err
		}
	}
	row.Lists = c.lists(v)
	var p parts
	if row.Clear, err = c.plan.rest.encode(v); err == nil {
		p.sealed, err = c.plan.sealed.encode(v)
	}
	if err == nil {
		p.body, err = c.plan.body.encode(v)
	}
	if err != nil {
		return row, p, fmt.Errorf("collection %s: a document cannot be encoded", c.table.Name)
	}
	size := len(row.Clear) + len(p.sealed) + len(p.body)
	for _, val := range row.Values {
		size += len(val.Text)
	}
	if size > maxSize {
		return row, p, ErrTooLarge
	}
	return row, p, nil
}

// tags computes the hashes of the blind indexes over the parts that are set;
// those of a part that stays are nil, and stay.
func (c *Collection[T]) tags(ctx context.Context, v reflect.Value, account int64, sealed, body bool) ([][][]byte, error) {
	if len(c.blinds) == 0 {
		return nil, nil
	}
	out := make([][][]byte, len(c.blinds))
	for i := range c.blinds {
		b := &c.blinds[i]
		if set := b.body && body || !b.body && sealed; !set {
			continue
		}
		out[i] = [][]byte{}
		for _, s := range b.values(v) {
			tag, err := c.tag(ctx, account, b, s)
			if err != nil {
				return nil, err
			}
			if tag != nil && !slices.ContainsFunc(out[i], func(t []byte) bool { return bytes.Equal(t, tag) }) {
				out[i] = append(out[i], tag)
			}
		}
	}
	return out, nil
}

// values are what of a document is hashed.
func (b *blind) values(v reflect.Value) []string {
	if b.mentions {
		var texts []string
		for _, at := range b.at {
			texts = append(texts, mention.Texts(v.Field(at))...)
		}
		return mention.Tags(texts...)
	}
	switch f := v.Field(b.at[0]).Interface().(type) {
	case string:
		return []string{f}
	case *string:
		if f != nil {
			return []string{*f}
		}
	case []string:
		return f
	}
	return nil
}

// tagSize cuts a hash: 128 bits are enough to find, and to prove nothing.
const tagSize = 16

// tag hashes one value, nil if it folds to nothing.
func (c *Collection[T]) tag(ctx context.Context, account int64, b *blind, value string) ([]byte, error) {
	if b.Fold != nil {
		value = b.Fold(value)
	}
	if value == "" {
		return nil, nil
	}
	k, err := c.db.hasher(ctx, account, b.label)
	if err != nil {
		return nil, err
	}
	h := k.MAC([]byte(value))
	return h[:tagSize], nil
}

// stamp fills times the caller left out and brings both into their stored form.
func (c *Collection[T]) stamp(m *Meta) {
	if m.CreatedAt.IsZero() {
		m.CreatedAt = c.db.now()
	}
	if m.UpdatedAt.IsZero() {
		m.UpdatedAt = m.CreatedAt
	}
	m.CreatedAt, m.UpdatedAt = stampTime(m.CreatedAt), stampTime(m.UpdatedAt)
}

func stampTime(t time.Time) time.Time { return FromMillis(Millis(t)) }
