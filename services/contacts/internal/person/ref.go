package person

// Ref says how somebody is known to a caller; the first that is set counts, in
// the order of the fields. Name is for a contact that has to be made.
type Ref struct {
	ID                                  *int64
	Email, Phone, TwitterID, ExternalID *string
	Name                                *string
}

// Clean brings the values into their stored forms; a blank one counts as not set.
func (r *Ref) Clean(nfc func(string) string) {
	d := Details{Name: r.Name, Email: r.Email, Phone: r.Phone, TwitterID: r.TwitterID, ExternalID: r.ExternalID}
	d.Clean(nfc)
	r.Name, r.Email, r.Phone, r.TwitterID, r.ExternalID = d.Name, d.Email, d.Phone, d.TwitterID, d.ExternalID
	if r.Name != nil && *r.Name == "" {
		r.Name = nil
	}
}

// Empty reports whether the reference names nobody.
func (r *Ref) Empty() bool {
	return r.ID == nil && r.Email == nil && r.Phone == nil && r.TwitterID == nil && r.ExternalID == nil
}

// details returns what counts of the reference, and the name.
func (r *Ref) details() Details {
	d := Details{Name: r.Name}
	switch {
	case r.Email != nil:
		d.Email = r.Email
	case r.Phone != nil:
		d.Phone = r.Phone
	case r.TwitterID != nil:
		d.TwitterID = r.TwitterID
	case r.ExternalID != nil:
		d.ExternalID = r.ExternalID
	}
	return d
}

// NewDetails returns the details of a contact made for the reference. The name
// is that of the reference, else what stands before the @, else the handle or
// external id. One who is known by a telephone number alone has no name then.
func (r *Ref) NewDetails() Details {
	d := r.details()
	if d.Name == nil {
		switch {
		case d.Email != nil:
			d.Name = ptr(LocalPart(*d.Email))
		case d.TwitterID != nil:
			d.Name = d.TwitterID
		case d.ExternalID != nil:
			d.Name = d.ExternalID
		}
	}
	d.SetDefaults()
	return d
}
