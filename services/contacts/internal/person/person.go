// Package person is the domain of the contacts service: what a contact and an
// agent are, which values they may have, and how a change is applied. Plain
// rules, no storage and no wire.
package person

import "time"

// Kind says by which resource a person is shown. Contacts and agents share one
// space of ids, so a person can change from one to the other and stay the same
// subject.
type Kind string

// The kinds of people.
const (
	// Contact is somebody the desk helps.
	Contact Kind = "contact"
	// Agent is somebody who works at the desk.
	Agent Kind = "agent"
)

// TypeContact is the contact_type of everybody the desk made itself.
const TypeContact = "contact"

// TypeVisitor is the contact_type of an anonymous visitor; only filters know it.
const TypeVisitor = "visitor"

// What a person has when nobody said otherwise.
const (
	// DefaultLanguage is the language code of a person without one.
	DefaultLanguage = "en"
	// DefaultTimeZone is the time zone of a person without one.
	DefaultTimeZone = "UTC"
)

// Person is a contact or an agent.
type Person struct {
	// Account is the tenant, ID the subject.
	Account, ID int64
	// Kind decides whether Seat means anything.
	Kind Kind
	// Active says that a contact's address is verified, or that an agent has signed in before.
	Active bool
	// Type is the contact_type.
	Type string
	// Details are what can be written of a contact; agents use some of them.
	Details Details
	// Seat is what an agent has beyond that.
	Seat Seat
	// Mark is the random mark of the call that made the record under an idempotency key.
	Mark string
	// Hidden is set when a read finds the person soft deleted; it is never stored.
	Hidden bool
	// CreatedAt and UpdatedAt are UTC in milliseconds.
	CreatedAt, UpdatedAt time.Time
	// Origin is the store's memory of what it read; everybody else leaves it alone.
	Origin any
}

// Details are the writable values of a contact. nil is "not there".
type Details struct {
	Name, Email, Phone, Mobile *string
	TwitterID, ExternalID      *string
	OtherEmails                []string
	CompanyID                  *int64
	ViewAllTickets             *bool
	OtherCompanies             []CompanyLink
	Address, Description       *string
	JobTitle, Language         *string
	TimeZone                   *string
	Tags                       []string
	// Custom maps names to string, float64, bool or nil; nil clears.
	Custom map[string]any
	Social []SocialHandle
}

// CompanyLink ties a contact to a further company.
type CompanyLink struct {
	CompanyID      int64
	ViewAllTickets bool
}

// SocialHandle is a handle on another platform.
type SocialHandle struct {
	Type, Value string
}

// Seat is what belongs to somebody's work at the desk.
type Seat struct {
	Available      bool
	AvailableSince *time.Time
	Occasional     bool
	Signature      *string
	// Scope is 1 global, 2 group, 3 restricted.
	Scope int32
	// Type is support_agent, field_agent or collaborator.
	Type                        string
	GroupIDs, RoleIDs, SkillIDs []int64
	FocusMode                   bool
	LastLoginAt                 *time.Time
}

// Addresses returns all e-mail addresses of the details, the main one first.
func (d *Details) Addresses() []string {
	var all []string
	if d.Email != nil {
		all = append(all, *d.Email)
	}
	return append(all, d.OtherEmails...)
}

// Companies returns the ids of all companies of the details, the primary one first.
func (d *Details) Companies() []int64 {
	var all []int64
	if d.CompanyID != nil {
		all = append(all, *d.CompanyID)
	}
	for _, c := range d.OtherCompanies {
		all = append(all, c.CompanyID)
	}
	return all
}

// SetDefaults fills in language and time zone, which are never absent.
func (d *Details) SetDefaults() {
	if d.Language == nil {
		d.Language = ptr(DefaultLanguage)
	}
	if d.TimeZone == nil {
		d.TimeZone = ptr(DefaultTimeZone)
	}
	if d.ViewAllTickets == nil {
		d.ViewAllTickets = ptr(false)
	}
}

func ptr[T any](v T) *T { return &v }
