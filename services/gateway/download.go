package gateway

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	privacyv1 "github.com/lethe-desk/lethe/gen/go/lethe/privacy/v1"
	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"google.golang.org/protobuf/proto"
)

// file is the head of a download.
type file struct {
	name, contentType string
	// size in bytes; negative when nobody knows.
	size int64
}

// downloadAttachment streams a file of a ticket.
func (g *Gateway) downloadAttachment(w http.ResponseWriter, r *http.Request) {
	stream, err := g.attachments.DownloadAttachment(r.Context(), &ticketsv1.DownloadAttachmentRequest{Id: pathID(r)})
	var head *ticketsv1.DownloadAttachmentResponse
	if err == nil {
		head, err = stream.Recv()
	}
	a := head.GetAttachment()
	if err == nil && a == nil {
		err = errors.New("download begins without a head")
	}
	if err != nil {
		g.fail(w, callOf(r.Context()), err)
		return
	}
	size := int64(-1)
	if a.Size != nil {
		size = a.GetSize()
	}
	send(w, file{a.GetName(), a.GetContentType(), size}, func() ([]byte, error) {
		m, err := stream.Recv()
		return m.GetData(), err
	})
}

// downloadExport streams the archive of an export.
func (g *Gateway) downloadExport(w http.ResponseWriter, r *http.Request) {
	stream, err := g.privacy.DownloadExport(r.Context(), &privacyv1.DownloadExportRequest{Id: pathID(r)})
	var head *privacyv1.DownloadExportResponse
	if err == nil {
		head, err = stream.Recv()
	}
	e := head.GetExport()
	if err == nil && e == nil {
		err = errors.New("download begins without a head")
	}
	if err != nil {
		g.fail(w, callOf(r.Context()), err)
		return
	}
	size := int64(-1)
	if e.Size != nil {
		size = e.GetSize()
	}
	send(w, file{fmt.Sprintf("export-%d.zip", e.GetId()), "application/zip", size}, func() ([]byte, error) {
		m, err := stream.Recv()
		return m.GetData(), err
	})
}

// pathID is the number in the path, which the route table has checked.
func pathID(r *http.Request) *int64 {
	n, _ := strconv.ParseInt(callOf(r.Context()).params["id"], 10, 64)
	return proto.Int64(n)
}

// send writes a download. One that breaks off in the middle ends the
// connection, so that the client does not take it for whole.
func send(w http.ResponseWriter, f file, next func() ([]byte, error)) {
	h := w.Header()
	h.Set("Content-Type", mediaType(f.contentType))
	h.Set("Content-Disposition", disposition(f.name))
	if f.size >= 0 {
		h.Set("Content-Length", strconv.FormatInt(f.size, 10))
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // a server without deadlines needs none lifted
	w.WriteHeader(http.StatusOK)
	var sent int64
	for {
		data, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			_, err = w.Write(data)
		}
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		sent += int64(len(data))
	}
	if f.size >= 0 && sent != f.size {
		panic(http.ErrAbortHandler)
	}
}

func mediaType(contentType string) string {
	t, params, err := mime.ParseMediaType(contentType)
	if err == nil {
		if clean := mime.FormatMediaType(t, params); clean != "" {
			return clean
		}
	}
	return "application/octet-stream"
}

// disposition tells a browser to save a file, and its name twice: in ASCII for
// old clients, and as it is (RFC 6266).
func disposition(name string) string {
	plain := strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7E || r == '"' || r == '\\' || r == '%' {
			return '_'
		}
		return r
	}, name)
	if plain == "" {
		return "attachment"
	}
	d := `attachment; filename="` + plain + `"`
	if plain != name {
		d += "; filename*=UTF-8''" + strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
	}
	return d
}
