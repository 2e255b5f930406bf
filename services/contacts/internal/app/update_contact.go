package app

import (
	"context"
	"errors"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	"github.com/lethe-desk/lethe/services/contacts/internal/person"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// updateTries bounds how often a change is applied anew because somebody else was faster.
const updateTries = 16

// UpdateContact changes the fields named by the paths; what is absent in d is
// cleared. A soft-deleted contact is METHOD_NOT_ALLOWED.
func (a *App) UpdateContact(ctx context.Context, account, id int64, d person.Details, paths []string) (*person.Person, error) {
	if err := invalid(person.CheckMask(paths)); err != nil {
		return nil, err
	}
	d.Clean(nfc)
	return a.change(ctx, "contact", account, id, func(p *person.Person) error {
		if p.Kind != person.Contact {
			return fault.NotFound("contact", id)
		}
		touched := p.Details.Apply(&d, paths)
		if err := invalid(p.Details.Check(touched)); err != nil {
			return err
		}
		p.Details.DropNulls()
		p.Details.SetDefaults()
		return nil
	}, len(paths) > 0)
}

// change reads a person, lets apply alter it and writes it back, anew when
// somebody else was faster. Without write it only reads and applies.
func (a *App) change(ctx context.Context, what string, account, id int64, apply func(*person.Person) error, write bool) (*person.Person, error) {
	defer a.lock(subject{account, id})()
	for range updateTries {
		p, err := a.store.Person(ctx, ring.Write, account, id)
		if errors.Is(err, docstore.ErrFenced) {
			return nil, a.withheld(ctx, what, account, id)
		}
		if err != nil {
			return nil, storeFault(err, what, id)
		}
		before := p.Details
		if err := apply(p); err != nil {
			return nil, err
		}
		if !write {
			return p, nil
		}
		p.UpdatedAt = a.now()
		err = a.replace(ctx, before, p)
		switch {
		case err == nil:
			return p, nil
		case errors.Is(err, docstore.ErrFenced):
			return nil, a.withheld(ctx, what, account, id)
		case !errors.Is(err, docstore.ErrStale):
			return nil, storeFault(taker(err), what, id)
		}
	}
	return nil, fault.Conflict(faultv1.Reason_REASON_STALE)
}
