package docstore

import (
	"context"

	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// Settler is a backend that cannot tie a write to the look at the ring before
// it: several processes share it, and it has no transactions.
type Settler interface {
	// Settle returns when no write can land any more that has not seen the last
	// change of a subject's fences.
	Settle(ctx context.Context, s ring.Subject) error
}

// calm waits until a fence that stands is one that no write gets past.
func (db *DB) calm(ctx context.Context, s ring.Subject) error {
	if db.settler == nil {
		return nil
	}
	return db.settler.Settle(ctx, s)
}
