package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sq "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore/sqlite"
	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

type ticket struct {
	docstore.Meta
	Status  int32    `doc:"status" why:"test"`
	Key     string   `doc:"key" why:"test"`
	Subject string   `doc:"subject,seal" why:"test"`
	Labels  []string `doc:"labels" why:"test"`
	Body    string   `doc:"body,seal,body" why:"test"`
}

var ticketSpec = docstore.Spec{Name: "tickets", Indexes: []docstore.Index{
	{Name: "by_status", Fields: []string{"status", "created_at"}},
	{Name: "by_key", Fields: []string{"key"}, Unique: true},
}}

// world is a store with its key file, as a service has it.
type world struct {
	dir     string
	db      *docstore.DB
	tickets *docstore.Collection[ticket]
	close   func()
}

func newWorld(t testing.TB, o sqlite.Options) *world {
	t.Helper()
	return openWorld(t, t.TempDir(), o, docstore.Options{})
}

// openWorld opens what is in dir, or makes it.
func openWorld(t testing.TB, dir string, o sqlite.Options, opts docstore.Options) *world {
	t.Helper()
	return openWorldOver(t, dir, o, opts, func(b docstore.Backend) docstore.Backend { return b })
}

// openWorldOver puts what over makes between the store and its backend.
func openWorldOver(t testing.TB, dir string, o sqlite.Options, opts docstore.Options, over func(docstore.Backend) docstore.Backend) *world {
	t.Helper()
	w := &world{dir: dir}
	master, err := keyring.OpenMaster(filepath.Join(w.dir, "master"))
	check(t, err)
	keys, err := keyring.Open(t.Context(), keyring.Options{Dir: w.dir, Service: "t", Master: master})
	check(t, err)
	b, err := sqlite.Open(t.Context(), w.path(), o)
	check(t, err)
	opts.Service, opts.Keys = "t", keys
	w.db, err = docstore.New(t.Context(), over(b), opts)
	check(t, err)
	w.tickets, err = docstore.Bind[ticket](t.Context(), w.db, ticketSpec)
	check(t, err)
	w.close = func() { check(t, errors.Join(w.db.Close(), keys.Close())) }
	t.Cleanup(func() { _ = w.db.Close(); _ = keys.Close() })
	return w
}

func (w *world) path() string { return filepath.Join(w.dir, "t.db") }

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newTicket(id, owner int64) *ticket {
	return &ticket{Meta: docstore.Meta{Account: 1, ID: id, Owner: owner}, Status: 2, Key: fmt.Sprint("k", id), Subject: fmt.Sprint("subject ", id), Body: strings.Repeat("x", 500)}
}

func wantSentence(t *testing.T, err error, part string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), part) {
		t.Fatalf("error %v, want one with %q", err, part)
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	w := newWorld(t, sqlite.Options{})
	_, err := sqlite.Open(t.Context(), w.path(), sqlite.Options{})
	wantSentence(t, err, "in use by another process; stop that one")
	check(t, w.db.Close())
	b, err := sqlite.Open(t.Context(), w.path(), sqlite.Options{})
	check(t, err)
	check(t, b.Close())
}

// raw runs SQL on a closed store, past the package.
func raw(t *testing.T, path, sql string) {
	t.Helper()
	c, err := sq.OpenConn(path)
	check(t, err)
	check(t, sqlitex.ExecuteScript(c, sql, nil))
	check(t, c.Close())
}

func TestForeignAndNewerFilesAreRefused(t *testing.T) {
	w := newWorld(t, sqlite.Options{})
	check(t, w.db.Close())
	raw(t, w.path(), "PRAGMA user_version=99")
	_, err := sqlite.Open(t.Context(), w.path(), sqlite.Options{})
	wantSentence(t, err, "written by a newer version of Lethe (format 99, this one knows 2); start that version")
	other := filepath.Join(w.dir, "other.db")
	raw(t, other, "CREATE TABLE x (y)")
	_, err = sqlite.Open(t.Context(), other, sqlite.Options{})
	wantSentence(t, err, "not a store of Lethe")
	info, err := os.Stat(w.path())
	check(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v", info.Mode())
	}
}

// TestOneFailureOfABatchFailsAlone runs writers of which every third is refused
// for another reason, so that batches hold both sorts.
func TestOneFailureOfABatchFailsAlone(t *testing.T) {
	w := newWorld(t, sqlite.Options{})
	ctx := t.Context()
	check(t, w.tickets.Insert(ctx, ring.Write, newTicket(1, 1)))
	check(t, w.db.Fence(ctx, ring.Subject{Account: 1, ID: 2}, ring.Fence{Mode: ring.Erasing, Saga: "s"}))
	const n = 300
	errs := make([]error, n)
	before := w.db.Stats()
	var wg sync.WaitGroup
	for i := range errs {
		wg.Add(1)
		go func() {
			defer wg.Done()
			doc := newTicket(int64(i+10), 1)
			switch i % 3 {
			case 1:
				doc.Owner = 2
			case 2:
				doc.Key = "k1"
			}
			errs[i] = w.tickets.Insert(ctx, ring.Write, doc)
		}()
	}
	wg.Wait()
	for i, err := range errs {
		if want := []error{nil, docstore.ErrFenced, docstore.ErrExists}[i%3]; !errors.Is(err, want) {
			t.Fatalf("insert %d: %v, want %v", i, err, want)
		}
		_, err := w.tickets.Get(ctx, ring.Sweep, 1, int64(i+10))
		if (err == nil) != (i%3 == 0) {
			t.Fatalf("document %d: %v", i, err)
		}
	}
	after := w.db.Stats()
	if commits := after.Commits - before.Commits; commits >= n/3 {
		t.Errorf("%d commits for %d inserts: no group commit", commits, n/3)
	}
}

func TestEndedContext(t *testing.T) {
	w := newWorld(t, sqlite.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	check(t, w.tickets.Insert(ctx, ring.Write, newTicket(1, 1)))
	cancel()
	if err := w.tickets.Insert(ctx, ring.Write, newTicket(2, 1)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := w.tickets.Find(ctx, ring.Read, 1, docstore.Query{Index: "id", Limit: 1}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := w.tickets.Get(t.Context(), ring.Read, 1, 2); !errors.Is(err, docstore.ErrNotFound) {
		t.Error(err)
	}
	check(t, w.db.Close())
	if err := w.tickets.Insert(t.Context(), ring.Write, newTicket(3, 1)); !errors.Is(err, docstore.ErrUnavailable) {
		t.Error(err)
	}
}

// TestSealIsBound moves sealed bytes to where they do not belong.
func TestSealIsBound(t *testing.T) {
	for name, sql := range map[string]string{
		"other id":        "UPDATE d_tickets SET sealed=(SELECT sealed FROM d_tickets WHERE id=2) WHERE id=1",
		"other part":      "UPDATE d_tickets SET sealed=body, seal_ver=body_ver WHERE id=1",
		"older version":   "UPDATE d_tickets SET seal_ver=seal_ver+1 WHERE id=1",
		"one bit":         "UPDATE d_tickets SET sealed=substr(sealed, 1, length(sealed)-1)||x'00' WHERE id=1",
		"other account":   "UPDATE d_tickets SET account=2 WHERE id=1; INSERT INTO ring SELECT 2, subject, version, modes, slot, kid, seq, epoch, stage, dying, fences FROM ring WHERE account=1 AND subject=1",
		"other person":    "UPDATE d_tickets SET owner=3 WHERE id=1",
		"other key id":    "UPDATE d_tickets SET kid=randomblob(16) WHERE id=1",
		"control: itself": "UPDATE d_tickets SET sealed=sealed WHERE id=1",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, sqlite.Options{})
			ctx := t.Context()
			for _, doc := range []*ticket{newTicket(1, 1), newTicket(2, 1), newTicket(3, 3)} {
				check(t, w.tickets.Insert(ctx, ring.Write, doc))
			}
			raw(t, w.path(), sql)
			account := int64(1)
			if name == "other account" {
				account = 2
			}
			doc, err := w.tickets.Get(ctx, ring.Read, account, 1)
			if control := strings.HasPrefix(name, "control"); (err == nil) != control {
				t.Errorf("document %+v, error %v", doc, err)
			}
		})
	}
}

// TestNewFieldsAndIndexes binds a later version of a type to the same table.
func TestNewFieldsAndIndexes(t *testing.T) {
	type later struct {
		docstore.Meta
		Status  int32      `doc:"status" why:"test"`
		Key     string     `doc:"key" why:"test"`
		Closed  *time.Time `doc:"closed" why:"test"`
		Count   int        `doc:"count" why:"test"`
		Subject string     `doc:"subject,seal" why:"test"`
		Labels  []string   `doc:"labels" why:"test"`
		Body    string     `doc:"body,seal,body" why:"test"`
	}
	w := newWorld(t, sqlite.Options{})
	ctx := t.Context()
	check(t, w.tickets.Insert(ctx, ring.Write, newTicket(1, 1)))
	check(t, w.db.Close())
	open := func(spec docstore.Spec) (*docstore.Collection[later], error) {
		master, err := keyring.OpenMaster(filepath.Join(w.dir, "master"))
		check(t, err)
		dir := t.TempDir()
		keys, err := keyring.Open(ctx, keyring.Options{Dir: dir, Service: "t", Master: master})
		check(t, err)
		b, err := sqlite.Open(ctx, w.path(), sqlite.Options{})
		check(t, err)
		db, err := docstore.New(ctx, b, docstore.Options{Service: "t", Keys: keys})
		check(t, err)
		t.Cleanup(func() { _ = db.Close(); _ = keys.Close() })
		c, err := docstore.Bind[later](ctx, db, spec)
		if err != nil {
			check(t, db.Close())
		}
		return c, err
	}
	spec := docstore.Spec{Name: "tickets", Indexes: []docstore.Index{{Name: "by_status", Fields: []string{"status", "closed"}}}}
	c, err := open(spec)
	check(t, err)
	n, err := c.Count(ctx, ring.Read, 1, docstore.Query{Index: "by_status", Eq: []any{2, nil}})
	check(t, err)
	if n != 1 {
		t.Errorf("count %d", n)
	}
}

// An index over a list that is declared while documents are there is filled from
// them, and again when its form changes; one that was complete stays.
func TestListIndexIsBuiltOverDocuments(t *testing.T) {
	w := newWorld(t, sqlite.Options{})
	ctx := t.Context()
	for i, labels := range [][]string{{"a", "b"}, {"b"}, nil} {
		doc := newTicket(int64(i+1), int64(i+1))
		doc.Labels = labels
		check(t, w.tickets.Insert(ctx, ring.Write, doc))
	}
	for _, fields := range [][]string{{"labels"}, {"labels"}, {"status", "labels"}} {
		spec := ticketSpec
		spec.Indexes = append(slices.Clone(ticketSpec.Indexes), docstore.Index{Name: "by_label", Fields: fields})
		w.close()
		w = openWorldAs(t, w.dir, spec)
		eq := []any{"b"}
		if fields[0] == "status" {
			eq = []any{2, "b"}
		}
		n, err := w.tickets.Count(ctx, ring.Read, 1, docstore.Query{Index: "by_label", Eq: eq})
		check(t, err)
		if n != 2 {
			t.Errorf("%v: %d documents with a label that two have", fields, n)
		}
		// The control: what is written from now on is found as well.
		doc := newTicket(9, 9)
		doc.Labels = []string{"b"}
		check(t, w.tickets.Insert(ctx, ring.Write, doc))
		if n, err = w.tickets.Count(ctx, ring.Read, 1, docstore.Query{Index: "by_label", Eq: eq}); err != nil || n != 3 {
			t.Errorf("%v: %d documents after one more, %v", fields, n, err)
		}
		check(t, w.tickets.Delete(ctx, ring.Write, 1, 9, 0))
	}
}

// openWorldAs opens what is in dir with a collection declared otherwise.
func openWorldAs(t *testing.T, dir string, spec docstore.Spec) *world {
	t.Helper()
	old := ticketSpec
	ticketSpec = spec
	defer func() { ticketSpec = old }()
	return openWorld(t, dir, sqlite.Options{}, docstore.Options{})
}

// TestNoWordOfADocumentInErrors wants errors without values even when the disk answers nonsense.
func TestNoWordOfADocumentInErrors(t *testing.T) {
	w := newWorld(t, sqlite.Options{})
	doc := newTicket(1, 1)
	doc.Subject, doc.Key = "kanarienvogel", "kanarienvogel"
	check(t, w.tickets.Insert(t.Context(), ring.Write, doc))
	raw(t, w.path(), "DROP TABLE ring")
	for _, err := range []error{w.tickets.Update(t.Context(), ring.Write, doc), w.tickets.Insert(t.Context(), ring.Write, doc)} {
		if !errors.Is(err, docstore.ErrUnavailable) || bytes.Contains([]byte(err.Error()), []byte("kanarienvogel")) {
			t.Errorf("error %v", err)
		}
	}
}
