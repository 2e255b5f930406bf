package restclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// attempts is how often a call is tried when repeating is safe.
	attempts = 6
	// firstWait doubles after each attempt, up to maxWait.
	firstWait = 200 * time.Millisecond
	maxWait   = 30 * time.Second
)

// Client calls one Lethe. It may be used by many goroutines.
type Client struct {
	base *url.URL
	key  string
	http *http.Client
	wait func(ctx context.Context, d time.Duration) error
}

// Option adjusts a Client.
type Option func(*Client)

// WithWait replaces how the client waits between attempts.
func WithWait(wait func(ctx context.Context, d time.Duration) error) Option {
	return func(c *Client) { c.wait = wait }
}

// WithHTTP replaces the HTTP client.
func WithHTTP(h *http.Client) Option {
	return func(c *Client) { c.http = h }
}

// New returns a client for the API at base (http or https, no path) with an
// agent's key. The error says what is wrong with base.
func New(base, key string, opts ...Option) (*Client, error) {
	u, err := url.Parse(strings.TrimRight(base, "/"))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return nil, fmt.Errorf("the address of lethe must look like http://127.0.0.1:8080")
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	c := &Client{base: u, key: key, wait: waitFor, http: &http.Client{
		Transport: transport,
		// The key must not follow a redirection to somebody else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	for _, opt := range opts {
		opt(c)
	}
	return c, nil
}

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func waitFor(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Call is one request.
type Call struct {
	// Method and Path, the path beginning with /api/v2 and without a query.
	Method, Path string
	Query        url.Values
	// Body is sent as JSON unless nil.
	Body any
	// Raw, with ContentType, is sent instead of Body.
	Raw         []byte
	ContentType string
	// Key is the idempotency key; with one a POST is safe to repeat.
	Key string
	// Out receives the JSON answer unless nil.
	Out any
}

// Answer tells of a call beside its body.
type Answer struct {
	// Status is the HTTP status.
	Status int
	// Replayed says that the idempotency key was used before and this is the
	// first answer again.
	Replayed bool
	// Next is the query of the next page of a list, or nil.
	Next url.Values
}

// Do makes the call. A refusal is an *Error. A 429 is tried again after the time
// the server asks for; a refused or lost connection and a 503 only when repeating
// is safe: a GET, or a call with a key.
func (c *Client) Do(ctx context.Context, call Call) (Answer, error) {
	body, contentType, err := call.body()
	if err != nil {
		return Answer{}, err
	}
	wait := firstWait
	for attempt := 1; ; attempt++ {
		answer, err := c.once(ctx, call, body, contentType)
		if err == nil || attempt == attempts || !call.mayRepeat(err) || ctx.Err() != nil {
			return answer, err
		}
		pause := wait
		if refusal := AsError(err); refusal != nil && refusal.RetryAfter > 0 {
			pause = refusal.RetryAfter
		}
		if err := c.wait(ctx, min(pause, 2*maxWait)); err != nil {
			return Answer{}, err
		}
		wait = min(2*wait, maxWait)
	}
}

func (call Call) body() ([]byte, string, error) {
	if call.Raw != nil {
		return call.Raw, call.ContentType, nil
	}
	if call.Body == nil {
		return nil, "", nil
	}
	raw, err := json.Marshal(call.Body)
	if err != nil {
		return nil, "", fmt.Errorf("encode the body of %s: %w", call.route(), err)
	}
	return raw, "application/json", nil
}

func (call Call) route() string { return call.Method + " " + call.Path }

func (call Call) mayRepeat(err error) bool {
	safe := call.Method == http.MethodGet || call.Key != ""
	if refusal := AsError(err); refusal != nil {
		return refusal.Status == http.StatusTooManyRequests || refusal.Status == http.StatusServiceUnavailable && safe
	}
	return safe && (refused(err) || brokenOff(err))
}

func (c *Client) request(ctx context.Context, call Call, body []byte, contentType string) (*http.Request, error) {
	target := *c.base
	target.Path += call.Path
	target.RawQuery = call.Query.Encode()
	req, err := http.NewRequestWithContext(ctx, call.Method, target.String(), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("prepare %s: the address is not valid", call.route())
	}
	req.SetBasicAuth(c.key, "X")
	// An administrator's commands are not counted against the account's rate limit.
	req.Header.Set("X-Lethe-Operator", "1")
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if call.Key != "" {
		req.Header.Set("Idempotency-Key", call.Key)
	}
	return req, nil
}

// send makes the call once; the caller closes the body of a good answer.
func (c *Client) send(req *http.Request, route string) (*http.Response, error) {
	res, err := c.http.Do(req)
	if err != nil {
		return nil, hideQuery(err, route)
	}
	if res.StatusCode/100 != 2 {
		defer res.Body.Close()
		return nil, readError(res, route)
	}
	return res, nil
}

// hideQuery takes the URL out of the transport's error, because a query may
// hold an address.
func hideQuery(err error, route string) error {
	cause := err
	var wrapper *url.Error
	if errors.As(err, &wrapper) {
		cause = wrapper.Err
	}
	if refused(cause) {
		return fmt.Errorf("%s: %w: %w", route, ErrUnreachable, cause)
	}
	return fmt.Errorf("%s: %w", route, cause)
}

func (c *Client) once(ctx context.Context, call Call, body []byte, contentType string) (Answer, error) {
	req, err := c.request(ctx, call, body, contentType)
	if err != nil {
		return Answer{}, err
	}
	req.Header.Set("Accept", "application/json")
	res, err := c.send(req, call.route())
	if err != nil {
		return Answer{}, err
	}
	defer res.Body.Close()
	answer := Answer{Status: res.StatusCode, Next: nextPage(res.Header.Get("Link")), Replayed: res.Header.Get("Idempotency-Replayed") == "true"}
	if call.Out == nil || res.StatusCode == http.StatusNoContent {
		_, _ = io.Copy(io.Discard, res.Body)
		return answer, nil
	}
	if err := json.NewDecoder(res.Body).Decode(call.Out); err != nil {
		return answer, fmt.Errorf("%s: the answer is not the JSON expected: %w", call.route(), decodeCause(err))
	}
	return answer, nil
}

// decodeCause drops the value from a JSON error and keeps the field.
func decodeCause(err error) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return fmt.Errorf("field %s has another type", wrong.Field)
	}
	return err
}

func nextPage(link string) url.Values {
	target, rel, found := strings.Cut(link, ">; ")
	if !found || !strings.HasPrefix(target, "<") || rel != `rel="next"` {
		return nil
	}
	u, err := url.Parse(target[1:])
	if err != nil {
		return nil
	}
	return u.Query()
}

// Download streams the answer of a GET into w and returns the number of bytes.
func (c *Client) Download(ctx context.Context, path string, w io.Writer) (int64, error) {
	call := Call{Method: http.MethodGet, Path: path}
	req, err := c.request(ctx, call, nil, "")
	if err != nil {
		return 0, err
	}
	res, err := c.send(req, call.route())
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	n, err := io.Copy(w, res.Body)
	if err != nil {
		return n, fmt.Errorf("%s broke off: %w", call.route(), err)
	}
	return n, nil
}
