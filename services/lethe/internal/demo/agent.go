package demo

import (
	"fmt"
	"strconv"
)

// formerAgent is the id that the work of an erased agent gets, whoever that was.
const formerAgent = 1

// work is what an agent leaves at the desk, by the path of its list or of itself.
type work struct{ ticket, ratings, article string }

// agent erases somebody who works at the desk: the profile goes, the work stays
// and does not say any more whose it was.
func (d *demo) agent(requester contact) error {
	d.title("An agent leaves and asks to be forgotten: the work stays, and names nobody")
	var agent made
	profile := map[string]any{"email": "ottokar.weidenbaum@example.net", "name": "Ottokar Weidenbaum", "ticket_scope": 1}
	if _, err := d.client.Post(d.ctx, "/api/v2/agents", "", profile, &agent); err != nil {
		return err
	}
	left, err := d.work(agent.ID, requester)
	if err != nil {
		return err
	}
	id := strconv.FormatInt(agent.ID, 10)
	if err := d.command("erase", "--agent", id, "--yes"); err != nil {
		return err
	}
	if err := d.gone("/api/v2/agents/" + id); err != nil {
		return err
	}
	var former struct {
		Contact struct {
			Name string `json:"name"`
		} `json:"contact"`
	}
	if _, err := d.client.Get(d.ctx, "/api/v2/agents/"+strconv.Itoa(formerAgent), nil, &former); err != nil {
		return err
	}
	if err := d.anonymous(left); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "GET of the agent: 404; ticket, rating and article are there, their agent is %d: %q\n", formerAgent, former.Contact.Name)
	return nil
}

// work lets an agent look after a ticket, which is rated, and write an article.
func (d *demo) work(agent int64, requester contact) (work, error) {
	var last made
	at := func(id int64) string { return strconv.FormatInt(id, 10) }
	left := work{}
	for _, step := range []struct {
		path func() string
		body map[string]any
		note *string
		kind string
	}{
		{func() string { return "/api/v2/tickets" }, map[string]any{
			"requester_id": requester.ID, "subject": "Looked after", "description": "x", "status": 2, "priority": 1, "responder_id": agent,
		}, &left.ticket, "/api/v2/tickets/"},
		{func() string { return left.ticket + "/satisfaction_ratings" }, map[string]any{"ratings": map[string]int{"default_question": 102}}, nil, ""},
		{func() string { return "/api/v2/solutions/categories" }, map[string]any{"name": "Written by an agent"}, nil, ""},
		{func() string { return "/api/v2/solutions/categories/" + at(last.ID) + "/folders" }, map[string]any{"name": "Notes"}, nil, ""},
		{func() string { return "/api/v2/solutions/folders/" + at(last.ID) + "/articles" }, map[string]any{
			"title": "How lamps work", "description": "<p>They shine.</p>", "status": 2, "agent_id": agent,
		}, &left.article, "/api/v2/solutions/articles/"},
	} {
		if _, err := d.client.Post(d.ctx, step.path(), "", step.body, &last); err != nil {
			return work{}, err
		}
		if step.note != nil {
			*step.note = step.kind + at(last.ID)
		}
	}
	left.ratings = left.ticket + "/satisfaction_ratings"
	return left, nil
}

// anonymous makes sure that an erased agent's work is there and of the former agent.
func (d *demo) anonymous(left work) error {
	var ticket struct {
		Responder *int64 `json:"responder_id"`
	}
	var ratings []struct {
		Agent *int64 `json:"agent_id"`
	}
	var article struct {
		Agent *int64 `json:"agent_id"`
	}
	for path, out := range map[string]any{left.ticket: &ticket, left.ratings: &ratings, left.article: &article} {
		if _, err := d.client.Get(d.ctx, path, nil, out); err != nil {
			return err
		}
	}
	if len(ratings) != 1 {
		return fmt.Errorf("the agent's ticket has %d ratings", len(ratings))
	}
	for what, id := range map[string]*int64{"ticket": ticket.Responder, "rating": ratings[0].Agent, "article": article.Agent} {
		if id == nil || *id != formerAgent {
			return fmt.Errorf("the %s of an erased agent is not the former agent's", what)
		}
	}
	return nil
}
