package docstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// KeyWalker is a Keys that can be looked through; *keyring.File is one.
type KeyWalker interface {
	// Each walks what the slots hold, in their order; slots without a key may be left out.
	Each(ctx context.Context, f func(keyring.Held) error) error
}

// owned is a key somebody has; fifty bytes a subject are all the memory a check of the ring takes.
type owned struct {
	subject ring.Subject
	slot    int64
	kid     keyring.KeyID
}

// ring compares the three that must agree about keys: the entries, the slots
// and the key file.
func (k *checker) ring(ctx context.Context) error {
	owners, err := k.entries(ctx)
	if err != nil {
		return err
	}
	slots, err := k.slots(ctx, owners)
	if err != nil {
		return err
	}
	return k.keys(ctx, slots)
}

// entries looks at every ring entry and returns whose keys live, by slot.
func (k *checker) entries(ctx context.Context) ([]owned, error) {
	var owners []owned
	done := int64(0)
	err := k.look.Entries(ctx, func(e Entry, modes ring.Mode) error {
		if done++; done%progressEvery == 0 {
			k.progress("ring", done, 0)
		}
		s := e.Subject
		if e.Modes() != modes {
			k.found(FlawModes, "", s.Account, s.ID)
		}
		switch {
		case e.Slot == NoSlot:
			if e.Modes()&ring.Erased != 0 && !e.Destroyed {
				k.found(FlawKeyKept, "", s.Account, s.ID)
			}
			return nil
		case e.Destroyed, e.Modes()&ring.Erased != 0:
			k.found(FlawKeyKept, "", s.Account, s.ID)
		}
		owners = append(owners, owned{s, e.Slot, e.Kid})
		return k.key(e)
	})
	k.progress("ring", done, done)
	slices.SortFunc(owners, func(a, b owned) int { return cmp.Compare(a.slot, b.slot) })
	return owners, err
}

// key asks for a subject's key.
func (k *checker) key(e Entry) error {
	_, err := k.db.keys.Key(e.Subject.Account, e.Slot, e.Kid)
	if err == nil {
		return nil
	}
	k.lost[e.Subject] = true
	flaw := FlawKeyMissing
	switch {
	case errors.Is(err, keyring.ErrCorrupt):
		flaw = FlawKeyUnreadable
	case !errors.Is(err, keyring.ErrGone):
		return unavailable(err)
	case e.Modes()&ring.Erasing != 0:
		flaw = FlawDestroying
	}
	f := NewFinding(flaw, "", e.Subject.Account, e.Subject.ID)
	f.Slot = e.Slot
	k.Found(f)
	return nil
}

// slots compares the slots with their owners and returns what they are for.
func (k *checker) slots(ctx context.Context, owners []owned) ([]SlotState, error) {
	var all []SlotState
	next := 0
	lost := func(flaw Flaw, o owned) {
		f := NewFinding(flaw, "", o.subject.Account, o.subject.ID)
		f.Slot = o.slot
		k.Found(f)
	}
	err := k.look.Slots(ctx, func(s SlotState) error {
		all = append(all, s)
		for ; next < len(owners) && owners[next].slot < s.Index; next++ {
			lost(FlawSlotLost, owners[next])
		}
		mine := next
		for ; next < len(owners) && owners[next].slot == s.Index; next++ {
			switch o := owners[next]; {
			case next > mine:
				lost(FlawSlotShared, o)
			case s.Use != Given:
				lost(FlawSlotFree, o)
			case s.ID != o.kid || s.Account != o.subject.Account:
				lost(FlawSlotLost, o)
			}
		}
		if mine == next && s.Use == Given {
			lost(FlawSlotLost, owned{subject: ring.Subject{Account: s.Account}, slot: s.Index})
		}
		return nil
	})
	for ; err == nil && next < len(owners); next++ {
		lost(FlawSlotLost, owners[next])
	}
	return all, err
}

// keys looks in the key file and in its mirror for keys nobody has: that is
// where one shows that was destroyed and is still there.
func (k *checker) keys(ctx context.Context, slots []SlotState) error {
	walker, ok := k.db.keys.(KeyWalker)
	if !ok {
		return nil
	}
	next := 0
	free := func(s SlotState) {
		if s.Use == Free {
			f := NewFinding(FlawKeyMissing, "", s.Account, 0)
			f.Slot = s.Index
			k.Found(f)
		}
	}
	err := walker.Each(ctx, func(h keyring.Held) error {
		for ; next < len(slots) && slots[next].Index < h.Index; next++ {
			free(slots[next])
		}
		s := SlotState{Slot: keyring.Slot{Index: h.Index}}
		if next < len(slots) && slots[next].Index == h.Index {
			s = slots[next]
			next++
		}
		k.held(h, s)
		return nil
	})
	for ; err == nil && next < len(slots); next++ {
		free(slots[next])
	}
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("%w: key file: %w", ErrUnavailable, err)
	}
	return err
}

// held compares what lies in a slot with what it is for.
func (k *checker) held(h keyring.Held, s SlotState) {
	tell := func(flaw Flaw) {
		f := NewFinding(flaw, "", s.Account, 0)
		f.Slot = h.Index
		k.Found(f)
	}
	switch {
	case h.Unreadable[0] && h.Unreadable[1]:
		if s.Use != Given { // else its owner is told
			tell(FlawKeyUnreadable)
		}
	case h.Differs:
		tell(FlawKeyMirror)
	}
	for i, id := range h.Keys {
		if id == (keyring.KeyID{}) || s.Use == Filling || i == 1 && id == h.Keys[0] {
			continue
		}
		if s.Use == Void || id != s.ID {
			tell(FlawKeySurvives)
			break
		}
	}
	if s.Use == Free && h.Keys[0] != s.ID && h.Keys[1] != s.ID {
		tell(FlawKeyMissing)
	}
}
