package sqlite_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore/sqlite"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// copies counts a text in the raw files of the store.
func (w *world) copies(t *testing.T, text string) (n int) {
	t.Helper()
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(w.path() + suffix)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		n += bytes.Count(data, []byte(text))
	}
	return n
}

// TestScrub deletes one person's documents among many, whose clear keys carry a
// marker, and wants no byte of it left anywhere.
func TestScrub(t *testing.T) {
	w := newWorld(t, sqlite.Options{})
	ctx := t.Context()
	const marker = "kanarienvogel"
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range int64(1500) {
		doc := newTicket(i, i%3)
		doc.Key = fmt.Sprint(rnd.Uint64(), strings.Repeat("y", rnd.IntN(60)))
		if doc.Owner == 1 {
			doc.Key = fmt.Sprint(rnd.Uint64(), marker, strings.Repeat("z", rnd.IntN(60)))
		}
		doc.Body = strings.Repeat("b", rnd.IntN(3000))
		check(t, w.tickets.Insert(ctx, ring.Write, doc))
		if i%7 == 0 { // growing documents move cells about
			doc.Key += "more and more"
			check(t, w.tickets.Update(ctx, ring.Write, doc))
		}
	}
	for more := true; more; {
		var err error
		_, more, err = w.tickets.DeleteWhere(ctx, ring.Sweep, 1, docstore.Query{Index: "owner", Eq: []any{1}, Limit: 100})
		check(t, err)
	}
	before := w.copies(t, marker)
	if before == 0 {
		t.Error("nothing was left before the scrub: the test proves nothing")
	}
	looked, rewritten, err := w.db.Scrub(ctx)
	check(t, err)
	if after := w.copies(t, marker); after != 0 {
		t.Errorf("%d copies of %d are left, %d pages of %d rewritten", after, before, rewritten, looked)
	}
	t.Logf("%d copies before, %d pages looked at, %d rewritten", before, looked, rewritten)
	n, err := w.tickets.Count(ctx, ring.Read, 1, docstore.Query{Index: "by_status", Eq: []any{2}})
	check(t, err)
	if n != 1000 {
		t.Errorf("%d documents are left of 1000", n)
	}
	check(t, w.db.Close())
	raw(t, w.path(), "CREATE TEMP TABLE ok (x CHECK (x='ok')); INSERT INTO ok SELECT * FROM pragma_integrity_check")
}
