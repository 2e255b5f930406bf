package store

import (
	"reflect"
	"testing"
	"time"

	"github.com/lethe-desk/lethe/services/tickets/internal/ticket"
	"pgregory.net/rapid"
)

// fill sets every field of a value below v at random, absent ones included
// unless whole. Records stay empty: the table fills them.
func fill(t *rapid.T, v reflect.Value, whole bool) {
	switch v.Interface().(type) {
	case ticket.Record:
		return
	case time.Time:
		v.Set(reflect.ValueOf(time.UnixMilli(rapid.Int64Range(1, 1<<42).Draw(t, "time")).UTC()))
		return
	case map[string]any:
		v.Set(reflect.ValueOf(map[string]any{"a": rapid.Float64().Draw(t, "number"), "b": rapid.Bool().Draw(t, "bool"), "c": rapid.String().Draw(t, "text")}))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if whole || rapid.Bool().Draw(t, "present") {
			v.Set(reflect.New(v.Type().Elem()))
			fill(t, v.Elem(), whole)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), whole)
		}
	case reflect.Slice:
		n := rapid.IntRange(0, 3).Draw(t, "length")
		if whole {
			n++
		}
		for range n {
			e := reflect.New(v.Type().Elem()).Elem()
			fill(t, e, whole)
			v.Set(reflect.Append(v, e))
		}
	case reflect.String:
		v.SetString(rapid.StringN(1, 20, -1).Draw(t, "string"))
	case reflect.Bool:
		v.SetBool(whole || rapid.Bool().Draw(t, "bool"))
	case reflect.Uint8:
		v.SetUint(uint64(rapid.Uint8Min(1).Draw(t, "byte")))
	case reflect.Int32, reflect.Int64:
		v.SetInt(int64(rapid.Int32Min(1).Draw(t, "int")))
	default:
		t.Fatalf("no value for a %s", v.Type())
	}
}

// roundTrip makes a document of a random value and a value of the document.
func roundTrip[T, D any](t *testing.T, to func(*T, *D), from func(*D, *T)) {
	t.Helper()
	rapid.Check(t, func(t *rapid.T) {
		var v, back T
		var d D
		fill(t, reflect.ValueOf(&v).Elem(), rapid.Bool().Draw(t, "whole"))
		to(&v, &d)
		from(&d, &back)
		if !reflect.DeepEqual(v, back) {
			t.Fatalf("made %+v\ngot  %+v", v, back)
		}
	})
}

func TestDocumentsHoldEverything(t *testing.T) {
	roundTrip(t, ticketTo, ticketFrom)
	roundTrip(t, conversationTo, conversationFrom)
	roundTrip(t, attachmentTo, attachmentFrom)
	roundTrip(t, threadTo, threadFrom)
	roundTrip(t, messageTo, messageFrom)
	roundTrip(t, callTo, callFrom)
	roundTrip(t, chatTo, chatFrom)
}
