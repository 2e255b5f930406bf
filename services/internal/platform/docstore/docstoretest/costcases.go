package docstoretest

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

func costCases() []Case {
	return []Case{
		{"cost/a change of state needs no key", stateNeedsNoKey, false},
		{"cost/lists open no bodies and skip the fenced", listsAreLean, false},
		{"cost/a found document keeps its body", keepsBody, false},
		{"cost/one read for many", oneRead, false},
	}
}

// cost is what f added to the counts.
func (w *W) cost(f func()) docstore.Stats {
	a := w.DB.Stats()
	f()
	b := w.DB.Stats()
	return docstore.Stats{Reads: b.Reads - a.Reads, Writes: b.Writes - a.Writes, Commits: b.Commits - a.Commits,
		Opened: b.Opened - a.Opened, Sealed: b.Sealed - a.Sealed}
}

func stateNeedsNoKey(w *W) {
	c := w.notes()
	n := full(w)
	w.put(c, n)
	got := w.cost(func() {
		n.State, n.Labels, n.Due = "closed", []string{"z"}, w.Now
		w.ok(c.Update(w, ring.Write, n))
	})
	w.want(got == docstore.Stats{Writes: 1, Commits: 1}, "cost %+v", got)
	got = w.cost(func() {
		n.Email = "other@example.org"
		w.ok(c.Update(w, ring.Write, n))
	})
	w.want(got.Sealed == 1 && got.Opened == 0 && got.Writes == 1, "cost %+v", got)
	again, err := c.Get(w, ring.Read, 1, 7)
	w.ok(err)
	w.want(again.Email == n.Email && again.Text == n.Text && again.Rev == 3, "got %+v", again)
}

func listsAreLean(w *W) {
	c := w.notes()
	for i := range int64(10) {
		n := w.small(i, i%5)
		n.Text = "body"
		w.put(c, n)
	}
	w.ok(w.DB.Fence(w, subject(1), fence(ring.Hidden, "h", 1)))
	got := w.cost(func() {
		page, err := c.Find(w, ring.Read, 1, docstore.Query{Index: "id", Limit: 30})
		w.ok(err)
		w.want(len(page.Items) == 8 && page.Items[0].Text == "", "found %d", len(page.Items))
	})
	w.want(got == docstore.Stats{Reads: 1, Opened: 8}, "cost %+v", got)
	got = w.cost(func() {
		_, err := c.Find(w, ring.Read, 1, docstore.Query{Index: "id", Limit: 30, Bodies: true})
		w.ok(err)
	})
	w.want(got == docstore.Stats{Reads: 1, Opened: 16}, "cost %+v", got)
}

func keepsBody(w *W) {
	c := w.notes()
	n := w.small(1, 1)
	n.Text = "body"
	w.put(c, n)
	find := func() *note {
		page, err := c.Find(w, ring.Read, 1, docstore.Query{Index: "id", Limit: 1})
		w.ok(err)
		return page.Items[0]
	}
	f := find()
	f.Email = "new@example.org"
	w.ok(c.Update(w, ring.Write, f))
	got, err := c.Get(w, ring.Read, 1, 1)
	w.ok(err)
	w.want(got.Text == "body" && got.Email == f.Email, "got %+v", got)
	f.Text = "new body"
	w.ok(c.Update(w, ring.Write, f))
	got, err = c.Get(w, ring.Read, 1, 1)
	w.ok(err)
	w.want(got.Text == "new body", "text %q", got.Text)
}

func oneRead(w *W) {
	c := w.notes()
	var ids []int64
	for i := range int64(20) {
		w.put(c, w.small(i, i))
		ids = append(ids, i)
	}
	got := w.cost(func() {
		docs, err := c.GetMany(w, ring.Read, 1, ids)
		w.ok(err)
		w.want(len(docs) == 20, "got %d", len(docs))
	})
	w.want(got == docstore.Stats{Reads: 1, Opened: 20}, "cost %+v", got)
}

// model plays random calls against a plain map and compares every list.
func model(w *W) {
	c := w.notes()
	known := map[int64]*note{}
	hidden := map[int64]bool{}
	seq := int64(0)
	draw := rand.New(rand.NewPCG(1, 2)).IntN // the same play every time
	calls := 300
	if w.h.Slow {
		calls = 100
	}
	for range calls {
		seq++
		id := int64(draw(25))
		old := known[id]
		switch k := draw(10); {
		case old == nil && k < 8:
			n := w.small(id, int64(draw(4)))
			n.State, n.CreatedAt = []string{"a", "B", "b"}[draw(3)], w.Now.Add(time.Duration(draw(4))*time.Millisecond)
			n.Labels = []string{[]string{"x", "y"}[draw(2)], "z"}
			err := c.Insert(w, ring.Write, n)
			w.want(isError(err, fencedIf(hidden[n.Owner])), "insert: %v", err)
			if err == nil {
				known[id] = n
			}
		case old != nil && k < 5:
			n := *old
			n.State, n.Owner = []string{"a", "B", "b"}[draw(3)], int64(draw(4))
			err := c.Update(w, ring.Write, &n)
			w.want(isError(err, fencedIf(hidden[old.Owner] || hidden[n.Owner])), "update: %v", err)
			if err == nil {
				known[id] = &n
			}
		case old != nil && k < 7:
			err := c.Delete(w, ring.Write, 1, id, old.Rev)
			w.want(isError(err, fencedIf(hidden[old.Owner])), "delete: %v", err)
			if err == nil {
				delete(known, id)
			}
		case k == 8:
			s := int64(draw(3)) + 1
			if hidden[s] {
				w.ok(w.DB.Unfence(w, subject(s), "h", ring.Token{Sequence: seq}))
			} else {
				w.ok(w.DB.Fence(w, subject(s), fence(ring.Hidden, "h", seq)))
			}
			hidden[s] = !hidden[s]
		}
		w.compare(c, known, hidden, draw)
	}
}

func fencedIf(fenced bool) error {
	if fenced {
		return docstore.ErrFenced
	}
	return nil
}

// compare lists by a random index and direction.
func (w *W) compare(c *docstore.Collection[note], known map[int64]*note, hidden map[int64]bool, draw func(int) int) {
	state, label, desc := []string{"a", "B", "b"}[draw(3)], []string{"x", "y", "z"}[draw(3)], draw(2) == 1
	q := docstore.Query{Index: "by_state", Eq: []any{state}, Desc: desc, Limit: draw(5) + 1}
	match := func(n *note) bool { return n.State == state }
	if draw(2) == 1 {
		q.Index, q.Eq = "by_label", []any{label}
		match = func(n *note) bool { return slices.Contains(n.Labels, label) }
	}
	var want []*note
	for _, n := range known {
		if match(n) && !hidden[n.Owner] {
			want = append(want, n)
		}
	}
	slices.SortFunc(want, func(a, b *note) int {
		d := a.CreatedAt.Compare(b.CreatedAt)
		if d == 0 {
			d = int(a.ID - b.ID)
		}
		if desc {
			d = -d
		}
		return d
	})
	var ids []int64
	for _, n := range want {
		ids = append(ids, n.ID)
	}
	got := w.ids(c, ring.Read, q)
	w.want(slices.Equal(got, ids), "%s %v: ids %v, want %v", q.Index, q.Eq, got, ids)
	n, err := c.Count(w, ring.Read, 1, q)
	w.ok(err)
	w.want(n == int64(len(ids)), "counted %d, want %d", n, len(ids))
}
