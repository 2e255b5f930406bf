package docstoretest

import (
	"errors"
	"fmt"
	"sync"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

func ringCases() []Case {
	return []Case{
		{"ring/mode by purpose", modeByPurpose, false},
		{"ring/only modes", onlyModes, false},
		{"ring/tokens", tokens, false},
		{"ring/fences of several sagas", several, false},
		{"ring/destroy", destroy, false},
		{"ring/destroy takes only one key", destroyOne, false},
		{"ring/sweep", sweep, false},
		{"ring/change of owner", changeOwner, false},
		{"ring/slots are used again", slotsAgain, false},
		{"ring/one key for many first documents", firstDocuments, false},
		{"ring/no write gets past a fence", fenceRace, true},
		{"ring/nothing personal at rest in the clear", atRest, false},
		{"claims/held by one", claims, false},
		{"claims/void with the key", voidClaims, false},
		{"numbers/rise and never repeat", numbers, false},
		{"documents/no update is lost", lostUpdates, false},
	}
}

func modeByPurpose(w *W) {
	c := w.notes()
	modes := []ring.Mode{0, ring.Hidden, ring.Restricted, ring.Erasing, ring.Erased, ring.Hidden | ring.Restricted}
	for i, m := range modes {
		owner := int64(i + 1)
		w.put(c, w.small(owner*100, owner))
		for _, one := range []ring.Mode{ring.Hidden, ring.Restricted, ring.Erasing, ring.Erased} {
			if m&one != 0 {
				w.ok(w.DB.Fence(w, subject(owner), fence(one, "s", 1)))
			}
		}
		for k, p := range append(ring.Purposes(), ring.Purpose(99)) {
			w.onePurpose(c, owner, m, p, int64(k))
		}
	}
}

// onePurpose tries every call for a purpose on the first document of an owner.
func (w *W) onePurpose(c *docstore.Collection[note], owner int64, m ring.Mode, p ring.Purpose, k int64) {
	where := fmt.Sprintf("modes %05b purpose %d", m, p)
	var want error
	hits := int64(1)
	if !ring.Allow(m, p) {
		want, hits = docstore.ErrFenced, 0
	}
	_, err := c.Get(w, p, 1, owner*100)
	w.want(isError(err, want), "%s: get %v", where, err)
	doc, err := c.Get(w, ring.Sweep, 1, owner*100)
	w.ok(err)
	doc.State = fmt.Sprint(k)
	w.want(isError(c.Update(w, p, doc), want), "%s: clear update", where)
	doc.Email = fmt.Sprint(k)
	w.want(isError(c.Update(w, p, doc), want), "%s: sealed update", where)
	extra := w.small(owner*100+1+k, owner)
	w.want(isError(c.Insert(w, p, extra), want), "%s: insert", where)
	if want == nil {
		w.ok(c.Delete(w, p, 1, extra.ID, 1))
	}
	w.want(isError(c.Delete(w, p, 1, owner*100, 999), errOr(want, docstore.ErrStale)), "%s: delete", where)
	q := docstore.Query{Index: "owner", Eq: []any{owner}, Limit: 10}
	page, err := c.Find(w, p, 1, q)
	n, cerr := c.Count(w, p, 1, q)
	if _, known := ring.Forbidden(p); !known {
		w.is(err, docstore.ErrFenced)
		w.is(cerr, docstore.ErrFenced)
		return
	}
	w.ok(errors.Join(err, cerr))
	w.want(int64(len(page.Items)) == hits && n == hits, "%s: found %d, counted %d", where, len(page.Items), n)
}

func errOr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func onlyModes(w *W) {
	c := w.notes()
	w.put(c, w.small(1, 1), w.small(2, 2), w.small(3, 3), w.small(4, 4))
	w.ok(w.DB.Fence(w, subject(2), fence(ring.Hidden, "h", 1)))
	w.ok(w.DB.Fence(w, subject(3), fence(ring.Hidden, "h", 1)))
	w.ok(w.DB.Fence(w, subject(3), fence(ring.Restricted, "r", 2)))
	q := docstore.Query{Index: "id", OnlyModes: ring.Hidden}
	w.wantIDs(w.ids(c, ring.DeletedView, q), 2) // a restricted one is not for looking at
	w.wantIDs(w.ids(c, ring.Read, q))
	w.wantIDs(w.ids(c, ring.Sweep, q), 2, 3)
	w.wantIDs(w.ids(c, ring.Read, docstore.Query{Index: "id"}), 1, 4)
	n, err := c.Count(w, ring.DeletedView, 1, q)
	w.ok(err)
	w.want(n == 1, "count %d", n)
}

func tokens(w *W) {
	s := subject(1)
	tok := func(seq int64, epoch, stage int32) ring.Token {
		return ring.Token{Sequence: seq, Epoch: epoch, Stage: stage}
	}
	f := ring.Fence{Mode: ring.Hidden, Saga: "a", Token: tok(2, 1, 1)}
	w.ok(w.DB.Fence(w, s, f))
	w.ok(w.DB.Fence(w, s, f))
	for _, low := range []ring.Token{tok(1, 9, 9), tok(2, 0, 9), tok(2, 1, 0)} {
		w.is(w.DB.Fence(w, s, ring.Fence{Mode: ring.Erasing, Saga: "b", Token: low}), docstore.ErrStale)
		w.is(w.DB.Unfence(w, s, "a", low), docstore.ErrStale)
	}
	w.ok(w.DB.Unfence(w, s, "a", tok(2, 2, 0)))
	e, err := w.DB.Entry(w, s)
	w.ok(err)
	w.want(e.Modes() == 0 && e.Highest == tok(2, 2, 0), "entry %+v", e)
	w.is(w.DB.Fence(w, s, f), docstore.ErrStale) // a late fence after its undoing
	// undoing what never came leaves a memory, too
	w.ok(w.DB.Unfence(w, subject(2), "a", tok(5, 0, 1)))
	w.is(w.DB.Fence(w, subject(2), ring.Fence{Mode: ring.Hidden, Saga: "a", Token: tok(5, 0, 0)}), docstore.ErrStale)
	_, err = w.DB.Entry(w, subject(3))
	w.is(err, docstore.ErrNotFound)
}

func several(w *W) {
	c := w.notes()
	w.put(c, w.small(1, 1))
	w.ok(w.DB.Fence(w, subject(1), fence(ring.Hidden, "a", 1)))
	w.ok(w.DB.Fence(w, subject(1), fence(ring.Hidden, "b", 2)))
	w.ok(w.DB.Fence(w, subject(1), fence(ring.Erasing, "b", 2)))
	w.ok(w.DB.Unfence(w, subject(1), "b", ring.Token{Sequence: 3}))
	_, err := c.Get(w, ring.Read, 1, 1)
	w.is(err, docstore.ErrFenced) // a's stands
	w.ok(w.DB.Unfence(w, subject(1), "a", ring.Token{Sequence: 4}))
	_, err = c.Get(w, ring.Read, 1, 1)
	w.ok(err)
	// a fence before the first document holds for it
	w.ok(w.DB.Fence(w, subject(2), fence(ring.Erasing, "c", 1)))
	w.is(c.Insert(w, ring.Write, w.small(2, 2)), docstore.ErrFenced)
}

func destroy(w *W) {
	c := w.notes()
	w.put(c, w.small(1, 1), w.small(2, 2))
	end := ring.Token{Sequence: 9}
	w.is(w.DB.Destroy(w, subject(1), "e", end), docstore.ErrFenced)
	w.ok(w.DB.Fence(w, subject(1), fence(ring.Erasing, "other", 1)))
	w.is(w.DB.Destroy(w, subject(1), "e", end), docstore.ErrFenced)
	w.ok(w.DB.Fence(w, subject(1), fence(ring.Erasing, "e", 2)))
	w.is(w.DB.Destroy(w, subject(1), "e", ring.Token{Sequence: 1}), docstore.ErrStale)
	_, err := c.Get(w, ring.Redact, 1, 1)
	w.ok(err)
	w.ok(w.DB.Destroy(w, subject(1), "e", end))
	w.ok(w.DB.Destroy(w, subject(1), "e", end))
	e, err := w.DB.Entry(w, subject(1))
	w.ok(err)
	w.want(e.Destroyed && e.Modes().Has(ring.Erasing), "entry %+v", e)
	for _, p := range ring.Purposes() {
		_, err := c.Get(w, p, 1, 1)
		if p == ring.Sweep {
			w.ok(err)
		} else {
			w.want(isError(err, docstore.ErrFenced), "purpose %d: %v", p, err)
		}
		w.want(isError(c.Insert(w, p, w.small(50, 1)), docstore.ErrFenced), "purpose %d writes under a dead key", p)
	}
	w.is(w.DB.Unfence(w, subject(1), "e", ring.Token{Sequence: 10}), docstore.ErrFenced)
	w.is(w.DB.Fence(w, subject(1), fence(ring.Hidden, "e", 10)), docstore.ErrFenced)
	w.is(w.DB.Fence(w, subject(1), fence(ring.Erased, "z", 10)), docstore.ErrFenced)
	w.ok(w.DB.Fence(w, subject(1), fence(ring.Erased, "e", 10)))
	w.ok(w.DB.Fence(w, subject(1), fence(ring.Erased, "e", 10)))
	_, err = c.Get(w, ring.Read, 1, 2)
	w.ok(err)
	// one never met here is destroyed as well: nothing of it can come later
	w.destroy(77)
	w.is(c.Insert(w, ring.Reseal, w.small(51, 77)), docstore.ErrFenced)
}

func destroyOne(w *W) {
	c := w.notes()
	for i := range int64(20) {
		w.put(c, w.small(i+1, i+1))
	}
	entries := map[int64]docstore.Entry{}
	for i := int64(1); i <= 20; i++ {
		e, err := w.raw.Entry(w, subject(i))
		w.ok(err)
		entries[i] = e
		if i%2 == 1 {
			w.destroy(i)
		}
	}
	w.reopen()
	c = w.notes()
	for i := int64(1); i <= 20; i++ {
		_, err := c.Get(w, ring.Read, 1, i)
		_, kerr := w.file.Key(1, entries[i].Slot, entries[i].Kid) // asked past every fence
		if i%2 == 0 {
			w.ok(errors.Join(err, kerr))
		} else {
			w.is(err, docstore.ErrFenced)
			w.is(kerr, keyring.ErrGone)
		}
	}
}

func sweep(w *W) {
	c := w.notes()
	for i := range int64(5) {
		n := w.small(i, 1)
		n.Rank, n.Text = ptr(i), "t"
		w.put(c, n)
	}
	w.destroy(1)
	got, err := c.Get(w, ring.Sweep, 1, 3)
	w.ok(err)
	w.want(*got.Rank == 3 && got.Email == "" && got.Text == "", "got %+v", got)
	got.State = "swept"
	w.ok(c.Update(w, ring.Sweep, got)) // a state needs no key
	got.Email = "x"
	w.is(c.Update(w, ring.Sweep, got), docstore.ErrFenced)
	w.want(len(w.ids(c, ring.Sweep, docstore.Query{Index: "owner", Eq: []any{1}})) == 5, "a sweep must find all")
	n, more, err := c.DeleteWhere(w, ring.Sweep, 1, docstore.Query{Index: "owner", Eq: []any{1}, Limit: 10})
	w.ok(err)
	w.want(n == 5 && !more, "deleted %d", n)
}

func changeOwner(w *W) {
	c := w.notes()
	for i := range int64(3) {
		n := w.small(i+1, 1)
		n.Text, n.Phones = "body", []string{"+1"}
		w.put(c, n)
	}
	page, err := c.Find(w, ring.Read, 1, docstore.Query{Index: "id", Limit: 1})
	w.ok(err)
	first := page.Items[0]
	first.Owner = 2
	w.ok(c.Update(w, ring.Reseal, first)) // found without bodies: the stored one moves along
	w.ok(w.DB.Fence(w, subject(3), fence(ring.Hidden, "h", 1)))
	second, err := c.Get(w, ring.Read, 1, 2)
	w.ok(err)
	second.Owner = 3
	w.is(c.Update(w, ring.Write, second), docstore.ErrFenced) // the new owner's fence counts
	w.destroy(1)
	got, err := c.Get(w, ring.Read, 1, 1)
	w.ok(err)
	w.want(got.Owner == 2 && got.Text == "body" && got.Email == "p1@example.org", "got %+v", got)
	w.wantIDs(w.ids(c, ring.Read, docstore.Query{Index: "phone", Eq: []any{"+1"}}), 1)
	w.wantIDs(w.ids(c, ring.Read, docstore.Query{Index: "owner", Eq: []any{2}}), 1)
	// what is left of an erased person's shell goes to the account, blank
	shell, err := c.Get(w, ring.Sweep, 1, 3)
	w.ok(err)
	shell.Owner = 0
	w.is(c.Update(w, ring.Write, shell), docstore.ErrFenced)
	w.ok(c.Update(w, ring.Sweep, shell))
	shell.Email = "desk@example.org"
	w.ok(c.Update(w, ring.Write, shell))
	got, err = c.Get(w, ring.Read, 1, 3)
	w.ok(err)
	w.want(got.Email == "desk@example.org" && got.Text == "" && got.Owner == 0, "got %+v", got)
}

func slotsAgain(w *W) {
	c := w.notes()
	id := int64(0)
	add := func(n int64) {
		for range n {
			id++
			w.put(c, w.small(id, id))
		}
	}
	add(70)
	for i := int64(1); i <= 60; i++ {
		w.destroy(i)
	}
	before := w.file.Slots()
	w.reopen()
	c = w.notes()
	add(60)
	for i := int64(1); i <= 60; i++ {
		w.ok(w.DB.Destroy(w, subject(i), "e", ring.Token{Sequence: 101})) // late repeats
	}
	for i := int64(61); i <= id; i++ {
		got, err := c.Get(w, ring.Read, 1, i)
		w.ok(err)
		w.want(got.Email == fmt.Sprintf("p%d@example.org", i), "email %q", got.Email)
	}
	w.want(w.file.Slots() <= before+2048, "the key file grew from %d to %d slots", before, w.file.Slots())
}

func firstDocuments(w *W) {
	c := w.notes()
	var wg sync.WaitGroup
	errs := make([]error, 16)
	for i := range errs {
		wg.Add(1)
		go func() {
			defer wg.Done()
			errs[i] = c.Insert(w, ring.Write, w.small(int64(i), 1))
		}()
	}
	wg.Wait()
	w.ok(errors.Join(errs...))
	for i := range errs {
		_, err := c.Get(w, ring.Read, 1, int64(i))
		w.ok(err)
	}
	w.destroy(1)
	for i := range errs {
		_, err := c.Get(w, ring.Read, 1, int64(i))
		w.is(err, docstore.ErrFenced)
	}
}

// fenceRace lets writers run against a fence: what they were told is stored must
// have been before it, so after the fence the count stands still.
func fenceRace(w *W) {
	c := w.notes()
	w.put(c, w.small(0, 1))
	var wg sync.WaitGroup
	stopped := make([]int, 4)
	stands := make(chan struct{}) // closed when the fence stands; each writer tries once more after that
	for g := range stopped {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i, last := int64(0), false; !last; i++ {
				select {
				case <-stands:
					last = true
				default:
				}
				if err := c.Insert(w, ring.Write, w.small(int64(g+1)*1_000_000+i, 1)); err != nil {
					return
				}
				stopped[g]++
			}
		}()
	}
	w.ok(w.DB.Fence(w, subject(1), fence(ring.Erasing, "e", 1)))
	at, err := c.Count(w, ring.Sweep, 1, docstore.Query{Index: "owner", Eq: []any{1}})
	w.ok(err)
	close(stands)
	wg.Wait()
	after, err := c.Count(w, ring.Sweep, 1, docstore.Query{Index: "owner", Eq: []any{1}})
	w.ok(err)
	w.want(at == after, "%d documents when the fence stood, %d later", at, after)
	sum := 1
	for _, n := range stopped {
		sum += n
	}
	w.want(int64(sum) == after, "%d inserts were acknowledged, %d documents are there", sum, after)
}

func lostUpdates(w *W) {
	c := w.notes()
	w.put(c, w.small(1, 1))
	var wg sync.WaitGroup
	const writers, each = 8, 10
	for range writers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for done := 0; done < each; {
				n, err := c.Get(w, ring.Read, 1, 1)
				if err != nil {
					return
				}
				n.Score++
				n.Text += "x"
				if err = c.Update(w, ring.Write, n); err == nil {
					done++
				} else if !errors.Is(err, docstore.ErrStale) {
					return
				}
			}
		}()
	}
	wg.Wait()
	n, err := c.Get(w, ring.Read, 1, 1)
	w.ok(err)
	w.want(n.Score == writers*each && len(n.Text) == writers*each && n.Rev == 1+writers*each, "score %v text %d rev %d", n.Score, len(n.Text), n.Rev)
}
