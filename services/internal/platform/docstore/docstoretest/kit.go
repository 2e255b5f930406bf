package docstoretest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

func isError(err, target error) bool { return errors.Is(err, target) }

// note is the suite's document: a field of every sort.
type note struct {
	docstore.Meta
	State   string            `doc:"state" why:"suite"`
	Rank    *int64            `doc:"rank" why:"suite"`
	Key     *string           `doc:"key" why:"suite"`
	Due     time.Time         `doc:"due" why:"suite"`
	Done    bool              `doc:"done" why:"suite"`
	Score   float64           `doc:"score" why:"suite"`
	Hash    []byte            `doc:"hash" why:"suite"`
	Labels  []string          `doc:"labels" why:"suite"`
	Links   map[string]int64  `doc:"links" why:"suite"`
	Email   string            `doc:"email,seal" why:"suite"`
	Phones  []string          `doc:"phones,seal" why:"suite"`
	Born    *time.Time        `doc:"born,seal" why:"suite"`
	Custom  map[string]any    `doc:"custom,seal" why:"suite"`
	Text    string            `doc:"text,seal,body" why:"suite"`
	Headers map[string]string `doc:"headers,seal,body" why:"suite"`
}

var noteSpec = docstore.Spec{
	Name: "notes",
	Indexes: []docstore.Index{
		{Name: "by_state", Fields: []string{"state", "created_at"}},
		{Name: "by_rank", Fields: []string{"rank"}},
		{Name: "by_key", Fields: []string{"key"}, Unique: true},
		{Name: "due", Fields: []string{"state", "due"}, Global: true},
		{Name: "by_label", Fields: []string{"labels", "created_at"}},
		{Name: "by_owner_state", Fields: []string{"owner", "state"}},
	},
	Blind: []docstore.Blind{
		{Name: "email", Field: "email", Fold: func(s string) string { return strings.ToLower(strings.TrimSpace(s)) }},
		{Name: "phone", Field: "phones"},
	},
}

func (w *W) notes() *docstore.Collection[note] {
	c, err := docstore.Bind[note](w, w.DB, noteSpec)
	w.ok(err)
	return c
}

// small makes a note of an owner.
func (w *W) small(id, owner int64) *note {
	return &note{Meta: docstore.Meta{Account: 1, ID: id, Owner: owner, CreatedAt: w.Now, UpdatedAt: w.Now}, State: "open",
		Email: fmt.Sprintf("p%d@example.org", owner)}
}

// put inserts notes of an owner.
func (w *W) put(c *docstore.Collection[note], notes ...*note) {
	for _, n := range notes {
		w.ok(c.Insert(w, ring.Write, n))
	}
}

// ids are the ids of all pages of a query, in order.
func (w *W) ids(c *docstore.Collection[note], p ring.Purpose, q docstore.Query) []int64 {
	var out []int64
	if q.Limit == 0 {
		q.Limit = 2
	}
	for range 1000 {
		page, err := c.Find(w, p, 1, q)
		w.ok(err)
		for _, n := range page.Items {
			out = append(out, n.ID)
		}
		if q.After = page.Next; q.After == "" {
			return out
		}
	}
	w.Fatalf("the pages do not end")
	return nil
}

func fence(mode ring.Mode, saga string, seq int64) ring.Fence {
	return ring.Fence{Mode: mode, Saga: saga, Token: ring.Token{Sequence: seq}}
}

func subject(id int64) ring.Subject { return ring.Subject{Account: 1, ID: id} }

// destroy fences a subject and destroys its key.
func (w *W) destroy(id int64) {
	w.ok(w.DB.Fence(w, subject(id), fence(ring.Erasing, "e", 100)))
	w.ok(w.DB.Destroy(w, subject(id), "e", ring.Token{Sequence: 100, Stage: 1}))
}

func ptr[T any](v T) *T { return &v }
