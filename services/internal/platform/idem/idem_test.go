package idem

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore/sqlite"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// thing is what the calls of these tests make.
type thing struct {
	docstore.Meta
	Mark string `doc:"mark" why:"test"`
	Text string `doc:"text,seal" why:"test"`
}

// kit is a store with keys and things.
type kit struct {
	t      *testing.T
	db     *docstore.DB
	keys   *Keys
	things *docstore.Collection[thing]
	ms     atomic.Int64
	ids    atomic.Int64
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T) *kit {
	t.Helper()
	k := &kit{t: t}
	k.ms.Store(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli())
	dir, ctx := t.TempDir(), t.Context()
	master, err := keyring.OpenMaster(filepath.Join(dir, "master"))
	must(t, err)
	file, err := keyring.Open(ctx, keyring.Options{Dir: dir, Service: "test", Master: master})
	must(t, err)
	backend, err := sqlite.Open(ctx, filepath.Join(dir, "test.db"), sqlite.Options{})
	must(t, err)
	k.db, err = docstore.New(ctx, backend, docstore.Options{Service: "test", Keys: file, Now: k.now})
	must(t, err)
	t.Cleanup(func() {
		if err := errors.Join(k.db.Close(), file.Close()); err != nil {
			t.Error(err)
		}
	})
	k.keys, err = Bind(ctx, k.db, k.now)
	must(t, err)
	k.things, err = docstore.Bind[thing](ctx, k.db, docstore.Spec{Name: "things"})
	must(t, err)
	return k
}

func (k *kit) now() time.Time { return time.UnixMilli(k.ms.Add(1)).UTC() }

// work makes a thing owned by owner, or by itself for 0.
func (k *kit) work(owner int64, text string) Work[*thing] {
	w := Work[*thing]{
		NewID: func(context.Context) (int64, error) { return k.ids.Add(1), nil },
		Create: func(ctx context.Context, s Slot) (*thing, error) {
			v := &thing{Meta: docstore.Meta{Account: 1, ID: s.ID, Owner: owner}, Mark: s.Mark, Text: text}
			if owner == 0 {
				v.Owner = s.ID
			}
			return v, k.things.Insert(ctx, ring.Write, v)
		},
		Mark: func(ctx context.Context, id int64) (string, error) {
			v, err := k.things.Get(ctx, ring.Sweep, 1, id)
			if err != nil {
				return "", err
			}
			return v.Mark, nil
		},
		Read: func(ctx context.Context, id int64) (*thing, error) { return k.things.Get(ctx, ring.Read, 1, id) },
	}
	if owner != 0 {
		w.Owner = func(context.Context) (int64, error) { return owner, nil }
	}
	return w
}

func (k *kit) do(key, body string, w Work[*thing]) (*thing, error) {
	k.t.Helper()
	sum, err := Body(wrapperspb.String(body))
	must(k.t, err)
	return Do(k.t.Context(), k.keys, Call{Account: 1, Method: "Make", Key: key, Body: sum}, w)
}

func (k *kit) count() int64 {
	k.t.Helper()
	n, err := k.things.Count(k.t.Context(), ring.Sweep, 1, docstore.Query{Index: "id"})
	must(k.t, err)
	return n
}

func wants(t *testing.T, err error, r faultv1.Reason) {
	t.Helper()
	if !fault.Has(err, r) {
		t.Fatalf("got %v, want %v", err, r)
	}
}

func (k *kit) erase(owner int64) {
	k.t.Helper()
	ctx, s, tok := k.t.Context(), ring.Subject{Account: 1, ID: owner}, ring.Token{Sequence: 1}
	must(k.t, k.db.Fence(ctx, s, ring.Fence{Mode: ring.Erasing, Saga: "s", Token: tok}))
	must(k.t, k.db.Destroy(ctx, s, "s", tok))
	_, _, err := k.things.DeleteWhere(ctx, ring.Sweep, 1, docstore.Query{Index: "owner", Eq: []any{owner}, Limit: 100})
	must(k.t, err)
}

func TestOnceAndAgain(t *testing.T) {
	k := open(t)
	first, err := k.do("a", "x", k.work(7, "text"))
	must(t, err)
	again, err := k.do("a", "x", k.work(7, "other"))
	must(t, err)
	if again.ID != first.ID || again.Text != "text" || k.count() != 1 {
		t.Fatalf("%+v %+v", first, again)
	}
	other, err := k.do("b", "x", k.work(7, "text"))
	must(t, err)
	for range 2 { // without a key every call counts
		_, err = k.do("", "x", k.work(7, "text"))
		must(t, err)
	}
	if other.ID == first.ID || k.count() != 4 {
		t.Fatalf("%d things", k.count())
	}
	_, err = k.do("a", "y", k.work(7, "text"))
	wants(t, err, faultv1.Reason_REASON_KEY_REUSED)
	_, err = k.do(string(make([]byte, MaxKey+1)), "x", k.work(7, "text"))
	wants(t, err, faultv1.Reason_REASON_INVALID_VALUE)
}

func TestKeysBelongToMethodAndAccount(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range []Call{{Method: "A", Key: "b"}, {Method: "Ab", Key: ""}, {Method: "", Key: "Ab"}, {Method: "B", Key: "b"}, {Method: "A", Key: "c"}} {
		if h := hash(c); seen[h] || len(h) != 64 {
			t.Errorf("%+v", c)
		} else {
			seen[h] = true
		}
	}
	k := open(t)
	_, err := k.do("a", "x", k.work(7, "t"))
	must(t, err)
	sum, err := Body(wrapperspb.String("x"))
	must(t, err)
	w := k.work(7, "t")
	w.Create = func(ctx context.Context, s Slot) (*thing, error) {
		v := &thing{Meta: docstore.Meta{Account: 2, ID: s.ID, Owner: 7}, Mark: s.Mark}
		return v, k.things.Insert(ctx, ring.Write, v)
	}
	if v, err := Do(t.Context(), k.keys, Call{Account: 2, Method: "Make", Key: "a", Body: sum}, w); err != nil || v.Account != 2 {
		t.Fatal(v, err)
	}
}

func TestRefusedCallsAreNotRemembered(t *testing.T) {
	k := open(t)
	refused := errors.New("refused")
	w := k.work(7, "t")
	w.Owner = func(context.Context) (int64, error) { return 0, refused }
	if _, err := k.do("a", "x", w); !errors.Is(err, refused) {
		t.Fatal(err)
	}
	if _, err := k.do("a", "another body, for nothing was remembered", k.work(7, "t")); err != nil {
		t.Fatal(err)
	}
}

// A crash between the writes is healed by the next call, under the same id.
func TestCrashes(t *testing.T) {
	crash := errors.New("crash")
	for name, wreck := range map[string]func(*Work[*thing]){
		"before the thing": func(w *Work[*thing]) {
			w.Create = func(context.Context, Slot) (*thing, error) { return nil, crash }
		},
		"after the thing": func(w *Work[*thing]) {
			create := w.Create
			w.Create = func(ctx context.Context, s Slot) (*thing, error) {
				_, err := create(ctx, s)
				return nil, errors.Join(crash, err)
			}
		},
		"in what follows": func(w *Work[*thing]) {
			w.Complete = func(context.Context, *thing) (*thing, error) { return nil, crash }
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := open(t)
			w := k.work(7, "t")
			wreck(&w)
			if _, err := k.do("a", "x", w); !errors.Is(err, crash) {
				t.Fatal(err)
			}
			completed := 0
			w = k.work(7, "t")
			w.Complete = func(_ context.Context, v *thing) (*thing, error) { completed++; return v, nil }
			create := w.Create
			w.Create = func(ctx context.Context, s Slot) (*thing, error) {
				if !s.Resumed || s.ID != 1 {
					t.Errorf("%+v", s)
				}
				return create(ctx, s)
			}
			for range 2 {
				v, err := k.do("a", "x", w)
				must(t, err)
				if v.ID != 1 || v.Text != "t" {
					t.Errorf("%+v", v)
				}
			}
			if k.count() != 1 || completed != 1 {
				t.Errorf("%d things, completed %d times", k.count(), completed)
			}
		})
	}
}

func TestErasedResultIsNotMadeAgain(t *testing.T) {
	for _, own := range []int64{7, 0} {
		for _, crashed := range []bool{false, true} {
			t.Run(fmt.Sprintf("owner %d crashed %v", own, crashed), func(t *testing.T) {
				k := open(t)
				w := k.work(own, "t")
				if crashed {
					w.Complete = func(context.Context, *thing) (*thing, error) { return nil, errors.New("crash") }
				}
				_, err := k.do("a", "x", w)
				if crashed != (err != nil) {
					t.Fatal(err)
				}
				k.erase(max(own, 1))
				w = k.work(own, "t")
				w.Owner = func(context.Context) (int64, error) { t.Error("looked for an owner"); return 8, nil }
				_, err = k.do("a", "x", w)
				wants(t, err, faultv1.Reason_REASON_ALREADY_DONE)
				if f, _ := fault.As(err); f.Violations[0].Info["id"] != 1 || f.Meta["id"] != "1" {
					t.Errorf("%+v", f)
				}
				if k.count() != 0 {
					t.Error("it came back")
				}
			})
		}
	}
}

func TestDoneRecordsNameNobody(t *testing.T) {
	k := open(t)
	_, err := k.do("a", "x", k.work(7, "t"))
	must(t, err)
	p, err := k.keys.recs.Find(t.Context(), ring.Read, 1, docstore.Query{Index: "id", Limit: 10})
	must(t, err)
	if rec := p.Items[0]; len(p.Items) != 1 || rec.Subject != 0 || !rec.Done || rec.Owner != 0 || rec.Target != 1 {
		t.Errorf("%+v", rec)
	}
}

// Two calls that draw one id each get a thing of their own.
func TestTakenIDsAreDrawnAgain(t *testing.T) {
	for _, key := range []string{"", "a"} {
		k := open(t)
		taken := &thing{Meta: docstore.Meta{Account: 1, ID: 1, Owner: 9}, Mark: "somebody else's", Text: "theirs"}
		must(t, k.things.Insert(t.Context(), ring.Write, taken))
		for range 2 {
			v, err := k.do(key, "x", k.work(7, "mine"))
			must(t, err)
			if v.ID == 1 || v.Text != "mine" {
				t.Errorf("key %q: %+v", key, v)
			}
		}
	}
	k := open(t)
	w := k.work(7, "mine")
	w.NewID = func(context.Context) (int64, error) { return 1, nil }
	must(t, k.things.Insert(t.Context(), ring.Write, &thing{Meta: docstore.Meta{Account: 1, ID: 1, Owner: 9}}))
	for _, key := range []string{"", "b"} {
		if _, err := k.do(key, "x", w); !fault.Is(err, fault.KindUnavailable) {
			t.Errorf("key %q: %v", key, err)
		}
	}
}

func TestConcurrentCallsMakeOne(t *testing.T) {
	k := open(t)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			sum, _ := Body(wrapperspb.String("x"))
			v, err := Do(t.Context(), k.keys, Call{Account: 1, Method: "Make", Key: "a", Body: sum}, k.work(7, "t"))
			if err != nil || v.Text != "t" {
				t.Error(v, err)
			}
		})
	}
	wg.Wait()
	if k.count() != 1 {
		t.Errorf("%d things", k.count())
	}
}

func TestHiddenResultIsAlreadyDone(t *testing.T) {
	k := open(t)
	_, err := k.do("a", "x", k.work(7, "t"))
	must(t, err)
	must(t, k.db.Fence(t.Context(), ring.Subject{Account: 1, ID: 7}, ring.Fence{Mode: ring.Hidden, Saga: "s", Token: ring.Token{Sequence: 1}}))
	_, err = k.do("a", "x", k.work(7, "t"))
	wants(t, err, faultv1.Reason_REASON_ALREADY_DONE)
}

func TestBodyIsTheSameForEqualRequests(t *testing.T) {
	a, err := Body(wrapperspb.String("x"))
	must(t, err)
	b, err := Body(wrapperspb.String("x"))
	must(t, err)
	c, err := Body(wrapperspb.String("y"))
	must(t, err)
	if string(a) != string(b) || string(a) == string(c) || len(a) != 32 {
		t.Error("hashes")
	}
}
