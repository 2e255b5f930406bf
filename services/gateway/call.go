package gateway

import (
	"context"
	"net/http"

	"github.com/lethe-desk/lethe/services/gateway/internal/route"
)

// call is one HTTP request on its way.
type call struct {
	// in is the request as it came.
	in *http.Request
	// id is the number of the request, told to the client and to services.
	id string
	// match is what stands on the path; route the verb's of it, nil when there is none.
	match route.Match
	found bool
	route *route.Route
	// params are the path's variables by name.
	params map[string]string
	// base is scheme and host of absolute URLs.
	base string
	// answer is the JSON of a success.
	answer []byte
}

type callKey struct{}

// callOf returns the request a context belongs to; an empty one outside of a request.
func callOf(ctx context.Context) *call {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c
	}
	return &call{}
}

// template names the request in logs and spans: never the path, which holds ids, nor the query.
func (c *call) template() string {
	switch {
	case c.found:
		return c.match.Any().Template
	case c.in != nil && isOperational(c.in.URL.Path):
		return c.in.URL.Path
	}
	return ""
}

// recorder remembers the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader sends the header once.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 || r.status < http.StatusOK {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write sends bytes, and the header before the first.
func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Flush sends what is buffered.
func (r *recorder) Flush() {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	_ = http.NewResponseController(r.ResponseWriter).Flush() // a writer that cannot flush does not buffer
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
