package person

import "time"

// Filter says which people of an account a list is about. Filters combine.
type Filter struct {
	Account int64
	Kind    Kind
	// Email, Phone, Mobile, ExternalID and TwitterID are compared in their folded forms.
	Email, Phone, Mobile, ExternalID, TwitterID *string
	// Company finds those of a company, be it the primary one or a further one.
	Company *int64
	// Active separates verified contacts from unverified ones.
	Active *bool
	// Type is a contact_type.
	Type *string
	// Occasional separates seats.
	Occasional *bool
	// UpdatedSince leaves out who was changed before; inclusive.
	UpdatedSince *time.Time
	// Deleted finds those who are soft deleted, and nobody else.
	Deleted bool
	// Skip and Limit cut the page.
	Skip, Limit int
}
