package rpc

import (
	"reflect"
	"slices"
	"testing"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	"github.com/lethe-desk/lethe/services/contacts/internal/person"
	"github.com/lethe-desk/lethe/services/contacts/internal/person/persontest"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"pgregory.net/rapid"
)

// A contact that is written and whose fields are sent back as input is the same.
func TestContactsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := persontest.Draw(t)
		raw, err := proto.Marshal(contact(p))
		if err != nil {
			t.Fatal(err)
		}
		var read contactsv1.Contact
		if err := proto.Unmarshal(raw, &read); err != nil {
			t.Fatal(err)
		}
		in := &contactsv1.ContactInput{}
		copySame(&read, in)
		got := details(in)
		if len(got.Custom) == 0 {
			got.Custom = nil // no custom fields are written as an empty object
		}
		if !reflect.DeepEqual(got, p.Details) {
			t.Fatalf("got  %+v\nwant %+v", got, p.Details)
		}
		if read.GetId() != p.ID || read.GetActive() != p.Active || !read.GetCreatedAt().AsTime().Equal(p.CreatedAt) || !read.GetUpdatedAt().AsTime().Equal(p.UpdatedAt) {
			t.Fatal(&read)
		}
	})
}

// copySame copies the fields that two messages have under the same name.
func copySame(from, to proto.Message) {
	fields := to.ProtoReflect().Descriptor().Fields()
	from.ProtoReflect().Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if same := fields.ByName(fd.Name()); same != nil {
			if same.IsList() {
				list := to.ProtoReflect().Mutable(same).List()
				for i := range v.List().Len() {
					list.Append(v.List().Get(i))
				}
				return true
			}
			to.ProtoReflect().Set(same, v)
		}
		return true
	})
}

func TestEveryFieldOfTheInputsCanBeWritten(t *testing.T) {
	var names []string
	fields := (&contactsv1.ContactInput{}).ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		names = append(names, string(fields.Get(i).Name()))
	}
	slices.Sort(names)
	if !slices.Equal(names, person.ContactFields()) {
		t.Errorf("contract %v\ndomain   %v", names, person.ContactFields())
	}
	fields = (&contactsv1.AgentInput{}).ProtoReflect().Descriptor().Fields()
	in := person.AgentInput{Email: proto.String("a@b.org"), Scope: proto.Int32(1)}
	for i := range fields.Len() {
		name := string(fields.Get(i).Name())
		for _, p := range in.CheckChange([]string{name}) {
			if p.Code == person.InvalidField {
				t.Errorf("agents have no %s", name)
			}
		}
	}
}

func TestPathsOfAnUpdate(t *testing.T) {
	in := &contactsv1.ContactInput{Name: proto.String("n"), Tags: []string{"t"}}
	if got := paths(nil, in); !slices.Equal(slices.Sorted(slices.Values(got)), []string{"name", "tags"}) {
		t.Error(got)
	}
	if got := paths(&fieldmaskpb.FieldMask{}, in); len(got) != 0 {
		t.Error(got)
	}
	if got := paths(nil, (*contactsv1.ContactInput)(nil)); len(got) != 0 {
		t.Error(got)
	}
}

func FuzzDetails(f *testing.F) {
	seed, _ := proto.Marshal(&contactsv1.ContactInput{Name: proto.String("n"), OtherEmails: []string{"a@b.org"}, CompanyId: proto.Int64(3)})
	f.Add(seed)
	same := func(s string) string { return s }
	f.Fuzz(func(t *testing.T, raw []byte) {
		in := &contactsv1.ContactInput{}
		if proto.Unmarshal(raw, in) != nil {
			return
		}
		d := details(in)
		d.Clean(same)
		if len(d.CheckNew()) > 0 {
			return
		}
		d.DropNulls()
		d.SetDefaults()
		// what has passed is written, and passes again unchanged
		out := &contactsv1.ContactInput{}
		copySame(contact(&person.Person{Details: d}), out)
		again := details(out)
		again.Clean(same)
		again.DropNulls()
		if bad := again.CheckNew(); len(bad) > 0 || !reflect.DeepEqual(again, d) {
			t.Fatalf("got  %+v\nwant %+v\n%v", again, d, bad)
		}
	})
}
