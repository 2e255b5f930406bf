package contract

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	_ "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1" // stored fields name its fields
	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// The builders below make a contract by hand, so that each gate can be shown a bad one.

func field(name string, number int32, options ...any) *descriptorpb.FieldDescriptorProto {
	f := &descriptorpb.FieldDescriptorProto{
		Name: proto.String(name), Number: proto.Int32(number), Options: &descriptorpb.FieldOptions{},
		Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
	}
	if strings.HasSuffix(name, "id") {
		f.Type = descriptorpb.FieldDescriptorProto_TYPE_INT64.Enum()
	}
	for _, o := range options {
		switch o := o.(type) {
		case *optionsv1.Personal:
			proto.SetExtension(f.Options, optionsv1.E_Personal, o)
		case string:
			proto.SetExtension(f.Options, optionsv1.E_NotPersonal, o)
		case ref:
			f.Type, f.TypeName = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), proto.String(string(o))
		}
	}
	return f
}

type ref string

func message(name string, r *optionsv1.Resource, fields ...*descriptorpb.FieldDescriptorProto) *descriptorpb.DescriptorProto {
	m := &descriptorpb.DescriptorProto{Name: proto.String(name), Field: fields, Options: &descriptorpb.MessageOptions{}}
	if r != nil {
		proto.SetExtension(m.Options, optionsv1.E_Resource, r)
	}
	return m
}

func service(p optionsv1.Permission, output string) *descriptorpb.ServiceDescriptorProto {
	m := &descriptorpb.MethodDescriptorProto{Name: proto.String("Get"), InputType: proto.String(".lethe.bad.v1.Empty"), OutputType: proto.String(output), Options: &descriptorpb.MethodOptions{}}
	if p >= 0 {
		proto.SetExtension(m.Options, optionsv1.E_Permission, p)
	}
	s := &descriptorpb.ServiceDescriptorProto{Name: proto.String("S"), Method: []*descriptorpb.MethodDescriptorProto{m}, Options: &descriptorpb.ServiceOptions{}}
	proto.SetExtension(s.Options, optionsv1.E_Callers, &optionsv1.Callers{Services: []string{"gateway"}})
	return s
}

func build(t *testing.T, pkg string, services []*descriptorpb.ServiceDescriptorProto, messages ...*descriptorpb.DescriptorProto) []protoreflect.FileDescriptor {
	t.Helper()
	fd, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Syntax: proto.String("proto3"), Name: proto.String("bad.proto"), Package: proto.String(pkg), Service: services,
		MessageType: append(messages, message("Empty", nil)),
	}, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	return []protoreflect.FileDescriptor{fd}
}

func personal(c optionsv1.Category, a optionsv1.EraseAction) *optionsv1.Personal {
	return &optionsv1.Personal{Category: c.Enum(), OnErase: a.Enum()}
}

const (
	identity = optionsv1.Category_CATEGORY_IDENTITY
	del      = optionsv1.EraseAction_ERASE_ACTION_DELETE
	retain   = optionsv1.EraseAction_ERASE_ACTION_RETAIN
)

func link() *optionsv1.Personal {
	return &optionsv1.Personal{Role: optionsv1.Role_ROLE_SUBJECT_LINK.Enum(), OnErase: del.Enum()}
}

func grounded(p *optionsv1.Personal, ground string) *optionsv1.Personal {
	p.Ground = &ground
	return p
}

func texts(vs []Violation) []string {
	var all []string
	for _, v := range vs {
		all = append(all, v.String())
	}
	return all
}

func TestFieldGate(t *testing.T) {
	cases := []struct {
		name string
		f    *descriptorpb.FieldDescriptorProto
		want []string
	}{
		{"silent", field("a", 1), []string{"says neither personal nor not_personal"}},
		{"both", field("a", 1, "count", personal(identity, del)), []string{"says both personal and not_personal"}},
		{"no reason", field("a", 1, " "), []string{"not_personal has no reason"}},
		{"no category", field("a", 1, personal(0, del)), []string{"personal without a category"}},
		{"no action", field("a", 1, personal(identity, 0)), []string{"personal without on_erase"}},
		{"nothing said", field("a", 1, &optionsv1.Personal{}), []string{"personal without a category", "personal without on_erase"}},
		{"unknown category", field("a", 1, personal(99, del)), []string{"personal with a value the contract does not know"}},
		{"retained", field("a", 1, personal(identity, retain)), []string{"retained without a ground"}},
		{"blank ground", field("a", 1, grounded(personal(identity, retain), " ")), []string{"retained without a ground"}},
		{"ground for nothing", field("a", 1, grounded(personal(identity, del), "tax law")), []string{"a ground, but not retained"}},
		{"good ground", field("a", 1, grounded(personal(identity, retain), "tax law")), nil},
		{"good", field("a", 1, personal(identity, del)), nil},
		{"good link", field("a_id", 1, link()), nil},
		{"good plain", field("a", 1, "count"), nil},
	}
	for _, c := range cases {
		var want []string
		for _, w := range c.want {
			want = append(want, "field lethe.bad.v1.M."+c.f.GetName()+": "+w)
		}
		files := build(t, "lethe.bad.v1", nil, message("M", nil, c.f))
		if got := texts(CheckFields(files)); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", c.name, got, want)
		}
		if got := texts(Check(files)); !slices.Equal(got, want) {
			t.Errorf("%s: all gates say %q", c.name, got)
		}
	}
}

func TestFieldGateLooksEverywhere(t *testing.T) {
	outer := message("Filter", nil, field("labels", 1, ref(".lethe.bad.v1.Filter.LabelsEntry"), "names"))
	outer.Field[0].Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
	outer.OneofDecl = []*descriptorpb.OneofDescriptorProto{{Name: proto.String("which")}}
	choice := field("choice", 2)
	choice.OneofIndex = proto.Int32(0)
	outer.Field = append(outer.Field, choice)
	entry := message("LabelsEntry", nil, field("key", 1), field("value", 2))
	entry.Options.MapEntry = proto.Bool(true)
	outer.NestedType = []*descriptorpb.DescriptorProto{entry, message("Inner", nil, field("deep", 1))}
	got := texts(CheckFields(build(t, "lethe.bad.v1", nil, outer)))
	want := []string{
		"field lethe.bad.v1.Filter.choice: says neither personal nor not_personal",
		"field lethe.bad.v1.Filter.Inner.deep: says neither personal nor not_personal",
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%q", got)
	}
	for pkg, n := range map[string]int{"lethe.options.v1": 0, "google.api": 0, "lethesque.v1": 0, "lethe.optionsx.v1": 1} {
		m := message("M", nil, field("silent", 1))
		if got := CheckFields(build(t, pkg, nil, m)); len(got) != n {
			t.Errorf("%s: %v", pkg, got)
		}
	}
}

func resource(owner optionsv1.Owner, subject, name, purpose string) *optionsv1.Resource {
	r := &optionsv1.Resource{Owner: owner.Enum(), Name: &name, Purpose: &purpose}
	if subject != "" {
		r.SubjectField = &subject
	}
	return r
}

func TestResourceGate(t *testing.T) {
	const subject, account, none = optionsv1.Owner_OWNER_SUBJECT, optionsv1.Owner_OWNER_ACCOUNT, optionsv1.Owner_OWNER_NONE
	fields := func() []*descriptorpb.FieldDescriptorProto {
		return []*descriptorpb.FieldDescriptorProto{field("id", 1, "opaque"), field("person_id", 2, link()), field("name", 3, personal(identity, del))}
	}
	ticket := message("Ticket", resource(subject, "requester_id", "tickets", "help"), field("id", 1, "number"), field("requester_id", 2, link()))
	cases := []struct {
		name string
		r    *optionsv1.Resource
		want []string
	}{
		{"nothing", nil, []string{"has an id and is returned, but says nothing as a resource"}},
		{"empty", &optionsv1.Resource{}, []string{"has no owner", "has no name", "has no purpose"}},
		{"no purpose", resource(account, "", "things", ""), []string{"has no purpose"}},
		{"no subject field", resource(subject, "", "things", "p"), []string{`subject_field "" is no field with the role of a subject link`}},
		{"wrong subject field", resource(subject, "name", "things", "p"), []string{`subject_field "name" is no field with the role of a subject link`}},
		{"missing subject field", resource(subject, "x", "things", "p"), []string{`subject_field "x" is no field with the role of a subject link`}},
		{"wrong path", resource(subject, "ticket.x", "things", "p"), []string{`subject_field "ticket.x" is no field with the role of a subject link`}},
		{"subject of nobody", resource(account, "person_id", "things", "p"), []string{"has a subject_field, but no subject owns it"}},
		{"same name", resource(account, "", "tickets", "p"), []string{`shares the name "tickets" with lethe.bad.v1.Ticket`}},
		{"good", resource(subject, "person_id", "things", "p"), nil},
		{"good path", resource(subject, "ticket.requester_id", "things", "p"), nil},
		{"good account", resource(account, "", "things", "p"), nil},
		{"never stored", resource(none, "", "things", ""), nil},
	}
	for _, c := range cases {
		files := build(t, "lethe.bad.v1", []*descriptorpb.ServiceDescriptorProto{service(optionsv1.Permission_PERMISSION_SERVICE, ".lethe.bad.v1.Answer")},
			ticket, message("Thing", c.r, fields()...),
			message("Answer", nil, field("list", 1, ref(".lethe.bad.v1.Middle"), "envelope")), message("Middle", nil, field("thing", 1, ref(".lethe.bad.v1.Thing"), "envelope")))
		var want []string
		for _, w := range c.want {
			want = append(want, "resource lethe.bad.v1.Thing: "+w)
		}
		if got := texts(Check(files)); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", c.name, got, want)
		}
	}
}

func TestReferencesAndInputsAreNoResources(t *testing.T) {
	files := build(t, "lethe.bad.v1", []*descriptorpb.ServiceDescriptorProto{service(optionsv1.Permission_PERMISSION_SERVICE, ".lethe.bad.v1.Answer")},
		message("Answer", nil, field("subject", 1, ref(".lethe.bad.v1.Subject"), "envelope")),
		message("Subject", nil, field("account", 1, "tenant"), field("id", 2, link())),
		message("Input", nil, field("id", 1, "opaque")))
	if got := Check(files); len(got) > 0 {
		t.Fatalf("%v", got)
	}
}

func TestMethodGate(t *testing.T) {
	for p, want := range map[optionsv1.Permission]bool{-1: false, 0: false, 999: false, optionsv1.Permission_PERMISSION_PUBLIC: true} {
		got := texts(Check(build(t, "lethe.bad.v1", []*descriptorpb.ServiceDescriptorProto{service(p, ".lethe.bad.v1.Empty")})))
		if want != (len(got) == 0) || (!want && got[0] != "method lethe.bad.v1.S.Get: has no permission") {
			t.Errorf("%v: %q", p, got)
		}
	}
	if Err(nil) != nil || Err([]Violation{{"a", "b", "c"}}).Error() != "a b: c" {
		t.Error("Err")
	}
}

func TestServiceGate(t *testing.T) {
	s := service(optionsv1.Permission_PERMISSION_PUBLIC, ".lethe.bad.v1.Empty")
	s.Options = nil
	got := texts(Check(build(t, "lethe.bad.v1", []*descriptorpb.ServiceDescriptorProto{s})))
	if len(got) != 1 || got[0] != "service lethe.bad.v1.S: does not say who calls it" {
		t.Errorf("%q", got)
	}
}

func TestStoredGate(t *testing.T) {
	cases := []struct {
		f    docstore.Field
		want string
	}{
		{docstore.Field{Name: "a"}, "names no contract field and gives no reason"},
		{docstore.Field{Name: "a", Why: " "}, "names no contract field and gives no reason"},
		{docstore.Field{Name: "a", Why: "lease"}, ""},
		{docstore.Field{Name: "a", Why: "lease", Contract: "lethe.contacts.v1.Contact.email", Sealed: true}, "names a contract field and a reason for holding none"},
		{docstore.Field{Name: "a", Contract: "lethe.contacts.v1.Contact.nothing"}, "there is no contract field lethe.contacts.v1.Contact.nothing"},
		{docstore.Field{Name: "a", Contract: "lethe.contacts.v1.Contact"}, "lethe.contacts.v1.Contact is no field of the contract"},
		{docstore.Field{Name: "a", Contract: "lethe.options.v1.Personal.ground"}, "lethe.options.v1.Personal.ground is no field of the contract"},
		{docstore.Field{Name: "a", Contract: "lethe.contacts.v1.Contact.email"}, "lethe.contacts.v1.Contact.email is personal and must be sealed"},
		{docstore.Field{Name: "a", Contract: "lethe.contacts.v1.Contact.email", Sealed: true}, ""},
		{docstore.Field{Name: "a", Contract: "lethe.contacts.v1.Contact.other_companies"}, "lethe.contacts.v1.Contact.other_companies is personal and must be sealed"},
		{docstore.Field{Name: "a", Contract: "lethe.contacts.v1.ApiKey.agent_id"}, ""},
		{docstore.Field{Name: "a", Contract: "lethe.contacts.v1.Contact.view_all_tickets"}, ""},
		{docstore.Field{Name: "a", Contract: "lethe.contacts.v1.IssueTokenRequest.api_key", Sealed: true}, "lethe.contacts.v1.IssueTokenRequest.api_key is never stored, says the contract"},
	}
	for _, c := range cases {
		err := CheckStored("things", []docstore.Field{c.f})
		if c.want == "" != (err == nil) || (err != nil && err.Error() != "collection things, field a: "+c.want) {
			t.Errorf("%+v: %v", c.f, err)
		}
	}
}

func TestCheckTypeReadsTags(t *testing.T) {
	type good struct {
		docstore.Meta
		Email string `doc:"email,seal" field:"lethe.contacts.v1.Contact.email"`
		Lease int64  `doc:"lease" why:"worker lease"`
	}
	type bad struct {
		docstore.Meta
		Email string `doc:"email" field:"lethe.contacts.v1.Contact.email"`
	}
	if err := CheckType(reflect.TypeFor[good](), "contacts"); err != nil {
		t.Error(err)
	}
	if err := CheckType(reflect.TypeFor[bad](), "contacts"); err == nil || !strings.Contains(err.Error(), "must be sealed") {
		t.Errorf("%v", err)
	}
	if err := CheckType(reflect.TypeFor[int](), "x"); err == nil {
		t.Error("a number is no document")
	}
}
