package tickets

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/idem"
	"github.com/lethe-desk/lethe/services/internal/platform/storage"
	"github.com/lethe-desk/lethe/services/tickets/internal/store"
)

// Check looks through what a stopped service keeps and changes nothing: beside
// the store, whether ticket numbers can come twice and whether every file's bytes
// are there. Errors are those of storage.OpenToCheck and docstore.DB.Check; what is wrong is a finding.
func Check(ctx context.Context, c storage.Config, w docstore.Watch) (err error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	s, err := storage.OpenToCheck(ctx, Name, c, w)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	st, err := store.Open(ctx, s.DB)
	if err != nil {
		return err
	}
	if _, err := idem.Bind(ctx, s.DB, c.Now); err != nil {
		return err
	}
	if err := s.DB.Check(ctx, w); err != nil {
		return err
	}
	blobs, err := storage.BlobsToCheck(filepath.Join(c.Dir, "blobs"), w)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, blobs.Close()) }()
	return st.Check(ctx, w, blobs, c.Now())
}
