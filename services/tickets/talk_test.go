package tickets

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func (d *desk) thread(in *ticketsv1.ThreadInput) (*ticketsv1.Thread, error) {
	out, err := d.threads.CreateThread(d.agent, &ticketsv1.CreateThreadRequest{Thread: in})
	return out.GetThread(), err
}

func (d *desk) message(thread string, body string) (*ticketsv1.ThreadMessage, error) {
	out, err := d.threads.CreateThreadMessage(d.agent, &ticketsv1.CreateThreadMessageRequest{Message: &ticketsv1.ThreadMessageInput{ThreadId: &thread, Body: &body}})
	return out.GetMessage(), err
}

func TestThreads(t *testing.T) {
	d := open(t)
	who := d.person("a@example.org")
	made := d.ticket(&ticketsv1.TicketInput{RequesterId: &who}).GetId()
	thread, err := d.thread(&ticketsv1.ThreadInput{TicketId: &made, Title: str("What now?"), ParticipantIds: []int64{firstAgent, otherAgent}})
	must(t, err)
	if _, err := strconv.ParseInt(thread.GetId(), 10, 64); err != nil || thread.GetType() != "discussion" || thread.GetCreatedBy() != firstAgent {
		t.Errorf("%v", thread)
	}
	got, err := d.threads.GetThread(d.agent, &ticketsv1.GetThreadRequest{Id: thread.GetId()})
	must(t, err)
	if !proto.Equal(got.Thread, thread) {
		t.Errorf("got %v\nmade %v", got.Thread, thread)
	}
	var bodies []string
	for i := range 7 {
		m, err := d.message(thread.GetId(), fmt.Sprint("m", i))
		must(t, err)
		read, err := d.threads.GetThreadMessage(d.agent, &ticketsv1.GetThreadMessageRequest{Id: m.GetId()})
		must(t, err)
		if !proto.Equal(read.Message, m) || m.GetThreadId() != thread.GetId() || m.GetUserId() != firstAgent {
			t.Errorf("%v", m)
		}
	}
	for page := int32(1); page <= 2; page++ {
		out, err := d.threads.ListThreadMessages(d.agent, &ticketsv1.ListThreadMessagesRequest{ThreadId: thread.GetId(), Page: &page, PerPage: num(4)})
		must(t, err)
		equal(t, "more", out.GetMore(), page == 1)
		for _, m := range out.Messages {
			bodies = append(bodies, m.GetBodyText())
		}
	}
	equal(t, "order", strings.Join(bodies, " "), "m0 m1 m2 m3 m4 m5 m6")
	equal(t, "owned by the requester", d.counts(who)["thread_messages"], 7)

	_, err = d.threads.GetThread(d.stranger, &ticketsv1.GetThreadRequest{Id: thread.GetId()})
	notFound(t, err)
	_, err = d.threads.DeleteThread(d.agent, &ticketsv1.DeleteThreadRequest{Id: thread.GetId()})
	must(t, err)
	equal(t, "messages went too", d.counts(who)["thread_messages"], 0)
	_, err = d.threads.DeleteThread(d.agent, &ticketsv1.DeleteThreadRequest{Id: thread.GetId()})
	notFound(t, err)
}

func TestThreadRefusals(t *testing.T) {
	d := open(t)
	made := d.ticket(&ticketsv1.TicketInput{Email: str("a@example.org")}).GetId()
	for want, in := range map[string]*ticketsv1.ThreadInput{
		"ticket_id missing_field":                           {},
		"ticket_id invalid_value":                           {TicketId: id(99)},
		"participant_ids invalid_value, type invalid_value": {TicketId: &made, Type: str("x"), ParticipantIds: []int64{0}},
	} {
		_, err := d.thread(in)
		equal(t, "thread", violations(err), want)
	}
	_, err := d.message("77", "x")
	equal(t, "unknown thread", violations(err), "thread_id invalid_value")
	_, err = d.message("", "")
	equal(t, "nothing", violations(err), "body missing_field, thread_id missing_field")
	for _, bad := range []string{"abc", "-1", "0", "007", "1e3", "99999999999999999999"} {
		_, err = d.threads.GetThread(d.agent, &ticketsv1.GetThreadRequest{Id: bad})
		notFound(t, err)
		_, err = d.threads.GetThreadMessage(d.agent, &ticketsv1.GetThreadMessageRequest{Id: bad})
		notFound(t, err)
	}
}

func TestCallsAndChats(t *testing.T) {
	d := open(t)
	one := d.ticket(&ticketsv1.TicketInput{Email: str("a@example.org")}).GetId()
	two := d.ticket(&ticketsv1.TicketInput{Email: str("b@example.org")}).GetId()
	at := timestamppb.New(d.Clock.Now())
	call, err := d.calls.CreateCall(d.agent, &ticketsv1.CreateCallRequest{Call: &ticketsv1.CallInput{TicketId: &one, Direction: str("outgoing"), PhoneNumber: str("+49 1"), Notes: str("n"), DurationSeconds: num(61), StartedAt: at}})
	must(t, err)
	got, err := d.calls.GetCall(d.agent, &ticketsv1.GetCallRequest{Id: call.Call.GetId()})
	must(t, err)
	if !proto.Equal(got.Call, call.Call) || got.Call.GetAgentId() != firstAgent || !proto.Equal(got.Call.StartedAt, at) {
		t.Errorf("%v", got.Call)
	}
	bare, err := d.calls.CreateCall(d.agent, &ticketsv1.CreateCallRequest{Call: &ticketsv1.CallInput{TicketId: &two}})
	must(t, err)
	if bare.Call.GetDirection() != "incoming" || bare.Call.StartedAt == nil || bare.Call.Notes != nil || bare.Call.DurationSeconds != nil {
		t.Errorf("%v", bare.Call)
	}
	chat, err := d.chats.CreateChat(d.agent, &ticketsv1.CreateChatRequest{Chat: &ticketsv1.ChatInput{TicketId: &one, Messages: []*ticketsv1.ChatMessage{
		{From: str("contact"), Text: str("hello"), SentAt: at}, {From: str("agent"), UserId: id(firstAgent), Text: str("hi")},
	}}})
	must(t, err)
	read, err := d.chats.GetChat(d.agent, &ticketsv1.GetChatRequest{Id: chat.Chat.GetId()})
	must(t, err)
	if !proto.Equal(read.Chat, chat.Chat) || len(read.Chat.Messages) != 2 {
		t.Errorf("got %v\nmade %v", read.Chat, chat.Chat)
	}
	listed := func(ticket *int64) []int64 {
		out, err := d.calls.ListCalls(d.agent, &ticketsv1.ListCallsRequest{TicketId: ticket})
		must(t, err)
		ids := []int64{}
		for _, c := range out.Calls {
			ids = append(ids, c.GetId())
		}
		return ids
	}
	if !slices.Equal(listed(nil), []int64{call.Call.GetId(), bare.Call.GetId()}) || !slices.Equal(listed(&two), []int64{bare.Call.GetId()}) || len(listed(id(99))) != 0 {
		t.Errorf("%v %v", listed(nil), listed(&two))
	}
	all, err := d.chats.ListChats(d.agent, &ticketsv1.ListChatsRequest{TicketId: &one})
	must(t, err)
	if len(all.Chats) != 1 || !proto.Equal(all.Chats[0], chat.Chat) || all.GetMore() {
		t.Errorf("%v", all)
	}
	for range 2 {
		_, err = d.calls.DeleteCall(d.agent, &ticketsv1.DeleteCallRequest{Id: call.Call.GetId()})
	}
	notFound(t, err)
	for range 2 {
		_, err = d.chats.DeleteChat(d.agent, &ticketsv1.DeleteChatRequest{Id: chat.Chat.GetId()})
	}
	notFound(t, err)
	_, err = d.calls.GetCall(d.stranger, &ticketsv1.GetCallRequest{Id: bare.Call.GetId()})
	notFound(t, err)
}

func TestCallAndChatRefusals(t *testing.T) {
	d := open(t)
	made := d.ticket(&ticketsv1.TicketInput{Email: str("a@example.org")}).GetId()
	calls := map[string]*ticketsv1.CallInput{
		"ticket_id missing_field":                                 {},
		"ticket_id invalid_value":                                 {TicketId: id(99)},
		"direction invalid_value, duration_seconds invalid_value": {TicketId: &made, Direction: str("up"), DurationSeconds: num(-1)},
	}
	for want, in := range calls {
		_, err := d.calls.CreateCall(d.agent, &ticketsv1.CreateCallRequest{Call: in})
		equal(t, "call", violations(err), want)
	}
	chats := map[string]*ticketsv1.ChatInput{
		"messages missing_field, ticket_id missing_field":          {},
		"messages.from invalid_value, messages.text missing_field": {TicketId: &made, Messages: []*ticketsv1.ChatMessage{{From: str("x")}}},
	}
	for want, in := range chats {
		_, err := d.chats.CreateChat(d.agent, &ticketsv1.CreateChatRequest{Chat: in})
		equal(t, "chat", violations(err), want)
	}
	_, err := d.calls.CreateCall(d.agent, &ticketsv1.CreateCallRequest{})
	equal(t, "no call", violations(err), "ticket_id missing_field")
	_, err = d.chats.CreateChat(d.agent, &ticketsv1.CreateChatRequest{})
	equal(t, "no chat", violations(err), "ticket_id missing_field")
}
