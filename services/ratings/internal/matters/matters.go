// Package matters asks the tickets service about a ticket.
package matters

import (
	"context"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/ratings/internal/rating"
	"google.golang.org/grpc"
)

// Client is a client of tickets.
type Client struct {
	c ticketsv1.TicketsServiceClient
}

// New returns a client over a connection whose token source knows accounts (platform/dial).
func New(cc grpc.ClientConnInterface) *Client {
	return &Client{ticketsv1.NewTicketsServiceClient(cc)}
}

// Ticket reads what a rating needs to know of a ticket. Its errors are
// faults: not found for one that is unknown or withheld, REASON_RESTRICTED for
// one of a restricted person.
func (c *Client) Ticket(ctx context.Context, account, id int64) (*rating.Matter, error) {
	if id <= 0 {
		return nil, fault.NotFound("ticket", id)
	}
	out, err := c.c.GetTicket(authn.WithAccount(ctx, account), &ticketsv1.GetTicketRequest{Id: id})
	if err != nil {
		return nil, refusal(fault.FromStatus(err), id)
	}
	t := out.GetTicket()
	return &rating.Matter{Requester: t.GetRequesterId(), Agent: t.ResponderId, Group: t.GroupId, Trashed: t.GetDeleted()}, nil
}

// refusal makes our own answer of what tickets refused: a refusal of another
// service is otherwise taken for one of ourselves, and is an incident.
func refusal(f *fault.Error, id int64) error {
	switch {
	case f.Reason == faultv1.Reason_REASON_RESTRICTED:
		return fault.Denied(f.Reason)
	case f.Kind == fault.KindNotFound:
		return fault.NotFound("ticket", id)
	}
	return f
}
