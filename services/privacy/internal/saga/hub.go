package saga

import (
	"hash/maphash"
	"slices"
	"sync"
	"time"
)

// Event is what a watcher sees.
type Event struct {
	// Seq is the number of the transition. A transient event has the number of
	// the transition before it, so that watching on from any Seq is safe.
	Seq       int64     `json:"seq"`
	Saga      string    `json:"saga"`
	At        time.Time `json:"at"`
	State     State     `json:"state"`
	Stage     string    `json:"stage"`
	Step      string    `json:"step,omitempty"`
	StepState StepState `json:"step_state,omitempty"`
	Code      string    `json:"code,omitempty"`
	// Done and Total are a running step's progress; Total 0 is unknown.
	Done  int64 `json:"done,omitempty"`
	Total int64 `json:"total,omitempty"`
	// Transient events are not stored: attempts and progress.
	Transient bool `json:"transient,omitempty"`
}

// shards is into how many parts the hub is cut, so that a hundred sagas that
// are answered by one group commit do not queue for one lock.
const shards = 64

// hub hands events of sagas that run here to watchers. A saga without watchers costs nothing.
type hub struct {
	size  int
	seed  maphash.Seed
	parts [shards]hubPart
}

type hubPart struct {
	mu      sync.Mutex
	topics  map[string]*topic
	waiters map[string][]*waiter
	closed  bool
}

// waiter waits for one row. It is woken once, not for each event on the way there.
type waiter struct {
	until func(*Row) bool
	found chan *Row // gets the row, or is closed with the hub
}

// topic is the bounded ring of one watched saga.
type topic struct {
	events   []Event
	base     int           // position of events[0]
	logged   int64         // newest stored transition in the ring
	wake     chan struct{} // closed when events come
	watchers int
}

func newHub(size int) *hub {
	h := &hub{size: size, seed: maphash.MakeSeed()}
	for i := range h.parts {
		h.parts[i].topics = map[string]*topic{}
		h.parts[i].waiters = map[string][]*waiter{}
	}
	return h
}

// lock locks the part of the hub a saga belongs to.
func (h *hub) lock(id string) *hubPart {
	p := &h.parts[maphash.String(h.seed, id)%shards]
	p.mu.Lock()
	return p
}

// join adds a watcher and returns the position of the next event.
func (h *hub) join(id string) int {
	p := h.lock(id)
	defer p.mu.Unlock()
	t := p.topics[id]
	if t == nil {
		t = &topic{wake: make(chan struct{})}
		p.topics[id] = t
	}
	t.watchers++
	return t.base + len(t.events)
}

func (h *hub) leave(id string) {
	p := h.lock(id)
	defer p.mu.Unlock()
	if t := p.topics[id]; t != nil {
		if t.watchers--; t.watchers == 0 {
			delete(p.topics, id)
		}
	}
}

// from returns the events from a position on, the position behind them and
// what is closed when more come. ErrSlow when the ring has lost the position.
func (h *hub) from(id string, pos int) ([]Event, int, <-chan struct{}, error) {
	p := h.lock(id)
	defer p.mu.Unlock()
	if p.closed {
		return nil, pos, nil, ErrClosed
	}
	t := p.topics[id]
	if pos < t.base {
		return nil, pos, nil, ErrSlow
	}
	events := append([]Event(nil), t.events[pos-t.base:]...)
	return events, t.base + len(t.events), t.wake, nil
}

// wait adds a waiter and returns how to take it away.
func (h *hub) wait(id string, w *waiter) (forget func()) {
	p := h.lock(id)
	defer p.mu.Unlock()
	if p.closed {
		close(w.found)
		return func() {}
	}
	p.waiters[id] = append(p.waiters[id], w)
	return func() {
		p := h.lock(id)
		defer p.mu.Unlock()
		p.drop(id, func(o *waiter) bool { return o == w })
	}
}

// drop removes the waiters of a saga for which gone is true.
func (p *hubPart) drop(id string, gone func(*waiter) bool) {
	left := slices.DeleteFunc(p.waiters[id], gone)
	if len(left) == 0 {
		delete(p.waiters, id)
		return
	}
	p.waiters[id] = left
}

// watched reports whether anybody watches the saga.
func (h *hub) watched(id string) bool {
	p := h.lock(id)
	defer p.mu.Unlock()
	return p.topics[id] != nil
}

// publish adds a transient event.
func (h *hub) publish(ev Event) {
	p := h.lock(ev.Saga)
	defer p.mu.Unlock()
	if t := p.topics[ev.Saga]; t != nil {
		t.add(h.size, ev)
	}
}

// committed adds the transitions of a row that has been stored.
func (h *hub) committed(row *Row) {
	p := h.lock(row.ID)
	defer p.mu.Unlock()
	if p.waiters[row.ID] != nil {
		p.drop(row.ID, func(w *waiter) bool {
			if !w.until(row) {
				return false
			}
			w.found <- row.Clone()
			return true
		})
	}
	t := p.topics[row.ID]
	if t == nil {
		return
	}
	for _, l := range row.Log {
		if l.Seq > t.logged {
			t.logged = l.Seq
			t.add(h.size, l.event(row.ID))
		}
	}
}

func (t *topic) add(size int, ev Event) {
	if len(t.events) >= size {
		drop := len(t.events) - size + 1
		t.events = append(t.events[:0], t.events[drop:]...)
		t.base += drop
	}
	t.events = append(t.events, ev)
	close(t.wake)
	t.wake = make(chan struct{})
}

// event returns the event of a stored transition.
func (l LogEntry) event(saga string) Event {
	return Event{
		Seq: l.Seq, Saga: saga, At: l.At, State: l.State, Stage: l.Stage,
		Step: l.Step, StepState: l.StepState, Code: l.Code,
	}
}

// close ends all watches.
func (h *hub) close() {
	for i := range h.parts {
		p := &h.parts[i]
		p.mu.Lock()
		p.closed = true
		for _, ws := range p.waiters {
			for _, w := range ws {
				close(w.found)
			}
		}
		clear(p.waiters)
		for _, t := range p.topics {
			close(t.wake)
			t.wake = make(chan struct{})
		}
		p.mu.Unlock()
	}
}
