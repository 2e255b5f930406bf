package docstoretest

import (
	"slices"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

func (w *W) wantIDs(got []int64, want ...int64) {
	if !slices.Equal(got, want) {
		w.Fatalf("ids %v, want %v", got, want)
	}
}

func order(w *W) {
	c := w.notes()
	for i := range int64(7) {
		n := w.small([]int64{5, 3, 9, 1, 7, 2, 8}[i], i%2+1)
		n.CreatedAt = w.Now.Add(time.Duration(i/3) * time.Second)
		w.put(c, n)
	}
	q := docstore.Query{Index: "by_state", Eq: []any{"open"}}
	w.wantIDs(w.ids(c, ring.Read, q), 3, 5, 9, 1, 2, 7, 8)
	q.Desc = true
	w.wantIDs(w.ids(c, ring.Read, q), 8, 7, 2, 1, 9, 5, 3)
	w.wantIDs(w.ids(c, ring.Read, docstore.Query{Index: "id"}), 1, 2, 3, 5, 7, 8, 9)
	w.wantIDs(w.ids(c, ring.Read, docstore.Query{Index: "owner", Eq: []any{1}, Desc: true}), 9, 8, 7, 5)
	w.wantIDs(w.ids(c, ring.Read, docstore.Query{Index: "by_owner_state", Eq: []any{2, "open"}}), 1, 2, 3)
	page, err := c.Find(w, ring.Read, 1, docstore.Query{Index: "id", Skip: 2, Limit: 3})
	w.ok(err)
	w.want(len(page.Items) == 3 && page.Items[0].ID == 3, "skip went wrong")
}

func bytewise(w *W) {
	c := w.notes()
	keys := []string{"", "A", "B", "a", "a\x00", "a ", "b", "ä", "\U0001F600"}
	for i, k := range keys {
		n := w.small(int64(100-i), 1)
		n.Key, n.State = ptr(k), k
		w.put(c, n)
	}
	var want []int64
	for i := range keys {
		want = append(want, int64(100-i))
	}
	w.wantIDs(w.ids(c, ring.Read, docstore.Query{Index: "by_key"}), want...)
	w.wantIDs(w.ids(c, ring.Read, docstore.Query{Index: "by_key", Eq: []any{"A"}}), 99)
	w.wantIDs(w.ids(c, ring.Read, docstore.Query{Index: "by_state", Eq: []any{"a"}}), 97)
	w.wantIDs(w.ids(c, ring.Read, docstore.Query{Index: "by_key", From: "B", To: "a\x00"}), 98, 97)
}

func stablePages(w *W) {
	c := w.notes()
	for i := range int64(6) {
		n := w.small(10*i, 1)
		n.CreatedAt = w.Now.Add(time.Duration(i/2) * time.Second)
		w.put(c, n)
	}
	q := docstore.Query{Index: "by_state", Eq: []any{"open"}, Limit: 2}
	var got []int64
	for i := int64(0); ; i++ {
		page, err := c.Find(w, ring.Read, 1, q)
		w.ok(err)
		for _, n := range page.Items {
			got = append(got, n.ID)
		}
		// before the cursor, and so not seen; and somebody behind it goes
		before := w.small(1000+i, 1)
		before.CreatedAt = w.Now.Add(-time.Second)
		w.put(c, before)
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	w.wantIDs(got, 0, 10, 20, 30, 40, 50)
}

func absent(w *W) {
	c := w.notes()
	for i := range int64(6) {
		n := w.small(i+1, 1)
		if i%2 == 0 {
			n.Rank = ptr(i - 2)
		}
		w.put(c, n)
	}
	for limit := 1; limit <= 7; limit++ {
		q := docstore.Query{Index: "by_rank", Limit: limit}
		w.wantIDs(w.ids(c, ring.Read, q), 2, 4, 6, 1, 3, 5)
		q.Desc = true
		w.wantIDs(w.ids(c, ring.Read, q), 5, 3, 1, 6, 4, 2)
	}
	w.wantIDs(w.ids(c, ring.Read, docstore.Query{Index: "by_rank", Eq: []any{nil}}), 2, 4, 6)
	w.wantIDs(w.ids(c, ring.Read, docstore.Query{Index: "by_rank", Eq: []any{0}}), 3)
}

func ranges(w *W) {
	c := w.notes()
	for i := range int64(6) {
		n := w.small(i, 1)
		n.CreatedAt = w.Now.Add(time.Duration(i) * time.Second)
		if i == 3 {
			n.State = "closed"
		}
		w.put(c, n)
	}
	q := docstore.Query{Index: "by_state", Eq: []any{"open"}, From: w.Now.Add(time.Second), To: w.Now.Add(5 * time.Second)}
	w.wantIDs(w.ids(c, ring.Read, q), 1, 2, 4)
	q.Desc = true
	w.wantIDs(w.ids(c, ring.Read, q), 4, 2, 1)
	n, err := c.Count(w, ring.Read, 1, q)
	w.ok(err)
	w.want(n == 3, "count %d", n)
	w.wantIDs(w.ids(c, ring.Read, docstore.Query{Index: "id", From: 2, To: 4}), 2, 3)
	w.wantIDs(w.ids(c, ring.Read, docstore.Query{Index: "id", Eq: []any{4}}), 4)
}

func conditions(w *W) {
	c := w.notes()
	for i := range int64(6) {
		n := w.small(i, i%2)
		n.Score, n.Done = float64(i)/2, i > 3
		if i != 2 {
			n.Rank = ptr(i)
		}
		n.Labels = []string{string(rune('a' + i)), "all"}
		w.put(c, n)
	}
	type cond = docstore.Cond
	for _, tc := range []struct {
		name string
		cond cond
		want []int64
	}{
		{"none", cond{}, []int64{0, 1, 2, 3, 4, 5}},
		{"equal", cond{Op: "=", Field: "rank", Value: 3}, []int64{3}},
		{"bool", cond{Op: "=", Field: "done", Value: true}, []int64{4, 5}},
		{"float", cond{Op: ">=", Field: "score", Value: 2}, []int64{4, 5}},
		{"in", cond{Op: "in", Field: "rank", List: []any{1, 2, 4}}, []int64{1, 4}},
		{"in nothing", cond{Op: "in", Field: "rank"}, nil},
		{"less skips absent", cond{Op: "<", Field: "rank", Value: 4}, []int64{0, 1, 3}},
		{"null", cond{Op: "null", Field: "rank"}, []int64{2}},
		{"notnull", cond{Op: "notnull", Field: "rank"}, []int64{0, 1, 3, 4, 5}},
		{"owner", cond{Op: "=", Field: "owner", Value: 1}, []int64{1, 3, 5}},
		{"and", cond{Op: "and", Conds: []cond{{Op: ">", Field: "rank", Value: 0}, {Op: "<=", Field: "rank", Value: 3}}}, []int64{1, 3}},
		{"or", cond{Op: "or", Conds: []cond{{Op: "=", Field: "rank", Value: 0}, {Op: "null", Field: "rank"}}}, []int64{0, 2}},
		{"or nothing", cond{Op: "or"}, nil},
		{"list", cond{Op: "=", Field: "labels", Value: "c"}, []int64{2}},
		{"blind", cond{Op: "=", Field: "email", Value: "P1@example.org"}, []int64{1, 3, 5}},
		{"blind in", cond{Op: "in", Field: "email", List: []any{"p1@example.org", "", "nobody"}}, []int64{1, 3, 5}},
	} {
		got := w.ids(c, ring.Read, docstore.Query{Index: "id", Where: tc.cond})
		w.want(slices.Equal(got, tc.want), "%s: ids %v, want %v", tc.name, got, tc.want)
	}
	for _, bad := range []cond{{Op: "like", Field: "rank"}, {Op: "=", Field: "email_", Value: "x"}, {Op: "=", Field: "text", Value: "x"}, {Op: "<", Field: "email", Value: "x"}} {
		_, err := c.Find(w, ring.Read, 1, docstore.Query{Index: "id", Where: bad, Limit: 1})
		w.is(err, docstore.ErrBadQuery)
	}
}

func unique(w *W) {
	c := w.notes()
	a, b := w.small(1, 1), w.small(2, 2)
	a.Key, b.Key = ptr("k"), ptr("K")
	w.put(c, a, b, w.small(3, 3), w.small(4, 4))
	d := w.small(5, 5)
	d.Key = ptr("k")
	w.is(c.Insert(w, ring.Write, d), docstore.ErrExists)
	_, err := w.DB.Entry(w, subject(5))
	w.is(err, docstore.ErrNotFound) // a refused first document leaves no entry
	b.Key = ptr("k")
	w.is(c.Update(w, ring.Write, b), docstore.ErrExists)
	a.Key = nil
	w.ok(c.Update(w, ring.Write, a))
	w.ok(c.Update(w, ring.Write, b))
	w.wantIDs(w.ids(c, ring.Read, docstore.Query{Index: "by_key"}), 2) // absent ones are left out
}

func lists(w *W) {
	c := w.notes()
	for i := range int64(4) {
		n := w.small(i, 1)
		n.CreatedAt = w.Now.Add(-time.Duration(i) * time.Second)
		n.Labels = []string{"x", string(rune('a' + i)), "x"}
		w.put(c, n)
	}
	q := docstore.Query{Index: "by_label", Eq: []any{"x"}}
	w.wantIDs(w.ids(c, ring.Read, q), 3, 2, 1, 0)
	w.wantIDs(w.ids(c, ring.Read, docstore.Query{Index: "by_label", Limit: 3}), 0, 1, 2, 3, 3, 2, 1, 0)
	n, err := c.Get(w, ring.Read, 1, 2)
	w.ok(err)
	n.Labels = []string{"y"}
	w.ok(c.Update(w, ring.Write, n))
	w.wantIDs(w.ids(c, ring.Read, q), 3, 1, 0)
	w.wantIDs(w.ids(c, ring.Read, docstore.Query{Index: "by_label", Eq: []any{"y"}}), 2)
}

func global(w *W) {
	c := w.notes()
	for i := range int64(6) {
		n := w.small(i/2, 1)
		n.Account = 1 + i%2
		n.Due = w.Now.Add(time.Duration(6-i) * time.Second)
		w.put(c, n)
	}
	q := docstore.Query{Index: "due", Eq: []any{"open"}, AllAccounts: true, Limit: 2, To: w.Now.Add(6 * time.Second)}
	var got []int64
	for {
		page, err := c.Find(w, ring.Read, 0, q)
		w.ok(err)
		for _, n := range page.Items {
			got = append(got, 10*n.Account+n.ID)
		}
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	w.wantIDs(got, 22, 12, 21, 11, 20)
	w.wantIDs(w.ids(c, ring.Read, docstore.Query{Index: "due", Eq: []any{"open"}}), 2, 1, 0)
	_, err := c.Find(w, ring.Read, 0, docstore.Query{Index: "id", AllAccounts: true, Limit: 1})
	w.is(err, docstore.ErrBadQuery)
}

func blind(w *W) {
	c := w.notes()
	for i := range int64(5) {
		n := w.small(i, i%2)
		n.Phones = []string{"+1", "+" + string(rune('2'+i)), "+1", ""}
		w.put(c, n)
	}
	w.wantIDs(w.ids(c, ring.Read, docstore.Query{Index: "email", Eq: []any{" P1@Example.org"}}), 1, 3)
	w.wantIDs(w.ids(c, ring.Read, docstore.Query{Index: "phone", Eq: []any{"+1"}, Desc: true}), 4, 3, 2, 1, 0)
	w.wantIDs(w.ids(c, ring.Read, docstore.Query{Index: "phone", Eq: []any{"+4"}}), 2)
	w.wantIDs(w.ids(c, ring.Read, docstore.Query{Index: "phone", Eq: []any{""}}))
	n, err := c.Get(w, ring.Read, 1, 1)
	w.ok(err)
	n.Email = "new@example.org"
	w.ok(c.Update(w, ring.Write, n))
	w.wantIDs(w.ids(c, ring.Read, docstore.Query{Index: "email", Eq: []any{"p1@example.org"}}), 3)
	w.wantIDs(w.ids(c, ring.Read, docstore.Query{Index: "email", Eq: []any{"new@example.org"}}), 1)
	w.wantIDs(w.ids(c, ring.Read, docstore.Query{Index: "phone", Eq: []any{"+3"}}), 1)
	for _, q := range []docstore.Query{{Index: "email"}, {Index: "email", Eq: []any{1}}, {Index: "email", Eq: []any{"x"}, From: "a"}} {
		q.Limit = 1
		_, err := c.Find(w, ring.Read, 1, q)
		w.is(err, docstore.ErrBadQuery)
	}
}

func cursors(w *W) {
	c := w.notes()
	for i := range int64(4) {
		w.put(c, w.small(i, 1))
	}
	base := docstore.Query{Index: "by_state", Eq: []any{"open"}, Limit: 2}
	page, err := c.Find(w, ring.Read, 1, base)
	w.ok(err)
	w.want(page.Next != "", "no cursor")
	for name, q := range map[string]docstore.Query{
		"other value":     {Index: "by_state", Eq: []any{"closed"}},
		"other index":     {Index: "id"},
		"other direction": {Index: "by_state", Eq: []any{"open"}, Desc: true},
		"other test":      {Index: "by_state", Eq: []any{"open"}, Where: docstore.Cond{Op: "null", Field: "rank"}},
		"other range":     {Index: "by_state", Eq: []any{"open"}, From: w.Now},
	} {
		q.After, q.Limit = page.Next, 2
		_, err := c.Find(w, ring.Read, 1, q)
		w.want(isError(err, docstore.ErrCursor), "%s: %v", name, err)
	}
	base.After = page.Next
	_, err = c.Find(w, ring.Read, 2, base)
	w.is(err, docstore.ErrCursor)
	for _, bad := range []string{"x", "!", page.Next + "A", page.Next[:len(page.Next)-4]} {
		base.After = bad
		_, err = c.Find(w, ring.Read, 1, base)
		w.is(err, docstore.ErrCursor)
	}
	base.After, base.Limit, base.Bodies = page.Next, 1, true
	page, err = c.Find(w, ring.Read, 1, base) // another page size is no other query
	w.ok(err)
	w.want(len(page.Items) == 1 && page.Items[0].ID == 2, "continued wrongly")
}

func bounds(w *W) {
	c := w.notes()
	w.put(c, w.small(1, 1))
	for _, tc := range []struct {
		q    docstore.Query
		want error
	}{
		{docstore.Query{Index: "id", Limit: docstore.MaxLimit}, nil},
		{docstore.Query{Index: "id", Limit: docstore.MaxLimit + 1}, docstore.ErrTooLarge},
		{docstore.Query{Index: "id", Limit: 1, Skip: docstore.MaxSkip}, nil},
		{docstore.Query{Index: "id", Limit: 1, Skip: docstore.MaxSkip + 1}, docstore.ErrTooLarge},
		{docstore.Query{Index: "id"}, docstore.ErrBadQuery},
		{docstore.Query{Index: "nope", Limit: 1}, docstore.ErrBadQuery},
		{docstore.Query{Index: "by_state", Eq: []any{1}, Limit: 1}, docstore.ErrBadQuery},
		{docstore.Query{Index: "by_rank", Eq: []any{1, 2}, Limit: 1}, docstore.ErrBadQuery},
		{docstore.Query{Index: "by_rank", Eq: []any{1}, From: 2, Limit: 1}, docstore.ErrBadQuery},
	} {
		_, err := c.Find(w, ring.Read, 1, tc.q)
		w.want(isError(err, tc.want), "%+v: %v", tc.q, err)
	}
}

func deleteWhere(w *W) {
	c := w.notes()
	for i := range int64(7) {
		n := w.small(i, i%2)
		n.Labels = []string{"l"}
		w.put(c, n)
	}
	q := docstore.Query{Index: "owner", Eq: []any{0}, Limit: 3}
	n, more, err := c.DeleteWhere(w, ring.Sweep, 1, q)
	w.ok(err)
	w.want(n == 3 && more, "deleted %d, more %v", n, more)
	n, more, err = c.DeleteWhere(w, ring.Sweep, 1, q)
	w.ok(err)
	w.want(n == 1 && !more, "deleted %d, more %v", n, more)
	w.wantIDs(w.ids(c, ring.Read, docstore.Query{Index: "by_label"}), 1, 3, 5)
	w.ok(w.DB.Fence(w, subject(1), fence(ring.Hidden, "h", 1)))
	n, _, err = c.DeleteWhere(w, ring.Write, 1, docstore.Query{Index: "id", Limit: 10})
	w.ok(err)
	w.want(n == 0, "deleted %d documents of a hidden owner", n)
}
