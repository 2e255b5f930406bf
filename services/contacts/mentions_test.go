package contacts

import (
	"context"
	"testing"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/contacts/internal/person"
	"github.com/lethe-desk/lethe/services/contacts/internal/store"
	"github.com/lethe-desk/lethe/services/internal/platform/mention"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/internal/platform/servicetest"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

// held is a store that may forget people of a kind when it redacts.
type held struct {
	*store.Store
	forgets person.Kind
}

func (h *held) RedactMentions(ctx context.Context, of ring.Subject, kind person.Kind, ids mention.Identifiers) (int64, error) {
	if kind == h.forgets {
		return 0, nil
	}
	return h.Store.RedactMentions(ctx, of, kind, ids)
}

// What others' records say about a person goes, the name where it stands beside
// an address; who the others are, and what only looks alike, stays as it was.
// The controls forget the contacts, then the agents.
func TestRecordsOfOthersForgetThePerson(t *testing.T) {
	for _, forgets := range []person.Kind{"", person.Contact, person.Agent} {
		d := open(t)
		d.held.forgets = forgets
		mara := d.create(&contactsv1.ContactInput{Name: proto.String("Mara Quell"), Email: proto.String("mara@quell.example"), Description: proto.String("I am mara@quell.example")})
		spouse := fullInput()
		spouse.Description, spouse.JobTitle = proto.String("Married to Mara Quell, mara@quell.example"), proto.String("Works for MARA@quell.example")
		spouse.Address, spouse.Tags = proto.String("c/o Mara Quell"), []string{"mara@quell.example", "other"}
		spouse.CustomFields = &structpb.Struct{Fields: map[string]*structpb.Value{"call": structpb.NewNumberValue(49305550199), "n": structpb.NewNumberValue(7)}}
		contact := d.create(spouse)
		near := d.create(&contactsv1.ContactInput{Name: proto.String("Tamara Quell"), Email: proto.String("tamara@quell.example"), Description: proto.String("Mara Quell's sister, tamara@quell.example")})
		out, err := d.agents.CreateAgent(d.admin, &contactsv1.CreateAgentRequest{Agent: &contactsv1.AgentInput{
			Email: proto.String("olu@desk.example"), Name: proto.String("Olu"), TicketScope: proto.Int32(1), RoleIds: []int64{4}, Signature: proto.String("Olu, for mara@quell.example")}})
		must(t, err)
		agent := out.GetAgent()

		ids := &participantv1.Identifiers{Emails: []string{"mara@quell.example"}, Phones: []string{"+49305550199"}, Names: []string{"Mara Quell"}}
		mentioned := func() (n int64) {
			c, err := d.participant.CountHoldings(d.privacy, &participantv1.CountHoldingsRequest{Subject: subject(mara.GetId()), Identifiers: ids})
			must(t, err)
			for _, one := range c.GetCounts() {
				n += one.GetMentioned()
			}
			return n
		}
		servicetest.Equal(t, "mentioned", mentioned(), 2)
		d.fence(mara.GetId(), participantv1.Mode_MODE_ERASING, "erase")
		_, err = servicetest.All(d.participant.Redact(d.privacy, &participantv1.RedactRequest{Subject: subject(mara.GetId()), Saga: proto.String("erase"), Token: d.token(), Identifiers: ids}))
		must(t, err)
		d.unfence(mara.GetId(), "erase")
		if forgets == "" {
			servicetest.Equal(t, "left", mentioned(), 0)
		} else {
			servicetest.Equal(t, "left in the control", mentioned(), 1)
		}
		if forgets != person.Contact {
			contact.Description, contact.JobTitle = proto.String("Married to [redacted], [redacted]"), proto.String("Works for [redacted]")
			contact.Address, contact.Tags = proto.String("c/o [redacted]"), []string{"[redacted]", "other"}
			contact.CustomFields.Fields["call"] = structpb.NewStringValue("[redacted]")
		}
		if forgets != person.Agent {
			agent.Signature = proto.String("Olu, for [redacted]")
		}
		for _, want := range []*contactsv1.Contact{mara, contact, near} {
			if got, err := d.get(want.GetId()); err != nil || !proto.Equal(got, want) {
				t.Errorf("got\n%v (%v), want\n%v", got, err, want)
			}
		}
		got, err := d.agents.GetAgent(d.admin, &contactsv1.GetAgentRequest{Id: agent.GetId()})
		if err != nil || !proto.Equal(got.GetAgent(), agent) {
			t.Errorf("got\n%v (%v), want\n%v", got, err, agent)
		}
		if found := d.ids(&contactsv1.ListContactsRequest{Email: contact.Email}); len(found) != 1 {
			t.Errorf("the other is found as %v", found)
		}
	}
}
