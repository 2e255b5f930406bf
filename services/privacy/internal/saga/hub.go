package saga

import (
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

// hub hands events of sagas that run here to watchers. A saga without watchers costs nothing.
type hub struct {
	size   int
	mu     sync.Mutex
	topics map[string]*topic
	closed bool
}

// topic is the bounded ring of one watched saga.
type topic struct {
	events   []Event
	base     int           // position of events[0]
	logged   int64         // newest stored transition in the ring
	row      *Row          // newest row stored here; never changed
	wake     chan struct{} // closed when events come
	watchers int
}

func newHub(size int) *hub { return &hub{size: size, topics: map[string]*topic{}} }

// join adds a watcher and returns the position of the next event.
func (h *hub) join(id string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.topics[id]
	if t == nil {
		t = &topic{wake: make(chan struct{})}
		h.topics[id] = t
	}
	t.watchers++
	return t.base + len(t.events)
}

func (h *hub) leave(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t := h.topics[id]; t != nil {
		if t.watchers--; t.watchers == 0 {
			delete(h.topics, id)
		}
	}
}

// from returns the events from a position on, the position behind them and
// what is closed when more come. ErrSlow when the ring has lost the position.
func (h *hub) from(id string, pos int) ([]Event, int, <-chan struct{}, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, pos, nil, ErrClosed
	}
	t := h.topics[id]
	if pos < t.base {
		return nil, pos, nil, ErrSlow
	}
	events := append([]Event(nil), t.events[pos-t.base:]...)
	return events, t.base + len(t.events), t.wake, nil
}

// latest returns the newest row stored here since the first watcher came, or nil.
func (h *hub) latest(id string) *Row {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t := h.topics[id]; t != nil {
		return t.row
	}
	return nil
}

// watched reports whether anybody watches the saga.
func (h *hub) watched(id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.topics[id] != nil
}

// publish adds a transient event.
func (h *hub) publish(ev Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t := h.topics[ev.Saga]; t != nil {
		t.add(h.size, ev)
	}
}

// committed adds the transitions of a row that has been stored.
func (h *hub) committed(row *Row) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.topics[row.ID]
	if t == nil {
		return
	}
	t.row = row
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
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, t := range h.topics {
		close(t.wake)
		t.wake = make(chan struct{})
	}
}
