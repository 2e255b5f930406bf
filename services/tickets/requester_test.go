package tickets

import (
	"context"
	"fmt"
	"testing"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/tickets/internal/app"
	"github.com/lethe-desk/lethe/services/tickets/internal/ticket"
)

// everything is what all reads show of one ticket and what hangs on it.
func (d *desk) everything(f full) string {
	d.t.Helper()
	out := ""
	for _, m := range d.methods(f) {
		if m.Shows {
			got, err := m.Call(d.agent)
			out += fmt.Sprintf("%s %v %v\n", m.Name, got, err)
		}
	}
	return out
}

func (d *desk) give(ticket, to int64) *ticketsv1.Ticket {
	d.t.Helper()
	got, err := d.update(ticket, &ticketsv1.TicketInput{RequesterId: &to}, "requester_id")
	must(d.t, err)
	return got
}

// A new requester owns the ticket and all that hangs on it: it goes with that
// person, and no more with the one before.
func TestChangeOfRequester(t *testing.T) {
	d := open(t)
	anna, bert := d.person("anna@example.org"), d.person("bert@example.org")
	f := d.fill(anna, "secret")
	keep := d.fill(anna, "stays")
	moved := d.counts(anna)
	equal(t, "requester", d.give(f.ticket, bert).GetRequesterId(), bert)
	for name, n := range moved {
		equal(t, "anna keeps "+name, d.counts(anna)[name], n/2)
		equal(t, "bert has "+name, d.counts(bert)[name], n/2)
	}
	shown := d.everything(f)
	d.erase(anna) // her key is gone: what still opens is sealed with another
	equal(t, "after anna is erased", d.everything(f), shown)
	_, err := d.get(keep.ticket, "")
	notFound(t, err)
	data, err := d.download(f.file)
	must(t, err)
	equal(t, "the file, whose bytes were not touched", data, "secret file")
	if gone := d.erase(bert); gone["tickets"] != 1 || gone["attachments"] != 2 || gone["thread_messages"] != 1 {
		t.Errorf("with bert goes %v", gone)
	}
	equal(t, "blobs", d.blobs(), 0)
}

// A requester named by an address becomes a contact; one who is withheld does not get anything.
func TestChangeOfRequesterRefusals(t *testing.T) {
	d := open(t)
	anna, bert := d.person("anna@example.org"), d.person("bert@example.org")
	f := d.fill(anna, "secret")
	got, err := d.update(f.ticket, &ticketsv1.TicketInput{Email: str("New@Example.org")}, "email")
	must(t, err)
	if got.GetRequesterId() == anna || got.GetRequesterId() == 0 {
		t.Errorf("requester %d", got.GetRequesterId())
	}
	d.fence(bert, participantv1.Mode_MODE_HIDDEN, "h")
	_, err = d.update(f.ticket, &ticketsv1.TicketInput{RequesterId: &bert}, "requester_id")
	equal(t, "hidden", violations(err), "requester_id invalid_value")
	d.unfence(bert, "h")
	d.fence(bert, participantv1.Mode_MODE_RESTRICTED, "r")
	_, err = d.update(f.ticket, &ticketsv1.TicketInput{RequesterId: &bert}, "requester_id")
	reason(t, err, faultv1.Reason_REASON_RESTRICTED)
	d.unfence(bert, "r")
	d.fence(got.GetRequesterId(), participantv1.Mode_MODE_HIDDEN, "h")
	_, err = d.update(f.ticket, &ticketsv1.TicketInput{RequesterId: &bert}, "requester_id")
	notFound(t, err)
}

// broken makes one table fail when what hangs on a ticket is moved: to the
// ticket that is a crash at this point. It returns what mends the table.
func (d *desk) broken(table string) (mend func()) {
	a, o := d.svc.app, d.svc.app.Options
	switch table {
	case "conversations":
		a.Conversations = brokenConversations{o.Conversations}
	case "threads":
		a.Threads = brokenTable[ticket.Thread]{o.Threads}
	case "messages":
		a.Messages = brokenMessages{o.Messages}
	case "calls":
		a.Calls = brokenListed[ticket.Call]{o.Calls}
	case "chats":
		a.Chats = brokenListed[ticket.Chat]{o.Chats}
	case "attachments":
		a.Attachments = brokenAttachments{o.Attachments}
	}
	return func() { a.Options = o }
}

type (
	brokenConversations struct{ app.Conversations }
	brokenTable[T any]  struct{ app.Table[T] }
	brokenMessages      struct{ app.Messages }
	brokenListed[T any] struct{ app.Listed[T] }
	brokenAttachments   struct{ app.Attachments }
)

func fails() (bool, int64, error) { return false, 0, docstore.ErrUnavailable }

func (brokenConversations) Move(context.Context, int64, int64, int64, int) (bool, int64, error) {
	return fails()
}
func (brokenTable[T]) Move(context.Context, int64, int64, int64, int) (bool, int64, error) {
	return fails()
}
func (brokenMessages) Move(context.Context, int64, int64, int64, int) (bool, int64, error) {
	return fails()
}
func (brokenListed[T]) Move(context.Context, int64, int64, int64, int) (bool, int64, error) {
	return fails()
}
func (brokenAttachments) Move(context.Context, int64, int64, int64, int) (bool, int64, error) {
	return fails()
}

// A move that breaks off at any table is finished by whoever comes next: the
// service's own work, or somebody who writes to the ticket. Meanwhile nothing is missing.
func TestChangeOfRequesterSurvivesACrash(t *testing.T) {
	d := open(t)
	for i, table := range []string{"conversations", "threads", "messages", "calls", "chats", "attachments"} {
		anna, bert := d.person(table+"-anna@example.org"), d.person(table+"-bert@example.org")
		f := d.fill(anna, "secret")
		mend := d.broken(table)
		d.give(f.ticket, bert)
		left := int64(0)
		for _, n := range d.counts(anna) {
			left += n
		}
		if left == 0 {
			t.Fatalf("%s: nothing was left to do", table)
		}
		shown := d.everything(f)
		mend()
		if i%2 == 0 {
			n, err := d.svc.FinishMoves(t.Context())
			must(t, err)
			equal(t, table+": moves", n, 1)
			equal(t, table+": shown", d.everything(f), shown)
		} else {
			_, err := d.reply(f.ticket, &ticketsv1.ReplyInput{Body: str("more")}, "")
			must(t, err)
		}
		for name, n := range d.counts(anna) {
			equal(t, table+": left with anna: "+name, n, 0)
		}
		n, err := d.svc.FinishMoves(t.Context())
		must(t, err)
		equal(t, table+": moves after the last", n, 0)
	}
}

// An erasure that comes between: what was not moved yet was still the old requester's.
func TestErasureInTheMiddleOfAMove(t *testing.T) {
	d := open(t)
	anna, bert := d.person("anna@example.org"), d.person("bert@example.org")
	f := d.fill(anna, "secret")
	mend := d.broken("calls")
	d.give(f.ticket, bert)
	mend()
	d.erase(anna)
	n, err := d.svc.FinishMoves(t.Context())
	must(t, err)
	equal(t, "moves", n, 1)
	n, err = d.svc.FinishMoves(t.Context())
	must(t, err)
	equal(t, "moves after the last", n, 0)
	_, err = d.calls.GetCall(d.agent, &ticketsv1.GetCallRequest{Id: f.call})
	notFound(t, err)
	if got := d.mustGet(f.ticket, ""); got.GetRequesterId() != bert || got.GetSubject() != "secret" {
		t.Errorf("the ticket: %v", got)
	}
	for name, n := range d.counts(anna) {
		equal(t, "left of anna: "+name, n, 0)
	}
}
