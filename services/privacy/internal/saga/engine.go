package saga

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Engine runs the sagas of one store. Any number of engines may share it.
type Engine struct {
	opts   Options
	traced bool
	store  Store
	hub    *hub
	slots  chan struct{}
	poke   chan struct{}
	work   chan func()  // hands calls to idle workers
	idle   atomic.Int32 // workers that wait for work
	rules  rules

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	plans   map[string]map[int]*plan
	latest  map[string]*plan
	bulk    map[string]chan struct{}
	runs    map[string]*run
	started bool
	closed  bool
	backlog bool

	commits, calls atomic.Int64
}

// Stats counts what an engine has done since it was made.
type Stats struct {
	// Commits are the durable writes that succeeded, Calls the attempts of steps.
	Commits, Calls int64
	// Running is how many sagas are in flight.
	Running int
}

// rules are what the engine's guarantees rest on. They are fields only so that a
// test can break one and see that the tests notice.
type rules struct {
	// fenced reports whether the row a stale write met belongs to somebody else by now.
	fenced func(stored *Row, epoch int32) bool
	// claimable reports whether a saga is due and in nobody's hands.
	claimable func(o *Options, row *Row, now time.Time) bool
	// landed reports whether the row a stale write met is what that write would have made of before.
	landed func(stored, before, written *Row) bool
	// held returns when a lease began that was written by a try between first and last.
	held func(first, last time.Time) time.Time
	// record writes what a stage has brought into the row.
	record func(p *plan, r *Row, finals []final, now time.Time) event
}

// New returns an engine that does nothing until definitions are registered and Start is called.
func New(store Store, opts Options) *Engine {
	traced := opts.Tracer != nil
	opts = opts.withDefaults()
	e := &Engine{
		opts: opts, store: store, traced: traced,
		slots:  make(chan struct{}, opts.MaxRunning),
		poke:   make(chan struct{}, 1),
		work:   make(chan func()),
		rules:  rules{fenced: fenced, claimable: claimable, landed: landed, held: held, record: record},
		plans:  map[string]map[int]*plan{},
		latest: map[string]*plan{},
		bulk:   map[string]chan struct{}{},
		runs:   map[string]*run{},
	}
	e.hub = newHub(opts.WatchRing)
	e.ctx, e.cancel = context.WithCancel(context.Background())
	return e
}

// Register adds definitions before Start. It returns an error wrapping
// ErrDefinition for one that is malformed or registered twice. New sagas take
// the highest version of a kind, older rows keep theirs.
func (e *Engine) Register(defs ...Definition) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.started {
		return fmt.Errorf("%w: registered after the start", ErrDefinition)
	}
	for _, d := range defs {
		p, err := newPlan(d)
		if err != nil {
			return err
		}
		if e.plans[d.Kind][d.Version] != nil {
			return d.wrong("", "registered twice")
		}
		if e.plans[d.Kind] == nil {
			e.plans[d.Kind] = map[int]*plan{}
		}
		e.plans[d.Kind][d.Version] = p
		if l := e.latest[d.Kind]; l == nil || l.Version < d.Version {
			e.latest[d.Kind] = p
		}
		for _, s := range p.steps {
			if s.Participant != "" && e.bulk[s.Participant] == nil {
				e.bulk[s.Participant] = make(chan struct{}, e.opts.PerParticipant)
			}
		}
	}
	return nil
}

// Start checks that every active saga has its definition, takes over what is
// due and goes on doing so until Close. The context bounds the check only. It
// returns an error wrapping ErrUnknownKind when a definition is missing or has changed.
func (e *Engine) Start(ctx context.Context) error {
	orphans, err := e.survey(ctx)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.started || e.closed {
		return ErrClosed
	}
	e.started = true
	e.wg.Add(1)
	go e.poller(orphans)
	return nil
}

// survey walks all active sagas once: each needs its definition. It returns
// those that a dead process of this embedded store has left owned.
func (e *Engine) survey(ctx context.Context) (orphans []string, err error) {
	cursor := ""
	for {
		rows, after, err := e.store.List(ctx, Filter{Active: true}, cursor, 500)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			if _, err := e.planOf(row); err != nil {
				return nil, err
			}
			if e.opts.Embedded && row.Owner != "" {
				orphans = append(orphans, row.ID)
			}
		}
		if cursor = after; cursor == "" {
			return orphans, nil
		}
	}
}

// planOf returns the definition a row pins.
func (e *Engine) planOf(row *Row) (*plan, error) {
	e.mu.Lock()
	p := e.plans[row.Kind][row.Version]
	e.mu.Unlock()
	if p == nil || p.hash != row.DefHash || len(p.steps) != len(row.Steps) {
		return nil, fmt.Errorf("%w: %s/%d of saga %s", ErrUnknownKind, row.Kind, row.Version, row.ID)
	}
	return p, nil
}

// Close stops taking sagas, interrupts the calls in flight, hands the sagas on
// and waits for all that until the context ends. What was interrupted is asked
// again by the next engine.
func (e *Engine) Close(ctx context.Context) error {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.cancel()
	done := make(chan struct{})
	go func() {
		e.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		e.hub.close()
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Stats returns counters for tests, benchmarks and metrics.
func (e *Engine) Stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	return Stats{Commits: e.commits.Load(), Calls: e.calls.Load(), Running: len(e.runs)}
}

// now returns the clock's time; rows keep it in whole milliseconds of UTC.
func (e *Engine) now() time.Time { return e.opts.Now() }

func stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// maxIdle bounds the workers kept for the next call.
const maxIdle = 64

// spawn runs f beside the caller. Workers are kept, because growing a fresh
// goroutine's stack down to a store or a network costs as much as the engine.
func (e *Engine) spawn(f func()) {
	select {
	case e.work <- f:
	default:
		e.wg.Add(1) // the run that spawns is counted, so Close cannot have ended
		go e.worker(f)
	}
}

func (e *Engine) worker(f func()) {
	defer e.wg.Done()
	for {
		f()
		if e.idle.Add(1) > maxIdle {
			e.idle.Add(-1)
			return
		}
		select {
		case f = <-e.work:
			e.idle.Add(-1)
		case <-e.ctx.Done():
			return
		}
	}
}

// nudge wakes the poller.
func (e *Engine) nudge() {
	select {
	case e.poke <- struct{}{}:
	default:
	}
}

// batch is how many due ids are fetched at once.
const batch = 64

// poller starts what nobody signalled: the left-overs of a dead process first, then all that is due.
func (e *Engine) poller(orphans []string) {
	defer e.wg.Done()
	for _, id := range orphans {
		if errors.Is(e.begin(id), errNoSlot) {
			return
		}
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-e.ctx.Done():
			return
		case <-e.poke:
		case <-timer.C:
		}
		for e.sweep() {
		}
		// Jitter keeps engines that were started together from asking together.
		timer.Reset(e.opts.Poll - e.opts.Poll/10 + time.Duration(e.opts.Rand()*float64(e.opts.Poll/5)))
	}
}

// sweep starts one batch of due sagas and reports whether another may follow at once.
func (e *Engine) sweep() bool {
	ids, err := e.store.Due(e.ctx, stamp(e.now()), batch)
	if err != nil {
		if e.ctx.Err() == nil {
			e.opts.Log.Warn("saga store did not answer", "code", "due")
		}
		return false
	}
	e.setBacklog(len(ids) == batch)
	// Engines that poll together begin at different ends of the list.
	for i := len(ids) - 1; i > 0; i-- {
		j := int(e.opts.Rand() * float64(i+1))
		ids[i], ids[j] = ids[j], ids[i]
	}
	begun := 0
	for _, id := range ids {
		switch err := e.begin(id); {
		case err == nil:
			begun++
		case errors.Is(err, errNoSlot):
			return false
		}
	}
	return len(ids) == batch && begun > 0
}

func (e *Engine) setBacklog(b bool) {
	e.mu.Lock()
	e.backlog = b
	e.mu.Unlock()
}

var (
	errNoSlot = errors.New("engine closes")
	errBusy   = errors.New("saga runs here already")
)

// begin waits for a slot and starts a run that claims the saga; errBusy when one runs here already.
func (e *Engine) begin(id string) error {
	e.mu.Lock()
	_, busy := e.runs[id]
	e.mu.Unlock()
	if busy {
		return errBusy
	}
	select {
	case e.slots <- struct{}{}:
	case <-e.ctx.Done():
		return errNoSlot
	}
	return e.launch(id, nil)
}

// launch starts a run; the caller holds a slot, which passes to the run. With a
// row the saga is owned already, else the run claims it.
func (e *Engine) launch(id string, owned *run) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || !e.started {
		<-e.slots
		return errNoSlot
	}
	if r := e.runs[id]; r != nil {
		r.again = true
		if owned != nil {
			r.next = owned
		}
		<-e.slots
		if owned != nil {
			return nil
		}
		return errBusy
	}
	r := owned
	if r == nil {
		r = newRun(e, id)
	}
	e.runs[id] = r
	e.wg.Add(1)
	go e.drive(r)
	return nil
}

// drive runs a saga until it sleeps, ends or is lost, and once more if somebody asked for it meanwhile.
func (e *Engine) drive(r *run) {
	defer e.wg.Done()
	for {
		r.drive()
		e.mu.Lock()
		if !r.again || e.closed {
			delete(e.runs, r.id)
			backlog := e.backlog
			e.mu.Unlock()
			<-e.slots
			if backlog {
				e.nudge()
			}
			return
		}
		if r.next != nil {
			r = r.next
		} else {
			r = newRun(e, r.id)
		}
		e.runs[r.id] = r
		e.mu.Unlock()
	}
}

// wake lets a saga that has become due run here at once when there is room,
// and makes a run of it that is under way look again. A run of an epoch below
// the given one is interrupted; one that has begun since is what was wanted.
func (e *Engine) wake(id string, below int32) {
	e.mu.Lock()
	r := e.runs[id]
	if r != nil {
		r.again = true
		if row := r.shown.Load(); row != nil && row.Epoch < below {
			r.cancel(errFenced)
		}
		e.mu.Unlock()
		return
	}
	e.mu.Unlock()
	select {
	case e.slots <- struct{}{}:
		_ = e.launch(id, nil) // errBusy and errNoSlot are both fine: it is due in the store
	default:
		e.setBacklog(true)
	}
}
