package rpc

import (
	"time"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	"github.com/lethe-desk/lethe/services/contacts/internal/person"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// details reads a contact's input. Custom fields that are lists or objects are
// passed on as such, for the domain to refuse.
func details(in *contactsv1.ContactInput) person.Details {
	if in == nil {
		return person.Details{}
	}
	d := person.Details{
		Name: in.Name, Email: in.Email, Phone: in.Phone, Mobile: in.Mobile, TwitterID: in.TwitterId,
		ExternalID: in.UniqueExternalId, OtherEmails: in.OtherEmails, CompanyID: in.CompanyId,
		ViewAllTickets: in.ViewAllTickets, Address: in.Address, Description: in.Description, JobTitle: in.JobTitle,
		Language: in.Language, TimeZone: in.TimeZone, Tags: in.Tags,
	}
	for _, c := range in.OtherCompanies {
		d.OtherCompanies = append(d.OtherCompanies, person.CompanyLink{CompanyID: c.GetCompanyId(), ViewAllTickets: c.GetViewAllTickets()})
	}
	for _, h := range in.SocialHandler {
		d.Social = append(d.Social, person.SocialHandle{Type: h.GetType(), Value: h.GetValue()})
	}
	if in.CustomFields != nil {
		d.Custom = in.CustomFields.AsMap()
	}
	return d
}

// contact writes a contact as the contract has it.
func contact(p *person.Person) *contactsv1.Contact {
	d := &p.Details
	out := &contactsv1.Contact{
		Id: &p.ID, Name: d.Name, Email: d.Email, Phone: d.Phone, Mobile: d.Mobile, TwitterId: d.TwitterID,
		UniqueExternalId: d.ExternalID, OtherEmails: d.OtherEmails, CompanyId: d.CompanyID, ViewAllTickets: d.ViewAllTickets,
		Address: d.Address, Description: d.Description, JobTitle: d.JobTitle, Language: d.Language, TimeZone: d.TimeZone,
		Tags: d.Tags, CustomFields: custom(d.Custom), Active: &p.Active, ContactType: &p.Type,
		CreatedAt: timestamppb.New(p.CreatedAt), UpdatedAt: timestamppb.New(p.UpdatedAt),
	}
	if p.Hidden {
		out.Deleted = proto.Bool(true)
	}
	for _, c := range d.OtherCompanies {
		out.OtherCompanies = append(out.OtherCompanies, &contactsv1.CompanyLink{CompanyId: &c.CompanyID, ViewAllTickets: &c.ViewAllTickets})
	}
	for _, h := range d.Social {
		out.SocialHandler = append(out.SocialHandler, &contactsv1.SocialHandle{Type: &h.Type, Value: &h.Value})
	}
	return out
}

// custom never returns nil: no custom fields are an empty object. What the
// domain let in has only kinds of values that a Struct can hold.
func custom(values map[string]any) *structpb.Struct {
	out := &structpb.Struct{Fields: map[string]*structpb.Value{}}
	for k, v := range values {
		if value, err := structpb.NewValue(v); err == nil {
			out.Fields[k] = value
		}
	}
	return out
}

// agentInput reads an agent's input.
func agentInput(in *contactsv1.AgentInput) person.AgentInput {
	if in == nil {
		return person.AgentInput{}
	}
	return person.AgentInput{
		Email: in.Email, Name: in.Name, Scope: in.TicketScope, Occasional: in.Occasional, Signature: in.Signature,
		GroupIDs: in.GroupIds, RoleIDs: in.RoleIds, SkillIDs: in.SkillIds, Type: in.AgentType,
		Language: in.Language, TimeZone: in.TimeZone, FocusMode: in.FocusMode,
	}
}

// agent writes an agent as the contract has it.
func agent(p *person.Person) *contactsv1.Agent {
	d, s := &p.Details, &p.Seat
	created, updated := timestamppb.New(p.CreatedAt), timestamppb.New(p.UpdatedAt)
	return &contactsv1.Agent{
		Id: &p.ID, Available: &s.Available, AvailableSince: stamp(s.AvailableSince), Occasional: &s.Occasional,
		Signature: s.Signature, TicketScope: &s.Scope, Type: &s.Type, GroupIds: s.GroupIDs, RoleIds: s.RoleIDs,
		SkillIds: s.SkillIDs, FocusMode: &s.FocusMode, CreatedAt: created, UpdatedAt: updated,
		Contact: &contactsv1.AgentProfile{
			Active: &p.Active, Email: d.Email, JobTitle: d.JobTitle, Language: d.Language, LastLoginAt: stamp(s.LastLoginAt),
			Mobile: d.Mobile, Name: d.Name, Phone: d.Phone, TimeZone: d.TimeZone, CreatedAt: created, UpdatedAt: updated,
		},
	}
}

func stamp(t *time.Time) *timestamppb.Timestamp {
	if t == nil {
		return nil
	}
	return timestamppb.New(*t)
}

// brief writes what other services may know of somebody; nil stays nil.
func brief(p *person.Person) *contactsv1.Person {
	if p == nil {
		return nil
	}
	d := &p.Details
	return &contactsv1.Person{Id: &p.ID, Name: d.Name, Email: d.Email, Mobile: d.Mobile, Phone: d.Phone,
		Agent: proto.Bool(p.Kind == person.Agent), Hidden: &p.Hidden}
}

// ref reads a reference to somebody.
func ref(in *contactsv1.PersonRef) person.Ref {
	if in == nil {
		return person.Ref{}
	}
	return person.Ref{ID: in.Id, Email: in.Email, Phone: in.Phone, TwitterID: in.TwitterId, ExternalID: in.UniqueExternalId, Name: in.Name}
}

// paths returns what an update is to change: what the mask names, or without a
// mask the fields that are set.
func paths(mask *fieldmaskpb.FieldMask, input proto.Message) []string {
	if mask != nil {
		return mask.GetPaths()
	}
	var set []string
	input.ProtoReflect().Range(func(fd protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		set = append(set, string(fd.Name()))
		return true
	})
	return set
}

// apiKey writes the record of a key.
func apiKey(k person.Key) *contactsv1.ApiKey {
	return &contactsv1.ApiKey{Id: &k.ID, AgentId: &k.AgentID, CreatedAt: timestamppb.New(k.CreatedAt)}
}
