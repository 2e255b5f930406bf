package gateway

import (
	"net/http"

	"github.com/lethe-desk/lethe/gen/openapi"
)

// The paths of the description of the REST interface; they need no key.
const (
	openAPIPath = "/openapi.json"
	docsPath    = "/docs"
)

// describe answers the description: as the document itself, and as a page made
// of it. It is false for any other path.
func describe(w http.ResponseWriter, r *http.Request) bool {
	var body []byte
	switch r.URL.Path {
	case openAPIPath:
		body = openapi.Document
		w.Header().Set("Content-Type", jsonType)
	case docsPath, docsPath + "/":
		body = openapi.Page
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; frame-ancestors 'none'")
	default:
		return false
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		empty(w, http.StatusMethodNotAllowed)
		return true
	}
	_, _ = w.Write(body) // a client that went away needs no answer
	return true
}
