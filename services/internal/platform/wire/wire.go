// Package wire is the JSON of the REST interface, written straight from and
// into messages of the contract. It differs from protojson where Freshdesk's
// clients do: 64-bit integers are numbers, an unset field is null, an empty
// list is [], times have whole seconds, all usual forms of a time are read,
// and everything that is wrong with a body is told at once, field by field.
//
// How a message is written is worked out once per message type and kept.
package wire

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Options say how a message is written.
type Options struct {
	// Omit names members of the outermost object, or of the outermost list's
	// objects, that are left out.
	Omit []string
	// BaseURL is put in front of values that begin with "/" in string fields
	// whose name ends in _url: scheme and host without a slash at the end.
	BaseURL string
}

func (o *Options) omits(name string) bool { return slices.Contains(o.Omit, name) }

// Marshal returns a message as a JSON object with its members in the order of
// the contract. It fails on what JSON cannot hold: NaN, infinity, a time
// outside the years 1 to 9999. The error names the field and no value.
func Marshal(m proto.Message, o Options) ([]byte, error) { return Append(nil, m, o) }

// Append is Marshal into a buffer that the caller owns.
func Append(b []byte, m proto.Message, o Options) ([]byte, error) {
	if m == nil {
		return append(b, "null"...), nil
	}
	e := encoder{base: o.BaseURL}
	b = e.message(b, m.ProtoReflect(), &o)
	return b, e.err
}

// AppendField writes the value of one field of a message, as `response_body`
// of an http rule asks for it: an object, a bare array, or a scalar. An unset
// list is [], an unset message null.
func AppendField(b []byte, m proto.Message, fd protoreflect.FieldDescriptor, o Options) ([]byte, error) {
	if m == nil || fd == nil || m.ProtoReflect().Descriptor() != fd.ContainingMessage() {
		return b, fmt.Errorf("field is not of the message")
	}
	e := encoder{base: o.BaseURL}
	f := planOf(fd.ContainingMessage()).byName[string(fd.Name())]
	b = e.field(b, m.ProtoReflect(), f, &o)
	return b, e.err
}
