package servicetest_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/servicetest"
)

func TestServicesBehindTheirInterceptors(t *testing.T) {
	for name, o := range map[string]servicetest.Options{"listener": {}, "in process": {InProcess: true}, "running clock": {InProcess: true, Runs: true}} {
		t.Run(name, func(t *testing.T) {
			k := servicetest.New(t, o)
			crowd := servicetest.NewCrowd()
			api := contactsv1.NewContactsServiceClient(k.Conn("contacts")) // before there is one
			ask := func(ctx context.Context) error {
				_, err := api.BatchGetPeople(ctx, &contactsv1.BatchGetPeopleRequest{Ids: []int64{servicetest.Admin}})
				return err
			}
			servicetest.Refused(t, ask(k.Service(1, "tickets")), faultv1.Reason_REASON_UNAVAILABLE)
			opened := 0
			s := crowd.Service()
			open := s.Open
			s.Open = func(ctx context.Context) (servicetest.Running, error) { opened++; return open(ctx) }
			k.Run(s)
			servicetest.Must(t, ask(k.Service(1, "tickets")))
			servicetest.Refused(t, ask(k.Agent(1)), faultv1.Reason_REASON_ACCESS_DENIED)
			if err := ask(t.Context()); !fault.Is(err, fault.KindUnauthenticated) {
				t.Errorf("without identity: %v", err)
			}
			old := k.Service(1, "tickets")
			k.Clock.Advance(authn.Lifetime + time.Minute)
			if err := ask(old); !fault.Is(err, fault.KindUnauthenticated) {
				t.Errorf("a token that has ended: %v", err)
			}
			as := contactsv1.NewContactsServiceClient(k.ConnAs("contacts", "ratings"))
			out, err := as.BatchGetPeople(authn.WithAccount(t.Context(), 2), &contactsv1.BatchGetPeopleRequest{Ids: []int64{servicetest.FirstAgent}})
			servicetest.Must(t, err)
			servicetest.Equal(t, "people", len(out.GetPeople()), 1)
			k.Stop("contacts")
			servicetest.Refused(t, ask(k.Service(1, "tickets")), faultv1.Reason_REASON_UNAVAILABLE)
			k.Restart("contacts")
			k.Restart("contacts")
			servicetest.Must(t, ask(k.Service(1, "tickets")))
			servicetest.Equal(t, "opened", opened, 3)
		})
	}
}

func TestStoresLieApartAndStay(t *testing.T) {
	k := servicetest.New(t, servicetest.Options{})
	one, two := k.Store("one"), k.Store("two")
	if !one.Complete() || one.Dir == two.Dir || one.Dir != k.Store("one").Dir || one.Mongo != nil {
		t.Errorf("stores %v and %v", one.Dir, two.Dir)
	}
	if a, b := k.Clock.Now(), one.Now(); !b.After(a) || a.Location() != time.UTC {
		t.Errorf("%v, then %v", a, b)
	}
}

func TestCrowd(t *testing.T) {
	k := servicetest.New(t, servicetest.Options{InProcess: true})
	crowd := servicetest.NewCrowd()
	k.Run(crowd.Service())
	api := contactsv1.NewContactsServiceClient(k.ConnAs("contacts", "tickets"))
	ctx := authn.WithAccount(t.Context(), 1)
	resolve := func(create bool, r *contactsv1.PersonRef) *contactsv1.Person {
		t.Helper()
		out, err := api.ResolvePeople(ctx, &contactsv1.ResolvePeopleRequest{Refs: []*contactsv1.PersonRef{r}, CreateMissing: &create})
		servicetest.Must(t, err)
		return out.GetPeople()[0].GetPerson()
	}
	who := crowd.Person(1, "a@example.org")
	servicetest.Equal(t, "by address", resolve(false, &contactsv1.PersonRef{Email: proto.String("a@example.org")}).GetId(), who)
	servicetest.Equal(t, "in the other account", resolve(false, &contactsv1.PersonRef{Email: proto.String("b@example.org")}).GetId(), 0)
	made := resolve(true, &contactsv1.PersonRef{Phone: proto.String("1")}).GetId()
	servicetest.Equal(t, "by number", resolve(true, &contactsv1.PersonRef{Phone: proto.String("1")}).GetId(), made)
	servicetest.Equal(t, "made", crowd.Created(), 1)
	servicetest.Equal(t, "asked", crowd.Calls(), 4)
	crowd.Set(1, who, func(p *contactsv1.Person) { p.Hidden = proto.Bool(true) })
	batch := func() int {
		out, err := api.BatchGetPeople(ctx, &contactsv1.BatchGetPeopleRequest{Ids: []int64{who, made, 5}})
		servicetest.Must(t, err)
		return len(out.GetPeople())
	}
	servicetest.Equal(t, "with somebody hidden", batch(), 1)
	crowd.Forget(1, made)
	servicetest.Equal(t, "with somebody gone", batch(), 0)
	crowd.Refuse(fault.Invalid(fault.Violation{Field: "refs.phone", Code: faultv1.Reason_REASON_INVALID_VALUE}))
	_, err := api.ResolvePeople(ctx, &contactsv1.ResolvePeopleRequest{Refs: []*contactsv1.PersonRef{{Id: &who}}})
	servicetest.Equal(t, "refused", servicetest.Violations(err), "refs.phone invalid_value")
}

// A refusal that is faster than the request is a refusal, with its reason, over
// sockets and inside the process.
func TestRefusedStreamsSayWhy(t *testing.T) {
	for _, o := range []servicetest.Options{{}, {InProcess: true}} {
		k := servicetest.New(t, o)
		k.Run(servicetest.Service{
			Name: "holder", Declared: []string{participantv1.PersonalDataService_ServiceDesc.ServiceName},
			Open: func(context.Context) (servicetest.Running, error) {
				return servicetest.Stub(func(r grpc.ServiceRegistrar) {
					participantv1.RegisterPersonalDataServiceServer(r, &participantv1.UnimplementedPersonalDataServiceServer{})
				}), nil
			},
		})
		for range 20 { // whether the request still finds room is a matter of luck
			stream, err := k.Conn("holder").NewStream(k.Agent(1), &grpc.StreamDesc{ServerStreams: true}, participantv1.PersonalDataService_Export_FullMethodName)
			servicetest.Must(t, err)
			_, _ = stream.Header() // it has ended when this returns, whatever it returns
			servicetest.Must(t, stream.SendMsg(&participantv1.ExportRequest{}))
			servicetest.Refused(t, stream.RecvMsg(&participantv1.ExportResponse{}), faultv1.Reason_REASON_ACCESS_DENIED)
		}
	}
}
