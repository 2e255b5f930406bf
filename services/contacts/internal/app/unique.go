package app

import (
	"context"
	"errors"
	"time"

	"github.com/lethe-desk/lethe/services/contacts/internal/person"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/obs"
)

// A unique value is claimed before the document that holds it is written. A
// process that dies in between leaves a claim without a document; it is void
// after claimGrace. Nobody may be that slow: writeTime ends the write first.
const (
	claimGrace = 60 * time.Second
	writeTime  = 30 * time.Second
)

// stealTries bounds how often a void claim is taken over again because somebody else was faster.
const stealTries = 8

// taken is a value that somebody else has.
type taken struct {
	value  person.Value
	holder int64
}

// Error names the field, not the value.
func (t *taken) Error() string { return "taken: " + t.value.Field }

// fault is what a caller is told.
func (t *taken) fault() error { return fault.Duplicate(t.value.Field, t.holder) }

// claim makes values a person's own, all or none. *taken names the first that somebody else has.
func (a *App) claim(ctx context.Context, account, id int64, values []person.Value) error {
	for i, v := range values {
		if err := a.claimOne(ctx, account, id, v); err != nil {
			a.release(ctx, account, id, values[:i])
			return err
		}
	}
	return nil
}

func (a *App) claimOne(ctx context.Context, account, id int64, v person.Value) error {
	for range stealTries {
		err := a.store.Claim(ctx, account, v, id)
		var t *docstore.Taken
		if !errors.As(err, &t) {
			return err
		}
		void, err := a.void(ctx, account, v, t.Subject)
		if err != nil {
			return err
		}
		if !void {
			return &taken{value: v, holder: t.Subject}
		}
		err = a.store.Steal(ctx, account, v, t.Subject, id)
		if !errors.Is(err, docstore.ErrStale) {
			return err
		}
	}
	return fault.Unavailable(errors.New("a claim keeps changing hands"))
}

// void reports whether a holder has had the claim for long and does not use it.
func (a *App) void(ctx context.Context, account int64, v person.Value, holder int64) (bool, error) {
	who, at, err := a.store.Claimed(ctx, account, v)
	if errors.Is(err, docstore.ErrNotFound) {
		return true, nil // freed meanwhile: Steal will be stale and the claim is tried again
	}
	if err != nil {
		return false, err
	}
	if who != holder || a.now().Sub(at) < claimGrace {
		return false, nil
	}
	used, err := a.store.Uses(ctx, account, holder, v)
	return err == nil && !used, err
}

// release frees values the person's document does not hold. It runs also when
// the caller has given up; what it cannot free is void after claimGrace.
func (a *App) release(ctx context.Context, account, id int64, values []person.Value) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
	defer cancel()
	for _, v := range values {
		used, err := a.store.Uses(ctx, account, id, v)
		if err == nil && !used {
			err = a.store.Unclaim(ctx, account, v, id)
		}
		if err != nil {
			a.log.WarnContext(ctx, "a claim could not be released; it will be void in a minute", obs.KeyCause, err.Error())
			return
		}
	}
}

// insert claims a new person's unique values and writes the person.
// docstore.ErrExists when the id is taken, *taken when a value is.
func (a *App) insert(ctx context.Context, p *person.Person) error {
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	values := p.Details.Values()
	if err := a.claim(ctx, p.Account, p.ID, values); err != nil {
		return err
	}
	if err := a.store.Insert(ctx, p); err != nil {
		a.release(ctx, p.Account, p.ID, values)
		return err
	}
	return nil
}

// replace claims what is new, writes the person and frees what is no longer
// used. before are the details as they were read. docstore.ErrStale when somebody else
// wrote meanwhile, *taken when a value is somebody else's.
func (a *App) replace(ctx context.Context, before person.Details, p *person.Person) error {
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	fresh := person.Without(p.Details.Values(), &before)
	if err := a.claim(ctx, p.Account, p.ID, fresh); err != nil {
		return err
	}
	if err := a.store.Update(ctx, p); err != nil {
		a.release(ctx, p.Account, p.ID, fresh)
		return err
	}
	a.release(ctx, p.Account, p.ID, person.Without(before.Values(), &p.Details))
	return nil
}

// taker turns *taken into what the caller is told; other errors pass.
func taker(err error) error {
	var t *taken
	if errors.As(err, &t) {
		return t.fault()
	}
	return err
}
