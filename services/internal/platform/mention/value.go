package mention

import (
	"reflect"
	"strconv"
)

// Texts returns all text in a value: strings, what pointers, slices, maps and
// structs hold, and whole numbers as digits (a telephone number in a custom
// field may be one). Keys of maps are names of fields and left out.
func Texts(v reflect.Value) []string {
	var out []string
	walk(v, func(s string) { out = append(out, s) })
	return out
}

func walk(v reflect.Value, f func(string)) {
	switch v.Kind() {
	case reflect.String:
		f(v.String())
	case reflect.Int64, reflect.Int, reflect.Int32:
		f(strconv.FormatInt(v.Int(), 10))
	case reflect.Uint64, reflect.Uint, reflect.Uint32:
		f(strconv.FormatUint(v.Uint(), 10))
	case reflect.Float64:
		f(strconv.FormatFloat(v.Float(), 'f', -1, 64))
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			walk(v.Elem(), f)
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return // bytes are not text
		}
		for i := range v.Len() {
			walk(v.Index(i), f)
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			walk(it.Value(), f)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				walk(v.Field(i), f)
			}
		}
	}
}

// RedactValue is Redact for all text that Texts finds in a settable value, in
// place. A number that is an identifier becomes 0, in a free map Mark.
func RedactValue(v reflect.Value, ids Identifiers, names bool) int {
	return redactor{ids, names}.value(v)
}

type redactor struct {
	ids   Identifiers
	names bool
}

func (r redactor) value(v reflect.Value) (n int) {
	switch v.Kind() {
	case reflect.String:
		out, k := Redact(v.String(), r.ids, r.names)
		if k > 0 {
			v.SetString(out)
		}
		return k
	case reflect.Int64, reflect.Int, reflect.Int32, reflect.Uint64, reflect.Uint, reflect.Uint32, reflect.Float64:
		if n = r.inside(v); n > 0 {
			v.SetZero()
		}
		return n
	case reflect.Pointer:
		if !v.IsNil() {
			return r.value(v.Elem())
		}
	case reflect.Interface:
		if !v.IsNil() {
			out, k := r.copied(v)
			if k > 0 {
				v.Set(out)
			}
			return k
		}
	case reflect.Slice, reflect.Array:
		for i := 0; v.Type().Elem().Kind() != reflect.Uint8 && i < v.Len(); i++ {
			n += r.value(v.Index(i))
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			out, k := r.copied(it.Value())
			if k > 0 {
				v.SetMapIndex(it.Key(), out)
			}
			n += k
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				n += r.value(v.Field(i))
			}
		}
	}
	return n
}

// inside counts what Redact would replace in a value, which stays.
func (r redactor) inside(v reflect.Value) (n int) {
	for _, s := range Texts(v) {
		_, k := Redact(s, r.ids, r.names)
		n += k
	}
	return n
}

// copied redacts a copy of a value that cannot be set where it is.
func (r redactor) copied(v reflect.Value) (reflect.Value, int) {
	if v.Kind() == reflect.Interface && !v.IsNil() {
		v = v.Elem()
		switch v.Kind() {
		case reflect.Int64, reflect.Int, reflect.Uint64, reflect.Float64:
			if n := r.inside(v); n > 0 {
				return reflect.ValueOf(Mark), n
			}
		}
	}
	tmp := reflect.New(v.Type()).Elem()
	tmp.Set(v)
	n := r.value(tmp)
	return tmp, n
}
