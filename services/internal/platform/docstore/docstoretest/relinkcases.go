package docstoretest

import (
	"errors"
	"fmt"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

func relinkCases() []Case {
	return []Case{
		{"queries/update where", updateWhere, false},
		{"queries/update where moves index entries", updateWhereIndexes, false},
		{"queries/update where reaches the fenced", updateWhereFenced, false},
		{"queries/update where refuses", updateWhereRefuses, false},
		{"ring/a new owner has all of it", newOwner, false},
		{"cost/relinking costs by the hits", relinkCost, false},
	}
}

// linkSpec is the notes with their links in indexes: rank is a link here.
var linkSpec = docstore.Spec{Name: "links", Indexes: []docstore.Index{
	{Name: "by_rank", Fields: []string{"rank", "created_at"}},
	{Name: "by_label_rank", Fields: []string{"labels", "rank"}},
	{Name: "by_key", Fields: []string{"key"}, Unique: true},
}, Blind: noteSpec.Blind}

func (w *W) links() *docstore.Collection[note] {
	c, err := docstore.Bind[note](w, w.DB, linkSpec)
	w.ok(err)
	return c
}

// linked makes n notes of owners in turn, every one linked to rank.
func (w *W) linked(c *docstore.Collection[note], n, owners, rank int64) {
	for i := range n {
		d := w.small(rank*100+i, i%owners+1)
		d.Rank, d.Text, d.Labels, d.Due = ptr(rank), "body", []string{"x", "y"}, w.Now
		w.put(c, d)
	}
}

func byRank(rank any, limit int) docstore.Query {
	return docstore.Query{Index: "by_rank", Eq: []any{rank}, Limit: limit}
}

func updateWhere(w *W) {
	c := w.links()
	w.linked(c, 7, 2, 5)
	w.linked(c, 2, 2, 6)
	before, err := c.Get(w, ring.Read, 1, 503)
	w.ok(err)
	w.Now = w.Now.Add(time.Hour)
	set := map[string]any{"rank": 9, "state": "former", "due": nil, "score": 2}
	n, more, err := c.UpdateWhere(w, ring.Sweep, 1, byRank(5, 4), set)
	w.ok(err)
	w.want(n == 4 && more, "changed %d, more %v", n, more)
	n, more, err = c.UpdateWhere(w, ring.Sweep, 1, byRank(5, 4), set)
	w.ok(err)
	w.want(n == 3 && !more, "changed %d, more %v", n, more)
	n, more, err = c.UpdateWhere(w, ring.Sweep, 1, byRank(5, 4), set)
	w.ok(err)
	w.want(n == 0 && !more, "changed %d, more %v", n, more)
	got, err := c.Get(w, ring.Read, 1, 503)
	w.ok(err)
	w.want(*got.Rank == 9 && got.State == "former" && got.Due.IsZero() && got.Score == 2, "got %+v", got)
	w.want(got.Rev == 2 && got.UpdatedAt.Equal(before.UpdatedAt) && got.Owner == before.Owner && got.Text == "body" && got.Email == before.Email, "got %+v", got)
	before.State = "late"
	w.is(c.Update(w, ring.Write, before), docstore.ErrStale)
	got.State = "again"
	w.ok(c.Update(w, ring.Write, got))
	n, _, err = c.UpdateWhere(w, ring.Write, 1, byRank(6, 4), map[string]any{"rank": nil})
	w.ok(err)
	w.want(n == 2, "changed %d", n)
	w.wantIDs(w.ids(c, ring.Read, byRank(nil, 4)), 600, 601)
	other, err := c.Get(w, ring.Read, 1, 600)
	w.ok(err)
	w.want(other.Rank == nil && other.State == "open", "got %+v", other)
}

func updateWhereIndexes(w *W) {
	c := w.links()
	w.linked(c, 3, 3, 5)
	q := docstore.Query{Index: "by_label_rank", Eq: []any{"x", 5}, Limit: 2}
	n, more, err := c.UpdateWhere(w, ring.Sweep, 1, q, map[string]any{"rank": 1})
	w.ok(err)
	w.want(n == 2 && more, "changed %d, more %v", n, more)
	w.wantIDs(w.ids(c, ring.Read, byRank(1, 5)), 500, 501)
	w.wantIDs(w.ids(c, ring.Read, byRank(5, 5)), 502)
	for _, label := range []string{"x", "y"} {
		w.wantIDs(w.ids(c, ring.Read, docstore.Query{Index: "by_label_rank", Eq: []any{label, 1}}), 500, 501)
		w.wantIDs(w.ids(c, ring.Read, docstore.Query{Index: "by_label_rank", Eq: []any{label, 5}}), 502)
	}
	w.wantIDs(w.ids(c, ring.Read, docstore.Query{Index: "email", Eq: []any{"p1@example.org"}}), 500)
	n, _, err = c.UpdateWhere(w, ring.Sweep, 1, docstore.Query{Index: "email", Eq: []any{"p1@example.org"}, Limit: 5}, map[string]any{"rank": 2})
	w.ok(err)
	w.want(n == 1, "changed %d", n)
	w.wantIDs(w.ids(c, ring.Read, byRank(2, 5)), 500)
}

func updateWhereFenced(w *W) {
	c := w.links()
	w.linked(c, 8, 4, 5) // two each
	w.ok(w.DB.Fence(w, subject(2), fence(ring.Hidden, "h", 1)))
	w.ok(w.DB.Fence(w, subject(3), fence(ring.Restricted, "r", 1)))
	w.destroy(4)
	n, _, err := c.UpdateWhere(w, ring.Write, 1, byRank(5, 10), map[string]any{"rank": 1})
	w.ok(err)
	w.want(n == 2, "a writer changed %d", n)
	got := w.cost(func() {
		n, _, err = c.UpdateWhere(w, ring.Sweep, 1, byRank(5, 10), map[string]any{"rank": 2})
		w.ok(err)
	})
	w.want(n == 6 && got.Opened == 0 && got.Sealed == 0, "a sweep changed %d, cost %+v", n, got)
	w.ok(w.DB.Unfence(w, subject(2), "h", ring.Token{Sequence: 2}))
	doc, err := c.Get(w, ring.Read, 1, 501)
	w.ok(err)
	w.want(*doc.Rank == 2 && doc.Text == "body", "got %+v", doc)
	dead, err := c.Get(w, ring.Sweep, 1, 503)
	w.ok(err)
	w.want(*dead.Rank == 2, "got %+v", dead)
}

func updateWhereRefuses(w *W) {
	c := w.links()
	w.linked(c, 1, 1, 5)
	for _, set := range []map[string]any{nil, {}, {"email": "x"}, {"text": "x"}, {"labels": nil}, {"links": nil}, {"key": "k"}, {"owner": 1},
		{"rev": 1}, {"updated_at": w.Now}, {"nope": 1}, {"rank": "x"}, {"state": 1}} {
		_, _, err := c.UpdateWhere(w, ring.Sweep, 1, byRank(5, 1), set)
		w.want(isError(err, docstore.ErrBadQuery), "%v: %v", set, err)
	}
	for _, q := range []docstore.Query{{Index: "by_rank", Limit: 1, Skip: 1}, {Index: "by_rank", Limit: 1, After: "x"}, {Index: "by_rank"}, {Index: "nope", Limit: 1}} {
		_, _, err := c.UpdateWhere(w, ring.Sweep, 1, q, map[string]any{"rank": 1})
		w.want(isError(err, docstore.ErrBadQuery), "%+v: %v", q, err)
	}
	_, _, err := c.UpdateWhere(w, ring.Purpose(99), 1, byRank(5, 1), map[string]any{"rank": 1})
	w.is(err, docstore.ErrFenced)
	_, _, err = c.UpdateWhere(w, ring.Sweep, 2, byRank(5, 1), map[string]any{"rank": 1})
	w.ok(err)
	w.wantIDs(w.ids(c, ring.Read, byRank(5, 1)), 500)
}

// newOwner moves documents, read with and without their bodies, and looks what
// the keys of both owners open then.
func newOwner(w *W) {
	c := w.letters()
	for i := range int64(4) {
		n := w.small(i+1, 1)
		n.Text, n.Custom = "call 0170 1234567", map[string]any{"crm": "CUST-0042"}
		w.put(c, n)
	}
	w.put(c, w.small(9, 2))
	move := func(n *note) { n.Owner = 2; w.ok(c.Update(w, ring.Reseal, n)) }
	page, err := c.Find(w, ring.Read, 1, docstore.Query{Index: "id", Limit: 3})
	w.ok(err)
	move(page.Items[0])
	whole, err := c.Get(w, ring.Read, 1, 2)
	w.ok(err)
	move(whole)
	third := page.Items[2]
	for _, owner := range []int64{1, 2} { // both owners' fences count
		w.ok(w.DB.Fence(w, subject(owner), fence(ring.Hidden, "h", 1)))
		third.Owner = 2
		w.is(c.Update(w, ring.Write, third), docstore.ErrFenced)
		w.ok(w.DB.Unfence(w, subject(owner), "h", ring.Token{Sequence: 2}))
	}
	opens := func(want bool) {
		for _, id := range []int64{1, 2} {
			got, err := c.Get(w, ring.Read, 1, id)
			w.want(errors.Is(err, fencedIf(!want)), "document %d: %v", id, err)
			w.want(!want || got.Owner == 2 && got.Text == "call 0170 1234567" && got.Custom["crm"] == "CUST-0042", "got %+v", got)
		}
	}
	opens(true)
	w.destroy(1)
	opens(true)
	_, err = c.Get(w, ring.Read, 1, 3)
	w.is(err, docstore.ErrFenced) // what did not move died with its owner
	w.wantIDs(w.mentioning(c, ring.Read, phoneKey), 1, 2)
	w.wantIDs(w.mentioning(c, ring.Read, customKey), 1, 2)
	w.wantIDs(w.ids(c, ring.Read, docstore.Query{Index: "email", Eq: []any{"p1@example.org"}}), 1, 2)
	w.wantIDs(w.ids(c, ring.Read, docstore.Query{Index: "owner", Eq: []any{2}}), 1, 2, 9)
	w.destroy(2)
	opens(false)
}

// relinkCost wants the same calls among few documents and among many.
func relinkCost(w *W) {
	c := w.links()
	w.linked(c, 5, 2, 5)
	relink := func(from, to int) docstore.Stats {
		return w.cost(func() {
			n, _, err := c.UpdateWhere(w, ring.Sweep, 1, byRank(from, 10), map[string]any{"rank": to})
			w.ok(err)
			w.want(n == 5, "changed %d", n)
		})
	}
	few := relink(5, 6)
	for i := range int64(40) {
		w.put(c, w.small(10_000+i, i%7))
	}
	many := relink(6, 7)
	w.want(few == many && few.Writes == 1 && few.Opened == 0, "among few %s, among many %s", fmt.Sprintf("%+v", few), fmt.Sprintf("%+v", many))
}
