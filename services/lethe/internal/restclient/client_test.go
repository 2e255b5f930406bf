package restclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// waits records how long the client would have waited, and does not wait.
type waits struct {
	mu  sync.Mutex
	all []time.Duration
}

func (w *waits) wait(ctx context.Context, d time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, d)
	return ctx.Err()
}

func client(t *testing.T, handler http.HandlerFunc) (*Client, *waits) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	w := &waits{}
	c, err := New(server.URL+"/", "the-key-of-an-agent", WithWait(w.wait))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, w
}

func TestPostSendsWhatTheAPIWants(t *testing.T) {
	c, _ := client(t, func(w http.ResponseWriter, r *http.Request) {
		user, _, _ := r.BasicAuth()
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Idempotency-Replayed", "true")
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"id":43001122334,"spam":null,"said":%q}`, fmt.Sprint(r.Method, r.URL.Path, user, r.Header.Get("Idempotency-Key"), r.Header.Get("Content-Type"), string(body)))
	})
	var out struct {
		Ticket
		Said string `json:"said"`
	}
	answer, err := c.Post(context.Background(), "/api/v2/tickets", "k/1", map[string]int{"status": 2}, &out)
	if err != nil {
		t.Fatal(err)
	}
	if want := `POST/api/v2/ticketsthe-key-of-an-agentk/1application/json{"status":2}`; out.Said != want {
		t.Errorf("sent %s, want %s", out.Said, want)
	}
	if out.ID != 43001122334 || answer.Status != 201 || !answer.Replayed {
		t.Errorf("%+v %+v", out, answer)
	}
}

func TestErrorBodies(t *testing.T) {
	bodies := map[string]struct {
		status int
		body   string
		want   string
	}{
		"validation": {400, `{"description":"Validation failed","errors":[{"field":"email","message":"is odd","code":"invalid_value"}]}`,
			"GET /api/v2/x answered 400: Validation failed; email: is odd (invalid_value) [request r-1]"},
		"code":    {403, `{"code":"access_denied","message":"not yours"}`, "GET /api/v2/x answered 403 access_denied: not yours [request r-1]"},
		"nothing": {404, "", "GET /api/v2/x answered 404 [request r-1]"},
		"garbage": {502, "<html>", "GET /api/v2/x answered 502 [request r-1]"},
	}
	for name, test := range bodies {
		c, _ := client(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Request-Id", "r-1")
			w.WriteHeader(test.status)
			_, _ = io.WriteString(w, test.body)
		})
		_, err := c.Get(context.Background(), "/api/v2/x", url.Values{"email": {"ada@example.com"}}, nil)
		if err == nil || err.Error() != test.want || !IsStatus(err, test.status) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAlreadyDone(t *testing.T) {
	for _, test := range []struct {
		e    Error
		want bool
	}{
		{Error{Status: 409, Violations: []Violation{{Field: "idempotency_key", Code: "duplicate_value"}}}, true},
		{Error{Status: 409, Code: "already_done"}, true},
		{Error{Status: 409, Violations: []Violation{{Field: "email", Code: "duplicate_value"}}}, false},
		{Error{Status: 409, Code: "inconsistent_state"}, false},
		{Error{Status: 400, Violations: []Violation{{Field: "idempotency_key", Code: "duplicate_value"}}}, false},
	} {
		if got := test.e.AlreadyDone(); got != test.want {
			t.Errorf("%+v: %v", test.e, got)
		}
	}
}

func TestRetries(t *testing.T) {
	for name, test := range map[string]struct {
		call       Call
		status     int
		retryAfter string
		calls      int
		waited     []time.Duration
	}{
		"429 without a key": {Call{Method: "POST", Path: "/x"}, 429, "7", 3, []time.Duration{7 * time.Second, 7 * time.Second}},
		"503 of a GET":      {Call{Method: "GET", Path: "/x"}, 503, "", 3, []time.Duration{firstWait, 2 * firstWait}},
		"503 with a key":    {Call{Method: "POST", Path: "/x", Key: "k"}, 503, "1", 3, []time.Duration{time.Second, time.Second}},
		"503 without a key": {Call{Method: "POST", Path: "/x"}, 503, "1", 1, nil},
		"500":               {Call{Method: "POST", Path: "/x", Key: "k"}, 500, "", 1, nil},
	} {
		calls := 0
		c, w := client(t, func(w http.ResponseWriter, _ *http.Request) {
			if calls++; calls < 3 {
				w.Header().Set("Retry-After", test.retryAfter)
				w.WriteHeader(test.status)
			}
		})
		_, _ = c.Do(context.Background(), test.call)
		if calls != test.calls || !slices.Equal(w.all, test.waited) {
			t.Errorf("%s: %d calls, waited %v", name, calls, w.all)
		}
	}
}

func TestRefusedConnection(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	for key, tries := range map[string]int{"": 1, "k": attempts} {
		w := &waits{}
		c, err := New(server.URL, "key", WithWait(w.wait))
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Do(context.Background(), Call{Method: "POST", Path: "/api/v2/x", Key: key, Query: url.Values{"email": {"ada@example.com"}}})
		if !errors.Is(err, ErrUnreachable) || len(w.all) != tries-1 {
			t.Errorf("key %q: %v, waited %v", key, err, w.all)
		}
		if strings.Contains(err.Error(), "ada") {
			t.Errorf("the error shows the query: %v", err)
		}
	}
}

func TestBaseAddress(t *testing.T) {
	for _, base := range []string{"", "127.0.0.1:8080", "ftp://x", "http://", "http://key:x@host"} {
		if _, err := New(base, "k"); err == nil {
			t.Errorf("%q was taken", base)
		}
	}
}

func TestTheKeyDoesNotFollowARedirection(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("called with authorization %v", r.Header["Authorization"] != nil)
	}))
	defer other.Close()
	c, _ := client(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) })
	if _, err := c.Get(context.Background(), "/api/v2/x", nil, nil); !IsStatus(err, 302) {
		t.Fatal(err)
	}
}

func TestContactByEmail(t *testing.T) {
	c, _ := client(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("email") + r.URL.Query().Get("state") {
		case "here@example.com":
			_, _ = io.WriteString(w, `[{"id":5}]`)
		case "hidden@example.comdeleted":
			_, _ = io.WriteString(w, `[{"id":6}]`)
		default:
			_, _ = io.WriteString(w, `[]`)
		}
	})
	for email, want := range map[string]*Contact{"here@example.com": {ID: 5}, "hidden@example.com": {ID: 6, Deleted: true}, "no@example.com": nil} {
		got, err := c.ContactByEmail(context.Background(), email)
		if err != nil || (got == nil) != (want == nil) || got != nil && *got != *want {
			t.Errorf("%s: %v, %v", email, got, err)
		}
	}
}

func TestSagasFollowsPages(t *testing.T) {
	c, _ := client(t, func(w http.ResponseWriter, r *http.Request) {
		page := r.URL.Query().Get("page")
		if page == "" {
			w.Header().Set("Link", fmt.Sprintf(`<http://%s%s?state=parked&page=2>; rel="next"`, r.Host, r.URL.Path))
		}
		fmt.Fprintf(w, `[{"id":"saga-%s%s","subject":7}]`, r.URL.Query().Get("state"), page)
	})
	for limit, want := range map[int]int{0: 2, 1: 1, 5: 2} {
		got, err := c.Sagas(context.Background(), url.Values{"state": {"parked"}}, limit)
		if err != nil || len(got) != want {
			t.Errorf("limit %d: %v, %v", limit, got, err)
		}
	}
}

func TestMultipart(t *testing.T) {
	c, _ := client(t, func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseMultipartForm(1 << 20); err != nil {
			t.Error(err)
			return
		}
		head := r.MultipartForm.File["attachments[]"][0]
		fmt.Fprintf(w, `{"id":1,"said":%q}`, head.Filename+"|"+head.Header.Get("Content-Type")+"|"+r.FormValue("body"))
	})
	var out struct {
		Said string `json:"said"`
	}
	_, err := c.PostMultipart(context.Background(), "/x", map[string]string{"body": "see file"}, []File{{Name: `a "b".txt`, ContentType: "text/plain", Data: []byte("x")}}, &out)
	if err != nil || out.Said != `a "b".txt|text/plain|see file` {
		t.Fatal(out, err)
	}
}

func TestDownload(t *testing.T) {
	c, _ := client(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/cut" {
			w.Header().Set("Content-Length", "100")
		}
		_, _ = io.WriteString(w, "bytes")
	})
	var out strings.Builder
	if n, err := c.Download(context.Background(), "/whole", &out); err != nil || n != 5 || out.String() != "bytes" {
		t.Errorf("%d, %v, %s", n, err, out.String())
	}
	if _, err := c.Download(context.Background(), "/cut", io.Discard); err == nil {
		t.Error("half a file passed for a whole one")
	}
}

func TestParseEvents(t *testing.T) {
	stream := ": hello\n\nid: 1\nevent: saga\ndata: {\"a\":\ndata: 1}\n\nid:2\r\ndata:x\r\n\r\nevent: none\n\nid: 3\ndata: cut"
	var got []Event
	last, err := parseEvents(strings.NewReader(stream), "0", func(e Event) error {
		got = append(got, e)
		return nil
	})
	want := []Event{{ID: "1", Name: "saga", Data: "{\"a\":\n1}"}, {ID: "2", Data: "x"}}
	if err != nil || !slices.Equal(got, want) || last != "2" {
		t.Fatalf("%+v, last %s, %v", got, last, err)
	}
}

// TestWatch follows a saga over a stream that breaks off twice and a server that
// is away in between.
func TestWatch(t *testing.T) {
	streams := 0
	state := "running"
	var resumed []string
	c, w := client(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/events") {
			fmt.Fprintf(w, `{"id":"s","state":%q}`, state)
			return
		}
		streams++
		resumed = append(resumed, r.Header.Get("Last-Event-ID"))
		switch streams {
		case 1:
			_, _ = io.WriteString(w, "id: 1\ndata: {\"sequence\":1,\"state\":\"running\"}\n\nid: 2\ndata: {\"sequ")
		case 2:
			w.WriteHeader(http.StatusBadGateway)
		case 3:
			_, _ = io.WriteString(w, "id: 2\ndata: {\"sequence\":2,\"state\":\"running\",\"step\":\"sweep\",\"step_state\":\"done\"}\n\n")
		default:
			state = "completed"
			_, _ = io.WriteString(w, "id: 3\ndata: {\"sequence\":3,\"state\":\"completed\"}\n\n")
		}
	})
	var seen []int64
	saga, err := c.Watch(context.Background(), "s", func(e SagaEvent) { seen = append(seen, e.Sequence) })
	if err != nil || saga.State != "completed" {
		t.Fatal(saga, err)
	}
	if !slices.Equal(seen, []int64{1, 2, 3}) || !slices.Equal(resumed, []string{"", "1", "1", "2"}) || len(w.all) != 3 {
		t.Errorf("events %v, continued behind %q, waited %v", seen, resumed, w.all)
	}
}

func TestWatchOfNothing(t *testing.T) {
	c, _ := client(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	if _, err := c.Watch(context.Background(), "s", func(SagaEvent) {}); !IsStatus(err, 404) {
		t.Fatal(err)
	}
}
