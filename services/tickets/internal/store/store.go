package store

import (
	"context"
	"errors"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/tickets/internal/ticket"
)

// Store is all that the service keeps.
type Store struct {
	db            *docstore.DB
	Tickets       *Tickets
	Conversations *Conversations
	// Attachments hang on tickets, Staged wait to be adopted.
	Attachments, Staged *Attachments
	Threads             *Threads
	Messages            *Messages
	Calls               *Calls
	Chats               *Chats
}

// Open binds all collections.
func Open(ctx context.Context, db *docstore.DB) (*Store, error) {
	s := &Store{db: db}
	tickets, e1 := bind[ticket.Ticket, ticketDoc, *ticket.Ticket, *ticketDoc](ctx, db, ticketSpec, ticketTo, ticketFrom, ticketNames, "id")
	conversations, e2 := bind[ticket.Conversation, conversationDoc, *ticket.Conversation, *conversationDoc](ctx, db, conversationSpec, conversationTo, conversationFrom, conversationNames, "ticket")
	attachments, e3 := bind[ticket.Attachment, attachmentDoc, *ticket.Attachment, *attachmentDoc](ctx, db, attachmentSpec, attachmentTo, attachmentFrom, naming[attachmentDoc]{}, "ticket")
	staged, e4 := bind[ticket.Attachment, attachmentDoc, *ticket.Attachment, *attachmentDoc](ctx, db, stagedSpec, attachmentTo, attachmentFrom, naming[attachmentDoc]{}, "")
	threads, e5 := bind[ticket.Thread, threadDoc, *ticket.Thread, *threadDoc](ctx, db, threadSpec, threadTo, threadFrom, threadNames, "ticket")
	messages, e6 := bind[ticket.Message, messageDoc, *ticket.Message, *messageDoc](ctx, db, messageSpec, messageTo, messageFrom, messageNames, "ticket")
	calls, e7 := bind[ticket.Call, callDoc, *ticket.Call, *callDoc](ctx, db, callSpec, callTo, callFrom, callNames, "ticket")
	chats, e8 := bind[ticket.Chat, chatDoc, *ticket.Chat, *chatDoc](ctx, db, chatSpec, chatTo, chatFrom, chatNames, "ticket")
	closed, e9 := docstore.Bind[closedDoc](ctx, db, closedSpec)
	s.Tickets, s.Conversations = &Tickets{tickets, closed}, &Conversations{conversations}
	s.Attachments, s.Staged = &Attachments{attachments}, &Attachments{staged}
	s.Threads, s.Messages = &Threads{threads}, &Messages{messages}
	s.Calls, s.Chats = &Calls{calls}, &Chats{chats}
	return s, errors.Join(e1, e2, e3, e4, e5, e6, e7, e8, e9)
}

// Modes returns the fences that stand on a person here, none for one never met.
func (s *Store) Modes(ctx context.Context, subject ring.Subject) (ring.Mode, error) {
	e, err := s.db.Entry(ctx, subject)
	if errors.Is(err, docstore.ErrNotFound) {
		return 0, nil
	}
	return e.Modes(), err
}

// ticketSequence names the sequence of ticket numbers.
const ticketSequence = "ticket"

// NextTicket returns a new ticket number.
func (s *Store) NextTicket(ctx context.Context, account int64) (int64, error) {
	return s.db.Next(ctx, account, ticketSequence)
}
