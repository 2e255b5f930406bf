package gateway

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	forumsv1 "github.com/lethe-desk/lethe/gen/go/lethe/forums/v1"
	ratingsv1 "github.com/lethe-desk/lethe/gen/go/lethe/ratings/v1"
	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/wire"
	"google.golang.org/protobuf/proto"
)

var update = flag.Bool("update", false, "write the golden files anew")

// sample reads an object of the reference into a message; every member of it must be one of ours.
func sample[M proto.Message](t *testing.T, name string, m M) (M, map[string]any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "samples", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err = wire.Unmarshal(b, m); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	var members map[string]any
	if err = json.Unmarshal(b, &members); err != nil {
		t.Fatal(err)
	}
	return m, members
}

// golden compares an answer byte for byte with a file.
func golden(t *testing.T, name, body string) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name+".json")
	if *update {
		if err := os.WriteFile(path, []byte(body+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if body+"\n" != string(want) {
		t.Errorf("%s:\n got %s\nwant %s", name, body, want)
	}
}

// holds checks that an answer has every member of a sample with the same value.
func holds(t *testing.T, name, body string, members map[string]any) {
	t.Helper()
	var got map[string]any
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	for member, want := range members {
		if have, ok := got[member]; !ok || !reflect.DeepEqual(have, want) {
			t.Errorf("%s: %s is %v, want %v", name, member, have, want)
		}
	}
}

func TestWireShapes(t *testing.T) {
	w := start(t, func(c *Config) { c.BaseURL = "https://acme.example" })
	person, personMembers := sample(t, "contact", &contactsv1.Contact{})
	ticket, ticketMembers := sample(t, "ticket", &ticketsv1.Ticket{})
	agent, agentMembers := sample(t, "agent", &contactsv1.Agent{})
	talk, talkMembers := sample(t, "conversation", &ticketsv1.Conversation{})
	// Services give paths; the gateway makes them URLs.
	talk.Attachments[0].AttachmentUrl = proto.String("/api/v2/attachments/77/download")
	hidden := proto.CloneOf(person)
	hidden.Deleted = proto.Bool(true)
	full := proto.CloneOf(ticket)
	full.Requester = &ticketsv1.Requester{Id: proto.Int64(43001122334), Name: proto.String("Mara Quell"), Email: proto.String("mara@example.org")}
	full.Stats = &ticketsv1.TicketStats{ClosedAt: ticket.GetDueBy()}
	full.Conversations = []*ticketsv1.Conversation{talk}
	listed := proto.CloneOf(ticket)
	listed.Description, listed.DescriptionText = nil, nil

	topic, topicMembers := sample(t, "topic", &forumsv1.Topic{})
	comment, commentMembers := sample(t, "comment", &forumsv1.Comment{})
	forum, forumMembers := sample(t, "forum", &forumsv1.Forum{})
	article, articleMembers := sample(t, "article", &forumsv1.Article{})
	rating, ratingMembers := sample(t, "rating", &ratingsv1.SatisfactionRating{})
	w.on(forumsv1.TopicsService_CreateTopic_FullMethodName, &forumsv1.CreateTopicResponse{Topic: topic}, nil)
	w.on(forumsv1.TopicsService_UpdateComment_FullMethodName, &forumsv1.UpdateCommentResponse{Comment: comment}, nil)
	w.on(forumsv1.ForumsService_GetForum_FullMethodName, &forumsv1.GetForumResponse{Forum: forum}, nil)
	w.on(forumsv1.SolutionsService_GetArticle_FullMethodName, &forumsv1.GetArticleResponse{Article: article}, nil)
	w.on(ratingsv1.RatingsService_CreateSatisfactionRating_FullMethodName, &ratingsv1.CreateSatisfactionRatingResponse{Rating: rating}, nil)
	w.on(contactsv1.ContactsService_GetContact_FullMethodName, &contactsv1.GetContactResponse{Contact: person}, nil)
	w.on(contactsv1.ContactsService_ListContacts_FullMethodName, &contactsv1.ListContactsResponse{Contacts: []*contactsv1.Contact{person, hidden}}, nil)
	w.on(contactsv1.AgentsService_GetMe_FullMethodName, &contactsv1.GetMeResponse{Agent: agent}, nil)
	w.on(ticketsv1.TicketsService_GetTicket_FullMethodName, &ticketsv1.GetTicketResponse{Ticket: full}, nil)
	w.on(ticketsv1.TicketsService_CreateTicket_FullMethodName, &ticketsv1.CreateTicketResponse{Ticket: ticket}, nil)
	w.on(ticketsv1.TicketsService_ListTickets_FullMethodName, &ticketsv1.ListTicketsResponse{Tickets: []*ticketsv1.Ticket{listed}}, nil)
	w.on(ticketsv1.ConversationsService_ListConversations_FullMethodName, &ticketsv1.ListConversationsResponse{Conversations: []*ticketsv1.Conversation{talk}}, nil)

	for _, c := range []struct {
		name, method, path, body string
		members                  map[string]any
	}{
		{"contact", "GET", "/api/v2/contacts/43001122334", "", personMembers},
		{"contacts", "GET", "/api/v2/contacts", "", nil},
		{"agent", "GET", "/api/v2/agents/me", "", agentMembers},
		{"ticket", "POST", "/api/v2/tickets", "{}", ticketMembers},
		{"ticket_with_includes", "GET", "/api/v2/tickets/18?include=requester,stats,conversations", "", ticketMembers},
		{"tickets", "GET", "/api/v2/tickets", "", nil},
		{"topic", "POST", "/api/v2/discussions/forums/2/topics", `{"title":"Night mode","message":"x"}`, topicMembers},
		{"comment", "PUT", "/api/v2/discussions/comments/9", `{"body":"x"}`, commentMembers},
		{"forum", "GET", "/api/v2/discussions/forums/2", "", forumMembers},
		{"article", "GET", "/api/v2/solutions/articles/4", "", articleMembers},
		{"rating", "POST", "/api/v2/tickets/18/satisfaction_ratings", `{"ratings":{"default_question":103},"feedback":"Quick."}`, ratingMembers},
		{"conversations", "GET", "/api/v2/tickets/18/conversations", "", nil},
	} {
		r := w.do(c.method, c.path, c.body)
		if r.StatusCode/100 != 2 {
			t.Errorf("%s: %d", c.name, r.StatusCode)
		}
		golden(t, c.name, r.body)
		if c.members != nil {
			holds(t, c.name, r.body, c.members)
		}
		if c.name == "conversations" {
			holds(t, c.name, strings.Trim(r.body, "[]"), talkMembers)
		}
	}
}
