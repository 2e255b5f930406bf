package gateway

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	privacyv1 "github.com/lethe-desk/lethe/gen/go/lethe/privacy/v1"
	"github.com/lethe-desk/lethe/services/gateway/internal/route"
	"github.com/lethe-desk/lethe/services/internal/platform/obs"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/protobuf/proto"
)

func contact(id int64, name string) *contactsv1.GetContactResponse {
	return &contactsv1.GetContactResponse{Contact: &contactsv1.Contact{Id: proto.Int64(id), Name: proto.String(name)}}
}

func TestReadsOneContactThroughTheWholeStack(t *testing.T) {
	w := start(t, nil)
	w.on(contactsv1.ContactsService_GetContact_FullMethodName, contact(43001122334, "Mara"), nil)
	r := w.do("GET", "/api/v2/contacts/43001122334", "", "X-Request-Id", "0123456789abcdef0123456789abcdef", "Grpc-Metadata-Authorization", "Bearer forged", "Grpc-Timeout", "1n", "X-Forwarded-For", "10.1.2.3")
	r.want(t, 200, "*")
	if !strings.HasPrefix(r.body, `{"id":43001122334,"name":"Mara","email":null,`) {
		t.Error(r.body)
	}
	for name, want := range map[string]string{
		"Content-Type": jsonType, "X-Request-Id": "0123456789abcdef0123456789abcdef", "X-Freshdesk-Api-Version": "latest=v2; requested=v2",
		"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "X-Frame-Options": "DENY", "Strict-Transport-Security": "", "X-RateLimit-Total": "",
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	got := w.last(t)
	if got.req.(*contactsv1.GetContactRequest).GetId() != 43001122334 {
		t.Errorf("%v", got.req)
	}
	if a := got.md.Get("authorization"); !slices.Equal(a, []string{"Bearer token-" + goodKey}) {
		t.Errorf("authorization %v", a)
	}
	if id := got.md.Get("x-request-id"); !slices.Equal(id, []string{"0123456789abcdef0123456789abcdef"}) {
		t.Errorf("request id %v", id)
	}
	for _, name := range []string{"x-forwarded-for", "x-forwarded-host", "grpcgateway-authorization"} {
		if v := got.md.Get(name); len(v) != 0 {
			t.Errorf("metadata %s: %v", name, v)
		}
	}
}

var variables = regexp.MustCompile(`\{[a-z_]+\}`)

// TestEveryRouteOfTheContractReachesItsMethod walks the table, so a literal
// that a variable swallows, or a handler taken for another's, shows.
func TestEveryRouteOfTheContractReachesItsMethod(t *testing.T) {
	w := start(t, nil)
	n := 0
	for _, s := range w.gw.services() {
		routes, err := route.Of(s.name)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range routes {
			if r.Method.IsStreamingServer() {
				continue
			}
			n++
			path := r.Template
			path = variables.ReplaceAllString(path, "17")
			w.do(r.Verb, path, "").want(t, 404, "") // the fakes implement nothing
			if got := w.last(t).method; got != r.FullMethod {
				t.Errorf("%s %s calls %s, want %s", r.Verb, path, got, r.FullMethod)
			}
			w.do(r.Verb, path+"/", "").want(t, 404, "")
			if got := w.count(); got != 2*n {
				t.Fatalf("%s/: %d calls, want %d", path, got, 2*n)
			}
		}
	}
	if n < 95 {
		t.Errorf("only %d routes", n)
	}
}

func TestPathsThatAreNone(t *testing.T) {
	w := start(t, nil)
	for _, path := range []string{"/", "/api/v2", "/api/v2/nope", "/api/v2/contacts/abc", "/api/v2/contacts/0", "/api/v2/contacts/-1", "/api/v2/contacts/+1", "/api/v2/contacts/1.0", "/api/v2/contacts/99999999999999999999",
		"/api/v2/contacts/1/nope", "/api/v2/contacts//", "/api/v2//contacts", "/api/v1/contacts", "/api/v2/contacts/autocomplete", "/api/v2/privacy/sagas/a%2Fb", "/api/v2/privacy/sagas/a%20b", "/metrics", "/healthz"} {
		r := w.do("GET", path, "", "Authorization", "")
		r.want(t, 404, "")
		if ct := r.Header.Get("Content-Type"); !strings.HasPrefix(ct, "text/html") {
			t.Errorf("%s: content type %q", path, ct)
		}
	}
	if w.count() != 0 {
		t.Error("a service was called")
	}
}

func TestVerbsThatAPathDoesNotHave(t *testing.T) {
	w := start(t, nil)
	for _, c := range [][3]string{
		{"PUT", "/api/v2/contacts", "GET, POST"},
		{"PATCH", "/api/v2/contacts/7", "DELETE, GET, PUT"},
		{"POST", "/api/v2/contacts/7/hard_delete", "DELETE"},
		{"PUT", "/api/v2/agents/me", "GET"},
		{"HEAD", "/api/v2/contacts", "GET, POST"},
	} {
		r := w.do(c[0], c[1], "", "Authorization", "")
		body := `{"message":"` + c[0] + ` method is not allowed. It should be one of these method(s): ` + c[2] + `"}`
		if c[0] == "HEAD" {
			body = ""
		}
		r.want(t, 405, body)
		if r.Header.Get("Allow") != c[2] {
			t.Errorf("Allow %q", r.Header.Get("Allow"))
		}
	}
}

func TestMediaTypes(t *testing.T) {
	w := start(t, nil)
	w.on(contactsv1.ContactsService_GetContact_FullMethodName, contact(1, "A"), nil)
	w.on(contactsv1.ContactsService_CreateContact_FullMethodName, &contactsv1.CreateContactResponse{Contact: &contactsv1.Contact{Id: proto.Int64(1)}}, nil)
	w.on(contactsv1.ContactsService_UpdateContact_FullMethodName, &contactsv1.UpdateContactResponse{Contact: &contactsv1.Contact{Id: proto.Int64(1)}}, nil)
	for accept, status := range map[string]int{"": 200, "*/*": 200, "application/json": 200, "application/json; charset=utf-8": 200, "text/html, */*;q=0.8": 200, "text/html": 406, "application/xml": 406, "application/json;q=0": 406, "nonsense;;": 406} {
		w.do("GET", "/api/v2/contacts/1", "", "Accept", accept).want(t, status, "*")
	}
	for ct, status := range map[string]int{"application/json": 201, "application/json;charset=UTF-8": 201, "text/xml": 415, "application/x-www-form-urlencoded": 415, "": 415, "application/json-patch+json": 415, "multipart/form-data": 400} {
		w.do("POST", "/api/v2/contacts", `{}`, "Content-Type", ct).want(t, status, "*")
	}
	r := w.do("POST", "/api/v2/contacts", `<a/>`, "Content-Type", "text/xml")
	r.want(t, 415, `{"code":"unsupported_media_type","message":"Content-Type should be application/json or multipart/form-data"}`)
	// Bodies that are none, under any name.
	w.do("POST", "/api/v2/contacts", "").want(t, 201, "*")
	w.do("PUT", "/api/v2/contacts/1", "", "Content-Type", "text/plain").want(t, 200, "*")
	w.do("GET", "/api/v2/contacts/1", "", "Content-Type", "application/json").want(t, 200, "*")
}

func TestActionsWithoutABody(t *testing.T) {
	w := start(t, nil)
	w.on(privacyv1.PrivacyService_RestoreContact_FullMethodName, &privacyv1.RestoreContactResponse{}, nil)
	w.on(privacyv1.PrivacyService_RetrySaga_FullMethodName, &privacyv1.RetrySagaResponse{Saga: &privacyv1.Saga{Id: proto.String("01ABC")}}, nil)
	for _, body := range []string{"", "{}"} {
		r := w.do("PUT", "/api/v2/contacts/7/restore", body)
		r.want(t, 204, "")
		if r.Header.Get("Content-Type") != "" {
			t.Error("204 with a content type")
		}
		w.do("POST", "/api/v2/privacy/sagas/01ABC/retry", body).want(t, 200, "*")
	}
	if got := w.last(t).req.(*privacyv1.RetrySagaRequest).GetId(); got != "01ABC" {
		t.Error(got)
	}
	w.do("PUT", "/api/v2/contacts/7/restore", `{"x":1}`).want(t, 400, `{"description":"Validation failed","errors":[{"field":"x","message":"Unexpected/invalid field in request","code":"invalid_field"}]}`)
}

func TestCORS(t *testing.T) {
	w := start(t, nil)
	r := w.do("OPTIONS", "/api/v2/contacts", "", "Origin", "https://app.example", "Access-Control-Request-Method", "PUT", "Authorization", "")
	r.want(t, 204, "")
	if r.Header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(r.Header.Get("Access-Control-Allow-Headers"), "Authorization") || !strings.Contains(r.Header.Get("Access-Control-Allow-Methods"), "PUT") {
		t.Errorf("%v", r.Header)
	}
	w.on(contactsv1.ContactsService_GetContact_FullMethodName, contact(1, "A"), nil)
	r = w.do("GET", "/api/v2/contacts/1", "", "Origin", "https://app.example")
	if r.Header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(r.Header.Get("Access-Control-Expose-Headers"), "Link") || r.Header.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("%v", r.Header)
	}
	w.do("OPTIONS", "/api/v2/contacts", "", "Authorization", "").want(t, 405, "*")
}

func TestOperationalPaths(t *testing.T) {
	say := func(s string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(s)) })
	}
	w := start(t, func(c *Config) { c.Live, c.Ready, c.Metrics = say("live"), say("ready"), say("metrics") })
	for path, body := range map[string]string{"/healthz": "live", "/readyz": "ready", "/metrics": "metrics"} {
		w.do("GET", path, "", "Authorization", "").want(t, 200, body)
	}
}

func TestPanicsBecomeIncidents(t *testing.T) {
	w := start(t, func(c *Config) {
		c.Live = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("anna@example.org") })
	})
	r := w.do("GET", "/healthz", "")
	r.want(t, 500, "*")
	_, incident, ok := strings.Cut(r.body, "incident ")
	if !ok || !strings.Contains(r.body, `"code":"internal_error"`) {
		t.Fatal(r.body)
	}
	incident = strings.TrimSuffix(incident, `"}`)
	if log := w.log.String(); !strings.Contains(log, incident) || strings.Contains(log, "anna@") {
		t.Error(log)
	}
}

func TestLogAndSpansNameTheTemplateAlone(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	w := start(t, func(c *Config) { c.Tracer = tracer })
	w.on(contactsv1.ContactsService_ListContacts_FullMethodName, &contactsv1.ListContactsResponse{}, nil)
	w.do("GET", "/api/v2/contacts?email=anna%40example.org", "", "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "User-Agent", "anna").want(t, 200, "[]")
	w.do("PUT", "/api/v2/contacts/43001122334", `{"nope":1}`).want(t, 400, "*")
	w.do("GET", "/secret/anna", "").want(t, 404, "")
	var names []string
	for _, s := range spans.GetSpans() {
		names = append(names, s.Name)
		for _, a := range s.Attributes {
			if v := a.Value.String(); strings.Contains(v, "anna") || strings.Contains(v, "43001122334") || strings.Contains(v, "127.0.0.1") {
				t.Errorf("span %s has %s=%s", s.Name, a.Key, v)
			}
		}
	}
	if want := []string{"GET /api/v2/contacts", "PUT /api/v2/contacts/{id}", "GET"}; !slices.Equal(names, want) {
		t.Errorf("spans %q", names)
	}
	if s := spans.GetSpans()[0]; s.SpanContext.TraceID().String() != "0af7651916cd43dd8448eb211c80319c" || !s.Parent.IsRemote() {
		t.Error("the client's trace was not continued")
	}
	log := w.log.String()
	if strings.Contains(log, "anna") || strings.Contains(log, "43001122334") || strings.Contains(log, obs.Dropped) {
		t.Error(log)
	}
	if !strings.Contains(log, `"msg":"http request","verb":"PUT","route":"/api/v2/contacts/{id}","status":400,"duration_ms":0,"request_id":"`) {
		t.Error(log)
	}
}

func TestNewRefusesWhatIsMissing(t *testing.T) {
	if _, err := New(context.Background(), Config{}); err == nil {
		t.Error("a gateway without connections")
	}
}

// A gateway without one of its services would answer some paths with nothing.
func TestEveryConnectionIsMandatory(t *testing.T) {
	w := start(t, nil)
	for name, without := range map[string]func(*Config){
		"contacts": func(c *Config) { c.Contacts = nil }, "tickets": func(c *Config) { c.Tickets = nil }, "forums": func(c *Config) { c.Forums = nil },
		"ratings": func(c *Config) { c.Ratings = nil }, "privacy": func(c *Config) { c.Privacy = nil },
	} {
		cfg := w.gw.cfg
		without(&cfg)
		if _, err := New(t.Context(), cfg); err == nil {
			t.Errorf("a gateway without %s is made", name)
		}
	}
}
