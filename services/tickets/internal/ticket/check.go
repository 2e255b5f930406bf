package ticket

import (
	"fmt"
	"math"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Code says what is wrong with a field.
type Code uint8

// The codes of problems.
const (
	// Missing means a mandatory field is absent or blank.
	Missing Code = iota + 1
	// Invalid means the value is outside what is allowed.
	Invalid
	// WrongType means the value has the wrong type.
	WrongType
	// ReadOnly means the field cannot be written.
	ReadOnly
	// Unknown means there is no such field.
	Unknown
)

// Problem is one field that is wrong. Message is constant, never the value.
type Problem struct {
	Field   string
	Code    Code
	Message string
}

// Problems are all that is wrong with an input, in the order of its fields.
type Problems []Problem

func (p *Problems) add(field string, code Code, message string) {
	*p = append(*p, Problem{field, code, message})
}

// The limits of input. Lengths are in characters, but for texts, which are in bytes.
const (
	MaxSubject  = 255
	MaxType     = 255
	MaxText     = 1 << 20
	MaxTag      = 32
	MaxTags     = 100
	MaxEmails   = 50
	MaxEmail    = 254
	MaxCustom   = 100
	MaxValue    = 64 << 10
	MaxName     = 255
	MaxStatus   = 100
	MaxPriority = 4
	MaxSource   = 13
	MaxFiles    = 50
	// MaxFileBytes is how much all attachments of a ticket may weigh together.
	MaxFileBytes = 20 << 20
)

const (
	mandatory  = "It should not be blank as this is a mandatory field"
	positive   = "It should be a positive integer"
	notOneOf   = "It should be one of the values the reference names"
	notEmail   = "It should be valid e-mail addresses"
	tooLong    = "It is too long"
	tooMany    = "It has too many entries"
	readOnly   = "It cannot be changed"
	unexpected = "Unexpected/invalid field in request"
)

// Email reports whether s is one plain address: local part, at sign, domain with
// a dot or the name of a host, without a display name.
func Email(s string) bool {
	if len(s) > MaxEmail || strings.ContainsAny(s, " \t\r\n<>(),;:\"") {
		return false
	}
	a, err := mail.ParseAddress(s)
	if err != nil || a.Name != "" || a.Address != s {
		return false
	}
	_, domain, ok := strings.Cut(s, "@")
	return ok && domain != "" && !strings.HasPrefix(domain, ".") && !strings.HasSuffix(domain, ".")
}

// Fold brings an address into the form it is stored in.
func Fold(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// FoldAll folds addresses and drops repeats and blanks.
func FoldAll(list []string) []string {
	var out []string
	for _, s := range list {
		if s = Fold(s); s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func (p *Problems) emails(field string, list []string) {
	if len(list) > MaxEmails {
		p.add(field, Invalid, tooMany)
	}
	if slices.ContainsFunc(list, func(s string) bool { return !Email(s) }) {
		p.add(field, Invalid, notEmail)
	}
}

func (p *Problems) text(field string, s *string, limit int) {
	if s != nil && utf8.RuneCountInString(*s) > limit {
		p.add(field, Invalid, tooLong)
	}
}

func (p *Problems) bytes(field string, s *string, limit int) {
	if s != nil && len(*s) > limit {
		p.add(field, Invalid, tooLong)
	}
}

func (p *Problems) id(field string, n *int64) {
	if n != nil && *n <= 0 {
		p.add(field, Invalid, positive)
	}
}

func (p *Problems) between(field string, n *int32, low, high int32) {
	if n != nil && (*n < low || *n > high) {
		p.add(field, Invalid, notOneOf)
	}
}

func (p *Problems) files(ids []int64) {
	if len(ids) > MaxFiles {
		p.add("attachment_ids", Invalid, tooMany)
	}
	if slices.ContainsFunc(ids, func(n int64) bool { return n <= 0 }) {
		p.add("attachment_ids", Invalid, positive)
	}
}

func (p *Problems) tags(tags []string) {
	if len(tags) > MaxTags {
		p.add("tags", Invalid, tooMany)
	}
	if slices.ContainsFunc(tags, func(s string) bool { return strings.TrimSpace(s) == "" || utf8.RuneCountInString(s) > MaxTag }) {
		p.add("tags", Invalid, "Each should have 1 to 32 characters")
	}
}

func (p *Problems) due(due, first *time.Time) {
	if due != nil && first != nil && first.After(*due) {
		p.add("fr_due_by", Invalid, "It should not be later than due_by")
	}
}

// customName is what a custom field may be called.
var customName = regexp.MustCompile(`^[A-Za-z0-9_]{1,64}$`)

// values are flat: text, number, yes or no, or nothing.
func (p *Problems) custom(fields map[string]any) {
	if len(fields) > MaxCustom {
		p.add("custom_fields", Invalid, tooMany)
	}
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if !customName.MatchString(name) {
			p.add("custom_fields", Unknown, unexpected)
			continue
		}
		switch v := fields[name].(type) {
		case nil, bool:
		case string:
			p.bytes(customPrefix+name, &v, MaxValue)
		case float64:
			if math.IsNaN(v) || math.IsInf(v, 0) {
				p.add(customPrefix+name, Invalid, "It should be a number")
			}
		default:
			p.add(customPrefix+name, WrongType, "It should be a string, a number, a boolean or null")
		}
	}
}

// oneOf checks an enum of words.
func (p *Problems) oneOf(field, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		p.add(field, Invalid, fmt.Sprintf("It should be one of these values: '%s'", strings.Join(allowed, ",")))
	}
}
