package mongo

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore/mongo/mongotest"
	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// wire watches the commands of one backend and can act between them: a command
// waits while act runs, so nothing happens at the same time.
type wire struct {
	mu       sync.Mutex
	commands []bson.Raw
	act      func(n int)
}

func (w *wire) monitor() *event.CommandMonitor {
	return &event.CommandMonitor{Started: func(_ context.Context, e *event.CommandStartedEvent) {
		w.mu.Lock()
		w.commands = append(w.commands, slices.Clone(e.Command))
		n, act := len(w.commands), w.act
		w.mu.Unlock()
		if act != nil {
			act(n)
		}
	}}
}

// reset forgets the commands and sets what is done before each.
func (w *wire) reset(act func(n int)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.commands, w.act = nil, act
}

// writes reports whether the i-th command does this to the documents.
func (w *wire) writes(i int, name string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	first := w.commands[i-1].Index(0)
	return first.Key() == name && first.Value().StringValue() == "d_notes"
}

// world is a backend whose commands are watched and another one on the same database.
type world struct {
	*Backend
	other  *Backend
	wire   *wire
	table  *docstore.Table
	waited []time.Duration
	now    time.Time
}

func newClient(t *testing.T, uri string, m *event.CommandMonitor) *driver.Client {
	client, err := driver.Connect(options.Client().ApplyURI(uri).SetMonitor(m))
	must(t, err)
	t.Cleanup(func() { must(t, client.Disconnect(context.Background())) })
	return client
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newWorld(t *testing.T) *world {
	s := mongotest.Start(t)
	w := &world{wire: &wire{}, now: time.Now()}
	w.table = &docstore.Table{Name: "notes", Columns: []docstore.Column{{Name: "key", Kind: docstore.Text, Nullable: true}},
		Indexes: []docstore.TableIndex{{Name: "id", List: -1}, {Name: "owner", Fields: []string{"owner"}, List: -1}, {Name: "by_key", Fields: []string{"key"}, Unique: true, List: -1}}}
	name := "r_" + strings.ToLower(rand.Text())
	open := func(client *driver.Client) *Backend {
		b, err := Open(t.Context(), Options{Client: client, Database: name, Standalone: s.Standalone, Grace: 4 * time.Minute, WriteLimit: time.Minute,
			Now: func() time.Time { return w.now },
			Wait: func(_ context.Context, d time.Duration) error {
				w.waited = append(w.waited, d)
				return nil
			}})
		must(t, err)
		must(t, b.Bind(t.Context(), w.table))
		return b
	}
	client := newClient(t, s.URI, nil)
	t.Cleanup(func() { must(t, client.Database(name).Drop(context.Background())) })
	w.other = open(client)
	w.Backend = open(newClient(t, s.URI, w.wire.monitor()))
	return w
}

// slots gives this world's backend filled slots.
func (w *world) filled(t *testing.T, n int) []keyring.Slot {
	numbers, err := w.ReserveSlots(t.Context(), 1, n)
	must(t, err)
	var out []keyring.Slot
	for _, i := range numbers {
		out = append(out, keyring.Slot{Index: i, Account: 1, ID: keyring.KeyID{1, byte(i), byte(i >> 8)}})
	}
	must(t, w.OfferSlots(t.Context(), out))
	return out
}

// insert writes a document with the key of a slot; the owner gets it if need be.
func (w *world) insert(t *testing.T, id, owner int64, k *keyring.Slot) error {
	return w.Insert(t.Context(), w.table, doc(id, owner, k))
}

func doc(id, owner int64, k *keyring.Slot) *docstore.Write {
	wr := &docstore.Write{Row: docstore.Row{Account: 1, ID: id, Owner: owner, Rev: 1, Values: []docstore.Value{{}}, Sealed: []byte{1}}, SetSealed: true, SetBody: true}
	forbidden, _ := ring.Forbidden(ring.Write)
	wr.Guard = docstore.Guard{Forbidden: forbidden | docstore.Gone}
	if k != nil {
		wr.Row.Kid = k.ID
		wr.NeedKey, wr.Guard.Kid, wr.Assign = true, k.ID, k
	}
	return wr
}

// there reports whether a document is stored, whatever fences stand.
func (w *world) there(t *testing.T, id int64) bool {
	f, err := w.other.Get(t.Context(), w.table, 1, []int64{id}, false, 0)
	must(t, err)
	return len(f) == 1
}

// fence adds a fence through the other backend.
func (w *world) fence(t *testing.T, owner int64, m ring.Mode, destroyed bool) {
	s := ring.Subject{Account: 1, ID: owner}
	e, err := w.other.entry(t.Context(), w.other.ring, s)
	must(t, err)
	e.Fences, e.Destroyed = append(e.Fences, ring.Fence{Mode: m, Saga: "s"}), destroyed
	must(t, w.other.PutEntry(t.Context(), e))
}

// blind makes the second look see an owner's entry as it is now, for ever.
func (w *world) blind(t *testing.T, owner int64) {
	raw, err := w.other.ring.FindOne(t.Context(), idIs(docID(1, owner))).Raw()
	must(t, err)
	_, err = w.other.db.Collection("past").InsertOne(t.Context(), raw)
	must(t, err)
	w.strict = w.db.Collection("past")
}

// onFence plays an insert once for each of its commands, each time with a fence that
// comes just before that command is sent, and returns where the answer was wrong:
// a document that is told to be refused must not stay, and one that is told
// to be stored must have been there before the fence.
func onFence(t *testing.T, w *world, first, blind bool) (wrong []int, points int) {
	strict := w.strict
	slots := w.filled(t, 32)
	for n := 1; ; n++ {
		owner := int64(1000 + n)
		id := int64(n)
		if first {
			owner += 1000
			id += 100
		}
		k := &slots[n-1]
		if !first {
			must(t, w.insert(t, 5000+id, owner, k))
		}
		if blind {
			w.blind(t, owner)
		}
		written, fenced := false, false
		w.wire.reset(func(i int) {
			if i == n {
				w.fence(t, owner, ring.Hidden, false)
				fenced = true
			}
			if i >= n && w.wire.writes(i, "insert") {
				written = true // after the fence
			}
		})
		err := w.insert(t, id, owner, k)
		w.wire.reset(nil)
		w.strict = strict
		if !fenced {
			return wrong, n - 1
		}
		there := w.there(t, id)
		switch {
		case err == nil && (!there || written):
			wrong = append(wrong, n)
		case errors.Is(err, docstore.ErrFenced) && there, err != nil && !errors.Is(err, docstore.ErrFenced):
			wrong = append(wrong, n)
		}
	}
}

func TestFenceAtEveryCommandOfAnInsert(t *testing.T) {
	for _, first := range []bool{false, true} {
		w := newWorld(t)
		wrong, points := onFence(t, w, first, false)
		if len(wrong) > 0 || points < 3 {
			t.Errorf("first document %v: wrong at commands %v of %d", first, wrong, points)
		}
		if first {
			continue
		}
		// control: whoever looks only before the write, does not see the fence that came after the look
		if wrong, _ := onFence(t, newWorld(t), false, true); len(wrong) == 0 {
			t.Error("nobody noticed that there is no second look")
		}
	}
}

func TestFenceAtEveryCommandOfAnUpdate(t *testing.T) {
	w := newWorld(t)
	slots := w.filled(t, 8)
	for n := 1; ; n++ {
		owner, id := int64(n), int64(n)
		must(t, w.insert(t, id, owner, &slots[n-1]))
		fenced, written := false, false
		w.wire.reset(func(i int) {
			if i == n {
				w.fence(t, owner, ring.Erasing, false)
				fenced = true
			}
			if i >= n && w.wire.writes(i, "update") {
				written = true
			}
		})
		wr := doc(id, owner, nil)
		wr.Values[0] = docstore.Value{Kind: docstore.Text, Text: "new"}
		err := w.Update(t.Context(), w.table, wr)
		w.wire.reset(nil)
		if !fenced {
			if n < 4 {
				t.Fatalf("an update has only %d commands", n-1)
			}
			return
		}
		if err == nil && written || err != nil && !errors.Is(err, docstore.ErrFenced) {
			t.Errorf("fence before command %d: %v, written %v", n, err, written)
		}
	}
}

// TestPromisesOnTheWire looks at what is asked of the server.
func TestPromisesOnTheWire(t *testing.T) {
	w := newWorld(t)
	slots := w.filled(t, 2)
	w.o.Standalone = false
	full, err := Open(t.Context(), Options{Client: w.o.Client, Database: w.o.Database, Grace: 4 * time.Minute, WriteLimit: time.Minute})
	must(t, err)
	full.process = w.process // it has the slots
	must(t, full.Bind(t.Context(), w.table))
	w.Backend = full
	w.wire.reset(nil)
	must(t, w.insert(t, 1, 1, &slots[0]))
	wr := doc(1, 1, nil)
	must(t, w.Update(t.Context(), w.table, wr))
	must(t, w.Delete(t.Context(), w.table, 1, 1, 0, 0))
	must(t, w.PutClaim(t.Context(), docstore.Claim{Account: 1, Hash: []byte{1}, Subject: 1}, docstore.Gone))
	writes, reads := 0, []string{}
	for _, c := range w.wire.commands {
		switch name := c.Index(0).Key(); name {
		case "insert", "update", "delete", "findAndModify":
			writes++
			wc, _ := c.Lookup("writeConcern").DocumentOK()
			level, _ := wc.Lookup("w").StringValueOK()
			journaled, _ := wc.Lookup("j").BooleanOK()
			limit, _ := c.Lookup("maxTimeMS").AsInt64OK()
			if level != "majority" || !journaled || limit <= 0 || limit > time.Minute.Milliseconds() {
				t.Errorf("a %s asks for w %q, j %v, at most %d ms", name, level, journaled, limit)
			}
		case "find":
			rc, _ := c.Lookup("readConcern").DocumentOK()
			level, _ := rc.Lookup("level").StringValueOK()
			reads = append(reads, level)
			if level != "majority" && level != "linearizable" {
				t.Errorf("a read asks for %q", level)
			}
		}
	}
	if writes < 5 || !slices.Contains(reads, "linearizable") {
		t.Errorf("%d writes, reads %v", writes, reads)
	}
}

func TestFencesSettle(t *testing.T) {
	w := newWorld(t)
	s := ring.Subject{Account: 1, ID: 7}
	put := func(b *Backend) {
		e, err := b.entry(t.Context(), b.ring, s)
		must(t, err)
		e.Fences = append(e.Fences, ring.Fence{Mode: ring.Hidden, Saga: "h"})
		must(t, b.PutEntry(t.Context(), e))
	}
	put(w.Backend)
	must(t, w.Settle(t.Context(), s))
	if len(w.waited) != 1 || w.waited[0] <= w.o.WriteLimit+w.maxAge || w.waited[0] > w.o.Grace {
		t.Fatalf("waited %v, a grace period is %v", w.waited, w.o.Grace)
	}
	must(t, w.Settle(t.Context(), s))
	if len(w.waited) != 1 {
		t.Error("a settled fence was waited for again")
	}
	put(w.Backend)
	must(t, w.Settle(t.Context(), s))
	must(t, w.other.Settle(t.Context(), s)) // it did not see how long the fence stands
	if len(w.waited) != 3 {
		t.Errorf("waited %d times, want 3", len(w.waited))
	}
	if _, err := Open(t.Context(), Options{Client: w.o.Client, Database: "x", Grace: time.Second, WriteLimit: time.Second}); err == nil || !strings.Contains(err.Error(), "--mongo-grace") {
		t.Errorf("a write may take as long as the grace period: %v", err)
	}
}

func TestPatrol(t *testing.T) {
	w := newWorld(t)
	slots := w.filled(t, 3)
	for i := range int64(3) {
		must(t, w.insert(t, i, i, &slots[i]))
	}
	w.fence(t, 1, ring.Erasing, true)             // the sweep is under way
	w.fence(t, 2, ring.Erasing|ring.Erased, true) // it has ended
	must(t, w.PutClaim(t.Context(), docstore.Claim{Account: 1, Hash: []byte{1}, Subject: 2}, 0))
	p := w.NewPatrol()
	n, round, err := p.Step(t.Context())
	must(t, err)
	if n != 2 || !round {
		t.Errorf("%d stragglers, want the document and the claim; round %v", n, round)
	}
	if !w.there(t, 0) || !w.there(t, 1) || w.there(t, 2) {
		t.Error("the patrol deletes what belongs to a tombstone, and nothing else")
	}
	if n, _, err = p.Step(t.Context()); err != nil || n != 0 {
		t.Errorf("a second round found %d, %v", n, err)
	}
}

func TestSlotsOfDeadProcesses(t *testing.T) {
	w := newWorld(t)
	w.filled(t, 3)
	_, err := w.ReserveSlots(t.Context(), 1, 2) // and dies
	must(t, err)
	if got, err := w.other.FreeSlots(t.Context(), 1); err != nil || len(got) != 0 {
		t.Errorf("a living process lost %d slots, %v", len(got), err)
	}
	w.now = w.now.Add(aliveFor + time.Minute)
	must(t, w.other.Beat(t.Context()))
	if got, err := w.other.FreeSlots(t.Context(), 2); err != nil || len(got) != 0 {
		t.Errorf("another account got %d slots, %v", len(got), err)
	}
	got, err := w.other.FreeSlots(t.Context(), 1)
	must(t, err)
	reserved, err := w.other.ReserveSlots(t.Context(), 1, 3)
	must(t, err)
	if len(got) != 3 || len(reserved) != 3 || reserved[2] != 5 {
		t.Errorf("%d free slots, reserved %v, want 3 and the 2 of the dead with a new one", len(got), reserved)
	}
	// the dead one was only slow: its slot is not its own any more
	if _, err := w.AssignKey(t.Context(), ring.Subject{Account: 1, ID: 1}, got[0]); !errors.Is(err, docstore.ErrSlotTaken) {
		t.Errorf("a slot was given away by a process that lost it: %v", err)
	}
}

func TestUniqueIndexOverDocumentsThatWereThere(t *testing.T) {
	w := newWorld(t)
	slots := w.filled(t, 1)
	for id := range int64(3) {
		d := doc(id, 1, &slots[0])
		if id < 2 {
			d.Values[0] = docstore.Value{Kind: docstore.Text, Text: string(rune('a' + id))}
		}
		must(t, w.Insert(t.Context(), w.table, d))
	}
	c := w.db.Collection("d_notes")
	must(t, c.Indexes().DropOne(t.Context(), "u_by_key"))
	_, err := c.UpdateMany(t.Context(), bson.D{}, bson.D{{Key: "$unset", Value: bson.D{{Key: "u_by_key", Value: ""}}}})
	must(t, err)
	must(t, w.Bind(t.Context(), w.table))
	d := doc(9, 1, &slots[0])
	d.Values[0] = docstore.Value{Kind: docstore.Text, Text: "b"}
	if err := w.Insert(t.Context(), w.table, d); !errors.Is(err, docstore.ErrExists) {
		t.Errorf("a taken key: %v", err)
	}
	d.Values[0] = docstore.Value{}
	must(t, w.Insert(t.Context(), w.table, d))
}
