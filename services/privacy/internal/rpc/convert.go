package rpc

import (
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	privacyv1 "github.com/lethe-desk/lethe/gen/go/lethe/privacy/v1"
	"github.com/lethe-desk/lethe/services/privacy/internal/app"
	"github.com/lethe-desk/lethe/services/privacy/internal/archive"
	"github.com/lethe-desk/lethe/services/privacy/internal/flow"
	"github.com/lethe-desk/lethe/services/privacy/internal/request"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
	"github.com/lethe-desk/lethe/services/privacy/internal/store"
)

// stamp leaves a zero time unset.
func stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// str leaves an empty text unset.
func str(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// num leaves a zero number unset.
func num(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}

func sagaOf(r *saga.Row) *privacyv1.Saga {
	out := &privacyv1.Saga{
		Id: &r.ID, Kind: &r.Kind, State: proto.String(string(r.State)), Stage: &r.StageName,
		Subject: num(r.Subject), TraceId: str(r.Trace.TraceID), Reason: str(r.Reason),
		RequestId: ref(r, flow.RefRequest), ExportId: ref(r, flow.RefExport),
		CreatedAt: stamp(r.CreatedAt), UpdatedAt: stamp(r.UpdatedAt), FinishedAt: stamp(r.FinishedAt),
	}
	for _, s := range r.Steps {
		if s.State == saga.StepDone {
			for _, o := range s.Outcomes {
				out.Outcomes = append(out.Outcomes, outcomeOf(s.Stage, o))
			}
		}
		out.Steps = append(out.Steps, &privacyv1.SagaStep{
			Stage: str(s.Stage), Name: proto.String(s.Name), State: proto.String(string(s.State)),
			Attempts: proto.Int32(int32(s.Attempts)), Code: str(s.Code),
		})
	}
	return out
}

func ref(r *saga.Row, name string) *int64 {
	n, err := strconv.ParseInt(r.Refs[name], 10, 64)
	if err != nil {
		return nil
	}
	return &n
}

func outcomeOf(stage string, o saga.Outcome) *privacyv1.SagaOutcome {
	category, resource := flow.SplitCategory(o.Category)
	return &privacyv1.SagaOutcome{
		Participant: &o.Participant, Stage: str(stage),
		Outcome: &participantv1.Outcome{
			Resource: &resource, Category: &category, Kind: flow.KindOf(o.Kind).Enum(),
			Count: &o.Count, Ground: str(o.Ground), Until: stamp(o.Until),
		},
	}
}

func eventOf(e saga.Event) *privacyv1.SagaEvent {
	return &privacyv1.SagaEvent{
		Sequence: &e.Seq, Saga: &e.Saga, State: proto.String(string(e.State)), Stage: str(e.Stage),
		Step: str(e.Step), StepState: str(string(e.StepState)), Code: str(e.Code),
		Done: num(e.Done), Total: num(e.Total), At: stamp(e.At),
	}
}

func requestOf(r *app.Request) *privacyv1.Request {
	out := &privacyv1.Request{
		Id: &r.ID, Kind: &r.Kind, State: &r.State, ContactId: &r.ContactID, TicketId: num(r.TicketID),
		RequestedBy: num(r.RequestedBy), ApprovedBy: num(r.ApprovedBy), RefusedBy: num(r.RefusedBy), Ground: str(r.Ground),
		DueBy: stamp(r.DueBy), DecidedAt: stamp(r.DecidedAt),
		CreatedAt: stamp(r.CreatedAt), UpdatedAt: stamp(r.UpdatedAt), ClosedAt: stamp(r.ClosedAt),
	}
	// Before the start the ids are drawn, and nothing is to be found under them.
	if r.State != request.Received && r.State != request.Approved {
		out.SagaId, out.ExportId = str(r.SagaID), num(r.ExportID)
	}
	for _, h := range r.Holdings {
		out.Holdings = append(out.Holdings, holdingOf(h))
	}
	return out
}

func holdingOf(h flow.Holding) *privacyv1.RequestHolding {
	return &privacyv1.RequestHolding{
		Participant: &h.Participant, Resource: &h.Resource, Category: proto.String(flow.CategoryWord(h.Category)),
		Owned: &h.Owned, Linked: &h.Linked, Mentioned: &h.Mentioned,
	}
}

func exportOf(e *store.Export) *privacyv1.Export {
	out := &privacyv1.Export{
		Id: &e.ID, ContactId: &e.Owner, State: &e.State, SagaId: str(e.SagaID),
		CreatedAt: stamp(e.CreatedAt), UpdatedAt: stamp(e.UpdatedAt), ExpiresAt: stamp(e.ExpiresAt),
	}
	if e.State == archive.Ready {
		out.Size, out.Sha256, out.Records, out.Files = &e.Size, &e.SHA256, &e.Records, &e.Files
		out.DownloadUrl = proto.String("/api/v2/privacy/exports/" + strconv.FormatInt(e.ID, 10) + "/download")
	}
	return out
}
