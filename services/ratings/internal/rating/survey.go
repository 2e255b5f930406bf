package rating

import (
	"regexp"
	"slices"
	"time"
)

// DefaultSurvey is the id of the survey that every account has from its first use.
const DefaultSurvey int64 = 1

// DefaultQuestion is the id of the question that every survey asks.
const DefaultQuestion = "default_question"

// Survey asks how somebody found the help they got. It is the account's.
type Survey struct {
	Record
	Title     string
	Questions []Question
	// Active says that it is the one that is asked. It is read, never stored with the survey.
	Active bool
}

// Question is one thing a survey asks.
type Question struct {
	ID, Label string
	// Accepted are the answers there are.
	Accepted []int32
}

// Accepts reports whether a value is an answer to the question.
func (q Question) Accepts(value int32) bool { return slices.Contains(q.Accepted, value) }

// scale is the ratings there are, from extremely unhappy to extremely happy.
var scale = []int32{-103, -102, -101, 100, 101, 102, 103}

// classic is 1 happy, 2 neutral, 3 unhappy.
var classic = []int32{1, 2, 3}

// Default returns the survey an account has before it makes its own.
func Default(account int64, now time.Time) *Survey {
	return &Survey{
		Record: Record{Account: account, ID: DefaultSurvey, CreatedAt: now, UpdatedAt: now},
		Title:  "Customer satisfaction", Questions: standard(),
	}
}

// standard is the question of the default survey.
func standard() []Question {
	return []Question{{ID: DefaultQuestion, Label: "How would you rate your overall satisfaction with the help you received?", Accepted: slices.Clone(scale)}}
}

// SurveyInput is what a client may write of a survey.
type SurveyInput struct {
	Title  *string
	Active *bool
	// Questions are nil when nothing was said of them.
	Questions []QuestionInput
}

// QuestionInput is what a client may write of a question.
type QuestionInput struct {
	ID, Label *string
	Accepted  []int32
}

// The limits of input. Lengths are in bytes.
const (
	MaxTitle     = 255
	MaxLabel     = 1000
	MaxQuestions = 20
	MaxFeedback  = 64 << 10
)

// questionID is what a question may be called.
var questionID = regexp.MustCompile(`^question_[1-9][0-9]{0,2}$`)

// NewSurvey makes a survey of checked input. Without questions it asks the standard one.
func NewSurvey(account int64, in *SurveyInput, now time.Time) *Survey {
	s := &Survey{Record: Record{Account: account, CreatedAt: now, UpdatedAt: now}, Questions: standard()}
	s.Apply(in, []string{"title"}, now)
	if len(in.Questions) > 0 {
		s.Apply(in, []string{"questions"}, now)
	}
	return s
}

// Apply changes what the mask names, of checked input.
func (s *Survey) Apply(in *SurveyInput, mask []string, now time.Time) {
	if slices.Contains(mask, "title") {
		s.Title = *in.Title
	}
	if slices.Contains(mask, "questions") {
		s.Questions = nil
		for _, q := range in.Questions {
			s.Questions = append(s.Questions, Question{ID: *q.ID, Label: *q.Label, Accepted: q.Accepted})
		}
	}
	s.UpdatedAt = now
}

// Check returns what is wrong with the input of a new survey.
func (in *SurveyInput) Check() Problems {
	var p Problems
	in.title(&p)
	if len(in.Questions) > 0 {
		in.questions(&p)
	}
	return p
}

// CheckMasked returns what is wrong with a change of the fields that mask names.
// Of active only true can be written: the way to end a survey is to ask another.
func (in *SurveyInput) CheckMasked(mask []string, s *Survey) Problems {
	var p Problems
	for _, path := range mask {
		switch path {
		case "title":
			in.title(&p)
		case "questions":
			in.questions(&p)
		case "active":
			if s.Active && (in.Active == nil || !*in.Active) {
				p.add("active", Invalid, "One survey is active: make another one active instead")
			}
		default:
			p.add("update_mask", Unknown, unexpected)
		}
	}
	return p
}

func (in *SurveyInput) title(p *Problems) {
	switch {
	case in.Title == nil || blank(*in.Title):
		p.add("title", Missing, mandatory)
	case len(*in.Title) > MaxTitle:
		p.add("title", Invalid, tooLong)
	}
}

func (in *SurveyInput) questions(p *Problems) {
	if len(in.Questions) > MaxQuestions {
		p.add("questions", Invalid, "It has too many entries")
		return
	}
	seen := map[string]bool{}
	for _, q := range in.Questions {
		switch {
		case q.ID == nil || blank(*q.ID):
			p.add("questions.id", Missing, mandatory)
		case *q.ID != DefaultQuestion && !questionID.MatchString(*q.ID):
			p.add("questions.id", Invalid, "It should be default_question or question_ and a number")
		case seen[*q.ID]:
			p.add("questions.id", Invalid, "Each question should have an id of its own")
		default:
			seen[*q.ID] = true
		}
		switch {
		case q.Label == nil || blank(*q.Label):
			p.add("questions.label", Missing, mandatory)
		case len(*q.Label) > MaxLabel:
			p.add("questions.label", Invalid, tooLong)
		}
		accepted(p, "questions.accepted_ratings", q.Accepted)
	}
	if !seen[DefaultQuestion] {
		p.add("questions", Invalid, "default_question should be among them")
	}
}

func accepted(p *Problems, field string, values []int32) {
	if len(values) == 0 {
		p.add(field, Missing, mandatory)
		return
	}
	seen := map[int32]bool{}
	for _, v := range values {
		if seen[v] || !slices.Contains(scale, v) && !slices.Contains(classic, v) {
			p.add(field, Invalid, "It should be ratings from -103 to -101 and 100 to 103, or 1 to 3, each once")
			return
		}
		seen[v] = true
	}
}
