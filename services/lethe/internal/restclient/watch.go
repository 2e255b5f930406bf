package restclient

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
)

// Watch follows a saga until it ends or is parked, calls each for every event
// once, in order, and returns the saga as it then stands. A broken stream is
// taken up behind the last event seen; when the server cannot be reached any
// more the error wraps ErrUnreachable.
func (c *Client) Watch(ctx context.Context, id string, each func(SagaEvent)) (*Saga, error) {
	path := "/api/v2/privacy/sagas/" + url.PathEscape(id) + "/events"
	last, wait := "", firstWait
	highest := int64(0)
	for {
		seen := last
		next, err := c.Events(ctx, path, last, func(e Event) error {
			var moved SagaEvent
			if err := json.Unmarshal([]byte(e.Data), &moved); err != nil {
				return fmt.Errorf("an event of the saga is not the JSON expected")
			}
			if moved.Sequence > highest {
				highest = moved.Sequence
				each(moved)
			}
			if moved.Step == "" && EndState(moved.State) {
				return ErrStop
			}
			return nil
		})
		last = next
		if fatal := watchError(ctx, err); fatal != nil {
			return nil, fatal
		}
		// The state of the saga itself decides whether it has ended, never the
		// end of the stream.
		saga, err := c.Saga(ctx, id)
		if err != nil {
			return nil, err
		}
		if saga.Ended() {
			return saga, nil
		}
		if last != seen {
			wait = firstWait
		}
		if err := c.wait(ctx, wait); err != nil {
			return nil, err
		}
		wait = min(2*wait, maxWait)
	}
}

// watchError returns err when connecting again cannot help.
func watchError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	refusal := AsError(err)
	if refusal != nil && refusal.Status != http.StatusTooManyRequests && refusal.Status < 500 {
		return err
	}
	// Reading the saga tries for a while, and then says what is wrong.
	return nil
}
