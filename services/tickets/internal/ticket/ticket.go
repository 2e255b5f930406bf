package ticket

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// The statuses that mean something; 6 and up are the account's own.
const (
	Open     int32 = 2
	Pending  int32 = 3
	Resolved int32 = 4
	Closed   int32 = 5
)

// The defaults of a new ticket.
const (
	DefaultPriority int32 = 1
	DefaultSource   int32 = 2
)

// Ticket is a matter somebody brought to the desk. Its Record.Owner is the requester.
type Ticket struct {
	Record
	Subject *string
	// Description is HTML, Text the same without markup. Both nil where they were not read.
	Description, Text                               *string
	Type                                            *string
	Status, Priority, Source                        int32
	Responder, Group, Company, Product, EmailConfig *int64
	// CC is in copy, ReplyCC in copy of the last reply, FirstCC from the start.
	CC, ReplyCC, FirstCC []string
	Tags                 []string
	Custom               map[string]any
	Spam, Deleted        bool
	DueBy, FirstDueBy    *time.Time
	HasFiles             bool
	// MovingFrom is the requester before, while what hangs on the ticket is moved to the new one.
	MovingFrom *int64
	Stats      Stats
}

// Stats are the times of a ticket's workflow, nil for what has not happened.
type Stats struct {
	AgentResponded, RequesterResponded, FirstResponded *time.Time
	StatusUpdated, Reopened, Resolved, Closed          *time.Time
	PendingSince                                       *time.Time
}

// New makes a ticket of checked input. Description and Text are set by the caller.
func New(in *Input, now time.Time) *Ticket {
	t := &Ticket{
		Record:  Record{CreatedAt: now, UpdatedAt: now},
		Subject: in.Subject, Type: in.Type,
		Priority: DefaultPriority, Source: DefaultSource,
		Responder: in.Responder, Group: in.Group, Company: in.Company, Product: in.Product, EmailConfig: in.EmailConfig,
		CC: in.CC, ReplyCC: in.CC, FirstCC: in.CC, Tags: in.Tags, Custom: custom(nil, in.Custom),
		DueBy: in.DueBy, FirstDueBy: in.FirstDueBy,
	}
	if in.Priority != nil {
		t.Priority = *in.Priority
	}
	if in.Source != nil {
		t.Source = *in.Source
	}
	status := Open
	if in.Status != nil {
		status = *in.Status
	}
	t.SetStatus(status, now)
	return t
}

// custom returns the fields of old with those of set, without nulls.
func custom(old, set map[string]any) map[string]any {
	out := maps.Clone(old)
	if out == nil {
		out = map[string]any{}
	}
	maps.Copy(out, set)
	maps.DeleteFunc(out, func(_ string, v any) bool { return v == nil })
	if len(out) == 0 {
		return nil
	}
	return out
}

// SetStatus changes the status and the times that hang on it. Setting what
// stands already changes nothing.
func (t *Ticket) SetStatus(status int32, now time.Time) {
	old := t.Status
	if old == status {
		return
	}
	t.Status = status
	s := &t.Stats
	s.StatusUpdated = &now
	s.PendingSince = nil
	switch status {
	case Pending:
		s.PendingSince = &now
	case Resolved:
		s.Resolved, s.Closed = &now, nil
	case Closed:
		s.Closed = &now
		if s.Resolved == nil {
			s.Resolved = &now
		}
	}
	if done(old) && !done(status) {
		s.Reopened, s.Resolved, s.Closed = &now, nil, nil
	}
}

func done(status int32) bool { return status == Resolved || status == Closed }

// Replied notes an answer of an agent. Noting an older one changes nothing.
func (t *Ticket) Replied(at time.Time, cc []string) {
	if later(t.Stats.AgentResponded, at) {
		t.Stats.AgentResponded = &at
		t.ReplyCC = cc
	}
	if f := t.Stats.FirstResponded; f == nil || at.Before(*f) {
		t.Stats.FirstResponded = &at
	}
	t.touch(at)
}

// Answered notes an answer of the requester.
func (t *Ticket) Answered(at time.Time) {
	if later(t.Stats.RequesterResponded, at) {
		t.Stats.RequesterResponded = &at
	}
	t.touch(at)
}

// Noted notes that something was added.
func (t *Ticket) Noted(at time.Time) { t.touch(at) }

func (t *Ticket) touch(at time.Time) {
	if at.After(t.UpdatedAt) {
		t.UpdatedAt = at
	}
}

func later(old *time.Time, at time.Time) bool { return old == nil || at.After(*old) }

// Escalated reports whether the ticket should have been resolved by now.
func (t *Ticket) Escalated(now time.Time) bool {
	return t.DueBy != nil && !done(t.Status) && now.After(*t.DueBy)
}

// FirstEscalated reports whether the first answer is late, or was.
func (t *Ticket) FirstEscalated(now time.Time) bool {
	if t.FirstDueBy == nil {
		return false
	}
	if f := t.Stats.FirstResponded; f != nil {
		return f.After(*t.FirstDueBy)
	}
	return !done(t.Status) && now.After(*t.FirstDueBy)
}

// Frozen reports whether the ticket takes no changes: it is in the trash or in spam.
func (t *Ticket) Frozen() bool { return t.Deleted || t.Spam }

// customPrefix is how a mask names one custom field.
const customPrefix = "custom_fields."

// Apply changes the fields that mask names to what in holds; an unset one is
// cleared. It returns what is wrong and changes nothing then. Description stays
// the caller's work (the mask names it), and so do new attachments.
func (t *Ticket) Apply(in *Input, mask []string, now time.Time) Problems {
	p := in.checkMasked(mask, t)
	if len(p) > 0 {
		return p
	}
	for _, path := range mask {
		switch path {
		case "subject":
			t.Subject = in.Subject
		case "type":
			t.Type = in.Type
		case "status":
			t.SetStatus(*in.Status, now)
		case "priority":
			t.Priority = *in.Priority
		case "source":
			t.Source = *in.Source
		case "responder_id":
			t.Responder = in.Responder
		case "group_id":
			t.Group = in.Group
		case "company_id":
			t.Company = in.Company
		case "product_id":
			t.Product = in.Product
		case "email_config_id":
			t.EmailConfig = in.EmailConfig
		case "cc_emails":
			t.CC = in.CC
		case "tags":
			t.Tags = in.Tags
		case "custom_fields":
			t.Custom = custom(nil, in.Custom)
		case "due_by":
			t.DueBy = in.DueBy
		case "fr_due_by":
			t.FirstDueBy = in.FirstDueBy
		default:
			if name, ok := strings.CutPrefix(path, customPrefix); ok {
				t.Custom = custom(t.Custom, map[string]any{name: in.Custom[name]})
			}
		}
	}
	t.UpdatedAt = now
	return nil
}

// Masks reports whether a mask names a field.
func Masks(mask []string, field string) bool { return slices.Contains(mask, field) }
