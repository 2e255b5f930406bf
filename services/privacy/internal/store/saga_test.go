package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore/sqlite"
	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga/sagatest"
)

// sagas opens the adapter on a SQLite file of its own.
func sagas(t *testing.T) (*Sagas, *docstore.DB) {
	t.Helper()
	dir := t.TempDir()
	master, err := keyring.OpenMaster(filepath.Join(dir, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := keyring.Open(t.Context(), keyring.Options{Dir: dir, Service: "privacy", Master: master})
	if err != nil {
		t.Fatal(err)
	}
	backend, err := sqlite.Open(t.Context(), filepath.Join(dir, "privacy.sqlite"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	db, err := docstore.New(t.Context(), backend, docstore.Options{Service: "privacy", Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(db.Close(), keys.Close()); err != nil {
			t.Error(err)
		}
	})
	s, err := NewSagas(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	return s, db
}

// rows are a reference store and the adapter, which must answer alike.
type rows struct {
	t    *testing.T
	mem  saga.Store
	disk saga.Store
}

func (r rows) same(what string, a, b any, errA, errB error) {
	r.t.Helper()
	if !errors.Is(errB, errA) || (errA == nil) != (errB == nil) {
		r.t.Errorf("%s: reference %v, adapter %v", what, errA, errB)
	}
	if !reflect.DeepEqual(a, b) {
		r.t.Errorf("%s:\nreference %+v\nadapter   %+v", what, a, b)
	}
}

// plain returns a row without what belongs to its store.
func plain(r *saga.Row) *saga.Row {
	if r == nil {
		return nil
	}
	c := r.Clone()
	c.Handle = nil
	return c
}

func (r rows) load(id string) {
	r.t.Helper()
	a, errA := r.mem.Load(r.t.Context(), id)
	b, errB := r.disk.Load(r.t.Context(), id)
	r.same("load "+id, plain(a), plain(b), errA, errB)
}

func (r rows) list(f saga.Filter) {
	r.t.Helper()
	walk := func(s saga.Store) (ids []string) {
		cursor := ""
		for {
			page, next, err := s.List(r.t.Context(), f, cursor, 2)
			if err != nil {
				r.t.Fatalf("%+v: %v", f, err)
			}
			for _, row := range page {
				ids = append(ids, row.ID)
			}
			if cursor = next; cursor == "" {
				return ids
			}
		}
	}
	a, b := walk(r.mem), walk(r.disk)
	if f.Account == 0 { // in the order of what is due, which the reference does not keep
		slices.Sort(a)
		slices.Sort(b)
	}
	r.same(fmt.Sprintf("list %+v", f), a, b, nil, nil)
}

// TestSagaStore does the same with the adapter and the store of the engine's own tests.
func TestSagaStore(t *testing.T) {
	disk, _ := sagas(t)
	r := rows{t: t, mem: sagatest.NewStore(), disk: disk}
	base := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	states := saga.States()
	for i := range 12 {
		id := fmt.Sprintf("%d-%d", 1+i%2, 100+i)
		row := &saga.Row{
			ID: id, Account: int64(1 + i%2), Subject: int64(i % 3), Kind: []string{"erase", "export"}[i%4/2], Version: 1,
			State: states[i%len(states)], Phase: saga.PhaseOpen, Epoch: 1, CreatedAt: base.Add(time.Duration(i) * time.Second), UpdatedAt: base,
			Steps: []saga.StepRow{{Name: "a", Stage: "s", State: saga.StepPending, Refs: map[string]string{"k": "v"}}},
			Log:   []saga.LogEntry{{Seq: 1, At: base, State: saga.StatePending, Stage: "s"}}, Seq: 1, Refs: map[string]string{"request": "7"},
		}
		if !row.State.Ended() && row.State != saga.StateParked {
			row.DueAt = base.Add(time.Duration(i) * time.Minute)
		}
		a, b := row.Clone(), row.Clone()
		r.same("create", nil, nil, r.mem.Create(t.Context(), a), r.disk.Create(t.Context(), b))
		r.load(id)
		again := row.Clone()
		r.same("create again", nil, nil, saga.ErrExists, r.disk.Create(t.Context(), again))
	}
	for _, bad := range []string{"1-1", "3-100", "x", "1-100x"} {
		r.load(bad)
	}
	for _, f := range []saga.Filter{
		{Account: 1}, {Account: 2, Active: true}, {Account: 1, Subject: 2}, {Account: 1, Kind: "erase"}, {Account: 2, State: saga.StateParked},
		{Account: 1, Subject: 1, Kind: "export", Active: true}, {Active: true}, {Active: true, Kind: "erase"}, {Active: true, State: saga.StateParked}, {Account: 9},
	} {
		r.list(f)
	}
	for _, at := range []time.Duration{-time.Second, 0, 4 * time.Minute, time.Hour} {
		for _, limit := range []int{1, 3, 64} {
			a, errA := r.mem.Due(t.Context(), base.Add(at), limit)
			b, errB := r.disk.Due(t.Context(), base.Add(at), limit)
			r.same("due", append([]string{}, a...), append([]string{}, b...), errA, errB)
		}
	}
	if _, _, err := disk.List(t.Context(), saga.Filter{}, "", 10); !errors.Is(err, saga.ErrArgument) {
		t.Errorf("all sagas of all accounts: %v", err)
	}
}

// TestSagaSave is a compare-and-swap, with a handle and without.
func TestSagaSave(t *testing.T) {
	s, db := sagas(t)
	row := &saga.Row{ID: "1-1", Account: 1, State: saga.StateRunning, CreatedAt: time.Now(), UpdatedAt: time.Now()}
	if err := s.Create(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	stale := row.Clone()
	reads := db.Stats().Reads
	for want := int64(2); want < 5; want++ {
		row.Turn++
		if err := s.Save(t.Context(), row); err != nil || row.Rev != want {
			t.Fatalf("revision %d, %v", row.Rev, err)
		}
	}
	if n := db.Stats().Reads - reads; n != 0 {
		t.Errorf("a save of the row in hand reads %d times", n)
	}
	if err := s.Save(t.Context(), stale); !errors.Is(err, saga.ErrStale) || stale.Rev != 1 {
		t.Errorf("stale: %v, revision %d", err, stale.Rev)
	}
	fresh := row.Clone()
	fresh.Handle = nil
	if err := s.Save(t.Context(), fresh); err != nil {
		t.Errorf("without a handle: %v", err)
	}
	if err := s.Save(t.Context(), row); !errors.Is(err, saga.ErrStale) {
		t.Errorf("overtaken: %v", err)
	}
	if err := s.Save(t.Context(), &saga.Row{ID: "1-2", Account: 1, Rev: 1}); !errors.Is(err, saga.ErrNotFound) {
		t.Errorf("of nothing: %v", err)
	}
	if err := s.Save(t.Context(), &saga.Row{ID: "1-1", Account: 2, Rev: 1}); !errors.Is(err, saga.ErrNotFound) {
		t.Errorf("under another account's name: %v", err)
	}
}

// TestSagaEngine runs the six-call saga on the real store: five durable commits.
func TestSagaEngine(t *testing.T) {
	s, db := sagas(t)
	w := sagatest.NewWorld()
	e := saga.New(s, saga.Options{Embedded: true})
	if err := e.Register(w.Six(nil)); err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	for i := range 3 {
		before := db.Stats().Commits
		row, err := e.Create(t.Context(), saga.Spec{Kind: "six", Account: 1, Subject: int64(i)})
		if err != nil {
			t.Fatal(err)
		}
		if row, err = e.Await(t.Context(), row.ID, nil); err != nil || row.State != saga.StateCompleted {
			t.Fatalf("%+v, %v", row, err)
		}
		stored, err := s.Load(t.Context(), row.ID)
		if err != nil || !reflect.DeepEqual(plain(stored), plain(row)) {
			t.Errorf("stored %+v, %v; answered %+v", stored, err, row)
		}
		// the account's first document also fills its key slots
		if n := db.Stats().Commits - before; i > 0 && n != 5 {
			t.Errorf("%d durable commits, want 5", n)
		}
	}
}

// TestPackSaga brings random rows through the packed form unchanged.
func TestPackSaga(t *testing.T) {
	text := rapid.StringMatching(`[a-z_]{0,12}`)
	at := rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.Bool().Draw(t, "zero") {
			return time.Time{}
		}
		return time.UnixMilli(rapid.Int64Range(1, 1<<42).Draw(t, "ms")).UTC()
	})
	refs := rapid.Custom(func(t *rapid.T) map[string]string {
		if m := rapid.MapOfN(text, text, 0, 3).Draw(t, "refs"); len(m) > 0 {
			return m
		}
		return nil
	})
	rapid.Check(t, func(t *rapid.T) {
		draw := func() string { return text.Draw(t, "text") }
		num := func() int64 { return rapid.Int64().Draw(t, "num") }
		in := &saga.Row{
			Version: int(num()), DefHash: draw(), Phase: saga.Phase(draw()), Stage: int(num()), StageName: draw(), Owner: draw(),
			Epoch: int32(num()), Turn: int32(num()), LeaseUntil: at.Draw(t, "at"), Claims: int(num()), Sequence: num(), Reruns: int(num()),
			Trace: saga.Trace{TraceID: draw(), Creator: draw(), LastSegment: draw(), Sampled: rapid.Bool().Draw(t, "sampled")},
			Seq:   num(), Reason: draw(), RequestedBy: num(), FinishedAt: at.Draw(t, "at"), Refs: refs.Draw(t, "refs"),
		}
		for range rapid.IntRange(0, 4).Draw(t, "steps") {
			s := saga.StepRow{Name: draw(), Stage: draw(), State: saga.StepState(draw()), Attempts: int(num()), Code: draw(), Until: at.Draw(t, "at"), Refs: refs.Draw(t, "refs")}
			for range rapid.IntRange(0, 2).Draw(t, "outcomes") {
				s.Outcomes = append(s.Outcomes, saga.Outcome{Participant: draw(), Category: draw(), Kind: saga.OutcomeKind(draw()), Count: num(), Ground: draw(), Until: at.Draw(t, "at")})
			}
			in.Steps = append(in.Steps, s)
		}
		for i := range rapid.IntRange(0, 3).Draw(t, "log") {
			in.Log = append(in.Log, saga.LogEntry{Seq: int64(i), At: at.Draw(t, "at"), State: saga.State(draw()), Step: draw(), Code: draw()})
			in.Seq = int64(i)
		}
		for range rapid.IntRange(0, 2).Draw(t, "signals") {
			in.Signals = append(in.Signals, draw())
		}
		packed := packSaga(in)
		out := &saga.Row{}
		if err := unpackSaga(packed, out); err != nil || !reflect.DeepEqual(in, out) {
			t.Fatalf("in  %+v\nout %+v, %v", in, out, err)
		}
		cut := rapid.IntRange(0, len(packed)-1).Draw(t, "cut")
		if err := unpackSaga(packed[:cut], &saga.Row{}); err == nil {
			t.Fatalf("cut to %d of %d bytes and read", cut, len(packed))
		}
	})
}

// FuzzUnpackSaga feeds the reader anything: it answers an error, never a crash.
func FuzzUnpackSaga(f *testing.F) {
	f.Add(packSaga(&saga.Row{Steps: []saga.StepRow{{Name: "a", Refs: map[string]string{"k": "v"}}}, Log: []saga.LogEntry{{Seq: 1}}}))
	f.Fuzz(func(_ *testing.T, data []byte) { _ = unpackSaga(data, &saga.Row{}) })
}
