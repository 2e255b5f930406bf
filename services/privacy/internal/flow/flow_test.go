package flow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
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
	defs, err := Definitions(five(), Directory{}, exporter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range defs {
		if err := d.Validate(); err != nil {
			t.Error(err)
		}
	}
	sagatest.Golden(t, "testdata/definitions.golden", defs...)
}

func five() []Participant {
	return []Participant{{Name: "contacts"}, {Name: "forums"}, {Name: "privacy"}, {Name: "ratings"}, {Name: "tickets"}}
}

// A flow runs over a published set of participants, whole, or not at all.
func TestParticipantsAreAPublishedSet(t *testing.T) {
	versions := func(ps []Participant) string {
		defs, err := Definitions(ps, Directory{}, exporter{})
		if err != nil {
			return err.Error()
		}
		var all []string
		for _, d := range defs {
			all = append(all, fmt.Sprint(d.Kind, d.Version, "/", len(d.Stages[0].Steps)))
		}
		slices.Sort(all)
		return strings.Join(all, " ")
	}
	all := five()
	want := "erase_agent1/5 erase_contact1/3 erase_contact2/5 erase_ticket1/5 export1/3 export2/5 restore1/3 restore2/5 soft_delete1/3 soft_delete2/5"
	if got := versions(all); got != want {
		t.Errorf("five: %s", got)
	}
	slices.Reverse(all)
	if got := versions(all); got != want {
		t.Errorf("five in another order: %s", got)
	}
	for name, ps := range map[string][]Participant{
		"none": nil, "one is missing": all[1:], "one is unknown": append(slices.Clone(all[1:]), Participant{Name: "calls"}),
		"one too many": append(slices.Clone(all), Participant{Name: "calls"}), "one twice": append(slices.Clone(all[1:]), all[1]),
		"those of before": {{Name: "contacts"}, {Name: "privacy"}, {Name: "tickets"}},
	} {
		if got := versions(ps); got != ErrParticipants.Error() {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// client answers as a test says.
type client struct {
	participantv1.PersonalDataServiceClient
	err     error
	streams []*participantv1.SweepResponse
	broken  error
	counts  *participantv1.CountHoldingsResponse
	items   []*participantv1.Count
	// asked keeps the last requests, when it is there.
	asked *asked
}

type asked struct {
	sweep  *participantv1.SweepRequest
	redact *participantv1.RedactRequest
	count  *participantv1.CountHoldingsRequest
}

func (c client) Fence(context.Context, *participantv1.FenceRequest, ...grpc.CallOption) (*participantv1.FenceResponse, error) {
	return nil, c.err
}

func (c client) CountHoldings(_ context.Context, in *participantv1.CountHoldingsRequest, _ ...grpc.CallOption) (*participantv1.CountHoldingsResponse, error) {
	if c.asked != nil {
		c.asked.count = in
	}
	return c.counts, c.err
}

func (c client) Sweep(_ context.Context, in *participantv1.SweepRequest, _ ...grpc.CallOption) (grpc.ServerStreamingClient[participantv1.SweepResponse], error) {
	if c.asked != nil {
		c.asked.sweep = in
	}
	return &stream[participantv1.SweepResponse]{client: c, as: func(r *participantv1.SweepResponse) *participantv1.SweepResponse { return r }}, c.err
}

func (c client) Redact(_ context.Context, in *participantv1.RedactRequest, _ ...grpc.CallOption) (grpc.ServerStreamingClient[participantv1.RedactResponse], error) {
	if c.asked != nil {
		c.asked.redact = in
	}
	return &stream[participantv1.RedactResponse]{client: c, as: func(r *participantv1.SweepResponse) *participantv1.RedactResponse {
		return &participantv1.RedactResponse{Done: r.Done, Outcomes: r.Outcomes}
	}}, c.err
}

func (c client) EraseItem(context.Context, *participantv1.EraseItemRequest, ...grpc.CallOption) (grpc.ServerStreamingClient[participantv1.EraseItemResponse], error) {
	return &stream[participantv1.EraseItemResponse]{client: c, as: func(r *participantv1.SweepResponse) *participantv1.EraseItemResponse {
		return &participantv1.EraseItemResponse{Done: r.Done, Outcomes: r.Outcomes}
	}}, c.err
}

func (c client) CountItem(context.Context, *participantv1.CountItemRequest, ...grpc.CallOption) (*participantv1.CountItemResponse, error) {
	return &participantv1.CountItemResponse{Counts: c.items}, c.err
}

// stream hands out the client's messages as those of a method.
type stream[T any] struct {
	grpc.ClientStream
	client
	as func(*participantv1.SweepResponse) *T
	at int
}

func (s *stream[T]) Recv() (*T, error) {
	if s.at < len(s.streams) {
		s.at++
		return s.as(s.streams[s.at-1]), nil
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
		r := p.sweep(contactLinks)(t.Context(), call())
		if r.String() != c.want {
			t.Errorf("%s: %s, want %s", name, r, c.want)
		}
		if r.IsDone() && (len(r.Outcomes()) != 2 || r.Outcomes()[0].Category != "content.tickets" || r.Outcomes()[0].Count != 2) {
			t.Errorf("%s: outcomes %v", name, r.Outcomes())
		}
	}
	unplanned := call()
	unplanned.Refs = nil
	if r := (Participant{Name: "tickets", Client: client{streams: last(whole...)}}).sweep(contactLinks)(t.Context(), unplanned); r.IsDone() {
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

// people answers for contacts.
type people struct {
	contactsv1.ContactsServiceClient
	contactsv1.AgentsServiceClient
	kind   participantv1.SubjectKind
	agents []*contactsv1.Agent
	err    error
}

func (p people) GetIdentifiers(context.Context, *contactsv1.GetIdentifiersRequest, ...grpc.CallOption) (*contactsv1.GetIdentifiersResponse, error) {
	return &contactsv1.GetIdentifiersResponse{Identifiers: &participantv1.Identifiers{Names: []string{"somebody"}}, Kind: p.kind.Enum()}, p.err
}

// ListAgents gives one agent to a page.
func (p people) ListAgents(_ context.Context, in *contactsv1.ListAgentsRequest, _ ...grpc.CallOption) (*contactsv1.ListAgentsResponse, error) {
	n := int(in.GetPage())
	if n > len(p.agents) {
		return &contactsv1.ListAgentsResponse{}, p.err
	}
	return &contactsv1.ListAgentsResponse{Agents: p.agents[n-1 : n], More: proto.Bool(n < len(p.agents))}, p.err
}

func (p people) directory() Directory { return NewDirectory(p, p) }

const (
	contactKind = participantv1.SubjectKind_SUBJECT_KIND_CONTACT
	agentKind   = participantv1.SubjectKind_SUBJECT_KIND_AGENT
)

// A plan survives its references, whatever its length.
func TestPlansAreKeptWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var plan []planned
		seen := map[string]bool{}
		for range rapid.IntRange(1, 20).Draw(t, "resources") {
			name := rapid.StringMatching(`[a-z][a-z_]{0,40}`).Draw(t, "name")
			if seen[name] {
				continue
			}
			seen[name] = true
			plan = append(plan, planned{name, rapid.Bool().Draw(t, "linked"), rapid.Bool().Draw(t, "mentioned")})
		}
		refs := planRefs("tickets", plan)
		for k, v := range refs {
			if len(v) > planLimit || !strings.HasPrefix(k, "plan_tickets") {
				t.Fatalf("%s: %q", k, v)
			}
		}
		if got := planOf(saga.Call{Refs: refs}, "tickets"); !slices.Equal(got, plan) {
			t.Fatalf("%v, want %v", got, plan)
		}
	})
	if planOf(saga.Call{}, "tickets") != nil {
		t.Error("a plan of nothing")
	}
	// What earlier versions have stored is read as well.
	if got := planOf(call(), "tickets"); len(got) != 2 || got[1] != (planned{name: "files"}) {
		t.Errorf("%v", got)
	}
}

func TestPlanKeepsWhatAPersonIs(t *testing.T) {
	counts := &participantv1.CountHoldingsResponse{Counts: []*participantv1.Count{{Resource: proto.String("tickets"), Linked: proto.Int64(0)}}}
	for name, c := range map[string]struct {
		saga        string
		participant string
		people      people
		want        string
	}{
		"a contact":                 {EraseContact, Contacts, people{kind: contactKind}, "done kind=contact plan=tickets.l"},
		"an agent":                  {EraseContact, Contacts, people{kind: agentKind}, "done kind=agent plan=tickets.l"},
		"an agent who was one":      {EraseAgent, Contacts, people{kind: contactKind}, "done kind=agent plan=tickets.l"},
		"asked elsewhere":           {EraseContact, Tickets, people{kind: contactKind}, "done kind= plan=tickets.l"},
		"not said":                  {EraseContact, Contacts, people{}, "failed(kind_unsaid) kind= plan="},
		"nobody":                    {EraseContact, Contacts, people{err: fault.NotFound("person", 2)}, "refused(not_found) kind= plan="},
		"contacts is away":          {EraseContact, Tickets, people{err: fault.Unavailable(nil)}, "failed(unavailable) kind= plan="},
		"nobody, asked by a ticket": {EraseContact, Tickets, people{err: fault.NotFound("person", 2)}, "refused(not_found) kind= plan="},
	} {
		a := &asked{}
		p := Participant{Name: c.participant, Client: client{counts: counts, asked: a}}
		in := call()
		in.Kind = c.saga
		r := p.planPerson(c.people.directory())(t.Context(), in)
		if got := fmt.Sprintf("%s kind=%s plan=%s", r, r.Refs()["kind"], r.Refs()["plan_"+c.participant]); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		if c.people.err == nil && a.count.GetIdentifiers().GetNames() == nil {
			t.Errorf("%s: planned without identifiers", name)
		}
	}
}

func TestSweepSaysWhatThePersonIs(t *testing.T) {
	whole := []*participantv1.SweepResponse{{Outcomes: []*participantv1.Outcome{
		outcome("tickets", participantv1.OutcomeKind_OUTCOME_KIND_ERASED, proto.Int64(1)), outcome("files", participantv1.OutcomeKind_OUTCOME_KIND_ERASED, proto.Int64(1)),
	}}}
	for word, want := range map[string]participantv1.SubjectKind{"contact": contactKind, "agent": agentKind, "": 0} {
		a := &asked{}
		in := call()
		in.Refs["kind"] = word
		r := Participant{Name: "tickets", Client: client{streams: whole, asked: a}}.sweep(linksByKind)(t.Context(), in)
		if r.IsDone() != (want != 0) || a.sweep.GetKind() != want {
			t.Errorf("%q: %s, swept as %s", word, r, a.sweep.GetKind())
		}
	}
}

func TestRedactAnswers(t *testing.T) {
	const anonymised = participantv1.OutcomeKind_OUTCOME_KIND_ANONYMISED
	whole := []*participantv1.SweepResponse{{Done: proto.Int64(1)}, {Outcomes: []*participantv1.Outcome{outcome("tickets", anonymised, proto.Int64(3))}}}
	for name, c := range map[string]struct {
		plan   string
		client client
		err    error
		want   string
	}{
		"whole":              {"tickets.m:files", client{streams: whole}, nil, "done"},
		"nothing speaks":     {"tickets.l:files", client{}, nil, "done"},
		"one is missing":     {"tickets.m:files.m", client{streams: whole}, nil, "failed(missing_outcome)"},
		"empty":              {"tickets.m", client{}, nil, "failed(missing_outcome)"},
		"unplanned":          {"", client{streams: whole}, nil, "failed(missing_outcome)"},
		"breaks":             {"tickets.m", client{streams: whole, broken: fault.Unavailable(nil)}, nil, "failed(unavailable)"},
		"refused":            {"tickets.m", client{broken: fault.State(faultv1.Reason_REASON_STALE_TOKEN, "")}, nil, "refused(stale_token)"},
		"down":               {"tickets.m", client{err: fault.Unavailable(nil)}, nil, "failed(unavailable)"},
		"nobody to describe": {"tickets.m", client{streams: whole}, fault.NotFound("person", 2), "failed(not_found)"},
	} {
		a := &asked{}
		c.client.asked = a
		in := call()
		in.Refs["plan_tickets"] = c.plan
		r := Participant{Name: "tickets", Client: c.client}.redact(people{err: c.err}.directory())(t.Context(), in)
		if r.String() != c.want {
			t.Errorf("%s: %s, want %s", name, r, c.want)
		}
		if c.err == nil && len(a.redact.GetIdentifiers().GetNames()) != 1 || c.err != nil && a.redact != nil {
			t.Errorf("%s: asked %v", name, a.redact)
		}
	}
}

func TestRecountOfLinksAndMentions(t *testing.T) {
	count := func(owned, linked, mentioned *int64) *participantv1.CountHoldingsResponse {
		return &participantv1.CountHoldingsResponse{KeyPresent: proto.Bool(false), Counts: []*participantv1.Count{
			{Resource: proto.String("tickets"), Owned: owned, Linked: linked, Mentioned: mentioned},
		}}
	}
	zero, two := proto.Int64(0), proto.Int64(2)
	d := people{kind: contactKind}.directory()
	for name, c := range map[string]struct {
		counts          *participantv1.CountHoldingsResponse
		all, owned, say string
	}{
		"nothing":        {count(zero, zero, zero), "done", "done", "done"},
		"data":           {count(two, two, two), "rerun(data_left)", "rerun(data_left)", "rerun(mentions_left)"},
		"links":          {count(zero, two, two), "rerun(links_left)", "rerun(links_left)", "rerun(mentions_left)"},
		"mentions":       {count(zero, zero, two), "rerun(mentions_left)", "done", "rerun(mentions_left)"},
		"links unsaid":   {count(zero, nil, zero), "failed(uncounted)", "failed(uncounted)", "done"},
		"mention unsaid": {count(zero, zero, nil), "failed(uncounted)", "done", "failed(uncounted)"},
	} {
		p := Participant{Name: "tickets", Client: client{counts: c.counts}}
		in := call()
		in.Refs["plan_tickets"] = "tickets.lm"
		all, owned, say := p.attestAll(d)(t.Context(), in), p.attestOwned(t.Context(), in), p.attestMentions(d)(t.Context(), in)
		if all.String() != c.all || owned.String() != c.owned || say.String() != c.say {
			t.Errorf("%s: %s, %s, %s; want %s, %s, %s", name, all, owned, say, c.all, c.owned, c.say)
		}
	}
	keyed := count(zero, zero, zero)
	keyed.KeyPresent = proto.Bool(true)
	p := Participant{Name: "tickets", Client: client{counts: keyed}}
	in := call()
	in.Refs["plan_tickets"] = "tickets.lm"
	if r := p.attestAll(d)(t.Context(), in); r.String() != "rerun(key_left)" {
		t.Errorf("with its key: %s", r)
	}
	if r := p.attestMentions(d)(t.Context(), in); !r.IsDone() {
		t.Errorf("contacts before its key goes: %s", r)
	}
}

func TestAdministratorIsKept(t *testing.T) {
	agent := func(id int64, roles ...int64) *contactsv1.Agent { return &contactsv1.Agent{Id: &id, RoleIds: roles} }
	for name, c := range map[string]struct {
		people people
		want   string
	}{
		"another one":        {people{agents: []*contactsv1.Agent{agent(2, 1), agent(3, 4), agent(5, 4, 2)}}, "done"},
		"only the person":    {people{agents: []*contactsv1.Agent{agent(2, 1), agent(3, 4), agent(5, 5, 6, 3)}}, "refused(last_administrator)"},
		"nobody at all":      {people{}, "refused(last_administrator)"},
		"contacts is silent": {people{err: fault.Unavailable(nil)}, "failed(unavailable)"},
	} {
		if r := c.people.directory().keepAdministrator(t.Context(), call()); r.String() != c.want {
			t.Errorf("%s: %s, want %s", name, r, c.want)
		}
	}
}

func TestItemAnswers(t *testing.T) {
	const erased = participantv1.OutcomeKind_OUTCOME_KIND_ERASED
	count := func(resource string, n *int64) *participantv1.Count {
		return &participantv1.Count{Resource: &resource, Owned: n}
	}
	zero, one := proto.Int64(0), proto.Int64(1)
	for name, c := range map[string]struct {
		participant, plan string
		before, after     []*participantv1.Count
		streams           []*participantv1.SweepResponse
		want              string
	}{
		"a ticket": {
			"tickets", "tickets:files", []*participantv1.Count{count("tickets", one), count("files", zero)}, []*participantv1.Count{count("tickets", zero), count("files", zero)},
			[]*participantv1.SweepResponse{{Outcomes: []*participantv1.Outcome{outcome("tickets", erased, one), outcome("files", erased, zero)}}}, "done done done",
		},
		"no ticket":       {"tickets", "", []*participantv1.Count{count("tickets", zero)}, nil, nil, "refused(not_found) done done"},
		"nothing hangs":   {"forums", "", nil, nil, nil, "done done done"},
		"not answered":    {"ratings", "ratings", []*participantv1.Count{count("ratings", one)}, nil, nil, "done failed(missing_outcome) failed(uncounted)"},
		"still there":     {"ratings", "ratings", []*participantv1.Count{count("ratings", one)}, []*participantv1.Count{count("ratings", one)}, nil, "done failed(missing_outcome) rerun(data_left)"},
		"late and unsaid": {"ratings", "ratings", []*participantv1.Count{count("ratings", zero)}, []*participantv1.Count{count("ratings", nil)}, nil, "done failed(missing_outcome) failed(uncounted)"},
	} {
		p := Participant{Name: c.participant, Client: client{items: c.before, streams: c.streams}}
		plan := p.planItem(t.Context(), call())
		in := call()
		in.Refs = plan.Refs()
		if plan.IsDone() && in.Refs["plan_"+c.participant] != c.plan {
			t.Errorf("%s: plan %v", name, in.Refs)
		}
		erase := p.eraseItem(t.Context(), in)
		p.Client = client{items: c.after}
		if got := fmt.Sprint(plan, " ", erase, " ", p.attestItem(t.Context(), in)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
