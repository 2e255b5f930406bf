package docstore

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"slices"

	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// Inspector is a backend that can be looked through as a whole. What f answers
// ends the walk and is returned. ErrDamaged when the store cannot be read.
type Inspector interface {
	// Integrity has the database check itself; f gets its sentences.
	Integrity(ctx context.Context, f func(sentence string) error) error
	// Entries walks all ring entries in the order of account and subject, each with
	// the modes that queries go by.
	Entries(ctx context.Context, f func(e Entry, modes ring.Mode) error) error
	// Slots walks all slots in their order.
	Slots(ctx context.Context, f func(SlotState) error) error
	// Claims walks all claims.
	Claims(ctx context.Context, f func(Claim) error) error
	// Sequences walks all sequences with the number each gives next.
	Sequences(ctx context.Context, f func(account int64, name string, next int64) error) error
	// Documents walks a collection, also what no query would find, in no certain order.
	Documents(ctx context.Context, t *Table, f func(*Stored) error) error
	// Size returns how many documents a collection holds.
	Size(ctx context.Context, t *Table) (int64, error)
	// Left walks the entries of indexes kept apart from the documents whose document is gone.
	Left(ctx context.Context, t *Table, f func(index string, account, id int64) error) error
	// Unfinished returns the blind indexes whose building was interrupted.
	Unfinished(ctx context.Context, t *Table) ([]string, error)
}

// Use is what a slot of the key file is for.
type Use uint8

// The uses of a slot: nothing in it, about to be filled, free for the next owner, somebody's.
const (
	Void Use = iota
	Filling
	Free
	Given
)

// SlotState is a slot as the store knows it.
type SlotState struct {
	keyring.Slot
	Use Use
}

// Stored is a document as it lies in the store.
type Stored struct {
	// Found has the tags too; nothing is fenced.
	Found
	// Met says that the owner has a ring entry, Modes are its modes.
	Met   bool
	Modes ring.Mode
	// Sides are the values in the indexes over lists, in the order of those indexes.
	Sides [][]Value
}

// ErrUnchecked means that a backend cannot be looked through.
var ErrUnchecked = errors.New("this kind of store cannot be checked")

// inspector returns the backend as one, also through the spans around it.
func (db *DB) inspector() (Inspector, error) {
	b := db.b
	if t, ok := b.(*traced); ok {
		b = t.Backend
	}
	i, ok := b.(Inspector)
	if !ok {
		return nil, ErrUnchecked
	}
	return i, nil
}

// checker is one check under way.
type checker struct {
	db   *DB
	look Inspector
	Watch
	// lost are the subjects whose key was found wanting: their documents are not told one by one.
	lost map[ring.Subject]bool
}

func (k *checker) found(f Flaw, collection string, account, id int64) {
	k.Found(NewFinding(f, collection, account, id))
}

// Check looks through all that the store keeps: the database itself, the ring
// against the key file, every document of the collections bound so far, and claims. It
// writes nothing. Errors are a context's, ErrUnchecked, or ErrUnavailable where
// the key file cannot be read; what is damaged is a finding.
func (db *DB) Check(ctx context.Context, w Watch) error {
	look, err := db.inspector()
	if err != nil {
		return err
	}
	k := &checker{db: db, look: look, Watch: w, lost: map[ring.Subject]bool{}}
	db.mu.Lock()
	collections := slices.Clone(db.checks)
	db.mu.Unlock()
	parts := []func(context.Context) error{k.integrity, k.ring}
	for _, c := range collections {
		parts = append(parts, func(ctx context.Context) error { return c(ctx, k) })
	}
	for _, part := range append(parts, k.claims) {
		if err := k.tolerate(part(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// tolerate makes a finding of damage, so that the rest is looked at too.
func (k *checker) tolerate(err error) error {
	if !errors.Is(err, ErrDamaged) {
		return err
	}
	f := NewFinding(FlawStore, "", 0, 0)
	f.Detail = err.Error()
	k.Found(f)
	return nil
}

func (k *checker) integrity(ctx context.Context) error {
	return k.look.Integrity(ctx, func(sentence string) error {
		f := NewFinding(FlawStore, "", 0, 0)
		f.Detail = sentence
		k.Found(f)
		return nil
	})
}

// claims looks at the holders; whether they have the value only the service knows.
func (k *checker) claims(ctx context.Context) error {
	return k.look.Claims(ctx, func(c Claim) error {
		e, err := k.db.b.Entry(ctx, ring.Subject{Account: c.Account, ID: c.Subject})
		switch {
		case errors.Is(err, ErrNotFound):
			k.found(FlawClaimIdle, "", c.Account, c.Subject)
		case err != nil:
			return err
		case e.Modes()&voids != 0:
			k.found(FlawClaimVoid, "", c.Account, c.Subject)
		}
		return nil
	})
}

// progressEvery is how many documents lie between two steps of the progress.
const progressEvery = 500

// check looks at every document of the collection.
func (c *Collection[T]) check(ctx context.Context, k *checker) error {
	unbuilt, err := k.look.Unfinished(ctx, c.table)
	if err != nil {
		return err
	}
	for _, name := range unbuilt {
		f := NewFinding(FlawUnbuilt, c.table.Name, 0, 0)
		f.Detail = name
		k.Found(f)
	}
	total, err := k.look.Size(ctx, c.table)
	if err != nil {
		return err
	}
	var done int64
	err = k.look.Documents(ctx, c.table, func(d *Stored) error {
		if done++; done%progressEvery == 0 {
			k.progress(c.table.Name, done, total)
		}
		return c.inspect(ctx, k, d, unbuilt)
	})
	if err != nil {
		return err
	}
	if done > 0 {
		k.progress(c.table.Name, done, total)
	}
	return k.look.Left(ctx, c.table, func(index string, account, id int64) error {
		f := NewFinding(FlawTagsLeft, c.table.Name, account, id)
		f.Detail = index
		k.Found(f)
		return nil
	})
}

// inspect looks at one document.
func (c *Collection[T]) inspect(ctx context.Context, k *checker, d *Stored, unbuilt []string) error {
	flaw := Flaw("")
	owner := ring.Subject{Account: d.Account, ID: d.Owner}
	sealed := d.Sealed != nil || d.Body != nil
	switch {
	case !d.Met:
		flaw = FlawOwner
	case d.Rev < 1 || d.Sealed != nil && d.SealVer < 1 || d.Body != nil && d.BodyVer < 1:
		flaw = FlawRevision
	case d.Modes&ring.Erased != 0:
		flaw = FlawStraggler
	case d.Modes&Gone != 0:
		flaw = FlawUnswept
	case sealed && (d.Slot == NoSlot || d.Kid != d.OwnerKid):
		flaw = FlawOtherKey
	case sealed && k.lost[owner]:
		return nil
	}
	if flaw != "" {
		k.found(flaw, c.table.Name, d.Account, d.ID)
		return nil
	}
	doc, err := c.decode(ring.Sweep, &d.Found, true)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if flaw := flawOf(err); flaw != "" {
		k.found(flaw, c.table.Name, d.Account, d.ID)
		return nil
	}
	return c.indexed(ctx, k, d, reflect.ValueOf(doc).Elem(), unbuilt)
}

// flawOf is what an error of decoding says of a document.
func flawOf(err error) Flaw {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, ErrUnavailable):
		return FlawUnopened
	}
	return FlawUndecoded
}

// indexed compares what indexes kept apart hold of a document with what they should.
func (c *Collection[T]) indexed(ctx context.Context, k *checker, d *Stored, v reflect.Value, unbuilt []string) error {
	wrong := func(index string) {
		f := NewFinding(FlawTags, c.table.Name, d.Account, d.ID)
		f.Detail = index
		k.Found(f)
	}
	side := 0
	for _, ix := range c.table.Indexes {
		if ix.List < 0 {
			continue
		}
		if !sameValues(d.Sides[side], listValues(v.Field(c.plan.at[ix.Fields[ix.List]]))) {
			wrong(ix.Name)
		}
		side++
	}
	if k.lost[ring.Subject{Account: d.Account}] {
		return nil // the key of the hashes is wanting, which is told already
	}
	want, err := c.tags(ctx, v, d.Account, true, true)
	if errors.Is(err, ErrFenced) {
		return nil // the account has left: nobody searches any more
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for i, b := range c.blinds {
		if !slices.Contains(unbuilt, b.Name) && (err != nil || !sameTags(d.Tags[i], want[i])) {
			wrong(b.Name)
		}
	}
	return nil
}

func sameTags(a, b [][]byte) bool {
	sort := func(t [][]byte) [][]byte { return slices.SortedFunc(slices.Values(t), bytes.Compare) }
	return slices.EqualFunc(sort(a), sort(b), bytes.Equal)
}

func sameValues(a, b []Value) bool {
	for _, v := range a {
		if !slices.Contains(b, v) {
			return false
		}
	}
	return len(a) == len(b)
}

// eachPage is how many documents Each opens at once.
const eachPage = 64

// Each calls f with every document of all accounts, whatever fences stand, in
// the order of account and id, with bodies; one whose key is gone has all sealed
// fields absent. What does not open or decode is left out: Check tells it. An error of f ends it and is returned.
func (c *Collection[T]) Each(ctx context.Context, f func(*T) error) error {
	for after := (*Position)(nil); ; {
		c.db.reads.Add(1)
		hits, err := c.db.b.Walk(ctx, c.table, after, eachPage, 0)
		if err != nil {
			return err
		}
		for i := range hits.Rows {
			doc, err := c.decode(ring.Sweep, &hits.Rows[i], true)
			if err != nil {
				continue
			}
			if err := f(doc); err != nil {
				return err
			}
		}
		if after = hits.Last; after == nil {
			return nil
		}
	}
}

// Sequences calls f with every sequence of all accounts and the number it gives
// next. ErrUnchecked where the backend cannot tell.
func (db *DB) Sequences(ctx context.Context, f func(account int64, name string, next int64) error) error {
	look, err := db.inspector()
	if err != nil {
		return err
	}
	return look.Sequences(ctx, f)
}
