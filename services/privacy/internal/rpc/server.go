// Package rpc answers the gRPC calls of privacy: its own service, and the
// participant contract for the exports it keeps.
package rpc

import (
	"context"

	"google.golang.org/grpc"

	privacyv1 "github.com/lethe-desk/lethe/gen/go/lethe/privacy/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/page"
	"github.com/lethe-desk/lethe/services/privacy/internal/app"
	"github.com/lethe-desk/lethe/services/privacy/internal/store"
)

// Server implements privacyv1.PrivacyServiceServer.
type Server struct {
	privacyv1.UnimplementedPrivacyServiceServer
	// App carries the calls out.
	App *app.App
}

// DeleteContact hides a contact.
func (s *Server) DeleteContact(ctx context.Context, in *privacyv1.DeleteContactRequest) (*privacyv1.DeleteContactResponse, error) {
	return &privacyv1.DeleteContactResponse{}, s.App.DeleteContact(ctx, in.GetId())
}

// RestoreContact shows a hidden contact again.
func (s *Server) RestoreContact(ctx context.Context, in *privacyv1.RestoreContactRequest) (*privacyv1.RestoreContactResponse, error) {
	return &privacyv1.RestoreContactResponse{}, s.App.RestoreContact(ctx, in.GetId())
}

// HardDeleteContact erases a contact and answers once no key of it is left.
func (s *Server) HardDeleteContact(ctx context.Context, in *privacyv1.HardDeleteContactRequest) (*privacyv1.HardDeleteContactResponse, error) {
	return &privacyv1.HardDeleteContactResponse{}, s.App.HardDeleteContact(ctx, in.GetId(), in.GetForce())
}

// CreateRequest raises a request.
func (s *Server) CreateRequest(ctx context.Context, in *privacyv1.CreateRequestRequest) (*privacyv1.CreateRequestResponse, error) {
	r, err := s.App.CreateRequest(ctx, app.Raise{
		Kind: in.GetRequest().GetKind(), Contact: in.GetRequest().GetContactId(), Ticket: in.GetRequest().GetTicketId(),
		Direct: in.GetRequest().GetDirect(), Key: in.GetIdempotencyKey(),
	})
	if err != nil {
		return nil, err
	}
	return &privacyv1.CreateRequestResponse{Request: requestOf(r)}, nil
}

// GetRequest reads one request.
func (s *Server) GetRequest(ctx context.Context, in *privacyv1.GetRequestRequest) (*privacyv1.GetRequestResponse, error) {
	r, err := s.App.GetRequest(ctx, in.GetId())
	if err != nil {
		return nil, err
	}
	return &privacyv1.GetRequestResponse{Request: requestOf(r)}, nil
}

// ApproveRequest approves a request and starts it.
func (s *Server) ApproveRequest(ctx context.Context, in *privacyv1.ApproveRequestRequest) (*privacyv1.ApproveRequestResponse, error) {
	r, err := s.App.ApproveRequest(ctx, in.GetId())
	if err != nil {
		return nil, err
	}
	return &privacyv1.ApproveRequestResponse{Request: requestOf(r)}, nil
}

// RefuseRequest closes a request with a ground.
func (s *Server) RefuseRequest(ctx context.Context, in *privacyv1.RefuseRequestRequest) (*privacyv1.RefuseRequestResponse, error) {
	r, err := s.App.RefuseRequest(ctx, in.GetId(), in.GetGround())
	if err != nil {
		return nil, err
	}
	return &privacyv1.RefuseRequestResponse{Request: requestOf(r)}, nil
}

// ListRequests reads a page of requests.
func (s *Server) ListRequests(ctx context.Context, in *privacyv1.ListRequestsRequest) (*privacyv1.ListRequestsResponse, error) {
	p, err := page.Of(in.Page, in.PerPage)
	if err != nil {
		return nil, err
	}
	rs, more, err := s.App.ListRequests(ctx, in.GetContactId(), p.Skip(), p.Size)
	if err != nil {
		return nil, err
	}
	out := &privacyv1.ListRequestsResponse{More: &more}
	for _, r := range rs {
		out.Requests = append(out.Requests, requestOf(r))
	}
	return out, nil
}

// GetExport reads the state of an export.
func (s *Server) GetExport(ctx context.Context, in *privacyv1.GetExportRequest) (*privacyv1.GetExportResponse, error) {
	e, err := s.App.GetExport(ctx, in.GetId())
	if err != nil {
		return nil, err
	}
	return &privacyv1.GetExportResponse{Export: exportOf(e)}, nil
}

// DownloadExport streams an archive.
func (s *Server) DownloadExport(in *privacyv1.DownloadExportRequest, stream grpc.ServerStreamingServer[privacyv1.DownloadExportResponse]) error {
	head := func(e *store.Export) error {
		return stream.Send(&privacyv1.DownloadExportResponse{Part: &privacyv1.DownloadExportResponse_Export{Export: exportOf(e)}})
	}
	return s.App.Download(stream.Context(), in.GetId(), head, func(b []byte) error {
		return stream.Send(&privacyv1.DownloadExportResponse{Part: &privacyv1.DownloadExportResponse_Data{Data: append([]byte(nil), b...)}})
	})
}

// ListSagas reads a page of sagas.
func (s *Server) ListSagas(ctx context.Context, in *privacyv1.ListSagasRequest) (*privacyv1.ListSagasResponse, error) {
	p, err := page.Of(in.Page, in.PerPage)
	if err != nil {
		return nil, err
	}
	rows, more, err := s.App.ListSagas(ctx, in.GetSubject(), in.GetState(), p.Skip(), p.Size)
	if err != nil {
		return nil, err
	}
	out := &privacyv1.ListSagasResponse{More: &more}
	for _, r := range rows {
		out.Sagas = append(out.Sagas, sagaOf(r))
	}
	return out, nil
}

// GetSaga reads one saga.
func (s *Server) GetSaga(ctx context.Context, in *privacyv1.GetSagaRequest) (*privacyv1.GetSagaResponse, error) {
	row, err := s.App.GetSaga(ctx, in.GetId())
	if err != nil {
		return nil, err
	}
	return &privacyv1.GetSagaResponse{Saga: sagaOf(row)}, nil
}

// RetrySaga resumes a parked saga.
func (s *Server) RetrySaga(ctx context.Context, in *privacyv1.RetrySagaRequest) (*privacyv1.RetrySagaResponse, error) {
	row, err := s.App.RetrySaga(ctx, in.GetId())
	if err != nil {
		return nil, err
	}
	return &privacyv1.RetrySagaResponse{Saga: sagaOf(row)}, nil
}

// CancelSaga takes a saga back.
func (s *Server) CancelSaga(ctx context.Context, in *privacyv1.CancelSagaRequest) (*privacyv1.CancelSagaResponse, error) {
	row, err := s.App.CancelSaga(ctx, in.GetId())
	if err != nil {
		return nil, err
	}
	return &privacyv1.CancelSagaResponse{Saga: sagaOf(row)}, nil
}

// WatchSaga streams a saga's movements.
func (s *Server) WatchSaga(in *privacyv1.WatchSagaRequest, stream grpc.ServerStreamingServer[privacyv1.WatchSagaResponse]) error {
	events, err := s.App.WatchSaga(stream.Context(), in.GetId(), in.GetAfter())
	if err != nil {
		return err
	}
	for ev, err := range events {
		if err != nil {
			return err
		}
		if err := stream.Send(&privacyv1.WatchSagaResponse{Event: eventOf(ev)}); err != nil {
			return err
		}
	}
	return nil
}
