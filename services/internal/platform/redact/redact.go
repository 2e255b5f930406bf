// Package redact makes messages of the contract fit for a log: fields that the
// contract calls personal are replaced by a placeholder, and so is every field
// about which it says nothing. Ids of people stay, for they are references.
// It works from the options by reflection, so it cannot drift from the contract.
package redact

import (
	"encoding/json"
	"strconv"
	"strings"

	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Placeholder stands where a personal value was.
const Placeholder = "[personal]"

// View returns what of a message a log may show: contract field names with
// numbers, strings, booleans, lists and nested views. Unset fields are left
// out; a nil message gives nil. The message is not changed.
func View(m proto.Message) map[string]any {
	if m == nil {
		return nil
	}
	return message(m.ProtoReflect())
}

// JSON returns View as one line of JSON.
func JSON(m proto.Message) string {
	b, err := json.Marshal(View(m))
	if err != nil { // View holds only what JSON can say
		return Placeholder
	}
	return string(b)
}

func message(m protoreflect.Message) map[string]any {
	view := map[string]any{}
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		view[string(fd.Name())] = field(fd, v)
		return true
	})
	return view
}

func field(fd protoreflect.FieldDescriptor, v protoreflect.Value) any {
	if !shown(fd) {
		return Placeholder
	}
	switch {
	case fd.IsMap():
		view := map[string]any{}
		v.Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
			view[k.String()] = value(fd.MapValue(), v)
			return true
		})
		return view
	case fd.IsList():
		list := make([]any, 0, v.List().Len())
		for i := range v.List().Len() {
			list = append(list, value(fd, v.List().Get(i)))
		}
		return list
	}
	return value(fd, v)
}

// shown reports whether the contract lets a field be seen: it is not personal,
// or it is a link and nothing but an id (or a message of the contract around one).
func shown(fd protoreflect.FieldDescriptor) bool {
	o := fd.Options()
	if proto.HasExtension(o, optionsv1.E_Personal) {
		p, _ := proto.GetExtension(o, optionsv1.E_Personal).(*optionsv1.Personal)
		return p.GetRole() != optionsv1.Role_ROLE_UNSPECIFIED && (number(fd.Kind()) || ours(fd.Message()))
	}
	return proto.HasExtension(o, optionsv1.E_NotPersonal)
}

func number(k protoreflect.Kind) bool {
	switch k {
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind, protoreflect.GroupKind:
		return false
	}
	return true
}

// topPaths leaves out what stands behind a dot: keys of free maps are written
// by clients and could be anything.
func topPaths(m *fieldmaskpb.FieldMask) []string {
	paths := make([]string, 0, len(m.GetPaths()))
	for _, p := range m.GetPaths() {
		top, _, _ := strings.Cut(p, ".")
		paths = append(paths, top)
	}
	return paths
}

// ours reports whether a message is of the contract, so that its fields speak for themselves.
func ours(md protoreflect.MessageDescriptor) bool {
	return md != nil && strings.HasPrefix(string(md.FullName()), "lethe.")
}

func value(fd protoreflect.FieldDescriptor, v protoreflect.Value) any {
	switch fd.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return nested(v.Message())
	case protoreflect.EnumKind:
		if ev := fd.Enum().Values().ByNumber(v.Enum()); ev != nil {
			return string(ev.Name())
		}
		return int64(v.Enum())
	case protoreflect.BytesKind:
		return strconv.Itoa(len(v.Bytes())) + " bytes"
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	}
	return v.Interface()
}

func nested(m protoreflect.Message) any {
	switch m := m.Interface().(type) {
	case *timestamppb.Timestamp:
		return m.AsTime()
	case *durationpb.Duration:
		return m.AsDuration().String()
	case *fieldmaskpb.FieldMask:
		return topPaths(m)
	}
	if !ours(m.Descriptor()) {
		return Placeholder
	}
	return message(m)
}
