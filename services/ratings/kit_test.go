package ratings

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	ratingsv1 "github.com/lethe-desk/lethe/gen/go/lethe/ratings/v1"
	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/servicetest"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// counter is a tickets service in memory: the part that ratings ask.
type counter struct {
	ticketsv1.UnimplementedTicketsServiceServer
	mu     sync.Mutex
	known  map[[2]int64]*ticketsv1.Ticket // by account and id
	refuse error
	calls  int
	who    authn.Identity
}

func (c *counter) GetTicket(ctx context.Context, in *ticketsv1.GetTicketRequest) (*ticketsv1.GetTicketResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	c.who = authn.Caller(ctx)
	if c.refuse != nil {
		return nil, c.refuse
	}
	t := c.known[[2]int64{c.who.Account, in.Id}]
	if t == nil {
		return nil, fault.NotFound("ticket", in.Id)
	}
	return &ticketsv1.GetTicketResponse{Ticket: t}, nil
}

// set makes or replaces a ticket.
func (c *counter) set(account, id int64, t *ticketsv1.Ticket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t.Id = &id
	c.known[[2]int64{account, id}] = t
}

func (c *counter) say(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refuse = err
}

func (c *counter) asked() (int, authn.Identity) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls, c.who
}

func (c *counter) service() servicetest.Service {
	return servicetest.Service{
		Name: "tickets", Declared: []string{ticketsv1.TicketsService_ServiceDesc.ServiceName},
		Open: func(context.Context) (servicetest.Running, error) {
			return servicetest.Stub(func(r grpc.ServiceRegistrar) { ticketsv1.RegisterTicketsServiceServer(r, c) }), nil
		},
	}
}

// The people of the tests: two who ask for help, and two who help.
const (
	mara, bert int64 = 101, 102
	anna, otto int64 = servicetest.FirstAgent, servicetest.OtherAgent
)

// desk is a running service with clients and callers. Ticket 1 is mara's with
// anna in charge, ticket 2 bert's with otto, ticket 3 mara's with nobody.
type desk struct {
	*servicetest.Kit
	t           *testing.T
	svc         *Service
	tickets     *counter
	api         ratingsv1.RatingsServiceClient
	participant participantv1.PersonalDataServiceClient

	// agent, admin and privacy are contexts of these callers in account 1, stranger an administrator of account 2.
	agent, admin, privacy, stranger context.Context
	sequence                        atomic.Int64
}

var (
	must       = servicetest.Must
	refused    = servicetest.Refused
	notFound   = servicetest.NotFound
	violations = servicetest.Violations
)

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	servicetest.Equal(t, what, got, want)
}

func open(t *testing.T) *desk {
	t.Helper()
	return openOn(servicetest.New(t, servicetest.Options{InProcess: true}))
}

func openOn(k *servicetest.Kit) *desk {
	k.T.Helper()
	d := &desk{Kit: k, t: k.T, tickets: &counter{known: map[[2]int64]*ticketsv1.Ticket{}}}
	k.Run(d.tickets.service())
	k.Run(servicetest.Service{Name: Name, Declared: Services(), Open: func(ctx context.Context) (_ servicetest.Running, err error) {
		d.svc, err = New(ctx, Config{Store: k.Store(Name), Tickets: k.ConnAs("tickets", Name), Now: k.Clock.Now, Log: k.Log})
		return d.svc, err
	}})
	d.api = ratingsv1.NewRatingsServiceClient(k.Conn(Name))
	d.participant = participantv1.NewPersonalDataServiceClient(k.Conn(Name))
	d.tickets.set(1, 1, ticket(mara, anna))
	d.tickets.set(1, 2, ticket(bert, otto))
	d.tickets.set(1, 3, ticket(mara, 0))
	d.later(0)
	return d
}

func ticket(requester, agent int64) *ticketsv1.Ticket {
	t := &ticketsv1.Ticket{RequesterId: &requester}
	if agent != 0 {
		t.ResponderId = &agent
	}
	return t
}

// later moves the clock and renews the callers' tokens.
func (d *desk) later(by time.Duration) {
	d.Clock.Advance(by)
	d.agent, d.admin, d.privacy, d.stranger = d.Agent(1), d.Admin(1), d.Privacy(1), d.Admin(2)
}

// happy is the shortest rating there is.
func happy() *ratingsv1.SatisfactionRatingInput {
	return &ratingsv1.SatisfactionRatingInput{Ratings: map[string]int32{"default_question": 103}}
}

func said(feedback string) *ratingsv1.SatisfactionRatingInput {
	in := happy()
	in.Feedback = &feedback
	return in
}

func (d *desk) rate(ticket int64, in *ratingsv1.SatisfactionRatingInput, key string) (*ratingsv1.SatisfactionRating, error) {
	req := &ratingsv1.CreateSatisfactionRatingRequest{TicketId: ticket, Rating: in}
	if key != "" {
		req.IdempotencyKey = &key
	}
	out, err := d.api.CreateSatisfactionRating(d.agent, req)
	return out.GetRating(), err
}

func (d *desk) rated(ticket int64, in *ratingsv1.SatisfactionRatingInput) *ratingsv1.SatisfactionRating {
	d.t.Helper()
	out, err := d.rate(ticket, in, "")
	must(d.t, err)
	return out
}

func (d *desk) list(in *ratingsv1.ListSatisfactionRatingsRequest) []*ratingsv1.SatisfactionRating {
	d.t.Helper()
	out, err := d.api.ListSatisfactionRatings(d.agent, in)
	must(d.t, err)
	return out.Ratings
}

func (d *desk) all() []*ratingsv1.SatisfactionRating {
	d.t.Helper()
	return d.list(&ratingsv1.ListSatisfactionRatingsRequest{})
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

// count reads how many ratings a person has given, and of how many others they are the agent.
func (d *desk) count(id int64) (owned, linked int64) {
	d.t.Helper()
	out, err := d.participant.CountHoldings(d.privacy, &participantv1.CountHoldingsRequest{Subject: subject(id)})
	must(d.t, err)
	if len(out.Counts) != 1 || out.Counts[0].GetResource() != "satisfaction_ratings" {
		d.t.Fatalf("%v", out.Counts)
	}
	return out.Counts[0].GetOwned(), out.Counts[0].GetLinked()
}

// erase runs an erasure's calls and returns the outcomes.
func (d *desk) erase(id int64, kind participantv1.SubjectKind) []*participantv1.Outcome {
	d.t.Helper()
	saga := "erase"
	d.fence(id, participantv1.Mode_MODE_ERASING, saga)
	_, err := d.participant.Destroy(d.privacy, &participantv1.DestroyRequest{Subject: subject(id), Saga: &saga, Token: d.token()})
	must(d.t, err)
	out, err := servicetest.All(d.participant.Sweep(d.privacy, &participantv1.SweepRequest{Subject: subject(id), Saga: &saga, Token: d.token(), Kind: &kind}))
	must(d.t, err)
	return out[len(out)-1].Outcomes
}

// eraseTicket runs EraseItem about a person's ticket and returns the last answer.
func (d *desk) eraseTicket(who, ticket int64) (*participantv1.EraseItemResponse, error) {
	d.t.Helper()
	item := &participantv1.Item{Resource: proto.String("tickets"), Id: &ticket}
	out, err := servicetest.All(d.participant.EraseItem(d.privacy, &participantv1.EraseItemRequest{Subject: subject(who), Saga: proto.String("item"), Token: d.token(), Item: item}))
	if err != nil {
		return nil, err
	}
	return out[len(out)-1], nil
}

func (d *desk) left(who, ticket int64) int64 {
	d.t.Helper()
	out, err := d.participant.CountItem(d.privacy, &participantv1.CountItemRequest{Subject: subject(who), Item: &participantv1.Item{Resource: proto.String("tickets"), Id: &ticket}})
	must(d.t, err)
	return out.Counts[0].GetOwned()
}

// The kinds of people an erasure is about.
const (
	contactKind = participantv1.SubjectKind_SUBJECT_KIND_CONTACT
	agentKind   = participantv1.SubjectKind_SUBJECT_KIND_AGENT
)
