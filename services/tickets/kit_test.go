package tickets

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/dial"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
	"github.com/lethe-desk/lethe/services/internal/platform/server"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

// clock moves on by a millisecond with each look.
type clock struct{ ms atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ms.Store(time.Date(2031, 6, 1, 12, 0, 0, 0, time.UTC).UnixMilli())
	return c
}

func (c *clock) now() time.Time          { return time.UnixMilli(c.ms.Add(1)).UTC() }
func (c *clock) advance(d time.Duration) { c.ms.Add(d.Milliseconds()) }

// desk is a running service with clients and callers.
type desk struct {
	t      *testing.T
	svc    *Service
	dir    string
	clock  *clock
	people *crowd
	signer *authn.Signer
	// start and stop are for restarts.
	start func()
	stop  func(context.Context) error

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

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open starts a desk in a new folder.
func open(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, dir: t.TempDir(), clock: newClock(), people: newCrowd()}
	key, err := authn.LoadOrCreateKey(filepath.Join(d.dir, "signing.key"))
	must(t, err)
	d.signer = authn.NewSigner(key, d.clock.now)
	log := slog.New(slog.DiscardHandler)
	verifier := authn.NewVerifier(d.clock.now, d.signer.Public())
	contacts, stopContacts := d.serve("contacts", []string{contactsv1.ContactsService_ServiceDesc.ServiceName}, verifier, log,
		dial.Options{Source: authn.NewServiceSource(d.signer, Name)},
		func(r grpc.ServiceRegistrar) { contactsv1.RegisterContactsServiceServer(r, d.people) })
	master, err := keyring.OpenMaster(filepath.Join(d.dir, "master.key"))
	must(t, err)
	d.start = func() {
		d.svc, err = New(t.Context(), Config{Dir: filepath.Join(d.dir, "data"), Master: master, Contacts: contacts, Now: d.clock.now, Log: log, Quiet: true})
		must(t, err)
		conn, stop := d.serve(Name, Services(), verifier, log, dial.Options{}, d.svc.Register)
		d.stop = func(ctx context.Context) error { return errors.Join(stop(ctx), d.svc.Close(ctx)) }
		d.clients(conn)
	}
	d.start()
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if err := errors.Join(d.stop(ctx), stopContacts(ctx)); err != nil {
			t.Error(err)
		}
	})
	d.later(0)
	return d
}

// restart closes the service and opens it again on the same folder.
func (d *desk) restart() {
	d.t.Helper()
	must(d.t, d.stop(d.t.Context()))
	d.start()
}

func (d *desk) clients(conn grpc.ClientConnInterface) {
	d.tickets, d.conversations = ticketsv1.NewTicketsServiceClient(conn), ticketsv1.NewConversationsServiceClient(conn)
	d.attachments, d.threads = ticketsv1.NewAttachmentsServiceClient(conn), ticketsv1.NewThreadsServiceClient(conn)
	d.calls, d.chats = ticketsv1.NewCallsServiceClient(conn), ticketsv1.NewChatsServiceClient(conn)
	d.participant = participantv1.NewPersonalDataServiceClient(conn)
}

func (d *desk) serve(name string, declared []string, v *authn.Verifier, log *slog.Logger, o dial.Options,
	register func(grpc.ServiceRegistrar)) (grpc.ClientConnInterface, func(context.Context) error) {
	d.t.Helper()
	srv, err := server.New(server.Options{Name: name, Declared: declared, Logger: log, Verifier: v})
	must(d.t, err)
	register(srv)
	addr, err := srv.Start("127.0.0.1:0")
	must(d.t, err)
	conn, err := dial.New(addr.String(), o)
	must(d.t, err)
	return conn, func(ctx context.Context) error { return errors.Join(conn.Close(), srv.Stop(ctx)) }
}

// as returns the context of a caller.
func (d *desk) as(i authn.Identity) context.Context {
	d.t.Helper()
	token, _, err := d.signer.Sign(i)
	must(d.t, err)
	return authn.WithOutgoingToken(d.t.Context(), token)
}

// later moves the clock and renews the callers' tokens.
func (d *desk) later(by time.Duration) {
	d.clock.advance(by)
	d.agent = d.as(authn.Identity{Account: 1, Actor: firstAgent, Role: authn.RoleAgent})
	d.stranger = d.as(authn.Identity{Account: 2, Actor: firstAgent, Role: authn.RoleAgent})
	d.privacy = d.as(authn.Identity{Account: 1, Role: authn.RoleService, Service: authn.PrivacyService})
}

// person adds a contact to account 1 and returns the id.
func (d *desk) person(email string) int64 {
	d.people.mu.Lock()
	defer d.people.mu.Unlock()
	d.people.next++
	id := d.people.next
	d.people.known[1][id] = &contactsv1.Person{Id: &id, Name: proto.String("Mara Quell"), Email: &email}
	return id
}

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
	d.t.Helper()
	stream, err := d.attachments.UploadAttachment(d.agent)
	must(d.t, err)
	if err := stream.Send(&ticketsv1.UploadAttachmentRequest{Part: &ticketsv1.UploadAttachmentRequest_Head{Head: head}}); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	for piece := range slices.Chunk(data, 64<<10) {
		if err := stream.Send(&ticketsv1.UploadAttachmentRequest{Part: &ticketsv1.UploadAttachmentRequest_Data{Data: piece}}); err != nil {
			break
		}
	}
	out, err := stream.CloseAndRecv()
	return out.GetAttachment(), err
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
	found, err := filepath.Glob(filepath.Join(d.dir, "data", "blobs", "*", "*", "*"))
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
	stream, err := d.participant.Sweep(d.privacy, &participantv1.SweepRequest{Subject: subject(id), Saga: &saga, Token: d.token()})
	must(d.t, err)
	gone := map[string]int64{}
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return gone
		}
		must(d.t, err)
		for _, o := range m.GetOutcomes() {
			gone[o.GetResource()] = o.GetCount()
		}
	}
}

// reason wants a refusal with this reason.
// reason fails unless the error has that reason.
func reason(t *testing.T, err error, want faultv1.Reason) {
	t.Helper()
	_ = refusal(t, err, want)
}

// refusal is reason for those who look at the fault as well.
func refusal(t *testing.T, err error, want faultv1.Reason) *fault.Error {
	t.Helper()
	f, ok := fault.As(err)
	if !ok || f.Reason != want {
		t.Fatalf("got %v, want %v", err, want)
	}
	return f
}

func notFound(t *testing.T, err error) {
	t.Helper()
	if !fault.Is(err, fault.KindNotFound) {
		t.Fatalf("got %v, want not found", err)
	}
}

// violations returns what is wrong as "field code", sorted.
func violations(err error) string {
	f, ok := fault.As(err)
	if !ok || f.Kind != fault.KindInvalid {
		return fmt.Sprint(err)
	}
	var out []string
	for _, v := range f.Violations {
		out = append(out, v.Field+" "+fault.ReasonName(v.Code))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func str(s string) *string { return &s }
func num(n int32) *int32   { return &n }
func id(n int64) *int64    { return &n }
func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
