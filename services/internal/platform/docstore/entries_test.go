package docstore

import (
	"context"
	"errors"
	"testing"

	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// metOnce is a backend that has met subject 1 and gave it the key in slot 0.
type metOnce struct{ Backend }

func (metOnce) Entry(_ context.Context, s ring.Subject) (Entry, error) {
	switch s.ID {
	case 1:
		return Entry{Entry: ring.Entry{Subject: s}}, nil
	case 2:
		return Entry{Entry: ring.Entry{Subject: s}, Slot: NoSlot}, nil
	}
	return Entry{}, ErrNotFound
}

// Somebody never met has no key, though the first slot has number 0.
func TestEntrySaysWhetherThereIsAKey(t *testing.T) {
	db := &DB{b: metOnce{}}
	for id, want := range map[int64]bool{1: true, 2: false, 3: false} {
		e, err := db.Entry(t.Context(), ring.Subject{Account: 1, ID: id})
		if e.HasKey != want || errors.Is(err, ErrNotFound) != (id == 3) {
			t.Errorf("subject %d: key %v, %v", id, e.HasKey, err)
		}
	}
}
