package tickets

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

// full is one thing of every kind, all of one person.
type full struct {
	who, ticket, reply, note, file, call, chat int64
	thread, message                            string
}

// fill makes one thing of every kind for a person, with marks in all texts.
func (d *desk) fill(who int64, mark string) full {
	d.t.Helper()
	f := full{who: who, file: d.staged(mark+".txt", mark+" file")}
	t := d.ticket(&ticketsv1.TicketInput{RequesterId: &who, Subject: &mark, Description: &mark, Tags: []string{mark}, AttachmentIds: []int64{f.file}})
	f.ticket = t.GetId()
	r, err := d.reply(f.ticket, &ticketsv1.ReplyInput{Body: &mark}, "")
	must(d.t, err)
	f.reply = r.GetId()
	f.note = d.note(f.ticket, &ticketsv1.NoteInput{Body: &mark, AttachmentIds: []int64{d.staged(mark+"2.txt", mark)}}).GetId()
	thread, err := d.thread(&ticketsv1.ThreadInput{TicketId: &f.ticket, Title: &mark})
	must(d.t, err)
	f.thread = thread.GetId()
	m, err := d.message(f.thread, mark)
	must(d.t, err)
	f.message = m.GetId()
	call, err := d.calls.CreateCall(d.agent, &ticketsv1.CreateCallRequest{Call: &ticketsv1.CallInput{TicketId: &f.ticket, Notes: &mark}})
	must(d.t, err)
	f.call = call.Call.GetId()
	chat, err := d.chats.CreateChat(d.agent, &ticketsv1.CreateChatRequest{Chat: &ticketsv1.ChatInput{TicketId: &f.ticket, Messages: []*ticketsv1.ChatMessage{{From: str("contact"), Text: &mark}}}})
	must(d.t, err)
	f.chat = chat.Chat.GetId()
	return f
}

// method is a call of one method about a person's things. what it does when fenced:
// fail (the default), or answer an empty list.
type method struct {
	call func(ctx context.Context) (proto.Message, error)
	// list says that the method answers a list, from which hidden things are missing.
	list bool
	// body says that the thing is named in the body, so that an unknown one makes the body wrong.
	body bool
}

// methods are all methods of the service but uploads, which name no existing thing.
func (d *desk) methods(f full) map[string]method {
	mask := func(path string) *fieldmaskpb.FieldMask { return &fieldmaskpb.FieldMask{Paths: []string{path}} }
	one := func(call func(context.Context) (proto.Message, error)) method { return method{call: call} }
	return map[string]method{
		"TicketsService/GetTicket": one(func(ctx context.Context) (proto.Message, error) {
			return d.tickets.GetTicket(ctx, &ticketsv1.GetTicketRequest{Id: f.ticket, Include: str("conversations,requester,stats")})
		}),
		"TicketsService/ListTickets": {list: true, call: func(ctx context.Context) (proto.Message, error) {
			return d.tickets.ListTickets(ctx, &ticketsv1.ListTicketsRequest{RequesterId: &f.who, Include: str("description")})
		}},
		"TicketsService/UpdateTicket": one(func(ctx context.Context) (proto.Message, error) {
			return d.tickets.UpdateTicket(ctx, &ticketsv1.UpdateTicketRequest{Id: f.ticket, Ticket: &ticketsv1.TicketInput{Priority: num(2)}, UpdateMask: mask("priority")})
		}),
		"TicketsService/DeleteTicket": one(func(ctx context.Context) (proto.Message, error) {
			return d.tickets.DeleteTicket(ctx, &ticketsv1.DeleteTicketRequest{Id: f.ticket})
		}),
		"TicketsService/RestoreTicket": one(func(ctx context.Context) (proto.Message, error) {
			return d.tickets.RestoreTicket(ctx, &ticketsv1.RestoreTicketRequest{Id: f.ticket})
		}),
		"TicketsService/CreateTicket": {body: true, call: func(ctx context.Context) (proto.Message, error) {
			return d.tickets.CreateTicket(ctx, &ticketsv1.CreateTicketRequest{Ticket: &ticketsv1.TicketInput{RequesterId: &f.who}})
		}},
		"ConversationsService/CreateReply": one(func(ctx context.Context) (proto.Message, error) {
			return d.conversations.CreateReply(ctx, &ticketsv1.CreateReplyRequest{TicketId: f.ticket, Reply: &ticketsv1.ReplyInput{Body: str("x")}})
		}),
		"ConversationsService/CreateNote": one(func(ctx context.Context) (proto.Message, error) {
			return d.conversations.CreateNote(ctx, &ticketsv1.CreateNoteRequest{TicketId: f.ticket, Note: &ticketsv1.NoteInput{Body: str("x")}})
		}),
		"ConversationsService/ListConversations": one(func(ctx context.Context) (proto.Message, error) {
			return d.conversations.ListConversations(ctx, &ticketsv1.ListConversationsRequest{TicketId: f.ticket})
		}),
		"ConversationsService/UpdateConversation": one(func(ctx context.Context) (proto.Message, error) {
			return d.conversations.UpdateConversation(ctx, &ticketsv1.UpdateConversationRequest{Id: f.note, Conversation: &ticketsv1.ConversationInput{Body: str("x")}, UpdateMask: mask("body")})
		}),
		"ConversationsService/DeleteConversation": one(func(ctx context.Context) (proto.Message, error) {
			return d.conversations.DeleteConversation(ctx, &ticketsv1.DeleteConversationRequest{Id: f.reply})
		}),
		"AttachmentsService/DownloadAttachment": one(func(ctx context.Context) (proto.Message, error) {
			stream, err := d.attachments.DownloadAttachment(ctx, &ticketsv1.DownloadAttachmentRequest{Id: &f.file})
			if err != nil {
				return nil, err
			}
			return stream.Recv()
		}),
		"AttachmentsService/DeleteAttachment": one(func(ctx context.Context) (proto.Message, error) {
			return d.attachments.DeleteAttachment(ctx, &ticketsv1.DeleteAttachmentRequest{Id: f.file})
		}),
		"ThreadsService/CreateThread": {body: true, call: func(ctx context.Context) (proto.Message, error) {
			return d.threads.CreateThread(ctx, &ticketsv1.CreateThreadRequest{Thread: &ticketsv1.ThreadInput{TicketId: &f.ticket}})
		}},
		"ThreadsService/GetThread": one(func(ctx context.Context) (proto.Message, error) {
			return d.threads.GetThread(ctx, &ticketsv1.GetThreadRequest{Id: f.thread})
		}),
		"ThreadsService/CreateThreadMessage": {body: true, call: func(ctx context.Context) (proto.Message, error) {
			return d.threads.CreateThreadMessage(ctx, &ticketsv1.CreateThreadMessageRequest{Message: &ticketsv1.ThreadMessageInput{ThreadId: &f.thread, Body: str("x")}})
		}},
		"ThreadsService/GetThreadMessage": one(func(ctx context.Context) (proto.Message, error) {
			return d.threads.GetThreadMessage(ctx, &ticketsv1.GetThreadMessageRequest{Id: f.message})
		}),
		"ThreadsService/ListThreadMessages": one(func(ctx context.Context) (proto.Message, error) {
			return d.threads.ListThreadMessages(ctx, &ticketsv1.ListThreadMessagesRequest{ThreadId: f.thread})
		}),
		"ThreadsService/DeleteThread": one(func(ctx context.Context) (proto.Message, error) {
			return d.threads.DeleteThread(ctx, &ticketsv1.DeleteThreadRequest{Id: f.thread})
		}),
		"CallsService/CreateCall": {body: true, call: func(ctx context.Context) (proto.Message, error) {
			return d.calls.CreateCall(ctx, &ticketsv1.CreateCallRequest{Call: &ticketsv1.CallInput{TicketId: &f.ticket}})
		}},
		"CallsService/GetCall": one(func(ctx context.Context) (proto.Message, error) {
			return d.calls.GetCall(ctx, &ticketsv1.GetCallRequest{Id: f.call})
		}),
		"CallsService/ListCalls": {list: true, call: func(ctx context.Context) (proto.Message, error) {
			return d.calls.ListCalls(ctx, &ticketsv1.ListCallsRequest{})
		}},
		"CallsService/DeleteCall": one(func(ctx context.Context) (proto.Message, error) {
			return d.calls.DeleteCall(ctx, &ticketsv1.DeleteCallRequest{Id: f.call})
		}),
		"ChatsService/CreateChat": {body: true, call: func(ctx context.Context) (proto.Message, error) {
			return d.chats.CreateChat(ctx, &ticketsv1.CreateChatRequest{Chat: &ticketsv1.ChatInput{TicketId: &f.ticket, Messages: []*ticketsv1.ChatMessage{{From: str("agent"), Text: str("x")}}}})
		}},
		"ChatsService/GetChat": one(func(ctx context.Context) (proto.Message, error) {
			return d.chats.GetChat(ctx, &ticketsv1.GetChatRequest{Id: f.chat})
		}),
		"ChatsService/ListChats": {list: true, call: func(ctx context.Context) (proto.Message, error) {
			return d.chats.ListChats(ctx, &ticketsv1.ListChatsRequest{})
		}},
		"ChatsService/DeleteChat": one(func(ctx context.Context) (proto.Message, error) {
			return d.chats.DeleteChat(ctx, &ticketsv1.DeleteChatRequest{Id: f.chat})
		}),
	}
}

// destructive methods come last where a test runs them all.
func ordered(m map[string]method) []string {
	var first, last []string
	for name := range m {
		if strings.Contains(name, "/Delete") {
			last = append(last, name)
		} else {
			first = append(first, name)
		}
	}
	slices.Sort(first)
	slices.Sort(last)
	return append(first, last...)
}

func TestTheMatrixHasEveryMethod(t *testing.T) {
	d := open(t)
	methods := d.methods(full{})
	services := ticketsv1.File_lethe_tickets_v1_tickets_service_proto.Services()
	files := []protoreflect.FileDescriptor{
		ticketsv1.File_lethe_tickets_v1_conversations_service_proto, ticketsv1.File_lethe_tickets_v1_attachments_service_proto,
		ticketsv1.File_lethe_tickets_v1_threads_service_proto, ticketsv1.File_lethe_tickets_v1_calls_service_proto, ticketsv1.File_lethe_tickets_v1_chats_service_proto,
	}
	check := func(s protoreflect.ServiceDescriptor) {
		for i := range s.Methods().Len() {
			name := string(s.Name()) + "/" + string(s.Methods().Get(i).Name())
			if _, ok := methods[name]; !ok && name != "AttachmentsService/UploadAttachment" {
				t.Errorf("%s is missing", name)
			}
		}
	}
	check(services.Get(0))
	for _, f := range files {
		check(f.Services().Get(0))
	}
}

// Every method answers as DESIGN's table of fences says, for every fence.
func TestFencesAndMethods(t *testing.T) {
	for _, c := range []struct {
		mode participantv1.Mode
		// denied is 403 instead of 404.
		denied bool
	}{
		{participantv1.Mode_MODE_HIDDEN, false}, {participantv1.Mode_MODE_RESTRICTED, true},
		{participantv1.Mode_MODE_ERASING, false}, {participantv1.Mode_MODE_ERASED, false},
	} {
		d := open(t)
		f := d.fill(d.person("a@example.org"), "secret")
		before := d.counts(f.who)
		d.fence(f.who, c.mode, "saga")
		methods := d.methods(f)
		for _, name := range ordered(methods) {
			m := methods[name]
			got, err := m.call(d.agent)
			label := c.mode.String() + " " + name
			switch {
			case m.list:
				if err != nil || strings.Contains(got.ProtoReflect().Interface().(interface{ String() string }).String(), "secret") {
					t.Errorf("%s: %v %v", label, got, err)
				}
			case c.denied:
				if !fault.Has(err, faultv1.Reason_REASON_RESTRICTED) || !fault.Is(err, fault.KindDenied) {
					t.Errorf("%s: %v", label, err)
				}
			case m.body:
				if !fault.Has(err, faultv1.Reason_REASON_INVALID_VALUE) {
					t.Errorf("%s: %v", label, err)
				}
			default:
				if !fault.Is(err, fault.KindNotFound) {
					t.Errorf("%s: %v", label, err)
				}
			}
		}
		if after := d.counts(f.who); len(after) != 7 || !same(before, after) {
			t.Errorf("%v: before %v, after %v", c.mode, before, after)
		}
		if c.mode == participantv1.Mode_MODE_ERASED {
			continue
		}
		d.unfence(f.who, "saga")
		for _, name := range ordered(methods) {
			if _, err := methods[name].call(d.agent); err != nil && !strings.HasSuffix(name, "DeleteAttachment") && !strings.HasSuffix(name, "DeleteConversation") {
				t.Errorf("after the fence %s: %v", name, err)
			}
			if strings.HasSuffix(name, "DeleteTicket") { // the trash takes no further changes
				_, err := methods["TicketsService/RestoreTicket"].call(d.agent)
				must(t, err)
			}
		}
	}
}

func same(a, b map[string]int64) bool {
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return len(a) == len(b)
}

// Nobody of another account sees or changes anything, and nobody without the right gets in.
func TestOtherAccountsAndRoles(t *testing.T) {
	d := open(t)
	f := d.fill(d.person("a@example.org"), "secret")
	d.people.forget(2, f.who)
	before := d.counts(f.who)
	contact := d.as(authn.Identity{Account: 1, Actor: f.who, Role: authn.RoleContact})
	methods := d.methods(f)
	for _, name := range ordered(methods) {
		got, err := methods[name].call(d.stranger)
		if methods[name].list {
			if err != nil || strings.Contains(got.(interface{ String() string }).String(), "secret") {
				t.Errorf("%s: %v %v", name, got, err)
			}
		} else if err == nil {
			t.Errorf("%s works across accounts", name)
		}
		if _, err := methods[name].call(contact); !fault.Has(err, faultv1.Reason_REASON_ACCESS_DENIED) {
			t.Errorf("%s as a contact: %v", name, err)
		}
		if _, err := methods[name].call(t.Context()); !fault.Is(err, fault.KindUnauthenticated) {
			t.Errorf("%s without identity: %v", name, err)
		}
	}
	if after := d.counts(f.who); !same(before, after) {
		t.Errorf("before %v, after %v", before, after)
	}
	_, err := d.participant.CountHoldings(d.agent, &participantv1.CountHoldingsRequest{Subject: subject(f.who)})
	reason(t, err, faultv1.Reason_REASON_ACCESS_DENIED)
}

func TestSweepTakesEverythingOfThePersonAndNothingElse(t *testing.T) {
	d := open(t)
	anna, bert := d.person("anna@example.org"), d.person("bert@example.org")
	mine := d.fill(anna, "secret")
	other := d.fill(bert, "other")
	_, err := d.upload(&ticketsv1.UploadHead{Name: str("staged"), OwnerId: &anna}, []byte("x"))
	must(t, err)
	before, bystander := d.counts(anna), d.counts(bert)
	want := map[string]int64{"tickets": 1, "conversations": 2, "attachments": 3, "threads": 1, "thread_messages": 1, "calls": 1, "chats": 1}
	if !same(before, want) {
		t.Fatalf("holdings %v", before)
	}
	if got := d.erase(anna); !same(got, want) {
		t.Errorf("swept %v", got)
	}
	if got := d.erase(anna); got["tickets"] != 0 || got["attachments"] != 0 {
		t.Errorf("swept again %v", got)
	}
	for name, n := range d.counts(anna) {
		equal(t, "left of "+name, n, 0)
	}
	if got := d.counts(bert); !same(got, bystander) {
		t.Errorf("bystander %v, before %v", got, bystander)
	}
	equal(t, "bytes", d.blobs(), 2)
	data, err := d.download(other.file)
	must(t, err)
	equal(t, "bystander's file", data, "other file")
	_, err = d.get(mine.ticket, "")
	notFound(t, err)
}

func TestExportHoldsEverythingAndGoesOnBehindACursor(t *testing.T) {
	d := open(t)
	who := d.person("a@example.org")
	f := d.fill(who, "secret")
	d.fill(d.person("b@example.org"), "other")
	for range 3 {
		d.note(f.ticket, &ticketsv1.NoteInput{Body: str("more secret")})
	}
	d.fence(who, participantv1.Mode_MODE_RESTRICTED, "r") // the person's own export goes on
	kinds, cursors, files := d.export(who, "")
	want := "Attachment Attachment Ticket Conversation Conversation Conversation Conversation Conversation Thread ThreadMessage Call Chat"
	equal(t, "records", strings.Join(kinds, " "), want)
	equal(t, "files", strings.Join(files, "|"), "secret file|secret")
	for i, cursor := range cursors {
		rest, _, _ := d.export(who, cursor)
		if !slices.Equal(rest, kinds[i+1:]) {
			t.Errorf("behind %q: %v", cursor, rest)
		}
	}
	d.fence(who, participantv1.Mode_MODE_ERASING, "e")
	stream, err := d.participant.Export(d.privacy, &participantv1.ExportRequest{Subject: subject(who), Scope: participantv1.ExportScope_EXPORT_SCOPE_ACCESS.Enum()})
	must(t, err)
	_, err = stream.Recv() // refused, never short
	reason(t, err, faultv1.Reason_REASON_FENCED)
}

// export returns the names of the records' messages, their cursors and the files' bytes.
func (d *desk) export(who int64, cursor string) (kinds, cursors, files []string) {
	d.t.Helper()
	stream, err := d.participant.Export(d.privacy, &participantv1.ExportRequest{Subject: subject(who), Scope: participantv1.ExportScope_EXPORT_SCOPE_ACCESS.Enum(), Cursor: &cursor})
	must(d.t, err)
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return kinds, cursors, files
		}
		must(d.t, err)
		switch {
		case m.GetFile() != nil:
			files = append(files, "")
		case m.GetRecord() != nil:
			record, err := m.GetRecord().UnmarshalNew()
			must(d.t, err)
			if text := record.(interface{ String() string }).String(); strings.Contains(text, "other") || !strings.Contains(text, "secret") {
				d.t.Errorf("%s", text)
			}
			kinds = append(kinds, string(record.ProtoReflect().Descriptor().Name()))
			cursors = append(cursors, m.GetCursor())
		default:
			files[len(files)-1] += string(m.GetData())
		}
	}
}
