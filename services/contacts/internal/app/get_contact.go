package app

import (
	"context"
	"errors"

	"github.com/lethe-desk/lethe/services/contacts/internal/person"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// GetContact reads a contact. A soft-deleted one is shown as such (Hidden), a
// restricted one is refused, one being erased is not found.
func (a *App) GetContact(ctx context.Context, account, id int64) (*person.Person, error) {
	p, err := a.view(ctx, account, id)
	if errors.Is(err, docstore.ErrFenced) {
		return nil, a.withheld(ctx, "contact", account, id)
	}
	if err == nil && p.Kind != person.Contact {
		err = fault.NotFound("contact", id)
	}
	if err != nil {
		return nil, storeFault(err, "contact", id)
	}
	return p, nil
}

// view reads a person, as deleted if that is how things are. docstore.ErrFenced otherwise.
func (a *App) view(ctx context.Context, account, id int64) (*person.Person, error) {
	p, err := a.store.Person(ctx, ring.Read, account, id)
	if !errors.Is(err, docstore.ErrFenced) {
		return p, err
	}
	p, err = a.store.Person(ctx, ring.DeletedView, account, id)
	if err != nil {
		return nil, err
	}
	p.Hidden = true
	return p, nil
}
