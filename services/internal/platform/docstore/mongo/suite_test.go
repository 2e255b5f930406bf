package mongo_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore/docstoretest"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore/mongo"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore/mongo/mongokeys"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore/mongo/mongotest"
	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
)

// connect returns the one client of a server of the test's own.
func connect(t testing.TB) (*driver.Client, *mongotest.Server) {
	s := mongotest.Fresh(t)
	client, err := driver.Connect(options.Client().ApplyURI(s.URI))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Disconnect(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return client, s
}

// database is the name of a folder's database.
func database(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return "t_" + hex.EncodeToString(sum[:8])
}

// quiet is a backend whose grace period ends when the writes under way have
// ended: what time is for in production, without time.
type quiet struct {
	*mongo.Backend
	mu      sync.Mutex
	running map[chan struct{}]bool
}

func open(ctx context.Context, client *driver.Client, s *mongotest.Server, name string) (*quiet, error) {
	q := &quiet{running: map[chan struct{}]bool{}}
	var err error
	q.Backend, err = mongo.Open(ctx, mongo.Options{Client: client, Database: name, Standalone: s.Standalone,
		Grace: 4 * time.Minute, WriteLimit: time.Minute, Wait: q.wait})
	return q, err
}

func (q *quiet) begin() func() {
	done := make(chan struct{})
	q.mu.Lock()
	defer q.mu.Unlock()
	q.running[done] = true
	return func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		delete(q.running, done)
		close(done)
	}
}

func (q *quiet) wait(ctx context.Context, _ time.Duration) error {
	q.mu.Lock()
	var all []chan struct{}
	for done := range q.running {
		all = append(all, done)
	}
	q.mu.Unlock()
	for _, done := range all {
		select {
		case <-done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (q *quiet) Insert(ctx context.Context, t *docstore.Table, w *docstore.Write) error {
	defer q.begin()()
	return q.Backend.Insert(ctx, t, w)
}

func (q *quiet) Update(ctx context.Context, t *docstore.Table, w *docstore.Write) error {
	defer q.begin()()
	return q.Backend.Update(ctx, t, w)
}

func harness(t *testing.T) docstoretest.Harness {
	client, s := connect(t)
	h := docstoretest.Harness{
		Fill: 4, Slow: true,
		Backend: func(ctx context.Context, dir string) (docstore.Backend, error) {
			return open(ctx, client, s, database(dir))
		},
	}
	h.Keys = func(ctx context.Context, dir string, master *keyring.Master, hooks *keyring.Hooks) (docstoretest.Keys, error) {
		k, err := mongokeys.Open(ctx, mongokeys.Options{Client: client, Database: database(dir), Service: "suite", Master: master, Standalone: s.Standalone})
		if err != nil || hooks == nil {
			return k, err
		}
		return &mortalKeys{k, hooks}, nil
	}
	h.AtRest = func(dir, text string) (bool, error) { return inFiles(s.Dir, database(dir), text) }
	return h
}

// mortalKeys die before and after each change.
type mortalKeys struct {
	*mongokeys.Keys
	hooks *keyring.Hooks
}

func (m *mortalKeys) around(name string, f func() error) error {
	step := keyring.Step{Name: name}
	if err := m.hooks.Before(step); err != nil {
		return err
	}
	err := f()
	return errors.Join(m.hooks.After(step), err)
}

func (m *mortalKeys) Fill(ctx context.Context, account int64, indexes []int64) (slots []keyring.Slot, err error) {
	err = m.around("fill", func() error { slots, err = m.Keys.Fill(ctx, account, indexes); return err })
	return slots, err
}

func (m *mortalKeys) Destroy(ctx context.Context, slot int64, id keyring.KeyID) error {
	return m.around("destroy", func() error { return m.Keys.Destroy(ctx, slot, id) })
}

// inFiles searches our own server's files of a database, which hold binary as base64.
func inFiles(dir, database, text string) (bool, error) {
	files, err := filepath.Glob(filepath.Join(dir, database+".*"))
	if err != nil {
		return false, err
	}
	if len(files) == 0 {
		return false, os.ErrNotExist
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			return false, err
		}
		for off := range 3 {
			enc := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", off) + text))
			if strings.Contains(string(data), text) || strings.Contains(string(data), enc[4:len(enc)-4]) {
				return true, nil
			}
		}
	}
	return false, nil
}

func TestSuite(t *testing.T) {
	t.Parallel()
	docstoretest.Run(t, harness(t))
}

func TestSuiteNoticesSabotage(t *testing.T) {
	t.Parallel()
	docstoretest.Control(t, harness(t))
}

func TestCrashes(t *testing.T) {
	t.Parallel()
	docstoretest.Crashes(t, harness(t))
}
