package importer

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lethe-desk/lethe/services/lethe/internal/restclient"
	"github.com/lethe-desk/lethe/services/lethe/internal/ticketcsv"
)

// desk is a server with the shapes of the API, as far as an import needs them.
type desk struct {
	t     *testing.T
	mu    sync.Mutex
	now   time.Time
	names map[string]string
	// done is what each idempotency key made.
	done map[string]made
	// calls are the writes that came, in order.
	calls []string
	// refuse answers a write instead of the desk; nil lets it pass.
	refuse func(r *http.Request, key string) (status int, body string)
	spam   map[string]bool
	bodies map[string]map[string]any
}

type made struct {
	id   int
	at   time.Time
	spam bool
	gone bool
}

func newDesk(t *testing.T) (*desk, *restclient.Client) {
	t.Helper()
	d := &desk{
		t: t, now: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC), names: map[string]string{}, done: map[string]made{},
		spam: map[string]bool{}, bodies: map[string]map[string]any{},
	}
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	client, err := restclient.New(server.URL, "key", restclient.WithWait(func(ctx context.Context, _ time.Duration) error { return ctx.Err() }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return d, client
}

func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r.Method == http.MethodGet {
		_, _ = w.Write([]byte("[]"))
		return
	}
	key := r.Header.Get("Idempotency-Key")
	var body map[string]any
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		d.t.Errorf("%s: %v", key, err)
	}
	d.calls = append(d.calls, r.Method+" "+r.URL.Path+" "+key)
	if d.refuse != nil {
		if status, text := d.refuse(r, key); status != 0 {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(text))
			return
		}
	}
	have, again := d.done[key]
	switch {
	case again && have.gone:
		w.WriteHeader(http.StatusConflict)
		fmt.Fprintf(w, `{"description":"Validation failed","errors":[{"field":"idempotency_key","message":"done","code":"duplicate_value","additional_info":{"id":%d}}]}`, have.id)
		return
	case again:
		w.Header().Set("Idempotency-Replayed", "true")
	default:
		email, _ := body["email"].(string)
		have = made{id: len(d.done) + 1, at: d.now, spam: d.spam[email]}
		d.done[key] = have
		d.bodies[key] = body
		if name, _ := body["name"].(string); email != "" && d.names[email] == "" {
			d.names[email] = name
		}
	}
	w.WriteHeader(http.StatusCreated)
	fmt.Fprintf(w, `{"id":%d,"spam":%v,"created_at":%q}`, have.id, have.spam, have.at.Format(time.RFC3339))
}

var layout = []string{
	"Ticket ID", "Customer Name", "Customer Email", "Customer Age", "Customer Gender", "Product Purchased", "Date of Purchase", "Ticket Type",
	"Ticket Subject", "Ticket Description", "Ticket Status", "Resolution", "Ticket Priority", "Ticket Channel", "First Response Time",
	"Time to Resolution", "Customer Satisfaction Rating",
}

// rating is what a row says of its satisfaction: nothing unless it was answered.
var rating = map[bool]string{true: "3.0"}

// table writes a small file; each row is Ticket ID, name, e-mail, resolution, channel.
func table(rows ...[5]string) string {
	var out strings.Builder
	w := csv.NewWriter(&out)
	_ = w.Write(layout)
	for _, r := range rows {
		_ = w.Write([]string{
			r[0], r[1], r[2], "41", "Female", "Lamp", "2021-03-22", "Refund request", "Lamp is dark", "It went out & stayed so.\nTwice.",
			"Closed", r[3], "Low", r[4], "2023-06-01 12:15:36", "", rating[r[3] != ""],
		})
	}
	w.Flush()
	return out.String()
}

var sample = table(
	[5]string{"1", "Ada Dorn", "ada@example.com", "Sent a new one.", "Email"},
	[5]string{"2", "Bo Elm", "bo@example.com", "", "Phone"},
	[5]string{"3", "Cy Fir", "cy@example.com", "Done.", "Chat"},
	[5]string{"4", "Ada D.", "ada@example.com", "", "Social media"},
)

func load(t *testing.T, client *restclient.Client, file string) Result {
	t.Helper()
	result, err := Run(context.Background(), client, strings.NewReader(file), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func sum(t *testing.T, r Result) string {
	t.Helper()
	if r.Rows != r.Imported+r.Already+int64(len(r.Failed)) {
		t.Errorf("the counts do not add up: %+v", r)
	}
	return fmt.Sprintf("rows %d imported %d already %d spam %d ratings %d failed %v", r.Rows, r.Imported, r.Already, r.Spam, r.Ratings, r.Failed)
}

func TestImport(t *testing.T) {
	d, client := newDesk(t)
	if got := sum(t, load(t, client, sample)); got != "rows 4 imported 4 already 0 spam 0 ratings 2 failed []" {
		t.Error(got)
	}
	slices.Sort(d.calls)
	id := func(n string) string { return fmt.Sprint(d.done[keyPrefix+n+"/ticket"].id) }
	want := []string{
		"POST /api/v2/calls csv-customer-support/2/call", "POST /api/v2/chats csv-customer-support/3/chat",
		"POST /api/v2/tickets csv-customer-support/1/ticket", "POST /api/v2/tickets csv-customer-support/2/ticket",
		"POST /api/v2/tickets csv-customer-support/3/ticket", "POST /api/v2/tickets csv-customer-support/4/ticket",
		"POST /api/v2/tickets/" + id("1") + "/reply csv-customer-support/1/reply",
		"POST /api/v2/tickets/" + id("3") + "/reply csv-customer-support/3/reply",
		"POST /api/v2/tickets/" + id("1") + "/satisfaction_ratings csv-customer-support/1/rating",
		"POST /api/v2/tickets/" + id("3") + "/satisfaction_ratings csv-customer-support/3/rating",
	}
	slices.Sort(want)
	if !slices.Equal(d.calls, want) {
		t.Errorf("calls\n%s\nwant\n%s", strings.Join(d.calls, "\n"), strings.Join(want, "\n"))
	}
	if d.names["ada@example.com"] != "Ada Dorn" {
		t.Errorf("the first row's name must win, got %q", d.names["ada@example.com"])
	}
}

func TestBodies(t *testing.T) {
	d, client := newDesk(t)
	load(t, client, sample)
	text := func(key string) string {
		raw, _ := json.Marshal(d.bodies[keyPrefix+key])
		return string(raw)
	}
	for key, want := range map[string]string{
		"4/ticket": `{"custom_fields":{"cf_customer_age":41,"cf_customer_gender":"Female","cf_customer_name":"Ada D.","cf_date_of_purchase":"2021-03-22",` +
			`"cf_first_response_time":"2023-06-01 12:15:36","cf_product_purchased":"Lamp"},"description":"It went out \u0026 stayed so.\nTwice.",` +
			`"email":"ada@example.com","name":"Ada D.","priority":1,"source":2,"status":5,"subject":"Lamp is dark","type":"Refund request"}`,
		"1/reply": `{"body":"Sent a new one."}`, "1/rating": `{"ratings":{"default_question":100}}`,
		"2/call": `{"direction":"incoming","notes":"It went out \u0026 stayed so.\nTwice.","ticket_id":` + fmt.Sprint(d.done[keyPrefix+"2/ticket"].id) + `}`,
		"3/chat": `{"messages":[{"from":"contact","text":"It went out \u0026 stayed so.\nTwice."},{"from":"agent","text":"Done."}],"ticket_id":` +
			fmt.Sprint(d.done[keyPrefix+"3/ticket"].id) + `}`,
	} {
		if got := text(key); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", key, got, want)
		}
	}
}

func TestImportAgainAddsNothing(t *testing.T) {
	d, client := newDesk(t)
	load(t, client, sample)
	had := len(d.done)
	d.now = d.now.Add(time.Hour)
	if got := sum(t, load(t, client, sample)); got != "rows 4 imported 0 already 4 spam 0 ratings 0 failed []" || len(d.done) != had {
		t.Errorf("%s, %d things more", got, len(d.done)-had)
	}
}

// TestInterruptedImportIsFinished loses the reply of a row and imports again.
func TestInterruptedImportIsFinished(t *testing.T) {
	d, client := newDesk(t)
	d.refuse = func(r *http.Request, _ string) (int, string) {
		if strings.HasSuffix(r.URL.Path, "/reply") {
			return 500, `{"code":"internal_error","message":"incident 7"}`
		}
		return 0, ""
	}
	if got := load(t, client, sample); len(got.Failed) != 2 || !strings.HasPrefix(got.Failed[0].Reason, "the ticket is in, its reply is not: ") {
		t.Fatalf("%+v", got)
	}
	d.refuse = nil
	d.now = d.now.Add(time.Hour)
	if got := sum(t, load(t, client, sample)); got != "rows 4 imported 0 already 4 spam 0 ratings 2 failed []" || len(d.done) != 10 {
		t.Errorf("%s, %d things", got, len(d.done))
	}
}

// TestErasedRatingsStayAway finds the ticket of a row and neither its rating nor
// a way to make it again: the person was erased between two answers.
func TestErasedRatingsStayAway(t *testing.T) {
	for name, refuse := range map[string]func(r *http.Request, key string) (int, string){
		"done": nil,
		"gone": func(r *http.Request, key string) (int, string) {
			if strings.HasSuffix(key, "/rating") {
				return http.StatusNotFound, ""
			}
			return 0, ""
		},
	} {
		d, client := newDesk(t)
		load(t, client, sample)
		for _, key := range []string{"1/rating", "3/rating"} {
			m := d.done[keyPrefix+key]
			m.gone = true
			d.done[keyPrefix+key] = m
		}
		d.refuse = refuse
		rated := int64(0)
		var mu sync.Mutex
		result, err := Run(context.Background(), client, strings.NewReader(sample), Options{Rated: func(n int64) {
			mu.Lock()
			defer mu.Unlock()
			rated += n
		}})
		if got := sum(t, result); err != nil || got != "rows 4 imported 0 already 4 spam 0 ratings 0 failed []" || rated != 2 {
			t.Errorf("%s: %s, %v, progress %d", name, got, err, rated)
		}
	}
}

// TestErasedPeopleStayAway imports again after an erasure.
func TestErasedPeopleStayAway(t *testing.T) {
	d, client := newDesk(t)
	load(t, client, sample)
	for key, m := range d.done {
		if strings.Contains(key, "/1/") || strings.Contains(key, "/4/") {
			m.gone = true
			d.done[key] = m
		}
	}
	d.calls = nil
	d.now = d.now.Add(time.Hour)
	if got := sum(t, load(t, client, sample)); got != "rows 4 imported 0 already 4 spam 0 ratings 0 failed []" {
		t.Error(got)
	}
	for _, call := range d.calls {
		if strings.Contains(call, keyPrefix+"1/reply") || strings.Contains(call, keyPrefix+"1/rating") {
			t.Errorf("wrote to a ticket that is gone: %s", call)
		}
	}
}

func TestSpamTakesNoReply(t *testing.T) {
	d, client := newDesk(t)
	d.spam["ada@example.com"] = true
	if got := sum(t, load(t, client, sample)); got != "rows 4 imported 4 already 0 spam 2 ratings 1 failed []" {
		t.Error(got)
	}
	for _, call := range d.calls {
		if strings.Contains(call, keyPrefix+"1/r") {
			t.Errorf("replied to spam: %s", call)
		}
	}
}

func TestBrokenRowsAreReported(t *testing.T) {
	d, client := newDesk(t)
	file := sample + "5,too,short\n" + strings.TrimPrefix(table([5]string{"6", "Di Gum", "no address", "", "Email"}), strings.Join(layout, ",")+"\n")
	var rows int64
	var mu sync.Mutex
	result, err := Run(context.Background(), client, strings.NewReader(file), Options{Progress: func(n int64) {
		mu.Lock()
		defer mu.Unlock()
		rows += n
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := []Failure{{10, "the row has 3 fields, the header 17"}, {11, "Customer Email: is not an e-mail address"}}
	if sum(t, result); result.Rows != 6 || result.Imported != 4 || !slices.Equal(result.Failed, want) || rows != 6 {
		t.Errorf("%+v, progress %d", result, rows)
	}
	for _, call := range d.calls {
		if strings.Contains(call, keyPrefix+"6/") {
			t.Errorf("wrote of a broken row: %s", call)
		}
	}
}

func TestRefusedRowDoesNotEndTheImport(t *testing.T) {
	d, client := newDesk(t)
	d.refuse = func(_ *http.Request, key string) (int, string) {
		if strings.Contains(key, keyPrefix+"2/") {
			return 400, `{"description":"Validation failed","errors":[{"field":"type","message":"is unknown","code":"invalid_value"}]}`
		}
		return 0, ""
	}
	result := load(t, client, sample)
	if sum(t, result); result.Imported != 3 || len(result.Failed) != 1 || result.Failed[0].Line != 4 {
		t.Errorf("%+v", result)
	}
}

func TestWhatEndsTheImport(t *testing.T) {
	for status, body := range map[int]string{
		401: `{"code":"invalid_credentials","message":"no"}`, 403: `{"code":"access_denied","message":"no"}`, 503: "",
	} {
		d, client := newDesk(t)
		d.refuse = func(*http.Request, string) (int, string) { return status, body }
		_, err := Run(context.Background(), client, strings.NewReader(sample), Options{Workers: 1})
		if !restclient.IsStatus(err, status) {
			t.Errorf("%d: %v", status, err)
		}
		if len(d.done) != 0 {
			t.Errorf("%d: wrote %v", status, d.done)
		}
	}
	_, client := newDesk(t)
	_, err := Run(context.Background(), client, strings.NewReader("a,b\n"), Options{})
	var bad *ticketcsv.HeaderError
	if !errors.As(err, &bad) {
		t.Errorf("header: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Run(ctx, client, strings.NewReader(sample), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestOneAddressOneWorker(t *testing.T) {
	d, client := newDesk(t)
	var rows [][5]string
	for i := range 200 {
		rows = append(rows, [5]string{fmt.Sprint(i + 1), fmt.Sprintf("Name %d", i), fmt.Sprintf("p%d@example.com", i%10), "", "Email"})
	}
	load(t, client, table(rows...))
	for i := range 10 {
		if got := d.names[fmt.Sprintf("p%d@example.com", i)]; got != fmt.Sprintf("Name %d", i) {
			t.Errorf("address %d is called %q", i, got)
		}
	}
}
