package ratings

import (
	"sync"
	"testing"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	ratingsv1 "github.com/lethe-desk/lethe/gen/go/lethe/ratings/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

func (d *desk) surveys(state string) []*ratingsv1.Survey {
	d.t.Helper()
	in := &ratingsv1.ListSurveysRequest{}
	if state != "" {
		in.State = &state
	}
	out, err := d.api.ListSurveys(d.agent, in)
	must(d.t, err)
	return out.Surveys
}

func (d *desk) survey(in *ratingsv1.SurveyInput, key string) (*ratingsv1.Survey, error) {
	req := &ratingsv1.CreateSurveyRequest{Survey: in}
	if key != "" {
		req.IdempotencyKey = &key
	}
	out, err := d.api.CreateSurvey(d.admin, req)
	return out.GetSurvey(), err
}

func (d *desk) change(id int64, in *ratingsv1.SurveyInput, paths ...string) (*ratingsv1.Survey, error) {
	req := &ratingsv1.UpdateSurveyRequest{Id: id, Survey: in}
	if paths != nil {
		req.UpdateMask = &fieldmaskpb.FieldMask{Paths: paths}
	}
	out, err := d.api.UpdateSurvey(d.admin, req)
	return out.GetSurvey(), err
}

func question(id, label string, accepted ...int32) *ratingsv1.Question {
	return &ratingsv1.Question{Id: &id, Label: &label, AcceptedRatings: accepted}
}

// active counts the surveys of a list that are, and returns the last one's id.
func active(list []*ratingsv1.Survey) (n int, id int64) {
	for _, s := range list {
		if s.GetActive() {
			n, id = n+1, s.GetId()
		}
	}
	return n, id
}

func TestEveryAccountHasASurveyFromItsFirstUse(t *testing.T) {
	d := open(t)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			if got := d.surveys("active"); len(got) != 1 || got[0].GetId() != 1 || !got[0].GetActive() {
				t.Error(got)
			}
		})
	}
	wg.Wait()
	first := d.surveys("")
	if len(first) != 1 {
		t.Fatalf("%v", first)
	}
	want := &ratingsv1.Survey{
		Id: proto.Int64(1), Title: proto.String("Customer satisfaction"), Active: proto.Bool(true), CreatedAt: first[0].CreatedAt, UpdatedAt: first[0].CreatedAt,
		Questions: []*ratingsv1.Question{question("default_question", first[0].Questions[0].GetLabel(), -103, -102, -101, 100, 101, 102, 103)},
	}
	if !proto.Equal(first[0], want) || first[0].Questions[0].GetLabel() == "" {
		t.Errorf("%v", first[0])
	}
	d.Restart(Name)
	if again := d.surveys(""); len(again) != 1 || !proto.Equal(again[0], first[0]) {
		t.Errorf("%v", again)
	}
	_, err := d.api.ListSurveys(d.agent, &ratingsv1.ListSurveysRequest{State: proto.String("ended")})
	equal(t, "state", violations(err), "state invalid_value")
	page, err := d.api.ListSurveys(d.agent, &ratingsv1.ListSurveysRequest{State: proto.String("active"), Page: proto.Int32(2)})
	must(t, err)
	equal(t, "second page", len(page.Surveys), 0)
}

func TestOneSurveyIsActive(t *testing.T) {
	d := open(t)
	classic := &ratingsv1.SurveyInput{Title: proto.String("Classic"), Active: proto.Bool(true), Questions: []*ratingsv1.Question{
		question("default_question", "How was it?", 1, 2, 3), question("question_2", "And the coffee?", -103, 100, 103),
	}}
	made, err := d.survey(classic, "k")
	must(t, err)
	again, err := d.survey(classic, "k")
	must(t, err)
	if !proto.Equal(made, again) || !made.GetActive() || len(made.Questions) != 2 {
		t.Errorf("%v\n%v", made, again)
	}
	if n, id := active(d.surveys("")); n != 1 || id != made.GetId() || len(d.surveys("")) != 2 {
		t.Errorf("%v", d.surveys(""))
	}
	got := d.rated(1, &ratingsv1.SatisfactionRatingInput{Ratings: map[string]int32{"default_question": 3, "question_2": 100}})
	equal(t, "survey", got.GetSurveyId(), made.GetId())
	_, err = d.rate(1, happy(), "")
	equal(t, "classic takes no 103", violations(err), "ratings.default_question invalid_value")
	_, err = d.rate(1, &ratingsv1.SatisfactionRatingInput{Ratings: map[string]int32{"default_question": 3, "question_2": 101}}, "")
	equal(t, "second question", violations(err), "ratings.question_2 invalid_value")

	_, err = d.change(made.GetId(), &ratingsv1.SurveyInput{Active: proto.Bool(false)}, "active")
	equal(t, "none active", violations(err), "active invalid_value")
	back, err := d.change(1, &ratingsv1.SurveyInput{Title: proto.String("Again"), Active: proto.Bool(true)})
	must(t, err)
	if !back.GetActive() || back.GetTitle() != "Again" || len(back.Questions) != 1 {
		t.Errorf("%v", back)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			id := []int64{1, made.GetId()}[i%2]
			_, err := d.change(id, &ratingsv1.SurveyInput{Active: proto.Bool(true)}, "active")
			if err != nil {
				refused(t, err, faultv1.Reason_REASON_STALE)
			}
			if n, _ := active(d.surveys("")); n != 1 {
				t.Errorf("%d are active", n)
			}
		})
	}
	wg.Wait()
	if all := d.all(); len(all) != 1 || !proto.Equal(all[0], got) {
		t.Errorf("a rating changed with its survey: %v", all)
	}
}

func TestWrongSurveysAreRefused(t *testing.T) {
	d := open(t)
	title := proto.String("t")
	for want, in := range map[string]*ratingsv1.SurveyInput{
		"title missing_field":                             {Title: proto.String("  ")},
		"questions invalid_value":                         {Title: title, Questions: []*ratingsv1.Question{question("question_2", "l", 1)}},
		"questions.accepted_ratings invalid_value":        {Title: title, Questions: []*ratingsv1.Question{question("default_question", "l", 4)}},
		"questions.accepted_ratings missing_field":        {Title: title, Questions: []*ratingsv1.Question{question("default_question", "l")}},
		"questions.label missing_field":                   {Title: title, Questions: []*ratingsv1.Question{question("default_question", "", 1)}},
		"questions.id invalid_value":                      {Title: title, Questions: []*ratingsv1.Question{question("default_question", "l", 1), question("q", "l", 1)}},
		"questions.id missing_field, title missing_field": {Questions: []*ratingsv1.Question{question("default_question", "l", 1), {Label: title, AcceptedRatings: []int32{1}}}},
	} {
		_, err := d.survey(in, "")
		equal(t, "new survey", violations(err), want)
	}
	_, err := d.survey(nil, "")
	equal(t, "nothing", violations(err), "title missing_field")
	_, err = d.change(1, &ratingsv1.SurveyInput{}, "questions", "title")
	equal(t, "emptied", violations(err), "questions invalid_value, title missing_field")
	_, err = d.change(1, &ratingsv1.SurveyInput{}, "id")
	equal(t, "unknown path", violations(err), "update_mask invalid_field")
	_, err = d.change(99, &ratingsv1.SurveyInput{Title: title}, "title")
	notFound(t, err)
	_, err = d.api.CreateSurvey(d.agent, &ratingsv1.CreateSurveyRequest{Survey: &ratingsv1.SurveyInput{Title: title}})
	refused(t, err, faultv1.Reason_REASON_ACCESS_DENIED)
	if all := d.surveys(""); len(all) != 1 || all[0].GetTitle() != "Customer satisfaction" {
		t.Errorf("%v", all)
	}
}
