package contacts

import (
	"context"
	"fmt"
	"sync"
	"testing"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"google.golang.org/protobuf/proto"
)

func ringSubject(id int64) ring.Subject { return ring.Subject{Account: 1, ID: id} }

func (d *desk) resolve(create bool, refs ...*contactsv1.PersonRef) ([]*contactsv1.Resolved, error) {
	out, err := d.contacts.ResolvePeople(d.tickets, &contactsv1.ResolvePeopleRequest{Refs: refs, CreateMissing: &create})
	return out.GetPeople(), err
}

func TestResolvePeople(t *testing.T) {
	d := open(t)
	mara := d.create(fullInput()).GetId()
	s := func(x string) *string { return &x }
	known := []*contactsv1.PersonRef{
		{Id: &mara}, {Email: s("Mara@example.org")}, {Email: s("m.quell@example.org")}, {Phone: s("0049")}, {Phone: s("+493012345")}, {Phone: s("017099")},
		{TwitterId: s("maraq")}, {UniqueExternalId: s("ext-7")}, {Email: s(" "), UniqueExternalId: s("ext-7")}, {Email: s("admin@lethe.invalid")},
		{Email: s("x@example.org"), Phone: s("017099")},
	}
	want := []int64{mara, mara, mara, 0, mara, mara, mara, mara, mara, d.adminID, 0}
	got, err := d.resolve(false, known...)
	must(t, err)
	for i, r := range got {
		if r.GetPerson().GetId() != want[i] || r.GetCreated() {
			t.Errorf("ref %d: got %v, want %d", i, r, want[i])
		}
	}
	if !got[9].GetPerson().GetAgent() || got[0].GetPerson().GetAgent() || got[0].GetPerson().GetName() != "Mara Quell" {
		t.Error(got[9], got[0])
	}
	made, err := d.resolve(true,
		&contactsv1.PersonRef{Email: s("New.One@example.org")}, &contactsv1.PersonRef{Email: s("new.one@example.org"), Name: s("Later")},
		&contactsv1.PersonRef{Email: s("named@example.org"), Name: s("Named")}, &contactsv1.PersonRef{Phone: s("555"), Name: s("Caller")},
		&contactsv1.PersonRef{TwitterId: s("@bird")}, &contactsv1.PersonRef{UniqueExternalId: s("crm-9")}, &contactsv1.PersonRef{Id: proto.Int64(77)})
	must(t, err)
	names := []string{"new.one", "new.one", "Named", "Caller", "@bird", "crm-9", ""}
	for i, r := range made {
		if r.GetPerson().GetName() != names[i] || r.GetCreated() != (i != 1 && i != 6) {
			t.Errorf("ref %d: %v", i, r)
		}
	}
	for want, refs := range map[string][]*contactsv1.PersonRef{
		"email=invalid_value":   {{Email: s("no address")}},
		"name=missing_field":    {{Phone: s("777")}},
		"refs[0]=missing_field": {{Name: s("only a name")}},
		"refs=invalid_value":    make([]*contactsv1.PersonRef, 101),
	} {
		if _, err := d.resolve(true, refs...); violations(err) != want {
			t.Errorf("got %q (%v), want %q", violations(err), err, want)
		}
	}
	_, err = d.contacts.ResolvePeople(d.admin, &contactsv1.ResolvePeopleRequest{})
	refused(t, err, faultv1.Reason_REASON_ACCESS_DENIED)
}

func TestSixteenResolvesOfOnePersonMakeOneContact(t *testing.T) {
	for name, ref := range map[string]*contactsv1.PersonRef{
		"email": {Email: proto.String("one@example.org")}, "handle": {TwitterId: proto.String("one")},
		"external id": {UniqueExternalId: proto.String("one")}, "phone": {Phone: proto.String("111"), Name: proto.String("One")},
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t)
			var wg sync.WaitGroup
			var mu sync.Mutex
			seen, created := map[int64]bool{}, 0
			for range 16 {
				wg.Go(func() {
					got, err := d.resolve(true, ref)
					mu.Lock()
					defer mu.Unlock()
					if err != nil {
						t.Error(err)
						return
					}
					seen[got[0].GetPerson().GetId()] = true
					if got[0].GetCreated() {
						created++
					}
				})
			}
			wg.Wait()
			if ids := d.ids(&contactsv1.ListContactsRequest{}); len(seen) != 1 || created != 1 || len(ids) != 1 || !seen[ids[0]] {
				t.Fatalf("seen %v, created %d, there are %v", seen, created, ids)
			}
		})
	}
}

func TestNobodyIsMadeInALockedPersonsPlace(t *testing.T) {
	for _, mode := range []participantv1.Mode{participantv1.Mode_MODE_RESTRICTED, participantv1.Mode_MODE_ERASING} {
		d := open(t)
		in := fullInput()
		c := d.create(in)
		d.fence(c.GetId(), mode, "saga")
		got, err := d.resolve(true, &contactsv1.PersonRef{Email: in.Email}, &contactsv1.PersonRef{Phone: in.Phone, Name: in.Name},
			&contactsv1.PersonRef{TwitterId: in.TwitterId}, &contactsv1.PersonRef{UniqueExternalId: in.UniqueExternalId})
		must(t, err)
		for i, r := range got {
			if r.Person != nil || r.GetCreated() {
				t.Errorf("%v: ref %d: %v", mode, i, r)
			}
		}
		d.unfence(c.GetId(), "saga")
		d.erase(c.GetId())
		// a bare address is a new person now, with a new id
		got, err = d.resolve(true, &contactsv1.PersonRef{Email: in.Email}, &contactsv1.PersonRef{Id: c.Id})
		must(t, err)
		if !got[0].GetCreated() || got[0].GetPerson().GetId() == c.GetId() || got[1].Person != nil {
			t.Errorf("%v: %v", mode, got)
		}
	}
}

func TestBatchGetPeople(t *testing.T) {
	d := open(t)
	a, b, gone := d.mail("A", "a@example.org").GetId(), d.mail("B", "b@example.org").GetId(), d.mail("C", "c@example.org").GetId()
	d.fence(gone, participantv1.Mode_MODE_HIDDEN, "hide")
	before := d.svc.Stats()
	out, err := d.contacts.BatchGetPeople(d.tickets, &contactsv1.BatchGetPeopleRequest{Ids: []int64{b, gone, 12, a, d.adminID}})
	must(t, err)
	if fmt.Sprintf("%d %s %s %v", len(out.GetPeople()), out.GetPeople()[0].GetName(), out.GetPeople()[1].GetName(), out.GetPeople()[2].GetAgent()) != "3 B A true" {
		t.Fatal(out)
	}
	if n := d.svc.Stats().Reads - before.Reads; n != 1 {
		t.Fatalf("%d reads for one batch", n)
	}
	_, err = d.contacts.BatchGetPeople(d.tickets, &contactsv1.BatchGetPeopleRequest{Ids: make([]int64, 1001)})
	if violations(err) != "ids=invalid_value" {
		t.Fatal(err)
	}
}

// agent makes an agent with one role.
func (d *desk) agent(email string, role int64) int64 {
	d.t.Helper()
	out, err := d.agents.CreateAgent(d.admin, &contactsv1.CreateAgentRequest{Agent: &contactsv1.AgentInput{Email: &email, TicketScope: proto.Int32(1), RoleIds: []int64{role}}})
	must(d.t, err)
	return out.GetAgent().GetId()
}

func (d *desk) issue(secret string) (string, error) {
	out, err := d.identity.IssueToken(d.t.Context(), &contactsv1.IssueTokenRequest{ApiKey: &secret})
	return out.GetRole(), err
}

func TestAgents(t *testing.T) {
	d := open(t)
	out, err := d.agents.CreateAgent(d.admin, &contactsv1.CreateAgentRequest{Agent: &contactsv1.AgentInput{
		Email: proto.String("Olu@Example.org"), TicketScope: proto.Int32(2), Occasional: proto.Bool(true), Signature: proto.String("<b>Olu</b>"),
		GroupIds: []int64{4}, SkillIds: []int64{5, 5}, AgentType: proto.Int32(2), Language: proto.String("fr"), FocusMode: proto.Bool(false)}})
	must(t, err)
	a := out.GetAgent()
	want := &contactsv1.Agent{Id: a.Id, Available: proto.Bool(true), AvailableSince: a.AvailableSince, Occasional: proto.Bool(true),
		Signature: proto.String("<b>Olu</b>"), TicketScope: proto.Int32(2), Type: proto.String("field_agent"), GroupIds: []int64{4}, RoleIds: []int64{4},
		SkillIds: []int64{5}, FocusMode: proto.Bool(false), CreatedAt: a.CreatedAt, UpdatedAt: a.CreatedAt,
		Contact: &contactsv1.AgentProfile{Active: proto.Bool(false), Email: proto.String("olu@example.org"), Language: proto.String("fr"),
			Name: proto.String("olu"), TimeZone: proto.String("UTC"), CreatedAt: a.CreatedAt, UpdatedAt: a.CreatedAt}}
	if !proto.Equal(a, want) {
		t.Fatalf("got  %v\nwant %v", a, want)
	}
	read, err := d.agents.GetAgent(d.admin, &contactsv1.GetAgentRequest{Id: a.GetId()})
	must(t, err)
	if !proto.Equal(read.GetAgent(), want) {
		t.Fatalf("read %v\nwant %v", read, want)
	}
	me, err := d.agents.GetMe(d.admin, &contactsv1.GetMeRequest{})
	must(t, err)
	if me.GetAgent().GetId() != d.adminID || !me.GetAgent().GetContact().GetActive() || me.GetAgent().GetContact().GetName() != "Administrator" {
		t.Fatal(me)
	}
	_, err = d.agents.GetMe(d.tickets, &contactsv1.GetMeRequest{})
	refused(t, err, faultv1.Reason_REASON_NOT_FOUND)
	for _, who := range []int64{12345, d.mail("now a contact", "contact@example.org").GetId()} { // a token outlives the agent
		_, err = d.agents.GetMe(d.As(authn.Identity{Account: 1, Actor: who, Role: authn.RoleAgent}), &contactsv1.GetMeRequest{})
		refused(t, err, faultv1.Reason_REASON_INVALID_CREDENTIALS)
	}
	_, err = d.agents.GetMe(d.As(authn.Identity{Account: 1, Actor: 12345, Role: authn.RoleContact}), &contactsv1.GetMeRequest{})
	refused(t, err, faultv1.Reason_REASON_NOT_FOUND)
	_, err = d.get(a.GetId())
	refused(t, err, faultv1.Reason_REASON_NOT_FOUND)
	for want, in := range map[string]*contactsv1.ListAgentsRequest{
		"2": {}, "1": {State: proto.String("fulltime")}, " 1": {State: proto.String("occasional")}, "  1": {Email: proto.String("OLU@example.org")}, "0": {Phone: proto.String("1")},
	} {
		l, err := d.agents.ListAgents(d.admin, in)
		must(t, err)
		if fmt.Sprint(len(l.GetAgents())) != want[len(want)-1:] {
			t.Errorf("%v: %d", in, len(l.GetAgents()))
		}
	}
	_, err = d.agents.ListAgents(d.admin, &contactsv1.ListAgentsRequest{State: proto.String("asleep")})
	if violations(err) != "state=invalid_value" {
		t.Fatal(err)
	}
}

func TestAgentsAreRefused(t *testing.T) {
	d := open(t)
	id := d.agent("olu@example.org", 4)
	create := func(in *contactsv1.AgentInput) error {
		_, err := d.agents.CreateAgent(d.admin, &contactsv1.CreateAgentRequest{Agent: in})
		return err
	}
	change := func(in *contactsv1.AgentInput) error {
		_, err := d.agents.UpdateAgent(d.admin, &contactsv1.UpdateAgentRequest{Id: id, Agent: in})
		return err
	}
	ok := func(f func(*contactsv1.AgentInput)) *contactsv1.AgentInput {
		in := &contactsv1.AgentInput{Email: proto.String("new@example.org"), TicketScope: proto.Int32(1)}
		f(in)
		return in
	}
	cases := []struct {
		err  error
		want string
	}{
		{create(&contactsv1.AgentInput{}), "email=missing_field ticket_scope=missing_field"},
		{create(nil), "email=missing_field ticket_scope=missing_field"},
		{create(ok(func(in *contactsv1.AgentInput) { in.Email = proto.String("x") })), "email=invalid_value"},
		{create(ok(func(in *contactsv1.AgentInput) { in.TicketScope = proto.Int32(4) })), "ticket_scope=invalid_value"},
		{create(ok(func(in *contactsv1.AgentInput) { in.RoleIds = []int64{4, 9} })), "role_ids=invalid_value"},
		{create(ok(func(in *contactsv1.AgentInput) { in.AgentType = proto.Int32(0) })), "agent_type=invalid_value"},
		{create(ok(func(in *contactsv1.AgentInput) { in.Name = proto.String("") })), "name=invalid_value"},
		{create(ok(func(in *contactsv1.AgentInput) { in.GroupIds = []int64{-1} })), "group_ids=invalid_value"},
		{create(ok(func(in *contactsv1.AgentInput) { in.Email = proto.String("OLU@example.org") })), "email=duplicate_value"},
		{change(&contactsv1.AgentInput{Name: proto.String("x")}), "name=readonly_field"},
		{change(&contactsv1.AgentInput{AgentType: proto.Int32(1)}), "agent_type=readonly_field"},
		{change(&contactsv1.AgentInput{Email: proto.String("admin@lethe.invalid")}), "email=duplicate_value"},
	}
	for i, c := range cases {
		if violations(c.err) != c.want {
			t.Errorf("case %d: got %q (%v), want %q", i, violations(c.err), c.err, c.want)
		}
	}
	_, err := d.agents.UpdateAgent(d.admin, &contactsv1.UpdateAgentRequest{Id: d.adminID, Agent: &contactsv1.AgentInput{RoleIds: []int64{4}}})
	refused(t, err, faultv1.Reason_REASON_ACCESS_DENIED)
	_, err = d.agents.UpdateAgent(d.admin, &contactsv1.UpdateAgentRequest{Id: d.adminID, Agent: &contactsv1.AgentInput{RoleIds: []int64{1}, Signature: proto.String("s")}})
	must(t, err)
	_, err = d.agents.UpdateAgent(d.admin, &contactsv1.UpdateAgentRequest{Id: id, Agent: &contactsv1.AgentInput{RoleIds: []int64{2}, TicketScope: proto.Int32(3), Email: proto.String("olu2@example.org")}})
	must(t, err)
	d.mail("Free", "olu@example.org")
	worker := d.As(authn.Identity{Account: 1, Actor: id, Role: authn.RoleAgent})
	_, err = d.agents.CreateAgent(worker, &contactsv1.CreateAgentRequest{})
	refused(t, err, faultv1.Reason_REASON_ACCESS_DENIED)
	for _, nobody := range []context.Context{worker, d.Admin(2)} { // further accounts are the first one's administrators' to make
		_, err = d.identity.CreateAccount(nobody, &contactsv1.CreateAccountRequest{})
		refused(t, err, faultv1.Reason_REASON_ACCESS_DENIED)
	}
}
