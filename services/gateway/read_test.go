package gateway

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	forumsv1 "github.com/lethe-desk/lethe/gen/go/lethe/forums/v1"
	privacyv1 "github.com/lethe-desk/lethe/gen/go/lethe/privacy/v1"
	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"google.golang.org/protobuf/proto"
)

// invalid is the body of a validation error of one field.
func invalid(field, code, message string) string {
	return fmt.Sprintf(`{"description":"Validation failed","errors":[{"field":%q,"message":%q,"code":%q}]}`, field, message, code)
}

func TestQuery(t *testing.T) {
	w := start(t, nil)
	w.on(contactsv1.ContactsService_ListContacts_FullMethodName, &contactsv1.ListContactsResponse{}, nil)
	w.on(privacyv1.PrivacyService_HardDeleteContact_FullMethodName, &privacyv1.HardDeleteContactResponse{}, nil)
	w.do("GET", "/api/v2/contacts/?email=a%2Bb%40example.org&company_id=7&_updated_since=2026-01-02T03:04:05+05:30&page=2&per_page=100&state=a+b", "").want(t, 200, "[]")
	got := w.last(t).req.(*contactsv1.ListContactsRequest)
	if got.GetEmail() != "a+b@example.org" || got.GetCompanyId() != 7 || got.GetPage() != 2 || got.GetPerPage() != 100 || got.GetState() != "a b" || got.GetUpdatedSince().AsTime().Hour() != 21 || got.Mobile != nil {
		t.Errorf("%v", got)
	}
	w.do("DELETE", "/api/v2/contacts/7/hard_delete?force=True", "").want(t, 204, "")
	if !w.last(t).req.(*privacyv1.HardDeleteContactRequest).GetForce() {
		t.Error("force was lost")
	}
	n := w.count()
	for query, want := range map[string]string{
		"nope=1":                                 invalid("nope", "invalid_field", "Unexpected/invalid field in request"),
		"anna%40example.org=1":                   invalid("unknown", "invalid_field", "Unexpected/invalid field in request"),
		"company_id=x":                           invalid("company_id", "datatype_mismatch", "It should be a/an Integer"),
		"updated_since=tomorrow":                 invalid("updated_since", "datatype_mismatch", "It should be a/an Date/Time in the format yyyy-mm-ddThh:mm:ss+hh:mm"),
		"page=0":                                 invalid("page", "invalid_value", "It should be a positive integer"),
		"page=x":                                 invalid("page", "invalid_value", "It should be a positive integer"),
		"per_page=101":                           invalid("per_page", "invalid_value", "It should be between 1 and 100"),
		"per_page=-1":                            invalid("per_page", "invalid_value", "It should be between 1 and 100"),
		"per_page=":                              invalid("per_page", "invalid_value", "It should be between 1 and 100"),
		"a=%zz":                                  invalid("query", "invalid_value", "The query cannot be read"),
		"email=" + strings.Repeat("x", maxQuery): invalid("query", "invalid_value", "The query cannot be read"),
	} {
		w.do("GET", "/api/v2/contacts?"+query, "").want(t, 400, want)
	}
	w.do("GET", "/api/v2/contacts?page=0&zz=1&per_page=0", "").want(t, 400, `{"description":"Validation failed","errors":[{"field":"page","message":"It should be a positive integer","code":"invalid_value"},{"field":"per_page","message":"It should be between 1 and 100","code":"invalid_value"},{"field":"zz","message":"Unexpected/invalid field in request","code":"invalid_field"}]}`)
	// What the gateway fills in itself is no parameter, nor is the path's id or the body's field.
	for _, q := range []string{"update_mask=name", "id=8", "contact=1"} {
		w.do("PUT", "/api/v2/contacts/7?"+q, `{"name":"A"}`).want(t, 400, "*")
	}
	w.do("POST", "/api/v2/contacts?idempotency_key=x", `{}`).want(t, 400, "*")
	if w.count() != n {
		t.Error("a service was called")
	}
}

func TestLinkToTheNextPage(t *testing.T) {
	w := start(t, nil)
	more := &contactsv1.ListContactsResponse{More: proto.Bool(true)}
	w.on(contactsv1.ContactsService_ListContacts_FullMethodName, more, nil)
	r := w.do("GET", "/api/v2/contacts?per_page=10&page=2&email=a%2Bb%40x.org", "")
	if want := `<` + w.url + `/api/v2/contacts?email=a%2Bb%40x.org&page=3&per_page=10>; rel="next"`; r.Header.Get("Link") != want {
		t.Errorf("%s\nwant %s", r.Header.Get("Link"), want)
	}
	if r = w.do("GET", "/api/v2/contacts", ""); r.Header.Get("Link") != `<`+w.url+`/api/v2/contacts?page=2>; rel="next"` {
		t.Error(r.Header.Get("Link"))
	}
	// Forwarded headers count only when a proxy is trusted.
	if r = w.do("GET", "/api/v2/contacts", "", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "evil.example"); r.Header.Get("Link") != `<`+w.url+`/api/v2/contacts?page=2>; rel="next"` {
		t.Error(r.Header.Get("Link"))
	}
	more.More = proto.Bool(false)
	if r = w.do("GET", "/api/v2/contacts", ""); r.Header.Get("Link") != "" {
		t.Error(r.Header.Get("Link"))
	}
}

func TestAbsoluteURLs(t *testing.T) {
	answer := &contactsv1.CreateContactResponse{Contact: &contactsv1.Contact{Id: proto.Int64(43001122334), Avatar: &contactsv1.Avatar{AvatarUrl: proto.String("/a/1")}}}
	w := start(t, func(c *Config) { c.TrustForwarded = true })
	w.on(contactsv1.ContactsService_CreateContact_FullMethodName, answer, nil)
	r := w.do("POST", "/api/v2/contacts", `{"name":"A"}`, "X-Forwarded-Proto", "https", "X-Forwarded-Host", "acme.example, inner")
	r.want(t, 201, "*")
	if r.Header.Get("Location") != "https://acme.example/api/v2/contacts/43001122334" || !strings.Contains(r.body, `"avatar_url":"https://acme.example/a/1"`) || r.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("%v %s", r.Header, r.body)
	}
	if r = w.do("POST", "/api/v2/contacts", `{}`, "X-Forwarded-Proto", "gopher", "X-Forwarded-Host", "a/b"); r.Header.Get("Location") != w.url+"/api/v2/contacts/43001122334" {
		t.Errorf("%v", r.Header)
	}
	w = start(t, func(c *Config) { c.BaseURL = "https://desk.example/" })
	w.on(contactsv1.ContactsService_CreateContact_FullMethodName, answer, nil)
	if r = w.do("POST", "/api/v2/contacts", `{}`); r.Header.Get("Location") != "https://desk.example/api/v2/contacts/43001122334" {
		t.Errorf("%v", r.Header)
	}
}

func TestUpdateMask(t *testing.T) {
	w := start(t, nil)
	w.on(contactsv1.ContactsService_UpdateContact_FullMethodName, &contactsv1.UpdateContactResponse{Contact: &contactsv1.Contact{Id: proto.Int64(7)}}, nil)
	for body, want := range map[string][]string{
		`{"name":"Mara","phone":null,"tags":[],"custom_fields":{"a":1,"b":null}}`: {"name", "phone", "tags", "custom_fields.a", "custom_fields.b"},
		`{"custom_fields":null}`: {"custom_fields"},
		`{}`:                     nil,
		``:                       nil,
	} {
		w.do("PUT", "/api/v2/contacts/7", body).want(t, 200, "*")
		got := w.last(t).req.(*contactsv1.UpdateContactRequest)
		if !slices.Equal(got.GetUpdateMask().GetPaths(), want) || got.GetId() != 7 || got.Contact == nil || got.Contact.Phone != nil {
			t.Errorf("%s: %v", body, got)
		}
	}
}

func TestBodies(t *testing.T) {
	w := start(t, nil)
	w.on(ticketsv1.TicketsService_CreateTicket_FullMethodName, &ticketsv1.CreateTicketResponse{Ticket: &ticketsv1.Ticket{Id: proto.Int64(18)}}, nil)
	r := w.do("POST", "/api/v2/tickets", `{"email":"a@b.org","requester_id":"43001122334","priority":1,"due_by":"2026-01-02","custom_fields":{"cf_n":0.1}}`, "Idempotency-Key", "row 5")
	r.want(t, 201, "*")
	got := w.last(t).req.(*ticketsv1.CreateTicketRequest)
	if got.GetTicket().GetRequesterId() != 43001122334 || got.GetIdempotencyKey() != "row 5" || got.GetTicket().GetCustomFields().GetFields()["cf_n"].GetNumberValue() != 0.1 {
		t.Errorf("%v", got)
	}
	if r.Header.Get("Location") != w.url+"/api/v2/tickets/18" {
		t.Error(r.Header.Get("Location"))
	}
	n := w.count()
	w.do("POST", "/api/v2/tickets", `{"email":`).want(t, 400, `{"code":"invalid_json","message":"Request body has invalid json format"}`)
	w.do("POST", "/api/v2/tickets", `{"priority":"high"}`).want(t, 400, invalid("priority", "datatype_mismatch", "It should be a/an Integer"))
	w.do("POST", "/api/v2/tickets", `{"subject":"`+strings.Repeat("x", 1<<20)+`"}`).want(t, 413, `{"code":"invalid_value","message":"The request is too large."}`)
	for _, key := range []string{strings.Repeat("k", 201), "ü"} {
		w.do("POST", "/api/v2/tickets", `{}`, "Idempotency-Key", key).want(t, 400, invalid("idempotency_key", "invalid_value", "It should be at most 200 printable characters"))
	}
	if w.count() != n {
		t.Error("a service was called")
	}
	// A method without the field takes the header and does nothing with it.
	w.on(ticketsv1.TicketsService_UpdateTicket_FullMethodName, &ticketsv1.UpdateTicketResponse{Ticket: &ticketsv1.Ticket{}}, nil)
	w.do("PUT", "/api/v2/tickets/18", `{"status":4}`, "Idempotency-Key", "k").want(t, 200, "*")
}

func TestBodiesThatFillTheRequest(t *testing.T) {
	w := start(t, nil)
	w.on(contactsv1.IdentityService_CreateAccount_FullMethodName, &contactsv1.CreateAccountResponse{}, nil)
	w.on(forumsv1.TopicsService_FollowTopic_FullMethodName, &forumsv1.FollowTopicResponse{}, nil)
	w.do("POST", "/api/v2/accounts", `{"name":"Acme","admin_email":"a@example.org"}`, "Idempotency-Key", "k").want(t, 201, "*")
	want := &contactsv1.CreateAccountRequest{Name: proto.String("Acme"), AdminEmail: proto.String("a@example.org"), IdempotencyKey: proto.String("k")}
	if got := w.last(t).req; !proto.Equal(got, want) {
		t.Errorf("%v", got)
	}
	w.do("POST", "/api/v2/accounts", `{"idempotency_key":"k"}`).want(t, 400, invalid("idempotency_key", "invalid_field", "Unexpected/invalid field in request"))
	w.do("POST", "/api/v2/accounts?name=x", `{}`).want(t, 400, invalid("name", "invalid_field", "Unexpected/invalid field in request"))
	w.do("POST", "/api/v2/discussions/topics/7/follow", `{"user_id":61,"id":8}`).want(t, 400, invalid("id", "invalid_field", "Unexpected/invalid field in request"))
	for body, want := range map[string]*forumsv1.FollowTopicRequest{
		``:               {Id: 7},
		`{}`:             {Id: 7},
		`{"user_id":61}`: {Id: 7, UserId: proto.Int64(61)},
	} {
		w.do("POST", "/api/v2/discussions/topics/7/follow", body).want(t, 204, "")
		if got := w.last(t).req; !proto.Equal(got, want) {
			t.Errorf("%s: %v", body, got)
		}
	}
	w.do("GET", "/api/v2/discussions/topics/followed_by", "").want(t, 404, "") // the fakes implement nothing
	if got := w.last(t).method; got != forumsv1.TopicsService_ListFollowedTopics_FullMethodName {
		t.Error(got)
	}
}
