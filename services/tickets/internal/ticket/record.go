// Package ticket holds the rules of tickets and of what hangs on them:
// conversations, attachments, threads (Team Huddle), calls and chats. It is
// plain Go over the standard library and knows neither wire nor store.
//
// All of it is owned by the ticket's requester, whoever wrote it.
package ticket

import "time"

// Record is what every stored thing has.
type Record struct {
	// Account is the desk, ID the thing's id in it.
	Account, ID int64
	// Owner is the subject whose data it is.
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

// Conversation is a reply or a note.
type Conversation struct {
	Record
	TicketID int64
	// UserID is who wrote it.
	UserID int64
	// Body is HTML, Text the same without markup.
	Body, Text string
	Incoming   bool
	Private    bool
	// Source is SourceReply or SourceNote.
	Source int32
	From   *string
	// To are the receivers of a reply, or the agents a note was announced to.
	To, CC, BCC  []string
	HasFiles     bool
	LastEditedAt *time.Time
	LastEditor   *int64
}

// The sources of conversations.
const (
	SourceReply int32 = 0
	SourceNote  int32 = 2
)

// Attachment is a file. A staged one has no ticket yet.
type Attachment struct {
	Record
	TicketID int64
	// ConversationID is 0 for a file of the ticket itself.
	ConversationID    int64
	Name, ContentType string
	// Size is in bytes.
	Size int64
	// Blob names the stored bytes, Key opens them.
	Blob string
	Key  []byte
}

// Thread is a Team Huddle.
type Thread struct {
	Record
	TicketID     int64
	Type         string
	Title        *string
	Participants []int64
	CreatedBy    int64
}

// Message is one message of a thread.
type Message struct {
	Record
	ThreadID int64
	// TicketID is the ticket the thread is about.
	TicketID   int64
	Body, Text string
	UserID     int64
}

// Call is a telephone call.
type Call struct {
	Record
	TicketID  int64
	AgentID   int64
	Direction string
	Phone     *string
	Notes     *string
	// Seconds is how long it took.
	Seconds   *int32
	StartedAt time.Time
}

// Chat is a live conversation.
type Chat struct {
	Record
	TicketID int64
	Lines    []Line
}

// Line is one message of a chat.
type Line struct {
	// From is "contact" or "agent".
	From   string
	UserID *int64
	Text   string
	SentAt time.Time
}
