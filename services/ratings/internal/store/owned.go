package store

import (
	"context"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/mention"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/ratings/internal/rating"
)

// CountOwned counts a person's ratings, whatever fences stand.
func (t *Ratings) CountOwned(ctx context.Context, s ring.Subject) (int64, error) {
	return t.docs.Count(ctx, ring.Sweep, s.Account, owned(s, 1))
}

// SweepOwned deletes at most limit ratings of a person whose key is gone.
func (t *Ratings) SweepOwned(ctx context.Context, s ring.Subject, limit int) (n int, more bool, err error) {
	return t.docs.DeleteWhere(ctx, ring.Sweep, s.Account, owned(s, limit))
}

// ExportOwned reads a person's ratings behind an id, in id order.
func (t *Ratings) ExportOwned(ctx context.Context, s ring.Subject, after int64, limit int) ([]*rating.Rating, error) {
	q := owned(s, limit)
	if after > 0 {
		q.Where = docstore.Cond{Op: ">", Field: "id", Value: after}
	}
	p, err := t.docs.Find(ctx, ring.Export, s.Account, q)
	return t.values(p.Items), err
}

// CountOfTicket counts a person's ratings of a ticket, whatever fences stand.
func (t *Ratings) CountOfTicket(ctx context.Context, s ring.Subject, ticket int64) (int64, error) {
	return t.docs.Count(ctx, ring.Sweep, s.Account, ofTicket(s, ticket, 1))
}

// DeleteOfTicket deletes at most limit of a person's ratings of a ticket.
func (t *Ratings) DeleteOfTicket(ctx context.Context, s ring.Subject, ticket int64, limit int) (n int, more bool, err error) {
	return t.docs.DeleteWhere(ctx, ring.Sweep, s.Account, ofTicket(s, ticket, limit))
}

// agentLink is the agent in charge.
var agentLink = docstore.Link{Field: "agent_id", Index: "agent"}

// CountLinked counts the ratings of others that name a person as the agent in charge.
func (t *Ratings) CountLinked(ctx context.Context, s ring.Subject) (int64, error) {
	return t.docs.CountLinked(ctx, s, agentLink.Index)
}

// Relink puts another agent in place of a person in at most limit ratings of
// others; 0 puts nobody. No rating is opened for it.
func (t *Ratings) Relink(ctx context.Context, s ring.Subject, to int64, limit int) (n int, more bool, err error) {
	return t.docs.Relink(ctx, s, to, limit, agentLink)
}

// CountMentions counts the ratings of others whose feedback holds one of a person's identifiers.
func (t *Ratings) CountMentions(ctx context.Context, s ring.Subject, ids mention.Identifiers) (int64, error) {
	return t.docs.CountMentions(ctx, s, ids)
}

// RedactMentions removes a person's identifiers from the feedback of others, and
// the person's names from feedback that holds an identifier or is about the
// person's work.
func (t *Ratings) RedactMentions(ctx context.Context, s ring.Subject, ids mention.Identifiers) (int64, error) {
	return t.docs.RedactPerson(ctx, s, ids, agentLink.Index)
}

func owned(s ring.Subject, limit int) docstore.Query {
	return docstore.Query{Index: "owner", Eq: []any{s.ID}, Limit: limit}
}

func ofTicket(s ring.Subject, ticket int64, limit int) docstore.Query {
	return docstore.Query{
		Index: "ticket", Eq: []any{ticket}, Limit: limit, Where: docstore.Cond{Op: "=", Field: "owner", Value: s.ID},
	}
}
