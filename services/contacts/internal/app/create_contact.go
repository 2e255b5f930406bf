package app

import (
	"context"
	"errors"

	"github.com/lethe-desk/lethe/services/contacts/internal/person"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/idem"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// createContact names the method among idempotency keys.
const createContact = "contacts.CreateContact"

// CreateContact makes a contact. Under a key that was used before it answers
// with what was made then. A taken value is a DUPLICATE_VALUE that names the holder.
func (a *App) CreateContact(ctx context.Context, account int64, d person.Details, key string, body []byte) (*person.Person, error) {
	d.Clean(nfc)
	d.DropNulls()
	if err := invalid(d.CheckNew()); err != nil {
		return nil, err
	}
	d.SetDefaults()
	return idem.Do(ctx, a.idem, idem.Call{Account: account, Method: createContact, Key: key, Body: body}, idem.Work[*person.Person]{
		NewID: func(context.Context) (int64, error) { return a.newID(), nil },
		Create: func(ctx context.Context, s idem.Slot) (*person.Person, error) {
			p := a.newContact(account, s.ID, d)
			p.Mark = s.Mark
			return p, creation(a.insert(ctx, p))
		},
		Mark: func(ctx context.Context, id int64) (string, error) {
			p, err := a.store.Person(ctx, ring.Sweep, account, id)
			if err != nil {
				return "", err
			}
			return p.Mark, nil
		},
		Read: func(ctx context.Context, id int64) (*person.Person, error) { return a.GetContact(ctx, account, id) },
	})
}

func (a *App) newContact(account, id int64, d person.Details) *person.Person {
	now := a.now()
	return &person.Person{Account: account, ID: id, Kind: person.Contact, Type: person.TypeContact, Details: d, CreatedAt: now, UpdatedAt: now}
}

// creation passes ErrExists on for whoever draws ids, and names the rest.
func creation(err error) error {
	if errors.Is(err, docstore.ErrExists) {
		return docstore.ErrExists
	}
	if errors.Is(err, docstore.ErrFenced) {
		return fault.Fenced(err)
	}
	return storeFault(taker(err), "contact", 0)
}
