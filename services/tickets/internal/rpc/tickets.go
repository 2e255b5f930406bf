package rpc

import (
	"context"
	"time"

	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/tickets/internal/app"
	"github.com/lethe-desk/lethe/services/tickets/internal/ticket"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// tickets implements TicketsService.
type tickets struct {
	ticketsv1.UnimplementedTicketsServiceServer
	app *app.App
	now func() time.Time
}

// onField encodes the id a path names, for keyOf.
func onField(id int64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, 536870000, protowire.VarintType), uint64(id))
}

// CreateTicket makes a ticket, and a contact when the requester is unknown.
func (s *tickets) CreateTicket(ctx context.Context, in *ticketsv1.CreateTicketRequest) (*ticketsv1.CreateTicketResponse, error) {
	if in.Ticket == nil {
		return nil, missing("requester_id")
	}
	key, err := keyOf(in.GetIdempotencyKey(), in.Ticket, 0)
	if err != nil {
		return nil, err
	}
	v, err := s.app.CreateTicket(ctx, caller(ctx), ticketInput(in.Ticket), key)
	if err != nil {
		return nil, err
	}
	return &ticketsv1.CreateTicketResponse{Ticket: showWhole(v, s.now())}, nil
}

// GetTicket reads one ticket, also one in the trash.
func (s *tickets) GetTicket(ctx context.Context, in *ticketsv1.GetTicketRequest) (*ticketsv1.GetTicketResponse, error) {
	v, err := s.app.GetTicket(ctx, caller(ctx), in.Id, in.Include)
	if err != nil {
		return nil, err
	}
	return &ticketsv1.GetTicketResponse{Ticket: showWhole(v, s.now())}, nil
}

// ListTickets reads a page, newest first unless told otherwise.
func (s *tickets) ListTickets(ctx context.Context, in *ticketsv1.ListTicketsRequest) (*ticketsv1.ListTicketsResponse, error) {
	skip, limit, err := paging(in.Page, in.PerPage)
	if err != nil {
		return nil, err
	}
	found, more, err := s.app.ListTickets(ctx, caller(ctx), &ticket.ListInput{
		Filter: in.Filter, RequesterID: in.RequesterId, Email: in.Email, External: in.UniqueExternalId, CompanyID: in.CompanyId,
		UpdatedSince: toTime(in.UpdatedSince), OrderBy: in.OrderBy, OrderType: in.OrderType, Include: in.Include, Page: int(max(in.GetPage(), 1)),
	}, skip, limit)
	if err != nil {
		return nil, err
	}
	out := &ticketsv1.ListTicketsResponse{More: proto.Bool(more)}
	now := s.now()
	for i := range found {
		out.Tickets = append(out.Tickets, showListed(&found[i], now))
	}
	return out, nil
}

// UpdateTicket changes the fields that the mask names.
func (s *tickets) UpdateTicket(ctx context.Context, in *ticketsv1.UpdateTicketRequest) (*ticketsv1.UpdateTicketResponse, error) {
	values := in.Ticket
	if values == nil {
		values = &ticketsv1.TicketInput{}
	}
	v, err := s.app.UpdateTicket(ctx, caller(ctx), in.Id, ticketInput(values), in.GetUpdateMask().GetPaths())
	if err != nil {
		return nil, err
	}
	return &ticketsv1.UpdateTicketResponse{Ticket: showWhole(v, s.now())}, nil
}

// DeleteTicket puts a ticket into the trash.
func (s *tickets) DeleteTicket(ctx context.Context, in *ticketsv1.DeleteTicketRequest) (*ticketsv1.DeleteTicketResponse, error) {
	return &ticketsv1.DeleteTicketResponse{}, s.app.DeleteTicket(ctx, caller(ctx), in.Id)
}

// RestoreTicket takes a ticket out of the trash.
func (s *tickets) RestoreTicket(ctx context.Context, in *ticketsv1.RestoreTicketRequest) (*ticketsv1.RestoreTicketResponse, error) {
	return &ticketsv1.RestoreTicketResponse{}, s.app.RestoreTicket(ctx, caller(ctx), in.Id)
}
