// Package e2e tests the whole suite over REST, on real files and listeners:
// what a person's rights do to every answer, every file and every span.
package e2e

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lethe-desk/lethe/services/lethe/internal/suite"
)

const adminKey = "an-administrators-key-for-tests"

// desk is a running suite and a client that holds the administrator's key.
type desk struct {
	t     *testing.T
	dir   string
	log   string
	base  string
	suite *suite.Suite
	spans *spanLog
	addrs suite.Addresses
	// place is the forum of the desk, once it has one.
	place string
}

// open starts a suite in a folder; it is stopped with the test unless stop was called.
func open(t *testing.T, dir string) *desk {
	t.Helper()
	return openWith(t, dir, suite.Config{})
}

func (d *desk) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := d.suite.Stop(ctx); err != nil {
		d.t.Errorf("stop: %v", err)
	}
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "desk"))
}

// do makes one call and returns status and body.
func (d *desk) do(method, path, contentType string, body []byte) (int, []byte) {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.t.Context(), method, d.base+path, bytes.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	req.SetBasicAuth(adminKey, "X")
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	if err != nil {
		d.t.Fatalf("%s %s: %v", method, path, err)
	}
	return res.StatusCode, out
}

// must makes a call that has to answer with a status.
func (d *desk) must(want int, method, path string, body any) []byte {
	d.t.Helper()
	var raw []byte
	contentType := ""
	if body != nil {
		raw, contentType = marshal(d.t, body), "application/json"
	}
	status, out := d.do(method, path, contentType, raw)
	if status != want {
		d.t.Fatalf("%s %s: status %d, want %d: %s", method, path, status, want, out)
	}
	return out
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type object = map[string]any

func (d *desk) create(path string, body any) object {
	d.t.Helper()
	return parse[object](d.t, d.must(http.StatusCreated, http.MethodPost, path, body))
}

func parse[T any](t *testing.T, b []byte) T {
	t.Helper()
	var v T
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("parse %s: %v", b, err)
	}
	return v
}

func id(o object) string { return fmt.Sprint(o["id"]) }

// person is somebody with something of everything the desk keeps.
type person struct {
	contact string
	// topic is what the person began in the forum.
	topic string
	email string
	// own are all paths that show the person's data, besides the contact itself.
	own []string
	// canaries are strings that only this person's data holds.
	canaries []string
}

// canary makes a string for one field that appears nowhere else.
func (p *person) canary(who, field string) string {
	c := "canary" + who + strings.ReplaceAll(field, " ", "")
	p.canaries = append(p.canaries, c)
	return c
}

// populate makes a person with n tickets, and everything else on the first of them.
func (d *desk) populate(who string, n int) *person {
	d.t.Helper()
	p := &person{}
	p.email = p.canary(who, "mail") + "@example.org"
	c := d.create("/api/v2/contacts", object{
		"name": p.canary(who, "name"), "email": p.email, "phone": "+49 " + p.canary(who, "phone"),
		"mobile": p.canary(who, "mobile"), "twitter_id": p.canary(who, "handle"), "unique_external_id": p.canary(who, "external"),
		"address": p.canary(who, "address"), "description": p.canary(who, "description"), "job_title": p.canary(who, "job"),
		"tags": []string{p.canary(who, "tag")}, "other_emails": []string{p.canary(who, "other") + "@example.org"},
		"custom_fields": object{"cf_" + p.canary(who, "key"): p.canary(who, "value")},
	})
	p.contact = id(c)
	var first string
	for i := range n {
		t := d.create("/api/v2/tickets", object{
			"email": p.email, "subject": p.canary(who, fmt.Sprint("subject", i)), "description": "<p>" + p.canary(who, fmt.Sprint("ticket", i)) + "</p>",
			"status": 2, "priority": 1, "tags": []string{p.canary(who, fmt.Sprint("tickettag", i))}, "cc_emails": []string{p.canary(who, fmt.Sprint("cc", i)) + "@example.org"},
			"custom_fields": object{"cf_order": p.canary(who, fmt.Sprint("order", i))},
		})
		if first == "" {
			first = id(t)
		}
		p.own = append(p.own, "/api/v2/tickets/"+id(t)+"?include=conversations,requester,stats", "/api/v2/tickets/"+id(t)+"/conversations")
	}
	if first != "" {
		d.hang(p, who, first)
		d.rate(p, who, first)
	}
	d.discuss(p, who)
	return p
}

// rate adds a satisfaction rating to a ticket.
func (d *desk) rate(p *person, who, ticket string) {
	d.t.Helper()
	d.create("/api/v2/tickets/"+ticket+"/satisfaction_ratings", object{"ratings": object{"default_question": 103}, "feedback": p.canary(who, "feedback")})
	p.own = append(p.own, "/api/v2/tickets/"+ticket+"/satisfaction_ratings")
}

// forum returns the forum of the desk, which is made at first need.
func (d *desk) forum() string {
	d.t.Helper()
	if d.place != "" {
		return d.place
	}
	for _, category := range parse[[]object](d.t, d.must(http.StatusOK, http.MethodGet, "/api/v2/discussions/categories", nil)) {
		for _, f := range parse[[]object](d.t, d.must(http.StatusOK, http.MethodGet, "/api/v2/discussions/categories/"+id(category)+"/forums", nil)) {
			d.place = id(f)
			return d.place
		}
	}
	category := d.create("/api/v2/discussions/categories", object{"name": "Talk"})
	d.place = id(d.create("/api/v2/discussions/categories/"+id(category)+"/forums", object{"name": "Ideas", "forum_type": 2, "forum_visibility": 1}))
	return d.place
}

// discuss has the person begin a topic, comment in it and follow it.
func (d *desk) discuss(p *person, who string) {
	d.t.Helper()
	contact := json.Number(p.contact)
	topic := d.create("/api/v2/discussions/forums/"+d.forum()+"/topics", object{
		"title": p.canary(who, "topic"), "message": "<p>" + p.canary(who, "message") + "</p>", "user_id": contact,
	})
	p.topic = id(topic)
	d.create("/api/v2/discussions/topics/"+p.topic+"/comments", object{"body": p.canary(who, "comment"), "user_id": contact})
	d.must(http.StatusNoContent, http.MethodPost, "/api/v2/discussions/topics/"+p.topic+"/follow", object{"user_id": contact})
	p.own = append(p.own, "/api/v2/discussions/topics/"+p.topic, "/api/v2/discussions/topics/"+p.topic+"/comments", "/api/v2/discussions/topics/"+p.topic+"/follow?user_id="+p.contact)
}

// hang adds a reply, a note with a file, a huddle, a call and a chat to a ticket.
func (d *desk) hang(p *person, who, ticket string) {
	d.t.Helper()
	number := json.Number(ticket)
	d.create("/api/v2/tickets/"+ticket+"/reply", object{"body": "<div>" + p.canary(who, "reply") + "</div>"})
	file := p.canary(who, "file")
	body, contentType := form(d.t, map[string]string{"body": p.canary(who, "note"), "private": "false"}, p.canary(who, "filename")+".txt", []byte(file))
	status, out := d.do(http.MethodPost, "/api/v2/tickets/"+ticket+"/notes", contentType, body)
	if status != http.StatusCreated {
		d.t.Fatalf("note with a file: %d %s", status, out)
	}
	attachment := parse[struct{ Attachments []object }](d.t, out).Attachments[0]
	p.own = append(p.own, "/api/v2/attachments/"+id(attachment)+"/download")
	thread := d.create("/api/v2/collaboration/threads", object{"ticket_id": number, "title": p.canary(who, "huddle")})
	message := d.create("/api/v2/collaboration/messages", object{"thread_id": id(thread), "body": p.canary(who, "huddlemessage")})
	call := d.create("/api/v2/calls", object{"ticket_id": number, "phone_number": "+1 " + p.canary(who, "callnumber"), "notes": p.canary(who, "callnotes"), "duration_seconds": 90})
	chat := d.create("/api/v2/chats", object{"ticket_id": number, "messages": []object{{"from": "contact", "text": p.canary(who, "chat")}}})
	p.own = append(p.own,
		"/api/v2/collaboration/threads/"+id(thread), "/api/v2/collaboration/messages/"+id(message),
		"/api/v2/collaboration/threads/"+id(thread)+"/messages",
		"/api/v2/calls/"+id(call), "/api/v2/chats/"+id(chat))
}

// form is a multipart body with one file.
func form(t *testing.T, fields map[string]string, name string, content []byte) ([]byte, string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for k, v := range fields {
		if err := w.WriteField(k, v); err != nil {
			t.Fatal(err)
		}
	}
	part, err := w.CreateFormFile("attachments[]", name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), w.FormDataContentType()
}

// snapshot is every answer about a person, by path.
func (d *desk) snapshot(p *person) map[string]string {
	d.t.Helper()
	out := map[string]string{}
	paths := append([]string{"/api/v2/contacts/" + p.contact, "/api/v2/contacts?email=" + p.email, "/api/v2/tickets?requester_id=" + p.contact + "&per_page=100"}, p.own...)
	for _, path := range paths {
		status, body := d.do(http.MethodGet, path, "", nil)
		out[path] = fmt.Sprintf("%d %s", status, bytes.ReplaceAll(body, []byte(d.base), nil)) // the port changes with each start
	}
	return out
}

// same compares two snapshots.
func same(t *testing.T, what string, before, after map[string]string) {
	t.Helper()
	for path, want := range before {
		if got := after[path]; got != want {
			at := 0
			for at < min(len(got), len(want)) && got[at] == want[at] {
				at++
			}
			from := max(0, at-40)
			t.Errorf("%s: GET %s changed:\n before …%.120s\n after  …%.120s", what, path, want[min(from, len(want)):], got[min(from, len(got)):])
		}
	}
}

// await polls a saga until it has ended or is parked, through its event stream.
func (d *desk) await(saga string) object {
	d.t.Helper()
	d.must(http.StatusOK, http.MethodGet, "/api/v2/privacy/sagas/"+saga+"/events", nil)
	return parse[object](d.t, d.must(http.StatusOK, http.MethodGet, "/api/v2/privacy/sagas/"+saga, nil))
}

// request raises a request and waits for its saga to complete.
func (d *desk) request(kind, contact string) (request, saga object) {
	d.t.Helper()
	request = d.create("/api/v2/privacy/requests", object{"kind": kind, "contact_id": json.Number(contact), "direct": true})
	saga = d.await(fmt.Sprint(request["saga_id"]))
	if saga["state"] != "completed" {
		d.t.Fatalf("%s saga: %v", kind, saga)
	}
	return request, saga
}

// unzip returns an archive's entries by name.
func unzip(t *testing.T, b []byte) map[string]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out[f.Name] = string(content)
	}
	return out
}
