package gateway

import (
	"bytes"
	"io"
	"net/http"
	"strconv"

	privacyv1 "github.com/lethe-desk/lethe/gen/go/lethe/privacy/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/datamap"
)

// dataMap answers the data map in a form other than JSON. It asks privacy for
// it like any other call, so the right to read it is checked in the one place.
func (g *Gateway) dataMap(draw func(datamap.Map, io.Writer) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c := callOf(r.Context())
		m, err := g.privacy.GetDataMap(r.Context(), &privacyv1.GetDataMapRequest{})
		if err != nil {
			g.fail(w, c, err)
			return
		}
		var b bytes.Buffer
		if err := draw(mapOf(m), &b); err != nil {
			g.fail(w, c, err)
			return
		}
		h := w.Header()
		h.Set("Content-Type", c.route.MediaType+"; charset=utf-8")
		h.Set("Content-Length", strconv.Itoa(b.Len()))
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
		_, _ = w.Write(b.Bytes()) // a client that went away needs no answer
	}
}

// mapOf reads the map out of privacy's answer.
func mapOf(m *privacyv1.GetDataMapResponse) datamap.Map {
	out := datamap.Map{}
	for _, r := range m.GetRows() {
		out.Rows = append(out.Rows, datamap.Row{
			Service: r.GetService(), Resource: r.GetResource(), Field: r.GetField(), Category: r.GetCategory(), Role: r.GetRole(),
			Owner: r.GetOwner(), OnErase: r.GetOnErase(), Ground: r.GetGround(), Purpose: r.GetPurpose(),
		})
	}
	for _, f := range m.GetFlows() {
		out.Flows = append(out.Flows, datamap.Flow{Source: f.GetSource(), Target: f.GetTarget(), Service: f.GetService(), Categories: f.GetCategories()})
	}
	return out
}
