package sagamodel

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga/sagatest"
)

// Schedule is one choice a turn: 0 is the calm one, every other number one of
// the turn's other choices. Behind its end all choices are calm.
type Schedule []byte

// Faults returns how many choices are not calm.
func (s Schedule) Faults() int {
	n := 0
	for _, c := range s {
		if c != 0 {
			n++
		}
	}
	return n
}

// Options say what runs. Zero fields take the defaults named beside them.
type Options struct {
	// Replicas is how many engines share the store. Default 2.
	Replicas int
	// Prepare gets every engine before it starts: where a sabotage goes. Default: nothing.
	Prepare func(*saga.Engine)
	// Store makes the store they share. Default: one in memory.
	Store func(*testing.T) saga.Store
	// Grace puts a stage before the pivot that waits for a signal or for a time.
	Grace bool
	// Trusting participants accept lower tokens: for negative controls.
	Trusting bool
	// Forgetful participants do what they have refused when it comes late: for negative controls.
	Forgetful bool
}

// Report says how a schedule went.
type Report struct {
	// Broken is the invariant that broke first, "" when all held.
	Broken string
	// Lines tell what happened turn by turn, up to there.
	Lines []string
	// Used is the part of the schedule that was carried out, without its calm end.
	Used Schedule
	// End is the state the saga was left in.
	End saga.State
}

// String returns the lines and what broke.
func (r Report) String() string {
	if r.Broken == "" {
		return strings.Join(r.Lines, "\n")
	}
	return strings.Join(r.Lines, "\n") + "\n  BROKEN: " + r.Broken
}

const (
	sagaID  = "1-1"
	lease   = 30 * time.Second
	poll    = 5 * time.Second
	timeout = 10 * time.Second
	// patience is how many calm turns a saga may take to end.
	patience = 400
)

// model is one run of a schedule.
type model struct {
	t     *testing.T
	opts  Options
	store saga.Store
	parts *participants
	def   saga.Definition

	mu      sync.Mutex // guards what engines' goroutines add to
	pending []*op
	calls   []*message
	asked   map[string]bool // what people are just asking for

	procs    []*proc
	row      *saga.Row // as stored
	broken   string
	lines    []string
	idle     time.Duration // time that has passed since the last line
	declared bool          // a participant has refused
	cancels  bool          // a cancel was accepted
}

// action is one thing that may happen in a turn.
type action struct {
	name string
	do   func()
}

// Run carries a schedule out in a bubble of its own.
func Run(t *testing.T, s Schedule, o Options) (rep Report) {
	t.Helper()
	if o.Replicas == 0 {
		o.Replicas = 2
	}
	synctest.Test(t, func(t *testing.T) {
		m := &model{t: t, opts: o, store: sagatest.NewStore(), parts: newParticipants(o), asked: map[string]bool{}}
		if o.Store != nil {
			m.store = o.Store(t)
		}
		m.def = m.definition(nil)
		for range o.Replicas {
			m.begin()
		}
		used := m.play(s)
		m.end()
		rep = Report{Broken: m.broken, Lines: m.lines, Used: used}
		if m.row != nil {
			rep.End = m.row.State
		}
	})
	return rep
}

// play takes turns until the saga has ended and nothing is under way, or an invariant breaks.
func (m *model) play(s Schedule) (used Schedule) {
	calm := 0
	for turn := 0; ; turn++ {
		synctest.Wait()
		m.leases()
		if m.broken != "" {
			break
		}
		acts := m.actions()
		if len(acts) == 0 {
			break
		}
		choice := 0
		if turn < len(s) {
			if s[turn] != 0 && len(acts) > 1 {
				choice = 1 + int(s[turn]-1)%(len(acts)-1)
			}
			used = append(used, byte(choice))
		} else if calm++; calm > patience {
			m.fail(NeverEnds)
			break
		}
		m.say(acts[choice].name)
		acts[choice].do()
	}
	for len(used) > 0 && used[len(used)-1] == 0 {
		used = used[:len(used)-1]
	}
	return used
}

// say adds a line; time that passes in between is told once.
func (m *model) say(line string) {
	if line == "" {
		return
	}
	if m.idle > 0 {
		m.lines = append(m.lines, fmt.Sprintf("  %v pass", m.idle))
		m.idle = 0
	}
	m.lines = append(m.lines, "  "+line)
}

func (m *model) fail(what string) {
	if m.broken == "" {
		m.broken = what
	}
}

// actions returns what may happen now, the calm choice first; none when all is over.
func (m *model) actions() []action {
	m.mu.Lock()
	ops, calls := slices.Clone(m.pending), slices.Clone(m.calls)
	m.mu.Unlock()
	slices.SortFunc(ops, func(a, b *op) int { return cmp.Compare(a.name(), b.name()) })
	slices.SortFunc(calls, func(a, b *message) int { return cmp.Compare(a.name(), b.name()) })
	var first, others []action
	for _, o := range ops {
		first = append(first, action{o.name(), func() { m.write(o, false) }})
		others = append(others,
			action{o.name() + ", the answer is lost", func() { m.write(o, true) }},
			action{o.name() + ", the store is away", func() { m.drop(o) }})
	}
	for _, c := range calls {
		first = append(first, action{c.name(), func() { m.deliver(c, false) }})
		if !c.late() {
			others = append(others, m.mishaps(c)...)
		}
	}
	live := m.live()
	if len(live) == 0 {
		first = append([]action{{"a new replica starts", m.begin}}, first...)
	}
	first = append(first, m.people(live)...)
	others = append(others, m.fate(live)...)
	over := m.row != nil && m.row.State.Ended()
	if len(first) == 0 && !over {
		first = append(first, action{"", func() { m.pass(poll) }})
	}
	if len(first) == 0 {
		return nil
	}
	return append(first, others...)
}

// people do what a calm world needs: somebody wants the saga, somebody retries what is parked.
func (m *model) people(live []*proc) []action {
	if len(live) == 0 {
		return nil
	}
	p := live[0]
	switch {
	case m.row == nil && !m.asking("create"):
		return []action{{"somebody wants the saga of " + p.name, func() {
			m.ask("create", func(ctx context.Context) error {
				_, err := p.engine.Create(ctx, saga.Spec{ID: sagaID, Kind: m.def.Kind, Account: 1, Subject: 7, Sequence: 1})
				return err
			})
		}}}
	case m.row != nil && m.row.State == saga.StateParked && !m.asking("retry"):
		return []action{{"somebody retries at " + p.name, func() {
			m.ask("retry", func(ctx context.Context) error { return p.engine.Retry(ctx, sagaID) })
		}}}
	}
	return nil
}

// fate is what may befall replicas, and the cancel of somebody else.
func (m *model) fate(live []*proc) []action {
	all := []action{
		{"", func() { m.pass(timeout + poll) }},
		{"", func() { m.pass(lease + 3*poll) }},
	}
	for _, p := range live {
		all = append(all,
			action{p.name + " dies", func() { m.kill(p) }},
			action{p.name + " stands still for 45s", func() { m.freeze(p) }},
			action{p.name + " is closed", func() { m.shut(p) }})
	}
	if len(live) < m.opts.Replicas {
		all = append(all, action{"a new replica starts", m.begin})
	}
	if len(live) == 0 || m.row == nil || m.row.State.Ended() {
		return all
	}
	p := live[len(live)-1]
	if !m.asking("cancel") {
		all = append(all, action{"somebody cancels at " + p.name, func() {
			m.ask("cancel", func(ctx context.Context) error { return p.engine.Cancel(ctx, sagaID) })
		}})
	}
	if m.opts.Grace && !m.asking("signal") {
		all = append(all, action{"somebody signals at " + p.name, func() {
			m.ask("signal", func(ctx context.Context) error { return p.engine.Signal(ctx, sagaID, "go") })
		}})
	}
	return all
}

// pass lets time pass, with whatever is under way left where it is.
func (m *model) pass(d time.Duration) {
	m.idle += d
	time.Sleep(d) // of the bubble's clock
}
