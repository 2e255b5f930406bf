package gateway

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	privacyv1 "github.com/lethe-desk/lethe/gen/go/lethe/privacy/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/ids"
	"github.com/lethe-desk/lethe/services/internal/platform/obs"
)

// statusClientClosed is what the log says of a client that went away.
const statusClientClosed = 499

// problem is the body of an error that is about no field.
type problem struct {
	Code    string `json:"code,omitempty"`
	Message string `json:"message"`
}

// validation is the body of an error about fields.
type validation struct {
	Description string      `json:"description"`
	Errors      []violation `json:"errors"`
}

type violation struct {
	Field   string           `json:"field"`
	Message string           `json:"message"`
	Code    string           `json:"code"`
	Info    map[string]int64 `json:"additional_info,omitempty"`
}

// statuses is the status of each kind; reasons below may change it.
var statuses = map[fault.Kind]int{
	fault.KindInternal:        http.StatusInternalServerError,
	fault.KindInvalid:         http.StatusBadRequest,
	fault.KindNotFound:        http.StatusNotFound,
	fault.KindExists:          http.StatusConflict,
	fault.KindConflict:        http.StatusConflict,
	fault.KindPrecondition:    http.StatusConflict,
	fault.KindDenied:          http.StatusForbidden,
	fault.KindUnauthenticated: http.StatusUnauthorized,
	fault.KindExhausted:       http.StatusRequestEntityTooLarge,
	fault.KindUnavailable:     http.StatusServiceUnavailable,
	fault.KindDeadline:        http.StatusGatewayTimeout,
	fault.KindCancelled:       statusClientClosed,
	fault.KindUnimplemented:   http.StatusNotFound,
}

// byReason are the reasons that have a status of their own, whatever the kind.
var byReason = map[faultv1.Reason]int{
	faultv1.Reason_REASON_METHOD_NOT_ALLOWED:     http.StatusMethodNotAllowed,
	faultv1.Reason_REASON_NOT_ACCEPTABLE:         http.StatusNotAcceptable,
	faultv1.Reason_REASON_UNSUPPORTED_MEDIA_TYPE: http.StatusUnsupportedMediaType,
	faultv1.Reason_REASON_RATE_LIMITED:           http.StatusTooManyRequests,
	faultv1.Reason_REASON_FENCED:                 http.StatusNotFound,
	faultv1.Reason_REASON_RESTRICTED:             http.StatusForbidden,
	faultv1.Reason_REASON_FOUR_EYES:              http.StatusForbidden,
	faultv1.Reason_REASON_HELD:                   http.StatusForbidden,
}

func statusOf(f *fault.Error) int {
	if s, ok := byReason[f.Reason]; ok {
		return s
	}
	return statuses[f.Kind]
}

// fail writes an error as Freshdesk's clients expect it. Causes stay inside.
func (g *Gateway) fail(w http.ResponseWriter, c *call, err error) {
	f := fault.FromStatus(err)
	status := statusOf(f)
	h := w.Header()
	for _, name := range []string{"Content-Length", "Location", "Link"} {
		h.Del(name)
	}
	if c.route != nil && c.route.FullMethod == privacyv1.PrivacyService_HardDeleteContact_FullMethodName && (status == http.StatusBadRequest || status == http.StatusConflict) && len(f.Violations) == 0 {
		// Freshdesk's answer for a contact that is not soft deleted.
		empty(w, http.StatusBadRequest)
		return
	}
	switch status {
	case http.StatusNotFound:
		notFound(w)
	case statusClientClosed:
		w.WriteHeader(status)
	case http.StatusMethodNotAllowed:
		notAllowed(w, c)
	case http.StatusInternalServerError:
		g.internal(w, c, f)
	default:
		retryAfter(h, status, f)
		writeJSON(w, status, body(status, f))
	}
}

// body is the JSON of an error.
func body(status int, f *fault.Error) any {
	if len(f.Violations) > 0 && (status == http.StatusBadRequest || status == http.StatusConflict) {
		v := validation{Description: "Validation failed"}
		for _, one := range f.Violations {
			v.Errors = append(v.Errors, violation{Field: one.Field, Message: one.Message, Code: fault.ReasonName(one.Code), Info: one.Info})
		}
		return v
	}
	switch status {
	case http.StatusUnauthorized:
		return problem{Code: "invalid_credentials", Message: "You have to be logged in to perform this action."}
	case http.StatusRequestEntityTooLarge:
		return problem{Code: "invalid_value", Message: "The request is too large."}
	case http.StatusTooManyRequests:
		return problem{Code: "rate_limited", Message: "You have used up your calls for now."}
	}
	return problem{Code: fault.ReasonName(f.Reason), Message: f.Message}
}

func retryAfter(h http.Header, status int, f *fault.Error) {
	switch status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		seconds, err := strconv.Atoi(f.Meta["retry_after"])
		if err != nil || seconds < 1 {
			seconds = 1
		}
		h.Set("Retry-After", strconv.Itoa(seconds))
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Basic realm="Lethe", charset="UTF-8"`)
	}
}

// internal tells an incident's number. Whoever made the fault has logged its
// cause under it; a cause of the gateway's own is logged here.
func (g *Gateway) internal(w http.ResponseWriter, c *call, f *fault.Error) {
	incident := f.Meta[fault.MetaIncident]
	if incident == "" {
		incident = ids.Incident()
		ctx := context.Background()
		if c.in != nil {
			ctx = obs.WithRequestID(c.in.Context(), c.id)
		}
		g.cfg.Log.LogAttrs(ctx, slog.LevelError, "request failed inside",
			slog.String(obs.KeyIncident, incident), slog.String(obs.KeyRoute, c.template()), slog.String(obs.KeyCause, cause(f)))
	}
	writeJSON(w, http.StatusInternalServerError, problem{Code: "internal_error", Message: "Something went wrong on our side; ask for incident " + incident})
}

// cause is the text of a fault's cause for the log. What a foreign server said may hold anything, so it is left out.
func cause(f *fault.Error) string {
	if f.Remote || f.Cause() == nil {
		return "the called service gave none"
	}
	return f.Cause().Error()
}

// notAllowed names the verbs that would do.
func notAllowed(w http.ResponseWriter, c *call) {
	verbs := slices.DeleteFunc(c.match.Verbs(), func(v string) bool { return v == c.in.Method })
	list := strings.Join(verbs, ", ")
	w.Header().Set("Allow", list)
	writeJSON(w, http.StatusMethodNotAllowed, problem{Message: verbOf(c.in.Method) + " method is not allowed. It should be one of these method(s): " + list})
}

// notFound has no body, and is not called JSON: clients that trust the label would parse it.
func notFound(w http.ResponseWriter) { empty(w, http.StatusNotFound) }

func empty(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(status)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil { // the bodies above always can
		empty(w, status)
		return
	}
	w.Header().Set("Content-Type", jsonType)
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	_, _ = w.Write(b) // a client that went away is told nothing
}
