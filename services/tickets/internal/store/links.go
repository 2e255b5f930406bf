package store

import (
	"context"
	"errors"
	"slices"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/mention"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// naming is how the documents of a table name people who are not their owners.
type naming[D any] struct {
	// fields are clear fields with one person each, by the index over them; they
	// are set in bulk and nothing is opened for it.
	fields []docstore.Link
	// list is the index over people who are named in a list or inside of a text
	// part; empty when there are none. replace puts somebody else, or nobody for 0,
	// in a person's place.
	list    string
	replace func(d *D, from, to int64)
}

// CountLinked counts the links to a person in records of others.
func (t *Table[T, D, PT, PD]) CountLinked(ctx context.Context, s ring.Subject) (int64, error) {
	return t.docs.CountLinked(ctx, s, t.indexes()...)
}

// indexes are all indexes over people named.
func (t *Table[T, D, PT, PD]) indexes() []string {
	var all []string
	for _, l := range t.naming.fields {
		all = append(all, l.Index)
	}
	if t.naming.list != "" {
		all = append(all, t.naming.list)
	}
	return all
}

// Relink puts somebody else, or nobody for 0, in a person's place in records of
// others: at most limit of each kind of link. It says whether there are more.
func (t *Table[T, D, PT, PD]) Relink(ctx context.Context, s ring.Subject, to int64, limit int) (n int, more bool, err error) {
	n, more, err = t.docs.Relink(ctx, s, to, limit, t.naming.fields...)
	if err != nil || t.naming.list == "" {
		return n, more, err
	}
	done, rest, err := t.opened(ctx, docstore.Linked(t.naming.list, s.ID, limit), s, func(d *D) bool {
		t.naming.replace(d, s.ID, to)
		return true
	})
	return n + done, more || rest, err
}

// opened lets f change the documents of a page and writes those it has changed.
// Documents of people who are erased are left out: they go by themselves.
func (t *Table[T, D, PT, PD]) opened(ctx context.Context, q docstore.Query, s ring.Subject, f func(*D) bool) (n int, more bool, err error) {
	q.Bodies = true
	page, err := t.docs.Find(ctx, ring.Redact, s.Account, q)
	if err != nil {
		return 0, false, err
	}
	more = page.Next != ""
	for _, d := range page.Items {
		if !f(d) {
			continue
		}
		switch err := t.docs.Update(ctx, ring.Redact, d); {
		case err == nil:
			n++
		case errors.Is(err, docstore.ErrStale):
			more = true // somebody was faster: it is found again
		case !errors.Is(err, docstore.ErrNotFound) && !errors.Is(err, docstore.ErrFenced):
			return n, true, err
		}
	}
	return n, more, nil
}

// CountMentions counts the records of others that hold one of a person's identifiers.
func (t *Table[T, D, PT, PD]) CountMentions(ctx context.Context, s ring.Subject, ids mention.Identifiers) (int64, error) {
	return t.docs.CountMentions(ctx, s, ids)
}

// RedactMentions removes a person's identifiers from the records of others, and
// the person's names from those that hold an identifier or name the person as
// somebody who took part. It returns how many were written.
func (t *Table[T, D, PT, PD]) RedactMentions(ctx context.Context, s ring.Subject, ids mention.Identifiers) (int64, error) {
	return t.docs.RedactPerson(ctx, s, ids, t.indexes()...)
}

// replaced returns a list of people with one put in another's place, or taken out for 0.
func replaced(list []int64, from, to int64) []int64 {
	out := make([]int64, 0, len(list))
	for _, id := range list {
		if id == from {
			id = to
		}
		if id != 0 && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}
