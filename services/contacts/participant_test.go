package contacts

import (
	"context"
	"strings"
	"testing"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/participanttest"
	"github.com/lethe-desk/lethe/services/internal/platform/servicetest"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/structpb"
)

const (
	kindContact = participantv1.SubjectKind_SUBJECT_KIND_CONTACT
	kindAgent   = participantv1.SubjectKind_SUBJECT_KIND_AGENT
)

// marked is a contact with a mark in every text.
func marked(mark string) *contactsv1.ContactInput {
	email, second := mark+"@example.org", "other."+mark+"@example.org"
	return &contactsv1.ContactInput{
		Name: &mark, Email: &email, Phone: proto.String("+49 30 " + mark), Mobile: proto.String("0170 " + mark), TwitterId: &mark,
		UniqueExternalId: &mark, OtherEmails: []string{second}, Address: &mark, Description: &mark, JobTitle: &mark, Tags: []string{mark},
		CustomFields:  &structpb.Struct{Fields: map[string]*structpb.Value{"note": structpb.NewStringValue(mark)}},
		SocialHandler: []*contactsv1.SocialHandle{{Type: proto.String("mastodon"), Value: &mark}},
	}
}

// seed makes one contact, or one agent with n keys.
func (d *desk) seed(account int64, kind participantv1.SubjectKind, n int, mark string) participanttest.Person {
	d.t.Helper()
	p := participanttest.Person{Account: account, Kind: kind, Mark: mark}
	if kind == kindContact {
		out, err := d.contacts.CreateContact(d.Admin(account), &contactsv1.CreateContactRequest{Contact: marked(mark)})
		must(d.t, err)
		p.ID = out.GetContact().GetId()
		return p
	}
	out, err := d.agents.CreateAgent(d.Admin(account), &contactsv1.CreateAgentRequest{Agent: &contactsv1.AgentInput{
		Email: proto.String(mark + "@example.org"), Name: &mark, Signature: &mark, TicketScope: proto.Int32(1), RoleIds: []int64{4}}})
	must(d.t, err)
	p.ID = out.GetAgent().GetId()
	for range n {
		made, err := d.identity.CreateApiKey(d.Admin(account), &contactsv1.CreateApiKeyRequest{AgentId: p.ID})
		must(d.t, err)
		p.Things = made.GetKey().GetId()
	}
	return p
}

// The fences that differ from the rule for what is about the person alone: a
// hidden one is shown as such and cannot be changed.
var (
	shownHidden = map[participantv1.Mode]participanttest.Answer{participantv1.Mode_MODE_HIDDEN: participanttest.Shown}
	// Who is being erased is read until the end, in order to be found in other people's words.
	untilErased = map[participantv1.Mode]participanttest.Answer{participantv1.Mode_MODE_HIDDEN: participanttest.Shown,
		participantv1.Mode_MODE_RESTRICTED: participanttest.Shown, participantv1.Mode_MODE_ERASING: participanttest.Shown}
	// Whoever asks about themselves and is nobody any more has to log in again.
	unknown = map[participantv1.Mode]participanttest.Answer{participantv1.Mode_MODE_HIDDEN: participanttest.Unknown,
		participantv1.Mode_MODE_ERASING: participanttest.Unknown, participantv1.Mode_MODE_ERASED: participanttest.Unknown}
	lockedHidden = map[participantv1.Mode]participanttest.Answer{participantv1.Mode_MODE_HIDDEN: participanttest.NotAllowed}
)

func (d *desk) methods(p participanttest.Person) []participanttest.Method {
	shared := []participanttest.Method{
		{Name: "ContactsService/ResolvePeople", Kind: participanttest.List, As: d.asTickets, Except: shownHidden, Call: func(ctx context.Context) (proto.Message, error) {
			return d.contacts.ResolvePeople(ctx, &contactsv1.ResolvePeopleRequest{Refs: []*contactsv1.PersonRef{{Id: &p.ID}, {Email: proto.String(p.Mark + "@example.org")}}})
		}},
		{Name: "ContactsService/BatchGetPeople", Kind: participanttest.List, As: d.asTickets, Call: func(ctx context.Context) (proto.Message, error) {
			return d.contacts.BatchGetPeople(ctx, &contactsv1.BatchGetPeopleRequest{Ids: []int64{p.ID}})
		}},
		{Name: "ContactsService/GetIdentifiers", Shows: true, As: d.Privacy, Except: untilErased, Call: func(ctx context.Context) (proto.Message, error) {
			return d.contacts.GetIdentifiers(ctx, &contactsv1.GetIdentifiersRequest{Id: &p.ID})
		}},
		{Name: "ContactsService/CreateContact", Kind: participanttest.Apart, Why: "makes somebody new"},
		{Name: "AgentsService/CreateAgent", Kind: participanttest.Apart, Why: "makes somebody new"},
		{Name: "IdentityService/CreateAccount", Kind: participanttest.Apart, Why: "makes somebody new"},
		{Name: "IdentityService/GetVerificationKeys", Kind: participanttest.Apart, Why: "is about nobody"},
		{Name: "IdentityService/IssueToken", Kind: participanttest.Apart, Why: "names nobody but by a secret, which is the same in every account; TestErasedAgentsKeysGo"},
	}
	if p.Kind == kindContact {
		return append(shared, d.contactMethods(p)...)
	}
	return append(shared, d.agentMethods(p)...)
}

func (d *desk) asTickets(account int64) context.Context { return d.Service(account, "tickets") }

func (d *desk) contactMethods(p participanttest.Person) []participanttest.Method {
	return []participanttest.Method{
		{Name: "ContactsService/GetContact", Shows: true, Except: shownHidden, Call: func(ctx context.Context) (proto.Message, error) {
			return d.contacts.GetContact(ctx, &contactsv1.GetContactRequest{Id: p.ID})
		}},
		{Name: "ContactsService/ListContacts", Kind: participanttest.List, Call: func(ctx context.Context) (proto.Message, error) {
			return d.contacts.ListContacts(ctx, &contactsv1.ListContactsRequest{})
		}},
		{Name: "ContactsService/UpdateContact", Except: lockedHidden, Call: func(ctx context.Context) (proto.Message, error) {
			return d.contacts.UpdateContact(ctx, &contactsv1.UpdateContactRequest{Id: p.ID, Contact: &contactsv1.ContactInput{JobTitle: proto.String("buyer")},
				UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"job_title"}}})
		}},
	}
}

func (d *desk) agentMethods(p participanttest.Person) []participanttest.Method {
	key, _ := p.Things.(int64)
	return []participanttest.Method{
		{Name: "AgentsService/GetAgent", Shows: true, Call: func(ctx context.Context) (proto.Message, error) {
			return d.agents.GetAgent(ctx, &contactsv1.GetAgentRequest{Id: p.ID})
		}},
		{Name: "AgentsService/GetMe", Shows: true, Except: unknown, Call: func(ctx context.Context) (proto.Message, error) {
			return d.agents.GetMe(ctx, &contactsv1.GetMeRequest{})
		}, As: func(account int64) context.Context {
			return d.As(authn.Identity{Account: account, Actor: p.ID, Role: authn.RoleAgent})
		}},
		{Name: "AgentsService/ListAgents", Kind: participanttest.List, Call: func(ctx context.Context) (proto.Message, error) {
			return d.agents.ListAgents(ctx, &contactsv1.ListAgentsRequest{})
		}},
		{Name: "AgentsService/UpdateAgent", Except: lockedHidden, Call: func(ctx context.Context) (proto.Message, error) {
			return d.agents.UpdateAgent(ctx, &contactsv1.UpdateAgentRequest{Id: p.ID, Agent: &contactsv1.AgentInput{Signature: proto.String("s")}})
		}},
		{Name: "IdentityService/CreateApiKey", Call: func(ctx context.Context) (proto.Message, error) {
			return d.identity.CreateApiKey(ctx, &contactsv1.CreateApiKeyRequest{AgentId: p.ID})
		}},
		{Name: "IdentityService/RevokeApiKey", Kind: participanttest.Free, Why: "a key can only lose by it", Ends: true, Call: func(ctx context.Context) (proto.Message, error) {
			return d.identity.RevokeApiKey(ctx, &contactsv1.RevokeApiKeyRequest{AgentId: p.ID, Id: key})
		}},
	}
}

// mention adds a text to every field of a contact's that may be about somebody else.
func (d *desk) mention(owner participanttest.Person, text string) {
	d.t.Helper()
	old, err := d.contacts.GetContact(d.Admin(owner.Account), &contactsv1.GetContactRequest{Id: owner.ID})
	must(d.t, err)
	c := old.GetContact()
	more := func(s string) *string { return proto.String(s + " | " + text) }
	in := &contactsv1.ContactInput{Address: more(c.GetAddress()), Description: more(c.GetDescription()), JobTitle: &text, Tags: c.GetTags(),
		CustomFields: &structpb.Struct{Fields: map[string]*structpb.Value{"note": structpb.NewStringValue(*more(c.GetCustomFields().GetFields()["note"].GetStringValue()))}}}
	for _, word := range strings.Fields(text) {
		if word = strings.TrimRight(word, ",.:"); len(word) <= 32 {
			in.Tags = append(in.Tags, word)
		}
	}
	_, err = d.contacts.UpdateContact(d.Admin(owner.Account), &contactsv1.UpdateContactRequest{Id: owner.ID, Contact: in,
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"address", "description", "job_title", "tags", "custom_fields"}}})
	must(d.t, err)
}

// conformance is how the suite of all participants uses a desk.
func conformance(k *servicetest.Kit) *participanttest.Harness {
	d := openOn(k)
	return &participanttest.Harness{Service: Name, Kinds: []participantv1.SubjectKind{kindContact, kindAgent}, Seed: d.seed, Methods: d.methods, Mention: d.mention}
}

func TestParticipant(t *testing.T) {
	participanttest.Run(t, servicetest.Options{InProcess: true}, conformance)
}

// The same suite over the wire, with the documents and the keys on MongoDB.
func TestParticipantOnMongo(t *testing.T) {
	o := servicetest.OnMongo(t)
	o.InProcess = true
	participanttest.Run(t, o, conformance)
}
