package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// agent is somebody who works at the desk, with a key of their own.
type agent struct {
	id, key  string
	canaries []string
}

// hire makes an agent with a key.
func (d *desk) hire(who string) *agent {
	d.t.Helper()
	a := &agent{}
	c := func(field string) string {
		a.canaries = append(a.canaries, "canary"+who+field)
		return a.canaries[len(a.canaries)-1]
	}
	made := d.create("/api/v2/agents", object{
		"email": c("mail") + "@example.org", "name": "Agent " + c("name"), "signature": c("signature"), "ticket_scope": 1,
	})
	a.id = id(made)
	a.key = fmt.Sprint(d.create("/api/v2/agents/"+a.id+"/api_keys", object{})["secret"])
	return a
}

// as makes one call with somebody else's key.
func (d *desk) as(key, method, path string, body any) (int, []byte) {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.t.Context(), method, d.base+path, bytes.NewReader(marshal(d.t, body)))
	if err != nil {
		d.t.Fatal(err)
	}
	req.SetBasicAuth(key, "X")
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer res.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(res.Body); err != nil {
		d.t.Fatal(err)
	}
	return res.StatusCode, b.Bytes()
}

// contribution is what an agent has left at the desk, by path of the record or its list.
type contribution struct{ article, topic, comments, conversations, ticket string }

// work has an agent answer a ticket, write an article and a topic, comment, and be in charge.
func (d *desk) work(a *agent, ticket, topic, folder string) contribution {
	d.t.Helper()
	post := func(path string, body any) object {
		d.t.Helper()
		status, out := d.as(a.key, http.MethodPost, path, body)
		if status != http.StatusCreated {
			d.t.Fatalf("POST %s as an agent: %d %s", path, status, out)
		}
		return parse[object](d.t, out)
	}
	post("/api/v2/tickets/"+ticket+"/reply", object{"body": "Done. Yours, Agent " + a.canaries[1]})
	article := post("/api/v2/solutions/folders/"+folder+"/articles", object{"title": "How " + a.id + " does it", "description": "ask " + a.canaries[0] + "@example.org", "status": 2})
	mine := post("/api/v2/discussions/forums/"+d.forum()+"/topics", object{"title": "News from the desk", "message": "all is well, says Agent " + a.canaries[1]})
	post("/api/v2/discussions/topics/"+topic+"/comments", object{"body": "thanks, Agent " + a.canaries[1]})
	d.must(http.StatusOK, http.MethodPut, "/api/v2/tickets/"+ticket, object{"responder_id": json.Number(a.id)})
	return contribution{
		"/api/v2/solutions/articles/" + id(article), "/api/v2/discussions/topics/" + id(mine), "/api/v2/discussions/topics/" + topic + "/comments",
		"/api/v2/tickets/" + ticket + "/conversations", "/api/v2/tickets/" + ticket,
	}
}

func (d *desk) folder() string {
	d.t.Helper()
	category := d.create("/api/v2/solutions/categories", object{"name": "Help"})
	return id(d.create("/api/v2/solutions/categories/"+id(category)+"/folders", object{"name": "First", "visibility": 1}))
}

const formerAgent = "1"

// An agent's personal data goes and what the agent did for others stays, in the
// name of the account's former agent; two of them cannot be told apart.
func TestErasedAgentsLeaveTheirWork(t *testing.T) {
	d := newDesk(t)
	ben := d.populate("ben", 2)
	tickets := parse[[]object](t, d.must(http.StatusOK, http.MethodGet, "/api/v2/tickets?requester_id="+ben.contact, nil))
	folder := d.folder()
	first, second := d.hire("greta"), d.hire("hugo")
	one := d.work(first, id(tickets[0]), ben.topic, folder)
	two := d.work(second, id(tickets[1]), ben.topic, folder)
	for _, a := range []*agent{first, second} {
		_, saga := d.request("erasure", a.id)
		if saga["kind"] != "erase_agent" {
			t.Errorf("saga %v", saga["kind"])
		}
		d.must(http.StatusNotFound, http.MethodGet, "/api/v2/agents/"+a.id, nil)
		if status, _ := d.as(a.key, http.MethodPost, "/api/v2/calls", object{"ticket_id": json.Number(id(tickets[0])), "notes": "late"}); status != http.StatusForbidden && status != http.StatusUnauthorized {
			t.Errorf("an erased agent's key answers %d", status)
		}
		if status, _ := d.as(a.key, http.MethodPost, "/api/v2/discussions/topics/"+ben.topic+"/comments", object{"body": "late"}); status != http.StatusForbidden && status != http.StatusUnauthorized {
			t.Errorf("an erased agent's comment answers %d", status)
		}
		if status, body := d.as(a.key, http.MethodGet, "/api/v2/agents/me", nil); status != http.StatusUnauthorized {
			t.Errorf("an erased agent is told who they are: %d %s", status, body)
		}
	}
	for _, c := range []contribution{one, two} {
		for path, field := range map[string]string{c.article: "agent_id", c.topic: "user_id", c.ticket: "responder_id"} {
			got := parse[object](t, d.must(http.StatusOK, http.MethodGet, path, nil))
			if fmt.Sprint(got[field]) != formerAgent {
				t.Errorf("GET %s: %s is %v", path, field, got[field])
			}
		}
		for _, path := range []string{c.conversations, c.comments} {
			body := string(d.must(http.StatusOK, http.MethodGet, path, nil))
			if !strings.Contains(body, `"user_id":`+formerAgent) {
				t.Errorf("GET %s: nothing is the former agent's: %s", path, body)
			}
		}
		for _, path := range []string{c.article, c.topic, c.comments, c.conversations, c.ticket, "/api/v2/agents", "/api/v2/agents/" + formerAgent} {
			body := string(d.must(http.StatusOK, http.MethodGet, path, nil))
			for _, trace := range append(append([]string{first.id, second.id}, first.canaries...), second.canaries...) {
				// the articles' own titles say which is which here; their text was written by the agents
				if strings.Contains(body, trace) && !(path == c.article && (trace == first.id || trace == second.id)) {
					t.Errorf("GET %s still shows %s: %s", path, trace, body)
				}
			}
		}
	}
	// Nobody erases themselves, the last administrator stays, and the former agent is nobody.
	me := id(parse[object](t, d.must(http.StatusOK, http.MethodGet, "/api/v2/agents/me", nil)))
	for _, who := range []string{me, formerAgent} {
		status, body := d.do(http.MethodPost, "/api/v2/privacy/requests", "application/json", []byte(`{"kind":"erasure","direct":true,"contact_id":`+who+`}`))
		if status/100 != 4 {
			t.Errorf("erasing agent %s: %d %s", who, status, body)
		}
	}
}

// A topic with others' comments stays as a blank shell when its author is erased.
func TestTopicsOfOthersBecomeShells(t *testing.T) {
	d := newDesk(t)
	anna, ben := d.populate("anna", 1), d.populate("ben", 1)
	d.create("/api/v2/discussions/topics/"+anna.topic+"/comments", object{"body": "a word of ben's", "user_id": json.Number(ben.contact)})
	lone := parse[object](t, d.must(http.StatusOK, http.MethodGet, "/api/v2/discussions/topics/"+ben.topic, nil))
	d.request("erasure", anna.contact)
	shell := parse[object](t, d.must(http.StatusOK, http.MethodGet, "/api/v2/discussions/topics/"+anna.topic, nil))
	if shell["user_id"] != nil || fmt.Sprint(shell["title"]) != "" || fmt.Sprint(shell["posts_count"]) != "1" {
		t.Errorf("the shell: %v", shell)
	}
	comments := string(d.must(http.StatusOK, http.MethodGet, "/api/v2/discussions/topics/"+anna.topic+"/comments", nil))
	if !strings.Contains(comments, "a word of ben's") || strings.Contains(comments, "canaryanna") {
		t.Errorf("its comments: %s", comments)
	}
	d.request("erasure", ben.contact)
	d.must(http.StatusNotFound, http.MethodGet, "/api/v2/discussions/topics/"+ben.topic, nil)
	if lone["title"] == nil {
		t.Error("the control: ben's topic was never there")
	}
}

// What identifies an erased person goes from the words of others, and nothing else of them changes.
func TestIdentifiersGoFromTheWordsOfOthers(t *testing.T) {
	d := newDesk(t)
	ben := d.populate("ben", 1)
	anna := d.create("/api/v2/contacts", object{"name": "Anna Quell", "email": "anna.quell@example.org", "phone": "+49 30 5550177"})
	near := d.create("/api/v2/tickets", object{"email": ben.email, "subject": "near", "description": "joanna.quell@example.org called from 030 5550178"})
	hit := d.create("/api/v2/tickets", object{"email": ben.email, "subject": "hit", "description": "Ask Anna Quell, Anna.Quell@Example.org, 030/555 01 77, by friday"})
	want := string(d.must(http.StatusOK, http.MethodGet, "/api/v2/tickets/"+id(near), nil))
	before := d.snapshot(ben)
	d.request("erasure", id(anna))
	got := parse[object](t, d.must(http.StatusOK, http.MethodGet, "/api/v2/tickets/"+id(hit), nil))
	if text := fmt.Sprint(got["description_text"]); text != "Ask [redacted], [redacted], [redacted], by friday" {
		t.Errorf("redacted as %q", text)
	}
	if now := string(d.must(http.StatusOK, http.MethodGet, "/api/v2/tickets/"+id(near), nil)); now != want {
		t.Errorf("a near miss changed: %s", now)
	}
	delete(before, "/api/v2/tickets?requester_id="+ben.contact+"&per_page=100") // holds the two tickets
	same(t, "everything else of ben", before, d.snapshot(ben))
}

// One ticket goes with all that hangs on it; the person and the rest stay.
func TestErasedTicket(t *testing.T) {
	d := newDesk(t)
	anna := d.populate("anna", 2)
	tickets := parse[[]object](t, d.must(http.StatusOK, http.MethodGet, "/api/v2/tickets?requester_id="+anna.contact+"&order_type=asc", nil))
	gone, stays := id(tickets[0]), "/api/v2/tickets/"+id(tickets[1])
	rest := string(d.must(http.StatusOK, http.MethodGet, stays, nil))
	contact := string(d.must(http.StatusOK, http.MethodGet, "/api/v2/contacts/"+anna.contact, nil))
	request := d.create("/api/v2/privacy/requests", object{"kind": "erasure", "ticket_id": json.Number(gone), "direct": true})
	if saga := d.await(fmt.Sprint(request["saga_id"])); saga["state"] != "completed" || saga["kind"] != "erase_ticket" {
		t.Fatalf("saga %v", saga)
	}
	for _, path := range anna.own {
		switch {
		case strings.HasPrefix(path, stays), strings.HasPrefix(path, "/api/v2/discussions/"):
			if status, body := d.do(http.MethodGet, path, "", nil); status != http.StatusOK && status != http.StatusNoContent {
				t.Errorf("GET %s: %d %s", path, status, body)
			}
		default:
			d.must(http.StatusNotFound, http.MethodGet, path, nil)
		}
	}
	if now := string(d.must(http.StatusOK, http.MethodGet, stays, nil)); now != rest {
		t.Errorf("the other ticket changed: %s", now)
	}
	if now := string(d.must(http.StatusOK, http.MethodGet, "/api/v2/contacts/"+anna.contact, nil)); now != contact {
		t.Errorf("the person changed: %s", now)
	}
	if ratings := string(d.must(http.StatusOK, http.MethodGet, "/api/v2/surveys/satisfaction_ratings", nil)); ratings != "[]" {
		t.Errorf("its rating is left: %s", ratings)
	}
	status, body := d.do(http.MethodPost, "/api/v2/tickets/"+gone+"/reply", "application/json", []byte(`{"body":"late"}`))
	if status != http.StatusNotFound {
		t.Errorf("a reply to an erased ticket: %d %s", status, body)
	}
}

// A request waits for somebody who checks it: what is held is shown, an
// approval carries it out, a refusal leaves everything.
func TestRequestsAreDecided(t *testing.T) {
	d := newDesk(t)
	anna := d.populate("anna", 2)
	before := d.snapshot(anna)
	raise := func() string {
		r := d.create("/api/v2/privacy/requests", object{"kind": "erasure", "contact_id": json.Number(anna.contact)})
		if r["state"] != "received" || r["saga_id"] != nil && r["saga_id"] != "" {
			t.Fatalf("raised: %v", r)
		}
		return "/api/v2/privacy/requests/" + id(r)
	}
	refused, approved := raise(), raise()
	waiting := string(d.must(http.StatusOK, http.MethodGet, refused, nil))
	for _, want := range []string{`"participant":"ratings"`, `"resource":"tickets","category":"content","owned":2`} {
		if !strings.Contains(waiting, want) {
			t.Errorf("the decider is not shown %s: %s", want, waiting)
		}
	}
	status, body := d.do(http.MethodPut, refused+"/refuse", "application/json", []byte(`{"ground":"because"}`))
	if status != http.StatusBadRequest {
		t.Errorf("refused for no ground there is: %d %s", status, body)
	}
	if r := parse[object](t, d.must(http.StatusOK, http.MethodPut, refused+"/refuse", object{"ground": "identity_unproven"})); r["state"] != "refused" || r["ground"] != "identity_unproven" {
		t.Errorf("refused: %v", r)
	}
	same(t, "after a refusal", before, d.snapshot(anna))
	d.must(http.StatusConflict, http.MethodPut, refused+"/approve", nil)
	r := parse[object](t, d.must(http.StatusOK, http.MethodPut, approved+"/approve", nil))
	if saga := d.await(fmt.Sprint(r["saga_id"])); saga["state"] != "completed" {
		t.Fatalf("saga %v", saga)
	}
	d.gone(anna)
	clerk := d.hire("clerk")
	if status, body := d.as(clerk.key, http.MethodPut, approved+"/approve", object{}); status != http.StatusForbidden {
		t.Errorf("an agent approves: %d %s", status, body)
	}
}
