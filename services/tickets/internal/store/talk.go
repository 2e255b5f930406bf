package store

import (
	"context"
	"slices"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/tickets/internal/ticket"
)

// threadDoc is a stored Team Huddle.
type threadDoc struct {
	docstore.Meta
	TicketID     int64   `doc:"ticket_id" field:"lethe.tickets.v1.Thread.ticket_id"`
	Type         string  `doc:"type" field:"lethe.tickets.v1.Thread.type"`
	Participants []int64 `doc:"participant_ids" field:"lethe.tickets.v1.Thread.participant_ids"`
	CreatedBy    int64   `doc:"created_by" field:"lethe.tickets.v1.Thread.created_by"`
	Title        *string `doc:"title,seal" field:"lethe.tickets.v1.Thread.title"`
}

func (d *threadDoc) meta() *docstore.Meta { return &d.Meta }
func (d *threadDoc) mark() *string        { return new(string) } // nobody repeats these under a key

var threadSpec = docstore.Spec{
	Name: "threads",
	Indexes: []docstore.Index{
		{Name: "ticket", Fields: []string{"ticket_id"}},
		{Name: "creator", Fields: []string{"created_by"}},
		{Name: "participant", Fields: []string{"participant_ids"}},
	},
	Mentions: []string{"title"},
}

var threadNames = naming[threadDoc]{
	fields:  []docstore.Link{{Field: "created_by", Index: "creator"}},
	list:    "participant",
	replace: func(d *threadDoc, from, to int64) { d.Participants = replaced(d.Participants, from, to) },
}

func threadTo(t *ticket.Thread, d *threadDoc) {
	*d = threadDoc{TicketID: t.TicketID, Type: t.Type, Participants: t.Participants, CreatedBy: t.CreatedBy, Title: t.Title}
}

func threadFrom(d *threadDoc, t *ticket.Thread) {
	*t = ticket.Thread{TicketID: d.TicketID, Type: d.Type, Participants: d.Participants, CreatedBy: d.CreatedBy, Title: d.Title}
}

// Threads stores Team Huddles.
type Threads struct {
	*Table[ticket.Thread, threadDoc, *ticket.Thread, *threadDoc]
}

// messageDoc is a stored message of a thread.
type messageDoc struct {
	docstore.Meta
	ThreadID int64  `doc:"thread_id" field:"lethe.tickets.v1.ThreadMessage.thread_id"`
	TicketID int64  `doc:"ticket_id" why:"the ticket the message's thread is about"`
	UserID   int64  `doc:"user_id" field:"lethe.tickets.v1.ThreadMessage.user_id"`
	Body     string `doc:"body,seal,body" field:"lethe.tickets.v1.ThreadMessage.body"`
	Text     string `doc:"body_text,seal,body" field:"lethe.tickets.v1.ThreadMessage.body_text"`
}

func (d *messageDoc) meta() *docstore.Meta { return &d.Meta }
func (d *messageDoc) mark() *string        { return new(string) } // nobody repeats these under a key

var messageSpec = docstore.Spec{
	Name: "thread_messages",
	Indexes: []docstore.Index{
		{Name: "thread", Fields: []string{"thread_id", "created_at"}},
		{Name: "ticket", Fields: []string{"ticket_id"}},
		{Name: "user", Fields: []string{"user_id"}},
	},
	Mentions: []string{"body", "body_text"},
}

var messageNames = naming[messageDoc]{fields: []docstore.Link{{Field: "user_id", Index: "user"}}}

func messageTo(m *ticket.Message, d *messageDoc) {
	*d = messageDoc{ThreadID: m.ThreadID, TicketID: m.TicketID, UserID: m.UserID, Body: m.Body, Text: m.Text}
}

func messageFrom(d *messageDoc, m *ticket.Message) {
	*m = ticket.Message{ThreadID: d.ThreadID, TicketID: d.TicketID, UserID: d.UserID, Body: d.Body, Text: d.Text}
}

// Messages stores the messages of threads.
type Messages struct {
	*Table[ticket.Message, messageDoc, *ticket.Message, *messageDoc]
}

// OfThread reads a page of a thread's messages, oldest first.
func (m *Messages) OfThread(ctx context.Context, account, threadID int64, skip, limit int) ([]*ticket.Message, bool, error) {
	return m.page(ctx, account, docstore.Query{Index: "thread", Eq: []any{threadID}, Skip: skip, Limit: limit, Bodies: true})
}

// DeleteOfThread removes some of a thread's messages and says whether there are more.
func (m *Messages) DeleteOfThread(ctx context.Context, account, threadID int64) (bool, error) {
	_, more, err := m.docs.DeleteWhere(ctx, ring.Write, account, docstore.Query{Index: "thread", Eq: []any{threadID}, Limit: 200})
	return more, err
}

// callDoc is a stored telephone call.
type callDoc struct {
	docstore.Meta
	Origin    string    `doc:"origin" why:"random mark of the idempotency record that made it"`
	TicketID  int64     `doc:"ticket_id" field:"lethe.tickets.v1.Call.ticket_id"`
	AgentID   int64     `doc:"agent_id" field:"lethe.tickets.v1.Call.agent_id"`
	Direction string    `doc:"direction" field:"lethe.tickets.v1.Call.direction"`
	Phone     *string   `doc:"phone_number,seal" field:"lethe.tickets.v1.Call.phone_number"`
	Notes     *string   `doc:"notes,seal" field:"lethe.tickets.v1.Call.notes"`
	Seconds   *int32    `doc:"duration_seconds,seal" field:"lethe.tickets.v1.Call.duration_seconds"`
	StartedAt time.Time `doc:"started_at,seal" field:"lethe.tickets.v1.Call.started_at"`
}

func (d *callDoc) meta() *docstore.Meta { return &d.Meta }
func (d *callDoc) mark() *string        { return &d.Origin }

var callSpec = docstore.Spec{
	Name:     "calls",
	Indexes:  []docstore.Index{{Name: "ticket", Fields: []string{"ticket_id"}}, {Name: "agent", Fields: []string{"agent_id"}}},
	Mentions: []string{"phone_number", "notes"},
}

var callNames = naming[callDoc]{fields: []docstore.Link{{Field: "agent_id", Index: "agent"}}}

func callTo(c *ticket.Call, d *callDoc) {
	*d = callDoc{TicketID: c.TicketID, AgentID: c.AgentID, Direction: c.Direction, Phone: c.Phone, Notes: c.Notes, Seconds: c.Seconds, StartedAt: c.StartedAt}
}

func callFrom(d *callDoc, c *ticket.Call) {
	*c = ticket.Call{TicketID: d.TicketID, AgentID: d.AgentID, Direction: d.Direction, Phone: d.Phone, Notes: d.Notes, Seconds: d.Seconds, StartedAt: d.StartedAt}
}

// Calls stores telephone calls.
type Calls struct {
	*Table[ticket.Call, callDoc, *ticket.Call, *callDoc]
}

// List reads a page of calls in id order, of one ticket if ticketID is not 0.
func (c *Calls) List(ctx context.Context, account, ticketID int64, skip, limit int) ([]*ticket.Call, bool, error) {
	return c.page(ctx, account, ofTicket(ticketID, skip, limit))
}

// ofTicket asks for what hangs on a ticket, or on any for 0, in id order.
func ofTicket(ticketID int64, skip, limit int) docstore.Query {
	q := docstore.Query{Index: "id", Skip: skip, Limit: limit, Bodies: true}
	if ticketID != 0 {
		q.Index, q.Eq = "ticket", []any{ticketID}
	}
	return q
}

// chatDoc is a stored chat.
type chatDoc struct {
	docstore.Meta
	Origin   string    `doc:"origin" why:"random mark of the idempotency record that made it"`
	TicketID int64     `doc:"ticket_id" field:"lethe.tickets.v1.Chat.ticket_id"`
	Speakers []int64   `doc:"speakers" field:"lethe.tickets.v1.ChatMessage.user_id"`
	Lines    []lineDoc `doc:"messages,seal,body" field:"lethe.tickets.v1.Chat.messages"`
}

// lineDoc is one line, by number of field: chats have many.
type lineDoc struct {
	From   string    `cbor:"1,keyasint,omitempty"`
	UserID *int64    `cbor:"2,keyasint,omitempty"`
	Text   string    `cbor:"3,keyasint,omitempty"`
	SentAt time.Time `cbor:"4,keyasint,omitzero"`
}

func (d *chatDoc) meta() *docstore.Meta { return &d.Meta }
func (d *chatDoc) mark() *string        { return &d.Origin }

var chatSpec = docstore.Spec{
	Name:     "chats",
	Indexes:  []docstore.Index{{Name: "ticket", Fields: []string{"ticket_id"}}, {Name: "speaker", Fields: []string{"speakers"}}},
	Mentions: []string{"messages"},
}

// The people who speak stand in the lines, inside of the sealed part, and in a list that is searched.
var chatNames = naming[chatDoc]{list: "speaker", replace: func(d *chatDoc, from, to int64) {
	d.Speakers = replaced(d.Speakers, from, to)
	for i := range d.Lines {
		l := &d.Lines[i]
		switch {
		case l.UserID == nil || *l.UserID != from:
		case to == 0:
			l.UserID = nil
		default:
			l.UserID = &to
		}
	}
}}

func chatTo(c *ticket.Chat, d *chatDoc) {
	*d = chatDoc{TicketID: c.TicketID}
	for _, l := range c.Lines {
		d.Lines = append(d.Lines, lineDoc(l))
		if l.UserID != nil && !slices.Contains(d.Speakers, *l.UserID) {
			d.Speakers = append(d.Speakers, *l.UserID)
		}
	}
}

func chatFrom(d *chatDoc, c *ticket.Chat) {
	*c = ticket.Chat{TicketID: d.TicketID}
	for _, l := range d.Lines {
		c.Lines = append(c.Lines, ticket.Line(l))
	}
}

// Chats stores chats.
type Chats struct {
	*Table[ticket.Chat, chatDoc, *ticket.Chat, *chatDoc]
}

// List reads a page of chats in id order, of one ticket if ticketID is not 0.
func (c *Chats) List(ctx context.Context, account, ticketID int64, skip, limit int) ([]*ticket.Chat, bool, error) {
	return c.page(ctx, account, ofTicket(ticketID, skip, limit))
}
