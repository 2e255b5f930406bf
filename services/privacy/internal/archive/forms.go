package archive

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	_ "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1" // the records' types have to be known here
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	_ "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/wire"
)

// section tracks which resource is being written; parts hold them one after the other.
type section struct {
	participant, resource string
	records               int64
}

// moved reports whether a record opens another resource, and goes there.
func (s *section) moved(participant, resource string) bool {
	if s.participant == participant && s.resource == resource {
		return false
	}
	*s = section{participant: participant, resource: resource}
	return true
}

// jsonForm writes data/<service>/<resource>.json: an array in the shape the REST API answers.
type jsonForm struct {
	z  *bundle
	w  io.Writer
	at section
}

func (f *jsonForm) record(participant, resource string, m proto.Message) error {
	before := f.at
	if f.at.moved(participant, resource) {
		if err := f.close(before); err != nil {
			return err
		}
		w, err := f.z.begin("data/" + participant + "/" + resource + ".json")
		if err != nil {
			return err
		}
		f.w = w
	}
	b, err := wire.Marshal(m, wire.Options{})
	if err != nil {
		return err
	}
	lead := ",\n"
	if f.at.records == 0 {
		lead = "[\n"
	}
	f.at.records++
	_, err = fmt.Fprintf(f.w, "%s%s", lead, b)
	return err
}

func (f *jsonForm) close(s section) error {
	if s.records == 0 {
		return nil
	}
	f.z.manifest.resource(s.participant, s.resource, s.records)
	_, err := io.WriteString(f.w, "\n]\n")
	return err
}

func (f *jsonForm) end() error { return f.close(f.at) }

// csvForm writes tables/<service>-<resource>.csv: a column per field, what is no scalar as JSON.
type csvForm struct {
	z  *bundle
	w  *csv.Writer
	at section
}

func (f *csvForm) record(participant, resource string, m proto.Message) error {
	fields := m.ProtoReflect().Descriptor().Fields()
	row := make([]string, fields.Len())
	if f.at.moved(participant, resource) {
		if err := f.end(); err != nil {
			return err
		}
		w, err := f.z.begin("tables/" + participant + "-" + resource + ".csv")
		if err != nil {
			return err
		}
		f.w = csv.NewWriter(w)
		for i := range row {
			row[i] = string(fields.Get(i).Name())
		}
		if err := f.w.Write(row); err != nil {
			return err
		}
	}
	for i := range row {
		cell, err := text(m.ProtoReflect(), fields.Get(i))
		if err != nil {
			return err
		}
		row[i] = harmless(cell)
	}
	return f.w.Write(row)
}

// harmless keeps a spreadsheet from taking text for a formula; the exact text is in the JSON file.
func harmless(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r\n", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

// text is a field's value for people: plain for text and numbers, JSON for the rest, "" when unset.
func text(m protoreflect.Message, fd protoreflect.FieldDescriptor) (string, error) {
	if !m.Has(fd) {
		return "", nil
	}
	if !fd.IsList() && !fd.IsMap() && fd.Message() == nil {
		return m.Get(fd).String(), nil
	}
	b, err := wire.AppendField(nil, m.Interface(), fd, wire.Options{})
	return strings.Trim(string(b), `"`), err
}

func (f *csvForm) end() error {
	if f.w == nil {
		return nil
	}
	f.w.Flush()
	return f.w.Error()
}

// fileForm writes files/<resource>/<record>/<id>-<name>.
type fileForm struct {
	z *bundle
	w io.Writer
}

func (f *fileForm) file(head *participantv1.ExportFile) error {
	w, err := f.z.begin(pathOf(head))
	f.w = w
	f.z.files++
	return err
}

// errNoFile means that a participant sent bytes of no file.
var errNoFile = errors.New("bytes of a file that was not announced")

func (f *fileForm) data(b []byte) error {
	if f.w == nil {
		return errNoFile
	}
	_, err := f.w.Write(b)
	return err
}

func (f *fileForm) end() error { return nil }

// pathOf is where a file lies in the archive. A name from outside cannot leave its folder.
func pathOf(head *participantv1.ExportFile) string {
	return "files/" + safe(head.GetResource()) + "/" + safe(head.GetRecordId()) + "/" + safe(head.GetId()+"-"+head.GetName())
}

// maxName bounds the length of a file name in the archive, in bytes.
const maxName = 150

func safe(name string) string {
	name = strings.Map(func(r rune) rune {
		// Cf are marks without a shape, such as those that turn the direction of writing round.
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || strings.ContainsRune(`/\:*?"<>|`, r) {
			return '_'
		}
		return r
	}, name)
	if len(name) > maxName {
		name = strings.ToValidUTF8(name[:maxName], "")
	}
	if name = strings.TrimLeft(name, "."); name == "" {
		return "_"
	}
	return name
}
