package gateway

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/lethe-desk/lethe/services/internal/platform/header"
	"github.com/lethe-desk/lethe/services/internal/platform/page"
	"github.com/lethe-desk/lethe/services/internal/platform/wire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// succeed writes the header of a success: status, Location, Link. The body is
// made here too, so that nothing is promised that cannot be written.
func (g *Gateway) succeed(ctx context.Context, w http.ResponseWriter, response proto.Message) error {
	c := callOf(ctx)
	// The generated code wraps the response; its reflection is the response's own.
	m := response.ProtoReflect().Interface()
	status := c.route.Status()
	if status == http.StatusNoContent {
		w.Header().Del("Content-Type")
		w.WriteHeader(status)
		return nil
	}
	options := wire.Options{Omit: c.route.Rest.GetOmit(), BaseURL: c.base}
	var err error
	if c.route.Answer != nil {
		c.answer, err = wire.AppendField(nil, m, c.route.Answer, options)
	} else {
		c.answer, err = wire.Marshal(m, options)
	}
	if err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	if to := c.location(m); to != "" {
		w.Header().Set("Location", c.base+to)
	}
	if c.route.More != nil && m.ProtoReflect().Get(c.route.More).Bool() {
		w.Header().Set("Link", c.next())
	}
	if md, ok := runtime.ServerMetadataFromContext(ctx); ok && len(md.HeaderMD.Get(header.Replayed)) > 0 {
		w.Header().Set("Idempotency-Replayed", "true")
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(c.answer)))
	w.WriteHeader(status)
	return nil
}

// location is the path of what was created, with the answer's members in it.
func (c *call) location(m proto.Message) string {
	template := c.route.Rest.GetLocation()
	if template == "" {
		return ""
	}
	pm := m.ProtoReflect()
	if c.route.Answer != nil && c.route.Answer.Message() != nil && !c.route.Answer.IsList() {
		pm = pm.Get(c.route.Answer).Message()
	}
	segments := strings.Split(template, "/")
	for i, s := range segments {
		if !strings.HasPrefix(s, "{") || !strings.HasSuffix(s, "}") {
			continue
		}
		fd := pm.Descriptor().Fields().ByName(protoreflect.Name(s[1 : len(s)-1]))
		if fd == nil {
			return ""
		}
		segments[i] = url.PathEscape(pm.Get(fd).String())
	}
	return strings.Join(segments, "/")
}

// next is the Link to the page behind this one: all that the client asked, with the next number.
func (c *call) next() string {
	number := 1
	if n, err := strconv.Atoi(c.in.URL.Query().Get("page")); err == nil {
		number = n
	}
	used, err := url.Parse(c.base)
	if err != nil { // a Host header no URL can hold; a path alone is still right
		used = &url.URL{}
	}
	used.Path, used.RawPath, used.RawQuery = c.in.URL.Path, c.in.URL.RawPath, c.in.URL.RawQuery
	return page.Link(*used, page.Page{Number: number})
}
