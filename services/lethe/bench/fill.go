package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/internal/platform/storage"
	"github.com/lethe-desk/lethe/services/lethe/internal/restclient"
)

// filledTicket is a ticket as the service stores it: every indexed field and
// every text. Whoever fills a desk reads one back over REST, so a difference shows.
type filledTicket struct {
	docstore.Meta
	Origin     string         `doc:"origin" why:"bench"`
	Status     int32          `doc:"status" field:"lethe.tickets.v1.Ticket.status"`
	Priority   int32          `doc:"priority" field:"lethe.tickets.v1.Ticket.priority"`
	Source     int32          `doc:"source" field:"lethe.tickets.v1.Ticket.source"`
	Responder  *int64         `doc:"responder_id" field:"lethe.tickets.v1.Ticket.responder_id"`
	MovingFrom *int64         `doc:"moving_from" why:"bench"`
	DueBy      *time.Time     `doc:"due_by" field:"lethe.tickets.v1.Ticket.due_by"`
	Subject    *string        `doc:"subject,seal" field:"lethe.tickets.v1.Ticket.subject"`
	Company    string         `doc:"company_id,seal" field:"lethe.tickets.v1.Ticket.company_id"`
	CC         []string       `doc:"cc_emails,seal" field:"lethe.tickets.v1.Ticket.cc_emails"`
	ReplyCC    []string       `doc:"reply_cc_emails,seal" field:"lethe.tickets.v1.Ticket.reply_cc_emails"`
	FirstCC    []string       `doc:"ticket_cc_emails,seal" field:"lethe.tickets.v1.Ticket.ticket_cc_emails"`
	Tags       []string       `doc:"tags,seal" field:"lethe.tickets.v1.Ticket.tags"`
	Custom     map[string]any `doc:"custom_fields,seal" field:"lethe.tickets.v1.Ticket.custom_fields"`

	Description *string `doc:"description,seal,body" field:"lethe.tickets.v1.Ticket.description"`
	Text        *string `doc:"description_text,seal,body" field:"lethe.tickets.v1.Ticket.description_text"`
}

// filledReply is a conversation in the same way.
type filledReply struct {
	docstore.Meta
	Origin     string   `doc:"origin" why:"bench"`
	TicketID   int64    `doc:"ticket_id" field:"lethe.tickets.v1.Conversation.ticket_id"`
	UserID     int64    `doc:"user_id" field:"lethe.tickets.v1.Conversation.user_id"`
	LastEditor *int64   `doc:"last_edited_user_id" field:"lethe.tickets.v1.Conversation.last_edited_user_id"`
	From       *string  `doc:"from_email,seal" field:"lethe.tickets.v1.Conversation.from_email"`
	To         []string `doc:"to_emails,seal" field:"lethe.tickets.v1.Conversation.to_emails"`
	CC         []string `doc:"cc_emails,seal" field:"lethe.tickets.v1.Conversation.cc_emails"`
	BCC        []string `doc:"bcc_emails,seal" field:"lethe.tickets.v1.Conversation.bcc_emails"`
	Body       string   `doc:"body,seal,body" field:"lethe.tickets.v1.Conversation.body"`
	Text       string   `doc:"body_text,seal,body" field:"lethe.tickets.v1.Conversation.body_text"`
}

var (
	ticketSpec = docstore.Spec{
		Name: "tickets",
		Indexes: []docstore.Index{
			{Name: "created", Fields: []string{"created_at"}},
			{Name: "updated", Fields: []string{"updated_at"}},
			{Name: "due", Fields: []string{"due_by"}},
			{Name: "status", Fields: []string{"status"}},
			{Name: "owner_created", Fields: []string{"owner", "created_at"}},
			{Name: "responder", Fields: []string{"responder_id"}},
			{Name: "moving", Fields: []string{"moving_from"}, Global: true},
		},
		Blind:    []docstore.Blind{{Name: "company", Field: "company_id"}},
		Mentions: []string{"subject", "cc_emails", "reply_cc_emails", "ticket_cc_emails", "tags", "custom_fields", "description", "description_text"},
	}
	replySpec = docstore.Spec{
		Name: "conversations",
		Indexes: []docstore.Index{
			{Name: "ticket", Fields: []string{"ticket_id", "created_at"}},
			{Name: "user", Fields: []string{"user_id"}},
			{Name: "editor", Fields: []string{"last_edited_user_id"}},
		},
		Mentions: []string{"from_email", "to_emails", "cc_emails", "bcc_emails", "body", "body_text"},
	}
)

const (
	// firstFilled is the first id of what is filled in, far from those a desk gives itself.
	firstFilled = 1 << 32
	// fillWidth is how many writes wait for one commit.
	fillWidth  = 256
	benchAgent = 1
)

// filler writes tickets into the files of a stopped suite by bare store calls.
type filler struct {
	store   *storage.Store
	tickets *docstore.Collection[filledTicket]
	replies *docstore.Collection[filledReply]
}

func openFiller(ctx context.Context, desk string) (*filler, error) {
	master, err := keyring.OpenMaster(filepath.Join(desk, "master.key"))
	if err != nil {
		return nil, err
	}
	f := &filler{}
	if f.store, err = storage.Open(ctx, "tickets", storage.Config{Dir: filepath.Join(desk, "tickets"), Master: master}); err != nil {
		return nil, err
	}
	var e1, e2 error
	f.tickets, e1 = docstore.Bind[filledTicket](ctx, f.store.DB, ticketSpec)
	f.replies, e2 = docstore.Bind[filledReply](ctx, f.store.DB, replySpec)
	if err := errors.Join(e1, e2); err != nil {
		return nil, errors.Join(err, f.store.Close())
	}
	return f, nil
}

// fill writes the tickets from one number up to another, each with so many
// messages, and closes the store. owner says whose the n-th ticket is.
func fill(ctx context.Context, desk string, from, to, messages int, owner func(n int) int64) error {
	f, err := openFiller(ctx, desk)
	if err != nil {
		return err
	}
	began := time.Now().UTC()
	err = inParallel(to-from, fillWidth, func(i int) error {
		n := from + i
		if err := f.tickets.Insert(ctx, ring.Write, aTicket(n, owner(n), began)); err != nil {
			return fmt.Errorf("fill in a ticket: %w", err)
		}
		for m := range messages {
			if err := f.replies.Insert(ctx, ring.Write, aReply(n, n*messages+m, owner(n), began)); err != nil {
				return fmt.Errorf("fill in a message: %w", err)
			}
		}
		return nil
	})
	return errors.Join(err, f.store.Close())
}

var (
	filledSubject = "The kettle does not boil"
	filledText    = strings.Repeat("The kettle does not boil. ", 20)
)

func aTicket(n int, owner int64, at time.Time) *filledTicket {
	at = at.Add(time.Duration(n) * time.Millisecond)
	v := values(0, 0)
	return &filledTicket{
		Meta: docstore.Meta{Account: 1, ID: firstFilled + int64(n), Owner: owner, CreatedAt: at, UpdatedAt: at}, Status: 2, Priority: 1, Source: 2,
		DueBy: &at, Subject: &filledSubject, Tags: v.Tags, Custom: v.Custom, Description: &filledText, Text: &filledText,
	}
}

func aReply(ticket, n int, owner int64, at time.Time) *filledReply {
	at = at.Add(time.Duration(n) * time.Millisecond)
	return &filledReply{
		Meta:     docstore.Meta{Account: 1, ID: firstFilled + int64(n), Owner: owner, CreatedAt: at, UpdatedAt: at},
		TicketID: firstFilled + int64(ticket), UserID: benchAgent, Body: filledText, Text: filledText,
	}
}

// readBack reads a filled ticket over REST and fails if it is not what was written.
func readBack(ctx context.Context, client *restclient.Client, n, messages int) error {
	var got struct {
		Subject       string `json:"subject"`
		Text          string `json:"description_text"`
		Conversations []struct {
			Text string `json:"body_text"`
		} `json:"conversations"`
	}
	_, err := client.Get(ctx, at("/api/v2/tickets/", firstFilled+int64(n), ""), map[string][]string{"include": {"conversations"}}, &got)
	if err != nil {
		return err
	}
	if got.Subject != filledSubject || got.Text != filledText || len(got.Conversations) != messages {
		return errors.New("a ticket that was filled in does not read as it was written")
	}
	for _, c := range got.Conversations {
		if c.Text != filledText {
			return errors.New("a message that was filled in does not read as it was written")
		}
	}
	return nil
}
