package tickets

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/tickets/internal/app"
	"github.com/lethe-desk/lethe/services/tickets/internal/ticket"
	"google.golang.org/protobuf/proto"
)

func TestRepeatingAddsNothing(t *testing.T) {
	d := open(t)
	in := &ticketsv1.TicketInput{Email: str("a@example.org"), Subject: str("s"), Description: str("d")}
	first, err := d.create(in, "file-1")
	must(t, err)
	calls := d.people.Calls()
	again, err := d.create(in, "file-1")
	must(t, err)
	if !proto.Equal(first, again) || d.people.Calls() != calls {
		t.Errorf("again\n%v\nfirst\n%v, %d calls of contacts", again, first, d.people.Calls()-calls)
	}
	reply := &ticketsv1.ReplyInput{Body: str("x")}
	r1, err := d.reply(first.GetId(), reply, "file-1") // another method has keys of its own
	must(t, err)
	r2, err := d.reply(first.GetId(), reply, "file-1")
	must(t, err)
	if !proto.Equal(r1, r2) {
		t.Errorf("%v\n%v", r1, r2)
	}
	other, err := d.create(in, "file-2")
	must(t, err)
	_, err = d.reply(other.GetId(), reply, "file-1")
	reason(t, err, faultv1.Reason_REASON_KEY_REUSED) // the same body on another ticket
	_, err = d.create(&ticketsv1.TicketInput{Email: str("b@example.org")}, "file-1")
	f := refusal(t, err, faultv1.Reason_REASON_KEY_REUSED)
	equal(t, "kind", f.Kind, fault.KindConflict)
	equal(t, "tickets", len(d.list(&ticketsv1.ListTicketsRequest{})), 2)
	_, err = d.create(in, string(make([]byte, 256)))
	equal(t, "long key", violations(err), "idempotency_key invalid_value")

	call := &ticketsv1.CreateCallRequest{Call: &ticketsv1.CallInput{TicketId: first.Id}, IdempotencyKey: str("k")}
	chat := &ticketsv1.CreateChatRequest{Chat: &ticketsv1.ChatInput{TicketId: first.Id, Messages: []*ticketsv1.ChatMessage{{From: str("agent"), Text: str("x")}}}, IdempotencyKey: str("k")}
	note := &ticketsv1.CreateNoteRequest{TicketId: first.GetId(), Note: &ticketsv1.NoteInput{Body: str("n")}, IdempotencyKey: str("k")}
	for range 3 {
		_, err = d.calls.CreateCall(d.agent, call)
		must(t, err)
		_, err = d.chats.CreateChat(d.agent, chat)
		must(t, err)
		_, err = d.conversations.CreateNote(d.agent, note)
		must(t, err)
	}
	counts := d.counts(first.GetRequesterId())
	if counts["calls"] != 1 || counts["chats"] != 1 || counts["conversations"] != 2 {
		t.Errorf("%v", counts)
	}
}

func TestConcurrentRepeatsMakeOne(t *testing.T) {
	d := open(t)
	in := &ticketsv1.TicketInput{Email: str("a@example.org")}
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			if got, err := d.create(in, "k"); err != nil || got.GetId() == 0 {
				t.Error(got, err)
			}
		})
	}
	wg.Wait()
	equal(t, "tickets", len(d.list(&ticketsv1.ListTicketsRequest{})), 1)
}

// faulty fails once at a write, before or after it has happened.
type faulty struct {
	app.Tickets
	before, after, update error
}

func (f *faulty) Update(ctx context.Context, p ring.Purpose, v *ticket.Ticket) error {
	if err := f.update; err != nil {
		f.update = nil
		return err
	}
	return f.Tickets.Update(ctx, p, v)
}

func (f *faulty) Insert(ctx context.Context, p ring.Purpose, v *ticket.Ticket) error {
	if err := f.before; err != nil {
		f.before = nil
		return err
	}
	if err := f.Tickets.Insert(ctx, p, v); err != nil {
		return err
	}
	err := f.after
	f.after = nil
	return err
}

func TestRepeatAfterACrash(t *testing.T) {
	crash := errors.New("crash")
	for i := range 4 {
		before, again := i%2 == 0, i/2 == 0
		t.Run(fmt.Sprintf("before the write %v, uploaded again %v", before, again), func(t *testing.T) {
			at := &faulty{}
			if before {
				at.before = crash
			} else {
				at.after = crash
			}
			d := open(t)
			at.Tickets = d.svc.app.Tickets
			d.svc.app.Tickets = at
			in := &ticketsv1.TicketInput{Email: str("a@example.org"), Subject: str("s"), AttachmentIds: []int64{d.staged("f", "x")}}
			if _, err := d.create(in, "k"); err == nil {
				t.Fatal("no crash")
			}
			first := in.AttachmentIds[0]
			if again {
				in.AttachmentIds = []int64{d.staged("f", "x")}
			}
			got, err := d.create(in, "k")
			must(t, err)
			repeated, err := d.create(in, "k")
			must(t, err)
			if !proto.Equal(got, repeated) {
				t.Errorf("%v\n%v", got, repeated)
			}
			equal(t, "tickets", len(d.list(&ticketsv1.ListTicketsRequest{})), 1)
			equal(t, "contacts made", d.people.Created(), 1)
			equal(t, "files", len(got.Attachments), 1)
			// what was written keeps its file; otherwise it is the one uploaded last
			equal(t, "its file", got.Attachments[0].GetId() == first, !before || !again)
			d.later(2 * time.Hour)
			_, err = d.svc.SweepStaged(t.Context())
			must(t, err)
			equal(t, "bytes", d.blobs(), 1)
		})
	}
}

// What was adopted for a ticket that a fence then refused is taken back.
func TestRefusedTicketKeepsNoFiles(t *testing.T) {
	d := open(t)
	at := &faulty{Tickets: d.svc.app.Tickets, before: docstore.ErrFenced}
	d.svc.app.Tickets = at
	if _, err := d.create(&ticketsv1.TicketInput{Email: str("a@example.org"), AttachmentIds: []int64{d.staged("f", "x")}}, ""); err == nil {
		t.Fatal("not refused")
	}
	equal(t, "bytes", d.blobs(), 0)
	equal(t, "documents", d.counts(101)["attachments"], 0)
}

// A repeat after the person's erasure brings nobody back, wherever the first call ended.
func TestRepeatAfterAnErasure(t *testing.T) {
	for _, pending := range []bool{false, true} {
		d := open(t)
		in := &ticketsv1.TicketInput{Email: str("a@example.org"), Subject: str("s")}
		if pending {
			at := &faulty{Tickets: d.svc.app.Tickets, after: errors.New("crash")}
			d.svc.app.Tickets = at
		}
		_, err := d.create(in, "row-1")
		if pending != (err != nil) {
			t.Fatal(err)
		}
		who := int64(101)
		d.erase(who)
		d.people.Forget(1, who)
		_, err = d.create(in, "row-1")
		f := refusal(t, err, faultv1.Reason_REASON_ALREADY_DONE)
		if f.Kind != fault.KindExists || f.Violations[0].Field != "idempotency_key" || f.Violations[0].Info["id"] != 1 {
			t.Errorf("%+v", f)
		}
		equal(t, "nobody came back", d.people.Created(), 1)
		// the bare address is a new person
		again, err := d.create(in, "row-2")
		must(t, err)
		equal(t, "new person", again.GetRequesterId(), who+1)
	}
}

func TestRepeatOfSomethingHidden(t *testing.T) {
	d := open(t)
	in := &ticketsv1.TicketInput{Email: str("a@example.org")}
	first, err := d.create(in, "k")
	must(t, err)
	d.fence(first.GetRequesterId(), participantv1.Mode_MODE_HIDDEN, "h")
	_, err = d.create(in, "k")
	reason(t, err, faultv1.Reason_REASON_ALREADY_DONE)
	d.unfence(first.GetRequesterId(), "h")
	again, err := d.create(in, "k")
	must(t, err)
	equal(t, "shown again", again.GetId(), first.GetId())
}

// The ticket learns of a reply also when the first call crashed in between.
func TestReplyThatCrashedBeforeItsTicketKnew(t *testing.T) {
	d := open(t)
	made := d.ticket(&ticketsv1.TicketInput{Email: str("a@example.org")}).GetId()
	d.svc.app.Tickets = &faulty{Tickets: d.svc.app.Tickets, update: errors.New("crash")}
	in := &ticketsv1.ReplyInput{Body: str("x")}
	if _, err := d.reply(made, in, "k"); err == nil {
		t.Fatal("no crash")
	}
	if s := d.mustGet(made, "stats").Stats; s.FirstRespondedAt != nil {
		t.Fatal("it knew")
	}
	got, err := d.reply(made, in, "k")
	must(t, err)
	read := d.mustGet(made, "stats,conversations")
	equal(t, "conversations", len(read.Conversations), 1)
	if !proto.Equal(read.Stats.FirstRespondedAt, got.CreatedAt) {
		t.Errorf("%v", read.Stats)
	}
}
