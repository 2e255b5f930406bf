package gateway

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	privacyv1 "github.com/lethe-desk/lethe/gen/go/lethe/privacy/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/obs"
	"github.com/lethe-desk/lethe/services/internal/platform/wire"
	"google.golang.org/protobuf/proto"
)

// received is what came out of a stream of events.
type received struct {
	event *privacyv1.SagaEvent
	err   error
}

// events streams a saga's movements as server-sent events: the event's number
// as its id, so that a client that comes back with Last-Event-ID misses
// nothing. A comment now and then keeps proxies from taking the silence for death.
func (g *Gateway) events(w http.ResponseWriter, r *http.Request) {
	c := callOf(r.Context())
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(g.closed, cancel)()
	after, err := resumeAfter(c, r)
	if err != nil {
		g.fail(w, c, err)
		return
	}
	stream, err := g.privacy.WatchSaga(ctx, &privacyv1.WatchSagaRequest{Id: c.params["id"], After: after})
	if err != nil {
		g.fail(w, c, err)
		return
	}
	ch := make(chan received)
	go func() {
		for {
			m, err := stream.Recv()
			select {
			case ch <- received{m.GetEvent(), err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	g.relay(ctx, w, c, ch)
}

// relay writes events until the stream, the client or the gateway ends.
func (g *Gateway) relay(ctx context.Context, w http.ResponseWriter, c *call, ch <-chan received) {
	ticks, stop := g.cfg.ticks()
	defer stop()
	control := http.NewResponseController(w)
	begun := false
	begin := func() {
		if begun {
			return
		}
		begun = true
		_ = control.SetWriteDeadline(time.Time{}) // a server without deadlines needs none lifted
		h := w.Header()
		h.Set("Content-Type", "text/event-stream; charset=utf-8")
		h.Set("X-Accel-Buffering", "no")
		w.WriteHeader(http.StatusOK)
	}
	for {
		var piece []byte
		select {
		case <-ctx.Done():
			return
		case <-ticks:
			piece = []byte(": alive\n\n")
		case in := <-ch:
			if in.err != nil {
				if !begun && !errors.Is(in.err, io.EOF) {
					g.fail(w, c, in.err)
					return
				}
				begin()
				g.lastWords(ctx, w, in.err)
				return
			}
			piece = frame(in.event)
		}
		begin()
		if _, err := w.Write(piece); err != nil {
			return
		}
		_ = control.Flush() // a writer that cannot flush does not buffer
	}
}

// lastWords tells why a stream ends that has not come to its end.
func (g *Gateway) lastWords(ctx context.Context, w http.ResponseWriter, err error) {
	if errors.Is(err, io.EOF) {
		return
	}
	f := fault.FromStatus(err)
	g.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "stream of events broke off", slog.String(obs.KeyReason, fault.ReasonName(f.Reason)))
	_, _ = w.Write([]byte("event: error\ndata: {\"code\":\"" + fault.ReasonName(f.Reason) + "\"}\n\n"))
}

// frame is one event as it goes over the wire.
func frame(e *privacyv1.SagaEvent) []byte {
	data, err := wire.Marshal(e, wire.Options{})
	if err != nil { // a time no calendar has; the rest of the event is still told by the saga itself
		data = []byte("{}")
	}
	b := append([]byte("id: "), strconv.FormatInt(e.GetSequence(), 10)...)
	b = append(b, "\nevent: saga\ndata: "...)
	b = append(b, data...)
	return append(b, "\n\n"...)
}

// resumeAfter is where a client left off: the header a browser sends by itself, else the parameter.
func resumeAfter(c *call, r *http.Request) (*int64, error) {
	text := c.in.Header.Get("Last-Event-ID")
	if text == "" {
		text = r.Form.Get("after")
	}
	if text == "" {
		return nil, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return nil, fault.InvalidValue("after", "It should be the number of an event")
	}
	return proto.Int64(n), nil
}
