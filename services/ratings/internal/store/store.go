package store

import (
	"context"
	"errors"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/ratings/internal/rating"
)

// Store is all that the service keeps.
type Store struct {
	db      *docstore.DB
	Surveys *Surveys
	Ratings *Ratings
}

// Open binds all collections.
func Open(ctx context.Context, db *docstore.DB) (*Store, error) {
	surveys, e1 := bind[rating.Survey, surveyDoc, *rating.Survey, *surveyDoc](ctx, db, docstore.Spec{Name: "surveys"}, surveyTo, surveyFrom)
	desks, e2 := docstore.Bind[deskDoc](ctx, db, docstore.Spec{Name: "desks"})
	ratings, e3 := bind[rating.Rating, ratingDoc, *rating.Rating, *ratingDoc](ctx, db, ratingSpec, ratingTo, ratingFrom)
	closed, e4 := docstore.Bind[closedDoc](ctx, db, docstore.Spec{Name: "closed_tickets"})
	return &Store{db: db, Surveys: &Surveys{surveys, desks}, Ratings: &Ratings{ratings, closed}}, errors.Join(e1, e2, e3, e4)
}

// Modes returns the fences that stand on a person here, none for one never met.
func (s *Store) Modes(ctx context.Context, subject ring.Subject) (ring.Mode, error) {
	e, err := s.db.Entry(ctx, subject)
	if errors.Is(err, docstore.ErrNotFound) {
		return 0, nil
	}
	return e.Modes(), err
}

// Erased reports whether a person's key here is destroyed: from then on a sweep
// may have passed, and nothing names the person any more.
func (s *Store) Erased(ctx context.Context, subject ring.Subject) (bool, error) {
	e, err := s.db.Entry(ctx, subject)
	if errors.Is(err, docstore.ErrNotFound) {
		return false, nil
	}
	return e.Destroyed, err
}
