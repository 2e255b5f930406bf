// Package local opens what a service keeps on one machine: its key files and
// its SQLite store, in one folder, in the order in which each is checked
// against the other.
package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/contract"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore/sqlite"
	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
)

// Store is an open store with its keys.
type Store struct {
	DB   *docstore.DB
	Keys *keyring.File
}

// Open opens or makes the store of a service in a folder of its own. Its errors
// are sentences for the operator: the store is another process's, of a newer
// version, without its keys, or of another master key.
func Open(ctx context.Context, dir, service string, master *keyring.Master, now func() time.Time) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of %s: %w", service, err)
	}
	path := filepath.Join(dir, service+".db")
	_, err := os.Stat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look for the store of %s: %w", service, err)
	}
	// The keys are opened first, so a store without key files has lost them.
	keys, err := keyring.Open(ctx, keyring.Options{Dir: dir, Service: service, Master: master, MustExist: err == nil})
	if err != nil {
		return nil, fmt.Errorf("open the keys of %s: %w", service, err)
	}
	// A rotation of the master key that was begun and not carried through here ends now.
	if err := keys.Rotate(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("rotate the keys of %s: %w", service, err), keys.Close())
	}
	backend, err := sqlite.Open(ctx, path, sqlite.Options{})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the store of %s: %w", service, err), keys.Close())
	}
	db, err := docstore.New(ctx, backend, docstore.Options{Service: service, Keys: keys, Now: now, Check: contract.CheckType})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the store of %s: %w", service, err), backend.Close(), keys.Close())
	}
	return &Store{DB: db, Keys: keys}, nil
}

// Close closes the store, then the keys. A nil store closes too.
func (s *Store) Close() error {
	if s == nil {
		return nil
	}
	return errors.Join(s.DB.Close(), s.Keys.Close())
}
