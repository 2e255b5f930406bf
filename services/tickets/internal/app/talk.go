package app

import (
	"context"
	"errors"
	"strconv"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/idem"
	"github.com/lethe-desk/lethe/services/internal/platform/ids"
	"github.com/lethe-desk/lethe/services/internal/platform/richtext"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/tickets/internal/ticket"
)

// drawn stores a value under a drawn id, drawing again while it is taken.
func drawn[T any](ctx context.Context, a *App, t Table[T], r *ticket.Record, v *T) error {
	for try := 1; ; try++ {
		r.ID = ids.New(a.Now)
		err := t.Insert(ctx, ring.Write, v)
		if !errors.Is(err, docstore.ErrExists) || try == maxTries {
			return err
		}
	}
}

// CreateThread begins a Team Huddle about a ticket.
func (a *App) CreateThread(ctx context.Context, c Caller, in *ticket.ThreadInput) (*ticket.Thread, error) {
	if err := invalid(in.Check()); err != nil {
		return nil, err
	}
	about, err := a.ticketOf(ctx, c, *in.TicketID)
	if err != nil {
		return nil, err
	}
	now := a.now()
	t := &ticket.Thread{
		Record:   ticket.Record{Account: c.Account, Owner: about.Owner, CreatedAt: now, UpdatedAt: now},
		TicketID: about.ID, Type: "discussion", Title: in.Title, Participants: in.Participants, CreatedBy: c.Actor,
	}
	if in.Type != nil {
		t.Type = *in.Type
	}
	if err := drawn(ctx, a, a.Threads, &t.Record, t); err != nil {
		return nil, a.refuse(ctx, err, "ticket", c.Account, about.ID, about.Owner)
	}
	return t, a.stillThere(ctx, c, about.Owner, about.ID)
}

// threadID reads an id of a thread or message; what is no number names nothing.
func threadID(what, s string) (int64, error) {
	id, err := strconv.ParseInt(s, 10, 64)
	if err != nil || id <= 0 || strconv.FormatInt(id, 10) != s {
		return 0, fault.NotFound(what, 0)
	}
	return id, nil
}

// GetThread reads a thread.
func (a *App) GetThread(ctx context.Context, c Caller, id string) (*ticket.Thread, error) {
	n, err := threadID("thread", id)
	if err != nil {
		return nil, err
	}
	return load(ctx, a, c, "thread", a.Threads, n)
}

// DeleteThread removes a thread and its messages for good, the messages first, so
// that what a crash leaves can still be reached by its thread.
func (a *App) DeleteThread(ctx context.Context, c Caller, id string) error {
	t, err := a.GetThread(ctx, c, id)
	if err != nil {
		return err
	}
	for more := true; more; {
		if more, err = a.Messages.DeleteOfThread(ctx, c.Account, t.ID); err != nil {
			return storeFault(err)
		}
	}
	return a.refuse(ctx, a.Threads.Delete(ctx, ring.Write, c.Account, t.ID, 0), "thread", c.Account, t.ID, t.Owner)
}

// CreateThreadMessage adds a message to a thread.
func (a *App) CreateThreadMessage(ctx context.Context, c Caller, in *ticket.MessageInput) (*ticket.Message, error) {
	if err := invalid(in.Check()); err != nil {
		return nil, err
	}
	t, err := a.GetThread(ctx, c, *in.ThreadID)
	if fault.Is(err, fault.KindNotFound) {
		return nil, fault.InvalidValue("thread_id", "There is no thread matching the given thread_id")
	}
	if err != nil {
		return nil, err
	}
	now := a.now()
	m := &ticket.Message{
		Record:   ticket.Record{Account: c.Account, Owner: t.Owner, CreatedAt: now, UpdatedAt: now},
		ThreadID: t.ID, TicketID: t.TicketID, UserID: c.Actor, Body: richtext.Normal(*in.Body),
	}
	m.Text = richtext.Text(m.Body)
	if err := drawn(ctx, a, a.Messages, &m.Record, m); err != nil {
		return nil, a.refuse(ctx, err, "thread", c.Account, t.ID, t.Owner)
	}
	return m, a.stillThere(ctx, c, t.Owner, t.TicketID)
}

// GetThreadMessage reads a message.
func (a *App) GetThreadMessage(ctx context.Context, c Caller, id string) (*ticket.Message, error) {
	n, err := threadID("message", id)
	if err != nil {
		return nil, err
	}
	return load(ctx, a, c, "message", a.Messages, n)
}

// ListThreadMessages reads a page of a thread, oldest first.
func (a *App) ListThreadMessages(ctx context.Context, c Caller, id string, skip, limit int) ([]*ticket.Message, bool, error) {
	t, err := a.GetThread(ctx, c, id)
	if err != nil {
		return nil, false, err
	}
	found, more, err := a.Messages.OfThread(ctx, c.Account, t.ID, skip, limit)
	return found, more, storeFault(err)
}

// record stores a call or chat, once per key; about says on which ticket it hangs.
func record[T any](ctx context.Context, a *App, c Caller, what, method string, key Key, table Table[T], about func(*T) int64,
	draft func(ctx context.Context) (*T, *ticket.Record, error)) (*T, error) {
	var v *T
	var r *ticket.Record
	prepare := func(ctx context.Context) (owner int64, err error) {
		if v, r, err = draft(ctx); err != nil {
			return 0, err
		}
		return r.Owner, nil
	}
	work := idem.Work[*T]{Owner: prepare, Create: func(ctx context.Context, s idem.Slot) (*T, error) {
		if v == nil {
			if _, err := prepare(ctx); err != nil {
				return nil, err
			}
		}
		r.ID, r.Mark = s.ID, s.Mark
		err := table.Insert(ctx, ring.Write, v)
		if errors.Is(err, docstore.ErrExists) {
			return nil, err
		}
		if err != nil {
			return nil, a.refuse(ctx, err, what, c.Account, r.ID, r.Owner)
		}
		return v, a.stillThere(ctx, c, r.Owner, about(v))
	}}
	return create(ctx, a, creating[T]{c: c, method: method, key: key, what: what, table: table, work: work})
}

// CreateCall records a telephone call about a ticket.
func (a *App) CreateCall(ctx context.Context, c Caller, in *ticket.CallInput, key Key) (*ticket.Call, error) {
	return record(ctx, a, c, "call", "CreateCall", key, a.Calls, func(v *ticket.Call) int64 { return v.TicketID }, func(ctx context.Context) (*ticket.Call, *ticket.Record, error) {
		if err := invalid(in.Check()); err != nil {
			return nil, nil, err
		}
		about, err := a.ticketOf(ctx, c, *in.TicketID)
		if err != nil {
			return nil, nil, err
		}
		now := a.now()
		v := &ticket.Call{
			Record:   ticket.Record{Account: c.Account, Owner: about.Owner, CreatedAt: now, UpdatedAt: now},
			TicketID: about.ID, AgentID: c.Actor, Direction: "incoming", Phone: in.Phone, Notes: in.Notes, Seconds: in.Seconds, StartedAt: now,
		}
		if in.Direction != nil {
			v.Direction = *in.Direction
		}
		if in.StartedAt != nil {
			v.StartedAt = *in.StartedAt
		}
		return v, &v.Record, nil
	})
}

// GetCall reads a call.
func (a *App) GetCall(ctx context.Context, c Caller, id int64) (*ticket.Call, error) {
	return load(ctx, a, c, "call", a.Calls, id)
}

// listed reads a page in id order, of one ticket if one is named; an unknown one has none.
func listed[T any](ctx context.Context, a *App, c Caller, t Listed[T], ticketID *int64, skip, limit int) ([]*T, bool, error) {
	var id int64
	if ticketID != nil {
		if id = *ticketID; id <= 0 {
			return nil, false, fault.InvalidValue("ticket_id", "It should be a positive integer")
		}
		if _, err := load(ctx, a, c, "ticket", a.Tickets, id); fault.Is(err, fault.KindNotFound) {
			return nil, false, nil
		} else if err != nil {
			return nil, false, err
		}
	}
	found, more, err := t.List(ctx, c.Account, id, skip, limit)
	return found, more, storeFault(err)
}

// ListCalls reads a page of calls.
func (a *App) ListCalls(ctx context.Context, c Caller, ticketID *int64, skip, limit int) ([]*ticket.Call, bool, error) {
	return listed(ctx, a, c, a.Calls, ticketID, skip, limit)
}

// DeleteCall removes a call for good.
func (a *App) DeleteCall(ctx context.Context, c Caller, id int64) error {
	v, err := a.GetCall(ctx, c, id)
	if err != nil {
		return err
	}
	return a.refuse(ctx, a.Calls.Delete(ctx, ring.Write, c.Account, id, 0), "call", c.Account, id, v.Owner)
}

// CreateChat records a chat about a ticket.
func (a *App) CreateChat(ctx context.Context, c Caller, in *ticket.ChatInput, key Key) (*ticket.Chat, error) {
	return record(ctx, a, c, "chat", "CreateChat", key, a.Chats, func(v *ticket.Chat) int64 { return v.TicketID }, func(ctx context.Context) (*ticket.Chat, *ticket.Record, error) {
		if err := invalid(in.Check()); err != nil {
			return nil, nil, err
		}
		about, err := a.ticketOf(ctx, c, *in.TicketID)
		if err != nil {
			return nil, nil, err
		}
		now := a.now()
		v := &ticket.Chat{Record: ticket.Record{Account: c.Account, Owner: about.Owner, CreatedAt: now, UpdatedAt: now}, TicketID: about.ID}
		for _, l := range in.Lines {
			line := ticket.Line{From: *l.From, UserID: l.UserID, Text: *l.Text, SentAt: now}
			if l.SentAt != nil {
				line.SentAt = *l.SentAt
			}
			v.Lines = append(v.Lines, line)
		}
		return v, &v.Record, nil
	})
}

// GetChat reads a chat.
func (a *App) GetChat(ctx context.Context, c Caller, id int64) (*ticket.Chat, error) {
	return load(ctx, a, c, "chat", a.Chats, id)
}

// ListChats reads a page of chats.
func (a *App) ListChats(ctx context.Context, c Caller, ticketID *int64, skip, limit int) ([]*ticket.Chat, bool, error) {
	return listed(ctx, a, c, a.Chats, ticketID, skip, limit)
}

// DeleteChat removes a chat for good.
func (a *App) DeleteChat(ctx context.Context, c Caller, id int64) error {
	v, err := a.GetChat(ctx, c, id)
	if err != nil {
		return err
	}
	return a.refuse(ctx, a.Chats.Delete(ctx, ring.Write, c.Account, id, 0), "chat", c.Account, id, v.Owner)
}
