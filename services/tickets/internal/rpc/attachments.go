package rpc

import (
	"context"
	"errors"
	"io"

	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/tickets/internal/app"
	"google.golang.org/grpc"
)

const (
	// piece is the size of a piece of a download.
	piece = 64 << 10
	// askAgain is after how many pieces the ring is asked again.
	askAgain = 16
)

// attachments implements AttachmentsService.
type attachments struct {
	ticketsv1.UnimplementedAttachmentsServiceServer
	app *app.App
}

// UploadAttachment stages a file.
func (s *attachments) UploadAttachment(stream grpc.ClientStreamingServer[ticketsv1.UploadAttachmentRequest, ticketsv1.UploadAttachmentResponse]) error {
	ctx := stream.Context()
	first, err := stream.Recv()
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	head := first.GetHead()
	if head == nil {
		return missing("name")
	}
	up := app.Upload{Name: head.GetName(), ContentType: head.GetContentType(), Owner: head.OwnerId}
	f, err := s.app.UploadAttachment(ctx, caller(ctx), up, &pieces{recv: stream.Recv})
	if err != nil {
		return err
	}
	return stream.SendAndClose(&ticketsv1.UploadAttachmentResponse{Attachment: showFile(f)})
}

// pieces reads the bytes of an upload.
type pieces struct {
	recv func() (*ticketsv1.UploadAttachmentRequest, error)
	rest []byte
}

// Read reads the next bytes; io.EOF at the end of the stream.
func (p *pieces) Read(b []byte) (int, error) {
	for len(p.rest) == 0 {
		m, err := p.recv()
		if err != nil {
			return 0, err
		}
		if m.GetHead() != nil {
			return 0, missing("data")
		}
		p.rest = m.GetData()
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// DownloadAttachment streams a file, and stops when a fence comes down on its owner.
func (s *attachments) DownloadAttachment(in *ticketsv1.DownloadAttachmentRequest, stream grpc.ServerStreamingServer[ticketsv1.DownloadAttachmentResponse]) error {
	ctx := stream.Context()
	d, err := s.app.DownloadAttachment(ctx, caller(ctx), in.GetId())
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }() // nothing was written
	err = stream.Send(&ticketsv1.DownloadAttachmentResponse{Part: &ticketsv1.DownloadAttachmentResponse_Attachment{Attachment: showFile(d.File)}})
	for n := 1; err == nil; n++ {
		if n%askAgain == 0 {
			if err := d.Check(ctx); err != nil {
				return err
			}
		}
		var got int
		buf := make([]byte, piece)
		got, err = io.ReadFull(d, buf)
		if got > 0 {
			if serr := stream.Send(&ticketsv1.DownloadAttachmentResponse{Part: &ticketsv1.DownloadAttachmentResponse_Data{Data: buf[:got]}}); serr != nil {
				return serr
			}
		}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// DeleteAttachment removes a file for good.
func (s *attachments) DeleteAttachment(ctx context.Context, in *ticketsv1.DeleteAttachmentRequest) (*ticketsv1.DeleteAttachmentResponse, error) {
	return &ticketsv1.DeleteAttachmentResponse{}, s.app.DeleteAttachment(ctx, caller(ctx), in.Id)
}
