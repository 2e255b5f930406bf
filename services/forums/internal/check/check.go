// Package check finds what is wrong with an input, field by field, for things
// that are made and for things that are changed. It is plain Go.
package check

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Code says what is wrong with a field.
type Code uint8

// The codes of problems.
const (
	// Missing means a mandatory field is absent.
	Missing Code = iota + 1
	// Invalid means the value is blank or outside what is allowed.
	Invalid
	// ReadOnly means the field cannot be written, or not any more.
	ReadOnly
	// Unknown means there is no such field in this call.
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

// Add adds one.
func (p *Problems) Add(field string, code Code, message string) {
	*p = append(*p, Problem{field, code, message})
}

// The limits of input. Names, titles and labels are in characters, the rest in bytes or entries.
const (
	MaxName        = 255
	MaxDescription = 64 << 10
	MaxText        = 1 << 20
	MaxTag         = 32
	MaxTags        = 100
	MaxIDs         = 500
)

const (
	mandatory  = "It should not be blank as this is a mandatory field"
	blank      = "It should not be blank"
	positive   = "It should be a positive integer"
	notOneOf   = "It should be one of the values the reference names"
	tooLong    = "It is too long"
	tooMany    = "It has too many entries"
	readOnly   = "It cannot be changed"
	unexpected = "Unexpected/invalid field in request"
)

// When says in which calls a field may be given.
type When uint8

// The calls.
const (
	Always When = iota
	OnCreation
	OnChange
)

// Field is one field of an input.
type Field struct {
	Name string
	// Set says that it has a value.
	Set bool
	// Needed says that it may not be absent from what is made, nor emptied; Kept
	// only that it may not be emptied.
	Needed, Kept bool
	When         When
	// Check looks at the value; only called when there is one. It may be nil.
	Check func(p *Problems)
}

// Creation returns what is wrong with the input of a new thing.
func Creation(fields ...Field) Problems {
	var p Problems
	for _, f := range fields {
		switch {
		case !f.Set && f.Needed:
			p.Add(f.Name, Missing, mandatory)
		case f.Set && f.When == OnChange:
			p.Add(f.Name, Unknown, unexpected)
		case f.Set && f.Check != nil:
			f.Check(&p)
		}
	}
	return p
}

// Change returns what is wrong with the fields of an input that a mask names.
func Change(mask []string, fields ...Field) Problems {
	var p Problems
	for _, path := range mask {
		i := slices.IndexFunc(fields, func(f Field) bool { return f.Name == path })
		switch {
		case i < 0:
			p.Add(path, Unknown, unexpected)
		case fields[i].When == OnCreation:
			p.Add(path, ReadOnly, readOnly)
		case !fields[i].Set && (fields[i].Needed || fields[i].Kept):
			p.Add(path, Invalid, blank)
		case fields[i].Set && fields[i].Check != nil:
			fields[i].Check(&p)
		}
	}
	return p
}

// Has reports whether a mask names a field.
func Has(mask []string, field string) bool { return slices.Contains(mask, field) }

// Name is a field that holds a name or title.
func Name(field string, s *string) Field {
	return Field{Name: field, Set: s != nil, Needed: true, Check: func(p *Problems) {
		switch {
		case strings.TrimSpace(*s) == "":
			p.Add(field, Invalid, blank)
		case utf8.RuneCountInString(*s) > MaxName:
			p.Add(field, Invalid, tooLong)
		}
	}}
}

// Text is a field that holds a text of at most limit bytes.
func Text(field string, s *string, limit int) Field {
	return Field{Name: field, Set: s != nil, Check: func(p *Problems) {
		if len(*s) > limit {
			p.Add(field, Invalid, tooLong)
		}
	}}
}

// Body is a mandatory text that is not blank.
func Body(field string, s *string) Field {
	return Field{Name: field, Set: s != nil, Needed: true, Check: func(p *Problems) {
		switch {
		case strings.TrimSpace(*s) == "":
			p.Add(field, Invalid, blank)
		case len(*s) > MaxText:
			p.Add(field, Invalid, tooLong)
		}
	}}
}

// Between is a number from low to high.
func Between(field string, n *int32, low, high int32) Field {
	return Field{Name: field, Set: n != nil, Check: func(p *Problems) {
		if *n < low || *n > high {
			p.Add(field, Invalid, notOneOf)
		}
	}}
}

// ID is a link.
func ID(field string, n *int64) Field {
	return Field{Name: field, Set: n != nil, Check: func(p *Problems) {
		if *n <= 0 {
			p.Add(field, Invalid, positive)
		}
	}}
}

// IDs is a list of links.
func IDs(field string, list []int64) Field {
	return Field{Name: field, Set: len(list) > 0, Check: func(p *Problems) {
		if len(list) > MaxIDs {
			p.Add(field, Invalid, tooMany)
		}
		if slices.ContainsFunc(list, func(n int64) bool { return n <= 0 }) {
			p.Add(field, Invalid, positive)
		}
	}}
}

// Tags is a list of labels.
func Tags(field string, tags []string) Field {
	return Field{Name: field, Set: len(tags) > 0, Check: func(p *Problems) {
		if len(tags) > MaxTags {
			p.Add(field, Invalid, tooMany)
		}
		if slices.ContainsFunc(tags, func(s string) bool { return strings.TrimSpace(s) == "" || utf8.RuneCountInString(s) > MaxTag }) {
			p.Add(field, Invalid, "Each should have 1 to 32 characters")
		}
	}}
}

// Flag is yes or no.
func Flag(field string, b *bool) Field { return Field{Name: field, Set: b != nil, Kept: true} }

// Need makes a field mandatory.
func (f Field) Need() Field {
	f.Needed = true
	return f
}

// Keep makes a field one that may not be emptied.
func (f Field) Keep() Field {
	f.Kept = true
	return f
}

// In says in which calls the field may be given.
func (f Field) In(w When) Field {
	f.When = w
	return f
}
