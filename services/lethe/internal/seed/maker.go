package seed

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"

	"github.com/lethe-desk/lethe/services/lethe/internal/restclient"
)

// sources of tickets: e-mail, portal, telephone, chat.
const (
	fromPhone = 3
	fromChat  = 7
)

// maker makes one person with all tickets.
type maker struct {
	client *restclient.Client
	seed   uint64
	number int
	person person
	rng    *rand.Rand
	result Result
}

// post creates something under the person's key. It says false when it was made
// before and is gone since, so nothing may be hung on it.
func (m *maker) post(ctx context.Context, path, key string, body, out any) (bool, restclient.Answer, error) {
	answer, err := m.client.Post(ctx, path, m.person.key+key, body, out)
	if refusal := restclient.AsError(err); refusal != nil && refusal.AlreadyDone() {
		return false, answer, nil
	}
	return err == nil, answer, err
}

// make returns the person's id, 0 for one who is gone.
func (m *maker) make(ctx context.Context, tickets, ratings int) (int64, error) {
	var contact restclient.Contact
	there, answer, err := m.post(ctx, "/api/v2/contacts", "/contact", m.person.body, &contact)
	if err != nil {
		return 0, err
	}
	m.result.People++
	if !there || answer.Replayed {
		m.result.Already++
	}
	if !there {
		return 0, nil
	}
	for n := 1; n <= tickets; n++ {
		if err := m.ticket(ctx, contact.ID, n, n <= ratings); err != nil {
			return 0, fmt.Errorf("ticket %d: %w", n, err)
		}
	}
	return contact.ID, nil
}

// draft is a ticket with all that will hang on it, drawn before the first write
// so that an interrupted run draws the same.
type draft struct {
	key, product    string
	body            map[string]any
	source          int
	replies         []string
	call, chatFirst string
	chatAnswer      string
	note            string
	rating          map[string]any
	huddle          []string
	file            string
}

func (m *maker) draft(contact int64, n int) draft {
	rng := m.rng
	d := draft{key: "/ticket/" + strconv.Itoa(n), product: pick(rng, "product"), source: []int{1, 1, 2, fromPhone, fromChat}[rng.IntN(5)]}
	say := func(section string) string { return m.person.fill(pick(rng, section), d.product) }
	d.body = map[string]any{
		"requester_id": contact, "subject": say("subject"), "description": say("problem") + " " + say("closing"), "type": pick(rng, "type"),
		"status": 2 + rng.IntN(4), "priority": 1 + rng.IntN(4), "source": d.source, "tags": []string{"seed"},
		"custom_fields": map[string]any{"cf_product": d.product, "cf_ordered_by": m.person.name},
	}
	for range rng.IntN(3) {
		d.replies = append(d.replies, say("reply"))
	}
	d.call, d.chatFirst, d.chatAnswer, d.note = say("call"), say("chat"), say("chat-answer"), say("note")
	extras := rng.IntN(4)
	if extras == 0 {
		d.huddle = []string{say("huddle"), say("huddle-message")}
	}
	if extras <= 1 {
		d.file = fmt.Sprintf("Order of a %s\nName: %s\nAddress: %s\nE-mail: %s\n", d.product, m.person.name, m.person.address, m.person.email)
	}
	return d
}

func (m *maker) ticket(ctx context.Context, contact int64, n int, rated bool) error {
	d := m.draft(contact, n)
	d.rating = m.rating(n)
	var ticket restclient.Ticket
	there, _, err := m.post(ctx, "/api/v2/tickets", d.key, d.body, &ticket)
	if err != nil {
		return err
	}
	if !there || ticket.Spam {
		return nil
	}
	m.result.Tickets++
	base := "/api/v2/tickets/" + strconv.FormatInt(ticket.ID, 10)
	for i, text := range d.replies {
		if _, _, err := m.post(ctx, base+"/reply", d.key+"/reply/"+strconv.Itoa(i+1), map[string]any{"body": text}, nil); err != nil {
			return fmt.Errorf("reply: %w", err)
		}
		m.result.Replies++
	}
	if err := m.spoken(ctx, d, ticket.ID); err != nil {
		return err
	}
	if err := m.extras(ctx, d, ticket.ID, base); err != nil || !rated {
		return err
	}
	if _, _, err := m.post(ctx, base+"/satisfaction_ratings", d.key+"/rating", d.rating, nil); err != nil {
		return fmt.Errorf("rating: %w", err)
	}
	m.result.Ratings++
	return nil
}

// rating is how the person found the help on a ticket. It has a randomness of
// its own, so that a desk of before keeps its tickets.
func (m *maker) rating(n int) map[string]any {
	rng := source(m.seed, m.number<<16|n, forRatings)
	product := pick(rng, "product")
	body := map[string]any{"ratings": map[string]int{"default_question": []int{-103, -102, -101, 100, 101, 102, 103}[rng.IntN(7)]}}
	if rng.IntN(3) > 0 {
		body["feedback"] = m.person.fill(pick(rng, "feedback"), product)
	}
	return body
}

// spoken makes the call or chat of a ticket that came by telephone or chat.
func (m *maker) spoken(ctx context.Context, d draft, ticket int64) error {
	switch d.source {
	case fromPhone:
		body := map[string]any{
			"ticket_id": ticket, "direction": "incoming", "phone_number": m.person.phone, "notes": d.call, "duration_seconds": 30 + len(d.call),
		}
		if _, _, err := m.post(ctx, "/api/v2/calls", d.key+"/call", body, nil); err != nil {
			return fmt.Errorf("call: %w", err)
		}
		m.result.Calls++
	case fromChat:
		body := map[string]any{"ticket_id": ticket, "messages": []map[string]any{
			{"from": "contact", "text": d.chatFirst}, {"from": "agent", "text": d.chatAnswer},
		}}
		if _, _, err := m.post(ctx, "/api/v2/chats", d.key+"/chat", body, nil); err != nil {
			return fmt.Errorf("chat: %w", err)
		}
		m.result.Chats++
	}
	return nil
}

// extras makes a huddle, a file, and then a note. Huddles and files take no
// idempotency key: the private note, which does, is written after them, and where
// it is found they are there. A run interrupted between them makes them twice.
func (m *maker) extras(ctx context.Context, d draft, ticket int64, base string) error {
	if len(d.huddle) > 0 || d.file != "" {
		there, err := m.hasNote(ctx, base)
		if err != nil {
			return err
		}
		if !there {
			if err := m.keyless(ctx, d, ticket, base); err != nil {
				return err
			}
		}
	}
	if _, _, err := m.post(ctx, base+"/notes", d.key+"/note", map[string]any{"body": d.note, "private": true}, nil); err != nil {
		return fmt.Errorf("note: %w", err)
	}
	m.result.Notes++
	if len(d.huddle) > 0 {
		m.result.Huddles++
	}
	if d.file != "" {
		m.result.Attachments++
	}
	return nil
}

func (m *maker) hasNote(ctx context.Context, base string) (bool, error) {
	var page []struct {
		Private bool `json:"private"`
	}
	if _, err := m.client.Get(ctx, base+"/conversations", map[string][]string{"per_page": {"100"}}, &page); err != nil {
		return false, fmt.Errorf("look for the note: %w", err)
	}
	for _, c := range page {
		if c.Private {
			return true, nil
		}
	}
	return false, nil
}

func (m *maker) keyless(ctx context.Context, d draft, ticket int64, base string) error {
	if len(d.huddle) > 0 {
		var thread struct {
			ID string `json:"id"`
		}
		body := map[string]any{"type": "discussion", "ticket_id": ticket, "title": d.huddle[0]}
		if _, err := m.client.Post(ctx, "/api/v2/collaboration/threads", "", body, &thread); err != nil {
			return fmt.Errorf("huddle: %w", err)
		}
		body = map[string]any{"thread_id": thread.ID, "body": d.huddle[1]}
		if _, err := m.client.Post(ctx, "/api/v2/collaboration/messages", "", body, nil); err != nil {
			return fmt.Errorf("message of the huddle: %w", err)
		}
	}
	if d.file == "" {
		return nil
	}
	file := restclient.File{Name: "order.txt", ContentType: "text/plain", Data: []byte(d.file)}
	fields := map[string]string{"body": "The order, as the customer sent it.", "private": "false"}
	if _, err := m.client.PostMultipart(ctx, base+"/notes", fields, []restclient.File{file}, nil); err != nil {
		return fmt.Errorf("attachment: %w", err)
	}
	return nil
}
