package tickets

import (
	"fmt"
	"testing"
	"time"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

func TestReplyAndNote(t *testing.T) {
	d := open(t)
	who := d.person("mara@example.org")
	made := d.ticket(&ticketsv1.TicketInput{RequesterId: &who, CcEmails: []string{"first@example.org"}}).GetId()
	reply, err := d.reply(made, &ticketsv1.ReplyInput{Body: str("Turn it on"), FromEmail: str("Desk@example.com"), CcEmails: []string{"c@example.org"}, BccEmails: []string{"b@example.org"}}, "")
	must(t, err)
	equal(t, "reply", fmt.Sprint(reply.GetBody(), reply.GetBodyText(), reply.GetUserId(), reply.GetFromEmail(), reply.RepliedTo, reply.CcEmails, reply.BccEmails),
		"<div>Turn it on</div>Turn it on9001desk@example.com[mara@example.org] [c@example.org] [b@example.org]")
	note := d.note(made, &ticketsv1.NoteInput{Body: str("<p>psst</p>"), NotifyEmails: []string{"x@example.org"}, UserId: id(otherAgent)})
	if !note.GetPrivate() || note.GetIncoming() || note.GetUserId() != otherAgent || note.NotifiedTo[0] != "x@example.org" {
		t.Errorf("note %v", note)
	}
	answer := d.note(made, &ticketsv1.NoteInput{Body: str("thanks"), Private: proto.Bool(false), Incoming: proto.Bool(true), UserId: &who})
	got := d.mustGet(made, "conversations,stats,requester,company")
	equal(t, "conversations", len(got.Conversations), 3)
	s := got.Stats
	if !proto.Equal(s.FirstRespondedAt, reply.CreatedAt) || !proto.Equal(s.AgentRespondedAt, reply.CreatedAt) || !proto.Equal(s.RequesterRespondedAt, answer.CreatedAt) {
		t.Errorf("stats %v", s)
	}
	equal(t, "cc of the last reply", fmt.Sprint(got.ReplyCcEmails, got.TicketCcEmails), "[c@example.org] [first@example.org]")
	if !proto.Equal(got.UpdatedAt, answer.CreatedAt) || got.Requester.GetEmail() != "mara@example.org" {
		t.Errorf("ticket %v", got)
	}
	c := got.Conversations[0]
	equal(t, "first", fmt.Sprint(c.GetId() == reply.GetId(), c.GetSource(), c.GetIncoming(), c.GetPrivate(), c.ToEmails), "true 0 false false [mara@example.org]")
}

func TestConversationRefusals(t *testing.T) {
	d := open(t)
	made := d.ticket(&ticketsv1.TicketInput{Email: str("a@example.org")}).GetId()
	cases := []struct {
		in   *ticketsv1.ReplyInput
		want string
	}{
		{&ticketsv1.ReplyInput{}, "body missing_field"},
		{&ticketsv1.ReplyInput{Body: str(" ")}, "body missing_field"},
		{&ticketsv1.ReplyInput{Body: str("x"), CcEmails: []string{"y"}, BccEmails: []string{"z"}, FromEmail: str("q")}, "bcc_emails invalid_value, cc_emails invalid_value, from_email invalid_value"},
		{&ticketsv1.ReplyInput{Body: str("x"), UserId: id(77)}, "user_id invalid_value"},
		{&ticketsv1.ReplyInput{Body: str("x"), AttachmentIds: []int64{77}}, "attachment_ids invalid_value"},
	}
	for _, c := range cases {
		_, err := d.reply(made, c.in, "")
		equal(t, fmt.Sprint(c.in), violations(err), c.want)
	}
	_, err := d.reply(99, &ticketsv1.ReplyInput{Body: str("x")}, "")
	notFound(t, err)
	_, err = d.conversations.CreateNote(d.agent, &ticketsv1.CreateNoteRequest{TicketId: made})
	equal(t, "no note", violations(err), "body missing_field")
	_, err = d.conversations.ListConversations(d.agent, &ticketsv1.ListConversationsRequest{TicketId: 99})
	notFound(t, err)
	_, err = d.conversations.ListConversations(d.stranger, &ticketsv1.ListConversationsRequest{TicketId: made})
	notFound(t, err)
}

func TestReplyToSomebodyWithoutAddress(t *testing.T) {
	d := open(t)
	made := d.ticket(&ticketsv1.TicketInput{Phone: str("123"), Name: str("Mara")})
	reply, err := d.reply(made.GetId(), &ticketsv1.ReplyInput{Body: str("x"), UserId: made.RequesterId}, "")
	must(t, err)
	if len(reply.RepliedTo) != 0 {
		t.Errorf("%v", reply)
	}
	if s := d.mustGet(made.GetId(), "stats").Stats; s.RequesterRespondedAt == nil || s.AgentRespondedAt != nil {
		t.Errorf("an answer of the requester: %v", s)
	}
	d.people.Set(1, made.GetRequesterId(), func(p *contactsv1.Person) { p.Email = str("late@example.org") })
}

func TestNotesCanBeChangedAndRepliesNot(t *testing.T) {
	d := open(t)
	made := d.ticket(&ticketsv1.TicketInput{Email: str("a@example.org")}).GetId()
	note := d.note(made, &ticketsv1.NoteInput{Body: str("one")})
	update := func(n int64, in *ticketsv1.ConversationInput, paths ...string) (*ticketsv1.Conversation, error) {
		out, err := d.conversations.UpdateConversation(d.agent, &ticketsv1.UpdateConversationRequest{Id: n, Conversation: in, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}})
		return out.GetConversation(), err
	}
	file := d.staged("a.txt", "abc")
	got, err := update(note.GetId(), &ticketsv1.ConversationInput{Body: str("two"), AttachmentIds: []int64{file}}, "body", "attachment_ids")
	must(t, err)
	if got.GetBodyText() != "two" || len(got.Attachments) != 1 || got.LastEditedAt == nil || got.GetLastEditedUserId() != firstAgent {
		t.Errorf("%v", got)
	}
	_, err = update(note.GetId(), &ticketsv1.ConversationInput{}, "body")
	equal(t, "cleared body", violations(err), "body missing_field")
	_, err = update(note.GetId(), &ticketsv1.ConversationInput{}, "private")
	equal(t, "other field", violations(err), "private invalid_field")
	reply, err := d.reply(made, &ticketsv1.ReplyInput{Body: str("x")}, "")
	must(t, err)
	_, err = update(reply.GetId(), &ticketsv1.ConversationInput{Body: str("two")}, "body")
	reason(t, err, faultv1.Reason_REASON_METHOD_NOT_ALLOWED)
	_, err = update(4711, &ticketsv1.ConversationInput{Body: str("two")}, "body")
	notFound(t, err)

	_, err = d.conversations.DeleteConversation(d.agent, &ticketsv1.DeleteConversationRequest{Id: note.GetId()})
	must(t, err)
	equal(t, "bytes", d.blobs(), 0)
	_, err = d.download(file)
	notFound(t, err)
	_, err = d.conversations.DeleteConversation(d.agent, &ticketsv1.DeleteConversationRequest{Id: note.GetId()})
	notFound(t, err)
}

func TestConversationsArePagedOldestFirst(t *testing.T) {
	d := open(t)
	made := d.ticket(&ticketsv1.TicketInput{Email: str("a@example.org")}).GetId()
	other := d.ticket(&ticketsv1.TicketInput{Email: str("a@example.org")}).GetId()
	for i := range 12 {
		d.note(made, &ticketsv1.NoteInput{Body: str(fmt.Sprint("n", i))})
		d.note(other, &ticketsv1.NoteInput{Body: str("other")})
	}
	equal(t, "included", len(d.mustGet(made, "conversations").Conversations), 10)
	var seen []string
	for page := int32(1); page <= 3; page++ {
		out, err := d.conversations.ListConversations(d.agent, &ticketsv1.ListConversationsRequest{TicketId: made, Page: &page, PerPage: num(5)})
		must(t, err)
		equal(t, "more", out.GetMore(), page < 3)
		for _, c := range out.Conversations {
			seen = append(seen, c.GetBodyText())
		}
	}
	equal(t, "order", fmt.Sprint(seen), "[n0 n1 n2 n3 n4 n5 n6 n7 n8 n9 n10 n11]")
}

func TestStatusTimes(t *testing.T) {
	d := open(t)
	made := d.ticket(&ticketsv1.TicketInput{Email: str("a@example.org")}).GetId()
	shape := func() string {
		s := d.mustGet(made, "stats").Stats
		var out string
		for _, one := range []struct {
			name string
			set  bool
		}{{"P", s.PendingSince != nil}, {"R", s.ResolvedAt != nil}, {"C", s.ClosedAt != nil}, {"O", s.ReopenedAt != nil}} {
			if one.set {
				out += one.name
			}
		}
		return out
	}
	for _, c := range []struct {
		status int32
		want   string
	}{{3, "P"}, {4, "R"}, {5, "RC"}, {2, "O"}, {6, "O"}, {5, "RCO"}, {5, "RCO"}, {3, "PO"}} {
		before := d.mustGet(made, "stats")
		d.later(time.Minute)
		got, err := d.update(made, &ticketsv1.TicketInput{Status: &c.status}, "status")
		must(t, err)
		equal(t, fmt.Sprint("after ", c.status), shape(), c.want)
		changed := got.GetStatus() != before.GetStatus()
		if after := d.mustGet(made, "stats"); proto.Equal(after.Stats.StatusUpdatedAt, before.Stats.StatusUpdatedAt) == changed {
			t.Errorf("status_updated_at after %d", c.status)
		}
	}
}
