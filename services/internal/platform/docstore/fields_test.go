package docstore_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
)

type person struct {
	docstore.Meta
	Email string    `doc:"email,seal" field:"lethe.contacts.v1.Contact.email"`
	State string    `doc:"state" field:"lethe.contacts.v1.Contact.state"`
	Body  string    `doc:"body,seal,body" why:"test"`
	Lease time.Time `doc:"lease" why:"worker lease, in no contract field"`
}

func TestFieldsOf(t *testing.T) {
	got, err := docstore.FieldsOf(reflect.TypeFor[person]())
	if err != nil {
		t.Fatal(err)
	}
	want := []docstore.Field{
		{Name: "email", GoName: "Email", Sealed: true, Contract: "lethe.contacts.v1.Contact.email", Type: reflect.TypeFor[string]()},
		{Name: "state", GoName: "State", Contract: "lethe.contacts.v1.Contact.state", Type: reflect.TypeFor[string]()},
		{Name: "body", GoName: "Body", Sealed: true, Body: true, Why: "test", Type: reflect.TypeFor[string]()},
		{Name: "lease", GoName: "Lease", Why: "worker lease, in no contract field", Type: reflect.TypeFor[time.Time]()},
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v", got)
	}
}

func TestFieldsOfRefuses(t *testing.T) {
	for want, typ := range map[string]reflect.Type{
		"embeds docstore.Meta first": reflect.TypeFor[struct {
			A int `doc:"a" why:"x"`
		}](),
		"exported and has a doc tag": reflect.TypeFor[struct {
			docstore.Meta
			A int
		}](),
		"needs either a field tag": reflect.TypeFor[struct {
			docstore.Meta
			A int `doc:"a"`
		}](),
		"needs either": reflect.TypeFor[struct {
			docstore.Meta
			A int `doc:"a" why:"x" field:"y"`
		}](),
		"unknown word": reflect.TypeFor[struct {
			docstore.Meta
			A int `doc:"a,sael" why:"x"`
		}](),
		"a body field is sealed": reflect.TypeFor[struct {
			docstore.Meta
			A int `doc:"a,body" why:"x"`
		}](),
		"bad stored name": reflect.TypeFor[struct {
			docstore.Meta
			A int `doc:"A b" why:"x"`
		}](),
		`the name "owner" is taken`: reflect.TypeFor[struct {
			docstore.Meta
			A int `doc:"owner" why:"x"`
		}](),
		`the name "a" is taken`: reflect.TypeFor[struct {
			docstore.Meta
			A int `doc:"a" why:"x"`
			B int `doc:"a" why:"x"`
		}](),
	} {
		if _, err := docstore.FieldsOf(typ); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, got %v", want, err)
		}
	}
}
