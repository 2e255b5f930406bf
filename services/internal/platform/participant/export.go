package participant

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// chunk is the size of a piece of a file on the wire.
const chunk = 64 << 10

// recheck is after how many bytes of a file the ring is asked whether the export may go on.
const recheck = 1 << 20

// Export streams the person's records, resource by resource. A cursor is
// "<number of the resource>:<the resource's own cursor>". It is refused as
// FENCED while an erasure withholds the person's data, also when the fence comes
// during the stream: an export is never short in silence.
func (s *Server) Export(in *participantv1.ExportRequest, stream grpc.ServerStreamingServer[participantv1.ExportResponse]) error {
	ctx := stream.Context()
	who, err := subject(ctx, in.GetSubject())
	if err != nil {
		return err
	}
	if in.GetScope() != participantv1.ExportScope_EXPORT_SCOPE_ACCESS {
		return fault.InvalidValue("scope", "access is the one scope there is")
	}
	from, after, err := s.position(in.GetCursor())
	if err != nil {
		return err
	}
	before, err := s.exportable(ctx, who)
	if err != nil {
		return err
	}
	for i := from; i < len(s.resources); i++ {
		e := exporter{
			ctx: ctx, stream: stream, number: i, name: s.resources[i].name(),
			check: func() error { return s.unmoved(ctx, who, before) },
		}
		if err := s.resources[i].Export(ctx, who, after, e.emit); err != nil {
			return resourceFault(err)
		}
		after = ""
	}
	// Records of a fenced owner are skipped in silence, so the end has to ask.
	return s.unmoved(ctx, who, before)
}

// exportable reads the entry of a person whose data may be handed out, else it is FENCED.
func (s *Server) exportable(ctx context.Context, who ring.Subject) (ring.Entry, error) {
	entry, err := s.entry(ctx, who)
	if err == nil && !ring.Allow(entry.Modes(), ring.Export) {
		err = storeFault(docstore.ErrFenced)
	}
	return entry, err
}

// unmoved makes sure that no fence has withheld anything since the entry was
// read. One that came and went shows in the token: then what was sent may have
// gaps and is to be asked for again.
func (s *Server) unmoved(ctx context.Context, who ring.Subject, before ring.Entry) error {
	now, err := s.exportable(ctx, who)
	if err == nil && now.Highest != before.Highest {
		err = fault.Unavailable(errMoved)
	}
	return err
}

// errMoved means that fences were set or removed during an export.
var errMoved = errors.New("fences moved during the export")

func (s *Server) position(cursor string) (int, string, error) {
	if cursor == "" {
		return 0, "", nil
	}
	number, after, found := strings.Cut(cursor, ":")
	i, err := strconv.Atoi(number)
	if !found || err != nil || i < 0 || i >= len(s.resources) {
		return 0, "", fault.InvalidValue("cursor", "not a cursor of this participant")
	}
	return i, after, nil
}

type exporter struct {
	ctx    context.Context
	stream grpc.ServerStreamingServer[participantv1.ExportResponse]
	number int
	name   string
	// check asks the ring whether the stream may go on.
	check func() error
}

// emit sends a record's files before the record: the cursor moves with the
// record, so a broken stream repeats both or neither.
func (e exporter) emit(cursor string, record proto.Message, files ...File) error {
	for _, f := range files {
		if err := e.file(f); err != nil {
			return err
		}
	}
	packed, err := anypb.New(record)
	if err != nil {
		return fmt.Errorf("pack a record of %s: %w", e.name, err)
	}
	return e.stream.Send(&participantv1.ExportResponse{
		Cursor: proto.String(fmt.Sprintf("%d:%s", e.number, cursor)),
		Part:   &participantv1.ExportResponse_Record{Record: packed},
	})
}

func (e exporter) file(f File) error {
	err := e.stream.Send(&participantv1.ExportResponse{Part: &participantv1.ExportResponse_File{File: &participantv1.ExportFile{
		Name: &f.Name, ContentType: &f.ContentType, Size: &f.Size, Resource: &e.name, RecordId: &f.RecordID, Id: &f.ID,
	}}})
	if err != nil {
		return err
	}
	r, err := f.Open(e.ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	buf := make([]byte, chunk)
	for sent := 0; ; {
		n, err := r.Read(buf)
		if n > 0 {
			if err := e.stream.Send(&participantv1.ExportResponse{Part: &participantv1.ExportResponse_Data{Data: append([]byte(nil), buf[:n]...)}}); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if sent += n; sent >= recheck {
			sent = 0
			if err := e.check(); err != nil {
				return err
			}
		}
	}
}
