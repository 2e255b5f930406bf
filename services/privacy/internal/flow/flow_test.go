package flow

import (
	"context"
	"errors"
	"io"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga/sagatest"
)

type exporter struct{}

func (exporter) Collect(context.Context, saga.Call, Participant) error { return nil }
func (exporter) Assemble(context.Context, saga.Call) error             { return nil }
func (exporter) Offer(context.Context, saga.Call) error                { return nil }
func (exporter) Discard(context.Context, saga.Call) error              { return nil }

// The published flows are those over the participants of the suite.
func TestPublishedDefinitions(t *testing.T) {
	defs := Definitions([]Participant{{Name: "contacts"}, {Name: "privacy"}, {Name: "tickets"}}, exporter{})
	for _, d := range defs {
		if err := d.Validate(); err != nil {
			t.Error(err)
		}
	}
	sagatest.Golden(t, "testdata/definitions.golden", defs...)
}

// client answers as a test says.
type client struct {
	participantv1.PersonalDataServiceClient
	err     error
	streams []*participantv1.SweepResponse
	broken  error
	counts  *participantv1.CountHoldingsResponse
}

func (c client) Fence(context.Context, *participantv1.FenceRequest, ...grpc.CallOption) (*participantv1.FenceResponse, error) {
	return nil, c.err
}

func (c client) CountHoldings(context.Context, *participantv1.CountHoldingsRequest, ...grpc.CallOption) (*participantv1.CountHoldingsResponse, error) {
	return c.counts, c.err
}

func (c client) Sweep(context.Context, *participantv1.SweepRequest, ...grpc.CallOption) (grpc.ServerStreamingClient[participantv1.SweepResponse], error) {
	return &stream{client: c}, c.err
}

type stream struct {
	grpc.ClientStream
	client
	at int
}

func (s *stream) Recv() (*participantv1.SweepResponse, error) {
	if s.at < len(s.streams) {
		s.at++
		return s.streams[s.at-1], nil
	}
	if s.broken != nil {
		return nil, s.broken
	}
	return nil, io.EOF
}

func call() saga.Call {
	return saga.Call{
		Saga: "1-2", Account: 1, Subject: 2, Progress: func(int64, int64) {},
		Refs: map[string]string{planRef("tickets"): "tickets:files"},
	}
}

func TestErrorsOfParticipants(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"none":        {nil, "done"},
		"stale":       {fault.State(faultv1.Reason_REASON_STALE_TOKEN, ""), "refused(stale_token)"},
		"fenced":      {fault.Fenced(nil), "refused(fenced)"},
		"destroyed":   {fault.State(faultv1.Reason_REASON_KEY_DESTROYED, ""), "refused(key_destroyed)"},
		"held":        {fault.State(faultv1.Reason_REASON_HELD, ""), "refused(held)"},
		"down":        {fault.Unavailable(nil), "failed(unavailable)"},
		"denied":      {fault.Denied(faultv1.Reason_REASON_ACCESS_DENIED), "failed(access_denied)"},
		"other state": {fault.State(faultv1.Reason_REASON_INCONSISTENT_STATE, ""), "failed(inconsistent_state)"},
		"deadline":    {context.DeadlineExceeded, "failed(deadline)"},
		"plain":       {errors.New("anything"), "failed(internal)"},
	} {
		p := Participant{Name: "tickets", Client: client{err: c.err}}
		if got := p.fence(participantv1.Mode_MODE_HIDDEN)(t.Context(), call()).String(); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func outcome(resource string, kind participantv1.OutcomeKind, count *int64) *participantv1.Outcome {
	return &participantv1.Outcome{Resource: &resource, Category: optionsv1.Category_CATEGORY_CONTENT.Enum(), Kind: kind.Enum(), Count: count}
}

func TestSweepAnswers(t *testing.T) {
	const erased, none = participantv1.OutcomeKind_OUTCOME_KIND_ERASED, participantv1.OutcomeKind_OUTCOME_KIND_NONE_FOUND
	two, zero := proto.Int64(2), proto.Int64(0)
	whole := []*participantv1.Outcome{outcome("tickets", erased, two), outcome("files", none, zero)}
	progress := &participantv1.SweepResponse{Done: proto.Int64(2)}
	last := func(os ...*participantv1.Outcome) []*participantv1.SweepResponse {
		return []*participantv1.SweepResponse{progress, {Outcomes: os}}
	}
	for name, c := range map[string]struct {
		client client
		want   string
	}{
		"whole":               {client{streams: last(whole...)}, "done"},
		"empty stream":        {client{}, "failed(missing_outcome)"},
		"progress only":       {client{streams: []*participantv1.SweepResponse{progress}}, "failed(missing_outcome)"},
		"one is missing":      {client{streams: last(whole[0])}, "failed(missing_outcome)"},
		"unknown kind":        {client{streams: last(whole[0], outcome("files", 77, zero))}, "failed(unknown_outcome)"},
		"unset kind":          {client{streams: last(whole[0], outcome("files", 0, zero))}, "failed(unknown_outcome)"},
		"unmeasured":          {client{streams: last(whole[0], outcome("files", none, nil))}, "failed(unknown_outcome)"},
		"nameless":            {client{streams: last(whole[0], whole[1], outcome("", none, zero))}, "failed(unknown_outcome)"},
		"breaks":              {client{streams: last(whole...), broken: fault.Unavailable(nil)}, "failed(unavailable)"},
		"refused":             {client{broken: fault.State(faultv1.Reason_REASON_STALE_TOKEN, "")}, "refused(stale_token)"},
		"down from the start": {client{err: fault.Unavailable(nil)}, "failed(unavailable)"},
	} {
		p := Participant{Name: "tickets", Client: c.client}
		r := p.sweep(t.Context(), call())
		if r.String() != c.want {
			t.Errorf("%s: %s, want %s", name, r, c.want)
		}
		if r.IsDone() && (len(r.Outcomes()) != 2 || r.Outcomes()[0].Category != "content.tickets" || r.Outcomes()[0].Count != 2) {
			t.Errorf("%s: outcomes %v", name, r.Outcomes())
		}
	}
	unplanned := call()
	unplanned.Refs = nil
	if r := (Participant{Name: "tickets", Client: client{streams: last(whole...)}}).sweep(t.Context(), unplanned); r.IsDone() {
		t.Error("a sweep without a plan is done")
	}
}

func TestAttestAnswers(t *testing.T) {
	count := func(resource string, n *int64) *participantv1.Count {
		return &participantv1.Count{Resource: &resource, Owned: n}
	}
	zero, three := proto.Int64(0), proto.Int64(3)
	yes, no := proto.Bool(true), proto.Bool(false)
	for name, c := range map[string]struct {
		client client
		want   string
	}{
		"nothing left": {client{counts: &participantv1.CountHoldingsResponse{KeyPresent: no, Counts: []*participantv1.Count{count("tickets", zero), count("files", zero)}}}, "done"},
		"data left":    {client{counts: &participantv1.CountHoldingsResponse{KeyPresent: no, Counts: []*participantv1.Count{count("tickets", zero), count("files", three)}}}, "rerun(data_left)"},
		"key left":     {client{counts: &participantv1.CountHoldingsResponse{KeyPresent: yes, Counts: []*participantv1.Count{count("tickets", zero), count("files", zero)}}}, "rerun(key_left)"},
		"key unsaid":   {client{counts: &participantv1.CountHoldingsResponse{Counts: []*participantv1.Count{count("tickets", zero), count("files", zero)}}}, "failed(uncounted)"},
		"uncounted":    {client{counts: &participantv1.CountHoldingsResponse{KeyPresent: no, Counts: []*participantv1.Count{count("tickets", zero)}}}, "failed(uncounted)"},
		"unmeasured":   {client{counts: &participantv1.CountHoldingsResponse{KeyPresent: no, Counts: []*participantv1.Count{count("tickets", zero), count("files", nil)}}}, "failed(uncounted)"},
		"empty answer": {client{counts: &participantv1.CountHoldingsResponse{}}, "failed(uncounted)"},
		"down":         {client{err: fault.Unavailable(nil)}, "failed(unavailable)"},
	} {
		if got := (Participant{Name: "tickets", Client: c.client}).attest(t.Context(), call()).String(); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestPlanNamesWhatHasToBeAnswered(t *testing.T) {
	name := "tickets"
	p := Participant{Name: name, Client: client{counts: &participantv1.CountHoldingsResponse{Counts: []*participantv1.Count{{Resource: &name}}}}}
	if r := p.plan(t.Context(), call()); !r.IsDone() || r.Refs()["plan_tickets"] != "tickets" {
		t.Errorf("%s %v", r, r.Refs())
	}
	p.Client = client{counts: &participantv1.CountHoldingsResponse{}}
	if r := p.plan(t.Context(), call()); r.IsDone() {
		t.Error("a plan of nothing is done")
	}
}

func TestOutcomeNames(t *testing.T) {
	for n := range participantv1.OutcomeKind_name {
		k, known := kinds[participantv1.OutcomeKind(n)]
		if known != (n != 0) || known && KindOf(k) != participantv1.OutcomeKind(n) {
			t.Errorf("kind %d", n)
		}
	}
	c, r := SplitCategory(CategoryOf(outcome("files", 1, nil)))
	if c != optionsv1.Category_CATEGORY_CONTENT || r != "files" {
		t.Errorf("%v %q", c, r)
	}
}
