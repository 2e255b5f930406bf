package tickets

import (
	"context"
	"testing"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/servicetest"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// unbarred registers a service on a server that cannot be told whom to refuse.
type unbarred struct{ servicetest.Running }

func (u unbarred) Register(r grpc.ServiceRegistrar) {
	u.Running.Register(struct{ grpc.ServiceRegistrar }{r})
}

// reads counts the store's reads in a call.
func (d *desk) reads(call func()) int64 {
	before := d.svc.Stats().Reads
	call()
	return d.svc.Stats().Reads - before
}

// A token outlives the agent who is erased by minutes. Under it nothing is
// written any more; reads go on and cost what they did. The control has a server
// that nobody tells: there an erased agent writes.
func TestATokenFromBeforeAnErasureWritesNothing(t *testing.T) {
	var gets, updates [2]int64
	for i, wrap := range [][]func(servicetest.Running) servicetest.Running{nil, {func(r servicetest.Running) servicetest.Running { return unbarred{r} }}} {
		d := openOn(servicetest.New(t, servicetest.Options{}), wrap...)
		barred := len(wrap) == 0
		id := d.ticket(&ticketsv1.TicketInput{Email: str("a@example.org")}).GetId()
		gets[i] = d.reads(func() { d.mustGet(id, "") })
		updates[i] = d.reads(func() {
			_, err := d.update(id, &ticketsv1.TicketInput{Priority: proto.Int32(2)}, "priority")
			must(t, err)
		})
		writes := map[string]func(context.Context) error{
			"note": func(ctx context.Context) error {
				_, err := d.conversations.CreateNote(ctx, &ticketsv1.CreateNoteRequest{TicketId: id, Note: &ticketsv1.NoteInput{Body: str("late")}})
				return err
			},
			"ticket": func(ctx context.Context) error {
				_, err := d.tickets.CreateTicket(ctx, &ticketsv1.CreateTicketRequest{Ticket: &ticketsv1.TicketInput{Email: str("b@example.org")}})
				return err
			},
			"upload": func(ctx context.Context) error {
				stream, err := d.attachments.UploadAttachment(ctx)
				if err == nil {
					_, err = stream.CloseAndRecv()
				}
				return err
			},
		}
		d.fence(firstAgent, participantv1.Mode_MODE_HIDDEN, "hide") // not an erasure
		must(t, writes["note"](d.agent))
		for _, mode := range []participantv1.Mode{participantv1.Mode_MODE_ERASING, participantv1.Mode_MODE_ERASED} {
			d.fence(firstAgent, mode, "erase")
			for name, write := range writes {
				if err := write(d.agent); fault.Has(err, faultv1.Reason_REASON_ACCESS_DENIED) != barred {
					t.Errorf("barred %v: %s under %v: %v", barred, name, mode, err)
				}
			}
			d.mustGet(id, "")
			must(t, writes["note"](d.Admin(1)))
		}
		d.unfence(firstAgent, "erase") // called off before the pivot
		must(t, writes["note"](d.agent))
		linked := int64(2) // before the erasure and after it
		if !barred {
			linked += 2
		}
		out, err := d.participant.CountHoldings(d.privacy, &participantv1.CountHoldingsRequest{Subject: subject(firstAgent)})
		must(t, err)
		for _, c := range out.GetCounts() {
			linked -= c.GetLinked()
		}
		equal(t, "notes of the agent that are missing", linked, 0)
	}
	equal(t, "reads of a GET", gets[0], gets[1])
	equal(t, "reads of a PUT", updates[0], updates[1]+1)
}
