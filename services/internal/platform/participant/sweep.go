package participant

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// chunk is the size of a piece of a file on the wire.
const chunk = 64 << 10

// Sweep deletes what the destroyed key has made unreadable, page by page, and
// answers one outcome per resource. It is refused while the key still exists,
// and under a token lower than one seen.
func (s *Server) Sweep(in *participantv1.SweepRequest, stream grpc.ServerStreamingServer[participantv1.SweepResponse]) error {
	ctx := stream.Context()
	who, err := subject(ctx, in.GetSubject())
	if err != nil {
		return err
	}
	tok, err := saga(in.GetSaga(), in.GetToken())
	if err != nil {
		return err
	}
	// Destroy again: it refuses a stale token and a missing fence, and does nothing else the second time.
	if err := s.db.Destroy(ctx, who, in.GetSaga(), tok); err != nil {
		return storeFault(err)
	}
	last := &participantv1.SweepResponse{}
	var done int64
	for _, r := range s.resources {
		n, err := sweepOne(ctx, r, who, func(n int) error {
			done += int64(n)
			return stream.Send(&participantv1.SweepResponse{Done: proto.Int64(done)})
		})
		if err != nil {
			return err
		}
		last.Outcomes = append(last.Outcomes, outcome(r, n))
	}
	last.Done = proto.Int64(done)
	return stream.Send(last)
}

func sweepOne(ctx context.Context, r Resource, who ring.Subject, progress func(n int) error) (int64, error) {
	var total int64
	for {
		n, more, err := r.Sweep(ctx, who, sweepPage)
		if err != nil {
			return total, storeFault(err)
		}
		total += int64(n)
		if n > 0 {
			if err := progress(n); err != nil {
				return total, err
			}
		}
		if !more {
			return total, nil
		}
	}
}

func outcome(r Resource, n int64) *participantv1.Outcome {
	kind := participantv1.OutcomeKind_OUTCOME_KIND_ERASED
	if n == 0 {
		kind = participantv1.OutcomeKind_OUTCOME_KIND_NONE_FOUND
	}
	return &participantv1.Outcome{Resource: proto.String(r.name()), Category: r.Category.Enum(), Kind: kind.Enum(), Count: proto.Int64(n)}
}

// Export streams the person's records, resource by resource. A cursor is
// "<number of the resource>:<the resource's own cursor>".
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
	for i := from; i < len(s.resources); i++ {
		e := exporter{ctx: ctx, stream: stream, number: i, name: s.resources[i].name()}
		if err := s.resources[i].Export(ctx, who, after, e.emit); err != nil {
			return storeFault(err)
		}
		after = ""
	}
	return nil
}

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
	for {
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
	}
}
