package rpc

import (
	"context"

	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/tickets/internal/app"
	"github.com/lethe-desk/lethe/services/tickets/internal/ticket"
	"google.golang.org/protobuf/proto"
)

// threads implements ThreadsService.
type threads struct {
	ticketsv1.UnimplementedThreadsServiceServer
	app *app.App
}

// CreateThread begins a thread about a ticket.
func (s *threads) CreateThread(ctx context.Context, in *ticketsv1.CreateThreadRequest) (*ticketsv1.CreateThreadResponse, error) {
	t := in.Thread
	if t == nil {
		return nil, missing("ticket_id")
	}
	v, err := s.app.CreateThread(ctx, caller(ctx), &ticket.ThreadInput{Type: t.Type, TicketID: t.TicketId, Title: t.Title, Participants: t.ParticipantIds})
	if err != nil {
		return nil, err
	}
	return &ticketsv1.CreateThreadResponse{Thread: showThread(v)}, nil
}

// GetThread reads one thread.
func (s *threads) GetThread(ctx context.Context, in *ticketsv1.GetThreadRequest) (*ticketsv1.GetThreadResponse, error) {
	v, err := s.app.GetThread(ctx, caller(ctx), in.Id)
	if err != nil {
		return nil, err
	}
	return &ticketsv1.GetThreadResponse{Thread: showThread(v)}, nil
}

// DeleteThread removes a thread and its messages for good.
func (s *threads) DeleteThread(ctx context.Context, in *ticketsv1.DeleteThreadRequest) (*ticketsv1.DeleteThreadResponse, error) {
	return &ticketsv1.DeleteThreadResponse{}, s.app.DeleteThread(ctx, caller(ctx), in.Id)
}

// CreateThreadMessage adds a message to a thread.
func (s *threads) CreateThreadMessage(ctx context.Context, in *ticketsv1.CreateThreadMessageRequest) (*ticketsv1.CreateThreadMessageResponse, error) {
	m := in.Message
	if m == nil {
		return nil, missing("thread_id")
	}
	v, err := s.app.CreateThreadMessage(ctx, caller(ctx), &ticket.MessageInput{ThreadID: m.ThreadId, Body: m.Body})
	if err != nil {
		return nil, err
	}
	return &ticketsv1.CreateThreadMessageResponse{Message: showMessage(v)}, nil
}

// GetThreadMessage reads one message.
func (s *threads) GetThreadMessage(ctx context.Context, in *ticketsv1.GetThreadMessageRequest) (*ticketsv1.GetThreadMessageResponse, error) {
	v, err := s.app.GetThreadMessage(ctx, caller(ctx), in.Id)
	if err != nil {
		return nil, err
	}
	return &ticketsv1.GetThreadMessageResponse{Message: showMessage(v)}, nil
}

// ListThreadMessages reads a page of a thread.
func (s *threads) ListThreadMessages(ctx context.Context, in *ticketsv1.ListThreadMessagesRequest) (*ticketsv1.ListThreadMessagesResponse, error) {
	skip, limit, err := paging(in.Page, in.PerPage)
	if err != nil {
		return nil, err
	}
	found, more, err := s.app.ListThreadMessages(ctx, caller(ctx), in.ThreadId, skip, limit)
	if err != nil {
		return nil, err
	}
	out := &ticketsv1.ListThreadMessagesResponse{More: proto.Bool(more)}
	for _, m := range found {
		out.Messages = append(out.Messages, showMessage(m))
	}
	return out, nil
}

// calls implements CallsService.
type calls struct {
	ticketsv1.UnimplementedCallsServiceServer
	app *app.App
}

// CreateCall records a call about a ticket.
func (s *calls) CreateCall(ctx context.Context, in *ticketsv1.CreateCallRequest) (*ticketsv1.CreateCallResponse, error) {
	if in.Call == nil {
		return nil, missing("ticket_id")
	}
	key, err := keyOf(in.GetIdempotencyKey(), in.Call, 0)
	if err != nil {
		return nil, err
	}
	v, err := s.app.CreateCall(ctx, caller(ctx), callInput(in.Call), key)
	if err != nil {
		return nil, err
	}
	return &ticketsv1.CreateCallResponse{Call: showCall(v)}, nil
}

// GetCall reads one call.
func (s *calls) GetCall(ctx context.Context, in *ticketsv1.GetCallRequest) (*ticketsv1.GetCallResponse, error) {
	v, err := s.app.GetCall(ctx, caller(ctx), in.Id)
	if err != nil {
		return nil, err
	}
	return &ticketsv1.GetCallResponse{Call: showCall(v)}, nil
}

// ListCalls reads a page.
func (s *calls) ListCalls(ctx context.Context, in *ticketsv1.ListCallsRequest) (*ticketsv1.ListCallsResponse, error) {
	skip, limit, err := paging(in.Page, in.PerPage)
	if err != nil {
		return nil, err
	}
	found, more, err := s.app.ListCalls(ctx, caller(ctx), in.TicketId, skip, limit)
	if err != nil {
		return nil, err
	}
	out := &ticketsv1.ListCallsResponse{More: proto.Bool(more)}
	for _, c := range found {
		out.Calls = append(out.Calls, showCall(c))
	}
	return out, nil
}

// DeleteCall removes one for good.
func (s *calls) DeleteCall(ctx context.Context, in *ticketsv1.DeleteCallRequest) (*ticketsv1.DeleteCallResponse, error) {
	return &ticketsv1.DeleteCallResponse{}, s.app.DeleteCall(ctx, caller(ctx), in.Id)
}

// chats implements ChatsService.
type chats struct {
	ticketsv1.UnimplementedChatsServiceServer
	app *app.App
}

// CreateChat records a chat about a ticket.
func (s *chats) CreateChat(ctx context.Context, in *ticketsv1.CreateChatRequest) (*ticketsv1.CreateChatResponse, error) {
	if in.Chat == nil {
		return nil, missing("ticket_id")
	}
	key, err := keyOf(in.GetIdempotencyKey(), in.Chat, 0)
	if err != nil {
		return nil, err
	}
	v, err := s.app.CreateChat(ctx, caller(ctx), chatInput(in.Chat), key)
	if err != nil {
		return nil, err
	}
	return &ticketsv1.CreateChatResponse{Chat: showChat(v)}, nil
}

// GetChat reads one chat.
func (s *chats) GetChat(ctx context.Context, in *ticketsv1.GetChatRequest) (*ticketsv1.GetChatResponse, error) {
	v, err := s.app.GetChat(ctx, caller(ctx), in.Id)
	if err != nil {
		return nil, err
	}
	return &ticketsv1.GetChatResponse{Chat: showChat(v)}, nil
}

// ListChats reads a page.
func (s *chats) ListChats(ctx context.Context, in *ticketsv1.ListChatsRequest) (*ticketsv1.ListChatsResponse, error) {
	skip, limit, err := paging(in.Page, in.PerPage)
	if err != nil {
		return nil, err
	}
	found, more, err := s.app.ListChats(ctx, caller(ctx), in.TicketId, skip, limit)
	if err != nil {
		return nil, err
	}
	out := &ticketsv1.ListChatsResponse{More: proto.Bool(more)}
	for _, c := range found {
		out.Chats = append(out.Chats, showChat(c))
	}
	return out, nil
}

// DeleteChat removes one for good.
func (s *chats) DeleteChat(ctx context.Context, in *ticketsv1.DeleteChatRequest) (*ticketsv1.DeleteChatResponse, error) {
	return &ticketsv1.DeleteChatResponse{}, s.app.DeleteChat(ctx, caller(ctx), in.Id)
}
