// Package route is the one table of REST paths, made at start from the http
// annotations of the contract. It finds a path's route with literals before
// variables, knows which verbs a path has, and holds what the gateway must know
// of a method to read its request and write its answer.
package route

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// maxID bounds a textual id in a path.
const maxID = 128

// Route is one verb on one path.
type Route struct {
	// Verb is the HTTP method.
	Verb string
	// Template is the path with {names} for its variables; it stands in logs and spans.
	Template string
	// Method is the method of the contract, and FullMethod its name in a call.
	Method     protoreflect.MethodDescriptor
	FullMethod string
	// Input makes empty request messages.
	Input protoreflect.MessageType
	// Body is the request's field that the JSON body fills; nil when the method takes none.
	Body protoreflect.FieldDescriptor
	// Whole says that the JSON body fills the request itself, but for what the path and headers say.
	Whole bool
	// Answer is the response's field that is the JSON answer; nil for the whole response.
	Answer protoreflect.FieldDescriptor
	// Mask is the request's update mask; nil when it has none.
	Mask protoreflect.FieldDescriptor
	// Idempotency is the request's idempotency key; nil when it has none.
	Idempotency protoreflect.FieldDescriptor
	// More is the response's field that says whether a next page exists; nil when it is no list.
	More protoreflect.FieldDescriptor
	// Query holds the request's fields that query parameters fill, by parameter.
	Query map[string]protoreflect.FieldDescriptor
	// Rest is what the contract says of the answer; never nil.
	Rest *optionsv1.Rest
	// Handler answers instead of the generated code: downloads, events.
	Handler http.HandlerFunc
	// AnyType says that the answer is no JSON, so Accept is not looked at.
	AnyType bool
	// MediaType is that of an answer that is no JSON.
	MediaType string

	params []param
}

// param is a variable of a path.
type param struct {
	name   string
	number bool
}

// Status is the code of success.
func (r *Route) Status() int {
	if s := int(r.Rest.GetStatus()); s != 0 {
		return s
	}
	return http.StatusOK
}

// Of returns the routes of a service of the contract, in the order of its
// methods, which is the order in which the generated code registers them.
func Of(service string) ([]*Route, error) {
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
	if err != nil {
		return nil, fmt.Errorf("find service %s: %w", service, err)
	}
	sd, ok := d.(protoreflect.ServiceDescriptor)
	if !ok {
		return nil, fmt.Errorf("%s is no service", service)
	}
	var routes []*Route
	for i := range sd.Methods().Len() {
		md := sd.Methods().Get(i)
		rule, _ := proto.GetExtension(md.Options(), annotations.E_Http).(*annotations.HttpRule)
		if rule == nil || rule.GetPattern() == nil {
			continue
		}
		for _, binding := range append([]*annotations.HttpRule{rule}, rule.GetAdditionalBindings()...) {
			r, err := fromRule(md, binding)
			if err != nil {
				return nil, fmt.Errorf("route of %s: %w", md.FullName(), err)
			}
			routes = append(routes, r)
		}
	}
	return routes, nil
}

func fromRule(md protoreflect.MethodDescriptor, rule *annotations.HttpRule) (*Route, error) {
	var verb, template string
	switch p := rule.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		verb, template = http.MethodGet, p.Get
	case *annotations.HttpRule_Post:
		verb, template = http.MethodPost, p.Post
	case *annotations.HttpRule_Put:
		verb, template = http.MethodPut, p.Put
	case *annotations.HttpRule_Delete:
		verb, template = http.MethodDelete, p.Delete
	case *annotations.HttpRule_Patch:
		verb, template = http.MethodPatch, p.Patch
	default:
		return nil, fmt.Errorf("unknown verb")
	}
	r, err := New(verb, template, md)
	if err != nil {
		return nil, err
	}
	in, out := md.Input().Fields(), md.Output().Fields()
	if name := rule.GetBody(); name == "*" {
		r.Whole, r.Query = true, map[string]protoreflect.FieldDescriptor{}
	} else if name != "" {
		if r.Body = in.ByName(protoreflect.Name(name)); r.Body == nil || r.Body.Message() == nil {
			return nil, fmt.Errorf("body %q is no message of the request", name)
		}
		delete(r.Query, name)
	}
	if name := rule.GetResponseBody(); name != "" {
		if r.Answer = out.ByName(protoreflect.Name(name)); r.Answer == nil {
			return nil, fmt.Errorf("response body %q is no field of the response", name)
		}
	}
	return r, nil
}

// New makes a route without a body for a method. Each {name} of the template must be a field of the request.
func New(verb, template string, md protoreflect.MethodDescriptor) (*Route, error) {
	mt, err := protoregistry.GlobalTypes.FindMessageByName(md.Input().FullName())
	if err != nil {
		return nil, fmt.Errorf("find request type: %w", err)
	}
	r := &Route{
		Verb: verb, Template: template, Method: md, Input: mt, Rest: &optionsv1.Rest{},
		FullMethod: "/" + string(md.Parent().FullName()) + "/" + string(md.Name()),
		Query:      map[string]protoreflect.FieldDescriptor{},
	}
	if rest, _ := proto.GetExtension(md.Options(), optionsv1.E_Rest).(*optionsv1.Rest); rest != nil {
		r.Rest = rest
	}
	if more := md.Output().Fields().ByName("more"); more != nil && more.Kind() == protoreflect.BoolKind {
		r.More = more
	}
	for i := range md.Input().Fields().Len() {
		switch fd := md.Input().Fields().Get(i); fd.Name() {
		case "update_mask":
			r.Mask = fd
		case "idempotency_key":
			r.Idempotency = fd
		default:
			r.Query[string(fd.Name())] = fd
		}
	}
	if md.IsStreamingServer() {
		r.AnyType, r.MediaType = true, "text/event-stream"
	}
	return r, r.readParams()
}

func (r *Route) readParams() error {
	for _, segment := range strings.Split(strings.TrimPrefix(r.Template, "/"), "/") {
		name, isVar := variable(segment)
		if !isVar {
			continue
		}
		fd := r.Method.Input().Fields().ByName(protoreflect.Name(name))
		if fd == nil {
			return fmt.Errorf("path variable %q is no field of the request", name)
		}
		r.params = append(r.params, param{name: name, number: fd.Kind() == protoreflect.Int64Kind || fd.Kind() == protoreflect.Int32Kind})
		delete(r.Query, name)
	}
	return nil
}

// Sent reports whether a body that fills the request may hold this field: what
// the path and headers say it may not.
func (r *Route) Sent(name string) bool {
	for _, p := range r.params {
		if p.name == name {
			return false
		}
	}
	return (r.Idempotency == nil || string(r.Idempotency.Name()) != name) && (r.Mask == nil || string(r.Mask.Name()) != name)
}

func variable(segment string) (string, bool) {
	if strings.HasPrefix(segment, "{") && strings.HasSuffix(segment, "}") {
		return segment[1 : len(segment)-1], true
	}
	return "", false
}

// Bind gives the variables of a matched path their names. It is false when a
// value cannot be an id of that type; then there is no such thing.
func (r *Route) Bind(values []string) (map[string]string, bool) {
	if len(values) != len(r.params) {
		return nil, false
	}
	bound := make(map[string]string, len(values))
	for i, p := range r.params {
		if p.number && !isNumber(values[i]) || !p.number && !isName(values[i]) {
			return nil, false
		}
		bound[p.name] = values[i]
	}
	return bound, true
}

func isNumber(s string) bool {
	n, err := strconv.ParseInt(s, 10, 64)
	return err == nil && n > 0 && s[0] != '+'
}

func isName(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return s != "" && len(s) <= maxID
}

// Table finds routes by path. Fill it before use; then it is safe for concurrent use.
type Table struct{ root node }

type node struct {
	literals map[string]*node
	variable *node
	verbs    map[string]*Route
}

// Add puts a route into the table; a verb twice on one path is refused.
func (t *Table) Add(r *Route) error {
	n := &t.root
	for _, segment := range strings.Split(strings.TrimPrefix(r.Template, "/"), "/") {
		if _, isVar := variable(segment); isVar {
			if n.variable == nil {
				n.variable = &node{}
			}
			n = n.variable
			continue
		}
		if n.literals == nil {
			n.literals = map[string]*node{}
		}
		if n.literals[segment] == nil {
			n.literals[segment] = &node{}
		}
		n = n.literals[segment]
	}
	if n.verbs == nil {
		n.verbs = map[string]*Route{}
	}
	if n.verbs[r.Verb] != nil {
		return fmt.Errorf("%s %s stands twice", r.Verb, r.Template)
	}
	n.verbs[r.Verb] = r
	return nil
}

// Match is what stands on a path.
type Match struct {
	verbs map[string]*Route
	// Values are the path's variables in order.
	Values []string
}

// Route returns the route of a verb, or nil.
func (m Match) Route(verb string) *Route { return m.verbs[verb] }

// Any returns one of the path's routes, always the same.
func (m Match) Any() *Route { return m.verbs[m.Verbs()[0]] }

// Verbs returns the path's verbs in alphabetical order.
func (m Match) Verbs() []string { return slices.Sorted(maps.Keys(m.verbs)) }

// Find looks a decoded path up; a slash at its end makes no difference. A
// literal that leads nowhere gives way to a variable.
func (t *Table) Find(path string) (Match, bool) {
	path = strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/")
	return t.root.find(strings.Split(path, "/"), nil)
}

func (n *node) find(segments, values []string) (Match, bool) {
	if len(segments) == 0 {
		return Match{verbs: n.verbs, Values: values}, n.verbs != nil
	}
	if next := n.literals[segments[0]]; next != nil {
		if m, ok := next.find(segments[1:], values); ok {
			return m, true
		}
	}
	if n.variable == nil {
		return Match{}, false
	}
	return n.variable.find(segments[1:], append(slices.Clip(values), segments[0]))
}

// Method finds a method of a service of the contract.
func Method(service, name string) (protoreflect.MethodDescriptor, error) {
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service + "." + name))
	if err != nil {
		return nil, fmt.Errorf("find method %s.%s: %w", service, name, err)
	}
	md, ok := d.(protoreflect.MethodDescriptor)
	if !ok {
		return nil, fmt.Errorf("%s.%s is no method", service, name)
	}
	return md, nil
}
