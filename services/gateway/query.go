package gateway

import (
	"net/url"
	"slices"
	"strconv"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/page"
	"github.com/lethe-desk/lethe/services/internal/platform/wire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// maxQuery bounds a query, in bytes.
const maxQuery = 16 << 10

// aliases are parameters some clients spell in an older way.
var aliases = map[string]string{"_updated_since": "updated_since"}

// readQuery checks a request's query against the fields of its message and
// returns the values by field. Everything that is wrong is told at once.
func readQuery(c *call) (url.Values, error) {
	checked := url.Values{}
	if c.in.URL.RawQuery == "" {
		return checked, nil
	}
	sent, err := url.ParseQuery(c.in.URL.RawQuery)
	if err != nil || len(c.in.URL.RawQuery) > maxQuery {
		return nil, fault.InvalidValue("query", "The query cannot be read")
	}
	var bad []fault.Violation
	scratch := c.route.Input.New()
	for _, name := range inOrder(sent) {
		if slices.Contains(c.route.Rest.GetIgnoreQuery(), name) {
			continue
		}
		field := name
		if to, ok := aliases[name]; ok {
			field = to
		}
		fd := c.route.Query[field]
		texts := sent[name]
		switch {
		case fd == nil:
			bad = append(bad, fault.Violation{Field: parameter(name), Code: faultv1.Reason_REASON_INVALID_FIELD, Message: "Unexpected/invalid field in request"})
			continue
		case !fd.IsList():
			texts = texts[len(texts)-1:]
		}
		if v, ok := check(scratch, fd, texts); !ok {
			bad = append(bad, v)
			continue
		}
		checked[field] = texts
	}
	if len(bad) > 0 {
		return nil, fault.Invalid(bad...)
	}
	return checked, nil
}

// check tries the values of one parameter; paging has bounds of its own.
func check(m protoreflect.Message, fd protoreflect.FieldDescriptor, texts []string) (fault.Violation, bool) {
	switch fd.Name() {
	case "page":
		if n, err := strconv.ParseInt(texts[0], 10, 32); err != nil || n < 1 {
			return fault.Violation{Field: "page", Code: faultv1.Reason_REASON_INVALID_VALUE, Message: "It should be a positive integer"}, false
		}
	case "per_page":
		if n, err := strconv.ParseInt(texts[0], 10, 32); err != nil || n < 1 || n > page.MaxSize {
			return fault.Violation{Field: "per_page", Code: faultv1.Reason_REASON_INVALID_VALUE, Message: "It should be between 1 and 100"}, false
		}
	}
	for _, text := range texts {
		if v, ok := wire.SetText(m, fd, text); !ok {
			if v.Code == faultv1.Reason_REASON_INVALID_FIELD {
				v.Field = parameter(v.Field)
			}
			return v, false
		}
	}
	return fault.Violation{}, true
}

// inOrder returns the names of a query in alphabetical order, so that an answer does not change.
func inOrder(v url.Values) []string {
	names := make([]string, 0, len(v))
	for name := range v {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// parameter returns a parameter's name if it looks like one; anything else a client sent may be about somebody.
func parameter(name string) string {
	for _, b := range []byte(name) {
		if (b < 'a' || b > 'z') && (b < '0' || b > '9') && b != '_' {
			return "unknown"
		}
	}
	if name == "" || len(name) > 80 {
		return "unknown"
	}
	return name
}
