package contacts

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/lethe-desk/lethe/services/contacts/internal/app"
	"github.com/lethe-desk/lethe/services/contacts/internal/person"
)

var errCrash = errors.New("crash")

// faulty is a store that dies at a chosen write of a person, before or after
// it, and answers nothing until it is brought back: what a crash of the process leaves.
type faulty struct {
	app.Store
	before, after atomic.Bool
	dead          atomic.Bool
	// late dies at the write that completes a first start.
	late atomic.Bool
	// race runs once before the next Update or InsertLookup, as somebody else would.
	race atomic.Pointer[func()]
}

func (f *faulty) revive() { f.dead.Store(false) }

func (f *faulty) write(do func() error) error {
	if f.dead.Load() || f.before.CompareAndSwap(true, false) {
		f.dead.Store(true)
		return errCrash
	}
	if err := do(); err != nil {
		return err
	}
	if f.after.CompareAndSwap(true, false) {
		f.dead.Store(true)
		return errCrash
	}
	return nil
}

func (f *faulty) Insert(ctx context.Context, p *person.Person) error {
	return f.write(func() error { return f.Store.Insert(ctx, p) })
}

func (f *faulty) Update(ctx context.Context, p *person.Person) error {
	if race := f.race.Swap(nil); race != nil {
		(*race)()
	}
	return f.write(func() error { return f.Store.Update(ctx, p) })
}

func (f *faulty) Claim(ctx context.Context, account int64, v person.Value, id int64) error {
	if f.dead.Load() {
		return errCrash
	}
	return f.Store.Claim(ctx, account, v, id)
}

func (f *faulty) Unclaim(ctx context.Context, account int64, v person.Value, id int64) error {
	if f.dead.Load() {
		return errCrash
	}
	return f.Store.Unclaim(ctx, account, v, id)
}

func (f *faulty) Claimed(ctx context.Context, account int64, v person.Value) (int64, time.Time, error) {
	if f.dead.Load() {
		return 0, time.Time{}, errCrash
	}
	return f.Store.Claimed(ctx, account, v)
}

func (f *faulty) Uses(ctx context.Context, account, id int64, v person.Value) (bool, error) {
	if f.dead.Load() {
		return false, errCrash
	}
	return f.Store.Uses(ctx, account, id, v)
}

func (f *faulty) PutInstallation(ctx context.Context, i *person.Installation) error {
	if i.AdminKeyHash == "" { // only the last write of a first start is a place to die
		return f.Store.PutInstallation(ctx, i)
	}
	if f.late.CompareAndSwap(true, false) {
		return errCrash
	}
	return f.Store.PutInstallation(ctx, i)
}

func (f *faulty) InsertLookup(ctx context.Context, l person.Lookup) error {
	if race := f.race.Swap(nil); race != nil {
		(*race)()
	}
	return f.Store.InsertLookup(ctx, l)
}
