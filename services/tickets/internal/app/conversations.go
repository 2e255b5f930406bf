package app

import (
	"context"
	"errors"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/idem"
	"github.com/lethe-desk/lethe/services/internal/platform/richtext"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/tickets/internal/ticket"
)

// ConversationView is a conversation with its files.
type ConversationView struct {
	Conversation *ticket.Conversation
	Files        []*ticket.Attachment
}

// CreateReply stores an answer to the requester. Lethe sends no mail.
func (a *App) CreateReply(ctx context.Context, c Caller, ticketID int64, in *ticket.ReplyInput, key Key) (*ConversationView, error) {
	return a.converse(ctx, c, ticketID, "CreateReply", key, in.Files, func(ctx context.Context, t *ticket.Ticket) (*ticket.Conversation, error) {
		in.Fold()
		if err := invalid(in.Check()); err != nil {
			return nil, err
		}
		user, err := a.author(ctx, c, in.UserID)
		if err != nil {
			return nil, err
		}
		people, err := a.People.Batch(ctx, c.Account, []int64{t.Owner})
		if err != nil {
			return nil, contactsFault(err, "ticket_id")
		}
		var to []string
		if p := people[t.Owner]; p != nil && p.Email != nil {
			to = []string{*p.Email}
		}
		return &ticket.Conversation{
			UserID: user, Source: ticket.SourceReply, Incoming: user == t.Owner,
			From: in.From, To: to, CC: in.CC, BCC: in.BCC, Body: *in.Body,
		}, nil
	})
}

// CreateNote adds a note, private unless told otherwise.
func (a *App) CreateNote(ctx context.Context, c Caller, ticketID int64, in *ticket.NoteInput, key Key) (*ConversationView, error) {
	return a.converse(ctx, c, ticketID, "CreateNote", key, in.Files, func(ctx context.Context, _ *ticket.Ticket) (*ticket.Conversation, error) {
		in.Notify = ticket.FoldAll(in.Notify)
		if err := invalid(in.Check()); err != nil {
			return nil, err
		}
		user, err := a.author(ctx, c, in.UserID)
		if err != nil {
			return nil, err
		}
		return &ticket.Conversation{
			UserID: user, Source: ticket.SourceNote, Private: in.Private == nil || *in.Private,
			Incoming: in.Incoming != nil && *in.Incoming, To: in.Notify, Body: *in.Body,
		}, nil
	})
}

// converse adds a conversation to a ticket and notes on the ticket that it was added.
func (a *App) converse(ctx context.Context, c Caller, ticketID int64, method string, key Key, files []int64,
	make func(context.Context, *ticket.Ticket) (*ticket.Conversation, error)) (*ConversationView, error) {
	var draft *ticket.Conversation
	prepare := func(ctx context.Context) error {
		t, err := a.settled(ctx, c, ticketID)
		if err != nil {
			return err
		}
		if t.Frozen() {
			return notAllowed()
		}
		if draft, err = make(ctx, t); err != nil {
			return err
		}
		draft.Account, draft.Owner, draft.TicketID, draft.HasFiles = c.Account, t.Owner, ticketID, len(files) > 0
		return nil
	}
	work := idem.Work[*ticket.Conversation]{
		Owner: func(ctx context.Context) (int64, error) {
			if err := prepare(ctx); err != nil {
				return 0, err
			}
			return draft.Owner, a.canAdopt(ctx, c, adoption{owner: draft.Owner, ticketID: ticketID, files: files, purpose: ring.Write})
		},
		Create: func(ctx context.Context, s idem.Slot) (*ticket.Conversation, error) {
			if s.Resumed {
				if err := unmade(ctx, c, a.Conversations, s.ID); err != nil {
					return nil, err
				}
			}
			if draft == nil {
				if err := prepare(ctx); err != nil {
					return nil, err
				}
			}
			return a.insertConversation(ctx, c, *draft, files, s)
		},
		Complete: func(ctx context.Context, v *ticket.Conversation) (*ticket.Conversation, error) {
			return v, a.noteOn(ctx, c, v)
		},
	}
	v, err := create(ctx, a, creating[ticket.Conversation]{
		c: c, method: method, key: key, what: "conversation", table: a.Conversations, work: work,
	})
	if err != nil {
		return nil, err
	}
	return a.withFiles(ctx, c, v)
}

func (a *App) insertConversation(ctx context.Context, c Caller, v ticket.Conversation, files []int64, s idem.Slot) (*ticket.Conversation, error) {
	v.ID, v.Mark = s.ID, s.Mark
	v.CreatedAt = a.now()
	v.UpdatedAt = v.CreatedAt
	v.Body = richtext.Normal(v.Body)
	v.Text = richtext.Text(v.Body)
	ad := adoption{owner: v.Owner, ticketID: v.TicketID, conversationID: v.ID, files: files, purpose: ring.Write, resumed: s.Resumed}
	if err := a.adopt(ctx, c, ad); err != nil {
		return nil, err
	}
	err := a.Conversations.Insert(ctx, ring.Write, &v)
	if err != nil && !errors.Is(err, docstore.ErrExists) {
		a.abandon(ctx, c, ad, err)
		return nil, a.refuse(ctx, err, "ticket", c.Account, v.TicketID, v.Owner)
	}
	if err == nil {
		err = a.stillThere(ctx, c, v.Owner, v.TicketID)
	}
	return &v, err
}

// noteOn brings what a conversation means for its ticket into the ticket.
func (a *App) noteOn(ctx context.Context, c Caller, v *ticket.Conversation) error {
	_, err := a.changeTicket(ctx, c, v.TicketID, func(t *ticket.Ticket) error {
		switch {
		case v.Incoming:
			t.Answered(v.CreatedAt)
		case v.Source == ticket.SourceReply:
			t.Replied(v.CreatedAt, v.CC)
		default:
			t.Noted(v.CreatedAt)
		}
		return nil
	})
	return err
}

func (a *App) withFiles(ctx context.Context, c Caller, v *ticket.Conversation) (*ConversationView, error) {
	out := &ConversationView{Conversation: v}
	if !v.HasFiles {
		return out, nil
	}
	var err error
	out.Files, err = a.Attachments.OfConversation(ctx, ring.Read, c.Account, v.TicketID, v.ID)
	return out, storeFault(err)
}

// ListConversations reads a page of a ticket's conversations, oldest first.
func (a *App) ListConversations(ctx context.Context, c Caller, ticketID int64, skip, limit int) ([]ConversationView, bool, error) {
	if _, err := load(ctx, a, c, "ticket", a.Tickets, ticketID); err != nil {
		return nil, false, err
	}
	return a.conversations(ctx, c, ticketID, skip, limit)
}

// conversations reads a page with the files of all of them in one query.
func (a *App) conversations(ctx context.Context, c Caller, ticketID int64, skip, limit int) ([]ConversationView, bool, error) {
	found, more, err := a.Conversations.OfTicket(ctx, c.Account, ticketID, skip, limit)
	if err != nil {
		return nil, false, storeFault(err)
	}
	files := map[int64][]*ticket.Attachment{}
	for _, v := range found {
		if !v.HasFiles {
			continue
		}
		all, err := a.Attachments.OfTicket(ctx, ring.Read, c.Account, ticketID)
		if err != nil {
			return nil, false, storeFault(err)
		}
		for _, f := range all {
			files[f.ConversationID] = append(files[f.ConversationID], f)
		}
		break
	}
	out := make([]ConversationView, len(found))
	for i, v := range found {
		out[i] = ConversationView{Conversation: v, Files: files[v.ID]}
	}
	return out, more, nil
}

// UpdateConversation changes a note; a reply has been sent and stays.
func (a *App) UpdateConversation(ctx context.Context, c Caller, id int64, in *ticket.EditInput, mask []string) (*ConversationView, error) {
	adopted := false
	for try := 1; ; try++ {
		v, err := load(ctx, a, c, "conversation", a.Conversations, id)
		if err != nil {
			return nil, err
		}
		if err := a.editable(ctx, c, v); err != nil {
			return nil, err
		}
		if err := invalid(in.Check(mask)); err != nil {
			return nil, err
		}
		if ticket.Masks(mask, "body") {
			v.Body = richtext.Normal(*in.Body)
			v.Text = richtext.Text(v.Body)
		}
		if ticket.Masks(mask, "attachment_ids") && len(in.Files) > 0 {
			ad := adoption{owner: v.Owner, ticketID: v.TicketID, conversationID: id, files: in.Files, purpose: ring.Write}
			if err := a.adoptOnce(ctx, c, ad, &adopted); err != nil {
				return nil, err
			}
			v.HasFiles = true
		}
		now := a.now()
		v.UpdatedAt, v.LastEditedAt, v.LastEditor = now, &now, &c.Actor
		err = a.Conversations.Update(ctx, ring.Write, v)
		if err == nil {
			return a.withFiles(ctx, c, v)
		}
		if !errors.Is(err, docstore.ErrStale) || try == maxTries {
			return nil, a.refuse(ctx, err, "conversation", c.Account, id, v.Owner)
		}
	}
}

// editable refuses a reply, and anything on a ticket that takes no changes.
func (a *App) editable(ctx context.Context, c Caller, v *ticket.Conversation) error {
	if v.Source != ticket.SourceNote {
		return notAllowed()
	}
	return a.thawed(ctx, c, v.TicketID)
}

// thawed refuses a ticket in the trash or in spam.
func (a *App) thawed(ctx context.Context, c Caller, ticketID int64) error {
	t, err := load(ctx, a, c, "ticket", a.Tickets, ticketID)
	if err == nil && t.Frozen() {
		return notAllowed()
	}
	return err
}

// DeleteConversation removes a reply or note and its files for good.
func (a *App) DeleteConversation(ctx context.Context, c Caller, id int64) error {
	v, err := load(ctx, a, c, "conversation", a.Conversations, id)
	if err != nil {
		return err
	}
	if err := a.thawed(ctx, c, v.TicketID); err != nil {
		return err
	}
	if v.HasFiles {
		files, err := a.Attachments.OfConversation(ctx, ring.Write, c.Account, v.TicketID, id)
		if err != nil {
			return storeFault(err)
		}
		for _, f := range files {
			if err := a.removeFile(ctx, c, f); err != nil {
				return err
			}
		}
	}
	return a.refuse(ctx, a.Conversations.Delete(ctx, ring.Write, c.Account, id, 0), "conversation", c.Account, id, v.Owner)
}
