package rpc

import (
	"context"

	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/tickets/internal/app"
	"github.com/lethe-desk/lethe/services/tickets/internal/ticket"
	"google.golang.org/protobuf/proto"
)

// conversations implements ConversationsService.
type conversations struct {
	ticketsv1.UnimplementedConversationsServiceServer
	app *app.App
}

// CreateReply answers a ticket.
func (s *conversations) CreateReply(ctx context.Context, in *ticketsv1.CreateReplyRequest) (*ticketsv1.CreateReplyResponse, error) {
	r := in.Reply
	if r == nil {
		return nil, missing("body")
	}
	key, err := keyOf(in.GetIdempotencyKey(), r, in.TicketId)
	if err != nil {
		return nil, err
	}
	v, err := s.app.CreateReply(ctx, caller(ctx), in.TicketId, &ticket.ReplyInput{
		Body: r.Body, From: r.FromEmail, UserID: r.UserId, CC: r.CcEmails, BCC: r.BccEmails, Files: r.AttachmentIds,
	}, key)
	if err != nil {
		return nil, err
	}
	return &ticketsv1.CreateReplyResponse{Reply: showReply(v)}, nil
}

// CreateNote adds a note to a ticket.
func (s *conversations) CreateNote(ctx context.Context, in *ticketsv1.CreateNoteRequest) (*ticketsv1.CreateNoteResponse, error) {
	n := in.Note
	if n == nil {
		return nil, missing("body")
	}
	key, err := keyOf(in.GetIdempotencyKey(), n, in.TicketId)
	if err != nil {
		return nil, err
	}
	v, err := s.app.CreateNote(ctx, caller(ctx), in.TicketId, &ticket.NoteInput{
		Body: n.Body, Private: n.Private, Incoming: n.Incoming, Notify: n.NotifyEmails, UserID: n.UserId, Files: n.AttachmentIds,
	}, key)
	if err != nil {
		return nil, err
	}
	return &ticketsv1.CreateNoteResponse{Note: showNote(v)}, nil
}

// ListConversations reads a page of a ticket's replies and notes.
func (s *conversations) ListConversations(ctx context.Context, in *ticketsv1.ListConversationsRequest) (*ticketsv1.ListConversationsResponse, error) {
	skip, limit, err := paging(in.Page, in.PerPage)
	if err != nil {
		return nil, err
	}
	found, more, err := s.app.ListConversations(ctx, caller(ctx), in.TicketId, skip, limit)
	if err != nil {
		return nil, err
	}
	out := &ticketsv1.ListConversationsResponse{More: proto.Bool(more)}
	for i := range found {
		out.Conversations = append(out.Conversations, showConversation(&found[i]))
	}
	return out, nil
}

// UpdateConversation changes a note; replies are refused, they have been sent.
func (s *conversations) UpdateConversation(ctx context.Context, in *ticketsv1.UpdateConversationRequest) (*ticketsv1.UpdateConversationResponse, error) {
	edit := &ticket.EditInput{}
	if c := in.Conversation; c != nil {
		edit.Body, edit.Files = c.Body, c.AttachmentIds
	}
	v, err := s.app.UpdateConversation(ctx, caller(ctx), in.Id, edit, in.GetUpdateMask().GetPaths())
	if err != nil {
		return nil, err
	}
	return &ticketsv1.UpdateConversationResponse{Conversation: showConversation(v)}, nil
}

// DeleteConversation removes one for good.
func (s *conversations) DeleteConversation(ctx context.Context, in *ticketsv1.DeleteConversationRequest) (*ticketsv1.DeleteConversationResponse, error) {
	return &ticketsv1.DeleteConversationResponse{}, s.app.DeleteConversation(ctx, caller(ctx), in.Id)
}
