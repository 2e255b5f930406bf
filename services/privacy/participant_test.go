package privacy

import (
	"context"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	privacyv1 "github.com/lethe-desk/lethe/gen/go/lethe/privacy/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/participanttest"
	"github.com/lethe-desk/lethe/services/internal/platform/servicetest"
)

// source is a participant of which exports are made: one record of everybody,
// with the mark of the day.
type source struct {
	participantv1.UnimplementedPersonalDataServiceServer
	mark string
}

func (s *source) Export(in *participantv1.ExportRequest, stream grpc.ServerStreamingServer[participantv1.ExportResponse]) error {
	if in.GetCursor() != "" {
		return nil
	}
	record, err := anypb.New(&contactsv1.Contact{Id: in.GetSubject().Id, Name: &s.mark})
	if err != nil {
		return err
	}
	return stream.Send(&participantv1.ExportResponse{Cursor: proto.String("1"), Part: &participantv1.ExportResponse_Record{Record: record}})
}

// exporting is a privacy service that makes exports of a crowd.
type exporting struct {
	*servicetest.Kit
	crowd *servicetest.Crowd
	from  *source
	svc   *Service
	api   privacyv1.PrivacyServiceClient
}

// conformance is how the suite of all participants uses the service: what it
// holds of people are the exports made for them.
func conformance(k *servicetest.Kit) *participanttest.Harness {
	d := &exporting{Kit: k, crowd: servicetest.NewCrowd(), from: &source{}}
	k.Run(servicetest.Service{
		Name:     "contacts",
		Declared: []string{contactsv1.ContactsService_ServiceDesc.ServiceName, participantv1.PersonalDataService_ServiceDesc.ServiceName},
		Open: func(context.Context) (servicetest.Running, error) {
			return servicetest.Stub(func(r grpc.ServiceRegistrar) {
				contactsv1.RegisterContactsServiceServer(r, d.crowd)
				participantv1.RegisterPersonalDataServiceServer(r, d.from)
			}), nil
		},
	})
	conns := map[string]grpc.ClientConnInterface{}
	for _, name := range []string{"forums", "ratings", "tickets"} {
		k.Run(servicetest.Service{
			Name: name, Declared: []string{participantv1.PersonalDataService_ServiceDesc.ServiceName},
			Open: func(context.Context) (servicetest.Running, error) {
				return servicetest.Stub(func(r grpc.ServiceRegistrar) { participantv1.RegisterPersonalDataServiceServer(r, d.from) }), nil
			},
		})
		conns[name] = k.ConnAs(name, Name)
	}
	for _, name := range []string{"contacts", Name} {
		conns[name] = k.ConnAs(name, Name)
	}
	k.Run(servicetest.Service{
		Name: Name, Declared: Services(),
		Open: func(ctx context.Context) (_ servicetest.Running, err error) {
			d.svc, err = New(ctx, Config{Store: k.Store(Name), Contacts: conns["contacts"], Participants: conns, Now: k.Clock.Now, Log: k.Log})
			return d.svc, err
		},
		Started: func(ctx context.Context) error { return d.svc.Start(ctx) },
	})
	d.api = privacyv1.NewPrivacyServiceClient(k.Conn(Name))
	return &participanttest.Harness{Service: Name, Seed: d.seed, Methods: d.methods}
}

// seed makes a person and n exports of theirs, and waits until they are ready.
func (d *exporting) seed(account int64, kind participantv1.SubjectKind, n int, mark string) participanttest.Person {
	d.T.Helper()
	d.from.mark = mark
	p := participanttest.Person{Account: account, ID: d.crowd.Person(account, mark+"@example.org"), Kind: kind, Mark: mark}
	for range n {
		made, err := d.api.CreateRequest(d.Admin(account), &privacyv1.CreateRequestRequest{
			Request: &privacyv1.RequestInput{Kind: proto.String("export"), ContactId: &p.ID, Direct: proto.Bool(true)},
		})
		check(d.T, err)
		_, err = d.svc.engine.Await(d.T.Context(), made.GetRequest().GetSagaId(), nil)
		check(d.T, err)
		id := made.GetRequest().GetExportId()
		out, err := d.api.GetExport(d.Admin(account), &privacyv1.GetExportRequest{Id: id})
		check(d.T, err)
		if out.GetExport().GetState() != "ready" || out.GetExport().GetRecords() < 1 {
			d.T.Fatalf("the export is not ready: %v", out)
		}
		p.Things, p.Shown = id, out.GetExport().GetSha256()
	}
	return p
}

// ownExport are the fences that leave people their own export.
var ownExport = map[participantv1.Mode]participanttest.Answer{
	participantv1.Mode_MODE_HIDDEN: participanttest.Shown, participantv1.Mode_MODE_RESTRICTED: participanttest.Shown,
}

// references are the methods that hold ids, states and times alone.
var references = []string{
	"CreateRequest", "GetRequest", "ListRequests", "ApproveRequest", "RefuseRequest", "GetDataMap",
	"ListSagas", "GetSaga", "RetrySaga", "CancelSaga", "WatchSaga",
}

func (d *exporting) methods(p participanttest.Person) []participanttest.Method {
	id, _ := p.Things.(int64)
	ms := []participanttest.Method{
		{Name: "PrivacyService/GetExport", Shows: true, Except: ownExport, Call: func(ctx context.Context) (proto.Message, error) {
			return d.api.GetExport(ctx, &privacyv1.GetExportRequest{Id: id})
		}},
		{Name: "PrivacyService/DownloadExport", Shows: true, Except: ownExport, Call: func(ctx context.Context) (proto.Message, error) {
			stream, err := d.api.DownloadExport(ctx, &privacyv1.DownloadExportRequest{Id: &id})
			if err != nil {
				return nil, err
			}
			return stream.Recv()
		}},
	}
	for _, name := range []string{"DeleteContact", "RestoreContact", "HardDeleteContact"} {
		ms = append(ms, participanttest.Method{Name: "PrivacyService/" + name, Kind: participanttest.Apart, Why: "sets and takes the fences itself"})
	}
	for _, name := range references {
		ms = append(ms, participanttest.Method{Name: "PrivacyService/" + name, Kind: participanttest.Apart, Why: "holds references and no word of a person"})
	}
	return ms
}

func TestParticipant(t *testing.T) {
	participanttest.Run(t, servicetest.Options{InProcess: true, Runs: true}, conformance)
}

// The same suite over the wire, with the documents and the keys on MongoDB.
func TestParticipantOnMongo(t *testing.T) {
	o := servicetest.OnMongo(t)
	o.InProcess, o.Runs = true, true
	participanttest.Run(t, o, conformance)
}
