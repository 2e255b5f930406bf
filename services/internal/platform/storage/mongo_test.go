package storage

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore/mongo/mongotest"
	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

type note struct {
	docstore.Meta
	Text string `doc:"text,seal" why:"test"`
}

func bind(t *testing.T, s *Store) *docstore.Collection[note] {
	c, err := docstore.Bind[note](t.Context(), s.DB, docstore.Spec{Name: "notes"})
	must(t, err)
	return c
}

// TestStoreOnMongo opens a service's store, writes, opens it again and erases.
func TestStoreOnMongo(t *testing.T) {
	server := mongotest.Start(t)
	prefix := "s" + strings.ToLower(filepath.Base(filepath.Dir(t.TempDir())))
	m, err := Connect(t.Context(), MongoOptions{URI: server.URI, UnsafeStandalone: true, Prefix: prefix, Grace: 4 * time.Minute,
		Wait: func(context.Context, time.Duration) error { return nil }})
	must(t, err)
	t.Cleanup(func() {
		for _, service := range []string{"tickets", "contacts"} {
			data, keys := m.databases(service)
			if data == keys {
				t.Error("documents and keys lie in one database")
			}
			must(t, errors.Join(m.data.Client.Database(data).Drop(context.Background()), m.keys.Client.Database(keys).Drop(context.Background())))
		}
		must(t, m.Close(context.Background()))
	})
	master, err := keyring.OpenMaster(filepath.Join(t.TempDir(), "master.key"))
	must(t, err)
	c := Config{Dir: t.TempDir(), Master: master, Mongo: m}
	s, err := Open(t.Context(), "tickets", c)
	must(t, err)
	must(t, bind(t, s).Insert(t.Context(), ring.Write, &note{Meta: docstore.Meta{Account: 1, ID: 1, Owner: 7}, Text: "x"}))
	must(t, s.Close())

	s, err = Open(t.Context(), "tickets", c)
	must(t, err)
	notes := bind(t, s)
	if got, err := notes.Get(t.Context(), ring.Read, 1, 1); err != nil || got.Text != "x" {
		t.Errorf("after a restart: %v, %v", got, err)
	}
	person := ring.Subject{Account: 1, ID: 7}
	must(t, s.DB.Fence(t.Context(), person, ring.Fence{Mode: ring.Erasing, Saga: "e"}))
	must(t, s.DB.Destroy(t.Context(), person, "e", ring.Token{}))
	if _, err := notes.Get(t.Context(), ring.Redact, 1, 1); !errors.Is(err, docstore.ErrFenced) {
		t.Errorf("after the erasure: %v", err)
	}
	must(t, s.Close())

	stranger, err := keyring.OpenMaster(filepath.Join(t.TempDir(), "master.key"))
	must(t, err)
	if _, err := Open(t.Context(), "tickets", Config{Dir: t.TempDir(), Master: stranger, Mongo: m}); err == nil || !strings.Contains(err.Error(), "--master-key") {
		t.Errorf("another desk on the same databases: %v", err)
	}
	if epoch, err := m.RotateKeys(t.Context(), "tickets", c); err != nil || epoch != master.Epoch() {
		t.Errorf("epoch %d, %v", epoch, err)
	}
}

// steps is a patrol that finds what it is told.
type steps struct {
	found []int64
	done  chan struct{}
}

func (s *steps) Step(context.Context) (int64, bool, error) {
	n := s.found[0]
	if s.found = s.found[1:]; len(s.found) == 0 {
		close(s.done)
	}
	if n < 0 {
		return 0, false, errors.New("no answer")
	}
	return n, true, nil
}

func TestStragglersAreAnAlarm(t *testing.T) {
	var out bytes.Buffer
	ctx, stop := context.WithCancel(t.Context())
	p := &steps{found: []int64{0, 3, -1, 0}, done: make(chan struct{})}
	ticks, ended := make(chan time.Time), make(chan struct{})
	go func() {
		defer close(ended)
		watch(ctx, p, ticks, slog.New(slog.NewTextHandler(&out, nil)))
	}()
	for range 4 {
		ticks <- time.Time{}
	}
	<-p.done
	stop()
	<-ended
	log := out.String()
	if strings.Count(log, "\n") != 2 || !strings.Contains(log, "level=WARN") || !strings.Contains(log, "count=3") || !strings.Contains(log, "level=ERROR") {
		t.Errorf("log:\n%s", log)
	}
}
