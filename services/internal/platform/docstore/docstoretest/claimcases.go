package docstoretest

import (
	"errors"
	"sync"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// canary is what must not be found on any disk.
const canary = "kanarienvogel"

func atRest(w *W) {
	c := w.notes()
	n := full(w)
	n.Email, n.Text, n.Phones = canary+"@example.org", "my "+canary, []string{"+" + canary}
	n.Custom = map[string]any{canary: canary}
	w.ok(c.Insert(w, ring.Write, n))
	n.Text += "!"
	w.ok(c.Update(w, ring.Write, n))
	w.ok(w.DB.Claim(w, 1, "email", n.Email, n.Owner))
	w.wantIDs(w.ids(c, ring.Read, docstore.Query{Index: "email", Eq: []any{n.Email}}), 7)
	w.want(!w.atRest(canary), "found in the raw files while open")
	w.shut()
	w.want(!w.atRest(canary), "found in the raw files after the end")
}

func claims(w *W) {
	w.ok(w.DB.Claim(w, 1, "email", "a", 5))
	w.ok(w.DB.Claim(w, 1, "email", "a", 5))
	w.ok(w.DB.Claim(w, 1, "phone", "a", 6))
	err := w.DB.Claim(w, 1, "email", "a", 6)
	w.is(err, docstore.ErrExists)
	var taken *docstore.Taken
	w.want(errors.As(err, &taken) && taken.Subject == 5, "error %#v", err)
	w.is(w.DB.MoveClaim(w, 1, "email", "a", 6, 7), docstore.ErrStale)
	w.ok(w.DB.MoveClaim(w, 1, "email", "a", 5, 7))
	w.ok(w.DB.Unclaim(w, 1, "email", "a", 5)) // not its any more
	who, _, err := w.DB.Claimant(w, 1, "email", "a")
	w.ok(err)
	w.want(who == 7, "claimant %d", who)
	w.ok(w.DB.Unclaim(w, 1, "email", "a", 7))
	_, _, err = w.DB.Claimant(w, 1, "email", "a")
	w.is(err, docstore.ErrNotFound)
	w.ok(w.DB.Claim(w, 1, "email", "b", 6))
	n, err := w.DB.CountClaims(w, subject(6))
	w.ok(err)
	w.want(n == 2, "claims %d", n)
	n, err = w.DB.UnclaimAll(w, subject(6))
	w.ok(err)
	w.want(n == 2, "claims %d", n)
	var wg sync.WaitGroup
	won := make([]error, 8)
	for i := range won {
		wg.Add(1)
		go func() { defer wg.Done(); won[i] = w.DB.Claim(w, 1, "email", "race", int64(100+i)) }()
	}
	wg.Wait()
	winners := 0
	for _, err := range won {
		if err == nil {
			winners++
		} else {
			w.is(err, docstore.ErrExists)
		}
	}
	w.want(winners == 1, "%d winners", winners)
}

func voidClaims(w *W) {
	c := w.notes()
	w.put(c, w.small(1, 1))
	w.ok(w.DB.Claim(w, 1, "email", "a", 1))
	w.ok(w.DB.Fence(w, subject(1), fence(ring.Hidden, "h", 1)))
	w.is(w.DB.Claim(w, 1, "email", "a", 2), docstore.ErrExists)
	w.ok(w.DB.Fence(w, subject(1), fence(ring.Erasing, "e", 2)))
	w.is(w.DB.Claim(w, 1, "email", "a", 2), docstore.ErrExists) // can still be cancelled
	w.destroy(1)
	_, _, err := w.DB.Claimant(w, 1, "email", "a")
	w.is(err, docstore.ErrNotFound)
	w.ok(w.DB.Claim(w, 1, "email", "a", 2))
	w.is(w.DB.Claim(w, 1, "email", "a", 3), docstore.ErrExists)
}

func numbers(w *W) {
	last := int64(0)
	for range 3 {
		for range 70 {
			n, err := w.DB.Next(w, 1, "tickets")
			w.ok(err)
			w.want(n > last, "%d after %d", n, last)
			last = n
		}
		w.reopen()
	}
	n, err := w.DB.Next(w, 2, "tickets")
	w.ok(err)
	w.want(n == 1, "another account starts at %d", n)
	n, err = w.DB.Next(w, 1, "other")
	w.ok(err)
	w.want(n == 1, "another name starts at %d", n)
}
