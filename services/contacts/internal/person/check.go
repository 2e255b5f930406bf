package person

import (
	"math"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Code says what is wrong with a field, in the spelling REST clients see.
type Code string

// The codes a check can give.
const (
	MissingField     Code = "missing_field"
	InvalidValue     Code = "invalid_value"
	DatatypeMismatch Code = "datatype_mismatch"
	InvalidField     Code = "invalid_field"
	ReadonlyField    Code = "readonly_field"
)

// Problem is one field that is wrong. Message is a constant sentence without
// the value.
type Problem struct {
	Field   string
	Code    Code
	Message string
}

// The bounds of a person's values.
const (
	maxText        = 255
	maxLong        = 65535
	maxEmail       = 254
	maxOtherEmails = 10
	maxCompanies   = 300
	maxTags        = 100
	maxTag         = 32
	maxCustom      = 200
	maxSocial      = 10
)

// oneWay is what Freshdesk says when nobody could reach the person.
const oneWay = "Please fill at least 1 of email, mobile, phone, twitter_id, unique_external_id fields"

var languageCode = regexp.MustCompile(`^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)

// CheckNew returns what is wrong with the details of a contact to be made.
func (d *Details) CheckNew() []Problem {
	fields := ContactFields()
	if d.Name == nil {
		fields = slices.DeleteFunc(fields, func(f string) bool { return f == "name" })
		return append([]Problem{{"name", MissingField, "It should be a/an String"}}, d.Check(fields)...)
	}
	return d.Check(fields)
}

// Check returns what is wrong with the named fields, and whether a way to
// reach the person is left. The details have been through Clean.
func (d *Details) Check(fields []string) []Problem {
	named := func(f string) bool { return slices.Contains(fields, f) }
	var bad []Problem
	if named("name") {
		bad = append(bad, checkName(d.Name)...)
	}
	if named("email") && d.Email != nil && !ValidEmail(*d.Email) {
		bad = append(bad, Problem{"email", InvalidValue, "It should be in the 'valid email address' format"})
	}
	bad = append(bad, d.checkTexts(named)...)
	bad = append(bad, d.checkLists(named)...)
	if d.Email == nil && d.Phone == nil && d.Mobile == nil && d.TwitterID == nil && d.ExternalID == nil {
		bad = append(bad, Problem{"email", MissingField, oneWay})
	}
	slices.SortStableFunc(bad, func(a, b Problem) int { return strings.Compare(a.Field, b.Field) })
	return bad
}

func (d *Details) checkTexts(named func(string) bool) []Problem {
	var bad []Problem
	for f, v := range map[string]*string{
		"phone": d.Phone, "mobile": d.Mobile, "twitter_id": d.TwitterID,
		"unique_external_id": d.ExternalID, "job_title": d.JobTitle,
	} {
		if named(f) && v != nil && !line(*v, maxText) {
			bad = append(bad, Problem{f, InvalidValue, "It should be one line of at most 255 characters"})
		}
	}
	for f, v := range map[string]*string{"address": d.Address, "description": d.Description} {
		if named(f) && v != nil && !text(*v, maxLong) {
			bad = append(bad, Problem{f, InvalidValue, "It should be a text of at most 65535 characters"})
		}
	}
	if named("language") && d.Language != nil && !languageCode.MatchString(*d.Language) {
		bad = append(bad, Problem{"language", InvalidValue, "It should be a language code such as en or pt-BR"})
	}
	if named("time_zone") && d.TimeZone != nil && !line(*d.TimeZone, 64) {
		bad = append(bad, Problem{"time_zone", InvalidValue, "It should be the name of a time zone"})
	}
	if named("twitter_id") && d.TwitterID != nil && FoldHandle(*d.TwitterID) == "" {
		bad = append(bad, Problem{"twitter_id", InvalidValue, "It should not be blank"})
	}
	return bad
}

func checkName(name *string) []Problem {
	switch {
	case name == nil || *name == "":
		return []Problem{{"name", InvalidValue, "It should not be blank as this is a mandatory field"}}
	case !line(*name, maxText):
		return []Problem{{"name", InvalidValue, "It should be one line of at most 255 characters"}}
	}
	return nil
}

func (d *Details) checkLists(named func(string) bool) []Problem {
	var bad []Problem
	invalid := func(field, message string) { bad = append(bad, Problem{field, InvalidValue, message}) }
	if named("other_emails") || named("email") {
		bad = append(bad, d.checkOther()...)
	}
	if named("company_id") && d.CompanyID != nil && *d.CompanyID <= 0 {
		invalid("company_id", "It should be a positive number")
	}
	if named("other_companies") || named("company_id") {
		bad = append(bad, d.checkCompanies()...)
	}
	if named("tags") {
		if len(d.Tags) > maxTags {
			invalid("tags", "There should be at most 100")
		} else if slices.ContainsFunc(d.Tags, func(t string) bool { return t == "" || strings.Contains(t, ",") || !line(t, maxTag) }) {
			invalid("tags", "Each should have 1 to 32 characters and no comma")
		}
	}
	if named("social_handler") {
		if len(d.Social) > maxSocial {
			invalid("social_handler", "There should be at most 10")
		} else if slices.ContainsFunc(d.Social, func(h SocialHandle) bool {
			return h.Type == "" || h.Value == "" || !line(h.Type, 64) || !line(h.Value, maxText)
		}) {
			invalid("social_handler", "Each should have a type and a value")
		}
	}
	if named("custom_fields") {
		bad = append(bad, checkCustom(d.Custom)...)
	}
	return bad
}

func (d *Details) checkOther() []Problem {
	invalid := func(message string) []Problem { return []Problem{{"other_emails", InvalidValue, message}} }
	if len(d.OtherEmails) > maxOtherEmails {
		return invalid("There should be at most 10")
	}
	if slices.ContainsFunc(d.OtherEmails, func(e string) bool { return !ValidEmail(e) }) {
		return invalid("Each should be in the 'valid email address' format")
	}
	if all := d.Addresses(); len(uniq(all)) < len(all) {
		return invalid("An address should stand there once, and not be the main one")
	}
	return nil
}

func (d *Details) checkCompanies() []Problem {
	all := d.Companies()
	seen := map[int64]bool{}
	for _, c := range d.OtherCompanies {
		if c.CompanyID <= 0 {
			return []Problem{{"other_companies", InvalidValue, "Each should have a positive company_id"}}
		}
	}
	for _, id := range all {
		if seen[id] {
			return []Problem{{"other_companies", InvalidValue, "A company should stand there once, and not be the primary one"}}
		}
		seen[id] = true
	}
	if len(d.OtherCompanies) > maxCompanies {
		return []Problem{{"other_companies", InvalidValue, "There should be at most 300"}}
	}
	return nil
}

func checkCustom(custom map[string]any) []Problem {
	if len(custom) > maxCustom {
		return []Problem{{"custom_fields", InvalidValue, "There should be at most 200"}}
	}
	var bad []Problem
	for name, v := range custom {
		if !customName.MatchString(name) {
			return []Problem{{"custom_fields", InvalidField, "A name has letters, digits and underscores only"}}
		}
		field := customPrefix + name
		switch v := v.(type) {
		case nil, bool:
		case float64:
			if math.IsNaN(v) || math.IsInf(v, 0) {
				bad = append(bad, Problem{field, InvalidValue, "It should be a finite number"})
			}
		case string:
			if !text(v, maxLong) {
				bad = append(bad, Problem{field, InvalidValue, "It should be a text of at most 65535 characters"})
			}
		default:
			bad = append(bad, Problem{field, DatatypeMismatch, "It should be a String, Number or Boolean"})
		}
	}
	return bad
}

// ValidEmail reports whether s is a plain address somebody could have: what
// net/mail takes, without display name, comment or quotes, with a domain of at
// least two labels. s is folded.
func ValidEmail(s string) bool {
	if len(s) > maxEmail || !utf8.ValidString(s) || strings.ContainsAny(s, "\"<>()[]\\,;: ") {
		return false
	}
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s || a.Name != "" {
		return false
	}
	local, domain, ok := strings.Cut(s, "@")
	if !ok || local == "" || len(local) > 64 || strings.Contains(domain, "@") || !graphic(local) {
		return false
	}
	labels := strings.Split(domain, ".")
	return len(labels) > 1 && !slices.ContainsFunc(labels, func(l string) bool { return !label(l) })
}

func graphic(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) })
}

func label(l string) bool {
	if l == "" || len(l) > 63 || strings.HasPrefix(l, "-") || strings.HasSuffix(l, "-") {
		return false
	}
	return !strings.ContainsFunc(l, func(r rune) bool {
		return r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
	})
}

// line reports whether s is one line of at most limit characters.
func line(s string, limit int) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= limit && !strings.ContainsFunc(s, unicode.IsControl)
}

// text reports whether s is a text of at most limit characters, over several lines perhaps.
func text(s string, limit int) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= limit &&
		!strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' })
}
