package app

import (
	"context"
	"errors"
	"slices"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/idem"
	"github.com/lethe-desk/lethe/services/internal/platform/richtext"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/tickets/internal/ticket"
)

// included is how many conversations a ticket shows when asked to.
const included = 10

// TicketView is a ticket with what was asked for beside it.
type TicketView struct {
	Ticket *ticket.Ticket
	Files  []*ticket.Attachment
	// Conversations is nil when they were not asked for.
	Conversations []ConversationView
	// Requester is nil when not asked for or withheld.
	Requester *Person
	Includes  ticket.Includes
}

// CreateTicket makes a ticket, and a contact of a requester whose address nobody has.
func (a *App) CreateTicket(ctx context.Context, c Caller, in *ticket.Input, key Key) (*TicketView, error) {
	var who *asker
	prepare := func(ctx context.Context) error {
		in.Fold()
		if err := invalid(in.Check()); err != nil {
			return err
		}
		found, err := a.requester(ctx, c, in)
		who = &found
		return err
	}
	work := idem.Work[*ticket.Ticket]{
		Owner: func(ctx context.Context) (int64, error) {
			if err := prepare(ctx); err != nil {
				return 0, err
			}
			return who.id, a.canAdopt(ctx, c, adoption{owner: who.id, files: in.Files, purpose: who.purpose})
		},
		NewID: func(ctx context.Context) (int64, error) { return a.Ring.NextTicket(ctx, c.Account) },
		Create: func(ctx context.Context, s idem.Slot) (*ticket.Ticket, error) {
			if s.Resumed {
				if err := unmade(ctx, c, a.Tickets, s.ID); err != nil {
					return nil, err
				}
			}
			if who == nil {
				if err := prepare(ctx); err != nil {
					return nil, err
				}
			}
			return a.insertTicket(ctx, c, in, *who, s)
		},
	}
	t, err := create(ctx, a, creating[ticket.Ticket]{c: c, method: "CreateTicket", key: key, what: "ticket", table: a.Tickets, work: work})
	if err != nil {
		return nil, err
	}
	v := &TicketView{Ticket: t}
	v.Files, err = a.filesOfTicket(ctx, c, t)
	return v, err
}

func (a *App) insertTicket(ctx context.Context, c Caller, in *ticket.Input, who asker, s idem.Slot) (*ticket.Ticket, error) {
	t := ticket.New(in, a.now())
	t.Account, t.ID, t.Owner, t.Mark, t.Spam = c.Account, s.ID, who.id, s.Mark, who.spam
	describe(t, in.Description)
	t.HasFiles = len(in.Files) > 0
	ad := adoption{owner: who.id, ticketID: s.ID, files: in.Files, purpose: who.purpose, resumed: s.Resumed}
	if err := a.adopt(ctx, c, ad); err != nil {
		return nil, err
	}
	err := a.Tickets.Insert(ctx, who.purpose, t)
	if err != nil && !errors.Is(err, docstore.ErrExists) {
		a.abandon(ctx, c, ad, err)
		return nil, a.refuse(ctx, err, "ticket", c.Account, s.ID, who.id)
	}
	return t, err
}

// describe sets the two forms of a description.
func describe(t *ticket.Ticket, html *string) {
	t.Description, t.Text = nil, nil
	if html != nil {
		normal := richtext.Normal(*html)
		plain := richtext.Text(normal)
		t.Description, t.Text = &normal, &plain
	}
}

// GetTicket reads a ticket, also one in the trash or in spam.
func (a *App) GetTicket(ctx context.Context, c Caller, id int64, include *string) (*TicketView, error) {
	includes, problems := ticket.ParseIncludes(include, "conversations", "requester", "company", "stats")
	if err := invalid(problems); err != nil {
		return nil, err
	}
	t, err := load(ctx, a, c, "ticket", a.Tickets, id)
	if err != nil {
		return nil, err
	}
	v := &TicketView{Ticket: t, Includes: includes}
	if v.Files, err = a.filesOfTicket(ctx, c, t); err != nil {
		return nil, err
	}
	if includes["conversations"] {
		if v.Conversations, _, err = a.conversations(ctx, c, id, 0, included); err != nil {
			return nil, err
		}
	}
	if includes["requester"] {
		people, err := a.People.Batch(ctx, c.Account, []int64{t.Owner})
		if err != nil {
			return nil, contactsFault(err, "include")
		}
		v.Requester = people[t.Owner]
	}
	return v, nil
}

// ListTickets reads a page and says whether there is a next one.
func (a *App) ListTickets(ctx context.Context, c Caller, in *ticket.ListInput, skip, limit int) ([]TicketView, bool, error) {
	list, includes, problems := in.Plan(c.Actor, a.now())
	if err := invalid(problems); err != nil {
		return nil, false, err
	}
	list.Skip, list.Limit = skip, limit
	if err := a.narrow(ctx, c, in, &list); err != nil || list.Nothing {
		return nil, false, err
	}
	found, more, err := a.Tickets.List(ctx, c.Account, list)
	if err != nil {
		return nil, false, storeFault(err)
	}
	var people map[int64]*Person
	if includes["requester"] && len(found) > 0 {
		if people, err = a.People.Batch(ctx, c.Account, owners(found)); err != nil {
			return nil, false, contactsFault(err, "include")
		}
	}
	out := make([]TicketView, len(found))
	for i, t := range found {
		out[i] = TicketView{Ticket: t, Requester: people[t.Owner], Includes: includes}
	}
	return out, more && in.Page < ticket.MaxPages, nil
}

// narrow limits a list to the person behind an address; nobody, or two different ones, is an empty list.
func (a *App) narrow(ctx context.Context, c Caller, in *ticket.ListInput, l *ticket.List) error {
	for _, who := range []ticket.Who{{Email: in.Email}, {External: in.External}} {
		if who.Field() == "" || l.Nothing {
			continue
		}
		if who.Email != nil {
			folded := ticket.Fold(*who.Email)
			who.Email = &folded
		}
		id, err := a.findPerson(ctx, c, who)
		if err != nil {
			return err
		}
		if id == 0 || l.Owner != nil && *l.Owner != id {
			l.Nothing = true
		}
		l.Owner = &id
	}
	return nil
}

func owners(tickets []*ticket.Ticket) []int64 {
	var ids []int64
	for _, t := range tickets {
		ids = append(ids, t.Owner)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// UpdateTicket changes what the mask names and nothing else.
func (a *App) UpdateTicket(ctx context.Context, c Caller, id int64, in *ticket.Input, mask []string) (*TicketView, error) {
	in.Fold()
	to, err := a.newRequester(ctx, c, in, mask)
	if err != nil {
		return nil, err
	}
	if to != 0 { // one move at a time
		if _, err := a.settled(ctx, c, id); err != nil {
			return nil, err
		}
	}
	adopted := false
	t, err := a.changeTicket(ctx, c, id, func(t *ticket.Ticket) error {
		if t.Frozen() {
			return notAllowed()
		}
		problems := t.Apply(in, mask, a.now())
		if err := invalid(append(problems, t.CustomCount()...)); err != nil {
			return err
		}
		if ticket.Masks(mask, "responder_id") {
			if err := a.checkAgent(ctx, c, in.Responder); err != nil {
				return err
			}
		}
		if ticket.Masks(mask, "description") {
			describe(t, in.Description)
		}
		if ticket.Masks(mask, "attachment_ids") && len(in.Files) > 0 {
			ad := adoption{owner: t.Owner, ticketID: id, files: in.Files, purpose: ring.Write}
			if err := a.adoptOnce(ctx, c, ad, &adopted); err != nil {
				return err
			}
			t.HasFiles = true
		}
		if to != 0 && t.MovingFrom != nil {
			return fault.Conflict(faultv1.Reason_REASON_STALE)
		}
		handOver(t, to)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := a.afterChange(ctx, c, t, adopted); err != nil {
		return nil, err
	}
	v := &TicketView{Ticket: t}
	v.Files, err = a.filesOfTicket(ctx, c, t)
	return v, err
}

// afterChange does what follows from a change that stands. What cannot follow a
// new requester now is moved later.
func (a *App) afterChange(ctx context.Context, c Caller, t *ticket.Ticket, adopted bool) error {
	if t.MovingFrom != nil {
		if err := a.finishMove(context.WithoutCancel(ctx), c.Account, t.ID); err != nil {
			a.Log.WarnContext(ctx, "a change of requester is not finished yet", "error", err)
		}
	}
	if !adopted {
		return nil
	}
	return a.stillThere(ctx, c, t.Owner, t.ID)
}

// DeleteTicket puts a ticket into the trash.
func (a *App) DeleteTicket(ctx context.Context, c Caller, id int64) error {
	_, err := a.changeTicket(ctx, c, id, func(t *ticket.Ticket) error {
		if t.Frozen() {
			return notAllowed()
		}
		t.Deleted, t.UpdatedAt = true, a.now()
		return nil
	})
	return err
}

// RestoreTicket takes a ticket out of the trash; one that is not in it stays as it is.
func (a *App) RestoreTicket(ctx context.Context, c Caller, id int64) error {
	_, err := a.changeTicket(ctx, c, id, func(t *ticket.Ticket) error {
		if !t.Deleted {
			return errUnchanged
		}
		t.Deleted, t.UpdatedAt = false, a.now()
		return nil
	})
	return err
}

// errUnchanged ends a change that has nothing to write.
var errUnchanged = errors.New("nothing to change")

// changeTicket reads a ticket, lets f alter it and writes it back, again when
// somebody else was faster.
func (a *App) changeTicket(ctx context.Context, c Caller, id int64, f func(*ticket.Ticket) error) (*ticket.Ticket, error) {
	for try := 1; ; try++ {
		t, err := load(ctx, a, c, "ticket", a.Tickets, id)
		if err != nil {
			return nil, err
		}
		if err := f(t); errors.Is(err, errUnchanged) {
			return t, nil
		} else if err != nil {
			return nil, err
		}
		err = a.Tickets.Update(ctx, ring.Write, t)
		if err == nil {
			return t, nil
		}
		if !errors.Is(err, docstore.ErrStale) || try == maxTries {
			return nil, a.refuse(ctx, err, "ticket", c.Account, id, t.Owner)
		}
	}
}

// filesOfTicket reads the files that hang on the ticket itself.
func (a *App) filesOfTicket(ctx context.Context, c Caller, t *ticket.Ticket) ([]*ticket.Attachment, error) {
	if !t.HasFiles {
		return nil, nil
	}
	purpose := ring.Read
	if t.Spam {
		purpose = ring.FileSpam // whoever files mail of a hidden person is answered with what was filed
	}
	files, err := a.Attachments.OfConversation(ctx, purpose, c.Account, t.ID, 0)
	return files, storeFault(err)
}
