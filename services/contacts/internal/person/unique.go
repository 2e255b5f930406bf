package person

// Unique names a field whose values belong to one person of an account.
type Unique string

// The unique fields. All e-mail addresses, main and further ones, share one space.
const (
	UniqueEmail      Unique = "email"
	UniqueTwitter    Unique = "twitter_id"
	UniqueExternalID Unique = "unique_external_id"
)

// Value is one unique value a person has.
type Value struct {
	Unique Unique
	// Field is the contract field it stands in, for the caller's eyes.
	Field string
	// Text is the value in the form that is compared.
	Text string
}

// Values returns the unique values of the details, in the order of the contract.
func (d *Details) Values() []Value {
	var all []Value
	if d.Email != nil {
		all = append(all, Value{UniqueEmail, "email", *d.Email})
	}
	for _, e := range d.OtherEmails {
		all = append(all, Value{UniqueEmail, "other_emails", e})
	}
	if d.TwitterID != nil {
		all = append(all, Value{UniqueTwitter, "twitter_id", FoldHandle(*d.TwitterID)})
	}
	if d.ExternalID != nil {
		all = append(all, Value{UniqueExternalID, "unique_external_id", *d.ExternalID})
	}
	return all
}

// Has reports whether the details hold a unique value, in whichever field.
func (d *Details) Has(v Value) bool {
	for _, own := range d.Values() {
		if own.Unique == v.Unique && own.Text == v.Text {
			return true
		}
	}
	return false
}

// Without returns the values of a that b does not have.
func Without(a []Value, b *Details) []Value {
	var rest []Value
	for _, v := range a {
		if !b.Has(v) {
			rest = append(rest, v)
		}
	}
	return rest
}
