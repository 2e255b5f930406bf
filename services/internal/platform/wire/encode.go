package wire

import (
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// encoder carries the first error, so that appending stays plain.
type encoder struct {
	base string
	err  error
}

func (e *encoder) fail(name, why string) {
	if e.err == nil {
		e.err = fmt.Errorf("write field %s: %s", name, why)
	}
}

// message writes an object; o is nil below the outermost one.
func (e *encoder) message(b []byte, m protoreflect.Message, o *Options) []byte {
	p := planOf(m.Descriptor())
	if p.special != ordinary {
		return e.special(b, p.special, m, "value")
	}
	b = append(b, '{')
	first := len(b)
	for _, f := range p.fields {
		if o != nil && o.omits(f.name) {
			continue
		}
		if (f.omitUnset || f.alternative) && !m.Has(f.fd) {
			continue
		}
		if len(b) > first {
			b = append(b, ',')
		}
		b = append(b, f.key...)
		b = e.field(b, m, f, nil)
	}
	return append(b, '}')
}

// field writes a field's value; o goes down to the objects of `response_body`.
func (e *encoder) field(b []byte, m protoreflect.Message, f *field, o *Options) []byte {
	switch {
	case f.fd.IsList():
		return e.list(b, m.Get(f.fd).List(), f, o)
	case f.fd.IsMap():
		return e.entries(b, m.Get(f.fd).Map(), f)
	case f.fd.HasPresence() && !m.Has(f.fd):
		if f.special == structure {
			return append(b, "{}"...)
		}
		return append(b, "null"...)
	}
	return e.value(b, m.Get(f.fd), f, o)
}

func (e *encoder) list(b []byte, l protoreflect.List, f *field, o *Options) []byte {
	n := l.Len()
	if n == 0 && f.nullWhenEmpty {
		return append(b, "null"...)
	}
	b = append(b, '[')
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = e.value(b, l.Get(i), f, o)
	}
	return append(b, ']')
}

// entries writes a map with its keys in order of their text.
func (e *encoder) entries(b []byte, m protoreflect.Map, f *field) []byte {
	keys := make([]protoreflect.MapKey, 0, m.Len())
	m.Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool {
		keys = append(keys, k)
		return true
	})
	slices.SortFunc(keys, func(x, y protoreflect.MapKey) int { return strings.Compare(x.String(), y.String()) })
	value := planOf(f.fd.Message()).byName["value"]
	b = append(b, '{')
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, k.String()), ':')
		b = e.value(b, m.Get(k), value, nil)
	}
	return append(b, '}')
}

// value writes one value: a field's, an element's or a map entry's.
func (e *encoder) value(b []byte, v protoreflect.Value, f *field, o *Options) []byte {
	switch f.fd.Kind() {
	case protoreflect.BoolKind:
		return strconv.AppendBool(b, v.Bool())
	case protoreflect.StringKind:
		s := v.String()
		if f.url && e.base != "" && strings.HasPrefix(s, "/") {
			s = e.base + s
		}
		return appendString(b, s)
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind,
		protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return strconv.AppendInt(b, v.Int(), 10)
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return strconv.AppendUint(b, v.Uint(), 10)
	case protoreflect.FloatKind:
		return e.number(b, v.Float(), 32, f.name)
	case protoreflect.DoubleKind:
		return e.number(b, v.Float(), 64, f.name)
	case protoreflect.EnumKind:
		if d := f.fd.Enum().Values().ByNumber(v.Enum()); d != nil {
			return appendString(b, string(d.Name()))
		}
		return strconv.AppendInt(b, int64(v.Enum()), 10)
	case protoreflect.BytesKind:
		b = append(b, '"')
		b = base64.StdEncoding.AppendEncode(b, v.Bytes())
		return append(b, '"')
	case protoreflect.MessageKind, protoreflect.GroupKind:
		if f.special != ordinary {
			return e.special(b, f.special, v.Message(), f.name)
		}
		return e.message(b, v.Message(), o)
	}
	e.fail(f.name, "unknown kind")
	return b
}

// special writes the types with a form of their own.
func (e *encoder) special(b []byte, s special, m protoreflect.Message, name string) []byte {
	switch v := m.Interface().(type) {
	case *timestamppb.Timestamp:
		if v.CheckValid() != nil {
			e.fail(name, "time out of range")
			return append(b, "null"...)
		}
		b = append(b, '"')
		b = time.Unix(v.GetSeconds(), 0).UTC().AppendFormat(b, "2006-01-02T15:04:05Z")
		return append(b, '"')
	case *structpb.Struct:
		return e.structure(b, v, name)
	case *structpb.Value:
		return e.structValue(b, v, name)
	case *structpb.ListValue:
		return e.structList(b, v, name)
	case *fieldmaskpb.FieldMask:
		return appendString(b, strings.Join(v.GetPaths(), ","))
	}
	e.fail(name, "type has no generated code")
	return append(b, "null"...)
}

func (e *encoder) structure(b []byte, s *structpb.Struct, name string) []byte {
	keys := make([]string, 0, len(s.GetFields()))
	for k := range s.GetFields() {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	b = append(b, '{')
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, k), ':')
		b = e.structValue(b, s.GetFields()[k], name)
	}
	return append(b, '}')
}

func (e *encoder) structList(b []byte, l *structpb.ListValue, name string) []byte {
	b = append(b, '[')
	for i, v := range l.GetValues() {
		if i > 0 {
			b = append(b, ',')
		}
		b = e.structValue(b, v, name)
	}
	return append(b, ']')
}

func (e *encoder) structValue(b []byte, v *structpb.Value, name string) []byte {
	switch k := v.GetKind().(type) {
	case *structpb.Value_StringValue:
		return appendString(b, k.StringValue)
	case *structpb.Value_NumberValue:
		return e.number(b, k.NumberValue, 64, name)
	case *structpb.Value_BoolValue:
		return strconv.AppendBool(b, k.BoolValue)
	case *structpb.Value_StructValue:
		return e.structure(b, k.StructValue, name)
	case *structpb.Value_ListValue:
		return e.structList(b, k.ListValue, name)
	}
	return append(b, "null"...)
}

// number writes the shortest text that reads back as the same number, without
// an exponent where people would not write one.
func (e *encoder) number(b []byte, f float64, bits int, name string) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		e.fail(name, "not a number")
		return append(b, "null"...)
	}
	if f == 0 {
		return append(b, '0')
	}
	format := byte('f')
	if abs := math.Abs(f); abs < 1e-6 || abs >= 1e21 {
		format = 'e'
	}
	return strconv.AppendFloat(b, f, format, -1, bits)
}
