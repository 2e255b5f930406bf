package wire

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// scalar reads a value that is no message. want is what it should have been, "" when it is that.
func scalar(fd protoreflect.FieldDescriptor, n node) (v protoreflect.Value, want string) {
	switch fd.Kind() {
	case protoreflect.StringKind:
		if n.kind == isString {
			return protoreflect.ValueOfString(n.text), ""
		}
		return v, "String"
	case protoreflect.BoolKind:
		if n.kind == isBool {
			return protoreflect.ValueOfBool(n.truth), ""
		}
		return v, "Boolean"
	case protoreflect.BytesKind:
		if b, err := base64.StdEncoding.DecodeString(n.text); n.kind == isString && err == nil {
			return protoreflect.ValueOfBytes(b), ""
		}
		return v, "base64 String"
	case protoreflect.EnumKind:
		if e := fd.Enum().Values().ByName(protoreflect.Name(n.text)); n.kind == isString && e != nil {
			return protoreflect.ValueOfEnum(e.Number()), ""
		}
		return v, "name from a fixed list"
	case protoreflect.DoubleKind, protoreflect.FloatKind:
		return float(fd.Kind(), n)
	}
	return integer(fd.Kind(), n)
}

func float(k protoreflect.Kind, n node) (v protoreflect.Value, want string) {
	bits := 64
	if k == protoreflect.FloatKind {
		bits = 32
	}
	f, err := strconv.ParseFloat(n.text, bits)
	if n.kind != isNumber || err != nil {
		return v, "Number"
	}
	if bits == 32 {
		return protoreflect.ValueOfFloat32(float32(f)), ""
	}
	return protoreflect.ValueOfFloat64(f), ""
}

// integer reads whole numbers. 64-bit ones are ids, which some clients send as strings.
func integer(k protoreflect.Kind, n node) (v protoreflect.Value, want string) {
	wide := false
	switch k {
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		wide = true
	}
	if n.kind != isNumber && !(wide && n.kind == isString) {
		return v, "Integer"
	}
	switch k {
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		bits := 32
		if wide {
			bits = 64
		}
		u, err := strconv.ParseUint(n.text, 10, bits)
		switch {
		case err != nil:
			return v, "Positive Integer"
		case wide:
			return protoreflect.ValueOfUint64(u), ""
		}
		return protoreflect.ValueOfUint32(uint32(u)), ""
	}
	if strings.HasPrefix(n.text, "+") {
		return v, "Integer"
	}
	if wide {
		i, err := strconv.ParseInt(n.text, 10, 64)
		if err != nil {
			return v, "Integer"
		}
		return protoreflect.ValueOfInt64(i), ""
	}
	i, err := strconv.ParseInt(n.text, 10, 32)
	if err != nil {
		return v, "Integer"
	}
	return protoreflect.ValueOfInt32(int32(i)), ""
}

func timeValue(n node) (v protoreflect.Value, want string) {
	t, ok := ParseTime(n.text)
	if n.kind != isString || !ok {
		return v, "Date/Time in the format yyyy-mm-ddThh:mm:ss+hh:mm"
	}
	return protoreflect.ValueOfMessage(timestamppb.New(t).ProtoReflect()), ""
}

// SetText sets a field from text, as it stands in a query: strings as they
// are, numbers in digits, true, false, 1 and 0 in any case, enums by name,
// times in all forms of ParseTime. A list's field gets one more element. The
// violation is empty when all went well; a field that no text can fill is refused as
// unknown.
func SetText(m protoreflect.Message, fd protoreflect.FieldDescriptor, text string) (fault.Violation, bool) {
	var v protoreflect.Value
	var want string
	switch {
	case fd.IsMap(), fd.Message() != nil && specialOf(fd.Message()) != timestamp:
		return fault.Violation{Field: string(fd.Name()), Code: faultv1.Reason_REASON_INVALID_FIELD, Message: msgUnknown}, false
	case fd.Message() != nil:
		// A plus sign that nobody escaped has become a blank.
		v, want = timeValue(node{kind: isString, text: strings.ReplaceAll(text, " ", "+")})
	default:
		v, want = scalar(fd, textNode(fd.Kind(), text))
	}
	if want != "" {
		return fault.Violation{Field: string(fd.Name()), Code: faultv1.Reason_REASON_DATATYPE_MISMATCH, Message: "It should be a/an " + want}, false
	}
	if fd.IsList() {
		m.Mutable(fd).List().Append(v)
	} else {
		m.Set(fd, v)
	}
	return fault.Violation{}, true
}

// textNode takes text for the JSON value its field wants.
func textNode(k protoreflect.Kind, text string) node {
	switch k {
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.EnumKind:
		return node{kind: isString, text: text}
	case protoreflect.BoolKind:
		switch strings.ToLower(text) {
		case "true", "1":
			return node{kind: isBool, truth: true}
		case "false", "0":
			return node{kind: isBool}
		}
		return node{kind: isString}
	}
	return node{kind: isNumber, text: text}
}

// exact reads a number and says whether it is kept to the last digit.
func exact(text string) (float64, bool) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(f, 0) {
		return 0, false
	}
	want, wantExp := digits(text)
	got, gotExp := digits(strconv.FormatFloat(f, 'e', -1, 64))
	return f, want == got && (want == "" || wantExp == gotExp)
}

// digits returns a number's significant digits and the power of ten of the
// last of them; "" for zero. Signs are left out, reading keeps them.
func digits(text string) (string, int) {
	text = strings.TrimLeft(text, "-+")
	mantissa, power, _ := strings.Cut(strings.ToLower(text), "e")
	exp, err := strconv.Atoi(strings.TrimPrefix(power, "+"))
	if power != "" && err != nil {
		return "?", 0
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	exp -= len(fraction)
	all := strings.TrimLeft(whole+fraction, "0")
	short := strings.TrimRight(all, "0")
	return short, exp + len(all) - len(short)
}
