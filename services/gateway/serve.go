package gateway

import (
	"context"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/gateway/internal/identity"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"google.golang.org/protobuf/reflect/protoreflect"
)

const (
	jsonType = "application/json; charset=utf-8"
	formType = "multipart/form-data"
	// maxIdempotencyKey bounds the Idempotency-Key header.
	maxIdempotencyKey = 200
)

// admit checks what needs no caller: path, verb, ids, media types.
func (g *Gateway) admit(c *call) error {
	if !c.found {
		return fault.NotFound("path", 0)
	}
	// An id that cannot be one is not found, whatever the verb.
	params, ok := c.match.Any().Bind(c.match.Values)
	if !ok {
		return fault.NotFound("path", 0)
	}
	if c.route == nil {
		return fault.State(faultv1.Reason_REASON_METHOD_NOT_ALLOWED, "")
	}
	if c.params, ok = c.route.Bind(c.match.Values); !ok || len(params) != len(c.params) {
		return fault.NotFound("path", 0)
	}
	if !c.route.AnyType && !accepts(c.in.Header.Values("Accept")) {
		return fault.New(fault.KindInvalid, faultv1.Reason_REASON_NOT_ACCEPTABLE, "Only application/json can be given")
	}
	if c.takesBody() && c.in.ContentLength != 0 && c.in.Body != http.NoBody {
		switch c.mediaType() {
		case "application/json", formType:
		default:
			return fault.New(fault.KindInvalid, faultv1.Reason_REASON_UNSUPPORTED_MEDIA_TYPE, "Content-Type should be application/json or multipart/form-data")
		}
	}
	return nil
}

// takesBody says that the verb carries a body. One that comes with GET or DELETE is never read.
func (c *call) takesBody() bool {
	return c.route.Verb != http.MethodGet && c.route.Verb != http.MethodDelete
}

func (c *call) mediaType() string {
	t, _, err := mime.ParseMediaType(c.in.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return t
}

// accepts says whether a client takes JSON.
func accepts(headers []string) bool {
	none := true
	for _, part := range strings.Split(strings.Join(headers, ","), ",") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		none = false
		t, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		if q, err := strconv.ParseFloat(params["q"], 64); err == nil && q == 0 {
			continue
		}
		if t == "application/json" || t == "*/*" || t == "application/*" {
			return true
		}
	}
	return none
}

// answerRoute finds out who calls, counts the call, reads it and hands it to its handler.
func (g *Gateway) answerRoute(w http.ResponseWriter, r *http.Request, c *call) {
	caller, err := g.keys.Caller(r.Context(), r.Header.Get("Authorization"))
	if err != nil {
		g.fail(w, c, err)
		return
	}
	if err := g.count(w, c, caller); err != nil {
		g.fail(w, c, err)
		return
	}
	ctx := authn.WithOutgoingToken(r.Context(), caller.Token)
	if !c.route.AnyType {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, g.cfg.Timeout)
		defer cancel()
	}
	req, err := g.read(ctx, w, c)
	if err != nil {
		g.fail(w, c, err)
		return
	}
	c.route.Handler(w, req)
}

// read prepares the request the handler gets: it holds what has been checked
// and nothing else, so that no header of the client becomes metadata of a call.
func (g *Gateway) read(ctx context.Context, w http.ResponseWriter, c *call) (*http.Request, error) {
	values, err := readQuery(c)
	if err != nil {
		return nil, err
	}
	req := (&http.Request{
		Method: c.route.Verb, URL: &url.URL{Path: c.route.Template}, Header: http.Header{},
		Body: http.NoBody, Form: values, PostForm: url.Values{},
	}).WithContext(ctx)
	if c.route.Idempotency != nil {
		key := c.in.Header.Get("Idempotency-Key")
		if !printable(key) {
			return nil, fault.InvalidValue("idempotency_key", "It should be at most 200 printable characters")
		}
		if key != "" {
			values.Set(string(c.route.Idempotency.Name()), key)
		}
	}
	if !c.takesBody() {
		return req, nil
	}
	message, paths, err := g.readBody(ctx, w, c)
	if err != nil {
		return nil, err
	}
	if c.route.Mask != nil && len(paths) > 0 {
		values[string(c.route.Mask.Name())] = paths
	}
	if key := values.Get("idempotency_key"); c.route.Whole && key != "" {
		// Generated code reads no query where the body fills the request.
		message.ProtoReflect().Set(c.route.Idempotency, protoreflect.ValueOfString(key))
		values.Del("idempotency_key")
	}
	if message != nil {
		req.Body = prepared{http.NoBody, message}
	}
	return req, nil
}

func printable(s string) bool {
	for _, b := range []byte(s) {
		if b < 0x20 || b > 0x7E {
			return false
		}
	}
	return len(s) <= maxIdempotencyKey
}

// operatorHeader is how an administrator's call says that it is an operator
// command's, such as an import: those are not counted. Other roles say it in vain.
const operatorHeader = "X-Lethe-Operator"

// count takes the call's credits from the account and says so in the headers.
func (g *Gateway) count(w http.ResponseWriter, c *call, who identity.Caller) error {
	if who.Exempt || who.Operator && c.in.Header.Get(operatorHeader) != "" {
		return nil
	}
	a := g.limits.Take(who.Bucket, credits(c))
	if !a.Limited {
		return nil
	}
	h := w.Header()
	h.Set("X-RateLimit-Total", strconv.Itoa(a.Total))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(a.Remaining))
	h.Set("X-RateLimit-Used-CurrentRequest", strconv.Itoa(a.Used))
	if !a.Allowed {
		return fault.RateLimited(a.RetryAfter)
	}
	return nil
}

// credits is what a call costs: 1, and more for what it includes.
func credits(c *call) int {
	each := 0
	switch c.route.FullMethod {
	case ticketsv1.TicketsService_GetTicket_FullMethodName:
		each = 1
	case ticketsv1.TicketsService_ListTickets_FullMethodName:
		each = 2
	}
	if each == 0 || c.in.URL.RawQuery == "" {
		return 1
	}
	included := c.in.URL.Query().Get("include")
	if included == "" {
		return 1
	}
	return 1 + each*(1+strings.Count(included, ","))
}
