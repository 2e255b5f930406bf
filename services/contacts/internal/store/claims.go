package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lethe-desk/lethe/services/contacts/internal/person"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// Claim makes a value a person's own. *docstore.Taken when somebody else has it.
func (s *Store) Claim(ctx context.Context, account int64, v person.Value, id int64) error {
	if err := s.db.Claim(ctx, account, string(v.Unique), v.Text, id); err != nil {
		return fmt.Errorf("claim: %w", err)
	}
	return nil
}

// Steal takes a claim over from somebody who holds it without using it;
// docstore.ErrStale when they hold it no longer.
func (s *Store) Steal(ctx context.Context, account int64, v person.Value, from, to int64) error {
	if err := s.db.MoveClaim(ctx, account, string(v.Unique), v.Text, from, to); err != nil {
		return fmt.Errorf("move claim: %w", err)
	}
	return nil
}

// Unclaim frees a value if the person holds it.
func (s *Store) Unclaim(ctx context.Context, account int64, v person.Value, id int64) error {
	if err := s.db.Unclaim(ctx, account, string(v.Unique), v.Text, id); err != nil {
		return fmt.Errorf("unclaim: %w", err)
	}
	return nil
}

// Claimed returns who holds a value and since when.
func (s *Store) Claimed(ctx context.Context, account int64, v person.Value) (int64, time.Time, error) {
	id, at, err := s.db.Claimant(ctx, account, string(v.Unique), v.Text)
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("read claim: %w", err)
	}
	return id, at, nil
}

// Uses reports whether a person's document holds a value, whatever fences stand.
func (s *Store) Uses(ctx context.Context, account, id int64, v person.Value) (bool, error) {
	doc, err := s.people.Get(ctx, ring.Sweep, account, id)
	if errors.Is(err, docstore.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read holder: %w", err)
	}
	return fromDoc(doc).Details.Has(v), nil
}
