package docstore

import (
	"fmt"
	"reflect"
	"time"
)

// Kind is how a clear value lies in a backend.
type Kind uint8

// The kinds of values; a bool is an Int of 0 or 1, a time an Int of milliseconds.
const (
	Null Kind = iota
	Int
	Text
	Float
	Bytes
)

// Value is one clear value on its way to or from a backend.
type Value struct {
	Kind  Kind
	Int   int64
	Float float64
	// Text holds the bytes of Text and Bytes.
	Text string
}

// IntValue returns n as a Value.
func IntValue(n int64) Value { return Value{Kind: Int, Int: n} }

var timeType = reflect.TypeFor[time.Time]()

// Millis is the stored form of a time: milliseconds since 1970, rounded down.
func Millis(t time.Time) int64 { return t.UnixMilli() }

// FromMillis is the time of a stored form, in UTC.
func FromMillis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// scalarKind says how a Go type lies in a column of its own, and whether it may be absent.
func scalarKind(t reflect.Type) (k Kind, nullable, ok bool) {
	if t.Kind() == reflect.Pointer {
		k, _, ok = scalarKind(t.Elem())
		return k, true, ok && t.Elem().Kind() != reflect.Pointer
	}
	if t == timeType {
		return Int, true, true
	}
	switch t.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return Int, false, true
	case reflect.String:
		return Text, false, true
	case reflect.Float32, reflect.Float64:
		return Float, false, true
	case reflect.Slice:
		return Bytes, true, t.Elem().Kind() == reflect.Uint8
	}
	return Null, false, false
}

// toValue brings a Go value of a scalar type into its stored form.
func toValue(v reflect.Value) (Value, error) {
	if v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return Value{}, nil
		}
		return toValue(v.Elem())
	}
	if v.Type() == timeType {
		t := v.Interface().(time.Time)
		if t.IsZero() {
			return Value{}, nil
		}
		return IntValue(Millis(t)), nil
	}
	switch v.Kind() {
	case reflect.Bool:
		if v.Bool() {
			return IntValue(1), nil
		}
		return IntValue(0), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return IntValue(v.Int()), nil
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return IntValue(int64(v.Uint())), nil
	case reflect.String:
		return Value{Kind: Text, Text: v.String()}, nil
	case reflect.Float32, reflect.Float64:
		return Value{Kind: Float, Float: v.Float()}, nil
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			if v.IsNil() {
				return Value{}, nil
			}
			return Value{Kind: Bytes, Text: string(v.Bytes())}, nil
		}
	}
	return Value{}, fmt.Errorf("%w: a value of type %s cannot be compared", ErrBadQuery, v.Type())
}

// anyValue is toValue for the loosely typed values of a query.
func anyValue(x any) (Value, error) {
	switch x := x.(type) {
	case nil:
		return Value{}, nil
	case int64:
		return IntValue(x), nil
	case int:
		return IntValue(int64(x)), nil
	case string:
		return Value{Kind: Text, Text: x}, nil
	}
	return toValue(reflect.ValueOf(x))
}

// fromValue puts a stored value into a Go value of a scalar type.
func fromValue(dst reflect.Value, v Value) {
	if v.Kind == Null {
		dst.SetZero()
		return
	}
	if dst.Kind() == reflect.Pointer {
		dst.Set(reflect.New(dst.Type().Elem()))
		dst = dst.Elem()
	}
	if dst.Type() == timeType {
		dst.Set(reflect.ValueOf(FromMillis(v.Int)))
		return
	}
	switch dst.Kind() {
	case reflect.Bool:
		dst.SetBool(v.Int != 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		dst.SetInt(v.Int)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		dst.SetUint(uint64(v.Int))
	case reflect.String:
		dst.SetString(v.Text)
	case reflect.Float32, reflect.Float64:
		dst.SetFloat(v.Float)
	case reflect.Slice:
		dst.SetBytes([]byte(v.Text))
	}
}

// listValues brings a slice into one Value per distinct element, nil if it is empty.
func listValues(v reflect.Value) []Value {
	var out []Value
	seen := map[Value]bool{}
	for i := range v.Len() {
		e, err := toValue(v.Index(i))
		if err == nil && e.Kind != Null && !seen[e] {
			seen[e] = true
			out = append(out, e)
		}
	}
	return out
}
