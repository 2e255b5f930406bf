package ratings

import (
	"context"
	"testing"

	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	ratingsv1 "github.com/lethe-desk/lethe/gen/go/lethe/ratings/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/participanttest"
	"github.com/lethe-desk/lethe/services/internal/platform/servicetest"
	"google.golang.org/protobuf/proto"
)

// firstMade is the number of the first ticket and of the first person that the suite makes.
const firstMade = 1000

// things are the tickets of a person of the suite: the first is in both
// accounts under the same number, so that another account's agent may see a
// ticket and must not see its ratings.
type things struct{ shared, own int64 }

// harness makes people and their ratings for the suite.
type harness struct {
	*desk
	next int64
}

func (h *harness) number() int64 {
	h.next++
	return firstMade + h.next
}

// rateAs rates a ticket in an account.
func (h *harness) rateAs(account, ticket int64, in *ratingsv1.SatisfactionRatingInput) {
	h.t.Helper()
	_, err := h.api.CreateSatisfactionRating(h.Agent(account), &ratingsv1.CreateSatisfactionRatingRequest{TicketId: ticket, Rating: in})
	must(h.t, err)
}

func (h *harness) seed(account int64, kind participantv1.SubjectKind, n int, mark string) participanttest.Person {
	h.t.Helper()
	p := participanttest.Person{Account: account, ID: h.number(), Kind: kind, Mark: mark}
	on := things{shared: h.number(), own: h.number()}
	for _, a := range []int64{1, 2} {
		h.tickets.set(a, on.shared, ticket(p.ID, otto))
	}
	h.tickets.set(account, on.own, ticket(p.ID, 0))
	for range n {
		h.rateAs(account, on.shared, said("I am "+mark))
	}
	p.Things = on
	return p
}

func (h *harness) methods(p participanttest.Person) []participanttest.Method {
	on := p.Things.(things)
	apart := func(name string) participanttest.Method {
		return participanttest.Method{Name: "RatingsService/" + name, Kind: participanttest.Apart, Why: "surveys are the account's and name nobody"}
	}
	return []participanttest.Method{
		apart("ListSurveys"), apart("CreateSurvey"), apart("UpdateSurvey"),
		{Name: "RatingsService/ListTicketRatings", Kind: participanttest.List, Call: func(ctx context.Context) (proto.Message, error) {
			return h.api.ListTicketRatings(ctx, &ratingsv1.ListTicketRatingsRequest{TicketId: on.shared})
		}},
		{Name: "RatingsService/ListSatisfactionRatings", Kind: participanttest.List, Call: func(ctx context.Context) (proto.Message, error) {
			return h.api.ListSatisfactionRatings(ctx, &ratingsv1.ListSatisfactionRatingsRequest{UserId: &p.ID})
		}},
		{Name: "RatingsService/CreateSatisfactionRating", Kind: participanttest.One, Call: func(ctx context.Context) (proto.Message, error) {
			return h.api.CreateSatisfactionRating(ctx, &ratingsv1.CreateSatisfactionRatingRequest{TicketId: on.own, Rating: said("again " + p.Mark)})
		}},
	}
}

func TestParticipant(t *testing.T) {
	participanttest.Run(t, servicetest.Options{InProcess: true}, conformance)
}

// conformance is how the suite of all participants uses a desk.
func conformance(k *servicetest.Kit) *participanttest.Harness {
	h := &harness{desk: openOn(k)}
	return &participanttest.Harness{
		Service: Name, Seed: h.seed, Methods: h.methods,
		Kinds: []participantv1.SubjectKind{contactKind, agentKind},
		Link: func(owner, who participanttest.Person) {
			n := h.number()
			h.tickets.set(owner.Account, n, ticket(owner.ID, who.ID))
			h.rateAs(owner.Account, n, said("thanks"))
		},
		Mention: func(owner participanttest.Person, text string) {
			h.rateAs(owner.Account, owner.Things.(things).own, said(text))
		},
		Item: func(p participanttest.Person) (*participantv1.Item, participanttest.Method) {
			own := p.Things.(things).own
			h.rateAs(p.Account, own, said(p.Mark))
			item := &participantv1.Item{Resource: proto.String("tickets"), Id: &own}
			return item, participanttest.Method{Name: "RatingsService/CreateSatisfactionRating", Kind: participanttest.One, Call: func(ctx context.Context) (proto.Message, error) {
				return h.api.CreateSatisfactionRating(ctx, &ratingsv1.CreateSatisfactionRatingRequest{TicketId: own, Rating: happy()})
			}}
		},
	}
}

// The same suite over the wire, with the documents and the keys on MongoDB.
func TestParticipantOnMongo(t *testing.T) {
	o := servicetest.OnMongo(t)
	o.InProcess = true
	participanttest.Run(t, o, conformance)
}
