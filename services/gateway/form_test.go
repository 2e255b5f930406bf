package gateway

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"google.golang.org/protobuf/proto"
)

// postForm sends parts in order: name and value, or "name@file name@media type" and content.
func (w *world) postForm(method, path string, parts ...string) reply {
	w.t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	for i := 0; i < len(parts); i += 2 {
		names := strings.Split(parts[i], "@")
		h := textproto.MIMEHeader{}
		if len(names) == 1 {
			h.Set("Content-Disposition", fmt.Sprintf("form-data; name=%q", names[0]))
		} else {
			h.Set("Content-Disposition", fmt.Sprintf("form-data; name=%q; filename=%q", names[0], names[1]))
			h.Set("Content-Type", names[2])
		}
		p, err := m.CreatePart(h)
		if err != nil {
			w.t.Fatal(err)
		}
		if _, err = p.Write([]byte(parts[i+1])); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := m.Close(); err != nil {
		w.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, &b)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", basic(goodKey))
	req.Header.Set("Content-Type", m.FormDataContentType())
	return w.send(req)
}

func TestFormWithFiles(t *testing.T) {
	w := start(t, nil)
	w.on(ticketsv1.TicketsService_CreateTicket_FullMethodName, &ticketsv1.CreateTicketResponse{Ticket: &ticketsv1.Ticket{Id: proto.Int64(18)}}, nil)
	large := strings.Repeat("0123456789abcdef", 20_000) // five messages
	w.postForm("POST", "/api/v2/tickets",
		"subject", "Lamp \"is\" dark", "priority", "1", "requester_id", "43001122334", "description", "<p>x</p>", "due_by", "2026-01-02", "type", "",
		"attachments[]@a.png@image/png", large, "tags[]", "a", "tags[]", "b", "custom_fields[cf_a]", "4", "custom_fields[cf_b]", "x",
		"attachments[]@b ü.txt@nonsense;;", "").want(t, 201, "*")
	got := w.last(t).req.(*ticketsv1.CreateTicketRequest).GetTicket()
	want := &ticketsv1.TicketInput{}
	if got.GetSubject() != `Lamp "is" dark` || got.GetPriority() != 1 || got.GetRequesterId() != 43001122334 || got.Type == nil || !slices.Equal(got.GetTags(), []string{"a", "b"}) || !slices.Equal(got.GetAttachmentIds(), []int64{501, 502}) ||
		got.GetCustomFields().GetFields()["cf_a"].GetStringValue() != "4" || got.GetDueBy().AsTime().Day() != 2 {
		t.Errorf("%v\n%v", got, want)
	}
	if len(w.uploads) != 2 || string(w.uploads[0].data) != large || w.uploads[0].head.GetName() != "a.png" || w.uploads[0].head.GetContentType() != "image/png" {
		t.Fatalf("%d uploads", len(w.uploads))
	}
	if u := w.uploads[1]; u.head.GetName() != "b ü.txt" || u.head.GetContentType() != "application/octet-stream" || len(u.data) != 0 {
		t.Errorf("%+v", u)
	}
}

func TestFormSetsTheUpdateMask(t *testing.T) {
	w := start(t, nil)
	w.on(contactsv1.ContactsService_UpdateContact_FullMethodName, &contactsv1.UpdateContactResponse{Contact: &contactsv1.Contact{}}, nil)
	w.postForm("PUT", "/api/v2/contacts/7", "view_all_tickets", "True", "company_id", "", "other_emails[]", "a@b.org", "custom_fields", `{"a":1,"b":null}`).want(t, 200, "*")
	got := w.last(t).req.(*contactsv1.UpdateContactRequest)
	if !slices.Equal(got.GetUpdateMask().GetPaths(), []string{"view_all_tickets", "company_id", "other_emails", "custom_fields.a", "custom_fields.b"}) || !got.GetContact().GetViewAllTickets() || got.Contact.CompanyId != nil {
		t.Errorf("%v", got)
	}
}

func TestFormsThatAreWrong(t *testing.T) {
	w := start(t, nil)
	const ticket, one = "/api/v2/tickets", "It should be sent only once"
	w.postForm("POST", ticket, "priority", "high").want(t, 400, invalid("priority", "datatype_mismatch", "It should be a/an Integer"))
	w.postForm("POST", ticket, "tags", "a").want(t, 400, invalid("tags", "datatype_mismatch", "It should be a/an Array"))
	w.postForm("POST", ticket, "subject", "a", "subject", "b").want(t, 400, invalid("subject", "invalid_value", one))
	w.postForm("POST", ticket, "custom_fields[a]", "1", "custom_fields[a]", "2").want(t, 400, invalid("custom_fields.a", "invalid_value", one))
	w.postForm("POST", ticket, "nope", "a").want(t, 400, invalid("nope", "invalid_field", "Unexpected/invalid field in request"))
	w.postForm("POST", ticket, "attachments[]", "no file").want(t, 400, invalid("attachments", "datatype_mismatch", "It should be a/an file"))
	w.postForm("POST", "/api/v2/contacts", "avatar@a.png@image/png", "x").want(t, 400, invalid("avatar", "invalid_field", "Unexpected/invalid field in request"))
	w.postForm("POST", "/api/v2/contacts", "attachments[]@a.png@image/png", "x").want(t, 400, invalid("attachments", "invalid_field", "Unexpected/invalid field in request"))
	w.postForm("POST", ticket, "subject", strings.Repeat("x", 1<<20+1)).want(t, 413, "*")
	w.postForm("POST", ticket, "subject", "\xff").want(t, 400, `{"code":"invalid_json","message":"Request body is no valid form"}`)
	w.do("POST", ticket, "--b\r\nbroken", "Content-Type", "multipart/form-data; boundary=b").want(t, 400, `{"code":"invalid_json","message":"Request body is no valid form"}`)
	if w.count() != 0 || len(w.uploads) != 0 {
		t.Errorf("%d calls, %d uploads", w.count(), len(w.uploads))
	}
}

func TestFilesThatAreTooLargeTogether(t *testing.T) {
	w := start(t, nil)
	half := strings.Repeat("x", 11<<20)
	w.postForm("POST", "/api/v2/tickets", "attachments[]@a@text/plain", half, "attachments[]@b@text/plain", half).
		want(t, 400, invalid("attachments", "invalid_value", "The total size of attachments should not exceed 20 MB"))
	if w.count() != 0 {
		t.Error("the ticket was made")
	}
}
