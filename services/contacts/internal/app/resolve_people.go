package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lethe-desk/lethe/services/contacts/internal/person"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
)

// The bounds of the batch methods.
const (
	// MaxRefs is how many references one call resolves.
	MaxRefs = 100
	// MaxBatch is how many people one call reads.
	MaxBatch = docstore.MaxLimit
)

// Resolved is the answer to one reference: nobody, or somebody, made just now perhaps.
type Resolved struct {
	Person  *person.Person
	Created bool
}

// ResolvePeople answers references in their order. A soft-deleted person is
// given with Hidden set; one who is restricted or being erased is nobody, and
// nobody else is made in their place. With create, unknown addresses,
// numbers, handles and external ids become contacts; callers who ask for the
// same one at once get the same contact.
func (a *App) ResolvePeople(ctx context.Context, account int64, refs []person.Ref, create bool) ([]Resolved, error) {
	if len(refs) > MaxRefs {
		return nil, fault.InvalidValue("refs", "There should be at most 100")
	}
	out := make([]Resolved, len(refs))
	for i := range refs {
		r := refs[i]
		r.Clean(nfc)
		if r.Empty() {
			return nil, fault.Missing(fmt.Sprintf("refs[%d]", i))
		}
		var err error
		if out[i], err = a.resolve(ctx, account, r, create); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (a *App) resolve(ctx context.Context, account int64, r person.Ref, create bool) (Resolved, error) {
	p, err := a.who(ctx, account, r)
	if err != nil || p != nil || !create || r.ID != nil {
		return Resolved{Person: p}, err
	}
	d := r.NewDetails()
	d.Clean(nfc)
	if err := invalid(d.CheckNew()); err != nil {
		return Resolved{}, err
	}
	defer a.lock(placeOf(account, d))()
	if p, err = a.who(ctx, account, r); err != nil || p != nil {
		return Resolved{Person: p}, err
	}
	if locked, err := a.store.Locked(ctx, account, r); err != nil || locked {
		return Resolved{}, storeFault(err, "contact", 0)
	}
	return a.make(ctx, account, d)
}

// place names what lock serialises for one value by which somebody is looked for.
type place struct {
	account     int64
	field, text string
}

func placeOf(account int64, d person.Details) place {
	if v := d.Values(); len(v) > 0 {
		return place{account, string(v[0].Unique), v[0].Text}
	}
	if d.Phone != nil {
		return place{account, "phone", person.FoldPhone(*d.Phone)}
	}
	return place{account: account}
}

// who finds a reference's person; nil when it is nobody, or somebody who is withheld.
func (a *App) who(ctx context.Context, account int64, r person.Ref) (*person.Person, error) {
	var p *person.Person
	var err error
	if r.ID != nil {
		p, err = a.view(ctx, account, *r.ID)
	} else {
		p, err = a.store.Who(ctx, account, r)
	}
	if errors.Is(err, docstore.ErrNotFound) || errors.Is(err, docstore.ErrFenced) {
		return nil, nil
	}
	return p, storeFault(err, "person", 0)
}

// waits are the pauses while another process is between claiming an address and writing the contact.
var waits = []time.Duration{5, 10, 20, 50, 100, 200, 500}

// make makes a contact, or finds the one that another process has just made.
func (a *App) make(ctx context.Context, account int64, d person.Details) (Resolved, error) {
	for try := 0; ; {
		p := a.newContact(account, a.newID(), d)
		err := a.insert(ctx, p)
		var t *taken
		switch {
		case err == nil:
			return Resolved{Person: p, Created: true}, nil
		case errors.As(err, &t):
			p, err := a.view(ctx, account, t.holder)
			if err == nil {
				return Resolved{Person: p}, nil
			}
			if errors.Is(err, docstore.ErrFenced) {
				return Resolved{}, nil
			}
			if !errors.Is(err, docstore.ErrNotFound) {
				return Resolved{}, storeFault(err, "contact", 0)
			}
		case !errors.Is(err, docstore.ErrExists):
			return Resolved{}, storeFault(err, "contact", 0)
		}
		if try == len(waits) {
			return Resolved{}, fault.Unavailable(errors.New("somebody else is making this contact"))
		}
		if err := pause(ctx, waits[try]*time.Millisecond); err != nil {
			return Resolved{}, err
		}
		try++
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
