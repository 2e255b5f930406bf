package docstoretest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// errCrash is what a dead process answers.
var errCrash = errors.New("crashed")

// crash counts the moments before and after everything that reaches a disk, in
// the store and in the key file alike, and ends the process at one of them.
type crash struct {
	at   int64
	n    atomic.Int64
	dead atomic.Bool
	// trail names the moments, for messages.
	trail []string
}

func (c *crash) point(name string) error {
	if c.dead.Load() {
		return errCrash
	}
	if c.n.Add(1) == c.at {
		c.dead.Store(true)
		c.trail = append(c.trail, name)
		return errCrash
	}
	return nil
}

func (c *crash) hooks() *keyring.Hooks {
	return &keyring.Hooks{
		Before: func(s keyring.Step) error { return c.point("before " + s.Name) },
		After:  func(s keyring.Step) error { return c.point("after " + s.Name) },
	}
}

// mortal is a backend whose process can die before and after each write.
type mortal struct {
	docstore.Backend
	c *crash
}

func (m *mortal) around(name string, f func() error) error {
	if err := m.c.point("before " + name); err != nil {
		return err
	}
	err := f()
	if cerr := m.c.point("after " + name); cerr != nil {
		return cerr
	}
	return err
}

func (m *mortal) Insert(ctx context.Context, t *docstore.Table, w *docstore.Write) error {
	return m.around("insert", func() error { return m.Backend.Insert(ctx, t, w) })
}

func (m *mortal) Update(ctx context.Context, t *docstore.Table, w *docstore.Write) error {
	return m.around("update", func() error { return m.Backend.Update(ctx, t, w) })
}

func (m *mortal) PutEntry(ctx context.Context, e docstore.Entry) error {
	return m.around("put entry", func() error { return m.Backend.PutEntry(ctx, e) })
}

func (m *mortal) AssignKey(ctx context.Context, s ring.Subject, k keyring.Slot) (e docstore.Entry, err error) {
	err = m.around("assign key", func() error { e, err = m.Backend.AssignKey(ctx, s, k); return err })
	return e, err
}

func (m *mortal) ReserveSlots(ctx context.Context, account int64, n int) (out []int64, err error) {
	err = m.around("reserve slots", func() error { out, err = m.Backend.ReserveSlots(ctx, account, n); return err })
	return out, err
}

func (m *mortal) OfferSlots(ctx context.Context, slots []keyring.Slot) error {
	return m.around("offer slots", func() error { return m.Backend.OfferSlots(ctx, slots) })
}

func (m *mortal) PutClaim(ctx context.Context, c docstore.Claim, void ring.Mode) error {
	return m.around("put claim", func() error { return m.Backend.PutClaim(ctx, c, void) })
}

// Crashes plays a story of first documents, destroyed keys and slots used again,
// dies at every moment of it in turn, starts again, repeats the story and checks
// after each: nobody but the destroyed lost a key, no document is sealed with a
// lost one, nobody has two keys and no key has two owners.
func Crashes(t *testing.T, h Harness) {
	clean := &crash{at: -1}
	for _, msg := range crashAt(t, h, clean, Sabotage{}) {
		t.Error(msg)
	}
	moments := clean.n.Load()
	if moments < 50 {
		t.Fatalf("only %d moments: the story does not reach the disks", moments)
	}
	for at := int64(1); at <= moments; at++ {
		c := &crash{at: at}
		for _, msg := range crashAt(t, h, c, Sabotage{}) {
			t.Errorf("died at moment %d of %d, %v: %s", at, moments, c.trail, msg)
		}
	}
	t.Logf("%d moments", moments)
	eager := Sabotage{Backend: func(b docstore.Backend) docstore.Backend { return &slotFreedEarly{b} }}
	if len(crashAt(t, h, &crash{at: -1}, eager)) == 0 {
		t.Error("nobody noticed that a slot was freed before its key was destroyed")
	}
}

// slotFreedEarly gives a slot back with the fence already, before the key is gone.
type slotFreedEarly struct{ docstore.Backend }

func (s *slotFreedEarly) PutEntry(ctx context.Context, e docstore.Entry) error {
	e.Destroyed = e.Modes().Has(ring.Erasing)
	return s.Backend.PutEntry(ctx, e)
}

// history is what the outside knows: which documents were acknowledged, and
// which key was given to whom.
type history struct {
	acked map[int64]bool
	given map[keyring.KeyID]place
}

type place struct{ owner, slot int64 }

func newHistory() *history {
	return &history{acked: map[int64]bool{}, given: map[keyring.KeyID]place{}}
}

// note looks which key the owner has.
func (h *history) note(w *W, owner int64) {
	e, err := w.raw.Entry(w, subject(owner))
	if err != nil || e.Slot == docstore.NoSlot {
		return
	}
	old, known := h.given[e.Kid]
	w.want(!known || old.owner == owner, "the key of %d was given to %d", old.owner, owner)
	h.given[e.Kid] = place{owner, e.Slot}
}

func crashAt(t *testing.T, h Harness, c *crash, s Sabotage) []string {
	w := h.world(t, Sabotage{Backend: func(b docstore.Backend) docstore.Backend {
		if s.Backend != nil {
			b = s.Backend(b)
		}
		return &mortal{b, c}
	}})
	w.fill, w.hooks = 2, c.hooks()
	known := newHistory()
	msgs := w.play(func(w *W) { _ = story(w, known) })
	if c.dead.Load() {
		msgs = nil // a dead process closes nothing properly
	}
	w.msgs, w.hooks, w.s = nil, nil, Sabotage{Backend: s.Backend}
	w.DB, w.file = nil, nil
	return append(msgs, w.play(func(w *W) { aftermath(w, known) })...)
}

// story is what the service does; it can be told again after it was cut off. It
// ends at the first crash.
func story(w *W, h *history) error {
	c, err := docstore.Bind[note](w, w.DB, noteSpec)
	if err != nil {
		return err
	}
	insert := func(id, owner int64) error {
		err := c.Insert(w, ring.Write, w.small(id, owner))
		if err == nil || errors.Is(err, docstore.ErrExists) || errors.Is(err, docstore.ErrFenced) {
			h.acked[id] = h.acked[id] || err == nil
			h.note(w, owner)
			return nil
		}
		return err
	}
	end := func(id int64) error {
		if err := w.DB.Fence(w, subject(id), fence(ring.Erasing, "e", 100)); err != nil {
			return err
		}
		return w.DB.Destroy(w, subject(id), "e", ring.Token{Sequence: 100})
	}
	for _, act := range []func() error{
		func() error { return insert(1, 1) }, func() error { return insert(2, 2) }, func() error { return insert(3, 1) },
		func() error {
			err := w.DB.Claim(w, 1, "email", "a", 2)
			if errors.Is(err, docstore.ErrExists) { // told again: 6 has it by now
				err = nil
			}
			return err
		},
		func() error { return end(1) }, func() error { return insert(4, 4) }, func() error { return insert(5, 5) },
		func() error { return end(2) }, func() error { return end(99) }, func() error { return insert(6, 6) },
		func() error { return w.DB.Claim(w, 1, "email", "a", 6) }, func() error { return insert(7, 7) },
		func() error { return end(1) }, func() error { return insert(8, 5) },
	} {
		if err := act(); err != nil {
			return err
		}
	}
	return nil
}

// aftermath starts again, checks, tells the story to its end, and checks again.
func aftermath(w *W, h *history) {
	c := w.notes()
	for owner := range int64(9) {
		h.note(w, owner)
	}
	checkPeople(w, c, h)
	w.reopen()
	if err := story(w, h); err != nil {
		w.Fatalf("the story cannot be told again: %v", err)
	}
	w.reopen()
	c = w.notes()
	checkPeople(w, c, h)
	for _, id := range []int64{1, 2} {
		_, err := c.Get(w, ring.Redact, 1, id)
		w.want(errors.Is(err, docstore.ErrFenced) || errors.Is(err, docstore.ErrNotFound), "document %d of a destroyed person: %v", id, err)
	}
	for kid, p := range h.given {
		if _, err := w.file.Key(1, p.slot, kid); p.owner == 1 || p.owner == 2 {
			w.is(err, keyring.ErrGone)
		}
	}
	who, _, err := w.DB.Claimant(w, 1, "email", "a")
	w.ok(err)
	w.want(who == 6, "claimant %d", who)
}

// checkPeople checks keys and documents of all who are not destroyed.
func checkPeople(w *W, c *docstore.Collection[note], h *history) {
	slots := map[int64]int64{}
	for id := range int64(9) {
		e, err := w.raw.Entry(w, subject(id))
		if errors.Is(err, docstore.ErrNotFound) || err == nil && e.Slot == docstore.NoSlot {
			continue
		}
		w.ok(err)
		other, taken := slots[e.Slot]
		w.want(!taken, "%d and %d have the same slot", id, other)
		slots[e.Slot] = id
		if e.Modes() == 0 {
			_, err := w.file.Key(1, e.Slot, e.Kid)
			w.want(err == nil, "the key of %d is lost: %v", id, err)
		}
	}
	owners := map[int64]int64{1: 1, 2: 2, 3: 1, 4: 4, 5: 5, 6: 6, 7: 7, 8: 5}
	for id, owner := range owners {
		e, err := w.raw.Entry(w, subject(owner))
		if !h.acked[id] || err == nil && e.Modes() != 0 {
			continue
		}
		got, err := c.Get(w, ring.Read, 1, id)
		w.want(err == nil && got.Email == fmt.Sprintf("p%d@example.org", owner), "document %d: %v", id, err)
	}
}
