package rpc

import (
	"time"

	ratingsv1 "github.com/lethe-desk/lethe/gen/go/lethe/ratings/v1"
	"github.com/lethe-desk/lethe/services/ratings/internal/rating"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// toTime reads a time of the wire in the precision that is stored; nil stays nil.
func toTime(t *timestamppb.Timestamp) *time.Time {
	if t == nil {
		return nil
	}
	at := t.AsTime().Truncate(time.Millisecond)
	return &at
}

func ratingInput(in *ratingsv1.SatisfactionRatingInput) *rating.Input {
	if in == nil {
		return &rating.Input{}
	}
	return &rating.Input{Answers: in.Ratings, Feedback: in.Feedback, CreatedAt: toTime(in.CreatedAt)}
}

func showRatings(found []*rating.Rating) []*ratingsv1.SatisfactionRating {
	var out []*ratingsv1.SatisfactionRating
	for _, v := range found {
		out = append(out, showRating(v))
	}
	return out
}

func showRating(v *rating.Rating) *ratingsv1.SatisfactionRating {
	return &ratingsv1.SatisfactionRating{
		Id: &v.ID, SurveyId: &v.SurveyID, UserId: &v.Owner, AgentId: v.Agent, Feedback: v.Feedback, GroupId: v.Group,
		TicketId: &v.TicketID, Ratings: v.Answers, CreatedAt: timestamppb.New(v.CreatedAt), UpdatedAt: timestamppb.New(v.UpdatedAt),
	}
}

func surveyInput(in *ratingsv1.SurveyInput) *rating.SurveyInput {
	out := &rating.SurveyInput{Title: in.Title, Active: in.Active}
	for _, q := range in.Questions {
		out.Questions = append(out.Questions, rating.QuestionInput{ID: q.Id, Label: q.Label, Accepted: q.AcceptedRatings})
	}
	return out
}

func showSurvey(v *rating.Survey) *ratingsv1.Survey {
	out := &ratingsv1.Survey{
		Id: &v.ID, Title: &v.Title, Active: &v.Active, CreatedAt: timestamppb.New(v.CreatedAt), UpdatedAt: timestamppb.New(v.UpdatedAt),
	}
	for _, q := range v.Questions {
		out.Questions = append(out.Questions, &ratingsv1.Question{Id: &q.ID, Label: &q.Label, AcceptedRatings: q.Accepted})
	}
	return out
}
