package servicetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore/mongo/mongotest"
	"github.com/lethe-desk/lethe/services/internal/platform/storage"
)

// OnMongo returns options for kits whose stores lie on MongoDB: a server of the
// test's own, or that of LETHE_TEST_MONGO_URI, with databases of its own for each
// kit. Grace periods do not wait: there is one process, whose calls are over.
func OnMongo(t *testing.T) Options {
	t.Helper()
	server := mongotest.Fresh(t)
	return Options{
		Mongo: func(t *testing.T) *storage.Mongo {
			t.Helper()
			m, err := storage.Connect(t.Context(), storage.MongoOptions{
				URI: server.URI, UnsafeStandalone: server.Standalone, Prefix: "kit_" + strings.ToLower(rand.Text()[:10]),
				Wait: func(context.Context, time.Duration) error { return nil },
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := m.Close(context.WithoutCancel(t.Context())); err != nil {
					t.Error(err)
				}
			})
			return m
		},
		AtRest: func(text string) ([]string, error) { return filesWith(server.Dir, text) },
	}
}

// filesWith returns the names of the files below a folder that hold a text; none without a folder.
func filesWith(dir, text string) (found []string, err error) {
	if dir == "" {
		return nil, nil
	}
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(text)) {
			found = append(found, e.Name())
		}
		return err
	})
	return found, err
}
