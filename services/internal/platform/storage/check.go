package storage

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/contract"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore/sqlite"
	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
)

// OpenToCheck opens what a stopped service keeps so that not a byte of it
// changes, and tells what it sees of the key files as a whole; DB.Check looks at the rest.
// docstore.ErrDamaged when a finding says why nothing more can be looked at,
// docstore.ErrUnchecked on MongoDB; other errors are sentences: it is in use, of another version, not there.
func OpenToCheck(ctx context.Context, service string, c Config, w docstore.Watch) (*Store, error) {
	if c.Mongo != nil {
		return nil, docstore.ErrUnchecked
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	keys, condition, err := keyring.OpenToCheck(ctx, keyring.Options{Dir: c.Dir, Service: service, Master: c.Master})
	if errors.Is(err, keyring.ErrUnfit) {
		return nil, damaged(w, docstore.FlawKeyFiles, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open the keys of %s: %w", service, err)
	}
	tellKeys(w, condition, c.Master)
	backend, err := sqlite.OpenToCheck(ctx, filepath.Join(c.Dir, service+".db"))
	if errors.Is(err, docstore.ErrDamaged) {
		return nil, errors.Join(damaged(w, docstore.FlawStore, err), keys.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the store of %s: %w", service, err), keys.Close())
	}
	db, err := docstore.New(ctx, backend, docstore.Options{Service: service, Keys: keys, Now: c.Now, Check: contract.CheckType})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the store of %s: %w", service, err), backend.Close(), keys.Close())
	}
	return newStore(db, keys.Close), nil
}

// damaged tells a finding that ends the check of a service.
func damaged(w docstore.Watch, flaw docstore.Flaw, err error) error {
	f := docstore.NewFinding(flaw, "", 0, 0)
	f.Detail = err.Error()
	w.Found(f)
	return docstore.ErrDamaged
}

// tellKeys tells what is wrong with the key files as a whole.
func tellKeys(w docstore.Watch, c keyring.Condition, m *keyring.Master) {
	for i, file := range []string{"key file", "mirror"} {
		if c.Lost[i] {
			f := docstore.NewFinding(docstore.FlawKeyMirror, "", 0, 0)
			f.Detail = file
			w.Found(f)
		}
	}
	if c.Behind || c.Epoch != m.Epoch() {
		w.Found(docstore.NewFinding(docstore.FlawKeyEpoch, "", 0, 0))
	}
}
