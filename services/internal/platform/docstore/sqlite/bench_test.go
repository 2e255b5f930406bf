package sqlite_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sq "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore/sqlite"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// The benchmarks print what the port costs as a ratio to the same work done with
// the bare driver in the same run: below 1 the port is faster.

// plainTicket is a ticket with nothing sealed: what sealing costs is the difference.
type plainTicket struct {
	docstore.Meta
	Status  int32  `doc:"status" why:"bench"`
	Key     string `doc:"key" why:"bench"`
	Subject string `doc:"subject" why:"bench"`
	Body    string `doc:"body" why:"bench"`
}

// floor is the bare driver with the same settings, table and indexes.
type floor struct {
	c *sq.Conn
	n int64
}

func newFloor(b *testing.B) *floor {
	c, err := sq.OpenConn(filepath.Join(b.TempDir(), "floor.db"))
	check(b, err)
	b.Cleanup(func() { _ = c.Close() })
	for _, s := range []string{"PRAGMA synchronous=FULL", "PRAGMA secure_delete=ON", "PRAGMA cache_size=-4096",
		"CREATE TABLE t (doc INTEGER PRIMARY KEY, account INT, id INT, owner INT, rev INT, created INT, updated INT, kid BLOB, status INT, k TEXT, sealed BLOB, body BLOB)",
		"CREATE UNIQUE INDEX i1 ON t (account, id)", "CREATE INDEX i2 ON t (account, owner, id)",
		"CREATE INDEX i3 ON t (account, status, created, id, owner)", "CREATE UNIQUE INDEX i4 ON t (account, k)"} {
		check(b, sqlitex.ExecuteTransient(c, s, nil))
	}
	return &floor{c: c}
}

var filler = []byte(strings.Repeat("x", 550))

func (f *floor) insert(b *testing.B, n int) time.Duration {
	start := time.Now()
	for range n {
		f.n++
		s := f.c.Prep("INSERT INTO t (account,id,owner,rev,created,updated,kid,status,k,sealed,body) VALUES (1,?,?,1,?,?,?,2,?,?,?)")
		s.BindInt64(1, f.n)
		s.BindInt64(2, f.n%100)
		s.BindInt64(3, time.Now().UnixMilli())
		s.BindInt64(4, time.Now().UnixMilli())
		s.BindBytes(5, filler[:16])
		s.BindText(6, fmt.Sprint("k", f.n))
		s.BindBytes(7, filler[:50])
		s.BindBytes(8, filler[:540])
		_, err := s.Step()
		check(b, err)
	}
	return time.Since(start)
}

func (f *floor) list(b *testing.B, n int) time.Duration {
	start := time.Now()
	for range n {
		s := f.c.Prep("SELECT account,id,owner,rev,created,updated,kid,status,k,sealed FROM t WHERE account=1 AND status=2 AND created>=0 ORDER BY created, id LIMIT 30")
		for {
			row, err := s.Step()
			check(b, err)
			if !row {
				break
			}
			for i := range 6 {
				_ = s.ColumnInt64(i)
			}
			buf := make([]byte, s.ColumnLen(9))
			s.ColumnBytes(9, buf)
			_ = s.ColumnText(8)
		}
	}
	return time.Since(start)
}

// ratio reports d per op of n as a multiple of the floor's.
func ratio(b *testing.B, name string, d time.Duration, n int, base time.Duration, m int) {
	b.ReportMetric(float64(d)/float64(n)/(float64(base)/float64(m)), name)
}

// prefill makes the owners, so that the benchmark is not about first documents.
func prefill(b *testing.B, w *world, owners int64) {
	for i := range owners {
		check(b, w.tickets.Insert(b.Context(), ring.Write, newTicket(-1-i, i)))
	}
}

// BenchmarkInsert writes in turn a ticket with the bare driver, one with nothing
// sealed and one as it is, so that a moody disk hits all three alike.
func BenchmarkInsert(b *testing.B) {
	f := newFloor(b)
	w := newWorld(b, sqlite.Options{})
	prefill(b, w, 100)
	spec := ticketSpec
	spec.Name = "plain"
	plain, err := docstore.Bind[plainTicket](b.Context(), w.db, spec)
	check(b, err)
	var bare, unsealed, sealed time.Duration
	id := int64(0)
	for b.Loop() {
		id++
		bare += f.insert(b, 1)
		t := newTicket(id, id%100)
		start := time.Now()
		check(b, plain.Insert(b.Context(), ring.Write, &plainTicket{Meta: t.Meta, Status: 2, Key: t.Key, Subject: t.Subject, Body: t.Body}))
		unsealed += time.Since(start)
		start = time.Now()
		check(b, w.tickets.Insert(b.Context(), ring.Write, t))
		sealed += time.Since(start)
	}
	ratio(b, "x-bare", sealed, b.N, bare, b.N)
	ratio(b, "x-unsealed", sealed, b.N, unsealed, b.N)
}

func BenchmarkInsert16Writers(b *testing.B) {
	run := func(w *world, n int) time.Duration {
		var wg sync.WaitGroup
		var id atomic.Int64
		start := time.Now()
		for range 16 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for {
					i := id.Add(1)
					if i > int64(n) {
						return
					}
					if err := w.tickets.Insert(b.Context(), ring.Write, newTicket(i, i%100)); err != nil {
						b.Error(err)
						return
					}
				}
			}()
		}
		wg.Wait()
		return time.Since(start)
	}
	alone := newWorld(b, sqlite.Options{Batch: 1})
	prefill(b, alone, 100)
	base := run(alone, 2000)
	w := newWorld(b, sqlite.Options{})
	prefill(b, w, 100)
	b.ResetTimer()
	d := run(w, b.N)
	ratio(b, "x-without-group-commit", d, b.N, base, 2000)
	f := newFloor(b)
	ratio(b, "x-bare-single-writer", d, b.N, f.insert(b, 1000), 1000)
}

func BenchmarkUpdateState(b *testing.B) {
	f := newFloor(b)
	w := newWorld(b, sqlite.Options{})
	doc := newTicket(1, 1)
	check(b, w.tickets.Insert(b.Context(), ring.Write, doc))
	var bare, update time.Duration
	for b.Loop() {
		bare += f.insert(b, 1)
		start := time.Now()
		doc.Status++
		check(b, w.tickets.Update(b.Context(), ring.Write, doc))
		update += time.Since(start)
	}
	ratio(b, "x-bare-insert", update, b.N, bare, b.N)
}

func BenchmarkGet(b *testing.B) {
	w := newWorld(b, sqlite.Options{})
	prefill(b, w, 100)
	i := int64(0)
	for b.Loop() {
		i++
		_, err := w.tickets.Get(b.Context(), ring.Read, 1, -1-i%100)
		check(b, err)
	}
}

// BenchmarkList is a warm page of 30 of 30 owners.
func BenchmarkList(b *testing.B) {
	f := newFloor(b)
	f.insert(b, 2000)
	w := newWorld(b, sqlite.Options{})
	prefill(b, w, 200)
	f.list(b, 100)
	base := f.list(b, 2000)
	before := w.db.Stats()
	for b.Loop() {
		page, err := w.tickets.Find(b.Context(), ring.Read, 1, docstore.Query{Index: "by_status", Eq: []any{2}, Limit: 30})
		if err != nil || len(page.Items) != 30 {
			b.Fatal(err, len(page.Items))
		}
	}
	after := w.db.Stats()
	ratio(b, "x-bare", b.Elapsed(), b.N, base, 2000)
	b.ReportMetric(float64(after.Opened-before.Opened)/float64(b.N), "opened/op")
}
