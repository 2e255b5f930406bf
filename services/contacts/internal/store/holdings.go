package store

import (
	"context"
	"fmt"
	"strconv"

	"github.com/lethe-desk/lethe/services/contacts/internal/person"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/mention"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// exportPage is how many records an export reads at once.
const exportPage = 100

func owned(s ring.Subject) docstore.Query {
	return docstore.Query{Index: "owner", Eq: []any{s.ID}}
}

func ownedAs(s ring.Subject, kind person.Kind) docstore.Query {
	q := owned(s)
	q.Where = docstore.Cond{Op: "=", Field: "kind", Value: string(kind)}
	return q
}

// CountPeople counts the subject's own record of a kind, whatever fences stand.
func (s *Store) CountPeople(ctx context.Context, of ring.Subject, kind person.Kind) (int64, error) {
	n, err := s.people.Count(ctx, ring.Sweep, of.Account, ownedAs(of, kind))
	if err != nil {
		return 0, fmt.Errorf("count people: %w", err)
	}
	return n, nil
}

// SweepPeople deletes the subject's record of a kind and frees what it claimed.
// The claims go first: while the record is there, the count says that something is left.
func (s *Store) SweepPeople(ctx context.Context, of ring.Subject, kind person.Kind, limit int) (n int, more bool, err error) {
	q := ownedAs(of, kind)
	q.Limit = limit
	if _, err := s.db.UnclaimAll(ctx, of); err != nil {
		return 0, false, fmt.Errorf("sweep claims: %w", err)
	}
	if n, more, err = s.people.DeleteWhere(ctx, ring.Sweep, of.Account, q); err != nil {
		return n, more, fmt.Errorf("sweep people: %w", err)
	}
	return n, more, nil
}

// ExportPeople emits the subject's record of a kind, behind a cursor.
func (s *Store) ExportPeople(ctx context.Context, of ring.Subject, kind person.Kind, after string, emit func(cursor string, p *person.Person) error) error {
	return export(ctx, s, s.people, of, ownedAs(of, kind), after, func(d *personDoc) int64 { return d.ID }, func(cursor string, doc *personDoc) error {
		return emit(cursor, fromDoc(doc))
	})
}

// CountMentions counts the records of a kind of other people whose texts hold one
// of the subject's identifiers, whatever fences stand.
func (s *Store) CountMentions(ctx context.Context, of ring.Subject, kind person.Kind, ids mention.Identifiers) (int64, error) {
	n, err := s.people.Mentions(ctx, ring.Sweep, of.Account, of.ID, mention.Keys(ids), only(kind, s.people.Redactor(ids, false)))
	if err != nil {
		return 0, fmt.Errorf("count mentions: %w", err)
	}
	return n, nil
}

// RedactMentions removes the subject's identifiers from the texts of other
// people's records of a kind, and the names where an identifier stands beside
// them. It returns how many were written.
func (s *Store) RedactMentions(ctx context.Context, of ring.Subject, kind person.Kind, ids mention.Identifiers) (int64, error) {
	n, err := s.people.Redact(ctx, of.Account, of.ID, mention.Keys(ids), only(kind, s.people.Censor(ids)))
	if err != nil {
		return n, fmt.Errorf("redact mentions: %w", err)
	}
	return n, nil
}

// only leaves out people of other kinds.
func only(kind person.Kind, f func(*personDoc) bool) func(*personDoc) bool {
	return func(d *personDoc) bool { return d.Kind == string(kind) && f(d) }
}

// CountKeys counts the subject's API keys: records or what leads to them, whichever is more.
func (s *Store) CountKeys(ctx context.Context, of ring.Subject) (int64, error) {
	records, err := s.keys.Count(ctx, ring.Sweep, of.Account, owned(of))
	if err != nil {
		return 0, fmt.Errorf("count api keys: %w", err)
	}
	lookups, err := s.lookups.Count(ctx, ring.Sweep, 0, lookupsOf(of.Account, of.ID))
	if err != nil {
		return 0, fmt.Errorf("count lookups: %w", err)
	}
	return max(records, lookups), nil
}

// SweepKeys deletes the subject's API keys, and first of all what leads to them.
func (s *Store) SweepKeys(ctx context.Context, of ring.Subject, limit int) (n int, more bool, err error) {
	if err := s.DeleteLookups(ctx, of.Account, of.ID, 0); err != nil {
		return 0, false, err
	}
	q := owned(of)
	q.Limit = limit
	if n, more, err = s.keys.DeleteWhere(ctx, ring.Sweep, of.Account, q); err != nil {
		return n, more, fmt.Errorf("sweep api keys: %w", err)
	}
	return n, more, nil
}

// ExportKeys emits the records of the subject's API keys, behind a cursor.
func (s *Store) ExportKeys(ctx context.Context, of ring.Subject, after string, emit func(cursor string, k person.Key) error) error {
	return export(ctx, s, s.keys, of, owned(of), after, func(d *keyDoc) int64 { return d.ID }, func(cursor string, doc *keyDoc) error {
		return emit(cursor, keyOf(doc))
	})
}

// export walks what a subject owns for its own export, in the order of ids,
// page by page. The cursor of a record is its id. docstore.ErrFenced when a fence
// forbids exports before the end: what was emitted is then not all there is.
func export[T any](ctx context.Context, s *Store, c *docstore.Collection[T], of ring.Subject, q docstore.Query, after string, id func(*T) int64, emit func(string, *T) error) error {
	var behind int64
	if after != "" {
		var err error
		if behind, err = strconv.ParseInt(after, 10, 64); err != nil {
			return fmt.Errorf("export %s: %w", c.Name(), docstore.ErrCursor)
		}
	}
	q.Limit, q.Bodies = exportPage, true
	for {
		page, err := c.Find(ctx, ring.Export, of.Account, q)
		if err != nil {
			return fmt.Errorf("export %s: %w", c.Name(), err)
		}
		for _, doc := range page.Items {
			if id(doc) <= behind {
				continue
			}
			if err := emit(strconv.FormatInt(id(doc), 10), doc); err != nil {
				return err
			}
		}
		if page.Next == "" {
			break
		}
		q.After = page.Next
	}
	// records of a fenced owner are skipped in silence, so the end has to ask
	modes, err := s.Modes(ctx, of.Account, of.ID)
	if err == nil && !ring.Allow(modes, ring.Export) {
		err = docstore.ErrFenced
	}
	if err != nil {
		return fmt.Errorf("export %s: %w", c.Name(), err)
	}
	return nil
}
