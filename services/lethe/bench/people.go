package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/lethe-desk/lethe/services/lethe/internal/restclient"
)

// A typical person has so many tickets with so many messages each, and so many
// comments and ratings.
const (
	typicalTickets  = 20
	typicalMessages = 5
	typicalComments = 10
	typicalRatings  = 5
)

// benchTopics are the topics people comment on; the agent began them.
const benchTopics = 20

// maker makes people over REST.
type maker struct {
	client *restclient.Client
	topics []int64
}

// made is the id of what a POST has made.
type made struct {
	ID int64 `json:"id"`
}

// newMaker connects, and begins the topics.
func newMaker(ctx context.Context, base string) (*maker, error) {
	client, err := restclient.New(base, benchKey)
	if err != nil {
		return nil, err
	}
	m := &maker{client: client, topics: make([]int64, benchTopics)}
	category, err := m.post(ctx, "/api/v2/discussions/categories", "category", map[string]any{"name": "Bench"})
	if err != nil {
		return nil, err
	}
	forum, err := m.post(ctx, at("/api/v2/discussions/categories/", category, "/forums"), "forum",
		map[string]any{"name": "Bench", "forum_type": 2, "forum_visibility": 1})
	for i := range m.topics {
		if err != nil {
			return nil, err
		}
		m.topics[i], err = m.post(ctx, at("/api/v2/discussions/forums/", forum, "/topics"), fmt.Sprint("topic/", i),
			map[string]any{"title": fmt.Sprint("Kettles ", i), "message": "What do you think of them?"})
	}
	return m, err
}

func (m *maker) close() { m.client.Close() }

// post makes something under a key of the bench, and returns its id.
func (m *maker) post(ctx context.Context, path, key string, body map[string]any) (int64, error) {
	var out made
	_, err := m.client.Post(ctx, path, "bench/"+key, body, &out)
	return out.ID, err
}

func at(before string, id int64, behind string) string {
	return before + strconv.FormatInt(id, 10) + behind
}

// typical makes the n-th typical person, with something in all services.
func (m *maker) typical(ctx context.Context, n int) (int64, error) {
	who := fmt.Sprint("typical", n)
	id, err := m.contact(ctx, who, n)
	if err != nil {
		return 0, err
	}
	for i := range typicalTickets {
		if err := m.ticket(ctx, id, fmt.Sprint(who, "/", i), typicalMessages, i < typicalRatings); err != nil {
			return 0, err
		}
	}
	for i := range typicalComments {
		topic := m.topics[(n+i)%len(m.topics)]
		_, err := m.post(ctx, at("/api/v2/discussions/topics/", topic, "/comments"), fmt.Sprint(who, "/comment/", i),
			map[string]any{"body": "Mine does not boil either.", "user_id": id})
		if err != nil {
			return 0, err
		}
	}
	return id, nil
}

// contact makes the contact alone. Nobody else has its address or numbers: what
// is shared by all would be looked for in everybody's words at every erasure.
func (m *maker) contact(ctx context.Context, who string, n int) (int64, error) {
	v := values(0, 0)
	return m.post(ctx, "/api/v2/contacts", who, map[string]any{
		"name": "Ada " + who, "email": who + "@example.org", "phone": fmt.Sprintf("+1202%07d", n), "mobile": fmt.Sprintf("+1312%07d", n),
		"address": v.Address, "job_title": v.JobTitle, "description": v.Description, "tags": v.Tags, "custom_fields": v.Custom,
	})
}

// ticket makes a ticket with messages, and rates it if it is to.
func (m *maker) ticket(ctx context.Context, who int64, key string, messages int, rated bool) error {
	v := values(0, 0)
	id, err := m.post(ctx, "/api/v2/tickets", key, map[string]any{
		"requester_id": who, "subject": "The kettle does not boil", "description": v.Body, "status": 2, "priority": 1,
		"tags": v.Tags, "custom_fields": v.Custom,
	})
	base := at("/api/v2/tickets/", id, "")
	for i := range messages {
		if err != nil {
			return err
		}
		path, body := "/reply", map[string]any{"body": v.Body}
		if i%2 == 1 {
			path, body = "/notes", map[string]any{"body": v.Body, "private": true}
		}
		_, err = m.post(ctx, base+path, fmt.Sprint(key, "/", i), body)
	}
	if err == nil && rated {
		_, err = m.post(ctx, base+"/satisfaction_ratings", key+"/rating",
			map[string]any{"ratings": map[string]int{"default_question": 103}, "feedback": "They sent me another one."})
	}
	return err
}

// readers makes contacts with a ticket each and returns their ids.
func readers(ctx context.Context, base string) ([]int64, error) {
	m, err := newMaker(ctx, base)
	if err != nil {
		return nil, err
	}
	defer m.close()
	ids := make([]int64, restPeople)
	err = inParallel(restPeople, 16, func(i int) error {
		who := fmt.Sprint("reader", i)
		id, err := m.contact(ctx, who, i)
		ids[i] = id
		if err != nil {
			return err
		}
		return m.ticket(ctx, id, who+"/0", 0, false)
	})
	return ids, err
}
