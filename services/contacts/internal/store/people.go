package store

import (
	"context"
	"fmt"
	"time"

	"github.com/lethe-desk/lethe/services/contacts/internal/person"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// Person reads one person for a purpose.
func (s *Store) Person(ctx context.Context, p ring.Purpose, account, id int64) (*person.Person, error) {
	doc, err := s.people.Get(ctx, p, account, id)
	if err != nil {
		return nil, fmt.Errorf("read person: %w", err)
	}
	return fromDoc(doc), nil
}

// People reads those of the ids who are there and not fenced for the purpose.
func (s *Store) People(ctx context.Context, p ring.Purpose, account int64, ids []int64) ([]*person.Person, error) {
	docs, err := s.people.GetMany(ctx, p, account, ids)
	if err != nil {
		return nil, fmt.Errorf("read people: %w", err)
	}
	return fromDocs(docs), nil
}

// Insert writes a new person.
func (s *Store) Insert(ctx context.Context, p *person.Person) error {
	doc := toDoc(p)
	if err := s.people.Insert(ctx, ring.Write, doc); err != nil {
		return fmt.Errorf("insert person: %w", err)
	}
	p.Origin = doc
	return nil
}

// Update writes a person that was read here, if nobody wrote it meanwhile.
func (s *Store) Update(ctx context.Context, p *person.Person) error {
	doc := toDoc(p)
	if err := s.people.Update(ctx, ring.Write, doc); err != nil {
		return fmt.Errorf("update person: %w", err)
	}
	p.Origin = doc
	return nil
}

// Find returns a page of the people a filter is about and whether there are
// more: by id, or by time of change with UpdatedSince. Fenced people are left out.
func (s *Store) Find(ctx context.Context, f person.Filter) ([]*person.Person, bool, error) {
	q := query(f)
	q.Limit = f.Limit + 1
	purpose := ring.Read
	if f.Deleted {
		purpose, q.OnlyModes = ring.DeletedView, ring.Hidden
	}
	page, err := s.people.Find(ctx, purpose, f.Account, q)
	if err != nil {
		return nil, false, fmt.Errorf("find people: %w", err)
	}
	people := fromDocs(page.Items)
	for _, p := range people {
		p.Hidden = f.Deleted
	}
	more := page.Next != "" || len(people) > f.Limit
	return people[:min(len(people), f.Limit)], more, nil
}

// Who finds whom a reference means by anything but an id: the one with the
// lowest id where several share a telephone number, soft-deleted people too
// (Hidden is set then). docstore.ErrNotFound when nobody is found.
func (s *Store) Who(ctx context.Context, account int64, r person.Ref) (*person.Person, error) {
	for _, purpose := range []ring.Purpose{ring.Read, ring.DeletedView} {
		for _, k := range keysOfRef(r) {
			page, err := s.people.Find(ctx, purpose, account, docstore.Query{Index: k.index, Eq: []any{k.value}, Limit: 1})
			if err != nil {
				return nil, fmt.Errorf("find person: %w", err)
			}
			if len(page.Items) > 0 {
				p := fromDoc(page.Items[0])
				p.Hidden = purpose == ring.DeletedView
				return p, nil
			}
		}
	}
	return nil, fmt.Errorf("find person: %w", docstore.ErrNotFound)
}

// Locked reports whether a reference means somebody whose fences keep even the
// deleted view back while the key still lives: nobody may be made in their place.
func (s *Store) Locked(ctx context.Context, account int64, r person.Ref) (bool, error) {
	for _, k := range keysOfRef(r) {
		page, err := s.people.Find(ctx, ring.Sweep, account, docstore.Query{Index: k.index, Eq: []any{k.value}, Limit: 100})
		if err != nil {
			return false, fmt.Errorf("find person: %w", err)
		}
		for _, doc := range page.Items {
			e, err := s.db.Entry(ctx, ring.Subject{Account: account, ID: doc.ID})
			if err != nil {
				return false, fmt.Errorf("find person: %w", err)
			}
			if !e.Destroyed && !ring.Allow(e.Modes(), ring.DeletedView) {
				return true, nil
			}
		}
	}
	return false, nil
}

// key is a value somebody may be found by, and the blind index for it.
type key struct{ index, value string }

// query turns a filter into the query of the index that finds least; the other filters become tests.
func query(f person.Filter) docstore.Query {
	keys := keysOf(f)
	q := docstore.Query{Index: byKind, Eq: []any{string(f.Kind)}, Skip: f.Skip}
	tests := []docstore.Cond{}
	equal := func(field string, v any) { tests = append(tests, docstore.Cond{Op: "=", Field: field, Value: v}) }
	switch {
	case len(keys) > 0:
		q.Index, q.Eq = keys[0].index, []any{keys[0].value}
		equal("kind", string(f.Kind))
		for _, k := range keys[1:] {
			equal(k.index, k.value)
		}
		if f.UpdatedSince != nil {
			tests = append(tests, docstore.Cond{Op: ">=", Field: "updated_at", Value: *f.UpdatedSince})
		}
	case f.UpdatedSince != nil:
		q.Index, q.From = byUpdated, since(*f.UpdatedSince)
	}
	if f.Active != nil {
		equal("active", *f.Active)
	}
	if f.Type != nil {
		equal("contact_type", *f.Type)
	}
	if f.Occasional != nil {
		equal("occasional", *f.Occasional)
	}
	if len(tests) > 0 {
		q.Where = docstore.Cond{Op: "and", Conds: tests}
	}
	return q
}

// since keeps a bound that the store could not hold as a number of milliseconds from before all records.
func since(t time.Time) time.Time {
	if t.UnixMilli() <= 0 {
		return time.UnixMilli(1)
	}
	return t
}

// keysOf returns the blind keys of a filter, those that find least first.
func keysOf(f person.Filter) []key {
	var keys []key
	add := func(index string, value *string, fold func(string) string) {
		if value != nil {
			keys = append(keys, key{index, fold(*value)})
		}
	}
	as := func(s string) string { return s }
	add(byEmail, f.Email, as)
	add(byExternal, f.ExternalID, as)
	add(byTwitter, f.TwitterID, person.FoldHandle)
	add(byPhone, f.Phone, person.FoldPhone)
	add(byMobile, f.Mobile, person.FoldPhone)
	if f.Company != nil {
		keys = append(keys, key{byCompany, companyKey(*f.Company)})
	}
	return keys
}

// keysOfRef returns where to look for a reference; a telephone number may be either of two.
func keysOfRef(r person.Ref) []key {
	switch {
	case r.Email != nil:
		return []key{{byEmail, *r.Email}}
	case r.Phone != nil:
		n := person.FoldPhone(*r.Phone)
		return []key{{byPhone, n}, {byMobile, n}}
	case r.TwitterID != nil:
		return []key{{byTwitter, person.FoldHandle(*r.TwitterID)}}
	case r.ExternalID != nil:
		return []key{{byExternal, *r.ExternalID}}
	}
	return nil
}

func fromDocs(docs []*personDoc) []*person.Person {
	people := make([]*person.Person, len(docs))
	for i, d := range docs {
		people[i] = fromDoc(d)
	}
	return people
}
