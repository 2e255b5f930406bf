package restclient

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Error is a refusal by the API.
type Error struct {
	// Status is the HTTP status.
	Status int
	// Code is the API's code of the whole answer, empty for validation errors.
	Code string
	// Message is the API's text for people, or its description.
	Message string
	// Violations are the fields that are wrong.
	Violations []Violation
	// RequestID names the call in the server's log.
	RequestID string
	// Route is method and path of the call, without its query.
	Route string
	// RetryAfter is how long the server asks to wait; 0 when it does not say.
	RetryAfter time.Duration
}

// Violation is one field that is wrong.
type Violation struct {
	// Field is the field's name, Code and Message say what is wrong with it.
	Field   string `json:"field"`
	Message string `json:"message"`
	Code    string `json:"code"`
	// Info holds further ids, such as user_id of the contact that has an address.
	Info map[string]any `json:"additional_info"`
}

// Error is one line with all the API told.
func (e *Error) Error() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s answered %d", e.Route, e.Status)
	if e.Code != "" {
		fmt.Fprintf(&out, " %s", e.Code)
	}
	if e.Message != "" {
		fmt.Fprintf(&out, ": %s", e.Message)
	}
	for _, v := range e.Violations {
		fmt.Fprintf(&out, "; %s: %s (%s)", v.Field, v.Message, v.Code)
	}
	if e.RequestID != "" {
		fmt.Fprintf(&out, " [request %s]", e.RequestID)
	}
	return out.String()
}

// AlreadyDone says that the idempotency key was used before and that what it
// made is gone since, or hidden.
func (e *Error) AlreadyDone() bool {
	if e.Status != http.StatusConflict {
		return false
	}
	for _, v := range e.Violations {
		if v.Field == "idempotency_key" && v.Code == "duplicate_value" {
			return true
		}
	}
	return e.Code == "already_done"
}

// AsError returns the API's refusal inside err, or nil.
func AsError(err error) *Error {
	var refusal *Error
	if errors.As(err, &refusal) {
		return refusal
	}
	return nil
}

// IsStatus says whether err is a refusal with this HTTP status.
func IsStatus(err error, status int) bool {
	refusal := AsError(err)
	return refusal != nil && refusal.Status == status
}

// ErrUnreachable is wrapped by errors of a server that does not take connections.
var ErrUnreachable = errors.New("the server does not answer")

// refused says that no connection was made, so the call cannot have had an effect.
func refused(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED)
}

// brokenOff says that the connection was lost, so the call may have had an effect.
func brokenOff(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// maxErrorBody is how much of an error's body is read.
const maxErrorBody = 1 << 20

func readError(res *http.Response, route string) *Error {
	e := &Error{Status: res.StatusCode, RequestID: res.Header.Get("X-Request-Id"), Route: route, RetryAfter: retryAfter(res.Header)}
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxErrorBody))
	if err != nil || len(raw) == 0 {
		return e
	}
	var body struct {
		Code        string      `json:"code"`
		Message     string      `json:"message"`
		Description string      `json:"description"`
		Errors      []Violation `json:"errors"`
	}
	if json.Unmarshal(raw, &body) != nil {
		return e
	}
	e.Code, e.Message, e.Violations = body.Code, body.Message, body.Errors
	if e.Message == "" {
		e.Message = body.Description
	}
	return e
}

func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
