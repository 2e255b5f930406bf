package rating

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var noon = time.Date(2031, 6, 1, 12, 0, 0, 0, time.UTC)

// names lists the fields of problems.
func names(p Problems) string {
	var out []string
	for _, one := range p {
		out = append(out, one.Field)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// A rating is taken exactly if each answer is one its question accepts, and the
// default question is answered; whatever is asked, no problem repeats what came in.
func TestAnswersFitTheSurvey(t *testing.T) {
	values := slices.Concat(scale, classic)
	rapid.Check(t, func(t *rapid.T) {
		s := &Survey{Questions: []Question{{ID: DefaultQuestion, Label: "a", Accepted: rapid.SliceOfNDistinct(rapid.SampledFrom(values), 1, 4, rapid.ID).Draw(t, "accepted")}}}
		if rapid.Bool().Draw(t, "second") {
			s.Questions = append(s.Questions, Question{ID: "question_2", Label: "b", Accepted: []int32{1, 2}})
		}
		in := &Input{Answers: map[string]int32{}}
		for range rapid.IntRange(0, 3).Draw(t, "answers") {
			in.Answers[rapid.SampledFrom([]string{DefaultQuestion, "question_2", "mara@example.org"}).Draw(t, "id")] = rapid.SampledFrom(values).Draw(t, "value")
		}
		_, fits := in.Answers[DefaultQuestion]
		for id, value := range in.Answers {
			at := slices.IndexFunc(s.Questions, func(q Question) bool { return q.ID == id })
			fits = fits && at >= 0 && slices.Contains(s.Questions[at].Accepted, value)
		}
		p := in.Check(s, noon)
		if fits != (len(p) == 0) {
			t.Fatalf("%v under %v: %v", in.Answers, s.Questions, p)
		}
		if strings.Contains(names(p), "mara") {
			t.Fatalf("a problem repeats a key: %v", p)
		}
	})
}

func TestTimesAndFeedback(t *testing.T) {
	s := Default(1, noon)
	answers := map[string]int32{DefaultQuestion: 100}
	later, long := noon.Add(time.Millisecond), strings.Repeat("x", MaxFeedback+1)
	fine := long[1:]
	for want, in := range map[string]*Input{
		"":                         {Answers: answers, CreatedAt: &noon, Feedback: &fine},
		"created_at feedback":      {Answers: answers, CreatedAt: &later, Feedback: &long},
		"ratings":                  {},
		"ratings.default_question": {Answers: map[string]int32{DefaultQuestion: 1}},
	} {
		if got := names(in.Check(s, noon)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	agent := int64(7)
	before := noon.Add(-time.Hour)
	got := New(&Input{Answers: answers, CreatedAt: &before}, s, 9, &Matter{Requester: 5, Agent: &agent}, noon)
	want := &Rating{Record: Record{Account: 1, Owner: 5, CreatedAt: before, UpdatedAt: before}, SurveyID: DefaultSurvey, TicketID: 9, Agent: &agent, Answers: answers}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := New(&Input{}, s, 9, &Matter{}, noon); !got.CreatedAt.Equal(noon) {
		t.Errorf("made at %v", got.CreatedAt)
	}
}

// What the check of a survey lets through asks the default question, and each
// question once, with answers there are.
func TestSurveysThatPassAreWhole(t *testing.T) {
	text := rapid.SampledFrom([]string{"", " ", "title"})
	rapid.Check(t, func(t *rapid.T) {
		in := &SurveyInput{}
		if rapid.Bool().Draw(t, "titled") {
			title := text.Draw(t, "title")
			in.Title = &title
		}
		for range rapid.IntRange(0, 3).Draw(t, "questions") {
			id, label := rapid.SampledFrom([]string{DefaultQuestion, DefaultQuestion, "question_2", "question_0", "x"}).Draw(t, "id"), text.Draw(t, "label")
			in.Questions = append(in.Questions, QuestionInput{ID: &id, Label: &label, Accepted: rapid.SliceOfN(rapid.SampledFrom([]int32{1, 100, 103, 4, -100}), 0, 3).Draw(t, "accepted")})
		}
		if len(in.Check()) > 0 {
			return
		}
		s := NewSurvey(1, in, noon)
		seen := map[string]bool{}
		for _, q := range s.Questions {
			distinct := slices.Compact(slices.Sorted(slices.Values(q.Accepted)))
			if seen[q.ID] || blank(q.Label) || len(q.Accepted) == 0 || len(distinct) != len(q.Accepted) || slices.Contains(distinct, 4) || slices.Contains(distinct, -100) {
				t.Fatalf("%+v", s)
			}
			seen[q.ID] = true
		}
		if !seen[DefaultQuestion] || blank(s.Title) {
			t.Fatalf("%+v", s)
		}
	})
}

func TestMasks(t *testing.T) {
	title, yes, no := "new", true, false
	s := Default(1, noon)
	s.Active = true
	in := &SurveyInput{Title: &title, Active: &no}
	for _, c := range []struct {
		mask []string
		want string
	}{
		{[]string{"title"}, ""}, {[]string{"active"}, "active"}, {[]string{"questions"}, "questions"}, {[]string{"created_at"}, "update_mask"}, {nil, ""},
	} {
		if got := names(in.CheckMasked(c.mask, s)); got != c.want {
			t.Errorf("%v: got %q, want %q", c.mask, got, c.want)
		}
	}
	in.Active = &yes
	if p := in.CheckMasked([]string{"active"}, s); len(p) != 0 {
		t.Error(p)
	}
	s.Apply(in, []string{"title"}, noon.Add(time.Hour))
	if s.Title != "new" || !reflect.DeepEqual(s.Questions, standard()) || !s.UpdatedAt.Equal(noon.Add(time.Hour)) || !s.CreatedAt.Equal(noon) {
		t.Errorf("%+v", s)
	}
}
