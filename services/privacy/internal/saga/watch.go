package saga

import (
	"context"
	"errors"
	"iter"
	"time"
)

// Watch streams what happens to a saga after the transition with number after
// (0 from the start): first what the row's log still holds, then live. It ends
// by itself when the saga has ended; a parked saga is watched on. The last pair
// has an error if it ends otherwise: ErrNotFound, ErrSlow (go on after the last
// Seq), ErrClosed or the context's. Of more than MaxLog missed transitions the
// oldest are gone. What another replica does shows within a poll interval,
// without transient events.
func (e *Engine) Watch(ctx context.Context, id string, after int64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		w := &watcher{e: e, id: id, seq: after, yield: yield}
		if err := w.watch(ctx); err != nil && !errors.Is(err, errEnough) {
			yield(Event{}, err)
		}
	}
}

// errEnough ends a watch whose reader wants no more.
var errEnough = errors.New("watcher has left")

type watcher struct {
	e     *Engine
	id    string
	seq   int64
	ended bool
	yield func(Event, error) bool
}

func (w *watcher) watch(ctx context.Context) error {
	pos := w.e.hub.join(w.id)
	defer w.e.hub.leave(w.id)
	if err := w.catchUp(ctx, w.e.live(w.id)); err != nil {
		return err
	}
	timer := time.NewTimer(w.e.opts.Poll)
	defer timer.Stop()
	for !w.ended {
		events, next, wake, err := w.e.hub.from(w.id, pos)
		if err != nil {
			return err
		}
		pos = next
		for _, ev := range events {
			if err := w.deliver(ev); err != nil {
				return err
			}
		}
		if len(events) > 0 {
			continue
		}
		timer.Reset(w.e.opts.Poll)
		select {
		case <-wake:
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			if err := w.catchUp(ctx, nil); err != nil && !errors.Is(err, ErrUnavailable) {
				return err
			}
		}
	}
	return nil
}

// live returns the row as last stored by a run of this engine that is under way, or nil.
func (e *Engine) live(id string) *Row {
	e.mu.Lock()
	defer e.mu.Unlock()
	if r := e.runs[id]; r != nil {
		return r.shown.Load()
	}
	return nil
}

// catchUp delivers what the log of the row, or of the stored one, has and the watcher has not.
func (w *watcher) catchUp(ctx context.Context, row *Row) error {
	if row == nil {
		stored, err := w.e.store.Load(ctx, w.id)
		if err != nil {
			return err
		}
		row = stored
	}
	for _, l := range row.Log {
		if err := w.deliver(l.event(w.id)); err != nil {
			return err
		}
	}
	w.ended = w.ended || row.State.Ended()
	return nil
}

func (w *watcher) deliver(ev Event) error {
	if !ev.Transient {
		if ev.Seq <= w.seq {
			return nil
		}
		w.seq = ev.Seq
		w.ended = w.ended || (ev.Step == "" && ev.State.Ended())
	}
	if !w.yield(ev, nil) {
		return errEnough
	}
	return nil
}

// Await returns the row as soon as until says yes to it; nil waits until the
// saga has ended or is parked. It returns the newest row when the saga has
// ended without that, and ErrNotFound, ErrClosed, the store's error or the
// context's. The function must be quick and only look.
func (e *Engine) Await(ctx context.Context, id string, until func(*Row) bool) (*Row, error) {
	if until == nil {
		until = func(r *Row) bool { return r.State == StateParked }
	}
	met := func(r *Row) bool { return r.State.Ended() || until(r) }
	w, forget := e.waiter(id, met)
	defer func() { forget() }()
	timer := time.NewTimer(e.opts.Poll)
	defer timer.Stop()
	// A run that is at work knows; one that has just parked the saga may be shown
	// although somebody else has taken it up again.
	look := true
	if row := e.live(id); row != nil && row.State != StateParked {
		if met(row) {
			return row.Clone(), nil
		}
		look = false
	}
	for {
		if look {
			row, err := e.store.Load(ctx, id)
			if err != nil && !errors.Is(err, ErrUnavailable) {
				return nil, err
			}
			if err == nil && met(row) {
				return row.Clone(), nil
			}
		}
		timer.Reset(e.opts.Poll)
		select {
		case row, ok := <-w.found:
			if !ok {
				return nil, ErrClosed
			}
			if row.State != StateParked {
				return row, nil
			}
			// A run that parked the saga may say so after somebody else has taken
			// it up again: what is stored decides.
			forget()
			w, forget = e.waiter(id, met)
		case <-timer.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		look = true
	}
}

// waiter waits for a row of a saga; call what it returns when nobody waits any more.
func (e *Engine) waiter(id string, until func(*Row) bool) (*waiter, func()) {
	w := &waiter{until: until, found: make(chan *Row, 1)}
	return w, e.hub.wait(id, w)
}
