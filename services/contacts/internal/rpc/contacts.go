// Package rpc answers the gRPC methods of the contacts service: it reads
// messages, calls a use case for the caller's account, and writes messages.
package rpc

import (
	"context"
	"time"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/contacts/internal/app"
	"github.com/lethe-desk/lethe/services/contacts/internal/person"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/idem"
	"github.com/lethe-desk/lethe/services/internal/platform/page"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Contacts implements contactsv1.ContactsServiceServer.
type Contacts struct {
	contactsv1.UnimplementedContactsServiceServer
	app *app.App
}

// NewContacts returns the methods over the use cases.
func NewContacts(a *app.App) *Contacts { return &Contacts{app: a} }

// account is the caller's; a request never names another.
func account(ctx context.Context) int64 { return authn.Caller(ctx).Account }

// CreateContact makes a contact.
func (s *Contacts) CreateContact(ctx context.Context, in *contactsv1.CreateContactRequest) (*contactsv1.CreateContactResponse, error) {
	body, err := idem.Body(in.GetContact())
	if err != nil {
		return nil, err
	}
	p, err := s.app.CreateContact(ctx, account(ctx), details(in.GetContact()), in.GetIdempotencyKey(), body)
	if err != nil {
		return nil, err
	}
	return &contactsv1.CreateContactResponse{Contact: contact(p)}, nil
}

// GetContact reads one contact.
func (s *Contacts) GetContact(ctx context.Context, in *contactsv1.GetContactRequest) (*contactsv1.GetContactResponse, error) {
	p, err := s.app.GetContact(ctx, account(ctx), in.GetId())
	if err != nil {
		return nil, err
	}
	return &contactsv1.GetContactResponse{Contact: contact(p)}, nil
}

// ListContacts reads a page.
func (s *Contacts) ListContacts(ctx context.Context, in *contactsv1.ListContactsRequest) (*contactsv1.ListContactsResponse, error) {
	pg, err := page.Of(in.Page, in.PerPage)
	if err != nil {
		return nil, err
	}
	since, err := moment("updated_since", in.GetUpdatedSince())
	if err != nil {
		return nil, err
	}
	people, more, err := s.app.ListContacts(ctx, person.Filter{
		Account: account(ctx), Email: in.Email, Mobile: in.Mobile, Phone: in.Phone, Company: in.CompanyId,
		ExternalID: in.UniqueExternalId, Type: in.ContactType, UpdatedSince: since, Skip: pg.Skip(), Limit: pg.Size,
	}, in.GetState())
	if err != nil {
		return nil, err
	}
	out := &contactsv1.ListContactsResponse{More: &more}
	for _, p := range people {
		out.Contacts = append(out.Contacts, contact(p))
	}
	return out, nil
}

// moment reads a time of a request; nil stays nil.
func moment(field string, t *timestamppb.Timestamp) (*time.Time, error) {
	if t == nil {
		return nil, nil
	}
	if err := t.CheckValid(); err != nil {
		return nil, fault.InvalidValue(field, "It should be a time")
	}
	when := t.AsTime()
	return &when, nil
}

// UpdateContact changes one contact.
func (s *Contacts) UpdateContact(ctx context.Context, in *contactsv1.UpdateContactRequest) (*contactsv1.UpdateContactResponse, error) {
	p, err := s.app.UpdateContact(ctx, account(ctx), in.GetId(), details(in.GetContact()), paths(in.GetUpdateMask(), in.GetContact()))
	if err != nil {
		return nil, err
	}
	return &contactsv1.UpdateContactResponse{Contact: contact(p)}, nil
}

// ResolvePeople finds or makes the people behind references.
func (s *Contacts) ResolvePeople(ctx context.Context, in *contactsv1.ResolvePeopleRequest) (*contactsv1.ResolvePeopleResponse, error) {
	refs := make([]person.Ref, len(in.GetRefs()))
	for i, r := range in.GetRefs() {
		refs[i] = ref(r)
	}
	found, err := s.app.ResolvePeople(ctx, account(ctx), refs, in.GetCreateMissing())
	if err != nil {
		return nil, err
	}
	out := &contactsv1.ResolvePeopleResponse{}
	for _, f := range found {
		out.People = append(out.People, &contactsv1.Resolved{Person: brief(f.Person), Created: &f.Created})
	}
	return out, nil
}

// BatchGetPeople reads people by id.
func (s *Contacts) BatchGetPeople(ctx context.Context, in *contactsv1.BatchGetPeopleRequest) (*contactsv1.BatchGetPeopleResponse, error) {
	people, err := s.app.BatchGetPeople(ctx, account(ctx), in.GetIds())
	if err != nil {
		return nil, err
	}
	out := &contactsv1.BatchGetPeopleResponse{}
	for _, p := range people {
		out.People = append(out.People, brief(p))
	}
	return out, nil
}

// GetIdentifiers reads what a person is recognised by.
func (s *Contacts) GetIdentifiers(ctx context.Context, in *contactsv1.GetIdentifiersRequest) (*contactsv1.GetIdentifiersResponse, error) {
	p, err := s.app.GetIdentifiers(ctx, account(ctx), in.GetId())
	if err != nil {
		return nil, err
	}
	ids, kind := p.Identifiers(), participantv1.SubjectKind_SUBJECT_KIND_CONTACT
	if p.WasAgent() {
		kind = participantv1.SubjectKind_SUBJECT_KIND_AGENT
	}
	return &contactsv1.GetIdentifiersResponse{
		Identifiers: &participantv1.Identifiers{Emails: ids.Emails, Phones: ids.Phones, ExternalIds: ids.ExternalIDs, Names: ids.Names},
		Kind:        kind.Enum(),
	}, nil
}
