package store

import (
	"context"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/tickets/internal/ticket"
)

// conversationDoc is a stored reply or note.
type conversationDoc struct {
	docstore.Meta
	Origin       string     `doc:"origin" why:"random mark of the idempotency record that made it"`
	TicketID     int64      `doc:"ticket_id" field:"lethe.tickets.v1.Conversation.ticket_id"`
	UserID       int64      `doc:"user_id" field:"lethe.tickets.v1.Conversation.user_id"`
	Incoming     bool       `doc:"incoming" field:"lethe.tickets.v1.Conversation.incoming"`
	Private      bool       `doc:"private" field:"lethe.tickets.v1.Conversation.private"`
	Source       int32      `doc:"source" field:"lethe.tickets.v1.Conversation.source"`
	HasFiles     bool       `doc:"has_files" why:"whether looking for attachments is worth a query"`
	LastEditedAt *time.Time `doc:"last_edited_at" field:"lethe.tickets.v1.Conversation.last_edited_at"`
	LastEditor   *int64     `doc:"last_edited_user_id" field:"lethe.tickets.v1.Conversation.last_edited_user_id"`

	From *string  `doc:"from_email,seal" field:"lethe.tickets.v1.Conversation.from_email"`
	To   []string `doc:"to_emails,seal" field:"lethe.tickets.v1.Conversation.to_emails"`
	CC   []string `doc:"cc_emails,seal" field:"lethe.tickets.v1.Conversation.cc_emails"`
	BCC  []string `doc:"bcc_emails,seal" field:"lethe.tickets.v1.Conversation.bcc_emails"`

	Body string `doc:"body,seal,body" field:"lethe.tickets.v1.Conversation.body"`
	Text string `doc:"body_text,seal,body" field:"lethe.tickets.v1.Conversation.body_text"`
}

func (d *conversationDoc) meta() *docstore.Meta { return &d.Meta }
func (d *conversationDoc) mark() *string        { return &d.Origin }

var conversationSpec = docstore.Spec{
	Name: "conversations",
	Indexes: []docstore.Index{
		{Name: "ticket", Fields: []string{"ticket_id", "created_at"}},
		{Name: "user", Fields: []string{"user_id"}},
		{Name: "editor", Fields: []string{"last_edited_user_id"}},
	},
	Mentions: []string{"from_email", "to_emails", "cc_emails", "bcc_emails", "body", "body_text"},
}

var conversationNames = naming[conversationDoc]{fields: []docstore.Link{{Field: "user_id", Index: "user"}, {Field: "last_edited_user_id", Index: "editor"}}}

func conversationTo(c *ticket.Conversation, d *conversationDoc) {
	*d = conversationDoc{
		TicketID: c.TicketID, UserID: c.UserID, Incoming: c.Incoming, Private: c.Private, Source: c.Source,
		HasFiles: c.HasFiles, LastEditedAt: c.LastEditedAt, LastEditor: c.LastEditor,
		From: c.From, To: c.To, CC: c.CC, BCC: c.BCC, Body: c.Body, Text: c.Text,
	}
}

func conversationFrom(d *conversationDoc, c *ticket.Conversation) {
	*c = ticket.Conversation{
		TicketID: d.TicketID, UserID: d.UserID, Incoming: d.Incoming, Private: d.Private, Source: d.Source,
		HasFiles: d.HasFiles, LastEditedAt: d.LastEditedAt, LastEditor: d.LastEditor,
		From: d.From, To: d.To, CC: d.CC, BCC: d.BCC, Body: d.Body, Text: d.Text,
	}
}

// Conversations stores replies and notes.
type Conversations struct {
	*Table[ticket.Conversation, conversationDoc, *ticket.Conversation, *conversationDoc]
}

// OfTicket reads a page of a ticket's conversations, oldest first, with their texts.
func (c *Conversations) OfTicket(ctx context.Context, account, ticketID int64, skip, limit int) ([]*ticket.Conversation, bool, error) {
	return c.page(ctx, account, docstore.Query{Index: "ticket", Eq: []any{ticketID}, Skip: skip, Limit: limit, Bodies: true})
}

// attachmentDoc is a stored file, staged or on a ticket; two collections keep the
// two apart, so that adopting a file keeps its id.
type attachmentDoc struct {
	docstore.Meta
	TicketID       int64  `doc:"ticket_id" why:"the ticket the file hangs on; the message shows it inside of that ticket"`
	ConversationID int64  `doc:"conversation_id" why:"the conversation the file hangs on, 0 for the ticket itself"`
	Blob           string `doc:"blob" why:"random name of the stored bytes, clear so that a sweep finds them without a key"`
	Size           int64  `doc:"size" field:"lethe.tickets.v1.Attachment.size"`
	Name           string `doc:"name,seal" field:"lethe.tickets.v1.Attachment.name"`
	ContentType    string `doc:"content_type,seal" field:"lethe.tickets.v1.Attachment.content_type"`
	Key            []byte `doc:"blob_key,seal" why:"key of the stored bytes"`
}

func (d *attachmentDoc) meta() *docstore.Meta { return &d.Meta }
func (d *attachmentDoc) mark() *string        { return new(string) } // nobody repeats these under a key

func attachmentTo(a *ticket.Attachment, d *attachmentDoc) {
	*d = attachmentDoc{
		TicketID: a.TicketID, ConversationID: a.ConversationID, Blob: a.Blob, Size: a.Size,
		Name: a.Name, ContentType: a.ContentType, Key: a.Key,
	}
}

func attachmentFrom(d *attachmentDoc, a *ticket.Attachment) {
	*a = ticket.Attachment{
		TicketID: d.TicketID, ConversationID: d.ConversationID, Blob: d.Blob, Size: d.Size,
		Name: d.Name, ContentType: d.ContentType, Key: d.Key,
	}
}

var (
	attachmentSpec = docstore.Spec{
		Name: "attachments",
		Indexes: []docstore.Index{
			{Name: "ticket", Fields: []string{"ticket_id", "conversation_id"}},
			{Name: "blob", Fields: []string{"blob"}, Global: true},
		},
		Mentions: []string{"name"},
	}
	stagedSpec = docstore.Spec{
		Name: "staged_files",
		Indexes: []docstore.Index{
			{Name: "created", Fields: []string{"created_at"}, Global: true},
			{Name: "blob", Fields: []string{"blob"}, Global: true},
		},
	}
)

// Attachments stores files, staged or adopted.
type Attachments struct {
	*Table[ticket.Attachment, attachmentDoc, *ticket.Attachment, *attachmentDoc]
}

// OfTicket reads all files of a ticket, those of its conversations too, in the
// order of conversations and ids.
func (a *Attachments) OfTicket(ctx context.Context, p ring.Purpose, account, ticketID int64) ([]*ticket.Attachment, error) {
	return a.all(ctx, p, account, docstore.Query{Index: "ticket", Eq: []any{ticketID}})
}

// OfConversation reads the files of one conversation, 0 being the ticket itself.
func (a *Attachments) OfConversation(ctx context.Context, p ring.Purpose, account, ticketID, conversationID int64) ([]*ticket.Attachment, error) {
	return a.all(ctx, p, account, docstore.Query{Index: "ticket", Eq: []any{ticketID, conversationID}})
}

func (a *Attachments) all(ctx context.Context, p ring.Purpose, account int64, q docstore.Query) ([]*ticket.Attachment, error) {
	var out []*ticket.Attachment
	q.Limit = docstore.MaxLimit
	for {
		page, err := a.docs.Find(ctx, p, account, q)
		if err != nil {
			return nil, err
		}
		out = append(out, a.values(page.Items)...)
		if page.Next == "" {
			return out, nil
		}
		q.After = page.Next
	}
}

// Before reads staged files of all accounts that are older than a moment, oldest first.
func (a *Attachments) Before(ctx context.Context, at time.Time, limit int) ([]*ticket.Attachment, error) {
	p, err := a.docs.Find(ctx, ring.Sweep, 0, docstore.Query{Index: "created", To: at, AllAccounts: true, Limit: limit})
	return a.values(p.Items), err
}

// Holds reports whether a document of any account names a blob.
func (a *Attachments) Holds(ctx context.Context, blob string) (bool, error) {
	p, err := a.docs.Find(ctx, ring.Sweep, 0, docstore.Query{Index: "blob", Eq: []any{blob}, AllAccounts: true, Limit: 1})
	return len(p.Items) > 0, err
}

// OnItem reads at most limit files of a person that hang on a ticket: their clear parts.
func (a *Attachments) OnItem(ctx context.Context, s ring.Subject, id int64, limit int) ([]*ticket.Attachment, error) {
	p, err := a.docs.Find(ctx, ring.Sweep, s.Account, a.ownItem(s, id, limit))
	return a.values(p.Items), err
}

// Owned reads at most limit files of a person for a sweep: their clear parts.
func (a *Attachments) Owned(ctx context.Context, s ring.Subject, limit int) ([]*ticket.Attachment, error) {
	p, err := a.docs.Find(ctx, ring.Sweep, s.Account, owned(s, limit))
	return a.values(p.Items), err
}

// DeleteMany removes a person's files by id in one step, and says how many there were.
func (a *Attachments) DeleteMany(ctx context.Context, s ring.Subject, ids []int64) (int, error) {
	list := make([]any, len(ids))
	for i, id := range ids {
		list[i] = id
	}
	q := owned(s, max(len(ids), 1))
	q.Where = docstore.Cond{Op: "in", Field: "id", List: list}
	n, _, err := a.docs.DeleteWhere(ctx, ring.Sweep, s.Account, q)
	return n, err
}
