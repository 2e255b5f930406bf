// Package openapi describes the REST interface as an OpenAPI 3.0 document. It
// reads what the gateway reads: the routes, bodies, status codes and members
// that the contract's options give, so the description cannot say anything
// else than the handlers do.
package openapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/lethe-desk/lethe/services/gateway/internal/route"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Comments are the sentences of the contract, by full name.
type Comments map[protoreflect.FullName]string

// Source is what is described.
type Source struct {
	// Routes are all routes of the gateway, in any order.
	Routes []*route.Route
	// Comments are the contract's.
	Comments Comments
}

// Build makes the document. It is the same for the same source, byte for byte.
func Build(s Source) *openapi3.T {
	b := &builder{comments: s.Comments, omitted: map[string]bool{}, doc: &openapi3.T{
		OpenAPI: "3.0.3",
		Info: &openapi3.Info{
			Title: "Lethe", Version: "v2",
			Description: "The REST interface of a Lethe desk, in the wire format of the Freshdesk API v2. " +
				"Paths below /api/v2/privacy, calls and chats are Lethe's own.",
			License: &openapi3.License{Name: "Apache-2.0", URL: "https://www.apache.org/licenses/LICENSE-2.0"},
		},
		Paths: openapi3.NewPaths(),
		Components: &openapi3.Components{
			Schemas: openapi3.Schemas{}, Responses: openapi3.ResponseBodies{}, SecuritySchemes: openapi3.SecuritySchemes{},
		},
		Security: openapi3.SecurityRequirements{{"key": {}}, {"token": {}}},
	}}
	routes := slices.Clone(s.Routes)
	slices.SortFunc(routes, func(a, b *route.Route) int { return strings.Compare(a.Template+" "+a.Verb, b.Template+" "+b.Verb) })
	for _, r := range routes {
		for _, name := range r.Rest.GetOmit() {
			b.omitted[name] = true
		}
	}
	b.common()
	for _, r := range routes {
		b.add(r)
	}
	return b.doc
}

type builder struct {
	doc      *openapi3.T
	comments Comments
	// omitted are members that some method leaves out.
	omitted map[string]bool
}

// add puts one route into the document.
func (b *builder) add(r *route.Route) {
	item := b.doc.Paths.Value(r.Template)
	if item == nil {
		item = &openapi3.PathItem{}
		b.doc.Paths.Set(r.Template, item)
	}
	comment := b.comments[r.Method.FullName()]
	summary, _, _ := strings.Cut(strings.TrimPrefix(comment, string(r.Method.Name())+" "), ". ")
	item.SetOperation(r.Verb, &openapi3.Operation{
		OperationID: operationID(r), Tags: []string{tag(r.Template)},
		Summary: strings.TrimSuffix(summary, "."), Description: comment,
		Parameters: b.parameters(r), RequestBody: b.body(r), Responses: b.responses(r),
	})
}

// operationID is the method's name; a further form of its answer is part of it.
func operationID(r *route.Route) string {
	id := string(r.Method.Parent().Name()) + "_" + string(r.Method.Name())
	if path, format, ok := strings.Cut(r.Template, "."); ok {
		id += "_" + path[strings.LastIndex(path, "/")+1:] + "_" + format
	}
	return id
}

var version = regexp.MustCompile(`^/api/v\d+/`)

// tag is the first word of the path behind the version.
func tag(template string) string {
	rest := version.ReplaceAllString(template, "")
	first, more, _ := strings.Cut(rest, "/")
	if first == "privacy" {
		second, _, _ := strings.Cut(more, "/")
		return first + " " + second
	}
	return first
}

func (b *builder) parameters(r *route.Route) openapi3.Parameters {
	var all openapi3.Parameters
	in := r.Method.Input().Fields()
	for _, segment := range strings.Split(r.Template, "/") {
		if !strings.HasPrefix(segment, "{") {
			continue
		}
		name := strings.Trim(segment, "{}")
		fd := in.ByName(protoreflect.Name(name))
		p := openapi3.NewPathParameter(name).WithSchema(b.scalar(fd)).WithDescription(b.comments[fd.FullName()])
		all = append(all, &openapi3.ParameterRef{Value: p})
	}
	for i := range in.Len() {
		fd := in.Get(i)
		if r.Query[string(fd.Name())] == nil || fd.IsMap() || fd.Message() != nil && !isTime(fd) {
			continue
		}
		schema := b.scalar(fd)
		switch fd.Name() {
		case "page":
			schema.Min = openapi3.Ptr[float64](1)
		case "per_page":
			schema.Min, schema.Max = openapi3.Ptr[float64](1), openapi3.Ptr[float64](100)
		}
		if fd.IsList() {
			schema = openapi3.NewArraySchema().WithItems(schema)
		}
		p := openapi3.NewQueryParameter(string(fd.Name())).WithSchema(schema).WithDescription(b.comments[fd.FullName()])
		all = append(all, &openapi3.ParameterRef{Value: p})
	}
	if r.Idempotency != nil {
		p := openapi3.NewHeaderParameter("Idempotency-Key").WithSchema(openapi3.NewStringSchema().WithMaxLength(200)).
			WithDescription("Repeating the call under the same key adds nothing and answers the first again.")
		all = append(all, &openapi3.ParameterRef{Value: p})
	}
	return all
}

// body describes what a route takes: JSON, or a form where files may come with it.
func (b *builder) body(r *route.Route) *openapi3.RequestBodyRef {
	var ref *openapi3.SchemaRef
	files := false
	switch {
	case r.Whole:
		ref = openapi3.NewSchemaRef("", b.object(r.Method.Input(), true, r.Sent))
	case r.Body != nil:
		ref = b.message(r.Body.Message(), true)
		files = r.Body.Message().Fields().ByName("attachment_ids") != nil
	default:
		return nil
	}
	content := openapi3.NewContentWithJSONSchemaRef(ref)
	if files {
		form := b.object(r.Body.Message(), true, nil)
		form.Properties["attachments[]"] = openapi3.NewSchemaRef("", openapi3.NewArraySchema().WithItems(openapi3.NewStringSchema().WithFormat("binary")))
		form.Properties["attachments[]"].Value.Description = "Files, 20 MB together."
		content["multipart/form-data"] = openapi3.NewMediaType().WithSchema(form)
	}
	return &openapi3.RequestBodyRef{Value: openapi3.NewRequestBody().WithContent(content)}
}

// responses describes the one success of a route, and the errors all have in common.
func (b *builder) responses(r *route.Route) *openapi3.Responses {
	success := openapi3.NewResponse().WithDescription(http.StatusText(r.Status()))
	switch {
	case r.Status() == http.StatusNoContent:
	case r.AnyType && strings.HasPrefix(r.MediaType, "application/"):
		success.Content = openapi3.NewContentWithSchema(openapi3.NewStringSchema().WithFormat("binary"), []string{r.MediaType})
	case r.AnyType:
		success.Content = openapi3.NewContentWithSchema(openapi3.NewStringSchema(), []string{r.MediaType})
	case r.Answer != nil:
		success.Content = openapi3.NewContentWithJSONSchemaRef(b.field(r.Answer, false))
	default:
		success.Content = openapi3.NewContentWithJSONSchemaRef(b.message(r.Method.Output(), false))
	}
	success.Headers = openapi3.Headers{}
	for name, said := range map[string]string{"Location": r.Rest.GetLocation(), "Link": more(r), "Idempotency-Replayed": replayed(r)} {
		if said != "" {
			success.Headers[name] = &openapi3.HeaderRef{Value: &openapi3.Header{Parameter: openapi3.Parameter{
				Description: said, Schema: openapi3.NewSchemaRef("", openapi3.NewStringSchema()),
			}}}
		}
	}
	all := openapi3.NewResponsesWithCapacity(8)
	all.Set(strconv.Itoa(r.Status()), &openapi3.ResponseRef{Value: success})
	for status, name := range problems {
		all.Set(strconv.Itoa(status), &openapi3.ResponseRef{Ref: "#/components/responses/" + name})
	}
	return all
}

func more(r *route.Route) string {
	if r.More == nil {
		return ""
	}
	return `The next page, with rel="next"; absent on the last one.`
}

func replayed(r *route.Route) string {
	if r.Idempotency == nil {
		return ""
	}
	return "true when this answers an earlier call of the same key."
}

func isTime(fd protoreflect.FieldDescriptor) bool {
	return fd.Message() != nil && fd.Message().FullName() == "google.protobuf.Timestamp"
}

// JSON writes a document, indented, so that changes of it can be read.
func JSON(doc *openapi3.T) ([]byte, error) {
	b, err := json.MarshalIndent(doc, "", " ")
	if err != nil {
		return nil, fmt.Errorf("write the document: %w", err)
	}
	return append(b, '\n'), nil
}
