package openapi

import (
	"bytes"
	_ "embed" // the page's frame
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

//go:embed page.html
var frame string

// verbs is the order in which a path's operations are shown.
var verbs = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// group is all that is shown under one heading.
type group struct {
	Name       string
	Operations []operation
}

// operation is one verb on one path, ready to be shown.
type operation struct {
	Verb, Path, ID, Text, Status string
	Parameters                   []member
	Body                         []member
	Answer                       []member
	AnswerType                   string
}

// member is a parameter, or a member of a body or an answer.
type member struct {
	Name, In, Type, Text string
	Required             bool
}

// Page makes a readable page of a document: one file without script or any
// other request.
func Page(document []byte) ([]byte, error) {
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		return nil, fmt.Errorf("read the description: %w", err)
	}
	t, err := template.New("page").Parse(frame)
	if err != nil {
		return nil, fmt.Errorf("read the page's frame: %w", err)
	}
	var b bytes.Buffer
	err = t.Execute(&b, struct {
		Title, Text string
		Groups      []group
	}{doc.Info.Title, doc.Info.Description, groups(doc)})
	return b.Bytes(), err
}

// groups orders all operations by tag, then path, then verb.
func groups(doc *openapi3.T) []group {
	byTag := map[string][]operation{}
	for path, item := range doc.Paths.Map() {
		for _, verb := range verbs {
			if op := item.GetOperation(verb); op != nil {
				byTag[op.Tags[0]] = append(byTag[op.Tags[0]], shown(verb, path, op))
			}
		}
	}
	all := make([]group, 0, len(byTag))
	for name, ops := range byTag {
		slices.SortStableFunc(ops, func(a, b operation) int {
			if c := strings.Compare(a.Path, b.Path); c != 0 {
				return c
			}
			return slices.Index(verbs, a.Verb) - slices.Index(verbs, b.Verb)
		})
		all = append(all, group{name, ops})
	}
	slices.SortFunc(all, func(a, b group) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// shown makes an operation ready.
func shown(verb, path string, op *openapi3.Operation) operation {
	o := operation{Verb: verb, Path: path, ID: op.OperationID, Text: op.Description}
	for _, p := range op.Parameters {
		o.Parameters = append(o.Parameters, member{Name: p.Value.Name, In: p.Value.In, Type: typeOf(p.Value.Schema), Text: p.Value.Description, Required: p.Value.Required})
	}
	if op.RequestBody != nil {
		o.Body = members(op.RequestBody.Value.Content["application/json"].Schema)
	}
	for status, r := range op.Responses.Map() {
		if !strings.HasPrefix(status, "2") {
			continue
		}
		o.Status = status
		for mediaType, content := range r.Value.Content {
			o.AnswerType, o.Answer = mediaType+", "+typeOf(content.Schema), members(content.Schema)
		}
	}
	return o
}

// members lists what an object, or the objects of a list, hold.
func members(ref *openapi3.SchemaRef) []member {
	s := ref.Value
	if s.Items != nil {
		s = s.Items.Value
	}
	for len(s.AllOf) == 1 {
		s = s.AllOf[0].Value
	}
	all := make([]member, 0, len(s.Properties))
	for name, p := range s.Properties {
		all = append(all, member{Name: name, Type: typeOf(p), Text: p.Value.Description, Required: slices.Contains(s.Required, name)})
	}
	slices.SortFunc(all, func(a, b member) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// typeOf names a type in a word or two.
func typeOf(ref *openapi3.SchemaRef) string {
	s := ref.Value
	var name string
	switch {
	case ref.Ref != "":
		name = ref.Ref[strings.LastIndex(ref.Ref, "/")+1:]
	case len(s.AllOf) == 1:
		name = typeOf(s.AllOf[0])
	case len(s.AnyOf) > 0:
		names := make([]string, 0, len(s.AnyOf))
		for _, one := range s.AnyOf {
			names = append(names, typeOf(one))
		}
		name = strings.Join(names, " or ")
	case s.Items != nil:
		name = "list of " + typeOf(s.Items)
	case s.Type != nil && len(*s.Type) > 0:
		name = (*s.Type)[0]
		if s.Format == "date-time" {
			name = "time"
		}
	}
	if s.Nullable {
		name += ", or null"
	}
	return name
}
