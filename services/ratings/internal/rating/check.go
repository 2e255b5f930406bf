package rating

// Code says what is wrong with a field.
type Code uint8

// The codes of problems.
const (
	// Missing means a mandatory field is absent or blank.
	Missing Code = iota + 1
	// Invalid means the value is outside what is allowed.
	Invalid
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

const (
	mandatory  = "It should not be blank as this is a mandatory field"
	tooLong    = "It is too long"
	unexpected = "Unexpected/invalid field in request"
)
