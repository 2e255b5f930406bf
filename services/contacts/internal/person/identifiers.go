package person

import "slices"

// Identifiers are what a person is recognised by in other people's words.
type Identifiers struct {
	// Emails are all addresses, Phones telephone and mobile number, ExternalIDs
	// the id in another system and all handles.
	Emails, Phones, ExternalIDs, Names []string
}

// Identifiers returns what the person is recognised by, each value once.
func (p *Person) Identifiers() Identifiers {
	d := &p.Details
	ids := Identifiers{
		Emails:      distinct(d.Addresses()...),
		Phones:      present(d.Phone, d.Mobile),
		ExternalIDs: present(d.ExternalID, d.TwitterID),
		Names:       present(d.Name),
	}
	for _, h := range d.Social {
		ids.ExternalIDs = distinct(append(ids.ExternalIDs, h.Value)...)
	}
	return ids
}

// WasAgent reports whether the person is an agent or has been one: a seat once
// given leaves its type.
func (p *Person) WasAgent() bool { return p.Kind == Agent || p.Seat.Type != "" }

func present(values ...*string) []string {
	var out []string
	for _, v := range values {
		if v != nil {
			out = append(out, *v)
		}
	}
	return distinct(out...)
}

// distinct returns the values that are not empty, each once, in their order.
func distinct(values ...string) []string {
	var out []string
	for _, v := range values {
		if v != "" && !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}
