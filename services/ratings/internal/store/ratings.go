package store

import (
	"context"
	"errors"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/ratings/internal/rating"
)

// ratingDoc is a stored rating; its owner is who gave it.
type ratingDoc struct {
	docstore.Meta
	Origin   string           `doc:"origin" why:"random mark of the idempotency record that made it"`
	SurveyID int64            `doc:"survey_id" field:"lethe.ratings.v1.SatisfactionRating.survey_id"`
	TicketID int64            `doc:"ticket_id" field:"lethe.ratings.v1.SatisfactionRating.ticket_id"`
	Agent    *int64           `doc:"agent_id" field:"lethe.ratings.v1.SatisfactionRating.agent_id"`
	Group    *int64           `doc:"group_id" field:"lethe.ratings.v1.SatisfactionRating.group_id"`
	Feedback *string          `doc:"feedback,seal" field:"lethe.ratings.v1.SatisfactionRating.feedback"`
	Answers  map[string]int32 `doc:"ratings,seal" field:"lethe.ratings.v1.SatisfactionRating.ratings"`
}

func (d *ratingDoc) meta() *docstore.Meta { return &d.Meta }
func (d *ratingDoc) mark() *string        { return &d.Origin }

var ratingSpec = docstore.Spec{
	Name: "satisfaction_ratings",
	Indexes: []docstore.Index{
		{Name: "created", Fields: []string{"created_at"}},
		{Name: "owner_created", Fields: []string{"owner", "created_at"}},
		{Name: "ticket", Fields: []string{"ticket_id", "created_at"}},
		{Name: "agent", Fields: []string{"agent_id"}},
	},
	Mentions: []string{"feedback"},
}

func ratingTo(r *rating.Rating, d *ratingDoc) {
	*d = ratingDoc{SurveyID: r.SurveyID, TicketID: r.TicketID, Agent: r.Agent, Group: r.Group, Feedback: r.Feedback, Answers: r.Answers}
}

func ratingFrom(d *ratingDoc, r *rating.Rating) {
	*r = rating.Rating{SurveyID: d.SurveyID, TicketID: d.TicketID, Agent: d.Agent, Group: d.Group, Feedback: d.Feedback, Answers: d.Answers}
}

// closedDoc says that an erasure has taken a ticket, so that nothing is hung on
// it any more; its id is the ticket's.
type closedDoc struct{ docstore.Meta }

// Ratings stores ratings.
type Ratings struct {
	*Table[rating.Rating, ratingDoc, *rating.Rating, *ratingDoc]
	closed *docstore.Collection[closedDoc]
}

// Owner reads whose a rating is, whatever fences stand.
func (t *Ratings) Owner(ctx context.Context, account, id int64) (int64, error) {
	p, err := t.docs.Find(ctx, ring.Sweep, account, docstore.Query{Index: "id", Eq: []any{id}, Limit: 1})
	if err != nil {
		return 0, err
	}
	if len(p.Items) == 0 {
		return 0, docstore.ErrNotFound
	}
	return p.Items[0].Owner, nil
}

// List reads a page of ratings, oldest first, and whether there is more.
func (t *Ratings) List(ctx context.Context, account int64, l rating.List) ([]*rating.Rating, bool, error) {
	q := docstore.Query{Index: "created", Skip: l.Skip, Limit: l.Limit}
	switch {
	case l.Ticket != nil:
		q.Index, q.Eq = "ticket", []any{*l.Ticket}
	case l.Owner != nil:
		q.Index, q.Eq = "owner_created", []any{*l.Owner}
	}
	if l.Since != nil {
		q.From = *l.Since
	}
	return t.page(ctx, account, q)
}

// Remove takes a rating back that was written a moment ago.
func (t *Ratings) Remove(ctx context.Context, r *rating.Rating) error {
	return t.docs.Delete(ctx, ring.Sweep, r.Account, r.ID, 0)
}

// Close notes that an erasure takes a ticket. Repeating it changes nothing.
func (t *Ratings) Close(ctx context.Context, account, ticket int64, now time.Time) error {
	err := t.closed.Insert(ctx, ring.Write, &closedDoc{docstore.Meta{Account: account, ID: ticket, CreatedAt: now, UpdatedAt: now}})
	if errors.Is(err, docstore.ErrExists) {
		return nil
	}
	return err
}

// Closed reports whether an erasure has taken a ticket.
func (t *Ratings) Closed(ctx context.Context, account, ticket int64) (bool, error) {
	_, err := t.closed.Get(ctx, ring.Read, account, ticket)
	if errors.Is(err, docstore.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
