package mongokeys_test

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore/mongo/mongokeys"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore/mongo/mongotest"
	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
)

// desk is an installation's keys in the making.
type desk struct {
	t      *testing.T
	client *driver.Client
	server *mongotest.Server
	o      mongokeys.Options
	path   string
	now    time.Time
	// settling runs when a rotation waits for what is under way.
	settling func()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newDesk(t *testing.T) *desk {
	s := mongotest.Start(t)
	client, err := driver.Connect(options.Client().ApplyURI(s.URI))
	must(t, err)
	d := &desk{t: t, client: client, server: s, path: filepath.Join(t.TempDir(), "master.key"), now: time.Now(), settling: func() {}}
	d.o = mongokeys.Options{Client: client, Database: "k_" + strings.ToLower(rand.Text()), Service: "tickets", Master: d.master(),
		Installation: [16]byte{1}, Standalone: s.Standalone, Now: func() time.Time { return d.now },
		Settle: func(context.Context) error { d.settling(); return nil }}
	t.Cleanup(func() {
		must(t, client.Database(d.o.Database).Drop(context.Background()))
		must(t, client.Disconnect(context.Background()))
	})
	return d
}

func (d *desk) master() *keyring.Master {
	m, err := keyring.OpenMaster(d.path)
	must(d.t, err)
	return m
}

// open is another process of the service.
func (d *desk) open() *mongokeys.Keys {
	o := d.o
	o.Master = d.master()
	k, err := mongokeys.Open(d.t.Context(), o)
	must(d.t, err)
	return k
}

func (d *desk) fill(k *mongokeys.Keys, account int64, indexes ...int64) []keyring.Slot {
	s, err := k.Fill(d.t.Context(), account, indexes)
	must(d.t, err)
	return s
}

func TestKeys(t *testing.T) {
	d := newDesk(t)
	a, b := d.open(), d.open()
	slots := d.fill(a, 1, 0, 1, 2)
	k, err := a.Key(1, 0, slots[0].ID)
	must(t, err)
	other, err := b.Key(1, 0, slots[0].ID)
	must(t, err)
	sealed := k.Seal(nil, []byte("text"), nil)
	if plain, err := other.Open(nil, sealed, nil); err != nil || string(plain) != "text" {
		t.Fatalf("another process's key: %q, %v", plain, err)
	}
	if again := d.fill(b, 1, 2, 0); again[0] != slots[2] || again[1] != slots[0] {
		t.Error("a repeated Fill made other keys")
	}
	if _, err := a.Fill(t.Context(), 2, []int64{3, 1}); !errors.Is(err, keyring.ErrOccupied) || a.Slots() != 3 {
		t.Errorf("a slot of another account: %v, %d slots", err, a.Slots())
	}
	for name, ask := range map[string]func() (*keyring.Key, error){
		"another account": func() (*keyring.Key, error) { return a.Key(2, 0, slots[0].ID) },
		"another slot":    func() (*keyring.Key, error) { return a.Key(1, 1, slots[0].ID) },
		"another id":      func() (*keyring.Key, error) { return a.Key(1, 0, keyring.KeyID{9}) },
		"no slot":         func() (*keyring.Key, error) { return a.Key(1, 77, slots[0].ID) },
	} {
		if _, err := ask(); !errors.Is(err, keyring.ErrGone) {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(t, b.Destroy(t.Context(), 1, slots[0].ID)) // not its key
	must(t, b.Destroy(t.Context(), 0, slots[0].ID))
	must(t, b.Destroy(t.Context(), 0, slots[0].ID))
	if _, err := b.Key(1, 0, slots[0].ID); !errors.Is(err, keyring.ErrGone) {
		t.Errorf("a destroyed key: %v", err)
	}
	// the other process has it in memory, and not for ever
	d.now = d.now.Add(mongokeys.CacheFor + time.Second)
	if _, err := a.Key(1, 0, slots[0].ID); !errors.Is(err, keyring.ErrGone) {
		t.Errorf("a destroyed key outlives its time in memory: %v", err)
	}
	if _, err := a.Key(1, 1, slots[1].ID); err != nil {
		t.Errorf("a neighbour: %v", err)
	}
	if fresh := d.fill(a, 2, 0); fresh[0].ID == slots[0].ID {
		t.Error("a void slot was filled with the same id")
	}
	must(t, errors.Join(a.Close(), b.Close()))
}

func TestKeysBelongTogether(t *testing.T) {
	d := newDesk(t)
	if _, err := mongokeys.Open(t.Context(), func() mongokeys.Options { o := d.o; o.MustExist = true; return o }()); err == nil || !strings.Contains(err.Error(), "lost") {
		t.Errorf("no keys beside sealed documents: %v", err)
	}
	d.open()
	stranger, err := keyring.OpenMaster(filepath.Join(t.TempDir(), "master.key"))
	must(t, err)
	for name, tc := range map[string]struct {
		change func(*mongokeys.Options)
		want   string
	}{
		"another master key":    {func(o *mongokeys.Options) { o.Master = stranger }, "--master-key"},
		"another installation":  {func(o *mongokeys.Options) { o.Installation[0]++ }, "--mongo-keys-uri"},
		"another service":       {func(o *mongokeys.Options) { o.Service = "contacts" }, "not of contacts"},
		"the same, once opened": {func(o *mongokeys.Options) { o.MustExist = true }, ""},
	} {
		o := d.o
		tc.change(&o)
		k, err := mongokeys.Open(t.Context(), o)
		if tc.want == "" {
			must(t, err)
			must(t, k.Close())
		} else if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRotation rotates while another process, which knows only the old master
// key, fills and destroys; then the old master key is forgotten.
func TestRotation(t *testing.T) {
	d := newDesk(t)
	a, late := d.open(), d.open()
	slots := append(d.fill(a, 1, 0, 1, 2), d.fill(a, 2, 3)...)
	before, err := a.Key(1, 1, slots[1].ID)
	must(t, err)
	sealed := before.Seal(nil, []byte("text"), nil)
	must(t, keyring.RotateMaster(d.path))
	var during []keyring.Slot
	d.settling = func() {
		must(t, late.Destroy(t.Context(), 0, slots[0].ID))
		during = d.fill(late, 1, 5) // it reads the master key file again
	}
	b := d.open()
	must(t, b.Rotate(t.Context()))
	must(t, b.Rotate(t.Context()))
	if epoch, err := b.Epoch(t.Context()); err != nil || epoch != 2 {
		t.Fatalf("epoch %d, %v", epoch, err)
	}
	must(t, keyring.FinishRotation(d.path))
	c := d.open()
	for _, s := range append(slots[1:], during...) {
		if _, err := c.Key(s.Account, s.Index, s.ID); err != nil {
			t.Errorf("slot %d after the rotation: %v", s.Index, err)
		}
	}
	after, err := c.Key(1, 1, slots[1].ID)
	must(t, err)
	if plain, err := after.Open(nil, sealed, nil); err != nil || string(plain) != "text" {
		t.Errorf("what was sealed before opens as %q, %v", plain, err)
	}
	if _, err := c.Key(1, 0, slots[0].ID); !errors.Is(err, keyring.ErrGone) {
		t.Errorf("the rotation brought a destroyed key back: %v", err)
	}
	n, err := d.client.Database(d.o.Database).Collection("keys").CountDocuments(t.Context(), bson.D{{Key: "wrap_epoch", Value: bson.D{{Key: "$lt", Value: 2}}}})
	if err != nil || n != 0 {
		t.Errorf("%d old wrapping keys are left, %v", n, err)
	}
}

// TestCopiesDieWithTheirEpoch keeps a copy of the records, as a backup does, and
// looks whether it opens before and after the old master key is forgotten.
func TestCopiesDieWithTheirEpoch(t *testing.T) {
	d := newDesk(t)
	a := d.open()
	s := d.fill(a, 1, 0)[0]
	backup := d.o
	backup.Database = d.o.Database + "_copy"
	copies := d.client.Database(backup.Database)
	t.Cleanup(func() { must(t, copies.Drop(context.Background())) })
	cur, err := d.client.Database(d.o.Database).Collection("keys").Find(t.Context(), bson.D{})
	must(t, err)
	var docs []bson.D
	must(t, cur.All(t.Context(), &docs))
	for _, doc := range docs {
		_, err := copies.Collection("keys").InsertOne(t.Context(), doc)
		must(t, err)
	}
	old, err := mongokeys.Open(t.Context(), backup)
	must(t, err)
	if _, err := old.Key(1, 0, s.ID); err != nil {
		t.Fatalf("control: the copy opens before: %v", err)
	}
	must(t, keyring.RotateMaster(d.path))
	must(t, d.open().Rotate(t.Context()))
	must(t, keyring.FinishRotation(d.path))
	backup.Master = d.master()
	if _, err := mongokeys.Open(t.Context(), backup); err == nil || !strings.Contains(err.Error(), "forgotten") {
		t.Errorf("a copy of the keys from before the rotation: %v", err)
	}
}

func TestUnreachable(t *testing.T) {
	d := newDesk(t)
	k := d.open()
	s := d.fill(k, 1, 0)[0]
	dead, err := driver.Connect(options.Client().ApplyURI("mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=50&connectTimeoutMS=50"))
	must(t, err)
	defer func() { must(t, dead.Disconnect(context.Background())) }()
	o := d.o
	o.Client = dead
	if _, err := mongokeys.Open(t.Context(), o); err == nil {
		t.Error("keys were opened that nobody has")
	}
	if _, err := os.Stat(d.path); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Key(1, 0, s.ID); err != nil {
		t.Error(err)
	}
}
