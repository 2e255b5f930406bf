package app

import (
	"context"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/participant"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

const noPerson = "There is no contact or agent matching it"

// author is who writes, and whose what is written is.
type author struct {
	user int64
	// owner is 0 for an agent, whose writing is the account's.
	owner int64
}

// author finds who writes: the calling agent unless somebody else is named, who must exist.
func (a *App) author(ctx context.Context, c Caller, id *int64) (author, error) {
	if id == nil || *id == c.Actor {
		return author{user: c.Actor}, a.mayWrite(ctx, c)
	}
	p, err := a.person(ctx, c, "user_id", *id)
	if err != nil {
		return author{}, err
	}
	if p.Agent {
		return author{user: p.ID}, nil
	}
	return author{user: p.ID, owner: p.ID}, nil
}

// mayWrite refuses a caller whose own data is withheld: what an agent writes is
// the account's, so no fence would stop it otherwise.
func (a *App) mayWrite(ctx context.Context, c Caller) error {
	modes, err := a.Ring.Modes(ctx, ring.Subject{Account: c.Account, ID: c.Actor})
	switch {
	case err != nil:
		return storeFault(err)
	case modes == 0:
		return nil
	case modes.Strictest() == ring.Restricted:
		return restricted()
	}
	return fault.Denied(faultv1.Reason_REASON_ACCESS_DENIED)
}

// person finds somebody whom a field of a body names: who exists, and is withheld neither here nor at contacts.
func (a *App) person(ctx context.Context, c Caller, field string, id int64) (*Person, error) {
	people, err := a.People.Resolve(ctx, c.Account, []int64{id})
	if err != nil {
		return nil, contactsFault(err, field)
	}
	p := people[0]
	if p == nil {
		return nil, fault.InvalidValue(field, noPerson)
	}
	modes, err := a.Ring.Modes(ctx, ring.Subject{Account: c.Account, ID: p.ID})
	if err != nil {
		return nil, storeFault(err)
	}
	if p.Hidden {
		modes |= ring.Hidden
	}
	switch modes.Strictest() {
	case 0:
		return p, nil
	case ring.Restricted:
		return nil, restricted()
	}
	return nil, fault.InvalidValue(field, noPerson)
}

// agent finds an agent whom a field of a body names.
func (a *App) agent(ctx context.Context, c Caller, field string, id *int64) (int64, error) {
	if id == nil || *id == c.Actor {
		return c.Actor, a.mayWrite(ctx, c)
	}
	p, err := a.person(ctx, c, field, *id)
	if err == nil && !p.Agent {
		err = fault.InvalidValue(field, "There is no agent matching it")
	}
	if err != nil {
		return 0, err
	}
	return p.ID, nil
}

// contactsFault makes our answer of a refusal of contacts; what is down is down.
func contactsFault(err error, field string) error {
	f, ok := fault.As(err)
	switch {
	case !ok:
		return err
	case f.Reason == faultv1.Reason_REASON_RESTRICTED:
		return restricted()
	case f.Kind == fault.KindInvalid, f.Kind == fault.KindNotFound, f.Reason == faultv1.Reason_REASON_FENCED:
		return fault.InvalidValue(field, noPerson)
	}
	return err
}

// relinker is a table whose values name somebody.
type relinker interface {
	Relink(ctx context.Context, s ring.Subject, to int64, limit int) (n int, more bool, err error)
}

// disown takes the link out of what an agent wrote while being erased: the fence
// may have come after the look at it, and the sweep before the write.
func (a *App) disown(ctx context.Context, c Caller, t relinker, owner int64, user *int64) error {
	if owner != 0 || user == nil {
		return nil
	}
	s := ring.Subject{Account: c.Account, ID: *user}
	modes, err := a.Ring.Modes(ctx, s)
	if err != nil || modes&(ring.Erasing|ring.Erased) == 0 {
		return storeFault(err)
	}
	a.Log.InfoContext(ctx, "an author was erased while writing; the link is taken out")
	for more := true; more; {
		if _, more, err = t.Relink(ctx, s, participant.FormerAgent, 100); err != nil {
			return storeFault(err)
		}
	}
	return fault.Denied(faultv1.Reason_REASON_ACCESS_DENIED)
}
