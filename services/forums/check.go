package forums

import (
	"context"
	"errors"
	"time"

	"github.com/lethe-desk/lethe/services/forums/internal/store"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/idem"
	"github.com/lethe-desk/lethe/services/internal/platform/storage"
)

// Check looks through what a stopped service keeps and changes nothing. Errors
// are those of storage.OpenToCheck and docstore.DB.Check; what is wrong is a finding.
func Check(ctx context.Context, c storage.Config, w docstore.Watch) (err error) {
	s, err := storage.OpenToCheck(ctx, Name, c, w)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if _, err := store.Open(ctx, s.DB); err != nil {
		return err
	}
	if _, err := idem.Bind(ctx, s.DB, time.Now); err != nil {
		return err
	}
	return s.DB.Check(ctx, w)
}
