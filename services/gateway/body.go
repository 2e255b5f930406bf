package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/gateway/internal/form"
	"github.com/lethe-desk/lethe/services/gateway/internal/route"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/wire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/emptypb"
)

const (
	// maxForm bounds a form: the files and what lies around them.
	maxForm = form.MaxFiles + 2<<20
	// chunk is how much of a file goes into one message.
	chunk = 64 << 10
)

// readBody reads the body into the message its route takes, and returns the
// paths it holds. A route that takes none accepts nothing and {}.
func (g *Gateway) readBody(ctx context.Context, w http.ResponseWriter, c *call) (proto.Message, []string, error) {
	var message proto.Message = &emptypb.Empty{}
	if c.route.Whole {
		message = c.route.Input.New().Interface()
	} else if c.route.Body != nil {
		mt, err := protoregistry.GlobalTypes.FindMessageByName(c.route.Body.Message().FullName())
		if err != nil {
			return nil, nil, fault.Internal(err)
		}
		message = mt.New().Interface()
	}
	data, err := g.bodyJSON(ctx, w, c, message)
	if err != nil {
		return nil, nil, err
	}
	var paths []string
	if len(data) > 0 {
		if paths, err = wire.Unmarshal(data, message); err != nil {
			return nil, nil, err
		}
	}
	if c.route.Whole {
		return message, nil, onlySent(c.route, paths)
	}
	if c.route.Body == nil {
		return nil, nil, nil
	}
	return message, paths, nil
}

// onlySent refuses members of a body that the path or a header fills.
func onlySent(r *route.Route, paths []string) error {
	var bad []fault.Violation
	for _, name := range paths {
		if !r.Sent(name) {
			bad = append(bad, fault.Violation{Field: name, Code: faultv1.Reason_REASON_INVALID_FIELD, Message: "Unexpected/invalid field in request"})
		}
	}
	if len(bad) > 0 {
		return fault.Invalid(bad...)
	}
	return nil
}

// bodyJSON returns the body as JSON; a form becomes it.
func (g *Gateway) bodyJSON(ctx context.Context, w http.ResponseWriter, c *call, message proto.Message) ([]byte, error) {
	if c.in.Body == nil || c.in.Body == http.NoBody {
		return nil, nil
	}
	if c.mediaType() == formType && c.in.ContentLength != 0 {
		in := *c.in
		in.Body = http.MaxBytesReader(w, c.in.Body, maxForm)
		mr, err := in.MultipartReader()
		if err != nil {
			return nil, fault.New(fault.KindInvalid, faultv1.Reason_REASON_INVALID_JSON, "Request body is no valid form").Because(err)
		}
		data, err := form.Read(ctx, mr, message.ProtoReflect().Descriptor(), g.upload)
		return data, tooLarge(err, maxForm)
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, c.in.Body, wire.MaxBytes))
	if err != nil {
		var limit *http.MaxBytesError
		if errors.As(err, &limit) {
			return nil, tooLarge(err, wire.MaxBytes)
		}
		return nil, fault.New(fault.KindInvalid, faultv1.Reason_REASON_INVALID_JSON, "Request body could not be read").Because(err)
	}
	return data, nil
}

// tooLarge makes a fault of a body's limit and passes everything else through.
func tooLarge(err error, limit int64) error {
	var max *http.MaxBytesError
	if errors.As(err, &max) {
		return fault.TooLarge("body", limit).Because(err)
	}
	return err
}

// upload stages a file at tickets. When its bytes cannot be read to the end the
// call is cancelled, so that no part of a file is taken for the whole.
func (g *Gateway) upload(ctx context.Context, name, contentType string, r io.Reader) (int64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := g.attachments.UploadAttachment(ctx)
	if err != nil {
		return 0, err
	}
	head := &ticketsv1.UploadHead{Name: proto.String(name), ContentType: proto.String(contentType)}
	err = stream.Send(&ticketsv1.UploadAttachmentRequest{Part: &ticketsv1.UploadAttachmentRequest_Head{Head: head}})
	for err == nil {
		// A message may still be on its way when Send returns, so each has bytes of its own.
		buffer := make([]byte, chunk)
		n, readErr := io.ReadFull(r, buffer)
		if n > 0 {
			err = stream.Send(&ticketsv1.UploadAttachmentRequest{Part: &ticketsv1.UploadAttachmentRequest_Data{Data: buffer[:n]}})
		}
		if errors.Is(readErr, io.EOF) || errors.Is(readErr, io.ErrUnexpectedEOF) {
			break
		}
		if readErr != nil {
			return 0, readErr
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	// io.EOF of Send means that the service has answered already; its answer says why.
	resp, err := stream.CloseAndRecv()
	if err != nil {
		return 0, err
	}
	return resp.GetAttachment().GetId(), nil
}
