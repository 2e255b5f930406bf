package wire

import (
	"regexp"
	"strings"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"
)

// maxViolations bounds what one body is told about.
const maxViolations = 100

// Sentences of violations.
const (
	msgUnknown   = "Unexpected/invalid field in request"
	msgTwice     = "It should be sent only once"
	msgInexact   = "It has more digits than can be kept"
	msgFieldName = "Field names have letters, digits and underscores only"
)

var fieldName = regexp.MustCompile(`^[A-Za-z0-9_]{1,80}$`)

// Unmarshal reads a JSON object into an empty message and returns the paths it
// holds, for an update mask: the members' names, `null` included, and for a
// free map each of its names ("custom_fields.NAME"), or the map's own name
// when it is null.
//
// Ids are taken as numbers or strings. A number in a free map is kept exactly
// or refused. The error is a *fault.Error: reason INVALID_JSON when the text is
// no JSON object or is above one of this package's bounds, else one violation for
// each thing that is wrong. The message is of no use then.
func Unmarshal(data []byte, m proto.Message) ([]string, error) {
	n, err := parse(data)
	if err != nil || n.kind != isObject {
		return nil, fault.New(fault.KindInvalid, faultv1.Reason_REASON_INVALID_JSON, "Request body has invalid json format")
	}
	d := decoder{}
	paths := d.message(m.ProtoReflect(), n, "")
	if len(d.bad) > 0 {
		return nil, fault.Invalid(d.bad...)
	}
	return paths, nil
}

// decoder gathers everything that is wrong.
type decoder struct {
	bad []fault.Violation
}

func (d *decoder) refuse(path string, code faultv1.Reason, message string) {
	if len(d.bad) < maxViolations {
		d.bad = append(d.bad, fault.Violation{Field: path, Code: code, Message: message})
	}
}

func (d *decoder) mismatch(path, want string) {
	d.refuse(path, faultv1.Reason_REASON_DATATYPE_MISMATCH, "It should be a/an "+want)
}

// echo returns the name a client sent if it looks like a field's name; else a
// word in its place, because a name may then be anything, even somebody's.
func echo(prefix, name string) string {
	if !fieldName.MatchString(name) {
		name = "unknown"
	}
	return prefix + name
}

// once calls visit for each member and refuses names that come again.
func (d *decoder) once(n node, prefix string, visit func(m member)) {
	seen := make(map[string]struct{}, len(n.members))
	for _, m := range n.members {
		if _, twice := seen[m.name]; twice {
			d.refuse(echo(prefix, m.name), faultv1.Reason_REASON_INVALID_VALUE, msgTwice)
			continue
		}
		seen[m.name] = struct{}{}
		visit(m)
	}
}

// message reads an object's members; prefix is "" or ends in a dot.
func (d *decoder) message(m protoreflect.Message, n node, prefix string) []string {
	p := planOf(m.Descriptor())
	paths := make([]string, 0, len(n.members))
	d.once(n, prefix, func(mem member) {
		f := p.byName[mem.name]
		if f == nil {
			d.refuse(echo(prefix, mem.name), faultv1.Reason_REASON_INVALID_FIELD, msgUnknown)
			return
		}
		if f.special == structure && mem.value.kind == isObject {
			for _, in := range mem.value.members {
				paths = append(paths, f.name+"."+in.name)
			}
		} else {
			paths = append(paths, f.name)
		}
		d.field(m, f, mem.value, prefix+f.name)
	})
	return paths
}

func (d *decoder) field(m protoreflect.Message, f *field, n node, path string) {
	switch {
	case n.kind == isNull:
		m.Clear(f.fd)
	case f.fd.IsMap():
		d.entries(m, f, n, path)
	case f.fd.IsList():
		if n.kind != isArray {
			d.mismatch(path, "Array")
			return
		}
		l := m.Mutable(f.fd).List()
		for _, item := range n.items {
			if v, ok := d.value(l.NewElement, f, item, path); ok {
				l.Append(v)
			}
		}
	default:
		if v, ok := d.value(func() protoreflect.Value { return m.NewField(f.fd) }, f, n, path); ok {
			m.Set(f.fd, v)
		}
	}
}

// entries reads a map of texts to scalars; its keys look like names of fields.
func (d *decoder) entries(m protoreflect.Message, f *field, n node, path string) {
	switch {
	case f.fd.MapKey().Kind() != protoreflect.StringKind || f.fd.MapValue().Message() != nil:
		d.refuse(path, faultv1.Reason_REASON_INVALID_FIELD, msgUnknown)
		return
	case n.kind != isObject:
		d.mismatch(path, "key/value pair")
		return
	}
	entries := m.Mutable(f.fd).Map()
	d.once(n, path+".", func(mem member) {
		if !fieldName.MatchString(mem.name) {
			d.refuse(echo(path+".", mem.name), faultv1.Reason_REASON_INVALID_FIELD, msgUnknown)
			return
		}
		v, want := scalar(f.fd.MapValue(), mem.value)
		if want != "" {
			d.mismatch(path+"."+mem.name, want)
			return
		}
		entries.Set(protoreflect.ValueOfString(mem.name).MapKey(), v)
	})
}

// joined makes one text of a list of texts; anything else stays what it is.
func joined(n node) node {
	if n.kind != isArray {
		return n
	}
	texts := make([]string, 0, len(n.items))
	for _, item := range n.items {
		if item.kind != isString {
			return n
		}
		texts = append(texts, item.text)
	}
	return node{kind: isString, text: strings.Join(texts, ",")}
}

// value reads one value; a list's elements are read by it too.
func (d *decoder) value(empty func() protoreflect.Value, f *field, n node, path string) (protoreflect.Value, bool) {
	if f.fd.Kind() != protoreflect.MessageKind {
		if f.joined {
			n = joined(n)
		}
		v, want := scalar(f.fd, n)
		if want != "" {
			d.mismatch(path, want)
		}
		return v, want == ""
	}
	switch f.special {
	case timestamp:
		v, want := timeValue(n)
		if want != "" {
			d.mismatch(path, want)
		}
		return v, want == ""
	case structure:
		if n.kind != isObject {
			d.mismatch(path, "key/value pair")
			return protoreflect.Value{}, false
		}
		s := d.structure(n, path, true)
		return protoreflect.ValueOfMessage(s.ProtoReflect()), s != nil
	case ordinary:
		if n.kind != isObject {
			d.mismatch(path, "key/value pair")
			return protoreflect.Value{}, false
		}
		v := empty()
		d.message(v.Message(), n, path+".")
		return v, true
	}
	d.refuse(path, faultv1.Reason_REASON_INVALID_FIELD, msgUnknown)
	return protoreflect.Value{}, false
}

// structure reads a free map; the names on its first level are field names.
func (d *decoder) structure(n node, path string, named bool) *structpb.Struct {
	s := &structpb.Struct{Fields: make(map[string]*structpb.Value, len(n.members))}
	d.once(n, path+".", func(m member) {
		if named && !fieldName.MatchString(m.name) {
			d.refuse(path, faultv1.Reason_REASON_INVALID_FIELD, msgFieldName)
			return
		}
		s.Fields[m.name] = d.structValue(m.value, echo(path+".", m.name))
	})
	return s
}

func (d *decoder) structValue(n node, path string) *structpb.Value {
	switch n.kind {
	case isBool:
		return structpb.NewBoolValue(n.truth)
	case isString:
		return structpb.NewStringValue(n.text)
	case isNumber:
		f, ok := exact(n.text)
		if !ok {
			d.refuse(path, faultv1.Reason_REASON_INVALID_VALUE, msgInexact)
		}
		return structpb.NewNumberValue(f)
	case isArray:
		l := &structpb.ListValue{}
		for _, item := range n.items {
			l.Values = append(l.Values, d.structValue(item, path))
		}
		return structpb.NewListValue(l)
	case isObject:
		return structpb.NewStructValue(d.structure(n, path, false))
	}
	return structpb.NewNullValue()
}
