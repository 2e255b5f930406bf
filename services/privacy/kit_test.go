package privacy

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	privacyv1 "github.com/lethe-desk/lethe/gen/go/lethe/privacy/v1"
	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/dial"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/ids"
	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
	"github.com/lethe-desk/lethe/services/internal/platform/local"
	"github.com/lethe-desk/lethe/services/internal/platform/participant"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/internal/platform/server"
)

// record is what the participants of the tests keep of a person.
type record struct {
	docstore.Meta
	Text string `doc:"text,seal" field:"lethe.contacts.v1.Contact.name"`
}

// holder is a participant with a store of its own. Its faults are set by tests.
type holder struct {
	participantv1.PersonalDataServiceServer
	contactsv1.UnimplementedContactsServiceServer
	store   *local.Store
	records *docstore.Collection[record]
	// before runs before each call of the participant contract and may refuse it.
	before atomic.Pointer[func(ctx context.Context, method string) error]
	// lies makes sweeps report success without deleting.
	lies atomic.Bool
}

func (h *holder) hook(ctx context.Context, method string) error {
	if f := h.before.Load(); f != nil {
		return (*f)(ctx, method)
	}
	return nil
}

// on sets what runs before calls; nil takes it away.
func (h *holder) on(f func(ctx context.Context, method string) error) {
	if f == nil {
		h.before.Store(nil)
		return
	}
	h.before.Store(&f)
}

func (h *holder) Fence(ctx context.Context, in *participantv1.FenceRequest) (*participantv1.FenceResponse, error) {
	if err := h.hook(ctx, "fence"); err != nil {
		return nil, err
	}
	return h.PersonalDataServiceServer.Fence(ctx, in)
}

func (h *holder) Unfence(ctx context.Context, in *participantv1.UnfenceRequest) (*participantv1.UnfenceResponse, error) {
	if err := h.hook(ctx, "unfence"); err != nil {
		return nil, err
	}
	return h.PersonalDataServiceServer.Unfence(ctx, in)
}

func (h *holder) Destroy(ctx context.Context, in *participantv1.DestroyRequest) (*participantv1.DestroyResponse, error) {
	if err := h.hook(ctx, "destroy"); err != nil {
		return nil, err
	}
	return h.PersonalDataServiceServer.Destroy(ctx, in)
}

func (h *holder) Sweep(in *participantv1.SweepRequest, stream grpc.ServerStreamingServer[participantv1.SweepResponse]) error {
	if err := h.hook(stream.Context(), "sweep"); err != nil {
		return err
	}
	if h.lies.Load() {
		return stream.Send(&participantv1.SweepResponse{Outcomes: []*participantv1.Outcome{{
			Resource: proto.String("tickets"), Category: optionsv1.Category_CATEGORY_CONTENT.Enum(),
			Kind: participantv1.OutcomeKind_OUTCOME_KIND_ERASED.Enum(), Count: proto.Int64(2),
		}}})
	}
	return h.PersonalDataServiceServer.Sweep(in, stream)
}

func (h *holder) Export(in *participantv1.ExportRequest, stream grpc.ServerStreamingServer[participantv1.ExportResponse]) error {
	if err := h.hook(stream.Context(), "export"); err != nil {
		return err
	}
	return h.PersonalDataServiceServer.Export(in, stream)
}

// ResolvePeople finds people by id, as contacts does: who is being erased is nobody.
func (h *holder) ResolvePeople(ctx context.Context, in *contactsv1.ResolvePeopleRequest) (*contactsv1.ResolvePeopleResponse, error) {
	out := &contactsv1.ResolvePeopleResponse{}
	for _, r := range in.GetRefs() {
		one := &contactsv1.Resolved{}
		doc, err := h.records.Get(ctx, ring.DeletedView, authn.Caller(ctx).Account, r.GetId())
		switch {
		case err == nil:
			one.Person = &contactsv1.Person{Id: &doc.ID}
		case !errors.Is(err, docstore.ErrNotFound) && !errors.Is(err, docstore.ErrFenced):
			return nil, err
		}
		out.People = append(out.People, one)
	}
	return out, nil
}

// desk is a privacy service with two participants besides itself.
type desk struct {
	t        *testing.T
	dir      string
	master   *keyring.Master
	signer   *authn.Signer
	now      atomic.Int64
	contacts *holder
	tickets  *holder
	conns    map[string]grpc.ClientConnInterface
	svc      *Service
	server   *server.Server
	api      privacyv1.PrivacyServiceClient
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (d *desk) clock() time.Time { return time.Now().Add(time.Duration(d.now.Load())) }

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, dir: t.TempDir(), conns: map[string]grpc.ClientConnInterface{}}
	var err error
	d.master, err = keyring.OpenMaster(filepath.Join(d.dir, "master.key"))
	check(t, err)
	key, err := authn.LoadOrCreateKey(filepath.Join(d.dir, "identity.key"))
	check(t, err)
	d.signer = authn.NewSigner(key, time.Now)
	d.contacts = d.holder("contacts", &contactsv1.Contact{}, optionsv1.Category_CATEGORY_IDENTITY)
	d.tickets = d.holder("tickets", &ticketsv1.Ticket{}, optionsv1.Category_CATEGORY_CONTENT)
	d.up(true)
	t.Cleanup(d.down)
	return d
}

func (d *desk) serve(name string, services []string, register func(*server.Server)) *server.Server {
	srv, err := server.New(server.Options{
		Name: name, Declared: services, Logger: slog.New(slog.DiscardHandler),
		Verifier: authn.NewVerifier(time.Now, d.signer.Public()),
	})
	check(d.t, err)
	register(srv)
	d.conns[name] = dial.Wrap(srv.InProcess(), dial.Options{Source: authn.NewServiceSource(d.signer, Name)})
	return srv
}

func (d *desk) holder(name string, m proto.Message, c optionsv1.Category) *holder {
	h := &holder{}
	var err error
	h.store, err = local.Open(d.t.Context(), filepath.Join(d.dir, name), name, d.master, time.Now)
	check(d.t, err)
	h.records, err = docstore.Bind[record](d.t.Context(), h.store.DB, docstore.Spec{Name: "records"})
	check(d.t, err)
	h.PersonalDataServiceServer = participant.New(h.store.DB, name, []participant.Resource{h.resource(m, c)})
	services := []string{participantv1.PersonalDataService_ServiceDesc.ServiceName}
	if name == "contacts" {
		services = append(services, contactsv1.ContactsService_ServiceDesc.ServiceName)
	}
	srv := d.serve(name, services, func(s *server.Server) {
		participantv1.RegisterPersonalDataServiceServer(s, h)
		if name == "contacts" {
			contactsv1.RegisterContactsServiceServer(s, h)
		}
	})
	d.t.Cleanup(func() {
		if err := errors.Join(srv.Stop(context.Background()), h.store.Close()); err != nil {
			d.t.Error(err)
		}
	})
	return h
}

func (h *holder) resource(m proto.Message, c optionsv1.Category) participant.Resource {
	owned := func(s ring.Subject, limit int) docstore.Query {
		return docstore.Query{Index: "owner", Eq: []any{s.ID}, Limit: limit}
	}
	return participant.Resource{
		Message: m, Category: c,
		Count: func(ctx context.Context, s ring.Subject) (int64, error) {
			return h.records.Count(ctx, ring.Sweep, s.Account, owned(s, 1))
		},
		Sweep: func(ctx context.Context, s ring.Subject, limit int) (int, bool, error) {
			return h.records.DeleteWhere(ctx, ring.Sweep, s.Account, owned(s, limit))
		},
		Export: func(ctx context.Context, s ring.Subject, _ string, emit participant.Emit) error {
			page, err := h.records.Find(ctx, ring.Export, s.Account, owned(s, docstore.MaxLimit))
			for _, doc := range page.Items {
				if err := emit(strconv.FormatInt(doc.ID, 10), show(m, doc)); err != nil {
					return err
				}
			}
			return err
		},
	}
}

func show(m proto.Message, doc *record) proto.Message {
	if _, ok := m.(*contactsv1.Contact); ok {
		return &contactsv1.Contact{Id: &doc.ID, Name: &doc.Text}
	}
	return &ticketsv1.Ticket{Id: &doc.ID, Subject: &doc.Text}
}

// up opens the privacy service; with started its sagas run.
func (d *desk) up(started bool) {
	d.t.Helper()
	// Privacy calls itself through a connection that is there only once it is registered.
	late := &lateConn{}
	conns := map[string]grpc.ClientConnInterface{Name: late, "contacts": d.conns["contacts"], "tickets": d.conns["tickets"]}
	var err error
	d.svc, err = New(d.t.Context(), Config{
		Dir: filepath.Join(d.dir, Name), Master: d.master, Contacts: conns["contacts"], Participants: conns,
		Now: d.clock, Log: slog.New(slog.DiscardHandler),
	})
	check(d.t, err)
	d.server = d.serve(Name, Services(), func(s *server.Server) { d.svc.Register(s) })
	late.ClientConnInterface = d.conns[Name]
	d.api = privacyv1.NewPrivacyServiceClient(dial.Wrap(d.server.InProcess(), dial.Options{}))
	if started {
		check(d.t, d.svc.Start(d.t.Context()))
	}
}

type lateConn struct{ grpc.ClientConnInterface }

func (d *desk) down() {
	if d.server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := errors.Join(d.server.Stop(ctx), d.svc.Close(ctx)); err != nil {
		d.t.Error(err)
	}
	d.server = nil
}

// as is the context of an agent of an account.
func (d *desk) as(account int64) context.Context {
	d.t.Helper()
	token, _, err := d.signer.Sign(authn.Identity{Account: account, Actor: 7, Role: authn.RoleAdmin})
	check(d.t, err)
	return authn.WithOutgoingToken(d.t.Context(), token)
}

// person makes a contact with two tickets.
func (d *desk) person() int64 {
	d.t.Helper()
	id := ids.New(time.Now)
	put := func(h *holder, doc int64) {
		now := time.Now()
		check(d.t, h.records.Insert(d.t.Context(), ring.Write, &record{
			Meta: docstore.Meta{Account: 1, ID: doc, Owner: id, CreatedAt: now, UpdatedAt: now}, Text: "=text of a person",
		}))
	}
	put(d.contacts, id)
	put(d.tickets, id+1)
	put(d.tickets, id+2)
	return id
}

// modes are the fences of a person at a participant.
func (d *desk) modes(h *docstore.DB, id int64) ring.Mode {
	d.t.Helper()
	e, err := h.Entry(d.t.Context(), ring.Subject{Account: 1, ID: id})
	if err != nil && !errors.Is(err, docstore.ErrNotFound) {
		d.t.Fatal(err)
	}
	return e.Modes()
}

// everywhere checks that a person has these fences at every participant.
func (d *desk) everywhere(id int64, want ring.Mode) {
	d.t.Helper()
	for name, db := range map[string]*docstore.DB{"contacts": d.contacts.store.DB, "tickets": d.tickets.store.DB, "privacy": d.svc.store.DB} {
		if got := d.modes(db, id); got != want {
			d.t.Errorf("%s has fences %04b, want %04b", name, got, want)
		}
	}
}

// sagas are the person's sagas, newest first.
func (d *desk) sagas(id int64) []*privacyv1.Saga {
	d.t.Helper()
	out, err := d.api.ListSagas(d.as(1), &privacyv1.ListSagasRequest{Subject: &id})
	check(d.t, err)
	return out.GetSagas()
}

// settled waits until a saga has ended or is parked.
func (d *desk) settled(id string) *privacyv1.Saga {
	d.t.Helper()
	_, err := d.svc.engine.Await(d.t.Context(), id, nil)
	check(d.t, err)
	out, err := d.api.GetSaga(d.as(1), &privacyv1.GetSagaRequest{Id: id})
	check(d.t, err)
	return out.GetSaga()
}

func (d *desk) delete(id int64) error {
	_, err := d.api.DeleteContact(d.as(1), &privacyv1.DeleteContactRequest{Id: id})
	return err
}

func (d *desk) restore(id int64) error {
	_, err := d.api.RestoreContact(d.as(1), &privacyv1.RestoreContactRequest{Id: id})
	return err
}

func (d *desk) hard(id int64, force bool) error {
	_, err := d.api.HardDeleteContact(d.as(1), &privacyv1.HardDeleteContactRequest{Id: id, Force: &force})
	return err
}

func (d *desk) request(kind string, id int64, key string) (*privacyv1.Request, error) {
	in := &privacyv1.CreateRequestRequest{Request: &privacyv1.RequestInput{Kind: &kind, ContactId: &id}}
	if key != "" {
		in.IdempotencyKey = &key
	}
	out, err := d.api.CreateRequest(d.as(1), in)
	return out.GetRequest(), err
}

// refused checks the reason of a refusal.
func refused(t *testing.T, err error, want faultv1.Reason) {
	t.Helper()
	if !fault.Has(err, want) {
		t.Errorf("%v, want %s", err, want)
	}
}
