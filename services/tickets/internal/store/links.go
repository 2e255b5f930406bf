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
	fields []named
	// list is the index over people who are named in a list or inside of a text
	// part; empty when there are none. replace puts somebody else, or nobody for 0,
	// in a person's place.
	list    string
	replace func(d *D, from, to int64)
}

// named is a clear field and the index that begins with it.
type named struct{ field, index string }

// CountLinked counts the links to a person in records of others.
func (t *Table[T, D, PT, PD]) CountLinked(ctx context.Context, s ring.Subject) (n int64, err error) {
	for _, index := range t.indexes() {
		found, err := t.docs.Count(ctx, ring.Sweep, s.Account, linked(index, s, 1))
		if err != nil {
			return 0, err
		}
		n += found
	}
	return n, nil
}

// indexes are all indexes over people named.
func (t *Table[T, D, PT, PD]) indexes() []string {
	var all []string
	for _, l := range t.naming.fields {
		all = append(all, l.index)
	}
	if t.naming.list != "" {
		all = append(all, t.naming.list)
	}
	return all
}

// linked asks for documents that name a person and are somebody else's.
func linked(index string, s ring.Subject, limit int) docstore.Query {
	return docstore.Query{Index: index, Eq: []any{s.ID}, Limit: limit, Where: docstore.Cond{Op: "or", Conds: []docstore.Cond{
		{Op: "<", Field: "owner", Value: s.ID}, {Op: ">", Field: "owner", Value: s.ID},
	}}}
}

// Relink puts somebody else, or nobody for 0, in a person's place in records of
// others: at most limit of each kind of link. It says whether there are more.
func (t *Table[T, D, PT, PD]) Relink(ctx context.Context, s ring.Subject, to int64, limit int) (n int, more bool, err error) {
	var value any
	if to != 0 {
		value = to
	}
	for _, l := range t.naming.fields {
		done, rest, err := t.docs.UpdateWhere(ctx, ring.Sweep, s.Account, linked(l.index, s, limit), map[string]any{l.field: value})
		n, more = n+done, more || rest
		if err != nil {
			return n, true, err
		}
	}
	if t.naming.list == "" {
		return n, more, nil
	}
	done, rest, err := t.opened(ctx, linked(t.naming.list, s, limit), s, func(d *D) bool {
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
	return t.docs.Mentions(ctx, ring.Sweep, s.Account, s.ID, mention.Keys(ids), t.docs.Redactor(ids, false))
}

// redactPage is how many documents that name a person are open at once.
const redactPage = 50

// RedactMentions removes a person's identifiers from the records of others, and
// the person's names from those that hold an identifier or name the person as
// somebody who took part. It returns how many were written.
func (t *Table[T, D, PT, PD]) RedactMentions(ctx context.Context, s ring.Subject, ids mention.Identifiers) (int64, error) {
	found, all := t.docs.Redactor(ids, false), t.docs.Redactor(ids, true)
	n, err := t.docs.Redact(ctx, s.Account, s.ID, mention.Keys(ids), func(d *D) bool {
		if !found(d) {
			return false
		}
		all(d)
		return true
	})
	if err != nil || len(ids.Names) == 0 {
		return n, err
	}
	for _, index := range t.indexes() {
		more, err := t.redactLinked(ctx, index, s, all)
		if n += more; err != nil {
			return n, err
		}
	}
	return n, nil
}

// redactLinked walks the records that name a person. A record that somebody
// changes meanwhile is redacted by itself, on its newest revision.
func (t *Table[T, D, PT, PD]) redactLinked(ctx context.Context, index string, s ring.Subject, f func(*D) bool) (n int64, err error) {
	q := linked(index, s, redactPage)
	q.Bodies = true
	for {
		page, err := t.docs.Find(ctx, ring.Redact, s.Account, q)
		if err != nil {
			return n, err
		}
		for _, d := range page.Items {
			id := PD(d).meta().ID
			for f(d) {
				err := t.docs.Update(ctx, ring.Redact, d)
				if errors.Is(err, docstore.ErrStale) {
					if d, err = t.docs.Get(ctx, ring.Redact, s.Account, id); err == nil {
						continue
					}
				}
				if err == nil {
					n++
				} else if !errors.Is(err, docstore.ErrNotFound) && !errors.Is(err, docstore.ErrFenced) {
					return n, err
				}
				break
			}
		}
		if q.After = page.Next; q.After == "" {
			return n, nil
		}
	}
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
