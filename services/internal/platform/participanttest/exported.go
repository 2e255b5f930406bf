package participanttest

import (
	"bytes"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/contract"
)

// record is an exported record or file as it came.
type record struct {
	resource string
	message  proto.Message
	// wire is the record in its one encoding, with the bytes of the files before it.
	wire   []byte
	cursor string
}

// exported is what an export holds.
type exported []record

// export runs an export from a cursor to its end.
func (w *world) export(p Person, cursor string) (exported, error) {
	in := &participantv1.ExportRequest{Subject: p.subject(), Scope: participantv1.ExportScope_EXPORT_SCOPE_ACCESS.Enum()}
	if cursor != "" {
		in.Cursor = &cursor
	}
	answers, err := all(w.api.Export(w.as(p), in))
	if err != nil {
		return nil, err
	}
	var out exported
	var files []byte
	for _, a := range answers {
		switch {
		case a.GetRecord() != nil:
			m, err := a.GetRecord().UnmarshalNew()
			if err != nil {
				return nil, err
			}
			wire, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
			if err != nil {
				return nil, err
			}
			r := record{message: m, wire: append(wire, files...), cursor: a.GetCursor()}
			if o := contract.Resource(m.ProtoReflect().Descriptor()); o != nil {
				r.resource = o.GetName()
			}
			out, files = append(out, r), nil
		case a.GetFile() != nil:
			head, err := proto.MarshalOptions{Deterministic: true}.Marshal(a.GetFile())
			if err != nil {
				return nil, err
			}
			files = append(files, head...)
		default:
			files = append(files, a.GetData()...)
		}
	}
	if files != nil {
		w.errorf("a file without its record ends the export")
	}
	return out, nil
}

// mustExport wants the whole export.
func (w *world) mustExport(p Person) exported {
	out, err := w.export(p, "")
	w.ok(err)
	return out
}

// byResource counts the records.
func (e exported) byResource() map[string]int64 {
	n := map[string]int64{}
	for _, r := range e {
		n[r.resource]++
	}
	return n
}

// equal says whether two exports hold the same records, byte by byte, in the same order.
func (e exported) equal(other exported) bool {
	return slices.EqualFunc(e, other, func(a, b record) bool { return a.resource == b.resource && bytes.Equal(a.wire, b.wire) })
}

// same says whether two counts agree, with what is zero left out or not.
func same(a, b map[string]int64) bool {
	drop := func(_ string, n int64) bool { return n == 0 }
	a, b = maps.Clone(a), maps.Clone(b)
	maps.DeleteFunc(a, drop)
	maps.DeleteFunc(b, drop)
	return maps.Equal(a, b)
}
