package sagamodel

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga/sagatest"
)

// message is a call on its way to a participant.
type message struct {
	p      *proc
	who    string
	call   saga.Call
	answer chan saga.Result
	ctx    context.Context
	gone   bool // its caller has died
	sent   time.Time
	seen   bool // by the check of leases
}

// late reports whether nobody waits for the answer any more.
func (c *message) late() bool { return c.gone || c.ctx.Err() != nil }

func (c *message) name() string {
	verb := "asks"
	if c.call.Undo {
		verb = "takes back"
	}
	s := fmt.Sprintf("%s %s %s (token %d.%d, attempt %d)", c.p.name, verb, c.call.Step, c.call.Epoch, c.call.Stage, c.call.Attempt)
	if c.late() {
		s += ", arriving late"
	}
	return s
}

// participants keep books as participants must: the highest token, each key
// once, nothing behind its undo, and nothing late that was refused.
type participants struct {
	opts    Options
	highest map[string]sagatest.Token
	done    map[string]bool
	undone  map[string]bool
	refused map[string]sagatest.Token
}

func newParticipants(o Options) *participants {
	return &participants{
		opts: o, highest: map[string]sagatest.Token{}, done: map[string]bool{},
		undone: map[string]bool{}, refused: map[string]sagatest.Token{},
	}
}

// definition returns the saga of the model, as one process calls it.
func (m *model) definition(p *proc) saga.Definition {
	step := func(name, who string, kind saga.StepKind) saga.Step {
		s := saga.Step{
			Name: name, Participant: who, Kind: kind, Timeout: timeout, Reports: []string{"things"},
			Retry: saga.Retry{Base: time.Second, Cap: 4 * time.Second, MaxAttempts: 3}, Do: m.step(p, who),
		}
		if kind == saga.Compensatable {
			s.Undo = s.Do
		}
		return s
	}
	d := saga.Definition{Kind: "model", Version: 1, Stages: []saga.Stage{
		{Name: "hold", Steps: []saga.Step{step("hold_a", "a", saga.Compensatable), step("hold_b", "b", saga.Compensatable)}},
		{Name: "note", Steps: []saga.Step{step("note_c", "c", saga.Compensatable)}},
		{Name: "cut", Steps: []saga.Step{step("cut_a", "a", saga.Pivot), step("cut_b", "b", saga.Pivot)}},
		{Name: "erase", Steps: []saga.Step{step("erase_a", "a", saga.Retriable), step("erase_b", "b", saga.Retriable)}},
		{Name: "look", Steps: []saga.Step{step("look_c", "c", saga.Check)}},
	}}
	if m.opts.Grace {
		wait := saga.Stage{Name: "grace", Steps: []saga.Step{{Name: "grace", Kind: saga.Wait, Do: grace}}}
		d.Stages = slices.Insert(d.Stages, 2, wait)
	}
	return d
}

// grace waits for a signal, or for four polls.
func grace(_ context.Context, call saga.Call) saga.Result {
	if call.Due || call.Signalled("go") {
		return saga.Done()
	}
	return saga.WaitFor("go", time.Now().Add(4*poll))
}

// step sends a call and waits for its answer, or until the caller gives up.
func (m *model) step(p *proc, who string) saga.StepFunc {
	return func(ctx context.Context, call saga.Call) saga.Result {
		c := &message{p: p, who: who, call: call, answer: make(chan saga.Result, 1), ctx: ctx, sent: time.Now()}
		m.mu.Lock()
		m.calls = append(m.calls, c)
		m.mu.Unlock()
		select {
		case res := <-c.answer:
			return res
		case <-ctx.Done():
			return saga.Failed("timeout")
		}
	}
}

func (m *model) off(c *message) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = slices.DeleteFunc(m.calls, func(o *message) bool { return o == c })
}

// deliver lets a call arrive and answers it, unless the answer is lost.
func (m *model) deliver(c *message, lost bool) {
	m.off(c)
	res := m.arrive(c)
	if lost {
		res = saga.Failed("answer_lost")
	}
	c.answer <- res
}

// mishaps are the ways in which a call may go that are not calm.
func (m *model) mishaps(c *message) []action {
	answer := func(res saga.Result) func() {
		return func() { m.off(c); c.answer <- res }
	}
	all := []action{
		{c.name() + ", the answer is lost", func() { m.deliver(c, true) }},
		{c.name() + ", who is away", answer(saga.Failed("unavailable"))},
		{c.name() + ", who is busy", answer(saga.RetryAfter(poll, "busy"))},
		{c.name() + ", who refuses", func() { m.off(c); c.answer <- m.refuse(c) }},
	}
	if c.call.Step == "look_c" && c.call.Round < 2 {
		all = append(all, action{c.name() + ", who finds something left", answer(saga.Rerun("left", "erase_b"))})
	}
	return all
}

// fresh notes the token of a call; false when a higher one was seen.
func (m *model) fresh(c *message) bool {
	t, high := sagatest.TokenOf(c.call), m.parts.highest[c.who]
	if t.Compare(high) < 0 {
		return m.parts.opts.Trusting
	}
	m.parts.highest[c.who] = t
	return true
}

var stale = saga.Refused("stale_token")

// refuse declares that a step has not happened and will not, unless it has.
func (m *model) refuse(c *message) saga.Result {
	key := c.call.Key()
	if !m.fresh(c) {
		return stale
	}
	if m.parts.done[key] && !c.call.Undo {
		return answered(c)
	}
	if !c.call.Undo {
		m.parts.refused[key] = sagatest.TokenOf(c.call)
		m.declared = true
	}
	return saga.Refused("declared")
}

func answered(c *message) saga.Result {
	return saga.Done(saga.Outcome{Participant: c.who, Category: "things", Kind: saga.Erased, Count: 1})
}

// arrive is a participant that gets a call.
func (m *model) arrive(c *message) saga.Result {
	lower := sagatest.TokenOf(c.call).Compare(m.parts.highest[c.who]) < 0
	if !m.fresh(c) {
		return stale
	}
	b, key := m.parts, c.call.Key()
	no, refused := b.refused[key]
	switch {
	case c.call.Undo:
		if b.done[key] && !b.undone[key] {
			m.undone(c, lower)
		}
		b.undone[key] = true
	case b.done[key] && !b.undone[key]:
	case b.undone[key]:
		return saga.Refused("undone_before")
	case refused && !b.opts.Forgetful && sagatest.TokenOf(c.call).Compare(no) <= 0:
		return saga.Refused("declared")
	default:
		b.done[key] = true
		m.happened(c, lower)
	}
	return answered(c)
}
