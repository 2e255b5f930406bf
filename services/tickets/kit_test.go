package tickets

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/servicetest"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

// The agents every desk has.
const (
	firstAgent = servicetest.FirstAgent
	otherAgent = servicetest.OtherAgent
)

// desk is a running service with clients and callers.
type desk struct {
	*servicetest.Kit
	t      *testing.T
	svc    *Service
	people *servicetest.Crowd

	tickets       ticketsv1.TicketsServiceClient
	conversations ticketsv1.ConversationsServiceClient
	attachments   ticketsv1.AttachmentsServiceClient
	threads       ticketsv1.ThreadsServiceClient
	calls         ticketsv1.CallsServiceClient
	chats         ticketsv1.ChatsServiceClient
	participant   participantv1.PersonalDataServiceClient

	// agent and privacy are contexts of these callers in account 1, stranger an agent of account 2.
	agent, privacy, stranger context.Context
	sequence                 atomic.Int64
}

var must = servicetest.Must

// open starts a desk in a new folder.
func open(t *testing.T) *desk {
	t.Helper()
	return openOn(servicetest.New(t, servicetest.Options{}))
}

// openOn starts a desk on the stores of a kit; wrap goes around the service.
func openOn(k *servicetest.Kit, wrap ...func(servicetest.Running) servicetest.Running) *desk {
	k.T.Helper()
	d := &desk{Kit: k, t: k.T, people: servicetest.NewCrowd()}
	k.Run(d.people.Service())
	k.Run(servicetest.Service{Name: Name, Declared: Services(), Open: func(ctx context.Context) (out servicetest.Running, err error) {
		d.svc, err = New(ctx, Config{Store: k.Store(Name), Contacts: k.ConnAs("contacts", Name), Now: k.Clock.Now, Log: k.Log, Quiet: true})
		out = d.svc
		for _, w := range wrap {
			out = w(out)
		}
		return out, err
	}})
	conn := k.Conn(Name)
	d.tickets, d.conversations = ticketsv1.NewTicketsServiceClient(conn), ticketsv1.NewConversationsServiceClient(conn)
	d.attachments, d.threads = ticketsv1.NewAttachmentsServiceClient(conn), ticketsv1.NewThreadsServiceClient(conn)
	d.calls, d.chats = ticketsv1.NewCallsServiceClient(conn), ticketsv1.NewChatsServiceClient(conn)
	d.participant = participantv1.NewPersonalDataServiceClient(conn)
	d.later(0)
	return d
}

// restart closes the service and opens it again on the same store.
func (d *desk) restart() { d.Restart(Name) }

// later moves the clock and renews the callers' tokens.
func (d *desk) later(by time.Duration) {
	d.Clock.Advance(by)
	d.agent, d.stranger, d.privacy = d.Agent(1), d.Agent(2), d.Privacy(1)
}

// person adds a contact to account 1 and returns the id.
func (d *desk) person(email string) int64 { return d.people.Person(1, email) }

// ticket makes a ticket that must be fine.
func (d *desk) ticket(in *ticketsv1.TicketInput) *ticketsv1.Ticket {
	d.t.Helper()
	out, err := d.create(in, "")
	must(d.t, err)
	return out
}

func (d *desk) create(in *ticketsv1.TicketInput, key string) (*ticketsv1.Ticket, error) {
	req := &ticketsv1.CreateTicketRequest{Ticket: in}
	if key != "" {
		req.IdempotencyKey = &key
	}
	out, err := d.tickets.CreateTicket(d.agent, req)
	return out.GetTicket(), err
}

func (d *desk) get(id int64, include string) (*ticketsv1.Ticket, error) {
	req := &ticketsv1.GetTicketRequest{Id: id}
	if include != "" {
		req.Include = &include
	}
	out, err := d.tickets.GetTicket(d.agent, req)
	return out.GetTicket(), err
}

func (d *desk) mustGet(id int64, include string) *ticketsv1.Ticket {
	d.t.Helper()
	out, err := d.get(id, include)
	must(d.t, err)
	return out
}

func (d *desk) update(id int64, in *ticketsv1.TicketInput, paths ...string) (*ticketsv1.Ticket, error) {
	out, err := d.tickets.UpdateTicket(d.agent, &ticketsv1.UpdateTicketRequest{Id: id, Ticket: in, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}})
	return out.GetTicket(), err
}

func (d *desk) list(in *ticketsv1.ListTicketsRequest) []int64 {
	d.t.Helper()
	out, err := d.tickets.ListTickets(d.agent, in)
	must(d.t, err)
	ids := []int64{}
	for _, t := range out.GetTickets() {
		ids = append(ids, t.GetId())
	}
	return ids
}

func (d *desk) reply(ticket int64, in *ticketsv1.ReplyInput, key string) (*ticketsv1.Reply, error) {
	req := &ticketsv1.CreateReplyRequest{TicketId: ticket, Reply: in}
	if key != "" {
		req.IdempotencyKey = &key
	}
	out, err := d.conversations.CreateReply(d.agent, req)
	return out.GetReply(), err
}

func (d *desk) note(ticket int64, in *ticketsv1.NoteInput) *ticketsv1.Note {
	d.t.Helper()
	out, err := d.conversations.CreateNote(d.agent, &ticketsv1.CreateNoteRequest{TicketId: ticket, Note: in})
	must(d.t, err)
	return out.GetNote()
}

// upload stages a file.
func (d *desk) upload(head *ticketsv1.UploadHead, data []byte) (*ticketsv1.Attachment, error) {
	out, err := d.uploadAs(d.agent, head, data)
	return out.GetAttachment(), err
}

func (d *desk) uploadAs(ctx context.Context, head *ticketsv1.UploadHead, data []byte) (*ticketsv1.UploadAttachmentResponse, error) {
	stream, err := d.attachments.UploadAttachment(ctx)
	if err != nil {
		return nil, err
	}
	if err := stream.Send(&ticketsv1.UploadAttachmentRequest{Part: &ticketsv1.UploadAttachmentRequest_Head{Head: head}}); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	for piece := range slices.Chunk(data, 64<<10) {
		if err := stream.Send(&ticketsv1.UploadAttachmentRequest{Part: &ticketsv1.UploadAttachmentRequest_Data{Data: piece}}); err != nil {
			break
		}
	}
	return stream.CloseAndRecv()
}

func (d *desk) staged(name string, data string) int64 {
	d.t.Helper()
	f, err := d.upload(&ticketsv1.UploadHead{Name: &name, ContentType: proto.String("text/plain")}, []byte(data))
	must(d.t, err)
	return f.GetId()
}

func (d *desk) download(id int64) (string, error) {
	stream, err := d.attachments.DownloadAttachment(d.agent, &ticketsv1.DownloadAttachmentRequest{Id: &id})
	must(d.t, err)
	var b strings.Builder
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return b.String(), nil
		}
		if err != nil {
			return "", err
		}
		b.Write(m.GetData())
	}
}

// blobs counts the files in the bucket.
func (d *desk) blobs() int {
	d.t.Helper()
	found, err := filepath.Glob(filepath.Join(d.Dir, Name, "blobs", "*", "*", "*"))
	must(d.t, err)
	return len(found)
}

func subject(id int64) *participantv1.Subject {
	return &participantv1.Subject{Account: proto.Int64(1), Id: &id}
}

// token returns one higher than all before.
func (d *desk) token() *participantv1.Token {
	return &participantv1.Token{Sequence: proto.Int64(d.sequence.Add(1)), Epoch: proto.Int32(1), Stage: proto.Int32(1)}
}

func (d *desk) fence(id int64, mode participantv1.Mode, saga string) {
	d.t.Helper()
	_, err := d.participant.Fence(d.privacy, &participantv1.FenceRequest{Subject: subject(id), Mode: &mode, Saga: &saga, Token: d.token()})
	must(d.t, err)
}

func (d *desk) unfence(id int64, saga string) {
	d.t.Helper()
	_, err := d.participant.Unfence(d.privacy, &participantv1.UnfenceRequest{Subject: subject(id), Saga: &saga, Token: d.token()})
	must(d.t, err)
}

func (d *desk) counts(id int64) map[string]int64 {
	d.t.Helper()
	out, err := d.participant.CountHoldings(d.privacy, &participantv1.CountHoldingsRequest{Subject: subject(id)})
	must(d.t, err)
	counts := map[string]int64{}
	for _, c := range out.GetCounts() {
		counts[c.GetResource()] = c.GetOwned()
	}
	return counts
}

// erase runs an erasure's calls and returns how many records went, by resource.
func (d *desk) erase(id int64) map[string]int64 {
	d.t.Helper()
	saga := "erase"
	d.fence(id, participantv1.Mode_MODE_ERASING, saga)
	_, err := d.participant.Destroy(d.privacy, &participantv1.DestroyRequest{Subject: subject(id), Saga: &saga, Token: d.token()})
	must(d.t, err)
	stream, err := d.participant.Sweep(d.privacy, &participantv1.SweepRequest{
		Subject: subject(id), Saga: &saga, Token: d.token(), Kind: participantv1.SubjectKind_SUBJECT_KIND_CONTACT.Enum(),
	})
	must(d.t, err)
	gone := map[string]int64{}
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return gone
		}
		must(d.t, err)
		for _, o := range m.GetOutcomes() {
			if o.GetCategory() != optionsv1.Category_CATEGORY_LINKS {
				gone[o.GetResource()] = o.GetCount()
			}
		}
	}
}

// These are the checks of every service's tests, by short names.
var (
	reason     = servicetest.Refused
	refusal    = servicetest.Fault
	notFound   = servicetest.NotFound
	violations = servicetest.Violations
)

func str(s string) *string { return &s }
func num(n int32) *int32   { return &n }
func id(n int64) *int64    { return &n }
func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	servicetest.Equal(t, what, got, want)
}
