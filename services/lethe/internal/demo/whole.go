package demo

import (
	"archive/zip"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/lethe-desk/lethe/services/lethe/internal/restclient"
)

// kinds are what a person has who is chosen for the demo: the package holds some of each.
func kinds() map[string]bool {
	out := map[string]bool{}
	for _, kind := range []string{
		"contacts/contacts", "tickets/tickets", "tickets/conversations", "tickets/attachments", "tickets/threads", "tickets/calls", "tickets/chats",
		"forums/topics", "forums/comments", "forums/follows", "ratings/satisfaction_ratings",
	} {
		out[kind] = true
	}
	return out
}

// hasRecords says whether a file of the package holds anything.
func hasRecords(f *zip.File) (bool, error) {
	r, err := f.Open()
	if err != nil {
		return false, err
	}
	defer r.Close()
	var records []json.RawMessage
	err = json.NewDecoder(r).Decode(&records)
	return len(records) > 0, err
}

// made is something that was made, as far as the demo needs it.
type made struct {
	ID int64 `json:"id"`
}

// wholeTicket makes a ticket of the person with one of everything that can hang
// on one, for which of these the invented tickets have is left to chance.
func (d *demo) wholeTicket(who contact) (string, error) {
	var ticket made
	_, err := d.client.PostMultipart(d.ctx, "/api/v2/tickets", map[string]string{
		"requester_id": who.id(), "subject": "Everything at once", "description": "The whole story of " + who.Name, "status": "2", "priority": "1",
	}, []restclient.File{{Name: "letter.txt", ContentType: "text/plain", Data: []byte("Dear desk, yours, " + who.Name)}}, &ticket)
	if err != nil {
		return "", err
	}
	id := strconv.FormatInt(ticket.ID, 10)
	var thread struct {
		ID string `json:"id"`
	}
	calls := []struct {
		path string
		body map[string]any
		out  any
	}{
		{"/api/v2/tickets/" + id + "/reply", map[string]any{"body": "Dear " + who.Name}, nil},
		{"/api/v2/collaboration/threads", map[string]any{"type": "discussion", "ticket_id": ticket.ID, "title": "About " + who.Name}, &thread},
		{"/api/v2/calls", map[string]any{"ticket_id": ticket.ID, "direction": "incoming", "notes": who.Name + " called"}, nil},
		{"/api/v2/chats", map[string]any{"ticket_id": ticket.ID, "messages": []map[string]any{{"from": "contact", "text": "I am " + who.Name}}}, nil},
		{"/api/v2/tickets/" + id + "/satisfaction_ratings", map[string]any{"ratings": map[string]int{"default_question": 103}, "feedback": "Yours, " + who.Name}, nil},
	}
	for _, c := range calls {
		if _, err := d.client.Post(d.ctx, c.path, "", c.body, c.out); err != nil {
			return "", err
		}
	}
	return id, nil
}

// topic is a topic, comment one of its comments.
type topic struct {
	ID     int64  `json:"id"`
	UserID *int64 `json:"user_id"`
	Title  string `json:"title"`
}

type comment struct {
	ID     int64  `json:"id"`
	UserID *int64 `json:"user_id"`
	Body   string `json:"body"`
}

// discussion is a topic that the person began and in which others have written.
type discussion struct {
	topic topic
	// others are their comments.
	others []comment
}

func by(id *int64, who contact) bool { return id != nil && *id == who.ID }

// discussion finds one, and lets somebody mention the person in it.
func (d *demo) discussion(who, writer contact) (*discussion, error) {
	var topics []topic
	if _, err := d.client.Get(d.ctx, "/api/v2/discussions/topics/participated_by", url.Values{"user_id": {who.id()}}, &topics); err != nil {
		return nil, err
	}
	for _, t := range topics {
		if !by(t.UserID, who) {
			continue
		}
		mention := map[string]any{"body": "I wrote to " + who.Email + ", and it helped.", "user_id": writer.ID}
		if _, err := d.client.Post(d.ctx, "/api/v2/discussions/topics/"+strconv.FormatInt(t.ID, 10)+"/comments", "", mention, nil); err != nil {
			return nil, err
		}
		all, err := d.comments(t.ID)
		if err != nil {
			return nil, err
		}
		others := slices.DeleteFunc(all, func(c comment) bool { return by(c.UserID, who) })
		return &discussion{t, others}, nil
	}
	return nil, errors.New("the person has begun no topic")
}

func (d *demo) comments(id int64) ([]comment, error) {
	var all []comment
	_, err := d.client.Get(d.ctx, "/api/v2/discussions/topics/"+strconv.FormatInt(id, 10)+"/comments", nil, &all)
	return all, err
}

// shell looks at what is left of the person's topic: a blank shell around the
// words of others, in which the person is not mentioned any more.
func (d *demo) shell(who contact, before *discussion) error {
	d.title("What others wrote in the person's topic stays, in a blank shell")
	var now topic
	if _, err := d.client.Get(d.ctx, "/api/v2/discussions/topics/"+strconv.FormatInt(before.topic.ID, 10), nil, &now); err != nil {
		return err
	}
	if now.Title != "" || now.UserID != nil {
		return errors.New("the shell of the topic says something of the person")
	}
	left, err := d.comments(before.topic.ID)
	if err != nil {
		return err
	}
	if len(left) != len(before.others) {
		return fmt.Errorf("%d comments of others are left of %d", len(left), len(before.others))
	}
	redacted := 0
	for i, c := range left {
		was := before.others[i]
		switch {
		case c.ID != was.ID || c.UserID == nil || *c.UserID != *was.UserID:
			return errors.New("the comments of others are not the same as before")
		case strings.Contains(c.Body, who.Email):
			return errors.New("somebody's comment still has the person's address")
		case c.Body == was.Body:
		case strings.Contains(was.Body, who.Email):
			redacted++
		default:
			return errors.New("a comment that had nothing of the person has changed")
		}
	}
	if redacted == 0 {
		return errors.New("no comment mentioned the person, so nothing was shown")
	}
	fmt.Fprintf(d.out, "before: title %q by %s; now: title %q by nobody; %d comments of others stand as they did, the person's address is redacted in %d\n",
		before.topic.Title, who.Name, now.Title, len(left)-redacted, redacted)
	return nil
}
