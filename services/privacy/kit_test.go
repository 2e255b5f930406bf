package privacy

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	forumsv1 "github.com/lethe-desk/lethe/gen/go/lethe/forums/v1"
	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	privacyv1 "github.com/lethe-desk/lethe/gen/go/lethe/privacy/v1"
	ratingsv1 "github.com/lethe-desk/lethe/gen/go/lethe/ratings/v1"
	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/dial"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/ids"
	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
	"github.com/lethe-desk/lethe/services/internal/platform/participant"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/internal/platform/server"
	"github.com/lethe-desk/lethe/services/internal/platform/storage"
	"github.com/lethe-desk/lethe/services/privacy/internal/flow"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
)

// record is what the participants of the tests keep of a person.
type record struct {
	docstore.Meta
	// Author is somebody who took part, On the ticket the record hangs on.
	Author int64  `doc:"author" field:"lethe.tickets.v1.Ticket.responder_id"`
	On     int64  `doc:"on" why:"number of the ticket the record hangs on"`
	Text   string `doc:"text,seal" field:"lethe.contacts.v1.Contact.name"`
}

// holder is a participant with a store of its own. Its faults are set by tests.
type holder struct {
	participantv1.PersonalDataServiceServer
	contactsv1.UnimplementedContactsServiceServer
	contactsv1.UnimplementedAgentsServiceServer
	ticketsv1.UnimplementedTicketsServiceServer
	name    string
	store   *storage.Store
	records *docstore.Collection[record]
	// before runs before each call of the participant contract and may refuse it.
	before atomic.Pointer[func(ctx context.Context, method string) error]
	// lies makes sweeps report what they have not done, mute makes what is done
	// to others' records, and to single items, do nothing.
	lies, mute atomic.Bool
	// roles are those of the agents among the people.
	roles sync.Map
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
			Resource: proto.String(h.resourceName()), Category: optionsv1.Category_CATEGORY_CONTENT.Enum(),
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
			_, agent := h.roles.Load(doc.ID)
			one.Person = &contactsv1.Person{Id: &doc.ID, Agent: &agent}
		case !errors.Is(err, docstore.ErrNotFound) && !errors.Is(err, docstore.ErrFenced):
			return nil, err
		}
		out.People = append(out.People, one)
	}
	return out, nil
}

// desk is a privacy service with four participants besides itself.
type desk struct {
	t        *testing.T
	dir      string
	master   *keyring.Master
	signer   *authn.Signer
	now      atomic.Int64
	contacts *holder
	tickets  *holder
	forums   *holder
	ratings  *holder
	// fourEyes and older count at the next up: who decides, and that sagas begin by the first flows.
	fourEyes, older bool
	conns           map[string]grpc.ClientConnInterface
	svc             *Service
	server          *server.Server
	api             privacyv1.PrivacyServiceClient
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
	d.forums = d.holder("forums", &forumsv1.Topic{}, optionsv1.Category_CATEGORY_CONTENT)
	d.ratings = d.holder("ratings", &ratingsv1.SatisfactionRating{}, optionsv1.Category_CATEGORY_OPINION)
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
	h := &holder{name: name}
	var err error
	h.store, err = storage.Open(d.t.Context(), name, storage.Config{Dir: filepath.Join(d.dir, name), Master: d.master})
	check(d.t, err)
	h.records, err = docstore.Bind[record](d.t.Context(), h.store.DB, docstore.Spec{
		Name: "records", Indexes: []docstore.Index{{Name: "author", Fields: []string{"author"}}, {Name: "on", Fields: []string{"on"}}},
	})
	check(d.t, err)
	h.PersonalDataServiceServer = participant.New(h.store.DB, name, []participant.Resource{h.resource(m, c)})
	services := []string{participantv1.PersonalDataService_ServiceDesc.ServiceName}
	switch name {
	case "contacts":
		services = append(services, contactsv1.ContactsService_ServiceDesc.ServiceName, contactsv1.AgentsService_ServiceDesc.ServiceName)
	case "tickets":
		services = append(services, ticketsv1.TicketsService_ServiceDesc.ServiceName)
	}
	srv := d.serve(name, services, func(s *server.Server) {
		participantv1.RegisterPersonalDataServiceServer(s, h)
		switch name {
		case "contacts":
			contactsv1.RegisterContactsServiceServer(s, h)
			contactsv1.RegisterAgentsServiceServer(s, h)
		case "tickets":
			ticketsv1.RegisterTicketsServiceServer(s, h)
		}
	})
	d.t.Cleanup(func() {
		if err := errors.Join(srv.Stop(context.Background()), h.store.Close()); err != nil {
			d.t.Error(err)
		}
	})
	return h
}

// up opens the privacy service; with started its sagas run.
func (d *desk) up(started bool) {
	d.t.Helper()
	// Privacy calls itself through a connection that is there only once it is registered.
	late := &lateConn{}
	conns := map[string]grpc.ClientConnInterface{Name: late}
	for _, name := range []string{"contacts", "forums", "ratings", "tickets"} {
		conns[name] = d.conns[name]
	}
	c := Config{
		Store: storage.Config{Dir: filepath.Join(d.dir, Name), Master: d.master}, Contacts: conns["contacts"], Participants: conns, FourEyes: d.fourEyes,
		Now: d.clock, Log: slog.New(slog.DiscardHandler),
	}
	if d.older {
		c.flows = func(ps []flow.Participant, _ flow.Directory, x flow.Exporter) ([]saga.Definition, error) {
			return flow.First(ps, x), nil
		}
	}
	var err error
	d.svc, err = New(d.t.Context(), c)
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

// as is the context of an administrator of an account.
func (d *desk) as(account int64) context.Context { return d.who(account, 7, authn.RoleAdmin) }

// who is the context of somebody with a role.
func (d *desk) who(account, actor int64, role authn.Role) context.Context {
	d.t.Helper()
	token, _, err := d.signer.Sign(authn.Identity{Account: account, Actor: actor, Role: role})
	check(d.t, err)
	return authn.WithOutgoingToken(d.t.Context(), token)
}

// person makes a contact with two tickets, a topic and a rating.
func (d *desk) person() int64 {
	d.t.Helper()
	id := ids.New(time.Now)
	d.contacts.put(d.t, record{Meta: docstore.Meta{ID: id, Owner: id}})
	d.tickets.put(d.t, record{Meta: docstore.Meta{ID: id + 1, Owner: id}})
	d.tickets.put(d.t, record{Meta: docstore.Meta{ID: id + 2, Owner: id}})
	d.forums.put(d.t, record{Meta: docstore.Meta{ID: id + 3, Owner: id}})
	d.ratings.put(d.t, record{Meta: docstore.Meta{ID: id + 4, Owner: id}, On: id + 1})
	return id
}

// agent makes an agent with roles.
func (d *desk) agent(roles ...int64) int64 {
	d.t.Helper()
	id := d.person()
	d.contacts.roles.Store(id, roles)
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
	for name, db := range map[string]*docstore.DB{
		"contacts": d.contacts.store.DB, "tickets": d.tickets.store.DB, "privacy": d.svc.store.DB,
		"forums": d.forums.store.DB, "ratings": d.ratings.store.DB,
	} {
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
	in := &privacyv1.CreateRequestRequest{Request: &privacyv1.RequestInput{Kind: &kind, ContactId: &id, Direct: proto.Bool(true)}}
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
