package keyring

import (
	"context"
	"errors"
	"fmt"
)

// Slot is a filled slot.
type Slot struct {
	// Index is the slot's number.
	Index int64
	// ID is the id of the key in it.
	ID KeyID
	// Account is whose wrapping key wraps it.
	Account int64
}

// ErrIndex means that a list of slot numbers has a negative, absurdly high or repeated one.
var ErrIndex = errors.New("bad slot number")

// Fill writes fresh random keys of an account into free or destroyed slots, in
// both files and synced, and returns them in the order asked. The files grow
// as needed. The account's wrapping key is made at its first Fill.
//
// A slot that already holds a key of this account keeps it, so a Fill whose
// answer was lost in a crash can be repeated with the same numbers; a caller
// must not name slots that it has given away. A slot of another account gives
// ErrOccupied, an unreadable one ErrCorrupt, and then nothing was changed.
func (f *File) Fill(ctx context.Context, account int64, indexes []int64) ([]Slot, error) {
	if err := checkIndexes(indexes); err != nil {
		return nil, err
	}
	f.writer.Lock()
	defer f.writer.Unlock()
	if err := errors.Join(f.usable(), ctx.Err()); err != nil {
		return nil, err
	}
	if len(indexes) == 0 {
		return nil, nil
	}
	groups := int64(0)
	for _, i := range indexes {
		groups = max(groups, i/perGroup+1)
	}
	if err := f.grow(groups); err != nil {
		return nil, err
	}
	w, err := f.accountKey(account)
	if err != nil {
		return nil, err
	}
	slots, fixes, err := f.plan(w, account, indexes)
	if err != nil {
		return nil, err
	}
	if err := f.writeBoth("fill", fixes); err != nil {
		return nil, f.fail(fmt.Errorf("keys were not written: %w", err))
	}
	return slots, nil
}

func checkIndexes(indexes []int64) error {
	seen := make(map[int64]bool, len(indexes))
	for _, i := range indexes {
		if i < 0 || i >= maxIndex || seen[i] {
			return ErrIndex
		}
		seen[i] = true
	}
	return nil
}

// plan decides what each slot gets.
func (f *File) plan(w *Key, account int64, indexes []int64) ([]Slot, []fix, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	slots := make([]Slot, 0, len(indexes))
	fixes := make([]fix, 0, len(indexes))
	for _, index := range indexes {
		pos := position(index)
		r, err := f.readSlot(pos)
		if err != nil {
			return nil, nil, err
		}
		if r.kind == kindPerson {
			if r.account != account {
				return nil, nil, ErrOccupied
			}
			if _, err := openRecord(w, f.o.Service, pos, r); err != nil {
				return nil, nil, err
			}
			slots = append(slots, Slot{Index: index, ID: r.id, Account: account})
			continue
		}
		k := randomKey()
		r = wrapPerson(w, f.o.Service, pos, record{epoch: f.epoch, gen: r.gen + 1, account: account}, k)
		slots = append(slots, Slot{Index: index, ID: k.id, Account: account})
		fixes = append(fixes, fix{pos: pos, data: r.encode(pos)})
	}
	return slots, fixes, nil
}

// grow makes the files at least that many groups long. The caller holds writer.
func (f *File) grow(groups int64) error {
	if groups <= f.groups {
		return nil
	}
	if err := f.extendTo(groups); err != nil {
		// Only zeros behind the end were written: the files are as good as before.
		return fmt.Errorf("key files of %s cannot grow: %w", f.o.Service, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.groups = groups
	f.taken = append(f.taken, make([]bool, groups-int64(len(f.taken)))...)
	return nil
}

// accountKey returns the wrapping key of an account, and makes it, durable
// before any key it wraps, when the account has none. The caller holds writer.
func (f *File) accountKey(account int64) (*Key, error) {
	f.mu.RLock()
	_, known := f.accounts[account]
	var w *Key
	var err error
	if known {
		w, err = f.wrapping(account)
	}
	f.mu.RUnlock()
	if known {
		return w, err
	}
	group := int64(0)
	for group < f.groups && f.taken[group] {
		group++
	}
	if err := f.grow(group + 1); err != nil {
		return nil, err
	}
	pos := accountPosition(group)
	f.mu.RLock()
	old, err := f.readSlot(pos)
	f.mu.RUnlock()
	if err != nil {
		return nil, err
	}
	w = randomKey()
	r, err := wrapAccount(f.o, pos, record{epoch: f.epoch, gen: old.gen + 1, account: account}, w)
	if err != nil {
		return nil, err
	}
	if err := f.writeBoth("account", []fix{{pos: pos, data: r.encode(pos)}}); err != nil {
		return nil, f.fail(fmt.Errorf("account key was not written: %w", err))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.accounts[account], f.taken[group] = group, true
	f.wraps.put(account, w)
	return w, nil
}
