package flow

import (
	"context"

	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
)

// Holding is how much a participant holds, for whoever decides about a request.
type Holding struct {
	Participant, Resource string
	Category              optionsv1.Category
	// Owned, Linked and Mentioned count the person's records, and those of
	// others that name or speak of them.
	Owned, Linked, Mentioned int64
}

// Holdings counts what a participant holds of a person, those of its resources
// of which it holds nothing left out. A nil identifiers counts no mentions.
func (p Participant) Holdings(ctx context.Context, account, id int64, ids *participantv1.Identifiers) ([]Holding, error) {
	c, err := p.Client.CountHoldings(authn.WithAccount(ctx, account), &participantv1.CountHoldingsRequest{
		Subject: subjectOf(account, id), Identifiers: ids,
	})
	return p.holdings(c.GetCounts()), err
}

// TicketHoldings counts what hangs on a ticket of a person at a participant.
func (p Participant) TicketHoldings(ctx context.Context, account, id, ticket int64) ([]Holding, error) {
	c, err := p.Client.CountItem(authn.WithAccount(ctx, account), &participantv1.CountItemRequest{
		Subject: subjectOf(account, id), Item: itemOf(ticket),
	})
	return p.holdings(c.GetCounts()), err
}

func (p Participant) holdings(counts []*participantv1.Count) []Holding {
	var out []Holding
	for _, n := range counts {
		if n.GetOwned()+n.GetLinked()+n.GetMentioned() == 0 {
			continue
		}
		out = append(out, Holding{
			Participant: p.Name, Resource: n.GetResource(), Category: n.GetCategory(),
			Owned: n.GetOwned(), Linked: n.GetLinked(), Mentioned: n.GetMentioned(),
		})
	}
	return out
}
