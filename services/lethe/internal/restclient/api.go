package restclient

import (
	"bytes"
	"context"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Contact is a person as far as the commands need to know.
type Contact struct {
	ID      int64 `json:"id"`
	Deleted bool  `json:"deleted"`
}

// Ticket is a ticket as far as the commands need to know.
type Ticket struct {
	ID   int64 `json:"id"`
	Spam bool  `json:"spam"`
}

// Request is what a person asked for.
type Request struct {
	ID        int64      `json:"id"`
	Kind      string     `json:"kind"`
	State     string     `json:"state"`
	ContactID int64      `json:"contact_id"`
	SagaID    string     `json:"saga_id"`
	ExportID  int64      `json:"export_id"`
	DueBy     *time.Time `json:"due_by"`
	CreatedAt time.Time  `json:"created_at"`
	UpdatedAt time.Time  `json:"updated_at"`
}

// Export is an archive of what is held about a person.
type Export struct {
	ID      int64  `json:"id"`
	State   string `json:"state"`
	Size    int64  `json:"size"`
	SHA256  string `json:"sha256"`
	Records int64  `json:"records"`
	Files   int64  `json:"files"`
	SagaID  string `json:"saga_id"`
}

// Saga is the run that carries a request out.
type Saga struct {
	ID        string     `json:"id"`
	Kind      string     `json:"kind"`
	State     string     `json:"state"`
	Stage     string     `json:"stage"`
	Subject   int64      `json:"subject"`
	TraceID   string     `json:"trace_id"`
	Reason    string     `json:"reason,omitempty"`
	Steps     []Step     `json:"steps,omitempty"`
	Outcomes  []Outcome  `json:"outcomes,omitempty"`
	RequestID int64      `json:"request_id,omitempty"`
	ExportID  int64      `json:"export_id,omitempty"`
	CreatedAt time.Time  `json:"created_at"`
	UpdatedAt time.Time  `json:"updated_at"`
	Finished  *time.Time `json:"finished_at,omitempty"`
}

// Ended says that nothing will happen to the saga by itself any more: it came to
// one of its ends, or is parked until a person retries it.
func (s Saga) Ended() bool { return EndState(s.State) }

// EndState says whether a saga in this state waits for nobody but a person.
func EndState(state string) bool {
	switch state {
	case "completed", "refused", "cancelled", "parked":
		return true
	}
	return false
}

// Step is one call of a saga.
type Step struct {
	Stage    string `json:"stage"`
	Name     string `json:"name"`
	State    string `json:"state"`
	Attempts int    `json:"attempts"`
	Code     string `json:"code,omitempty"`
}

// Outcome is what one participant answered for one resource.
type Outcome struct {
	Participant string `json:"participant"`
	Outcome     struct {
		Resource string     `json:"resource"`
		Category string     `json:"category"`
		Kind     string     `json:"kind"`
		Count    int64      `json:"count"`
		Ground   string     `json:"ground,omitempty"`
		Until    *time.Time `json:"until,omitempty"`
	} `json:"outcome"`
}

// SagaEvent is a movement of a saga.
type SagaEvent struct {
	Sequence  int64     `json:"sequence"`
	Saga      string    `json:"saga"`
	State     string    `json:"state"`
	Stage     string    `json:"stage"`
	Step      string    `json:"step,omitempty"`
	StepState string    `json:"step_state,omitempty"`
	Code      string    `json:"code,omitempty"`
	Done      int64     `json:"done,omitempty"`
	Total     int64     `json:"total,omitempty"`
	At        time.Time `json:"at"`
}

// Post creates something under an idempotency key; out receives the answer.
func (c *Client) Post(ctx context.Context, path, key string, body, out any) (Answer, error) {
	return c.Do(ctx, Call{Method: http.MethodPost, Path: path, Key: key, Body: body, Out: out})
}

// Get reads something.
func (c *Client) Get(ctx context.Context, path string, query url.Values, out any) (Answer, error) {
	return c.Do(ctx, Call{Method: http.MethodGet, Path: path, Query: query, Out: out})
}

// ContactByEmail finds a person by address, soft deleted or not; nil when there
// is nobody.
func (c *Client) ContactByEmail(ctx context.Context, email string) (*Contact, error) {
	for _, state := range []string{"", "deleted"} {
		query := url.Values{"email": {email}}
		if state != "" {
			query.Set("state", state)
		}
		var found []Contact
		if _, err := c.Get(ctx, "/api/v2/contacts", query, &found); err != nil {
			return nil, err
		}
		if len(found) > 0 {
			found[0].Deleted = found[0].Deleted || state != ""
			return &found[0], nil
		}
	}
	return nil, nil
}

// CreateRequest raises a request of a kind (erasure or export) about a person, on the caller's own authority: it starts at once.
func (c *Client) CreateRequest(ctx context.Context, kind string, contact int64, key string) (*Request, error) {
	out, err := c.RaiseRequest(ctx, Raise{Kind: kind, Contact: contact, Direct: true}, key)
	if err != nil {
		return nil, err
	}
	if out.SagaID == "" {
		return nil, fmt.Errorf("request %d was taken and no saga was started for it", out.ID)
	}
	return &out.Request, nil
}

// Saga reads one saga.
func (c *Client) Saga(ctx context.Context, id string) (*Saga, error) {
	var out Saga
	_, err := c.Get(ctx, "/api/v2/privacy/sagas/"+url.PathEscape(id), nil, &out)
	return &out, err
}

// RetrySaga resumes a parked saga.
func (c *Client) RetrySaga(ctx context.Context, id string) (*Saga, error) {
	var out Saga
	_, err := c.Do(ctx, Call{Method: http.MethodPost, Path: "/api/v2/privacy/sagas/" + url.PathEscape(id) + "/retry", Out: &out})
	return &out, err
}

// Sagas reads all sagas, newest first, up to limit of them (0 for no limit).
func (c *Client) Sagas(ctx context.Context, query url.Values, limit int) ([]Saga, error) {
	all := []Saga{}
	for {
		var page []Saga
		answer, err := c.Get(ctx, "/api/v2/privacy/sagas", query, &page)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if limit > 0 && len(all) >= limit {
			return all[:limit], nil
		}
		if answer.Next == nil || len(page) == 0 {
			return all, nil
		}
		query = answer.Next
	}
}

// Export reads the state of an export.
func (c *Client) Export(ctx context.Context, id int64) (*Export, error) {
	var out Export
	_, err := c.Get(ctx, "/api/v2/privacy/exports/"+strconv.FormatInt(id, 10), nil, &out)
	return &out, err
}

// File is a file to attach.
type File struct {
	Name, ContentType string
	Data              []byte
}

// PostMultipart creates something with files and text fields. It is not
// repeated when the connection fails, because files get new ids each time.
func (c *Client) PostMultipart(ctx context.Context, path string, fields map[string]string, files []File, out any) (Answer, error) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, value := range fields {
		if err := form.WriteField(name, value); err != nil {
			return Answer{}, fmt.Errorf("encode a form: %w", err)
		}
	}
	for _, f := range files {
		head := textproto.MIMEHeader{}
		head.Set("Content-Disposition", fmt.Sprintf(`form-data; name="attachments[]"; filename="%s"`, escapeQuotes.Replace(f.Name)))
		head.Set("Content-Type", f.ContentType)
		part, err := form.CreatePart(head)
		if err != nil {
			return Answer{}, fmt.Errorf("encode a form: %w", err)
		}
		if _, err := part.Write(f.Data); err != nil {
			return Answer{}, fmt.Errorf("encode a form: %w", err)
		}
	}
	if err := form.Close(); err != nil {
		return Answer{}, fmt.Errorf("encode a form: %w", err)
	}
	return c.Do(ctx, Call{Method: http.MethodPost, Path: path, Raw: body.Bytes(), ContentType: form.FormDataContentType(), Out: out})
}

var escapeQuotes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\r", "%0D", "\n", "%0A")
