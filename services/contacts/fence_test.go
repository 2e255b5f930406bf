package contacts

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/contacts/internal/person"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"google.golang.org/protobuf/proto"
)

// answers asks every method about a person and names what came back.
func answers(d *desk, id int64, email string, agent bool) map[string]string {
	out := map[string]string{}
	said := func(method string, err error, seen string) {
		if err != nil {
			f, _ := fault.As(err)
			seen = fault.ReasonName(f.Reason)
		}
		out[method] = seen
	}
	if agent {
		a, err := d.agents.GetAgent(d.admin, &contactsv1.GetAgentRequest{Id: id})
		said("get", err, a.GetAgent().GetContact().GetName())
		_, err = d.agents.UpdateAgent(d.admin, &contactsv1.UpdateAgentRequest{Id: id, Agent: &contactsv1.AgentInput{Signature: proto.String("s")}})
		said("update", err, "ok")
		l, err := d.agents.ListAgents(d.admin, &contactsv1.ListAgentsRequest{Email: &email})
		said("list", err, fmt.Sprint(len(l.GetAgents())))
		_, err = d.identity.CreateApiKey(d.admin, &contactsv1.CreateApiKeyRequest{AgentId: id})
		said("key", err, "ok")
	} else {
		c, err := d.get(id)
		seen := c.GetName()
		if c.GetDeleted() {
			seen += " deleted"
		}
		said("get", err, seen)
		_, err = d.update(id, &contactsv1.ContactInput{JobTitle: proto.String("x")}, "job_title")
		said("update", err, "ok")
		l, err := d.contacts.ListContacts(d.admin, &contactsv1.ListContactsRequest{Email: &email})
		said("list", err, fmt.Sprint(len(l.GetContacts())))
	}
	resolve := func(name string, create bool, r *contactsv1.PersonRef) {
		p, err := d.contacts.ResolvePeople(d.tickets, &contactsv1.ResolvePeopleRequest{Refs: []*contactsv1.PersonRef{r}, CreateMissing: &create})
		said(name, err, "nobody")
		if err == nil && p.GetPeople()[0].Person != nil {
			got := p.GetPeople()[0]
			said(name, nil, fmt.Sprintf("same=%v hidden=%v", got.GetPerson().GetId() == id, got.GetPerson().GetHidden()))
		}
	}
	resolve("resolve id", true, &contactsv1.PersonRef{Id: &id})
	resolve("resolve email", true, &contactsv1.PersonRef{Email: &email})
	b, err := d.contacts.BatchGetPeople(d.tickets, &contactsv1.BatchGetPeopleRequest{Ids: []int64{id}})
	said("batch", err, fmt.Sprint(len(b.GetPeople())))
	return out
}

func TestFencesOnEveryMethod(t *testing.T) {
	const hidden, restricted, erasing = participantv1.Mode_MODE_HIDDEN, participantv1.Mode_MODE_RESTRICTED, participantv1.Mode_MODE_ERASING
	open1 := map[string]string{"get": "Fenced", "update": "ok", "list": "1", "resolve id": "same=true hidden=false", "resolve email": "same=true hidden=false", "batch": "1"}
	none := map[string]string{"get": "not_found", "update": "not_found", "list": "0", "resolve id": "nobody", "resolve email": "nobody", "batch": "0"}
	locked := map[string]string{"get": "restricted", "update": "restricted", "list": "0", "resolve id": "nobody", "resolve email": "nobody", "batch": "0"}
	cases := []struct {
		name  string
		modes []participantv1.Mode
		want  map[string]string
	}{
		{"none", nil, open1},
		{"hidden", []participantv1.Mode{hidden}, map[string]string{"get": "Fenced deleted", "update": "method_not_allowed", "list": "0",
			"resolve id": "same=true hidden=true", "resolve email": "same=true hidden=true", "batch": "0"}},
		{"restricted", []participantv1.Mode{restricted}, locked},
		{"hidden and restricted", []participantv1.Mode{hidden, restricted}, locked},
		{"erasing", []participantv1.Mode{erasing}, none},
		{"all", []participantv1.Mode{hidden, restricted, erasing}, none},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := open(t)
			id := d.mail("Fenced", "fenced@example.org").GetId()
			for _, m := range c.modes {
				d.fence(id, m, "saga-"+m.String())
			}
			compare(t, answers(d, id, "fenced@example.org", false), c.want)
			for _, m := range c.modes {
				d.unfence(id, "saga-"+m.String())
			}
			compare(t, answers(d, id, "fenced@example.org", false), open1)
		})
	}
	t.Run("agents", func(t *testing.T) {
		d := open(t)
		id := d.agent("fenced@example.org", 4)
		check := func(want map[string]string, key string) {
			t.Helper()
			want["key"] = key
			compare(t, answers(d, id, "fenced@example.org", true), want)
		}
		check(with(open1, "get", "fenced"), "ok")
		d.fence(id, hidden, "hide")
		check(with(none, "update", "method_not_allowed", "resolve id", "same=true hidden=true", "resolve email", "same=true hidden=true"), "not_found")
		d.fence(id, restricted, "lock")
		check(with(locked), "restricted")
		d.fence(id, erasing, "erase")
		check(with(none), "not_found")
	})
}

func with(m map[string]string, pairs ...string) map[string]string {
	out := map[string]string{}
	for k, v := range m {
		out[k] = v
	}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = pairs[i+1]
	}
	return out
}

func compare(t *testing.T, got, want map[string]string) {
	t.Helper()
	for method, w := range want {
		if got[method] != w {
			t.Errorf("%s: got %q, want %q", method, got[method], w)
		}
	}
}

func counts(d *desk, id int64) (string, bool) {
	out, err := d.participant.CountHoldings(d.privacy, &participantv1.CountHoldingsRequest{Subject: subject(id)})
	must(d.t, err)
	var all []string
	for _, c := range out.GetCounts() {
		all = append(all, fmt.Sprintf("%s=%d", c.GetResource(), c.GetOwned()))
	}
	slices.Sort(all)
	return strings.Join(all, " "), out.GetKeyPresent()
}

func export(d *desk, id int64, cursor string) (records []proto.Message, last string) {
	stream, err := d.participant.Export(d.privacy, &participantv1.ExportRequest{Subject: subject(id),
		Scope: participantv1.ExportScope_EXPORT_SCOPE_ACCESS.Enum(), Cursor: &cursor})
	must(d.t, err)
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return records, last
		}
		must(d.t, err)
		r, err := m.GetRecord().UnmarshalNew()
		must(d.t, err)
		records, last = append(records, r), m.GetCursor()
	}
}

func TestParticipantCountsExportsAndErases(t *testing.T) {
	d := open(t)
	c := d.create(fullInput())
	id, bystander := c.GetId(), d.mail("By", "by@example.org")
	if got, key := counts(d, id); got != "agents=0 api_keys=0 contacts=1" || !key {
		t.Fatal(got, key)
	}
	records, cursor := export(d, id, "")
	if len(records) != 1 || !proto.Equal(records[0], c) {
		t.Fatalf("%v", records)
	}
	if again, _ := export(d, id, cursor); len(again) != 0 {
		t.Fatalf("continued: %v", again)
	}
	d.fence(id, participantv1.Mode_MODE_HIDDEN, "hide")
	if records, _ = export(d, id, ""); len(records) != 1 {
		t.Fatal("a hidden person has no export")
	}
	d.fence(id, participantv1.Mode_MODE_ERASING, "other")
	stream, err := d.participant.Export(d.privacy, &participantv1.ExportRequest{Subject: subject(id), Scope: participantv1.ExportScope_EXPORT_SCOPE_ACCESS.Enum()})
	must(t, err)
	_, err = stream.Recv()
	refused(t, err, faultv1.Reason_REASON_FENCED)
	outcomes := d.erase(id)
	compareOutcomes(t, outcomes, "agents=NONE_FOUND/0 api_keys=NONE_FOUND/0 contacts=ERASED/1")
	if got, key := counts(d, id); got != "agents=0 api_keys=0 contacts=0" || key {
		t.Fatal(got, key)
	}
	if n, err := d.svc.db.CountClaims(t.Context(), ringSubject(id)); err != nil || n != 0 {
		t.Fatalf("%d claims are left (%v)", n, err)
	}
	_, err = d.get(id)
	refused(t, err, faultv1.Reason_REASON_NOT_FOUND)
	if now, err := d.get(bystander.GetId()); err != nil || !proto.Equal(now, bystander) {
		t.Fatalf("the bystander changed: %v %v", now, err)
	}
}

func compareOutcomes(t *testing.T, outcomes []*participantv1.Outcome, want string) {
	t.Helper()
	var all []string
	for _, o := range outcomes {
		if o.GetCategory() == optionsv1.Category_CATEGORY_UNSPECIFIED {
			t.Error("an outcome without a category")
		}
		all = append(all, fmt.Sprintf("%s=%s/%d", o.GetResource(), strings.TrimPrefix(o.GetKind().String(), "OUTCOME_KIND_"), o.GetCount()))
	}
	slices.Sort(all)
	if got := strings.Join(all, " "); got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
}

func TestErasedAgentsKeysGo(t *testing.T) {
	d := open(t)
	id := d.agent("leaver@example.org", 3)
	var secrets []string
	for range 3 {
		made, err := d.identity.CreateApiKey(d.admin, &contactsv1.CreateApiKeyRequest{AgentId: id})
		must(t, err)
		secrets = append(secrets, made.GetSecret())
	}
	if got, _ := counts(d, id); got != "agents=1 api_keys=3 contacts=0" {
		t.Fatal(got)
	}
	// what still leads to a key counts, also when its record has gone
	extra := person.Lookup{ID: 1, Hash: "h", Account: 1, AgentID: id, KeyID: 2}
	must(t, d.faults.Store.InsertLookup(t.Context(), extra))
	if got, _ := counts(d, id); got != "agents=1 api_keys=4 contacts=0" {
		t.Fatal(got)
	}
	must(t, d.faults.Store.DeleteLookups(t.Context(), 1, id, extra.KeyID))
	records, cursor := export(d, id, "")
	if len(records) != 4 {
		t.Fatalf("%d records", len(records))
	}
	// continuing behind each record yields exactly the rest
	if rest, _ := export(d, id, cursor); len(rest) != 0 {
		t.Fatal(rest)
	}
	for _, secret := range secrets {
		if role, err := d.issue(secret); err != nil || role != "supervisor" {
			t.Fatal(role, err)
		}
	}
	d.fence(id, participantv1.Mode_MODE_HIDDEN, "hide")
	if _, err := d.issue(secrets[0]); !fault.Has(err, faultv1.Reason_REASON_INVALID_CREDENTIALS) {
		t.Fatalf("a hidden agent's key opens something: %v", err)
	}
	compareOutcomes(t, d.erase(id), "agents=ERASED/1 api_keys=ERASED/3 contacts=NONE_FOUND/0")
	for _, secret := range secrets {
		_, err := d.issue(secret)
		refused(t, err, faultv1.Reason_REASON_INVALID_CREDENTIALS)
	}
	if got, key := counts(d, id); got != "agents=0 api_keys=0 contacts=0" || key {
		t.Fatal(got, key)
	}
}
