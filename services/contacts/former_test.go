package contacts

import (
	"fmt"
	"testing"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/ids"
	"google.golang.org/protobuf/proto"
)

// Identifiers are read behind every fence, by privacy alone, until the key is gone.
func TestIdentifiers(t *testing.T) {
	d := open(t)
	c := d.create(fullInput())
	read := func(id int64) (*contactsv1.GetIdentifiersResponse, error) {
		return d.contacts.GetIdentifiers(d.privacy, &contactsv1.GetIdentifiersRequest{Id: &id})
	}
	first, err := read(c.GetId())
	must(t, err)
	found := first.GetIdentifiers()
	for what, ok := range map[string]bool{
		"main address":    found.GetEmails()[0] == c.GetEmail(),
		"other addresses": len(found.GetEmails()) == 1+len(c.GetOtherEmails()),
		"numbers":         fmt.Sprint(found.GetPhones()) == fmt.Sprint([]string{c.GetPhone(), c.GetMobile()}),
		"external id":     found.GetExternalIds()[0] == c.GetUniqueExternalId(),
		"handle":          found.GetExternalIds()[1] == c.GetTwitterId(),
		"name":            found.GetNames()[0] == c.GetName(),
		"kind":            first.GetKind() == participantv1.SubjectKind_SUBJECT_KIND_CONTACT,
	} {
		if !ok {
			t.Errorf("%s: %v", what, first)
		}
	}
	for _, m := range []participantv1.Mode{participantv1.Mode_MODE_HIDDEN, participantv1.Mode_MODE_RESTRICTED, participantv1.Mode_MODE_ERASING} {
		d.fence(c.GetId(), m, m.String())
		if now, err := read(c.GetId()); err != nil || !proto.Equal(now, first) {
			t.Errorf("behind %s: %v, %v", m, now, err)
		}
	}
	d.erase(c.GetId())
	_, err = read(c.GetId())
	refused(t, err, faultv1.Reason_REASON_NOT_FOUND)

	agent, err := read(d.adminID)
	if err != nil || agent.GetKind() != participantv1.SubjectKind_SUBJECT_KIND_AGENT {
		t.Errorf("an agent: %v, %v", agent, err)
	}
	_, err = d.contacts.GetIdentifiers(d.tickets, &contactsv1.GetIdentifiersRequest{Id: &d.adminID})
	refused(t, err, faultv1.Reason_REASON_ACCESS_DENIED)
	_, err = d.contacts.GetIdentifiers(d.admin, &contactsv1.GetIdentifiersRequest{Id: &d.adminID})
	refused(t, err, faultv1.Reason_REASON_ACCESS_DENIED)
	_, err = d.contacts.GetIdentifiers(d.Privacy(2), &contactsv1.GetIdentifiersRequest{Id: &d.adminID})
	refused(t, err, faultv1.Reason_REASON_NOT_FOUND)
}

// The former agent is in every account, the same, and nobody's to change.
func TestFormerAgent(t *testing.T) {
	d := open(t)
	got, err := d.agents.GetAgent(d.admin, &contactsv1.GetAgentRequest{Id: ids.FormerAgent})
	must(t, err)
	a := got.GetAgent()
	if a.GetId() != 1 || a.GetContact().GetName() != "Former agent" || a.GetContact().GetActive() || a.GetAvailable() || a.GetContact().Email != nil {
		t.Errorf("the former agent is %v", a)
	}
	_, err = d.agents.UpdateAgent(d.admin, &contactsv1.UpdateAgentRequest{Id: ids.FormerAgent, Agent: &contactsv1.AgentInput{Signature: proto.String("s")}})
	refused(t, err, faultv1.Reason_REASON_METHOD_NOT_ALLOWED)
	_, err = d.identity.CreateApiKey(d.admin, &contactsv1.CreateApiKeyRequest{AgentId: ids.FormerAgent})
	refused(t, err, faultv1.Reason_REASON_METHOD_NOT_ALLOWED)
	id := ids.FormerAgent
	_, err = d.contacts.GetIdentifiers(d.privacy, &contactsv1.GetIdentifiersRequest{Id: &id})
	refused(t, err, faultv1.Reason_REASON_NOT_FOUND)
	list, err := d.agents.ListAgents(d.admin, &contactsv1.ListAgentsRequest{})
	must(t, err)
	for _, l := range list.GetAgents() {
		if l.GetId() == ids.FormerAgent {
			t.Error("the former agent is in a list")
		}
	}
}
