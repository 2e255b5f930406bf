package rpc

import (
	"maps"
	"slices"
	"strconv"
	"time"

	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/tickets/internal/app"
	"github.com/lethe-desk/lethe/services/tickets/internal/ticket"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// toTime reads a time of the wire in the precision that is stored; nil stays nil.
func toTime(t *timestamppb.Timestamp) *time.Time {
	if t == nil {
		return nil
	}
	at := t.AsTime().Truncate(time.Millisecond)
	return &at
}

func fromTime(t *time.Time) *timestamppb.Timestamp {
	if t == nil {
		return nil
	}
	return timestamppb.New(*t)
}

func ticketInput(in *ticketsv1.TicketInput) *ticket.Input {
	return &ticket.Input{
		Requester: ticket.Who{
			ID: in.RequesterId, Email: in.Email, Phone: in.Phone, Twitter: in.TwitterId, External: in.UniqueExternalId, Name: in.Name,
		},
		Subject: in.Subject, Description: in.Description, Type: in.Type,
		Status: in.Status, Priority: in.Priority, Source: in.Source,
		Responder: in.ResponderId, Group: in.GroupId, Company: in.CompanyId, Product: in.ProductId, EmailConfig: in.EmailConfigId,
		CC: in.CcEmails, Tags: in.Tags, Custom: in.CustomFields.AsMap(),
		DueBy: toTime(in.DueBy), FirstDueBy: toTime(in.FrDueBy), Files: in.AttachmentIds,
	}
}

// showTicket makes the message of a ticket; now decides what is late.
func showTicket(v *app.TicketView, now time.Time) *ticketsv1.Ticket {
	t := v.Ticket
	out := &ticketsv1.Ticket{
		Id: &t.ID, Subject: t.Subject, Description: t.Description, DescriptionText: t.Text, Type: t.Type,
		Status: &t.Status, Priority: &t.Priority, Source: &t.Source, RequesterId: &t.Owner,
		ResponderId: t.Responder, GroupId: t.Group, CompanyId: t.Company, ProductId: t.Product, EmailConfigId: t.EmailConfig,
		CcEmails: t.CC, ReplyCcEmails: t.ReplyCC, TicketCcEmails: t.FirstCC, Tags: t.Tags,
		CustomFields: customFields(t.Custom), Attachments: showFiles(v.Files),
		Spam: &t.Spam, IsEscalated: proto.Bool(t.Escalated(now)), FrEscalated: proto.Bool(t.FirstEscalated(now)),
		DueBy: fromTime(t.DueBy), FrDueBy: fromTime(t.FirstDueBy),
		CreatedAt: timestamppb.New(t.CreatedAt), UpdatedAt: timestamppb.New(t.UpdatedAt),
	}
	if t.Deleted {
		out.Deleted = proto.Bool(true)
	}
	if v.Includes["stats"] {
		out.Stats = showStats(&t.Stats)
	}
	if v.Requester != nil {
		p := v.Requester
		out.Requester = &ticketsv1.Requester{Id: &p.ID, Name: p.Name, Email: p.Email, Mobile: p.Mobile, Phone: p.Phone}
	}
	for i := range v.Conversations {
		out.Conversations = append(out.Conversations, showConversation(&v.Conversations[i]))
	}
	return out
}

// showWhole is showTicket for one ticket: a description that was never given is empty, not left out.
func showWhole(v *app.TicketView, now time.Time) *ticketsv1.Ticket {
	out := showTicket(v, now)
	if out.Description == nil {
		out.Description, out.DescriptionText = proto.String(""), proto.String("")
	}
	return out
}

// showListed is showTicket for a list: descriptions only when they were asked for.
func showListed(v *app.TicketView, now time.Time) *ticketsv1.Ticket {
	if v.Includes["description"] {
		return showWhole(v, now)
	}
	out := showTicket(v, now)
	out.Description, out.DescriptionText = nil, nil
	return out
}

func showStats(s *ticket.Stats) *ticketsv1.TicketStats {
	return &ticketsv1.TicketStats{
		AgentRespondedAt: fromTime(s.AgentResponded), RequesterRespondedAt: fromTime(s.RequesterResponded),
		FirstRespondedAt: fromTime(s.FirstResponded), StatusUpdatedAt: fromTime(s.StatusUpdated), ReopenedAt: fromTime(s.Reopened),
		ResolvedAt: fromTime(s.Resolved), ClosedAt: fromTime(s.Closed), PendingSince: fromTime(s.PendingSince),
	}
}

// customFields makes the message of flat values; there is always one, for an
// account without custom fields shows {}.
func customFields(fields map[string]any) *structpb.Struct {
	out := &structpb.Struct{Fields: map[string]*structpb.Value{}}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if v, err := structpb.NewValue(fields[name]); err == nil {
			out.Fields[name] = v
		}
	}
	return out
}

// somebody is a person's id, null once the link to an erased person is emptied.
func somebody(id int64) *int64 {
	if id == 0 {
		return nil
	}
	return &id
}

func showFiles(files []*ticket.Attachment) []*ticketsv1.Attachment {
	var out []*ticketsv1.Attachment
	for _, f := range files {
		out = append(out, showFile(f))
	}
	return out
}

func showFile(f *ticket.Attachment) *ticketsv1.Attachment {
	return &ticketsv1.Attachment{
		Id: &f.ID, Name: &f.Name, ContentType: &f.ContentType, Size: &f.Size,
		AttachmentUrl: proto.String("/api/v2/attachments/" + strconv.FormatInt(f.ID, 10) + "/download"),
		CreatedAt:     timestamppb.New(f.CreatedAt), UpdatedAt: timestamppb.New(f.UpdatedAt),
	}
}

func showConversation(v *app.ConversationView) *ticketsv1.Conversation {
	c := v.Conversation
	return &ticketsv1.Conversation{
		Id: &c.ID, TicketId: &c.TicketID, UserId: somebody(c.UserID), Body: &c.Body, BodyText: &c.Text,
		Incoming: &c.Incoming, Private: &c.Private, Source: &c.Source,
		FromEmail: c.From, ToEmails: c.To, CcEmails: c.CC, BccEmails: c.BCC, Attachments: showFiles(v.Files),
		LastEditedAt: fromTime(c.LastEditedAt), LastEditedUserId: c.LastEditor,
		CreatedAt: timestamppb.New(c.CreatedAt), UpdatedAt: timestamppb.New(c.UpdatedAt),
	}
}

func showReply(v *app.ConversationView) *ticketsv1.Reply {
	c := v.Conversation
	return &ticketsv1.Reply{
		BodyText: &c.Text, Body: &c.Body, Id: &c.ID, UserId: somebody(c.UserID), FromEmail: c.From, CcEmails: c.CC, BccEmails: c.BCC,
		TicketId: &c.TicketID, RepliedTo: c.To, Attachments: showFiles(v.Files),
		CreatedAt: timestamppb.New(c.CreatedAt), UpdatedAt: timestamppb.New(c.UpdatedAt),
	}
}

func showNote(v *app.ConversationView) *ticketsv1.Note {
	c := v.Conversation
	return &ticketsv1.Note{
		BodyText: &c.Text, Body: &c.Body, Id: &c.ID, Incoming: &c.Incoming, Private: &c.Private, UserId: somebody(c.UserID),
		TicketId: &c.TicketID, NotifiedTo: c.To, Attachments: showFiles(v.Files),
		CreatedAt: timestamppb.New(c.CreatedAt), UpdatedAt: timestamppb.New(c.UpdatedAt),
	}
}

func showThread(t *ticket.Thread) *ticketsv1.Thread {
	return &ticketsv1.Thread{
		Id: text(t.ID), Type: &t.Type, TicketId: &t.TicketID, Title: t.Title, ParticipantIds: t.Participants, CreatedBy: somebody(t.CreatedBy),
		CreatedAt: timestamppb.New(t.CreatedAt), UpdatedAt: timestamppb.New(t.UpdatedAt),
	}
}

// text writes an id as the collaboration paths show it.
func text(id int64) *string { return proto.String(strconv.FormatInt(id, 10)) }

func showMessage(m *ticket.Message) *ticketsv1.ThreadMessage {
	return &ticketsv1.ThreadMessage{
		Id: text(m.ID), ThreadId: text(m.ThreadID), Body: &m.Body, BodyText: &m.Text, UserId: somebody(m.UserID),
		CreatedAt: timestamppb.New(m.CreatedAt), UpdatedAt: timestamppb.New(m.UpdatedAt),
	}
}

func callInput(in *ticketsv1.CallInput) *ticket.CallInput {
	return &ticket.CallInput{
		TicketID: in.TicketId, Direction: in.Direction, Phone: in.PhoneNumber, Notes: in.Notes,
		Seconds: in.DurationSeconds, StartedAt: toTime(in.StartedAt),
	}
}

func showCall(c *ticket.Call) *ticketsv1.Call {
	return &ticketsv1.Call{
		Id: &c.ID, TicketId: &c.TicketID, AgentId: somebody(c.AgentID), Direction: &c.Direction, PhoneNumber: c.Phone, Notes: c.Notes,
		DurationSeconds: c.Seconds, StartedAt: timestamppb.New(c.StartedAt),
		CreatedAt: timestamppb.New(c.CreatedAt), UpdatedAt: timestamppb.New(c.UpdatedAt),
	}
}

func chatInput(in *ticketsv1.ChatInput) *ticket.ChatInput {
	out := &ticket.ChatInput{TicketID: in.TicketId}
	for _, m := range in.Messages {
		out.Lines = append(out.Lines, ticket.LineInput{From: m.From, UserID: m.UserId, Text: m.Text, SentAt: toTime(m.SentAt)})
	}
	return out
}

func showChat(c *ticket.Chat) *ticketsv1.Chat {
	out := &ticketsv1.Chat{
		Id: &c.ID, TicketId: &c.TicketID, CreatedAt: timestamppb.New(c.CreatedAt), UpdatedAt: timestamppb.New(c.UpdatedAt),
	}
	for i := range c.Lines {
		l := &c.Lines[i]
		out.Messages = append(out.Messages, &ticketsv1.ChatMessage{From: &l.From, UserId: l.UserID, Text: &l.Text, SentAt: timestamppb.New(l.SentAt)})
	}
	return out
}
