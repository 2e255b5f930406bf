package docstoretest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/mention"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

func mentionCases() []Case {
	return []Case{
		{"mentions/found in every part", mentionsFound, false},
		{"mentions/each part keeps its own", mentionsByPart, false},
		{"mentions/pages", mentionPages, false},
		{"mentions/redact", redactMentions, false},
		{"mentions/redact under fences", redactFenced, false},
		{"mentions/no trace at rest", mentionsAtRest, false},
		{"mentions/built from documents that were there", mentionsBuilt, false},
		{"mentions/building goes on where it was", mentionsResumed, false},
		{"mentions/building among writers", mentionsAmongWriters, false},
		{"cost/redacting costs by the hits", redactCost, false},
	}
}

// letterSpec are the notes with mentions in all parts.
var letterSpec = docstore.Spec{Name: "letters", Blind: noteSpec.Blind, Mentions: []string{"phones", "custom", "text", "headers"}}

func (w *W) letters() *docstore.Collection[note] {
	c, err := docstore.Bind[note](w, w.DB, letterSpec)
	w.ok(err)
	return c
}

// eve is the subject whose mentions are looked for.
var (
	eve       = mention.Identifiers{Emails: []string{"eve@example.org"}, Phones: []string{"+49 170 1234567"}, ExternalIDs: []string{"CUST-0042"}}
	eveKeys   = mention.Keys(eve)
	mailKey   = mention.Keys(mention.Identifiers{Emails: eve.Emails})
	phoneKey  = mention.Keys(mention.Identifiers{Phones: eve.Phones})
	customKey = mention.Keys(mention.Identifiers{ExternalIDs: eve.ExternalIDs})
)

const eveID = 66

// letter makes a letter of an owner with a text.
func (w *W) letter(id, owner int64, text string) *note {
	n := w.small(id, owner)
	n.Text = text
	return n
}

// mentioning are the ids of all pages.
func (w *W) mentioning(c *docstore.Collection[note], p ring.Purpose, keys []string) (out []int64) {
	after := ""
	for range 1000 {
		page, err := c.Mentioning(w, p, 1, keys, after, 2)
		w.ok(err)
		for _, n := range page.Items {
			out = append(out, n.ID)
		}
		if after = page.Next; after == "" {
			return out
		}
	}
	w.Fatalf("the pages do not end")
	return nil
}

func mentionsFound(w *W) {
	c := w.letters()
	w.put(c, w.letter(1, 1, "mail eve@example.org"), w.letter(2, 1, "mail eva@example.org"))
	n := w.small(3, 2)
	n.Phones, n.Text = []string{"1", "0170/1234567"}, "nothing"
	w.put(c, n)
	n = w.small(4, 2)
	n.Custom = map[string]any{"a": map[string]any{"b": []any{"see CUST-0042"}}, "n": int64(491701234567)}
	w.put(c, n)
	n = w.small(5, 0)
	n.Headers, n.Text = map[string]string{"From": "Eve <EVE@example.org>"}, "0170 1234567"
	w.put(c, n)
	var long strings.Builder
	for i := range 600 {
		fmt.Fprintf(&long, "p%d@example.org ", i)
	}
	w.put(c, w.letter(6, 3, long.String())) // too many to tell
	n = w.small(7, 2)
	n.Email = "eve@example.org" // no field of Mentions
	w.put(c, n)
	other := w.letter(8, 1, "eve@example.org")
	other.Account = 2
	w.ok(c.Insert(w, ring.Write, other))
	w.wantIDs(w.mentioning(c, ring.Read, mailKey), 1, 5, 6)
	w.wantIDs(w.mentioning(c, ring.Read, phoneKey), 3, 4, 5, 6)
	w.wantIDs(w.mentioning(c, ring.Read, customKey), 4, 6)
	w.wantIDs(w.mentioning(c, ring.Read, eveKeys), 1, 3, 4, 5, 6) // each once
	w.wantIDs(w.mentioning(c, ring.Read, nil))
	w.ok(w.DB.Fence(w, subject(2), fence(ring.Hidden, "h", 1)))
	w.wantIDs(w.mentioning(c, ring.Read, phoneKey), 5, 6)
	w.wantIDs(w.mentioning(c, ring.Sweep, phoneKey), 3, 4, 5, 6)
	w.ok(c.Delete(w, ring.Write, 1, 1, 0))
	w.wantIDs(w.mentioning(c, ring.Read, mailKey), 5, 6)
	_, err := w.notes().Mentioning(w, ring.Read, 1, mailKey, "", 2)
	w.is(err, docstore.ErrBadQuery)
	_, err = c.Mentioning(w, ring.Read, 1, strings.Fields(long.String()), "", 2)
	w.is(err, docstore.ErrTooLarge)
	_, err = c.Find(w, ring.Read, 1, docstore.Query{Index: "mention", Eq: []any{"x"}, Limit: 1})
	w.is(err, docstore.ErrBadQuery)
}

// mentionsByPart changes one part after the other, found with and without bodies.
func mentionsByPart(w *W) {
	c := w.letters()
	n := w.letter(1, 1, "eve@example.org")
	n.Phones = []string{"+491701234567"}
	w.put(c, n)
	page, err := c.Find(w, ring.Read, 1, docstore.Query{Index: "id", Limit: 1})
	w.ok(err)
	lean := page.Items[0]
	lean.State = "closed"
	w.ok(c.Update(w, ring.Write, lean))
	w.wantIDs(w.mentioning(c, ring.Read, mailKey), 1)
	w.wantIDs(w.mentioning(c, ring.Read, phoneKey), 1)
	lean.Phones = []string{"CUST-0042"}
	w.ok(c.Update(w, ring.Write, lean))
	w.wantIDs(w.mentioning(c, ring.Read, mailKey), 1)
	w.wantIDs(w.mentioning(c, ring.Read, phoneKey))
	w.wantIDs(w.mentioning(c, ring.Read, customKey), 1)
	whole, err := c.Get(w, ring.Read, 1, 1)
	w.ok(err)
	whole.Text = "0170 1234567"
	w.ok(c.Update(w, ring.Write, whole))
	w.wantIDs(w.mentioning(c, ring.Read, mailKey))
	w.wantIDs(w.mentioning(c, ring.Read, phoneKey), 1)
	w.wantIDs(w.mentioning(c, ring.Read, customKey), 1)
	whole.Text, whole.Phones = "", nil
	w.ok(c.Update(w, ring.Write, whole))
	w.wantIDs(w.mentioning(c, ring.Read, eveKeys))
}

func mentionPages(w *W) {
	c := w.letters()
	for i := range int64(9) {
		n := w.letter(i, i%3, "eve@example.org")
		if i%2 == 0 {
			n.Phones = []string{"+491701234567", "CUST-0042"}
		}
		w.put(c, n)
	}
	for limit := 1; limit <= 10; limit++ {
		var got []int64
		for after := ""; ; {
			page, err := c.Mentioning(w, ring.Read, 1, eveKeys, after, limit)
			w.ok(err)
			w.want(len(page.Items) <= limit, "a page of %d", len(page.Items))
			for _, n := range page.Items {
				got = append(got, n.ID)
				w.want(n.Text == "eve@example.org", "text %q", n.Text)
			}
			if after = page.Next; after == "" {
				break
			}
			_, err = c.Mentioning(w, ring.Read, 1, phoneKey, after, limit)
			w.is(err, docstore.ErrCursor)
		}
		w.wantIDs(got, 0, 1, 2, 3, 4, 5, 6, 7, 8)
	}
}

// still counts letters of others in which Eve is.
func (w *W) still(c *docstore.Collection[note], p ring.Purpose, keys []string) int64 {
	redact := c.Redactor(eve, false)
	n, err := c.Mentions(w, p, 1, eveID, keys, redact)
	w.ok(err)
	return n
}

func redactMentions(w *W) {
	c := w.letters()
	w.put(c, w.letter(1, 1, "dear eve@example.org, call +49 170 1234567"), w.letter(2, eveID, "I am eve@example.org"),
		w.letter(3, 2, "not her: +44 1 1234567"), w.letter(4, 0, "CUST-0042"), w.letter(5, 2, "joeve@example.org"))
	five := w.small(6, 2)
	five.Custom, five.Headers, five.Text = map[string]any{"who": "eve@example.org"}, map[string]string{"To": "eve@example.org"}, "kept"
	w.put(c, five)
	for i := range int64(60) { // more than a page
		w.put(c, w.letter(100+i, i%3, "cc eve@example.org"))
	}
	w.want(w.still(c, ring.Redact, eveKeys) == 63, "%d mention her", w.still(c, ring.Redact, eveKeys))
	all := c.Redactor(eve, false)
	raced := false
	n, err := c.Redact(w, 1, eveID, eveKeys, func(d *note) bool {
		if d.ID == 1 && !raced { // somebody is faster
			raced = true
			other, err := c.Get(w, ring.Read, 1, 1)
			w.ok(err)
			other.Score = 7
			other.Text += " and CUST-0042"
			w.ok(c.Update(w, ring.Write, other))
		}
		if d.ID == 130 {
			w.ok(c.Delete(w, ring.Write, 1, 130, 0))
		}
		return all(d)
	})
	w.ok(err)
	w.want(n == 62, "%d redacted", n)
	got, err := c.Get(w, ring.Read, 1, 1)
	w.ok(err)
	w.want(got.Text == "dear [redacted], call [redacted] and [redacted]" && got.Score == 7 && got.UpdatedAt.Equal(w.Now), "got %+v", got)
	got, err = c.Get(w, ring.Read, 1, 6)
	w.ok(err)
	w.want(got.Custom["who"] == mention.Mark && got.Headers["To"] == mention.Mark && got.Text == "kept", "got %+v", got)
	for id, text := range map[int64]string{2: "I am eve@example.org", 3: "not her: +44 1 1234567", 5: "joeve@example.org"} {
		got, err := c.Get(w, ring.Read, 1, id)
		w.ok(err)
		w.want(got.Text == text && got.Rev == 1, "document %d: %q, revision %d", id, got.Text, got.Rev)
	}
	w.want(w.still(c, ring.Redact, eveKeys) == 0, "%d mention her still", w.still(c, ring.Redact, eveKeys))
	w.wantIDs(w.mentioning(c, ring.Read, eveKeys), 2, 3) // her own, and who shares a key with her
	n, err = c.Redact(w, 1, eveID, eveKeys, all)
	w.ok(err)
	w.want(n == 0, "%d redacted again", n)
	var many []string // in turns, each document once
	for i := range 80 {
		many = append(many, mention.Keys(mention.Identifiers{Emails: []string{fmt.Sprintf("q%d@example.org", i)}})...)
	}
	w.put(c, w.letter(500, 1, "q3@example.org q77@example.org"))
	n, err = c.Mentions(w, ring.Redact, 1, eveID, many, func(*note) bool { return true })
	w.ok(err)
	w.want(n == 1, "%d found in turns", n)
}

func redactFenced(w *W) {
	c := w.letters()
	modes := []ring.Mode{0, ring.Hidden, ring.Restricted, ring.Erasing, ring.Erased}
	for i, m := range modes {
		owner := int64(i + 1)
		w.put(c, w.letter(owner, owner, "eve@example.org"))
		if m != 0 {
			w.ok(w.DB.Fence(w, subject(owner), fence(m, "s", 1)))
		}
	}
	w.put(c, w.letter(6, 6, "eve@example.org"))
	w.destroy(6)
	n, err := c.Redact(w, 1, eveID, eveKeys, c.Redactor(eve, false))
	w.ok(err)
	w.want(n == 4, "%d redacted", n)
	for owner := int64(2); owner <= 3; owner++ {
		w.ok(w.DB.Unfence(w, subject(owner), "s", ring.Token{Sequence: 2}))
		got, err := c.Get(w, ring.Read, 1, owner)
		w.ok(err)
		w.want(got.Text == mention.Mark, "text %q", got.Text)
	}
	w.want(w.still(c, ring.Sweep, eveKeys) == 1, "the erased one's letter was not left out")
}

func mentionsAtRest(w *W) {
	c := w.letters()
	w.put(c, w.letter(1, 1, "kanarienvogel-0042@example.org"))
	w.shut()
	for _, text := range []string{"kanarienvogel", "KANARIENVOGEL", "example.org"} {
		w.want(!w.atRest(text), "%q lies in the clear", text)
	}
}

// plain are the letters before anybody thought of mentions.
func (w *W) plain() *docstore.Collection[note] {
	c, err := docstore.Bind[note](w, w.DB, docstore.Spec{Name: "letters"})
	w.ok(err)
	return c
}

func mentionsBuilt(w *W) {
	c := w.plain()
	w.put(c, w.letter(1, 1, "eve@example.org"), w.letter(2, 2, "eve@example.org"), w.letter(3, 3, "eve@example.org"), w.letter(4, 4, "0170 1234567"))
	other := w.letter(9, 1, "eve@example.org")
	other.Account = 2
	w.ok(c.Insert(w, ring.Write, other))
	w.ok(w.DB.Fence(w, subject(2), fence(ring.Hidden, "h", 1)))
	w.destroy(3)
	w.reopen()
	before := w.DB.Stats()
	c = w.letters()
	w.wantIDs(w.mentioning(c, ring.Sweep, mailKey), 1, 2)
	w.wantIDs(w.mentioning(c, ring.Read, eveKeys), 1, 4)
	w.wantIDs(w.ids(c, ring.Read, docstore.Query{Index: "email", Eq: []any{"p1@example.org"}}), 1)
	page, err := c.Mentioning(w, ring.Read, 2, mailKey, "", 5)
	w.ok(err)
	w.want(len(page.Items) == 1 && page.Items[0].Rev == 1, "found %d in the other account", len(page.Items))
	w.want(w.DB.Stats().Sealed == before.Sealed, "building sealed something")
	w.put(c, w.letter(5, 1, "eve@example.org"))
	w.reopen()
	got := w.cost(func() { c = w.letters() })
	w.want(got.Opened == 0 && got.Writes == 0, "built again at the next start: %+v", got)
	w.reopen()
	c, err = docstore.Bind[note](w, w.DB, docstore.Spec{Name: "letters", Mentions: []string{"phones"}}) // another form
	w.ok(err)
	w.wantIDs(w.mentioning(c, ring.Read, mailKey))
	w.reopen()
	c = w.plain() // nobody keeps it up to date now
	w.put(c, w.letter(6, 1, "eve@example.org"))
	w.reopen()
	w.wantIDs(w.mentioning(w.letters(), ring.Read, mailKey), 1, 5, 6)
}

// behind opens the store behind another backend, which f makes.
func (w *W) behind(f func(docstore.Backend) docstore.Backend) {
	w.shut()
	broken := w.s.Backend
	w.s.Backend = func(b docstore.Backend) docstore.Backend {
		if broken != nil {
			b = broken(b)
		}
		return f(b)
	}
	w.open()
	w.s.Backend = broken
}

// walks hooks into the walk of a building.
type walks struct {
	docstore.Backend
	pages int
	each  func(page int, t *docstore.Table, hits docstore.Hits) error
}

func (s *walks) Walk(ctx context.Context, t *docstore.Table, after *docstore.Position, limit int, forbidden ring.Mode) (docstore.Hits, error) {
	s.pages++
	hits, err := s.Backend.Walk(ctx, t, after, limit, forbidden)
	if err == nil {
		err = s.each(s.pages, t, hits)
	}
	return hits, err
}

var errPower = errors.New("the power went")

func mentionsResumed(w *W) {
	c := w.plain()
	const docs = 150 // three pages
	for i := range int64(docs) {
		w.put(c, w.letter(i, i%3, "eve@example.org"))
	}
	w.behind(func(b docstore.Backend) docstore.Backend {
		return &walks{Backend: b, each: func(page int, _ *docstore.Table, _ docstore.Hits) error {
			if page == 3 {
				return errPower
			}
			return nil
		}}
	})
	_, err := docstore.Bind[note](w, w.DB, letterSpec)
	w.is(err, errPower)
	seen := 0
	w.behind(func(b docstore.Backend) docstore.Backend {
		return &walks{Backend: b, each: func(_ int, _ *docstore.Table, hits docstore.Hits) error { seen += len(hits.Rows); return nil }}
	})
	c = w.letters()
	w.want(seen > 0 && seen < docs/2, "%d documents were walked again", seen)
	n, err := c.Mentions(w, ring.Read, 1, eveID, mailKey, func(*note) bool { return true })
	w.ok(err)
	w.want(n == docs, "%d of %d found", n, docs)
}

// mentionsAmongWriters changes and deletes documents between a building's look and its write.
func mentionsAmongWriters(w *W) {
	c := w.plain()
	w.put(c, w.letter(1, 1, "eve@example.org"), w.letter(2, 1, "eve@example.org"), w.letter(3, 1, "eve@example.org"))
	w.behind(func(b docstore.Backend) docstore.Backend {
		return &walks{Backend: b, each: func(_ int, table *docstore.Table, _ docstore.Hits) error {
			err := b.Delete(w, table, 1, 3, 0, 0)
			for _, id := range []int64{2, 3} { // a change of state, which knows no tags
				if err == nil {
					_, _, err = b.UpdateWhere(w, table, &docstore.Find{Account: 1, Index: &table.Indexes[0], Eq: []docstore.Value{docstore.IntValue(id)}, Limit: 1},
						[]docstore.Assign{{Column: "state", Value: docstore.Value{Kind: docstore.Text, Text: "x"}}})
				}
			}
			return err
		}}
	})
	c = w.letters()
	w.wantIDs(w.mentioning(c, ring.Read, mailKey), 1, 2)
}

// redactCost wants the same calls among few letters and among many.
func redactCost(w *W) {
	c := w.letters()
	redact := func(at int64) docstore.Stats {
		for i := range int64(3) {
			w.put(c, w.letter(at+i, i, "eve@example.org"))
		}
		return w.cost(func() {
			n, err := c.Redact(w, 1, eveID, eveKeys, c.Redactor(eve, false))
			w.ok(err)
			w.want(n == 3, "%d redacted", n)
		})
	}
	few := redact(1)
	for i := range int64(40) {
		w.put(c, w.letter(1000+i, i%3, fmt.Sprintf("somebody-%d@example.org 0171 %07d", i, i)))
	}
	many := redact(10)
	few.Commits, many.Commits = 0, 0 // writes that meet share one
	w.want(few == many && few.Writes == 3, "among few %+v, among many %+v", few, many)
}
