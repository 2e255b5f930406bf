package person

import (
	"slices"
	"strings"
)

// Clean brings all values into the form in which they are stored: composed
// characters, addresses folded, no blanks around short texts, a blank optional
// text absent, a tag only once, a custom field that is null left out. The name
// stays when it is blank, so that Check can say so.
func (d *Details) Clean(nfc func(string) string) {
	if d.Name != nil {
		d.Name = ptr(strings.TrimSpace(nfc(*d.Name)))
	}
	for _, p := range []**string{&d.Phone, &d.Mobile, &d.TwitterID, &d.ExternalID, &d.JobTitle, &d.Language, &d.TimeZone, &d.Address} {
		*p = cleanText(*p, func(s string) string { return strings.TrimSpace(nfc(s)) })
	}
	d.Description = cleanText(d.Description, nfc)
	fold := func(s string) string { return FoldEmail(s, nfc) }
	d.Email = cleanText(d.Email, fold)
	d.OtherEmails = cleanList(d.OtherEmails, fold)
	d.Tags = uniq(cleanList(d.Tags, func(s string) string { return strings.TrimSpace(nfc(s)) }))
	d.Social = slices.Clone(d.Social)
	for i, h := range d.Social {
		d.Social[i] = SocialHandle{Type: strings.ToLower(strings.TrimSpace(h.Type)), Value: strings.TrimSpace(nfc(h.Value))}
	}
}

// DropNulls removes the custom fields that are null, which is how a client clears one.
func (d *Details) DropNulls() {
	clean := map[string]any{}
	for k, v := range d.Custom {
		if v != nil {
			clean[k] = v
		}
	}
	d.Custom = clean
	if len(clean) == 0 {
		d.Custom = nil
	}
}

func cleanText(s *string, f func(string) string) *string {
	if s == nil {
		return nil
	}
	if c := f(*s); strings.TrimSpace(c) != "" {
		return &c
	}
	return nil
}

func cleanList(list []string, f func(string) string) []string {
	var clean []string
	for _, s := range list {
		clean = append(clean, f(s))
	}
	return clean
}

func uniq(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
