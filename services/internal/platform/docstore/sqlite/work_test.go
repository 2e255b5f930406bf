package sqlite_test

import (
	"bytes"
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore/sqlite"
	"github.com/lethe-desk/lethe/services/internal/platform/mention"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// TestOlderFileIsBroughtUp opens a file of format 1 and lets a collection gain mentions.
func TestOlderFileIsBroughtUp(t *testing.T) {
	w := newWorld(t, sqlite.Options{})
	ctx := t.Context()
	spec := docstore.Spec{Name: "letters", Blind: []docstore.Blind{{Name: "subject", Field: "subject"}}}
	type letter ticket
	old, err := docstore.Bind[letter](ctx, w.db, spec)
	check(t, err)
	doc := letter(*newTicket(1, 1))
	doc.Subject, doc.Body = "s", "mail eve@example.org"
	check(t, old.Insert(ctx, ring.Write, &doc))
	w.close()
	raw(t, w.path(), "DROP TABLE blinds; PRAGMA user_version=1")

	w = openWorld(t, w.dir, sqlite.Options{}, docstore.Options{})
	spec.Mentions = []string{"subject", "body"}
	letters, err := docstore.Bind[letter](ctx, w.db, spec)
	check(t, err)
	if got := w.db.Stats().Opened; got != 2 {
		t.Errorf("%d parts were opened for the new indexes, want the 2 of one document", got)
	}
	page, err := letters.Mentioning(ctx, ring.Read, 1, mention.Keys(mention.Identifiers{Emails: []string{"eve@example.org"}}), "", 5)
	check(t, err)
	n, err := letters.Count(ctx, ring.Read, 1, docstore.Query{Index: "subject", Eq: []any{"s"}})
	check(t, err)
	if len(page.Items) != 1 || n != 1 {
		t.Errorf("%d letters mention her, %d are found by the old index", len(page.Items), n)
	}
}

// clock hands out waits one at a time and says when somebody waits.
type clock struct {
	waits chan wait
}

type wait struct {
	d   time.Duration
	due chan time.Time
}

func (c *clock) after(d time.Duration) (<-chan time.Time, func()) {
	due := make(chan time.Time, 1)
	c.waits <- wait{d, due}
	return due, func() {}
}

// TestScheduledScrub lets days pass and wants a scrub for each, on demand one
// more, and nothing that runs on after Close.
func TestScheduledScrub(t *testing.T) {
	var log bytes.Buffer
	w := openWorld(t, t.TempDir(), sqlite.Options{}, docstore.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	const marker = "kanarienvogel"
	fill := func(from int64) {
		for i := from; i < from+200; i++ {
			doc := newTicket(i, 1)
			doc.Key += marker
			check(t, w.tickets.Insert(t.Context(), ring.Write, doc))
		}
		for more := true; more; {
			var err error
			_, more, err = w.tickets.DeleteWhere(t.Context(), ring.Sweep, 1, docstore.Query{Index: "owner", Eq: []any{1}, Limit: 100})
			check(t, err)
		}
	}
	fill(1)
	c := &clock{waits: make(chan wait, 2)}
	w.db.StartScrub(0, c.after)
	w.db.StartScrub(time.Hour, c.after) // one schedule is enough
	first := <-c.waits
	if first.d != docstore.ScrubEvery {
		t.Errorf("the first scrub comes after %v", first.d)
	}
	if w.copies(t, marker) == 0 || w.db.Stats().Scrubs != 0 {
		t.Error("scrubbed before it was due: the test proves nothing")
	}
	first.due <- time.Time{}
	second := <-c.waits // it waits again: the first one is over
	if n := w.copies(t, marker); n != 0 || w.db.Stats().Scrubs != 1 {
		t.Errorf("%d copies are left after %d scrubs", n, w.db.Stats().Scrubs)
	}
	fill(1000)
	_, _, err := w.db.Scrub(t.Context())
	check(t, err)
	if n := w.copies(t, marker); n != 0 {
		t.Errorf("%d copies are left after a scrub on demand", n)
	}
	second.due <- time.Time{}
	<-c.waits
	if got := w.db.Stats().Scrubs; got != 3 {
		t.Errorf("%d scrubs", got)
	}
	check(t, w.db.Close())
	if len(c.waits) != 0 || strings.Count(log.String(), "store scrubbed") != 3 {
		t.Errorf("%d waits after the end, log:\n%s", len(c.waits), &log)
	}
}

// TestSpansWithoutValues wants a span per call below a recorded one, and in it
// only what was done to which collection.
func TestSpansWithoutValues(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	tracer := provider.Tracer("test")
	w := openWorld(t, t.TempDir(), sqlite.Options{}, docstore.Options{Tracer: tracer})
	const canary = "kanarienvogel"
	doc := newTicket(4242, 77)
	doc.Key, doc.Subject = canary, canary
	check(t, w.tickets.Insert(t.Context(), ring.Write, doc))
	if n := len(spans.GetSpans()); n != 0 {
		t.Errorf("%d spans without one above", n)
	}
	ctx, top := tracer.Start(t.Context(), "top")
	_, err := w.tickets.Find(ctx, ring.Read, 1, docstore.Query{Index: "by_key", Eq: []any{canary}, Limit: 5})
	check(t, err)
	_, _, err = w.db.Claimant(ctx, 1, "email", canary)
	if err == nil || w.tickets.Delete(ctx, ring.Write, 1, 1, 0) == nil {
		t.Error("found what is not there")
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if w.tickets.Update(ended, ring.Write, doc) == nil {
		t.Error("wrote after the end")
	}
	top.End()
	var got []string
	for _, s := range spans.GetSpans() {
		line := s.Name
		for _, a := range s.Attributes {
			line += " " + string(a.Key) + "=" + a.Value.String()
		}
		got = append(got, line)
		if strings.Contains(line, canary) || strings.Contains(line, "4242") || strings.Contains(line, "77") || s.Status.Description != "" || len(s.Events) > 0 {
			t.Errorf("span %q says too much: %+v", line, s.Status)
		}
		if s.Name != "top" && s.Parent.SpanID() != top.SpanContext().SpanID() {
			t.Errorf("span %q hangs elsewhere", s.Name)
		}
	}
	for _, want := range []string{
		"db find db.operation.name=find db.collection.name=tickets",
		"db get_claim db.operation.name=get_claim error.type=not found",
		"db delete db.operation.name=delete db.collection.name=tickets error.type=not found",
		"db update db.operation.name=update db.collection.name=tickets error.type=context canceled",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("no span %q in %q", want, got)
		}
	}
}

// spy keeps the last query.
type spy struct {
	docstore.Backend
	table *docstore.Table
	find  *docstore.Find
}

func (s *spy) Find(ctx context.Context, t *docstore.Table, f *docstore.Find) (docstore.Hits, error) {
	s.table, s.find = t, f
	return s.Backend.Find(ctx, t, f)
}

// TestSearchByWindows pages through documents with one of several tags, in windows of
// all sizes, in both directions, and wants what a plain look at all of them gives.
func TestSearchByWindows(t *testing.T) {
	type letter ticket
	ctx := t.Context()
	s := &spy{}
	w := openWorldOver(t, t.TempDir(), sqlite.Options{}, docstore.Options{}, func(b docstore.Backend) docstore.Backend { s.Backend = b; return s })
	letters, err := docstore.Bind[letter](ctx, w.db, docstore.Spec{Name: "letters", Mentions: []string{"subject", "body"}})
	check(t, err)
	rnd := rand.New(rand.NewPCG(3, 4))
	forms := []string{"eve@example.org", "0170 1234567", "CUST-0042", "nobody@example.org"}
	var want []int64
	for id := range int64(60) {
		doc := letter(*newTicket(id, id%5))
		subject, body := rnd.IntN(4), rnd.IntN(4)
		doc.Subject, doc.Body = forms[subject], forms[body]
		check(t, letters.Insert(ctx, ring.Write, &doc))
		if (subject < 3 || body < 3) && doc.Owner != 2 {
			want = append(want, id)
		}
	}
	check(t, w.db.Fence(ctx, ring.Subject{Account: 1, ID: 2}, ring.Fence{Mode: ring.Hidden, Saga: "h", Token: ring.Token{Sequence: 1}}))
	keys := mention.Keys(mention.Identifiers{Emails: forms[:1], Phones: forms[1:2], ExternalIDs: forms[2:3]})
	_, err = letters.Mentioning(ctx, ring.Read, 1, keys, "", 1)
	check(t, err)
	for n := 1; n < 40; n += 3 {
		sqlite.SetMinWindow(t, n)
		for limit := 1; limit < 9; limit += 2 {
			for _, desc := range []bool{false, true} {
				find := *s.find
				find.Desc, find.Limit, find.After = desc, limit, nil
				var got []int64
				for pages := 0; pages < 100; pages++ {
					hits, err := s.Backend.Find(ctx, s.table, &find)
					check(t, err)
					for i := range hits.Rows {
						got = append(got, hits.Rows[i].ID)
					}
					if find.After = hits.Last; hits.Last == nil {
						break
					}
					if len(hits.Rows) != limit {
						t.Fatalf("a page of %d in the middle, limit %d", len(hits.Rows), limit)
					}
				}
				if desc {
					slices.Reverse(got)
				}
				if !slices.Equal(got, want) {
					t.Fatalf("windows of %d, pages of %d, descending %v: %v, want %v", n, limit, desc, got, want)
				}
			}
		}
	}
}
