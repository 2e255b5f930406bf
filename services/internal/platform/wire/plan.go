package wire

import (
	"strings"
	"sync"

	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// special is a message type with a JSON form of its own.
type special uint8

const (
	ordinary special = iota
	timestamp
	structure
	structValue
	structList
	fieldMask
)

// plan is what there is to know about a message type.
type plan struct {
	special special
	fields  []*field
	byName  map[string]*field
}

// field is what there is to know about one field.
type field struct {
	fd   protoreflect.FieldDescriptor
	name string
	// key is the member's name as it is written, with quotes and colon.
	key []byte
	// omitUnset leaves the member out when it is unset.
	omitUnset bool
	// nullWhenEmpty writes an empty list as null.
	nullWhenEmpty bool
	// url says that the value may need the base URL in front.
	url bool
	// joined says that a list of texts is taken for the text.
	joined bool
	// alternative says that the field is one of a oneof; only the set one is written.
	alternative bool
	// kind of the type when it is a message.
	special special
}

var plans sync.Map // protoreflect.MessageDescriptor → *plan

func planOf(md protoreflect.MessageDescriptor) *plan {
	if p, ok := plans.Load(md); ok {
		return p.(*plan)
	}
	p, _ := plans.LoadOrStore(md, compile(md))
	return p.(*plan)
}

func compile(md protoreflect.MessageDescriptor) *plan {
	fds := md.Fields()
	p := &plan{special: specialOf(md), byName: make(map[string]*field, fds.Len())}
	for i := range fds.Len() {
		fd := fds.Get(i)
		f := &field{
			fd:          fd,
			name:        string(fd.Name()),
			key:         append(appendString(nil, string(fd.Name())), ':'),
			url:         fd.Kind() == protoreflect.StringKind && strings.HasSuffix(string(fd.Name()), "_url"),
			alternative: fd.ContainingOneof() != nil && !fd.ContainingOneof().IsSynthetic(),
		}
		if fd.Message() != nil && !fd.IsMap() {
			f.special = specialOf(fd.Message())
		}
		if j, ok := proto.GetExtension(fd.Options(), optionsv1.E_Json).(*optionsv1.Json); ok {
			f.omitUnset, f.nullWhenEmpty, f.joined = j.GetOmitUnset(), j.GetNullWhenEmpty(), j.GetJoined()
		}
		p.fields = append(p.fields, f)
		p.byName[f.name] = f
	}
	return p
}

func specialOf(md protoreflect.MessageDescriptor) special {
	switch md.FullName() {
	case "google.protobuf.Timestamp":
		return timestamp
	case "google.protobuf.Struct":
		return structure
	case "google.protobuf.Value":
		return structValue
	case "google.protobuf.ListValue":
		return structList
	case "google.protobuf.FieldMask":
		return fieldMask
	}
	return ordinary
}
