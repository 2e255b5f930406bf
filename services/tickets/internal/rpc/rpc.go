// Package rpc is the gRPC side of the tickets service: its methods, the
// conversions between messages and the domain, and its part in the participant contract.
package rpc

import (
	"context"
	"time"

	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/idem"
	"github.com/lethe-desk/lethe/services/internal/platform/page"
	"github.com/lethe-desk/lethe/services/tickets/internal/app"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// Services are the full names of what Register registers, the participant contract aside.
var Services = []string{
	"lethe.tickets.v1.TicketsService", "lethe.tickets.v1.ConversationsService", "lethe.tickets.v1.AttachmentsService",
	"lethe.tickets.v1.ThreadsService", "lethe.tickets.v1.CallsService", "lethe.tickets.v1.ChatsService",
}

// Register registers all services of tickets. Now is the clock.
func Register(r grpc.ServiceRegistrar, a *app.App, now func() time.Time) {
	ticketsv1.RegisterTicketsServiceServer(r, &tickets{app: a, now: now})
	ticketsv1.RegisterConversationsServiceServer(r, &conversations{app: a})
	ticketsv1.RegisterAttachmentsServiceServer(r, &attachments{app: a})
	ticketsv1.RegisterThreadsServiceServer(r, &threads{app: a})
	ticketsv1.RegisterCallsServiceServer(r, &calls{app: a})
	ticketsv1.RegisterChatsServiceServer(r, &chats{app: a})
}

// caller is who calls, as the interceptor found it.
func caller(ctx context.Context) app.Caller {
	who := authn.Caller(ctx)
	return app.Caller{Account: who.Account, Actor: who.Actor}
}

// keyOf makes the idempotency key of a call: the hash is over its input and the
// thing it hangs on, without uploads, which differ from try to try.
func keyOf(value string, input proto.Message, on int64) (app.Key, error) {
	if value == "" {
		return app.Key{}, nil
	}
	bare := proto.Clone(input)
	m := bare.ProtoReflect()
	if f := m.Descriptor().Fields().ByName("attachment_ids"); f != nil {
		m.Clear(f)
	}
	// the ticket of a path stands in a field number that no input has
	m.SetUnknown(append(m.GetUnknown(), onField(on)...))
	body, err := idem.Body(bare)
	return app.Key{Value: value, Body: body}, err
}

// paging reads page and per_page.
func paging(number, size *int32) (skip, limit int, err error) {
	p, err := page.Of(number, size)
	return p.Skip(), p.Size, err
}

// missing refuses a request without its input.
func missing(field string) error { return fault.Missing(field) }
