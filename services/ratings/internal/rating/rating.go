// Package rating holds the rules of surveys and satisfaction ratings. It is
// plain Go over the standard library and knows neither wire nor store.
//
// A rating is owned by who gave it: the ticket's requester at that time. A
// survey is the account's.
package rating

import (
	"strings"
	"time"
)

// Record is what every stored thing has.
type Record struct {
	// Account is the desk, ID the thing's id in it.
	Account, ID int64
	// Owner is the subject whose data it is; 0 is the account.
	Owner int64
	// Rev is the revision last read.
	Rev int64
	// CreatedAt and UpdatedAt are UTC in milliseconds.
	CreatedAt, UpdatedAt time.Time
	// Mark is random and tells which idempotency record made the thing; "" for none.
	Mark string
	// Stored is what the store remembers of it; nobody else looks inside.
	Stored any
}

// Base returns the record itself, so that one store serves every type that embeds it.
func (r *Record) Base() *Record { return r }

// Rating is how somebody found the help on a ticket. Its Record.Owner gave it.
type Rating struct {
	Record
	SurveyID, TicketID int64
	// Agent and Group were in charge of the ticket then; nil for nobody.
	Agent, Group *int64
	Feedback     *string
	// Answers are by id of the question.
	Answers map[string]int32
}

// Input is what a client may write of a rating.
type Input struct {
	Answers  map[string]int32
	Feedback *string
	// CreatedAt is when it was given; nil is now.
	CreatedAt *time.Time
}

// Matter is what a rating needs to know of a ticket.
type Matter struct {
	// Requester is who asked for help.
	Requester int64
	// Agent and Group are in charge; nil for nobody.
	Agent, Group *int64
	// Trashed says that the ticket lies in the trash.
	Trashed bool
}

// New makes a rating of checked input about a ticket.
func New(in *Input, s *Survey, ticketID int64, m *Matter, now time.Time) *Rating {
	at := now
	if in.CreatedAt != nil {
		at = *in.CreatedAt
	}
	return &Rating{
		Record:   Record{Account: s.Account, Owner: m.Requester, CreatedAt: at, UpdatedAt: at},
		SurveyID: s.ID, TicketID: ticketID, Agent: m.Agent, Group: m.Group, Feedback: in.Feedback, Answers: in.Answers,
	}
}

// List is a checked question for ratings, oldest first.
type List struct {
	// Owner and Ticket limit it; nil is all.
	Owner, Ticket *int64
	// Since is where it begins; nil is the beginning.
	Since *time.Time
	Skip  int
	Limit int
}

// Check returns what is wrong with a rating when this survey is asked. A key of
// the answers comes from outside, so no problem repeats one that no question has.
func (in *Input) Check(s *Survey, now time.Time) Problems {
	var p Problems
	if len(in.Answers) == 0 {
		p.add("ratings", Missing, mandatory)
	} else if _, ok := in.Answers[DefaultQuestion]; !ok {
		p.add(answer(DefaultQuestion), Missing, mandatory)
	}
	known := 0
	for _, q := range s.Questions {
		value, given := in.Answers[q.ID]
		if !given {
			continue
		}
		known++
		if !q.Accepts(value) {
			p.add(answer(q.ID), Invalid, "It should be one of the ratings that the question accepts")
		}
	}
	if known < len(in.Answers) {
		p.add("ratings", Invalid, "Each should answer a question of the active survey")
	}
	if in.Feedback != nil && len(*in.Feedback) > MaxFeedback {
		p.add("feedback", Invalid, tooLong)
	}
	if in.CreatedAt != nil && in.CreatedAt.After(now) {
		p.add("created_at", Invalid, "It should not be in the future")
	}
	return p
}

// answer names the answer to a question in a problem.
func answer(question string) string { return "ratings." + question }

// blank reports whether nothing is written.
func blank(s string) bool { return strings.TrimSpace(s) == "" }
