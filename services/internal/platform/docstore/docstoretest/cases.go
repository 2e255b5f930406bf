package docstoretest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// Cases lists the suite.
func Cases() []Case {
	return slices.Concat([]Case{
		{"documents/round trip", roundTrip, false},
		{"documents/survive a restart", restart, false},
		{"documents/ids are unique", exists, false},
		{"documents/update compares the revision", revision, false},
		{"documents/delete", remove, false},
		{"documents/get many", getMany, false},
		{"documents/size limit", sizeLimit, false},
		{"documents/times are UTC milliseconds", times, false},
		{"documents/accounts are apart", accounts, false},
		{"documents/installation-wide", installation, false},
		{"queries/order is total", order, false},
		{"queries/order is bytewise", bytewise, false},
		{"queries/pages are stable under inserts", stablePages, false},
		{"queries/absent values sort first", absent, false},
		{"queries/prefix and range", ranges, false},
		{"queries/conditions", conditions, false},
		{"queries/unique keys", unique, false},
		{"queries/lists", lists, false},
		{"queries/global", global, false},
		{"queries/blind", blind, false},
		{"queries/cursors belong to their query", cursors, false},
		{"queries/bounds", bounds, false},
		{"queries/delete where", deleteWhere, false},
		{"queries/model", model, false},
	}, ringCases(), costCases(), relinkCases(), mentionCases())
}

func full(w *W) *note {
	return &note{Meta: docstore.Meta{Account: 1, ID: 7, Owner: 70, CreatedAt: w.Now, UpdatedAt: w.Now.Add(time.Second)},
		State: "open", Rank: ptr(int64(-3)), Key: ptr("K"), Due: w.Now.Add(time.Hour), Done: true, Score: 1.5, Hash: []byte{0, 255},
		Labels: []string{"b", "a"}, Links: map[string]int64{"x": 1 << 52}, Email: "Ann@Example.org", Phones: []string{"+1", "+2"},
		Born: ptr(time.Date(1970, 1, 1, 0, 0, 0, 5e6, time.UTC)), Custom: map[string]any{"n": int64(5), "s": "ü", "l": []any{true, nil, 0.5}},
		Text: "hello\x00 wörld", Headers: map[string]string{"a": "b"}}
}

func roundTrip(w *W) {
	c := w.notes()
	n := full(w)
	w.ok(c.Insert(w, ring.Write, n))
	w.want(n.Rev == 1, "rev %d after insert", n.Rev)
	got, err := c.Get(w, ring.Read, 1, 7)
	w.ok(err)
	w.want(reflect.DeepEqual(got, n), "got %+v, want %+v", got, n)
	got.State, got.Text, got.Email, got.Labels = "closed", "", "", nil
	w.ok(c.Update(w, ring.Write, got))
	again, err := c.Get(w, ring.Read, 1, 7)
	w.ok(err)
	w.want(reflect.DeepEqual(got, again), "got %+v, want %+v", again, got)
	empty := &note{Meta: docstore.Meta{Account: 1, ID: 8}}
	w.ok(c.Insert(w, ring.Write, empty))
	got, err = c.Get(w, ring.Read, 1, 8)
	w.ok(err)
	w.want(reflect.DeepEqual(got, empty), "got %+v, want %+v", got, empty)
}

func restart(w *W) {
	c := w.notes()
	w.put(c, full(w))
	w.ok(w.DB.Fence(w, subject(9), fence(ring.Hidden, "h", 3)))
	w.ok(w.DB.Claim(w, 1, "email", "a@example.org", 70))
	w.reopen()
	c = w.notes()
	got, err := c.Get(w, ring.Read, 1, 7)
	w.ok(err)
	w.want(got.Text == "hello\x00 wörld", "text %q", got.Text)
	e, err := w.DB.Entry(w, subject(9))
	w.ok(err)
	w.want(e.Modes() == ring.Hidden && e.Highest.Sequence == 3, "entry %+v", e)
	who, at, err := w.DB.Claimant(w, 1, "email", "a@example.org")
	w.ok(err)
	w.want(who == 70 && at.Equal(w.Now), "claimant %d at %v", who, at)
	w.put(c, w.small(8, 71))
}

func exists(w *W) {
	c := w.notes()
	w.put(c, w.small(1, 5))
	w.is(c.Insert(w, ring.Write, w.small(1, 6)), docstore.ErrExists)
	n, err := c.Count(w, ring.Read, 1, docstore.Query{Index: "id"})
	w.ok(err)
	w.want(n == 1, "count %d", n)
}

func revision(w *W) {
	c := w.notes()
	w.put(c, w.small(1, 5))
	a, err := c.Get(w, ring.Read, 1, 1)
	w.ok(err)
	b, err := c.Get(w, ring.Read, 1, 1)
	w.ok(err)
	a.State = "a"
	w.ok(c.Update(w, ring.Write, a))
	w.want(a.Rev == 2, "rev %d", a.Rev)
	b.State = "b"
	w.is(c.Update(w, ring.Write, b), docstore.ErrStale)
	w.want(b.Rev == 1, "a refused update changed the revision")
	a.State = "c"
	w.ok(c.Update(w, ring.Write, a))
	got, err := c.Get(w, ring.Read, 1, 1)
	w.ok(err)
	w.want(got.State == "c" && got.Rev == 3, "state %q rev %d", got.State, got.Rev)
	hand := w.small(1, 5)
	hand.Rev, hand.Text = 3, "by hand"
	w.ok(c.Update(w, ring.Write, hand))
	got, err = c.Get(w, ring.Read, 1, 1)
	w.ok(err)
	w.want(got.Text == "by hand" && got.Rev == 4, "text %q rev %d", got.Text, got.Rev)
	missing := w.small(2, 5)
	missing.Rev = 1
	w.is(c.Update(w, ring.Write, missing), docstore.ErrNotFound)
}

func remove(w *W) {
	c := w.notes()
	w.put(c, full(w))
	w.is(c.Delete(w, ring.Write, 1, 7, 2), docstore.ErrStale)
	w.ok(c.Delete(w, ring.Write, 1, 7, 1))
	w.is(c.Delete(w, ring.Write, 1, 7, 1), docstore.ErrNotFound)
	_, err := c.Get(w, ring.Read, 1, 7)
	w.is(err, docstore.ErrNotFound)
	for _, q := range []docstore.Query{{Index: "id"}, {Index: "by_label"}, {Index: "email", Eq: []any{"ann@example.org"}}} {
		got := w.ids(c, ring.Read, q)
		w.want(len(got) == 0, "%s still finds %v", q.Index, got)
	}
	w.put(c, full(w)) // nothing of it is left to be in the way
}

func getMany(w *W) {
	c := w.notes()
	w.put(c, w.small(1, 5), w.small(2, 6), w.small(3, 7))
	w.ok(w.DB.Fence(w, subject(6), fence(ring.Hidden, "h", 1)))
	got, err := c.GetMany(w, ring.Read, 1, []int64{3, 99, 2, 1})
	w.ok(err)
	w.want(len(got) == 2 && got[0].ID == 3 && got[1].ID == 1, "got %d documents", len(got))
	_, err = c.GetMany(w, ring.Read, 1, make([]int64, docstore.MaxLimit+1))
	w.is(err, docstore.ErrTooLarge)
}

func sizeLimit(w *W) {
	c := w.notes()
	n := w.small(1, 5)
	n.Text = strings.Repeat("x", 8<<20)
	w.is(c.Insert(w, ring.Write, n), docstore.ErrTooLarge)
	n.Text = n.Text[:8<<20-1024]
	w.ok(c.Insert(w, ring.Write, n))
	got, err := c.Get(w, ring.Read, 1, 1)
	w.ok(err)
	w.want(got.Text == n.Text, "a document just below the limit came back different")
}

func times(w *W) {
	c := w.notes()
	n := w.small(1, 5)
	zone := time.FixedZone("x", 3600)
	n.CreatedAt = time.Date(2026, 5, 6, 7, 8, 9, 123456789, zone)
	n.Due, n.Born = n.CreatedAt, ptr(n.CreatedAt)
	w.ok(c.Insert(w, ring.Write, n))
	got, err := c.Get(w, ring.Read, 1, 1)
	w.ok(err)
	want := time.Date(2026, 5, 6, 6, 8, 9, 123e6, time.UTC)
	for _, t := range []time.Time{got.CreatedAt, got.Due, *got.Born} {
		w.want(t.Equal(want) && t.Location() == time.UTC, "time %v, want %v", t, want)
	}
}

func accounts(w *W) {
	c := w.notes()
	for account := int64(1); account <= 2; account++ {
		n := w.small(1, 5)
		n.Account, n.Key, n.Email = account, ptr("same"), "same@example.org"
		n.Text = fmt.Sprint(account)
		w.ok(c.Insert(w, ring.Write, n))
	}
	w.ok(w.DB.Fence(w, ring.Subject{Account: 2, ID: 5}, fence(ring.Hidden, "h", 1)))
	got, err := c.Get(w, ring.Read, 1, 1)
	w.ok(err)
	w.want(got.Text == "1", "text %q", got.Text)
	for _, q := range []docstore.Query{{Index: "id"}, {Index: "by_key", Eq: []any{"same"}}, {Index: "email", Eq: []any{"same@example.org"}}} {
		q.Limit = 10
		page, err := c.Find(w, ring.Read, 1, q)
		w.ok(err)
		w.want(len(page.Items) == 1 && page.Items[0].Account == 1, "%s finds %d", q.Index, len(page.Items))
	}
	w.ok(w.DB.Claim(w, 1, "email", "x", 5))
	w.ok(w.DB.Claim(w, 2, "email", "x", 6))
	_, err = c.Get(w, ring.Read, 0, 1)
	w.is(err, docstore.ErrBadQuery)
}

func installation(w *W) {
	type keyDoc struct {
		docstore.Meta
		Hash []byte `doc:"hash" why:"suite"`
		Name string `doc:"name,seal" why:"suite"`
	}
	c, err := docstore.Bind[keyDoc](w, w.DB, docstore.Spec{Name: "api_keys", Installation: true,
		Indexes: []docstore.Index{{Name: "by_hash", Fields: []string{"hash"}, Unique: true}}})
	w.ok(err)
	w.ok(c.Insert(w, ring.Write, &keyDoc{Meta: docstore.Meta{ID: 1}, Hash: []byte{1, 2}, Name: "n"}))
	w.is(c.Insert(w, ring.Write, &keyDoc{Meta: docstore.Meta{ID: 2}, Hash: []byte{1, 2}}), docstore.ErrExists)
	w.is(c.Insert(w, ring.Write, &keyDoc{Meta: docstore.Meta{Account: 1, ID: 3}}), docstore.ErrBadQuery)
	page, err := c.Find(w, ring.Read, 0, docstore.Query{Index: "by_hash", Eq: []any{[]byte{1, 2}}, Limit: 1})
	w.ok(err)
	w.want(len(page.Items) == 1 && page.Items[0].Name == "n", "found %d", len(page.Items))
}
