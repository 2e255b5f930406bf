// Package storage opens what a service keeps: its keys and its document store,
// on one machine (key files and SQLite in one folder) or on MongoDB (two
// databases, shared by every replica), in the order in which each is checked
// against the other.
package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/lethe-desk/lethe/services/internal/platform/contract"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore/sqlite"
	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
)

// Config says where a service's store lies.
type Config struct {
	// Dir is the service's folder: of its blobs always, of its key files and its
	// SQLite file unless Mongo is given. It is made when it is missing. Mandatory.
	Dir string
	// Master holds the installation's master keys. Mandatory.
	Master *keyring.Master
	// Mongo is the connection all services of a process share; nil: SQLite in Dir.
	Mongo *Mongo
	// Now is the clock; time.Now when nil.
	Now func() time.Time
	// Log gets what background work did; slog.Default() when nil.
	Log *slog.Logger
	// Tracer makes a span of every call of the store; nil makes none.
	Tracer trace.Tracer
}

// Complete reports whether what is mandatory is there.
func (c Config) Complete() bool { return c.Dir != "" && c.Master != nil }

// Store is an open store with its keys.
type Store struct {
	// DB is the store.
	DB *docstore.DB

	// ends close what lies below DB, in this order.
	ends []func() error
	stop func()
}

// Open opens or makes the store of a service. Its errors are sentences for the
// operator: the store is another process's, of a newer version, without its
// keys, or of another master key.
func Open(ctx context.Context, service string, c Config) (*Store, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil && c.Mongo != nil {
		c.Log = c.Mongo.opts.Log
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of %s: %w", service, err)
	}
	if c.Mongo != nil {
		return openMongo(ctx, service, c)
	}
	return openFiles(ctx, service, c)
}

func openFiles(ctx context.Context, service string, c Config) (*Store, error) {
	path := filepath.Join(c.Dir, service+".db")
	_, err := os.Stat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look for the store of %s: %w", service, err)
	}
	// The keys are opened first, so a store without key files has lost them.
	keys, err := keyring.Open(ctx, keyring.Options{Dir: c.Dir, Service: service, Master: c.Master, MustExist: err == nil})
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
	s, err := assemble(ctx, service, c, backend, keys, keys.Close)
	if err == nil {
		s.DB.StartScrub(0, nil) // what deletion leaves in the file, every day
	}
	return s, err
}

// assemble makes a store of its parts, or closes them.
func assemble(ctx context.Context, service string, c Config, b docstore.Backend, keys docstore.Keys, closeKeys func() error) (*Store, error) {
	db, err := docstore.New(ctx, b, docstore.Options{Service: service, Keys: keys, Now: c.Now, Check: contract.CheckType, Log: c.Log, Tracer: c.Tracer})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the store of %s: %w", service, err), b.Close(), closeKeys())
	}
	return newStore(db, closeKeys), nil
}

func newStore(db *docstore.DB, closeKeys func() error) *Store {
	return &Store{DB: db, ends: []func() error{db.Close, closeKeys}, stop: func() {}}
}

// Close ends background work and closes the store, then the keys. A nil store closes too.
func (s *Store) Close() error {
	if s == nil {
		return nil
	}
	s.stop()
	var errs []error
	for _, end := range s.ends {
		errs = append(errs, end())
	}
	return errors.Join(errs...)
}
