// Package rpc is the gRPC side of the ratings service: its methods, the
// conversions between messages and the domain, and its part in the participant contract.
package rpc

import (
	"context"

	ratingsv1 "github.com/lethe-desk/lethe/gen/go/lethe/ratings/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/idem"
	"github.com/lethe-desk/lethe/services/internal/platform/page"
	"github.com/lethe-desk/lethe/services/ratings/internal/app"
	"github.com/lethe-desk/lethe/services/ratings/internal/rating"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

// Services are the full names of what Register registers, the participant contract aside.
var Services = []string{"lethe.ratings.v1.RatingsService"}

// Register registers the service.
func Register(r grpc.ServiceRegistrar, a *app.App) {
	ratingsv1.RegisterRatingsServiceServer(r, &ratings{app: a})
}

// ratings implements RatingsService.
type ratings struct {
	ratingsv1.UnimplementedRatingsServiceServer
	app *app.App
}

// account is the desk of who calls, as the interceptor found it.
func account(ctx context.Context) int64 { return authn.Caller(ctx).Account }

// keyOf makes the idempotency key of a call; the hash is over the whole request
// but the key, the ticket of the path included.
func keyOf(value string, request proto.Message) (app.Key, error) {
	if value == "" {
		return app.Key{}, nil
	}
	bare := proto.Clone(request)
	m := bare.ProtoReflect()
	m.Clear(m.Descriptor().Fields().ByName("idempotency_key"))
	body, err := idem.Body(bare)
	return app.Key{Value: value, Body: body}, err
}

// paging reads page and per_page.
func paging(number, size *int32) (skip, limit int, err error) {
	p, err := page.Of(number, size)
	return p.Skip(), p.Size, err
}

// paths returns what an update is to change: what the mask names, or without a
// mask the fields that are set.
func paths(mask *fieldmaskpb.FieldMask, in *ratingsv1.SurveyInput) []string {
	if mask != nil {
		return mask.GetPaths()
	}
	var out []string
	if in.Title != nil {
		out = append(out, "title")
	}
	if in.Active != nil {
		out = append(out, "active")
	}
	if in.Questions != nil {
		out = append(out, "questions")
	}
	return out
}

// ListSurveys reads a page.
func (s *ratings) ListSurveys(ctx context.Context, in *ratingsv1.ListSurveysRequest) (*ratingsv1.ListSurveysResponse, error) {
	skip, limit, err := paging(in.Page, in.PerPage)
	if err != nil {
		return nil, err
	}
	if in.State != nil && in.GetState() == "" {
		return nil, fault.InvalidValue("state", "It should be one of these values: 'active'")
	}
	found, more, err := s.app.ListSurveys(ctx, account(ctx), in.GetState(), skip, limit)
	if err != nil {
		return nil, err
	}
	out := &ratingsv1.ListSurveysResponse{More: proto.Bool(more)}
	for _, v := range found {
		out.Surveys = append(out.Surveys, showSurvey(v))
	}
	return out, nil
}

// CreateSurvey makes a survey.
func (s *ratings) CreateSurvey(ctx context.Context, in *ratingsv1.CreateSurveyRequest) (*ratingsv1.CreateSurveyResponse, error) {
	if in.Survey == nil {
		return nil, fault.Missing("title")
	}
	key, err := keyOf(in.GetIdempotencyKey(), in)
	if err != nil {
		return nil, err
	}
	v, err := s.app.CreateSurvey(ctx, account(ctx), surveyInput(in.Survey), key)
	if err != nil {
		return nil, err
	}
	return &ratingsv1.CreateSurveyResponse{Survey: showSurvey(v)}, nil
}

// UpdateSurvey changes the fields that the mask names.
func (s *ratings) UpdateSurvey(ctx context.Context, in *ratingsv1.UpdateSurveyRequest) (*ratingsv1.UpdateSurveyResponse, error) {
	values := in.Survey
	if values == nil {
		values = &ratingsv1.SurveyInput{}
	}
	v, err := s.app.UpdateSurvey(ctx, account(ctx), in.Id, surveyInput(values), paths(in.UpdateMask, values))
	if err != nil {
		return nil, err
	}
	return &ratingsv1.UpdateSurveyResponse{Survey: showSurvey(v)}, nil
}

// CreateSatisfactionRating rates a ticket for its requester.
func (s *ratings) CreateSatisfactionRating(ctx context.Context, in *ratingsv1.CreateSatisfactionRatingRequest) (*ratingsv1.CreateSatisfactionRatingResponse, error) {
	key, err := keyOf(in.GetIdempotencyKey(), in)
	if err != nil {
		return nil, err
	}
	v, err := s.app.Rate(ctx, account(ctx), in.TicketId, ratingInput(in.GetRating()), key)
	if err != nil {
		return nil, err
	}
	return &ratingsv1.CreateSatisfactionRatingResponse{Rating: showRating(v)}, nil
}

// ListTicketRatings reads a page of a ticket's ratings, oldest first.
func (s *ratings) ListTicketRatings(ctx context.Context, in *ratingsv1.ListTicketRatingsRequest) (*ratingsv1.ListTicketRatingsResponse, error) {
	skip, limit, err := paging(in.Page, in.PerPage)
	if err != nil {
		return nil, err
	}
	found, more, err := s.app.ListOfTicket(ctx, account(ctx), in.TicketId, skip, limit)
	if err != nil {
		return nil, err
	}
	return &ratingsv1.ListTicketRatingsResponse{Ratings: showRatings(found), More: proto.Bool(more)}, nil
}

// ListSatisfactionRatings reads a page of all ratings, oldest first.
func (s *ratings) ListSatisfactionRatings(ctx context.Context, in *ratingsv1.ListSatisfactionRatingsRequest) (*ratingsv1.ListSatisfactionRatingsResponse, error) {
	skip, limit, err := paging(in.Page, in.PerPage)
	if err != nil {
		return nil, err
	}
	found, more, err := s.app.List(ctx, account(ctx), rating.List{Owner: in.UserId, Since: toTime(in.CreatedSince), Skip: skip, Limit: limit})
	if err != nil {
		return nil, err
	}
	return &ratingsv1.ListSatisfactionRatingsResponse{Ratings: showRatings(found), More: proto.Bool(more)}, nil
}
