package docstore

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// Field describes one field of a stored document, for the checks of the
// contract and the data map.
type Field struct {
	// Name is the stored name, GoName the struct field's.
	Name, GoName string
	// Sealed says that it lies in a sealed part, Body that it is the second one.
	Sealed, Body bool
	// Contract is the full name of the contract field it holds; Why says why it holds none.
	Contract, Why string
	Type          reflect.Type
}

// scalar is a clear field with a column.
type scalar struct {
	name string
	at   int
	col  Column
}

// part is a group of fields stored as one CBOR map by name.
type part struct {
	typ reflect.Type
	at  []int
}

// plan is how a Go type is split.
type plan struct {
	typ     reflect.Type
	fields  []Field
	at      map[string]int // stored name to struct field
	scalars []scalar
	rest    part // clear fields without a column
	sealed  part
	body    part
}

var (
	metaType = reflect.TypeFor[Meta]()
	nameRule = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)
	// reserved are the names of Meta in queries and indexes.
	reserved = []string{"account", "id", "owner", "rev", "created_at", "updated_at"}

	encMode = must(cbor.EncOptions{Sort: cbor.SortBytewiseLexical, Time: cbor.TimeRFC3339Nano}.EncMode())
	decMode = must(cbor.DecOptions{UTF8: cbor.UTF8DecodeInvalid, IntDec: cbor.IntDecConvertSignedOrFail, MaxNestedLevels: 64,
		MaxArrayElements: 1 << 20, MaxMapPairs: 1 << 20, DefaultMapType: reflect.TypeFor[map[string]any]()}.DecMode())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// FieldsOf returns the descriptions of a document type's fields, in order,
// without Meta's. It fails on a type that no collection could hold.
func FieldsOf(t reflect.Type) ([]Field, error) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t.NumField() == 0 || !t.Field(0).Anonymous || t.Field(0).Type != metaType {
		return nil, fmt.Errorf("%s must be a struct that embeds docstore.Meta first", t)
	}
	var fields []Field
	var errs []error
	seen := slices.Clone(reserved)
	for i := 1; i < t.NumField(); i++ {
		f, err := fieldOf(t.Field(i))
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("%s.%s: %w", t, t.Field(i).Name, err))
		case slices.Contains(seen, f.Name):
			errs = append(errs, fmt.Errorf("%s.%s: the name %q is taken", t, f.GoName, f.Name))
		default:
			seen = append(seen, f.Name)
			fields = append(fields, f)
		}
	}
	return fields, errors.Join(errs...)
}

func fieldOf(sf reflect.StructField) (Field, error) {
	tag, ok := sf.Tag.Lookup("doc")
	if !ok || !sf.IsExported() || sf.Anonymous {
		return Field{}, errors.New("a stored field is exported and has a doc tag")
	}
	f := Field{GoName: sf.Name, Contract: sf.Tag.Get("field"), Why: sf.Tag.Get("why"), Type: sf.Type}
	words := strings.Split(tag, ",")
	f.Name = words[0]
	if !nameRule.MatchString(f.Name) {
		return f, fmt.Errorf("bad stored name %q", f.Name)
	}
	for _, w := range words[1:] {
		switch w {
		case "seal":
			f.Sealed = true
		case "body":
			f.Body = true
		default:
			return f, fmt.Errorf("unknown word %q in the doc tag", w)
		}
	}
	if f.Body && !f.Sealed {
		return f, errors.New("a body field is sealed: write doc:\"name,seal,body\"")
	}
	if (f.Contract == "") == (f.Why == "") {
		return f, errors.New("needs either a field tag (the contract field it holds) or a why tag")
	}
	return f, nil
}

// newPlan splits a type into its clear, sealed and body parts.
func newPlan(t reflect.Type) (*plan, error) {
	fields, err := FieldsOf(t)
	if err != nil {
		return nil, err
	}
	p := &plan{typ: t, fields: fields, at: map[string]int{}}
	var rest, sealed, body []int
	for i, f := range fields {
		at := i + 1
		p.at[f.Name] = at
		kind, nullable, ok := scalarKind(f.Type)
		switch {
		case f.Body:
			body = append(body, at)
		case f.Sealed:
			sealed = append(sealed, at)
		case ok:
			p.scalars = append(p.scalars, scalar{f.Name, at, Column{f.Name, kind, nullable}})
		default:
			rest = append(rest, at)
		}
	}
	p.rest, p.sealed, p.body = p.newPart(rest), p.newPart(sealed), p.newPart(body)
	for _, q := range []part{p.rest, p.sealed, p.body} {
		if _, err := q.encode(reflect.New(t).Elem()); err != nil {
			return nil, fmt.Errorf("%s cannot be stored: %w", t, err)
		}
	}
	return p, nil
}

func (p *plan) newPart(at []int) part {
	if len(at) == 0 {
		return part{}
	}
	fields := make([]reflect.StructField, len(at))
	for i, a := range at {
		f := p.fields[a-1]
		fields[i] = reflect.StructField{Name: f.GoName, Type: f.Type, Tag: reflect.StructTag(`cbor:"` + f.Name + `,omitzero"`)}
	}
	return part{typ: reflect.StructOf(fields), at: at}
}

// encode returns the part of a document as CBOR, nil when all its fields are zero.
// Equal parts have equal bytes.
func (q part) encode(doc reflect.Value) ([]byte, error) {
	if q.typ == nil {
		return nil, nil
	}
	tmp := reflect.New(q.typ)
	for i, at := range q.at {
		f := tmp.Elem().Field(i)
		f.Set(doc.Field(at))
		switch t := f.Interface().(type) {
		case time.Time:
			f.Set(reflect.ValueOf(roundTime(t)))
		case *time.Time:
			if t != nil {
				r := roundTime(*t)
				f.Set(reflect.ValueOf(&r))
			}
		}
	}
	if tmp.Elem().IsZero() {
		return nil, nil
	}
	return encMode.Marshal(tmp.Interface())
}

// decode fills the part's fields from CBOR; nil makes them zero.
func (q part) decode(doc reflect.Value, data []byte) error {
	if q.typ == nil || data == nil {
		return nil
	}
	tmp := reflect.New(q.typ)
	if err := decMode.Unmarshal(data, tmp.Interface()); err != nil {
		// the decoder's text may quote what it read
		return errors.New("a stored part cannot be decoded")
	}
	for i, at := range q.at {
		doc.Field(at).Set(tmp.Elem().Field(i))
	}
	return nil
}

func roundTime(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return FromMillis(Millis(t))
}
