package restclient

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// silence is after how long without even a heartbeat a stream counts as broken;
// the server sends one every 15 seconds.
const silence = 60 * time.Second

// Event is one server-sent event.
type Event struct {
	// ID is what to continue behind, Name the kind, Data the payload.
	ID, Name, Data string
}

// ErrStop makes Events end without an error.
var ErrStop = errors.New("seen enough")

// Events reads the events of path behind the one with id after ("" for all) and
// calls each in order. It returns the last id seen, and nil when the server ended
// the stream or each returned ErrStop. It does not connect again by itself; who
// knows whether more is to come does, with the id returned.
func (c *Client) Events(ctx context.Context, path, after string, each func(Event) error) (last string, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	call := Call{Method: http.MethodGet, Path: path}
	req, err := c.request(ctx, call, nil, "")
	if err != nil {
		return after, err
	}
	req.Header.Set("Accept", "text/event-stream")
	if after != "" {
		req.Header.Set("Last-Event-ID", after)
	}
	res, err := c.send(req, call.route())
	if err != nil {
		return after, err
	}
	defer res.Body.Close()
	watchdog := time.AfterFunc(silence, func() { cancel(errors.New("nothing was heard for a minute")) })
	defer watchdog.Stop()
	last, err = parseEvents(heard{from: res.Body, watchdog: watchdog}, after, each)
	switch {
	case err == nil || errors.Is(err, ErrStop):
		return last, nil
	case ctx.Err() != nil:
		return last, fmt.Errorf("%s broke off: %w", call.route(), context.Cause(ctx))
	}
	return last, err
}

// heard puts the watchdog off with everything that arrives.
type heard struct {
	from     io.Reader
	watchdog *time.Timer
}

// Read reads from the server.
func (h heard) Read(p []byte) (int, error) {
	n, err := h.from.Read(p)
	h.watchdog.Reset(silence)
	return n, err
}

// parseEvents follows the event stream format of the HTML standard, as far as a
// server uses it: fields id, event and data, comments, any end of line.
func parseEvents(r io.Reader, last string, each func(Event) error) (string, error) {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(make([]byte, 0, 1<<16), 4<<20)
	event := Event{ID: last}
	var data []string
	for scanner.Scan() {
		line := strings.TrimSuffix(scanner.Text(), "\r")
		if line == "" {
			if len(data) > 0 {
				// Only a whole event moves the place to continue from.
				last = event.ID
				event.Data = strings.Join(data, "\n")
				if err := each(event); err != nil {
					return last, err
				}
			}
			event, data = Event{ID: last}, nil
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "id":
			event.ID = value
		case "event":
			event.Name = value
		case "data":
			data = append(data, value)
		}
	}
	if err := scanner.Err(); err != nil {
		return last, fmt.Errorf("the event stream broke off: %w", err)
	}
	return last, nil
}
