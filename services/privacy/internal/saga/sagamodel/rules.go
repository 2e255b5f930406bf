package sagamodel

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
)

// The invariants, as Report.Broken names them.
const (
	LowerToken   = "a participant accepted a lower token"
	BeforeTime   = "a step happened before its time"
	Twice        = "a step happened twice"
	AfterEnd     = "something happened behind the end"
	BehindPivot  = "taken back behind the pivot"
	OutOfOrder   = "undone out of order"
	NoCause      = "went back without a refusal or a cancel"
	Unanswered   = "recorded as done without having happened"
	LeftInEffect = "left in effect by a saga that went back"
	StaleRecord  = "a stale owner recorded"
	LeaseBroken  = "claimed while somebody else held the lease"
	ActedLate    = "acted without a lease"
	SameStage    = "a stage was recorded twice"
	NoRule       = "parked without a rule"
	NeverEnds    = "never ends"
)

// stageOf returns the index of a step's stage and its kind.
func (m *model) stageOf(step string) (int, saga.StepKind) {
	for i, st := range m.def.Stages {
		for _, s := range st.Steps {
			if s.Name == step {
				return i, s.Kind
			}
		}
	}
	return -1, 0
}

// effective reports whether a step has happened, in any round, and was not taken back.
func (m *model) effective(step string) bool {
	for key := range m.parts.done {
		if m.parts.undone[key] {
			continue
		}
		if rest, ok := strings.CutPrefix(key, sagaID+"/"+step); ok && (rest == "" || rest[0] == '/') {
			return true
		}
	}
	return false
}

// each calls f for every step with its stage and kind.
func (m *model) each(f func(stage int, s saga.Step)) {
	for i, st := range m.def.Stages {
		for _, s := range st.Steps {
			f(i, s)
		}
	}
}

// happened holds the invariants at the moment a step takes effect.
func (m *model) happened(c *message, lower bool) {
	stage, kind := m.stageOf(c.call.Step)
	if lower {
		m.fail(LowerToken)
	}
	if m.row.State.Ended() {
		m.fail(AfterEnd)
	}
	switch {
	case kind == saga.Pivot && !m.row.Pivot(),
		(kind == saga.Retriable || kind == saga.Check) && m.row.Phase != saga.PhaseCommitted:
		m.fail(BeforeTime)
	}
	m.each(func(i int, s saga.Step) {
		if i < stage && s.Kind != saga.Wait && !m.everDone(s.Name) {
			m.fail(BeforeTime)
		}
	})
	for round := range c.call.Round {
		earlier := c.call
		earlier.Round = round
		if st, _ := m.row.Step(c.call.Step); kind == saga.Retriable && st.Round < c.call.Round && m.parts.done[earlier.Key()] {
			m.fail(Twice) // under a key that no record has announced
		}
	}
}

// everDone reports whether a step has happened, taken back or not.
func (m *model) everDone(step string) bool {
	return m.effective(step) || m.parts.undone[sagaID+"/"+step]
}

// undone holds the invariants at the moment a step is taken back.
func (m *model) undone(c *message, lower bool) {
	if lower {
		m.fail(LowerToken)
	}
	if m.row.State.Ended() {
		m.fail(AfterEnd)
	}
	if !m.declared && !m.cancels {
		m.fail(NoCause)
	}
	stage, _ := m.stageOf(c.call.Step)
	m.each(func(i int, s saga.Step) {
		switch {
		case s.Kind == saga.Pivot && m.effective(s.Name):
			m.fail(BehindPivot)
		case i > stage && m.effective(s.Name):
			m.fail(OutOfOrder)
		}
	})
}

// leases looks at the calls sent since the last turn: an owner whose clock goes
// right has sent them within the lease that is stored.
func (m *model) leases() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.calls {
		if !c.seen && c.p.lag.Load() == 0 && c.call.Epoch == m.row.Epoch && c.sent.After(m.row.LeaseUntil) {
			m.fail(ActedLate)
		}
		c.seen = true
	}
}

// written holds the invariants of a write that has just replaced the stored row.
func (m *model) written(o *op, now *saga.Row) {
	was := m.row
	m.row = now.Clone()
	if was == nil {
		return
	}
	if was.State.Ended() {
		m.fail(AfterEnd)
	}
	switch {
	case o.person() != "":
		m.cancels = m.cancels || o.person() == "cancel"
	case now.Epoch != was.Epoch:
		if was.Owner != "" && was.Owner != o.p.name && was.LeaseUntil.After(time.Now()) {
			m.fail(LeaseBroken)
		}
	case was.Owner != o.p.name:
		m.fail(StaleRecord)
	default:
		m.recorded(was, now)
	}
	m.standing(now)
}

// recorded holds the invariants of an owner's record.
func (m *model) recorded(was, now *saga.Row) {
	if now.Turn > was.Turn+1 {
		m.fail(SameStage)
	}
	for i, s := range now.Steps {
		before := was.Steps[i]
		if s.At != before.At && !s.At.IsZero() && s.Stage != was.StageName {
			m.fail(SameStage)
		}
		if s.State != saga.StepDone || before.State == saga.StepDone || s.Name == "grace" {
			continue
		}
		key := saga.Call{Saga: sagaID, Step: s.Name, Round: s.Round}.Key()
		if !m.parts.done[key] {
			m.fail(Unanswered)
		}
	}
}

// rules are the reasons for which a saga may be parked.
var rules = []string{"crash_loop", "unavailable", "answer_lost", "timeout", "busy", "declared", "left"}

// standing holds what every stored row must say truly.
func (m *model) standing(r *saga.Row) {
	back := r.State == saga.StateUndoing || r.State == saga.StateRefused || r.State == saga.StateCancelled
	if back && !m.declared && !m.cancels {
		m.fail(NoCause)
	}
	if r.State == saga.StateParked && !slices.Contains(rules, r.Reason) {
		m.fail(fmt.Sprintf("%s (%s)", NoRule, r.Reason))
	}
	m.each(func(_ int, s saga.Step) {
		switch {
		case back && s.Kind == saga.Pivot && m.effective(s.Name):
			m.fail(BehindPivot)
		case s.Kind == saga.Wait:
		case r.State == saga.StateCompleted && !m.effective(s.Name):
			m.fail(Unanswered)
		case r.State.Ended() && back && m.effective(s.Name):
			m.fail(LeftInEffect)
		}
	})
}
