package ticket

import (
	"slices"
	"strings"
	"time"
)

// Who says how the requester is known to the caller. One of the first five counts.
type Who struct {
	ID                                    *int64
	Email, Phone, Twitter, External, Name *string
}

// Field returns the name of the field that counts, "" when none is set.
func (w *Who) Field() string {
	switch {
	case w.ID != nil:
		return "requester_id"
	case w.Email != nil:
		return "email"
	case w.Phone != nil:
		return "phone"
	case w.Twitter != nil:
		return "twitter_id"
	case w.External != nil:
		return "unique_external_id"
	}
	return ""
}

// Input is what a client may write of a ticket.
type Input struct {
	Requester                                       Who
	Subject, Description, Type                      *string
	Status, Priority, Source                        *int32
	Responder, Group, Company, Product, EmailConfig *int64
	CC, Tags                                        []string
	Custom                                          map[string]any
	DueBy, FirstDueBy                               *time.Time
	Files                                           []int64
}

// Fold brings addresses and labels into the form they are stored in.
func (in *Input) Fold() {
	in.CC = FoldAll(in.CC)
	if e := in.Requester.Email; e != nil {
		folded := Fold(*e)
		in.Requester.Email = &folded
	}
	var tags []string
	for _, t := range in.Tags {
		if t = strings.TrimSpace(t); !slices.Contains(tags, t) {
			tags = append(tags, t)
		}
	}
	in.Tags = tags
}

// Check returns what is wrong with the input of a new ticket.
func (in *Input) Check() Problems {
	var p Problems
	in.checkRequester(&p)
	in.checkValues(&p)
	p.due(in.DueBy, in.FirstDueBy)
	p.files(in.Files)
	return p
}

func (in *Input) checkRequester(p *Problems) {
	w := &in.Requester
	p.id("requester_id", w.ID)
	for _, f := range []struct {
		name  string
		value *string
	}{{"email", w.Email}, {"phone", w.Phone}, {"twitter_id", w.Twitter}, {"unique_external_id", w.External}, {"name", w.Name}} {
		p.text(f.name, f.value, MaxName)
		if f.value != nil && strings.TrimSpace(*f.value) == "" {
			p.add(f.name, Invalid, "It should not be blank")
		}
	}
	if w.Email != nil && strings.TrimSpace(*w.Email) != "" && !Email(*w.Email) {
		p.add("email", Invalid, "It should be a valid e-mail address")
	}
	if w.Field() == "" {
		p.add("requester_id", Missing, "One of requester_id, email, phone, twitter_id, unique_external_id is mandatory")
	}
}

func (in *Input) checkValues(p *Problems) {
	p.text("subject", in.Subject, MaxSubject)
	p.bytes("description", in.Description, MaxText)
	p.text("type", in.Type, MaxType)
	p.between("status", in.Status, Open, MaxStatus)
	p.between("priority", in.Priority, 1, MaxPriority)
	p.between("source", in.Source, 1, MaxSource)
	p.id("responder_id", in.Responder)
	p.id("group_id", in.Group)
	p.id("company_id", in.Company)
	p.id("product_id", in.Product)
	p.id("email_config_id", in.EmailConfig)
	p.emails("cc_emails", in.CC)
	p.tags(in.Tags)
	p.custom(in.Custom)
}

// checkMasked returns what is wrong with a change of t. Fields outside of the mask do not count.
func (in *Input) checkMasked(mask []string, t *Ticket) Problems {
	var p, all Problems
	in.checkValues(&all)
	due, first := t.DueBy, t.FirstDueBy
	for _, path := range mask {
		switch path {
		case "status", "priority", "source":
			if path == "status" && in.Status == nil || path == "priority" && in.Priority == nil || path == "source" && in.Source == nil {
				p.add(path, Invalid, notOneOf)
			}
		case "requester_id":
			if in.Requester.ID == nil || *in.Requester.ID <= 0 {
				p.add(path, Invalid, notOneOf)
			}
		case "email":
			if in.Requester.Email == nil {
				p.add(path, Invalid, notOneOf)
			}
		case "phone", "twitter_id", "unique_external_id", "name":
			p.add(path, ReadOnly, readOnly)
		case "attachment_ids":
			p.files(in.Files)
		case "due_by":
			due = in.DueBy
		case "fr_due_by":
			first = in.FirstDueBy
		case "subject", "description", "type", "responder_id", "group_id", "company_id", "product_id", "email_config_id",
			"cc_emails", "tags", "custom_fields":
		default:
			if name, ok := strings.CutPrefix(path, customPrefix); !ok || !customName.MatchString(name) {
				p.add(path, Unknown, unexpected)
			}
		}
	}
	for _, one := range all {
		if slices.Contains(mask, one.Field) || customMasked(mask, one.Field) {
			p = append(p, one)
		}
	}
	if Masks(mask, "due_by") || Masks(mask, "fr_due_by") {
		p.due(due, first)
	}
	return p
}

// customMasked reports whether a problem of one custom field concerns the mask.
func customMasked(mask []string, field string) bool {
	return strings.HasPrefix(field, customPrefix) && slices.Contains(mask, "custom_fields")
}

// CustomCount refuses a ticket whose single custom fields have grown too many.
func (t *Ticket) CustomCount() Problems {
	var p Problems
	if len(t.Custom) > MaxCustom {
		p.add("custom_fields", Invalid, tooMany)
	}
	return p
}

// ReplyInput is what a client may write of a reply.
type ReplyInput struct {
	Body    *string
	From    *string
	UserID  *int64
	CC, BCC []string
	Files   []int64
}

// Fold brings addresses into the form they are stored in.
func (in *ReplyInput) Fold() {
	in.CC, in.BCC = FoldAll(in.CC), FoldAll(in.BCC)
	if in.From != nil {
		from := Fold(*in.From)
		in.From = &from
	}
}

// Check returns what is wrong with it.
func (in *ReplyInput) Check() Problems {
	var p Problems
	p.body(in.Body)
	if in.From != nil && !Email(*in.From) {
		p.add("from_email", Invalid, "It should be a valid e-mail address")
	}
	p.id("user_id", in.UserID)
	p.emails("cc_emails", in.CC)
	p.emails("bcc_emails", in.BCC)
	p.files(in.Files)
	return p
}

func (p *Problems) body(body *string) {
	if body == nil || strings.TrimSpace(*body) == "" {
		p.add("body", Missing, mandatory)
	}
	p.bytes("body", body, MaxText)
}

// NoteInput is what a client may write of a note.
type NoteInput struct {
	Body              *string
	Private, Incoming *bool
	Notify            []string
	UserID            *int64
	Files             []int64
}

// Check returns what is wrong with it.
func (in *NoteInput) Check() Problems {
	var p Problems
	p.body(in.Body)
	p.emails("notify_emails", in.Notify)
	p.id("user_id", in.UserID)
	p.files(in.Files)
	return p
}

// EditInput is what a client may change of a note.
type EditInput struct {
	Body  *string
	Files []int64
}

// Check returns what is wrong with a change of the fields that mask names.
func (in *EditInput) Check(mask []string) Problems {
	var p Problems
	for _, path := range mask {
		switch path {
		case "body":
			p.body(in.Body)
		case "attachment_ids":
			p.files(in.Files)
		default:
			p.add(path, Unknown, unexpected)
		}
	}
	return p
}

// ThreadInput is what a client may write of a thread.
type ThreadInput struct {
	Type         *string
	TicketID     *int64
	Title        *string
	Participants []int64
}

// Check returns what is wrong with it.
func (in *ThreadInput) Check() Problems {
	var p Problems
	if in.Type != nil {
		p.oneOf("type", *in.Type, "forward", "discussion", "private")
	}
	p.ticket(in.TicketID)
	p.text("title", in.Title, MaxSubject)
	if len(in.Participants) > MaxTags {
		p.add("participant_ids", Invalid, tooMany)
	}
	if slices.ContainsFunc(in.Participants, func(n int64) bool { return n <= 0 }) {
		p.add("participant_ids", Invalid, positive)
	}
	return p
}

func (p *Problems) ticket(id *int64) {
	if id == nil {
		p.add("ticket_id", Missing, mandatory)
	}
	p.id("ticket_id", id)
}

// MessageInput is what a client may write of a thread's message.
type MessageInput struct {
	ThreadID *string
	Body     *string
}

// Check returns what is wrong with it.
func (in *MessageInput) Check() Problems {
	var p Problems
	if in.ThreadID == nil || *in.ThreadID == "" {
		p.add("thread_id", Missing, mandatory)
	}
	p.body(in.Body)
	return p
}

// CallInput is what a client may write of a call.
type CallInput struct {
	TicketID  *int64
	Direction *string
	Phone     *string
	Notes     *string
	Seconds   *int32
	StartedAt *time.Time
}

// Check returns what is wrong with it.
func (in *CallInput) Check() Problems {
	var p Problems
	p.ticket(in.TicketID)
	if in.Direction != nil {
		p.oneOf("direction", *in.Direction, "incoming", "outgoing")
	}
	p.text("phone_number", in.Phone, 64)
	p.bytes("notes", in.Notes, MaxText)
	if in.Seconds != nil && *in.Seconds < 0 {
		p.add("duration_seconds", Invalid, "It should not be negative")
	}
	return p
}

// ChatInput is what a client may write of a chat.
type ChatInput struct {
	TicketID *int64
	Lines    []LineInput
}

// LineInput is one line of it.
type LineInput struct {
	From   *string
	UserID *int64
	Text   *string
	SentAt *time.Time
}

// maxLines is how many lines a chat may have.
const maxLines = 5000

// Check returns what is wrong with it.
func (in *ChatInput) Check() Problems {
	var p Problems
	p.ticket(in.TicketID)
	if len(in.Lines) == 0 {
		p.add("messages", Missing, mandatory)
	}
	if len(in.Lines) > maxLines {
		p.add("messages", Invalid, tooMany)
	}
	total := 0
	for _, l := range in.Lines {
		var q Problems
		if l.From == nil {
			q.add("messages.from", Missing, mandatory)
		} else {
			q.oneOf("messages.from", *l.From, "contact", "agent")
		}
		q.id("messages.user_id", l.UserID)
		if l.Text == nil {
			q.add("messages.text", Missing, mandatory)
		} else {
			total += len(*l.Text)
		}
		q.bytes("messages.text", l.Text, MaxValue)
		if len(q) > 0 {
			return append(p, q...) // the first bad line says enough
		}
	}
	if total > MaxText {
		p.add("messages", Invalid, tooLong)
	}
	return p
}

// Upload checks what a client says of a file.
func (p *Problems) Upload(name, contentType string) {
	if strings.TrimSpace(name) == "" {
		p.add("name", Missing, mandatory)
	}
	p.text("name", &name, MaxName)
	p.text("content_type", &contentType, MaxName)
}
