// Package store keeps the people, keys and accounts of the contacts service in
// typed collections of the document port.
package store

import (
	"strconv"
	"time"

	"github.com/lethe-desk/lethe/services/contacts/internal/person"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
)

// personDoc is a contact or an agent. Its id is the subject, and so is its owner.
type personDoc struct {
	docstore.Meta
	Kind      string  `doc:"kind" why:"says which resource shows the person"`
	Type      string  `doc:"contact_type" field:"lethe.contacts.v1.Contact.contact_type"`
	Active    bool    `doc:"active" why:"state flag that lists filter by (verified, or has signed in); says nothing without the person"`
	ViewAll   bool    `doc:"view_all_tickets" field:"lethe.contacts.v1.Contact.view_all_tickets"`
	Occasion  bool    `doc:"occasional" field:"lethe.contacts.v1.Agent.occasional"`
	Scope     int32   `doc:"ticket_scope" field:"lethe.contacts.v1.Agent.ticket_scope"`
	SeatType  string  `doc:"agent_type" field:"lethe.contacts.v1.Agent.type"`
	GroupIDs  []int64 `doc:"group_ids" field:"lethe.contacts.v1.Agent.group_ids"`
	RoleIDs   []int64 `doc:"role_ids" field:"lethe.contacts.v1.Agent.role_ids"`
	SkillIDs  []int64 `doc:"skill_ids" field:"lethe.contacts.v1.Agent.skill_ids"`
	FocusMode bool    `doc:"focus_mode" field:"lethe.contacts.v1.Agent.focus_mode"`
	Mark      string  `doc:"mark" why:"random mark of the call under an idempotency key that made the record"`

	Name        *string        `doc:"name,seal" field:"lethe.contacts.v1.Contact.name"`
	Email       *string        `doc:"email,seal" field:"lethe.contacts.v1.Contact.email"`
	OtherEmails []string       `doc:"other_emails,seal" field:"lethe.contacts.v1.Contact.other_emails"`
	Phone       *string        `doc:"phone,seal" field:"lethe.contacts.v1.Contact.phone"`
	Mobile      *string        `doc:"mobile,seal" field:"lethe.contacts.v1.Contact.mobile"`
	TwitterID   *string        `doc:"twitter_id,seal" field:"lethe.contacts.v1.Contact.twitter_id"`
	ExternalID  *string        `doc:"unique_external_id,seal" field:"lethe.contacts.v1.Contact.unique_external_id"`
	CompanyID   *int64         `doc:"company_id,seal" field:"lethe.contacts.v1.Contact.company_id"`
	Others      []companyLink  `doc:"other_companies,seal" field:"lethe.contacts.v1.Contact.other_companies"`
	Address     *string        `doc:"address,seal" field:"lethe.contacts.v1.Contact.address"`
	Description *string        `doc:"description,seal" field:"lethe.contacts.v1.Contact.description"`
	JobTitle    *string        `doc:"job_title,seal" field:"lethe.contacts.v1.Contact.job_title"`
	Language    *string        `doc:"language,seal" field:"lethe.contacts.v1.Contact.language"`
	TimeZone    *string        `doc:"time_zone,seal" field:"lethe.contacts.v1.Contact.time_zone"`
	Tags        []string       `doc:"tags,seal" field:"lethe.contacts.v1.Contact.tags"`
	Custom      map[string]any `doc:"custom_fields,seal" field:"lethe.contacts.v1.Contact.custom_fields"`
	Social      []socialHandle `doc:"social_handler,seal" field:"lethe.contacts.v1.Contact.social_handler"`
	Available   bool           `doc:"available,seal" field:"lethe.contacts.v1.Agent.available"`
	Since       *time.Time     `doc:"available_since,seal" field:"lethe.contacts.v1.Agent.available_since"`
	Signature   *string        `doc:"signature,seal" field:"lethe.contacts.v1.Agent.signature"`
	LastLogin   *time.Time     `doc:"last_login_at,seal" field:"lethe.contacts.v1.AgentProfile.last_login_at"`

	// What blind indexes are over: all addresses and all companies of the person.
	Addresses []string `doc:"addresses,seal" field:"lethe.contacts.v1.Contact.email"`
	Companies []string `doc:"companies,seal" field:"lethe.contacts.v1.Contact.company_id"`
}

type companyLink struct {
	ID  int64 `cbor:"id"`
	All bool  `cbor:"all,omitempty"`
}

type socialHandle struct {
	Type  string `cbor:"type"`
	Value string `cbor:"value"`
}

// keyDoc is the record of an API key, owned by its agent.
type keyDoc struct {
	docstore.Meta
}

// lookupDoc leads from a key's hash to its owner. It belongs to no account,
// because a caller who shows a key has none yet; it holds opaque ids alone.
type lookupDoc struct {
	docstore.Meta
	Hash    string `doc:"hash" why:"keyed hash of a random secret; opens nothing and names nobody"`
	Tenant  int64  `doc:"tenant" why:"account the key opens"`
	AgentID int64  `doc:"agent_id" field:"lethe.contacts.v1.ApiKey.agent_id"`
	KeyID   int64  `doc:"key_id" field:"lethe.contacts.v1.ApiKey.id"`
}

// accountDoc is an account; its id is the account's number.
type accountDoc struct {
	docstore.Meta
	Name string `doc:"name" field:"lethe.contacts.v1.Account.name"`
	Mark string `doc:"origin" why:"random mark of the idempotency record that made it"`
}

// installationDoc is the one document about the installation itself.
type installationDoc struct {
	docstore.Meta
	Pepper       []byte `doc:"pepper,seal" why:"secret under which API keys are hashed"`
	AdminID      int64  `doc:"admin_id" why:"id drawn for the first administrator"`
	KeyID        int64  `doc:"key_id" why:"id drawn for the first administrator's key"`
	LookupID     int64  `doc:"lookup_id" why:"id drawn for that key's lookup"`
	AdminKeyHash string `doc:"admin_key_hash" why:"keyed hash of the first administrator's key"`
}

func toDoc(p *person.Person) *personDoc {
	d := &p.Details
	doc := &personDoc{
		Kind: string(p.Kind), Type: p.Type, Active: p.Active, ViewAll: d.ViewAllTickets != nil && *d.ViewAllTickets,
		Occasion: p.Seat.Occasional, Scope: p.Seat.Scope, SeatType: p.Seat.Type,
		GroupIDs: p.Seat.GroupIDs, RoleIDs: p.Seat.RoleIDs, SkillIDs: p.Seat.SkillIDs, FocusMode: p.Seat.FocusMode, Mark: p.Mark,
		Name: d.Name, Email: d.Email, OtherEmails: d.OtherEmails, Phone: d.Phone, Mobile: d.Mobile,
		TwitterID: d.TwitterID, ExternalID: d.ExternalID, CompanyID: d.CompanyID, Address: d.Address,
		Description: d.Description, JobTitle: d.JobTitle, Language: d.Language, TimeZone: d.TimeZone,
		Tags: d.Tags, Custom: d.Custom, Available: p.Seat.Available, Since: p.Seat.AvailableSince,
		Signature: p.Seat.Signature, LastLogin: p.Seat.LastLoginAt, Addresses: d.Addresses(),
	}
	for _, c := range d.OtherCompanies {
		doc.Others = append(doc.Others, companyLink{c.CompanyID, c.ViewAllTickets})
	}
	for _, h := range d.Social {
		doc.Social = append(doc.Social, socialHandle(h))
	}
	for _, id := range d.Companies() {
		doc.Companies = append(doc.Companies, companyKey(id))
	}
	if old, ok := p.Origin.(*personDoc); ok {
		doc.Meta = old.Meta
	}
	doc.Account, doc.ID, doc.Owner = p.Account, p.ID, p.ID
	doc.CreatedAt, doc.UpdatedAt = p.CreatedAt, p.UpdatedAt
	return doc
}

func fromDoc(doc *personDoc) *person.Person {
	p := &person.Person{
		Account: doc.Account, ID: doc.ID, Kind: person.Kind(doc.Kind), Active: doc.Active, Type: doc.Type, Mark: doc.Mark,
		Details: person.Details{
			Name: doc.Name, Email: doc.Email, Phone: doc.Phone, Mobile: doc.Mobile, TwitterID: doc.TwitterID,
			ExternalID: doc.ExternalID, OtherEmails: doc.OtherEmails, CompanyID: doc.CompanyID,
			ViewAllTickets: &doc.ViewAll, Address: doc.Address, Description: doc.Description,
			JobTitle: doc.JobTitle, Language: doc.Language, TimeZone: doc.TimeZone, Tags: doc.Tags, Custom: doc.Custom,
		},
		Seat: person.Seat{
			Available: doc.Available, AvailableSince: utc(doc.Since), Occasional: doc.Occasion, Signature: doc.Signature,
			Scope: doc.Scope, Type: doc.SeatType, GroupIDs: doc.GroupIDs, RoleIDs: doc.RoleIDs, SkillIDs: doc.SkillIDs,
			FocusMode: doc.FocusMode, LastLoginAt: utc(doc.LastLogin),
		},
		CreatedAt: doc.CreatedAt, UpdatedAt: doc.UpdatedAt, Origin: doc,
	}
	for _, c := range doc.Others {
		p.Details.OtherCompanies = append(p.Details.OtherCompanies, person.CompanyLink{CompanyID: c.ID, ViewAllTickets: c.All})
	}
	for _, h := range doc.Social {
		p.Details.Social = append(p.Details.Social, person.SocialHandle(h))
	}
	return p
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}

// companyKey is the form of a company's id in the blind index.
func companyKey(id int64) string { return strconv.FormatInt(id, 10) }
