package app

import (
	"context"

	"github.com/lethe-desk/lethe/services/contacts/internal/person"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
)

// The states a list of contacts can be limited to.
const (
	stateBlocked    = "blocked"
	stateDeleted    = "deleted"
	stateUnverified = "unverified"
	stateVerified   = "verified"
)

// ListContacts returns one page and whether there is a next one. Nobody can be
// blocked, so that state finds nobody.
func (a *App) ListContacts(ctx context.Context, f person.Filter, state string) ([]*person.Person, bool, error) {
	f.Kind = person.Contact
	yes, no := true, false
	switch state {
	case "":
	case stateBlocked:
		return nil, false, nil
	case stateDeleted:
		f.Deleted = true
	case stateUnverified:
		f.Active = &no
	case stateVerified:
		f.Active = &yes
	default:
		return nil, false, fault.InvalidValue("state", "It should be one of these values: 'blocked,deleted,unverified,verified'")
	}
	if f.Type != nil && *f.Type != person.TypeContact && *f.Type != person.TypeVisitor {
		return nil, false, fault.InvalidValue("contact_type", "It should be one of these values: 'contact,visitor'")
	}
	people, more, err := a.find(ctx, f)
	return people, more, err
}

// find folds what a filter compares and asks the store.
func (a *App) find(ctx context.Context, f person.Filter) ([]*person.Person, bool, error) {
	if f.Email != nil {
		e := person.FoldEmail(*f.Email, nfc)
		f.Email = &e
	}
	if f.ExternalID != nil {
		d := person.Details{ExternalID: f.ExternalID}
		if d.Clean(nfc); d.ExternalID == nil {
			return nil, false, nil
		}
		f.ExternalID = d.ExternalID
	}
	people, more, err := a.store.Find(ctx, f)
	return people, more, storeFault(err, "people", 0)
}
