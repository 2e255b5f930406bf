package store

import (
	"context"
	"strconv"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/tickets/internal/ticket"
)

// ticketDoc is a stored ticket; its owner is the requester.
type ticketDoc struct {
	docstore.Meta
	Origin      string     `doc:"origin" why:"random mark of the idempotency record that made it"`
	Status      int32      `doc:"status" field:"lethe.tickets.v1.Ticket.status"`
	Priority    int32      `doc:"priority" field:"lethe.tickets.v1.Ticket.priority"`
	Source      int32      `doc:"source" field:"lethe.tickets.v1.Ticket.source"`
	Type        *string    `doc:"type" field:"lethe.tickets.v1.Ticket.type"`
	Responder   *int64     `doc:"responder_id" field:"lethe.tickets.v1.Ticket.responder_id"`
	Group       *int64     `doc:"group_id" field:"lethe.tickets.v1.Ticket.group_id"`
	Product     *int64     `doc:"product_id" field:"lethe.tickets.v1.Ticket.product_id"`
	EmailConfig *int64     `doc:"email_config_id" field:"lethe.tickets.v1.Ticket.email_config_id"`
	Spam        bool       `doc:"spam" field:"lethe.tickets.v1.Ticket.spam"`
	Deleted     bool       `doc:"deleted" field:"lethe.tickets.v1.Ticket.deleted"`
	HasFiles    bool       `doc:"has_files" why:"whether looking for attachments is worth a query"`
	MovingFrom  *int64     `doc:"moving_from" why:"the requester before, while what hangs on the ticket is moved to the new one"`
	DueBy       *time.Time `doc:"due_by" field:"lethe.tickets.v1.Ticket.due_by"`
	FirstDueBy  *time.Time `doc:"fr_due_by" field:"lethe.tickets.v1.Ticket.fr_due_by"`

	AgentResponded     *time.Time `doc:"agent_responded_at" field:"lethe.tickets.v1.TicketStats.agent_responded_at"`
	RequesterResponded *time.Time `doc:"requester_responded_at" field:"lethe.tickets.v1.TicketStats.requester_responded_at"`
	FirstResponded     *time.Time `doc:"first_responded_at" field:"lethe.tickets.v1.TicketStats.first_responded_at"`
	StatusUpdated      *time.Time `doc:"status_updated_at" field:"lethe.tickets.v1.TicketStats.status_updated_at"`
	Reopened           *time.Time `doc:"reopened_at" field:"lethe.tickets.v1.TicketStats.reopened_at"`
	Resolved           *time.Time `doc:"resolved_at" field:"lethe.tickets.v1.TicketStats.resolved_at"`
	Closed             *time.Time `doc:"closed_at" field:"lethe.tickets.v1.TicketStats.closed_at"`
	PendingSince       *time.Time `doc:"pending_since" field:"lethe.tickets.v1.TicketStats.pending_since"`

	Subject *string `doc:"subject,seal" field:"lethe.tickets.v1.Ticket.subject"`
	// Company is a number in digits, for the blind index takes text; "" is none.
	Company string         `doc:"company_id,seal" field:"lethe.tickets.v1.Ticket.company_id"`
	CC      []string       `doc:"cc_emails,seal" field:"lethe.tickets.v1.Ticket.cc_emails"`
	ReplyCC []string       `doc:"reply_cc_emails,seal" field:"lethe.tickets.v1.Ticket.reply_cc_emails"`
	FirstCC []string       `doc:"ticket_cc_emails,seal" field:"lethe.tickets.v1.Ticket.ticket_cc_emails"`
	Tags    []string       `doc:"tags,seal" field:"lethe.tickets.v1.Ticket.tags"`
	Custom  map[string]any `doc:"custom_fields,seal" field:"lethe.tickets.v1.Ticket.custom_fields"`

	Description *string `doc:"description,seal,body" field:"lethe.tickets.v1.Ticket.description"`
	Text        *string `doc:"description_text,seal,body" field:"lethe.tickets.v1.Ticket.description_text"`
}

func (d *ticketDoc) meta() *docstore.Meta { return &d.Meta }
func (d *ticketDoc) mark() *string        { return &d.Origin }

var ticketSpec = docstore.Spec{
	Name: "tickets",
	Indexes: []docstore.Index{
		{Name: "created", Fields: []string{"created_at"}},
		{Name: "updated", Fields: []string{"updated_at"}},
		{Name: "due", Fields: []string{"due_by"}},
		{Name: "status", Fields: []string{"status"}},
		{Name: "owner_created", Fields: []string{"owner", "created_at"}},
		{Name: "responder", Fields: []string{"responder_id"}},
		{Name: "moving", Fields: []string{"moving_from"}, Global: true},
	},
	Blind:    []docstore.Blind{{Name: "company", Field: "company_id"}},
	Mentions: []string{"subject", "cc_emails", "reply_cc_emails", "ticket_cc_emails", "tags", "custom_fields", "description", "description_text"},
}

var ticketNames = naming[ticketDoc]{fields: []docstore.Link{{Field: "responder_id", Index: "responder"}}}

func ticketTo(t *ticket.Ticket, d *ticketDoc) {
	*d = ticketDoc{
		Status: t.Status, Priority: t.Priority, Source: t.Source, Type: t.Type,
		Responder: t.Responder, Group: t.Group, Product: t.Product, EmailConfig: t.EmailConfig,
		Spam: t.Spam, Deleted: t.Deleted, HasFiles: t.HasFiles, MovingFrom: t.MovingFrom, DueBy: t.DueBy, FirstDueBy: t.FirstDueBy,
		AgentResponded: t.Stats.AgentResponded, RequesterResponded: t.Stats.RequesterResponded,
		FirstResponded: t.Stats.FirstResponded, StatusUpdated: t.Stats.StatusUpdated, Reopened: t.Stats.Reopened,
		Resolved: t.Stats.Resolved, Closed: t.Stats.Closed, PendingSince: t.Stats.PendingSince,
		Subject: t.Subject, Company: companyText(t.Company), CC: t.CC, ReplyCC: t.ReplyCC, FirstCC: t.FirstCC,
		Tags: t.Tags, Custom: t.Custom, Description: t.Description, Text: t.Text,
	}
}

func ticketFrom(d *ticketDoc, t *ticket.Ticket) {
	*t = ticket.Ticket{
		Status: d.Status, Priority: d.Priority, Source: d.Source, Type: d.Type,
		Responder: d.Responder, Group: d.Group, Product: d.Product, EmailConfig: d.EmailConfig,
		Spam: d.Spam, Deleted: d.Deleted, HasFiles: d.HasFiles, MovingFrom: d.MovingFrom, DueBy: d.DueBy, FirstDueBy: d.FirstDueBy,
		Stats: ticket.Stats{
			AgentResponded: d.AgentResponded, RequesterResponded: d.RequesterResponded, FirstResponded: d.FirstResponded,
			StatusUpdated: d.StatusUpdated, Reopened: d.Reopened, Resolved: d.Resolved, Closed: d.Closed, PendingSince: d.PendingSince,
		},
		Subject: d.Subject, Company: companyNumber(d.Company), CC: d.CC, ReplyCC: d.ReplyCC, FirstCC: d.FirstCC,
		Tags: d.Tags, Custom: d.Custom, Description: d.Description, Text: d.Text,
	}
}

func companyText(id *int64) string {
	if id == nil {
		return ""
	}
	return strconv.FormatInt(*id, 10)
}

func companyNumber(s string) *int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return nil
	}
	return &n
}

// Tickets stores tickets.
type Tickets struct {
	*Table[ticket.Ticket, ticketDoc, *ticket.Ticket, *ticketDoc]
	closed *docstore.Collection[closedDoc]
}

// List reads a page of tickets and whether there is more.
func (t *Tickets) List(ctx context.Context, account int64, l ticket.List) ([]*ticket.Ticket, bool, error) {
	q := docstore.Query{Desc: !l.Asc, Bodies: l.Bodies, Skip: l.Skip, Limit: l.Limit}
	conds := pile(l.View)
	created, updated := l.CreatedFrom, l.UpdatedFrom
	switch {
	case l.Order == ticket.ByCreated && l.Owner != nil:
		q.Index, q.Eq = "owner_created", []any{*l.Owner}
		q.From, created = bound(created), nil
	case l.Order == ticket.ByCreated:
		q.Index, q.From, created = "created", bound(created), nil
	case l.Order == ticket.ByUpdated:
		q.Index, q.From, updated = "updated", bound(updated), nil
	case l.Order == ticket.ByDue:
		q.Index = "due"
	default:
		q.Index = "status"
	}
	if l.Owner != nil && q.Index != "owner_created" {
		conds = append(conds, is("owner", *l.Owner))
	}
	if l.Company != nil {
		conds = append(conds, is("company", companyText(l.Company)))
	}
	conds = since(conds, "created_at", created)
	conds = since(conds, "updated_at", updated)
	if l.OpenFor != nil {
		conds = append(conds, is("status", ticket.Open), docstore.Cond{Op: "or", Conds: []docstore.Cond{
			{Op: "null", Field: "responder_id"}, is("responder_id", *l.OpenFor),
		}})
	}
	q.Where = docstore.Cond{Op: "and", Conds: conds}
	return t.page(ctx, account, q)
}

// pile is the test for one of the three piles.
func pile(v ticket.View) []docstore.Cond {
	switch v {
	case ticket.Trash:
		return []docstore.Cond{is("deleted", true)}
	case ticket.Junk:
		return []docstore.Cond{is("deleted", false), is("spam", true)}
	}
	return []docstore.Cond{is("deleted", false), is("spam", false)}
}

func is(field string, value any) docstore.Cond {
	return docstore.Cond{Op: "=", Field: field, Value: value}
}

func since(conds []docstore.Cond, field string, at *time.Time) []docstore.Cond {
	if at == nil {
		return conds
	}
	return append(conds, docstore.Cond{Op: ">=", Field: field, Value: *at})
}

// bound is a range's end: nil is open, which a typed nil pointer would not be.
func bound(at *time.Time) any {
	if at == nil {
		return nil
	}
	return *at
}
