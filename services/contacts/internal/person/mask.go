package person

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// customPrefix begins the path of one custom field.
const customPrefix = "custom_fields."

var customName = regexp.MustCompile(`^[A-Za-z0-9_]{1,64}$`)

// copiers move one field from src to dst; they are the writable fields of a contact.
var copiers = map[string]func(dst, src *Details){
	"name":               func(d, s *Details) { d.Name = s.Name },
	"email":              func(d, s *Details) { d.Email = s.Email },
	"phone":              func(d, s *Details) { d.Phone = s.Phone },
	"mobile":             func(d, s *Details) { d.Mobile = s.Mobile },
	"twitter_id":         func(d, s *Details) { d.TwitterID = s.TwitterID },
	"unique_external_id": func(d, s *Details) { d.ExternalID = s.ExternalID },
	"other_emails":       func(d, s *Details) { d.OtherEmails = s.OtherEmails },
	"company_id":         func(d, s *Details) { d.CompanyID = s.CompanyID },
	"view_all_tickets":   func(d, s *Details) { d.ViewAllTickets = s.ViewAllTickets },
	"other_companies":    func(d, s *Details) { d.OtherCompanies = s.OtherCompanies },
	"address":            func(d, s *Details) { d.Address = s.Address },
	"description":        func(d, s *Details) { d.Description = s.Description },
	"job_title":          func(d, s *Details) { d.JobTitle = s.JobTitle },
	"language":           func(d, s *Details) { d.Language = s.Language },
	"time_zone":          func(d, s *Details) { d.TimeZone = s.TimeZone },
	"tags":               func(d, s *Details) { d.Tags = s.Tags },
	"custom_fields":      func(d, s *Details) { d.Custom = maps.Clone(s.Custom) },
	"social_handler":     func(d, s *Details) { d.Social = s.Social },
}

// ContactFields returns the names of the writable fields of a contact, sorted.
func ContactFields() []string { return slices.Sorted(maps.Keys(copiers)) }

// CheckMask returns a problem for each path that names no writable field of a contact.
func CheckMask(paths []string) []Problem {
	var bad []Problem
	for _, p := range paths {
		if _, ok := copiers[p]; ok {
			continue
		}
		if name, ok := strings.CutPrefix(p, customPrefix); ok {
			if !customName.MatchString(name) {
				bad = append(bad, Problem{"custom_fields", InvalidField, "A name has letters, digits and underscores only"})
			}
			continue
		}
		bad = append(bad, Problem{p, InvalidField, "Unexpected/invalid field in request"})
	}
	return bad
}

// Apply changes the fields named by the paths to those of from, where an absent
// value clears. The paths have passed CheckMask. It returns the top-level names
// of what was named, for Check.
func (d *Details) Apply(from *Details, paths []string) []string {
	var touched []string
	for _, p := range paths {
		if name, ok := strings.CutPrefix(p, customPrefix); ok {
			custom := maps.Clone(d.Custom)
			if custom == nil {
				custom = map[string]any{}
			}
			custom[name] = from.Custom[name]
			d.Custom = custom
			touched = append(touched, "custom_fields")
			continue
		}
		copiers[p](d, from)
		touched = append(touched, p)
	}
	return touched
}
