package sagamodel

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga/sagatest"
)

// proc is one replica's process.
type proc struct {
	m       *model
	name    string
	engine  *saga.Engine
	dead    atomic.Bool
	closing bool
	lag     atomic.Int64 // how far its clock is behind, in nanoseconds
}

// op is a write that waits for its turn.
type op struct {
	p      *proc
	ctx    context.Context
	create bool
	row    *saga.Row
	answer chan error
}

type byPerson struct{}

// person returns who asks for a write from outside a run, or "".
func (o *op) person() string {
	who, _ := o.ctx.Value(byPerson{}).(string)
	return who
}

func (o *op) name() string {
	what := "record"
	switch {
	case o.create:
		what = "create"
	case o.person() != "":
		what = o.person()
	case o.row.Turn == o.p.m.turnOf(o.row):
		what = "claim or renewal"
	}
	return fmt.Sprintf("%s writes %s: %s %s %s", o.p.name, what, o.row.State, o.row.Phase, o.row.StageName)
}

// turnOf is the turn of the stored row that a write builds on, or -1.
func (m *model) turnOf(row *saga.Row) int32 {
	if m.row == nil || m.row.Epoch > row.Epoch {
		return -1
	}
	return m.row.Turn
}

// begin starts a replica more.
func (m *model) begin() {
	p := &proc{m: m, name: string(rune('A' + len(m.procs)))}
	p.engine = saga.New(gate{p}, saga.Options{
		Instance: p.name, Lease: lease, Poll: poll, MaxClaims: 3, Rand: func() float64 { return 0.5 },
		Now: func() time.Time { return time.Now().Add(-time.Duration(p.lag.Load())) },
	})
	if m.opts.Prepare != nil {
		m.opts.Prepare(p.engine)
	}
	if err := p.engine.Register(m.definition(p)); err != nil {
		m.t.Fatal(err)
	}
	if err := p.engine.Start(m.t.Context()); err != nil {
		m.t.Fatal(err)
	}
	m.procs = append(m.procs, p)
}

// live returns the replicas that run.
func (m *model) live() []*proc {
	return slices.DeleteFunc(slices.Clone(m.procs), func(p *proc) bool { return p.dead.Load() || p.closing })
}

// kill ends a process between two instructions: what it has sent is on its way, what it has not will never be.
func (m *model) kill(p *proc) {
	p.dead.Store(true)
	m.mu.Lock()
	ops := m.pending
	m.pending = nil
	for _, o := range ops {
		if o.p != p {
			m.pending = append(m.pending, o)
			continue
		}
		o.answer <- saga.ErrUnavailable
	}
	for _, c := range m.calls {
		if c.p == p {
			c.gone = true
		}
	}
	m.mu.Unlock()
	m.close(p)
}

func (m *model) close(p *proc) {
	if err := p.engine.Close(context.WithoutCancel(m.t.Context())); err != nil {
		m.t.Error(err)
	}
}

// shut closes a replica in good order: it hands its sagas on, by writes that take turns.
func (m *model) shut(p *proc) {
	p.closing = true
	go m.close(p)
}

// freeze stops a process and its clock as a suspended machine does; it comes
// back with a clock that is behind, so that its lease looks young to it.
func (m *model) freeze(p *proc) {
	const d = lease + 3*poll
	p.lag.Add(int64(d))
	time.Sleep(d) // of the bubble's clock
}

// end kills all that is left.
func (m *model) end() {
	for _, p := range m.procs {
		if !p.dead.Load() {
			m.kill(p)
		}
	}
}

// asking reports whether somebody waits for the answer to such a wish.
func (m *model) asking(what string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked[what]
}

// ask lets a person ask an engine for something. What it answers is not looked at: the writes are.
func (m *model) ask(what string, f func(context.Context) error) {
	m.mu.Lock()
	m.asked[what] = true
	m.mu.Unlock()
	ctx := context.WithValue(context.WithoutCancel(m.t.Context()), byPerson{}, what)
	go func() {
		_ = f(ctx)
		m.mu.Lock()
		delete(m.asked, what)
		m.mu.Unlock()
	}()
}

// gate is a process's way to the store. Reads are answered at once, writes wait for their turn.
type gate struct{ p *proc }

func (g gate) wait(ctx context.Context, row *saga.Row, create bool) error {
	m := g.p.m
	o := &op{p: g.p, ctx: ctx, create: create, row: row, answer: make(chan error, 1)}
	m.mu.Lock()
	if g.p.dead.Load() {
		m.mu.Unlock()
		return saga.ErrUnavailable
	}
	m.pending = append(m.pending, o)
	m.mu.Unlock()
	return <-o.answer
}

// Create waits for its turn.
func (g gate) Create(ctx context.Context, row *saga.Row) error { return g.wait(ctx, row, true) }

// Save waits for its turn.
func (g gate) Save(ctx context.Context, row *saga.Row) error { return g.wait(ctx, row, false) }

// Load reads the stored row.
func (g gate) Load(ctx context.Context, id string) (*saga.Row, error) {
	if g.p.dead.Load() {
		return nil, saga.ErrUnavailable
	}
	return g.p.m.store.Load(ctx, id)
}

// Due reads what is due.
func (g gate) Due(ctx context.Context, now time.Time, limit int) ([]string, error) {
	if g.p.dead.Load() {
		return nil, saga.ErrUnavailable
	}
	return g.p.m.store.Due(ctx, now, limit)
}

// List reads rows.
func (g gate) List(ctx context.Context, f saga.Filter, cursor string, limit int) ([]*saga.Row, string, error) {
	if g.p.dead.Load() {
		return nil, "", saga.ErrUnavailable
	}
	return g.p.m.store.List(ctx, f, cursor, limit)
}

// take takes a write off the queue.
func (m *model) take(o *op) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pending = slices.DeleteFunc(m.pending, func(other *op) bool { return other == o })
}

// write carries a write out and answers it, unless the answer is lost.
func (m *model) write(o *op, lost bool) {
	m.take(o)
	c := o.row.Clone()
	ctx := context.WithoutCancel(o.ctx)
	var err error
	if o.create {
		err = m.store.Create(ctx, c)
	} else {
		err = m.store.Save(ctx, c)
	}
	if err == nil {
		m.written(o, c)
	}
	if lost {
		o.answer <- sagatest.ErrLost
		return
	}
	if err == nil {
		o.row.Rev, o.row.Handle = c.Rev, c.Handle
	}
	o.answer <- err
}

// drop answers a write that was never carried out.
func (m *model) drop(o *op) {
	m.take(o)
	o.answer <- saga.ErrUnavailable
}
