package seed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lethe-desk/lethe/services/lethe/internal/restclient"
)

// desk remembers what was made, as far as seeding needs it.
type desk struct {
	mu    sync.Mutex
	now   time.Time
	byKey map[string]string
	// made counts by path with the ids taken out.
	made    map[string]int
	bodies  []string
	private map[string]bool
	files   int
	fail    int
}

func newDesk(t *testing.T) (*desk, *restclient.Client) {
	t.Helper()
	d := &desk{now: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC), byKey: map[string]string{}, made: map[string]int{}, private: map[string]bool{}}
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	client, err := restclient.New(server.URL, "key")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return d, client
}

func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	ticket := strings.TrimPrefix(strings.TrimSuffix(r.URL.Path, "/conversations"), "/api/v2/tickets/")
	if r.Method == http.MethodGet {
		_ = json.NewEncoder(w).Encode([]map[string]any{{"private": d.private[ticket]}})
		return
	}
	if d.fail--; d.fail == 0 {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	key := r.Header.Get("Idempotency-Key")
	if answer, again := d.byKey[key]; again && key != "" {
		w.Header().Set("Idempotency-Replayed", "true")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, answer)
		return
	}
	body, _ := io.ReadAll(r.Body)
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") {
		d.files += strings.Count(string(body), `name="attachments[]"; filename="order.txt"`)
	} else {
		d.bodies = append(d.bodies, string(body))
	}
	route := strings.Map(func(c rune) rune {
		if c >= '0' && c <= '9' {
			return -1
		}
		return c
	}, strings.TrimPrefix(r.URL.Path, "/api/v2"))
	d.made[route]++
	if strings.HasSuffix(r.URL.Path, "/notes") && strings.Contains(string(body), `"private":true`) {
		d.private[strings.Split(r.URL.Path, "/")[4]] = true
	}
	id := fmt.Sprint(len(d.bodies) + d.files)
	if strings.Contains(r.URL.Path, "collaboration") {
		id = `"` + id + `"`
	}
	answer := fmt.Sprintf(`{"id":%s,"created_at":%q}`, id, d.now.Format(time.RFC3339))
	d.byKey[key] = answer
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, answer)
}

func seedDesk(t *testing.T, client *restclient.Client, opts Options) Result {
	t.Helper()
	result, err := Run(context.Background(), client, opts)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// gap is one that was not filled.
var gap = regexp.MustCompile(`\{[a-z-]+\}`)

func TestSeed(t *testing.T) {
	d, client := newDesk(t)
	people := int64(0)
	var mu sync.Mutex
	count := func(n int64) {
		mu.Lock()
		defer mu.Unlock()
		people += n
	}
	got := seedDesk(t, client, Options{
		People: 20, TicketsPer: 5, RatingsPer: 2, TopicsPer: 2, CommentsPer: 3, Articles: 4, Seed: 7, Progress: count, Discussed: count,
	})
	if got.People != 20 || people != 40 || got.Tickets != 100 || got.Already != 0 || got.Notes != 100 {
		t.Errorf("%+v, progress %d", got, people)
	}
	if got.Replies == 0 || got.Huddles == 0 || got.Calls == 0 || got.Chats == 0 || got.Attachments == 0 {
		t.Errorf("something is missing: %+v", got)
	}
	for route, want := range map[string]int64{
		"/contacts": got.People, "/tickets": got.Tickets, "/tickets//reply": got.Replies, "/tickets//notes": got.Notes + got.Attachments,
		"/tickets//satisfaction_ratings": 40, "/discussions/categories": 1, "/discussions/categories//forums": 1, "/discussions/forums//topics": 40,
		"/discussions/topics//comments": 60, "/discussions/topics//follow": 60, "/solutions/categories": 1, "/solutions/categories//folders": 1,
		"/solutions/folders//articles": 4,
		"/collaboration/threads":       got.Huddles, "/collaboration/messages": got.Huddles, "/calls": got.Calls, "/chats": got.Chats,
	} {
		if int64(d.made[route]) != want {
			t.Errorf("%s: made %d, counted %d", route, d.made[route], want)
		}
	}
	if got.Ratings != 40 || got.Topics != 40 || got.Comments != 60 || got.Follows != 60 || got.Articles != 4 {
		t.Errorf("counted %+v", got)
	}
	if int64(d.files) != got.Attachments {
		t.Errorf("%d files, counted %d", d.files, got.Attachments)
	}
	for _, body := range d.bodies {
		if strings.ContainsAny(strings.Trim(body, "{}"), "\x00") || gap.MatchString(body) {
			t.Errorf("a gap was not filled: %s", body)
		}
	}
}

func TestSeedTwiceAddsNothing(t *testing.T) {
	d, client := newDesk(t)
	all := Options{People: 5, TicketsPer: 4, RatingsPer: 9, TopicsPer: 1, CommentsPer: 2, Articles: 2, Seed: 1}
	first := seedDesk(t, client, all)
	delete(d.made, "/discussions/topics//follow") // following again changes nothing and takes no key
	had := fmt.Sprint(d.made)
	second := seedDesk(t, client, all)
	delete(d.made, "/discussions/topics//follow")
	if fmt.Sprint(d.made) != had || second.Already != 5 {
		t.Errorf("made %v, had %s, already %d", d.made, had, second.Already)
	}
	second.Already = 0
	if second != first {
		t.Errorf("counted %+v, then %+v", first, second)
	}
}

func TestInterruptedSeedIsFinished(t *testing.T) {
	whole, client := newDesk(t)
	seedDesk(t, client, Options{People: 1, TicketsPer: 6, Seed: 3})
	cut, client := newDesk(t)
	cut.fail = 9
	_, err := Run(context.Background(), client, Options{People: 1, TicketsPer: 6, Seed: 3})
	if !restclient.IsStatus(err, 500) || errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	seedDesk(t, client, Options{People: 1, TicketsPer: 6, Seed: 3})
	for route, n := range whole.made {
		if cut.made[route] < n {
			t.Errorf("%s: %d, whole %d", route, cut.made[route], n)
		}
	}
}

func TestPeopleAreTheSameForTheSameSeed(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(3) {
		for n := 1; n <= 200; n++ {
			p, again := newPerson(seed, n), newPerson(seed, n)
			if fmt.Sprint(p) != fmt.Sprint(again) {
				t.Fatalf("person %d of seed %d differs: %v %v", n, seed, p, again)
			}
			if seen[p.email] {
				t.Fatalf("address twice: %s", p.email)
			}
			seen[p.email] = true
			if _, domain, _ := strings.Cut(p.email, "@"); !strings.HasPrefix(domain, "example.") {
				t.Fatalf("address at a real domain: %s", p.email)
			}
		}
	}
}

func TestWordsAreThere(t *testing.T) {
	for _, section := range []string{
		"first", "last", "street", "city", "title", "product", "type", "subject", "problem", "closing", "reply", "note", "huddle",
		"huddle-message", "call", "chat", "chat-answer", "feedback", "topic", "topic-message", "comment", "article", "article-text",
	} {
		if len(words[section]) == 0 {
			t.Errorf("no words of %s", section)
		}
	}
	for _, name := range append(words["first"], words["last"]...) {
		if got := ascii(name); len(got) < len([]rune(name))-1 {
			t.Errorf("%s loses letters as %s", name, got)
		}
	}
}
