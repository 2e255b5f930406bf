package tickets

import (
	"context"
	"strings"
	"testing"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/participanttest"
	"github.com/lethe-desk/lethe/services/internal/platform/servicetest"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/structpb"
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

// quote makes one thing of every kind for a person, with a text in every field that takes any.
func (d *desk) quote(who int64, text string) {
	d.t.Helper()
	custom, err := structpb.NewStruct(map[string]any{"cf_note": text})
	must(d.t, err)
	t := d.ticket(&ticketsv1.TicketInput{RequesterId: &who, Subject: &text, Description: &text, CustomFields: custom})
	_, err = d.reply(t.GetId(), &ticketsv1.ReplyInput{Body: &text}, "")
	must(d.t, err)
	thread, err := d.thread(&ticketsv1.ThreadInput{TicketId: t.Id, Title: &text})
	must(d.t, err)
	_, err = d.message(thread.GetId(), text)
	must(d.t, err)
	_, err = d.calls.CreateCall(d.agent, &ticketsv1.CreateCallRequest{Call: &ticketsv1.CallInput{TicketId: t.Id, Notes: &text}})
	must(d.t, err)
	_, err = d.chats.CreateChat(d.agent, &ticketsv1.CreateChatRequest{Chat: &ticketsv1.ChatInput{TicketId: t.Id, Messages: []*ticketsv1.ChatMessage{{From: str("contact"), Text: &text}}}})
	must(d.t, err)
}

// methods are all methods of the service, about one person's things.
func (d *desk) methods(f full) []participanttest.Method {
	mask := func(path string) *fieldmaskpb.FieldMask { return &fieldmaskpb.FieldMask{Paths: []string{path}} }
	return []participanttest.Method{
		{Name: "TicketsService/GetTicket", Shows: true, Call: func(ctx context.Context) (proto.Message, error) {
			return d.tickets.GetTicket(ctx, &ticketsv1.GetTicketRequest{Id: f.ticket, Include: str("conversations,requester,stats")})
		}},
		{Name: "TicketsService/ListTickets", Kind: participanttest.List, Call: func(ctx context.Context) (proto.Message, error) {
			return d.tickets.ListTickets(ctx, &ticketsv1.ListTicketsRequest{RequesterId: &f.who, Include: str("description")})
		}},
		{Name: "TicketsService/UpdateTicket", Call: func(ctx context.Context) (proto.Message, error) {
			return d.tickets.UpdateTicket(ctx, &ticketsv1.UpdateTicketRequest{Id: f.ticket, Ticket: &ticketsv1.TicketInput{Priority: num(2)}, UpdateMask: mask("priority")})
		}},
		{Name: "TicketsService/RestoreTicket", Call: func(ctx context.Context) (proto.Message, error) {
			return d.tickets.RestoreTicket(ctx, &ticketsv1.RestoreTicketRequest{Id: f.ticket})
		}},
		{Name: "TicketsService/CreateTicket", Kind: participanttest.Named, Call: func(ctx context.Context) (proto.Message, error) {
			return d.tickets.CreateTicket(ctx, &ticketsv1.CreateTicketRequest{Ticket: &ticketsv1.TicketInput{RequesterId: &f.who}})
		}},
		{Name: "ConversationsService/CreateReply", Call: func(ctx context.Context) (proto.Message, error) {
			return d.conversations.CreateReply(ctx, &ticketsv1.CreateReplyRequest{TicketId: f.ticket, Reply: &ticketsv1.ReplyInput{Body: str("x")}})
		}},
		{Name: "ConversationsService/CreateNote", Call: func(ctx context.Context) (proto.Message, error) {
			return d.conversations.CreateNote(ctx, &ticketsv1.CreateNoteRequest{TicketId: f.ticket, Note: &ticketsv1.NoteInput{Body: str("x")}})
		}},
		{Name: "ConversationsService/ListConversations", Shows: true, Call: func(ctx context.Context) (proto.Message, error) {
			return d.conversations.ListConversations(ctx, &ticketsv1.ListConversationsRequest{TicketId: f.ticket})
		}},
		{Name: "ConversationsService/UpdateConversation", Call: func(ctx context.Context) (proto.Message, error) {
			return d.conversations.UpdateConversation(ctx, &ticketsv1.UpdateConversationRequest{Id: f.note, Conversation: &ticketsv1.ConversationInput{Body: str("x")}, UpdateMask: mask("body")})
		}},
		{Name: "AttachmentsService/DownloadAttachment", Shows: true, Call: func(ctx context.Context) (proto.Message, error) {
			stream, err := d.attachments.DownloadAttachment(ctx, &ticketsv1.DownloadAttachmentRequest{Id: &f.file})
			if err != nil {
				return nil, err
			}
			return stream.Recv()
		}},
		{Name: "ThreadsService/CreateThread", Kind: participanttest.Named, Call: func(ctx context.Context) (proto.Message, error) {
			return d.threads.CreateThread(ctx, &ticketsv1.CreateThreadRequest{Thread: &ticketsv1.ThreadInput{TicketId: &f.ticket}})
		}},
		{Name: "ThreadsService/GetThread", Shows: true, Call: func(ctx context.Context) (proto.Message, error) {
			return d.threads.GetThread(ctx, &ticketsv1.GetThreadRequest{Id: f.thread})
		}},
		{Name: "ThreadsService/CreateThreadMessage", Kind: participanttest.Named, Call: func(ctx context.Context) (proto.Message, error) {
			return d.threads.CreateThreadMessage(ctx, &ticketsv1.CreateThreadMessageRequest{Message: &ticketsv1.ThreadMessageInput{ThreadId: &f.thread, Body: str("x")}})
		}},
		{Name: "ThreadsService/GetThreadMessage", Shows: true, Call: func(ctx context.Context) (proto.Message, error) {
			return d.threads.GetThreadMessage(ctx, &ticketsv1.GetThreadMessageRequest{Id: f.message})
		}},
		{Name: "ThreadsService/ListThreadMessages", Shows: true, Call: func(ctx context.Context) (proto.Message, error) {
			return d.threads.ListThreadMessages(ctx, &ticketsv1.ListThreadMessagesRequest{ThreadId: f.thread})
		}},
		{Name: "CallsService/CreateCall", Kind: participanttest.Named, Call: func(ctx context.Context) (proto.Message, error) {
			return d.calls.CreateCall(ctx, &ticketsv1.CreateCallRequest{Call: &ticketsv1.CallInput{TicketId: &f.ticket}})
		}},
		{Name: "CallsService/GetCall", Shows: true, Call: func(ctx context.Context) (proto.Message, error) {
			return d.calls.GetCall(ctx, &ticketsv1.GetCallRequest{Id: f.call})
		}},
		{Name: "CallsService/ListCalls", Kind: participanttest.List, Call: func(ctx context.Context) (proto.Message, error) {
			return d.calls.ListCalls(ctx, &ticketsv1.ListCallsRequest{})
		}},
		{Name: "ChatsService/CreateChat", Kind: participanttest.Named, Call: func(ctx context.Context) (proto.Message, error) {
			return d.chats.CreateChat(ctx, &ticketsv1.CreateChatRequest{Chat: &ticketsv1.ChatInput{TicketId: &f.ticket, Messages: []*ticketsv1.ChatMessage{{From: str("agent"), Text: str("x")}}}})
		}},
		{Name: "ChatsService/GetChat", Shows: true, Call: func(ctx context.Context) (proto.Message, error) {
			return d.chats.GetChat(ctx, &ticketsv1.GetChatRequest{Id: f.chat})
		}},
		{Name: "ChatsService/ListChats", Kind: participanttest.List, Call: func(ctx context.Context) (proto.Message, error) {
			return d.chats.ListChats(ctx, &ticketsv1.ListChatsRequest{})
		}},
		{Name: "TicketsService/DeleteTicket", Ends: true, Call: func(ctx context.Context) (proto.Message, error) {
			return d.tickets.DeleteTicket(ctx, &ticketsv1.DeleteTicketRequest{Id: f.ticket})
		}},
		{Name: "ConversationsService/DeleteConversation", Ends: true, Call: func(ctx context.Context) (proto.Message, error) {
			return d.conversations.DeleteConversation(ctx, &ticketsv1.DeleteConversationRequest{Id: f.reply})
		}},
		{Name: "AttachmentsService/DeleteAttachment", Ends: true, Call: func(ctx context.Context) (proto.Message, error) {
			return d.attachments.DeleteAttachment(ctx, &ticketsv1.DeleteAttachmentRequest{Id: f.file})
		}},
		{Name: "ThreadsService/DeleteThread", Ends: true, Call: func(ctx context.Context) (proto.Message, error) {
			return d.threads.DeleteThread(ctx, &ticketsv1.DeleteThreadRequest{Id: f.thread})
		}},
		{Name: "CallsService/DeleteCall", Ends: true, Call: func(ctx context.Context) (proto.Message, error) {
			return d.calls.DeleteCall(ctx, &ticketsv1.DeleteCallRequest{Id: f.call})
		}},
		{Name: "ChatsService/DeleteChat", Ends: true, Call: func(ctx context.Context) (proto.Message, error) {
			return d.chats.DeleteChat(ctx, &ticketsv1.DeleteChatRequest{Id: f.chat})
		}},
		{Name: "AttachmentsService/UploadAttachment", Call: func(ctx context.Context) (proto.Message, error) {
			return d.uploadAs(ctx, &ticketsv1.UploadHead{Name: str("x.txt"), OwnerId: &f.who}, []byte("x"))
		}},
	}
}

// conformance is how the suite of all participants uses a desk.
func conformance(k *servicetest.Kit) *participanttest.Harness {
	d := openOn(k)
	return &participanttest.Harness{
		Service: Name,
		Seed: func(account int64, kind participantv1.SubjectKind, n int, mark string) participanttest.Person {
			d.agent = d.Agent(account)
			defer func() { d.agent = d.Agent(1) }()
			who := d.people.Person(account, mark+"@example.org")
			var f full
			for range n {
				f = d.fill(who, mark)
			}
			return participanttest.Person{Account: account, ID: who, Kind: kind, Mark: mark, Things: f}
		},
		Methods: func(p participanttest.Person) []participanttest.Method {
			f, _ := p.Things.(full)
			return d.methods(f)
		},
		Link: func(owner, who participanttest.Person) {
			f, _ := owner.Things.(full)
			_, err := d.reply(f.ticket, &ticketsv1.ReplyInput{Body: str("by another"), UserId: &who.ID}, "")
			must(d.t, err)
			_, err = d.thread(&ticketsv1.ThreadInput{TicketId: &f.ticket, ParticipantIds: []int64{who.ID, firstAgent}})
			must(d.t, err)
			_, err = d.chats.CreateChat(d.agent, &ticketsv1.CreateChatRequest{Chat: &ticketsv1.ChatInput{TicketId: &f.ticket, Messages: []*ticketsv1.ChatMessage{
				{From: str("agent"), Text: str("hello"), UserId: &who.ID},
			}}})
			must(d.t, err)
		},
		Mention: func(owner participanttest.Person, text string) { d.quote(owner.ID, text) },
		Item: func(p participanttest.Person) (*participantv1.Item, participanttest.Method) {
			f, _ := p.Things.(full)
			return &participantv1.Item{Resource: str("tickets"), Id: &f.ticket}, participanttest.Method{Name: "CallsService/CreateCall", Call: func(ctx context.Context) (proto.Message, error) {
				return d.calls.CreateCall(ctx, &ticketsv1.CreateCallRequest{Call: &ticketsv1.CallInput{TicketId: &f.ticket, Notes: str("one more")}})
			}}
		},
	}
}

func TestParticipant(t *testing.T) {
	participanttest.Run(t, servicetest.Options{InProcess: true}, conformance)
}

func same(a, b map[string]int64) bool {
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return len(a) == len(b)
}

// Nobody without the right gets in, and nobody without an identity.
func TestRoles(t *testing.T) {
	d := open(t)
	f := d.fill(d.person("a@example.org"), "secret")
	before := d.counts(f.who)
	contact := d.As(authn.Identity{Account: 1, Actor: f.who, Role: authn.RoleContact})
	for _, m := range d.methods(f) {
		if _, err := m.Call(contact); !fault.Has(err, faultv1.Reason_REASON_ACCESS_DENIED) {
			t.Errorf("%s as a contact: %v", m.Name, err)
		}
		if _, err := m.Call(t.Context()); !fault.Is(err, fault.KindUnauthenticated) {
			t.Errorf("%s without identity: %v", m.Name, err)
		}
	}
	if after := d.counts(f.who); !same(before, after) {
		t.Errorf("before %v, after %v", before, after)
	}
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

// What the suite of all participants cannot know: which records come in which order, with which bytes.
func TestExportHoldsRecordsAndFilesInOrder(t *testing.T) {
	d := open(t)
	who := d.person("a@example.org")
	d.fill(who, "secret")
	d.fill(d.person("b@example.org"), "other")
	kinds, files := d.export(who)
	want := "Attachment Attachment Ticket Conversation Conversation Thread ThreadMessage Call Chat"
	equal(t, "records", strings.Join(kinds, " "), want)
	equal(t, "files", strings.Join(files, "|"), "secret file|secret")
}

// export returns the names of the records' messages and the files' bytes.
func (d *desk) export(who int64) (kinds, files []string) {
	d.t.Helper()
	answers, err := servicetest.All(d.participant.Export(d.privacy, &participantv1.ExportRequest{Subject: subject(who), Scope: participantv1.ExportScope_EXPORT_SCOPE_ACCESS.Enum()}))
	must(d.t, err)
	for _, m := range answers {
		switch {
		case m.GetFile() != nil:
			files = append(files, "")
		case m.GetRecord() != nil:
			record, err := m.GetRecord().UnmarshalNew()
			must(d.t, err)
			kinds = append(kinds, string(record.ProtoReflect().Descriptor().Name()))
		default:
			files[len(files)-1] += string(m.GetData())
		}
	}
	return kinds, files
}

// The same suite over the wire, with the documents and the keys on MongoDB.
func TestParticipantOnMongo(t *testing.T) {
	o := servicetest.OnMongo(t)
	o.InProcess = true
	participanttest.Run(t, o, conformance)
}
