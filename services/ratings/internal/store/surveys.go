package store

import (
	"context"
	"errors"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/ratings/internal/rating"
)

// surveyDoc is a stored survey; it is the account's.
type surveyDoc struct {
	docstore.Meta
	Origin    string        `doc:"origin" why:"random mark of the idempotency record that made it"`
	Title     string        `doc:"title,seal" field:"lethe.ratings.v1.Survey.title"`
	Questions []questionDoc `doc:"questions,seal" field:"lethe.ratings.v1.Survey.questions"`
}

// questionDoc is one question, by number of field.
type questionDoc struct {
	ID       string  `cbor:"1,keyasint,omitempty"`
	Label    string  `cbor:"2,keyasint,omitempty"`
	Accepted []int32 `cbor:"3,keyasint,omitempty"`
}

func (d *surveyDoc) meta() *docstore.Meta { return &d.Meta }
func (d *surveyDoc) mark() *string        { return &d.Origin }

func surveyTo(s *rating.Survey, d *surveyDoc) {
	*d = surveyDoc{Title: s.Title}
	for _, q := range s.Questions {
		d.Questions = append(d.Questions, questionDoc(q))
	}
}

func surveyFrom(d *surveyDoc, s *rating.Survey) {
	*s = rating.Survey{Title: d.Title}
	for _, q := range d.Questions {
		s.Questions = append(s.Questions, rating.Question(q))
	}
}

// deskDoc says which survey an account asks. There is one per account, so one
// survey is active at every moment, also while two are being made so.
type deskDoc struct {
	docstore.Meta
	Asked int64 `doc:"asked_id" field:"lethe.ratings.v1.Survey.active"`
}

// deskID is the id of an account's only deskDoc.
const deskID = 1

// Surveys stores surveys. Methods that read one fill in whether it is active.
type Surveys struct {
	*Table[rating.Survey, surveyDoc, *rating.Survey, *surveyDoc]
	desks *docstore.Collection[deskDoc]
}

// Active reads the id of the survey that an account asks; docstore.ErrNotFound
// before an account has any.
func (s *Surveys) Active(ctx context.Context, account int64) (int64, error) {
	d, err := s.desks.Get(ctx, ring.Read, account, deskID)
	if err != nil {
		return 0, err
	}
	return d.Asked, nil
}

// Found writes an account's first survey and makes it the active one. When
// somebody else has just done so, nothing is changed.
func (s *Surveys) Found(ctx context.Context, first *rating.Survey) error {
	if err := s.Insert(ctx, first); err != nil && !errors.Is(err, docstore.ErrExists) {
		return err
	}
	err := s.desks.Insert(ctx, ring.Write, &deskDoc{
		Meta: docstore.Meta{Account: first.Account, ID: deskID, CreatedAt: first.CreatedAt, UpdatedAt: first.CreatedAt}, Asked: first.ID,
	})
	if errors.Is(err, docstore.ErrExists) {
		return nil
	}
	return err
}

// Ask makes a survey the active one. docstore.ErrStale when somebody else made
// another one so at the same moment.
func (s *Surveys) Ask(ctx context.Context, v *rating.Survey) error {
	d, err := s.desks.Get(ctx, ring.Read, v.Account, deskID)
	if err != nil {
		return err
	}
	if d.Asked == v.ID {
		return nil
	}
	d.Asked, d.UpdatedAt = v.ID, v.UpdatedAt
	return s.desks.Update(ctx, ring.Write, d)
}

// List reads a page of surveys in id order.
func (s *Surveys) List(ctx context.Context, account int64, skip, limit int) ([]*rating.Survey, bool, error) {
	return s.page(ctx, account, docstore.Query{Index: "id", Skip: skip, Limit: limit})
}
