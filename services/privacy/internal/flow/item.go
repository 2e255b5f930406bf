package flow

import (
	"context"
	"strconv"

	"google.golang.org/protobuf/proto"

	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
)

// ticketResource is the name of tickets in the contract.
const ticketResource = "tickets"

func itemOf(ticket int64) *participantv1.Item {
	return &participantv1.Item{Resource: proto.String(ticketResource), Id: &ticket}
}

// item is the record a saga erases; nil when its reference is no number.
func item(call saga.Call) *participantv1.Item {
	n, err := strconv.ParseInt(call.Ref(RefTicket), 10, 64)
	if err != nil {
		return nil
	}
	return itemOf(n)
}

func (p Participant) countItem(ctx context.Context, call saga.Call) ([]*participantv1.Count, error) {
	c, err := p.Client.CountItem(as(ctx, call), &participantv1.CountItemRequest{Subject: subject(call), Item: item(call)})
	return c.GetCounts(), err
}

// planItem asks what hangs on the record. The service that owns it has to have
// it; at another perhaps nothing can hang on such a record.
func (p Participant) planItem(ctx context.Context, call saga.Call) saga.Result {
	counts, err := p.countItem(ctx, call)
	if err != nil {
		return answer(err)
	}
	if p.Name == Tickets && !held(counts) {
		return saga.Refused("not_found")
	}
	if len(counts) == 0 {
		return saga.Done()
	}
	plan := planFrom(counts)
	for i := range plan {
		plan[i].linked, plan[i].mentioned = false, false
	}
	return saga.Done().WithRefs(planRefs(p.Name, plan))
}

// held reports whether the record itself is among the counts.
func held(counts []*participantv1.Count) bool {
	for _, n := range counts {
		if n.GetResource() == ticketResource && n.GetOwned() > 0 {
			return true
		}
	}
	return false
}

// eraseItem erases the record and what hangs on it, and takes the outcomes.
func (p Participant) eraseItem(ctx context.Context, call saga.Call) saga.Result {
	stream, err := p.Client.EraseItem(as(ctx, call), &participantv1.EraseItemRequest{
		Subject: subject(call), Saga: proto.String(call.Saga), Token: token(call), Item: item(call),
	})
	if err != nil {
		return answer(err)
	}
	outcomes, err := follow(stream, call)
	if err != nil {
		return answer(err)
	}
	if len(outcomes) == 0 && len(planOf(call, p.Name)) == 0 {
		return saga.Done()
	}
	return p.reported(outcomes, call, func(planned) bool { return true })
}

// attestItem recounts what is left of the record; what is left is erased again.
func (p Participant) attestItem(ctx context.Context, call saga.Call) saga.Result {
	counts, err := p.countItem(ctx, call)
	if err != nil {
		return answer(err)
	}
	if len(counts) == 0 && len(planOf(call, p.Name)) == 0 {
		return saga.Done()
	}
	left := ownedGone
	left.again = "erase."
	return p.check(call, counts, left)
}
