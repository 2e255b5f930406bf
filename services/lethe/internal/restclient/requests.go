package restclient

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// requestsPath is where requests are.
const requestsPath = "/api/v2/privacy/requests"

// Holding is how much a service holds, for whoever decides a request.
type Holding struct {
	Participant string `json:"participant"`
	Resource    string `json:"resource"`
	Category    string `json:"category"`
	Owned       int64  `json:"owned"`
	Linked      int64  `json:"linked"`
	Mentioned   int64  `json:"mentioned"`
}

// RequestFull is a request with who decided it, and what is held while it waits.
type RequestFull struct {
	Request
	TicketID    int64      `json:"ticket_id"`
	RequestedBy int64      `json:"requested_by"`
	ApprovedBy  int64      `json:"approved_by"`
	RefusedBy   int64      `json:"refused_by"`
	Ground      string     `json:"ground"`
	DecidedAt   *time.Time `json:"decided_at"`
	ClosedAt    *time.Time `json:"closed_at"`
	Holdings    []Holding  `json:"holdings,omitempty"`
}

// Raise is what a request asks for.
type Raise struct {
	// Kind is erasure or export.
	Kind string `json:"kind"`
	// Contact is the person, Ticket the one ticket to erase.
	Contact int64 `json:"contact_id,omitempty"`
	Ticket  int64 `json:"ticket_id,omitempty"`
	// Direct verifies and approves it in the same breath.
	Direct bool `json:"direct,omitempty"`
}

// RaiseRequest raises a request; the same key answers the same request again.
func (c *Client) RaiseRequest(ctx context.Context, in Raise, key string) (*RequestFull, error) {
	var out RequestFull
	_, err := c.Post(ctx, requestsPath, key, in, &out)
	return &out, err
}

// RequestByID reads one request.
func (c *Client) RequestByID(ctx context.Context, id int64) (*RequestFull, error) {
	var out RequestFull
	_, err := c.Get(ctx, requestPath(id, ""), nil, &out)
	return &out, err
}

// Requests reads a page of requests, newest first; of one person if contact is not 0.
func (c *Client) Requests(ctx context.Context, contact int64, limit int) ([]RequestFull, error) {
	query := url.Values{"per_page": {strconv.Itoa(limit)}}
	if contact != 0 {
		query.Set("contact_id", strconv.FormatInt(contact, 10))
	}
	out := []RequestFull{}
	_, err := c.Get(ctx, requestsPath, query, &out)
	return out, err
}

// ApproveRequest approves one; it starts.
func (c *Client) ApproveRequest(ctx context.Context, id int64) (*RequestFull, error) {
	var out RequestFull
	_, err := c.Do(ctx, Call{Method: http.MethodPut, Path: requestPath(id, "/approve"), Out: &out})
	return &out, err
}

// RefuseRequest closes one with a ground.
func (c *Client) RefuseRequest(ctx context.Context, id int64, ground string) (*RequestFull, error) {
	var out RequestFull
	_, err := c.Do(ctx, Call{Method: http.MethodPut, Path: requestPath(id, "/refuse"), Body: map[string]string{"ground": ground}, Out: &out})
	return &out, err
}

func requestPath(id int64, behind string) string {
	return requestsPath + "/" + strconv.FormatInt(id, 10) + behind
}

// Account is a company's desk that was made, with its first administrator.
type Account struct {
	Account struct {
		ID   int64  `json:"id"`
		Name string `json:"name"`
	} `json:"account"`
	AdminID int64 `json:"admin_id"`
	// Secret is the administrator's API key, told this once.
	Secret string `json:"secret"`
}

// CreateAccount makes a further account; the same key makes it once.
func (c *Client) CreateAccount(ctx context.Context, name, adminEmail, adminName, key string) (*Account, error) {
	var out Account
	_, err := c.Post(ctx, "/api/v2/accounts", key, map[string]string{"name": name, "admin_email": adminEmail, "admin_name": adminName}, &out)
	return &out, err
}
