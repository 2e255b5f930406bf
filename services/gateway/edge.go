package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"

	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/ids"
	"github.com/lethe-desk/lethe/services/internal/platform/obs"
)

// The headers of the interface.
const (
	headerRequestID  = "X-Request-Id"
	headerAPIVersion = "X-Freshdesk-Api-Version"
	apiVersion       = "latest=v2; requested=v2"
	apiRoot          = "/api/v2"
)

// ServeHTTP answers one request: guards against panics, numbers it, finds its
// route, traces it under the route's template, and logs one line.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	started := g.cfg.Now()
	c := &call{in: r, id: r.Header.Get(headerRequestID)}
	if !ids.IsRequest(c.id) {
		c.id = ids.Request()
	}
	c.base = g.baseURL(r)
	if strings.HasPrefix(r.URL.Path, apiRoot+"/") {
		c.match, c.found = g.table.Find(r.URL.Path)
	}
	if c.found {
		c.route = c.match.Route(r.Method)
	}
	ctx := context.WithValue(obs.WithRequestID(r.Context(), c.id), callKey{}, c)
	rec := &recorder{ResponseWriter: w}
	w.Header().Set(headerRequestID, c.id)
	defer func() {
		level := slog.LevelInfo
		if isOperational(r.URL.Path) {
			level = slog.LevelDebug
		}
		g.cfg.Log.LogAttrs(ctx, level, "http request",
			slog.String(obs.KeyVerb, verbOf(r.Method)), slog.String(obs.KeyRoute, c.template()), slog.Int(obs.KeyStatus, rec.status),
			slog.Int64(obs.KeyDurationMS, g.cfg.Now().Sub(started).Milliseconds()))
	}()
	defer g.guard(ctx, rec, c)
	g.traced.ServeHTTP(rec, traceable(ctx, c))
}

// traceable is the request as telemetry may see it: the template in place of
// path and query, the headers that carry the trace, nothing of the client.
func traceable(ctx context.Context, c *call) *http.Request {
	r := &http.Request{
		Method: verbOf(c.in.Method), URL: &url.URL{Path: c.template()}, Pattern: c.template(), Header: http.Header{},
		Proto: c.in.Proto, ProtoMajor: c.in.ProtoMajor, ProtoMinor: c.in.ProtoMinor, TLS: c.in.TLS, Body: http.NoBody,
	}
	for _, name := range obs.Propagator().Fields() {
		if v := c.in.Header.Get(name); v != "" {
			r.Header.Set(name, v)
		}
	}
	return r.WithContext(ctx)
}

// verbOf returns a known verb, for a client may send anything as one.
func verbOf(method string) string {
	switch method {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodHead, http.MethodOptions:
		return method
	}
	return "OTHER"
}

// guard makes a panic an answer. An answer already begun is cut off instead,
// so that nobody takes it for whole.
func (g *Gateway) guard(ctx context.Context, rec *recorder, c *call) {
	p := recover()
	if p == nil {
		return
	}
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(http.ErrAbortHandler)
	}
	incident := ids.Incident()
	g.cfg.Log.LogAttrs(ctx, slog.LevelError, "http handler panicked",
		slog.String(obs.KeyIncident, incident), slog.String(obs.KeyPanic, fmt.Sprintf("%T", p)), slog.String(obs.KeyStack, string(debug.Stack())))
	if rec.status != 0 {
		panic(http.ErrAbortHandler)
	}
	g.fail(rec, c, fault.Internal(errors.New("panic")).With(fault.MetaIncident, incident))
}

// isOperational says that a path belongs to whoever runs the process.
func isOperational(path string) bool {
	return path == "/healthz" || path == "/readyz" || path == "/metrics"
}

// serve is everything inside of the span.
func (g *Gateway) serve(w http.ResponseWriter, r *http.Request) {
	c := callOf(r.Context())
	r = c.in.WithContext(r.Context())
	g.secure(w, r)
	if g.cors(w, r) {
		return
	}
	if isOperational(r.URL.Path) {
		g.operational(w, r)
		return
	}
	if describe(w, r) {
		return
	}
	w.Header().Set(headerAPIVersion, apiVersion)
	if err := g.admit(c); err != nil {
		g.fail(w, c, err)
		return
	}
	g.answerRoute(w, r, c)
}

func (g *Gateway) operational(w http.ResponseWriter, r *http.Request) {
	h := map[string]http.Handler{"/healthz": g.cfg.Live, "/readyz": g.cfg.Ready, "/metrics": g.cfg.Metrics}[r.URL.Path]
	if h == nil {
		notFound(w)
		return
	}
	h.ServeHTTP(w, r)
}

// secure sets what browsers should know of an interface that shows no pages.
func (g *Gateway) secure(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
	if r.TLS != nil || strings.HasPrefix(callOf(r.Context()).base, "https://") {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// cors lets pages of any origin call with a key of their own: no cookie opens
// anything here. It answers a preflight and returns true.
func (g *Gateway) cors(w http.ResponseWriter, r *http.Request) bool {
	if r.Header.Get("Origin") == "" {
		return false
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "Link, Location, Retry-After, X-Request-Id, X-RateLimit-Total, X-RateLimit-Remaining, X-RateLimit-Used-CurrentRequest, X-Freshdesk-Api-Version")
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Accept, Idempotency-Key, Last-Event-ID, X-Request-Id, traceparent, tracestate")
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true
}

// baseURL is scheme and host of absolute URLs: the configured ones, else those the client used.
func (g *Gateway) baseURL(r *http.Request) string {
	if g.cfg.BaseURL != "" {
		return g.cfg.BaseURL
	}
	scheme, host := "http", r.Host
	if r.TLS != nil {
		scheme = "https"
	}
	if g.cfg.TrustForwarded {
		if s := first(r.Header.Get("X-Forwarded-Proto")); s == "http" || s == "https" {
			scheme = s
		}
		if s := first(r.Header.Get("X-Forwarded-Host")); isHost(s) {
			host = s
		}
	}
	return scheme + "://" + host
}

// first returns what the proxy nearest to the client said.
func first(list string) string {
	s, _, _ := strings.Cut(list, ",")
	return strings.TrimSpace(s)
}

func isHost(s string) bool {
	u, err := url.Parse("http://" + s)
	return s != "" && err == nil && u.Host == s
}
