package openapi

import (
	"net/http"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// problems are the errors every route may answer, by status.
var problems = map[int]string{
	http.StatusBadRequest: "Invalid", http.StatusUnauthorized: "Unauthenticated", http.StatusForbidden: "Denied",
	http.StatusNotFound: "NotFound", http.StatusConflict: "Conflict", http.StatusTooManyRequests: "RateLimited",
	http.StatusInternalServerError: "Internal", http.StatusServiceUnavailable: "Unavailable",
}

// common describes what all routes share: who may call, and how errors look.
func (b *builder) common() {
	b.doc.Components.SecuritySchemes = openapi3.SecuritySchemes{
		"key": {Value: openapi3.NewSecurityScheme().WithType("http").WithScheme("basic").
			WithDescription("An agent's API key as the user name; the password is not looked at.")},
		"token": {Value: openapi3.NewSecurityScheme().WithType("http").WithScheme("bearer").
			WithDescription("A signed identity token.")},
	}
	text := func(d string) *openapi3.SchemaRef {
		s := openapi3.NewStringSchema()
		s.Description = d
		return openapi3.NewSchemaRef("", s)
	}
	violation := openapi3.NewObjectSchema()
	violation.Required = []string{"field", "message", "code"}
	violation.Properties = openapi3.Schemas{
		"field": text("The member that is wrong."), "message": text("What is expected."), "code": text("One of the reasons of lethe.fault.v1, in lower case."),
		"additional_info": openapi3.NewSchemaRef("", openapi3.NewObjectSchema().WithAdditionalProperties(openapi3.NewIntegerSchema())),
	}
	problem := openapi3.NewObjectSchema()
	problem.Description = "An error. One about members of the request has description and errors, any other has code and message."
	problem.Properties = openapi3.Schemas{
		"code": text("One of the reasons of lethe.fault.v1, in lower case."), "message": text("What to do."), "description": text("Validation failed."),
		"errors": openapi3.NewSchemaRef("", openapi3.NewArraySchema().WithItems(violation)),
	}
	b.doc.Components.Schemas["Error"] = openapi3.NewSchemaRef("", problem)
	for status, name := range problems {
		r := openapi3.NewResponse().WithDescription(http.StatusText(status))
		if status != http.StatusNotFound { // which has no body
			r.Content = openapi3.NewContentWithJSONSchemaRef(openapi3.NewSchemaRef("#/components/schemas/Error", nil))
		}
		b.doc.Components.Responses[name] = &openapi3.ResponseRef{Value: r}
	}
}

// message describes a message under its name; what a client sends has a
// description of its own, because there every member may be missing.
func (b *builder) message(md protoreflect.MessageDescriptor, in bool) *openapi3.SchemaRef {
	name := string(md.Name())
	if pkg := strings.Split(string(md.FullName()), "."); len(pkg) > 2 && pkg[1] == "participant" {
		name = "Participant" + name
	}
	if in && !strings.HasSuffix(name, "Input") {
		name += "Input"
	}
	ref := "#/components/schemas/" + name
	if b.doc.Components.Schemas[name] == nil {
		b.doc.Components.Schemas[name] = openapi3.NewSchemaRef("", openapi3.NewObjectSchema()) // stands while it is described, for messages that hold themselves
		b.doc.Components.Schemas[name] = openapi3.NewSchemaRef("", b.object(md, in, nil))
	}
	return openapi3.NewSchemaRef(ref, nil)
}

// object describes a message's members; only says which there are, nil all.
func (b *builder) object(md protoreflect.MessageDescriptor, in bool, only func(string) bool) *openapi3.Schema {
	s := openapi3.NewObjectSchema()
	s.Description = b.comments[md.FullName()]
	s.Properties = openapi3.Schemas{}
	none := false
	s.AdditionalProperties = openapi3.AdditionalProperties{Has: &none}
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		name := string(fd.Name())
		if only != nil && !only(name) || name == "more" && !in {
			continue
		}
		s.Properties[name] = b.field(fd, in)
		j, _ := proto.GetExtension(fd.Options(), optionsv1.E_Json).(*optionsv1.Json)
		if !in && !j.GetOmitUnset() && !b.omitted[name] && fd.ContainingOneof() == nil {
			s.Required = append(s.Required, name)
		}
	}
	return s
}

// field describes a member: its type, whether it may be null, and its comment.
func (b *builder) field(fd protoreflect.FieldDescriptor, in bool) *openapi3.SchemaRef {
	j, _ := proto.GetExtension(fd.Options(), optionsv1.E_Json).(*optionsv1.Json)
	ref := b.one(fd, in)
	switch {
	case fd.IsMap():
		s := openapi3.NewObjectSchema()
		s.AdditionalProperties = openapi3.AdditionalProperties{Schema: b.one(fd.MapValue(), in)}
		ref = openapi3.NewSchemaRef("", s)
	case fd.IsList():
		s := openapi3.NewArraySchema()
		s.Items = ref
		ref = openapi3.NewSchemaRef("", s)
	}
	nullable := in || j.GetNullWhenEmpty() || fd.HasPresence() && !fd.IsList() && !isStruct(fd) && !j.GetOmitUnset()
	if ref.Ref != "" {
		s := &openapi3.Schema{AllOf: openapi3.SchemaRefs{ref}}
		ref = openapi3.NewSchemaRef("", s)
	}
	ref.Value.Nullable = nullable
	ref.Value.Description = b.comments[fd.FullName()]
	if in && j.GetJoined() {
		list := openapi3.NewArraySchema().WithItems(openapi3.NewStringSchema())
		ref = openapi3.NewSchemaRef("", &openapi3.Schema{AnyOf: openapi3.SchemaRefs{ref, openapi3.NewSchemaRef("", list)}})
	}
	return ref
}

// one describes one value of a field: an element of a list, a value of a map.
func (b *builder) one(fd protoreflect.FieldDescriptor, in bool) *openapi3.SchemaRef {
	switch {
	case fd.IsMap(), isTime(fd), fd.Message() == nil:
		return openapi3.NewSchemaRef("", b.scalar(fd))
	case strings.HasPrefix(string(fd.Message().FullName()), "google.protobuf."):
		any := openapi3.NewObjectSchema()
		any.AdditionalProperties = openapi3.AdditionalProperties{Schema: openapi3.NewSchemaRef("", &openapi3.Schema{Nullable: true})}
		return openapi3.NewSchemaRef("", any)
	}
	return b.message(fd.Message(), in)
}

func isStruct(fd protoreflect.FieldDescriptor) bool {
	return fd.Message() != nil && fd.Message().FullName() == "google.protobuf.Struct"
}

// scalar describes a value that is no object.
func (b *builder) scalar(fd protoreflect.FieldDescriptor) *openapi3.Schema {
	if isTime(fd) {
		return openapi3.NewDateTimeSchema()
	}
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return openapi3.NewBoolSchema()
	case protoreflect.Int64Kind, protoreflect.Uint64Kind, protoreflect.Sint64Kind, protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		return openapi3.NewInt64Schema()
	case protoreflect.Int32Kind, protoreflect.Uint32Kind, protoreflect.Sint32Kind, protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind:
		return openapi3.NewInt32Schema()
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return openapi3.NewFloat64Schema()
	case protoreflect.BytesKind:
		return openapi3.NewBytesSchema()
	case protoreflect.EnumKind:
		s := openapi3.NewStringSchema()
		for i := range fd.Enum().Values().Len() {
			s.Enum = append(s.Enum, string(fd.Enum().Values().Get(i).Name()))
		}
		return s
	}
	return openapi3.NewStringSchema()
}
