// Package form turns multipart/form-data into the JSON body that would have
// said the same. Files go out as they are read, to be staged; their ids take
// their place. No file is held in memory or on disk.
package form

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// The bounds of a form.
const (
	// MaxFiles is the largest size of all files together, in bytes.
	MaxFiles = 20 << 20
	// maxText is the largest size of all other parts together, in bytes.
	maxText = 1 << 20
	// maxParts is how many parts a form may have.
	maxParts = 1000
	// maxName bounds a file's name, in bytes.
	maxName = 255
)

// errFiles ends the reading of a file that makes the form too large.
var errFiles = errors.New("files are too large")

// Upload stages one file and returns its id. It must pass on an error of r, unread bytes included.
type Upload func(ctx context.Context, name, contentType string, r io.Reader) (int64, error)

// freeEntry is the name of one entry of a free map.
var freeEntry = regexp.MustCompile(`^([a-z_]+)\[([A-Za-z0-9_]+)\]$`)

// Read reads a form for an input message and returns its JSON. Part names are
// fields' names; lists have [] behind the name and repeat; an entry of a free
// map is map[name]. Files have the name attachments[]. Values are typed by the
// message's fields, an empty value of another type than string is null.
//
// The error is a *fault.Error: INVALID_JSON for a broken form, TOO_LARGE, or violations.
func Read(ctx context.Context, mr *multipart.Reader, input protoreflect.MessageDescriptor, upload Upload) ([]byte, error) {
	f := &form{input: input, upload: upload, values: map[string]*value{}}
	for n := 0; ; n++ {
		part, err := mr.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || n == maxParts {
			return nil, broken(err)
		}
		if err := f.part(ctx, part); err != nil {
			return nil, err
		}
	}
	if len(f.bad) > 0 {
		return nil, fault.Invalid(f.bad...)
	}
	return f.json(), nil
}

// broken says that the body is no form. A limit on the connection passes through.
func broken(err error) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return f
	}
	return fault.New(fault.KindInvalid, faultv1.Reason_REASON_INVALID_JSON, "Request body is no valid form").Because(err)
}

// form is a form that is being read.
type form struct {
	input  protoreflect.MessageDescriptor
	upload Upload
	order  []string
	values map[string]*value
	bad    []fault.Violation
	text   int
	files  int64
}

// value is what came under one name: one text, several, or entries.
type value struct {
	raw     string
	list    []string
	entries []string
	names   map[string]bool
}

func (f *form) refuse(field string, code faultv1.Reason, message string) {
	for _, v := range f.bad {
		if v.Field == field && v.Code == code {
			return
		}
	}
	f.bad = append(f.bad, fault.Violation{Field: field, Code: code, Message: message})
}

func (f *form) part(ctx context.Context, part *multipart.Part) error {
	name := part.FormName()
	if part.FileName() != "" || name == "attachments[]" || name == "attachments" {
		return f.file(ctx, name, part)
	}
	text, err := io.ReadAll(io.LimitReader(part, int64(maxText-f.text)+1))
	if err != nil {
		return broken(err)
	}
	if f.text += len(text); f.text > maxText {
		return fault.TooLarge("form", maxText)
	}
	if !utf8.Valid(text) {
		return broken(errors.New("text is not utf-8"))
	}
	f.add(name, string(text))
	return nil
}

// add files a text under its name.
func (f *form) add(name, text string) {
	if list, ok := strings.CutSuffix(name, "[]"); ok {
		v := f.value(list)
		v.list = append(v.list, f.raw(list, text))
		return
	}
	if m := freeEntry.FindStringSubmatch(name); m != nil {
		if fd := f.field(m[1]); fd != nil && fd.Message() != nil && fd.Message().FullName() == "google.protobuf.Struct" {
			f.entry(f.value(m[1]), m[1], m[2], text)
			return
		}
	}
	v := f.value(name)
	if v.raw != "" || v.list != nil || v.entries != nil {
		f.refuse(safe(name), faultv1.Reason_REASON_INVALID_VALUE, "It should be sent only once")
		return
	}
	v.raw = f.raw(name, text)
}

// entry files an entry of a free map. What type it has nobody knows here, so it stays text.
func (f *form) entry(v *value, field, name, text string) {
	if v.names[name] || v.raw != "" {
		f.refuse(field+"."+name, faultv1.Reason_REASON_INVALID_VALUE, "It should be sent only once")
		return
	}
	if v.names == nil {
		v.names = map[string]bool{}
	}
	v.names[name] = true
	v.entries = append(v.entries, quote(name)+":"+quote(text))
}

func (f *form) value(name string) *value {
	v := f.values[name]
	if v == nil {
		v = &value{}
		f.values[name] = v
		f.order = append(f.order, name)
	}
	return v
}

func (f *form) field(name string) protoreflect.FieldDescriptor {
	return f.input.Fields().ByName(protoreflect.Name(name))
}

// raw returns the JSON of a text for its field. What does not fit stays text,
// which the reader of the JSON then refuses with the right words.
func (f *form) raw(name, text string) string {
	fd := f.field(name)
	if fd == nil || fd.Kind() == protoreflect.StringKind {
		return quote(text)
	}
	trimmed := strings.TrimSpace(text)
	switch {
	case trimmed == "":
		return "null"
	case fd.Kind() == protoreflect.BoolKind && strings.EqualFold(trimmed, "true"):
		return "true"
	case fd.Kind() == protoreflect.BoolKind && strings.EqualFold(trimmed, "false"):
		return "false"
	case fd.Message() != nil && fd.Message().FullName() != "google.protobuf.Timestamp", fd.Kind() != protoreflect.MessageKind && fd.Kind() != protoreflect.BoolKind:
		if json.Valid([]byte(trimmed)) {
			return trimmed
		}
	}
	return quote(text)
}

func quote(s string) string {
	b, _ := json.Marshal(s) // a string always can
	return string(b)
}

// safe returns a name that may be told back.
func safe(name string) string {
	for _, r := range name {
		if r != '_' && r != '[' && r != ']' && (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			return "unknown"
		}
	}
	return name
}

// json writes what was read as one object.
func (f *form) json() []byte {
	b := []byte{'{'}
	for i, name := range f.order {
		if i > 0 {
			b = append(b, ',')
		}
		v := f.values[name]
		b = append(b, quote(name)...)
		b = append(b, ':')
		switch {
		case v.list != nil:
			b = append(append(append(b, '['), strings.Join(v.list, ",")...), ']')
		case v.entries != nil:
			b = append(append(append(b, '{'), strings.Join(v.entries, ",")...), '}')
		default:
			b = append(b, v.raw...)
		}
	}
	return append(b, '}')
}

// file stages a file, or reads past it when the form is refused anyway.
func (f *form) file(ctx context.Context, name string, part *multipart.Part) error {
	switch {
	case name != "attachments[]" && name != "attachments" || f.field("attachment_ids") == nil:
		f.refuse(safe(strings.TrimSuffix(name, "[]")), faultv1.Reason_REASON_INVALID_FIELD, "Unexpected/invalid field in request")
	case part.FileName() == "":
		f.refuse("attachments", faultv1.Reason_REASON_DATATYPE_MISMATCH, "It should be a/an file")
	}
	r := &counted{r: part, left: MaxFiles - f.files}
	if len(f.bad) > 0 {
		if _, err := io.Copy(io.Discard, r); err != nil && !errors.Is(err, errFiles) {
			return broken(err)
		}
		return nil
	}
	id, err := f.upload(ctx, cleanName(part.FileName()), cleanType(part.Header.Get("Content-Type")), r)
	if f.files = MaxFiles - r.left; r.err != nil {
		err = r.err
	}
	switch {
	case errors.Is(err, errFiles):
		return fault.InvalidValue("attachments", fmt.Sprintf("The total size of attachments should not exceed %d MB", MaxFiles>>20))
	case r.err != nil:
		return broken(r.err)
	case err != nil:
		return fault.From(err)
	}
	v := f.value("attachment_ids")
	v.list = append(v.list, strconv.FormatInt(id, 10))
	return nil
}

// counted reads until the form's files are too large, and remembers why it ended.
type counted struct {
	r    io.Reader
	left int64
	err  error
}

// Read passes bytes on until there are too many.
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.left -= int64(n); c.left < 0 {
		n, err = 0, errFiles
	}
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}

// cleanName keeps a file's name without what no name needs: paths, control characters, excess length.
func cleanName(name string) string {
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, name)
	for len(name) > maxName {
		_, n := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-n]
	}
	if name == "" {
		return "file"
	}
	return name
}

// cleanType keeps a media type that can be read, and makes any other the one that says nothing.
func cleanType(contentType string) string {
	t, params, err := mime.ParseMediaType(contentType)
	if err != nil || len(contentType) > maxName {
		return "application/octet-stream"
	}
	if clean := mime.FormatMediaType(t, params); clean != "" {
		return clean
	}
	return "application/octet-stream"
}
