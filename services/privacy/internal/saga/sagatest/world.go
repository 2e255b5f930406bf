package sagatest

import (
	"cmp"
	"context"
	"fmt"
	"sync"

	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
)

// Token is the order in which participants accept calls.
type Token struct {
	Sequence     int64
	Epoch, Stage int32
}

// TokenOf returns the token of a call.
func TokenOf(c saga.Call) Token { return Token{c.Sequence, c.Epoch, c.Stage} }

// Compare returns -1, 0 or 1.
func (t Token) Compare(u Token) int {
	return cmp.Or(cmp.Compare(t.Sequence, u.Sequence), cmp.Compare(t.Epoch, u.Epoch), cmp.Compare(t.Stage, u.Stage))
}

// Effect is something a participant has really done.
type Effect struct {
	Participant, Step string
	Undo              bool
	Round             int
	Token             Token
}

// String names the effect in tests' messages.
func (e Effect) String() string {
	if e.Undo {
		return "undo " + e.Step
	}
	if e.Round > 0 {
		return fmt.Sprintf("%s/%d", e.Step, e.Round)
	}
	return e.Step
}

// World is all participants of a test with their books: each keeps the highest
// token per subject and refuses lower ones, does a key once and never does what
// was undone before it came.
type World struct {
	mu      sync.Mutex
	highest map[string]Token
	done    map[string]bool
	undone  map[string]bool
	effects []Effect
	stale   int
	// Trusting participants forget their tokens: for negative controls.
	Trusting bool
	// Repeating participants do what they are asked as often as they are asked: for negative controls.
	Repeating bool
}

// NewWorld returns participants that have seen nothing.
func NewWorld() *World {
	return &World{highest: map[string]Token{}, done: map[string]bool{}, undone: map[string]bool{}}
}

// Do is a participant's answer to a call.
func (w *World) Do(participant string, c saga.Call) saga.Result {
	w.mu.Lock()
	defer w.mu.Unlock()
	who := fmt.Sprintf("%s %d/%d", participant, c.Account, c.Subject)
	if t := TokenOf(c); t.Compare(w.highest[who]) < 0 && !w.Trusting {
		w.stale++
		return saga.Failed("stale_token")
	} else if t.Compare(w.highest[who]) > 0 {
		w.highest[who] = t
	}
	key := c.Key()
	switch {
	case c.Undo && w.undone[key]:
	case c.Undo:
		w.undone[key] = true
		if w.done[key] {
			w.effects = append(w.effects, Effect{participant, c.Step, true, c.Round, TokenOf(c)})
		}
	case w.undone[key]:
		return saga.Refused("undone_before")
	case !w.done[key] || w.Repeating:
		w.done[key] = true
		w.effects = append(w.effects, Effect{participant, c.Step, false, c.Round, TokenOf(c)})
	}
	return saga.Done(saga.Outcome{Participant: participant, Category: "things", Kind: saga.Erased, Count: 1})
}

// Step returns a step's function that asks the participant.
func (w *World) Step(participant string) saga.StepFunc {
	return func(_ context.Context, c saga.Call) saga.Result { return w.Do(participant, c) }
}

// Effects returns what was done, in order.
func (w *World) Effects() []Effect {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]Effect(nil), w.effects...)
}

// Stale returns how many calls were refused for their token.
func (w *World) Stale() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stale
}

// Six returns the six-call saga: freeze, erase in three places (the pivot),
// contacts last, a check. wrap may replace what a step does; nil leaves it.
func (w *World) Six(wrap func(step string, undo bool, f saga.StepFunc) saga.StepFunc) saga.Definition {
	if wrap == nil {
		wrap = func(_ string, _ bool, f saga.StepFunc) saga.StepFunc { return f }
	}
	step := func(name, who string, kind saga.StepKind) saga.Step {
		s := saga.Step{Name: name, Participant: who, Kind: kind, Reports: []string{"things"}, Do: wrap(name, false, w.Step(who))}
		if kind == saga.Compensatable {
			s.Undo = wrap(name, true, w.Step(who))
		}
		return s
	}
	return saga.Definition{Kind: "six", Version: 1, Stages: []saga.Stage{
		{Name: "freeze", Steps: []saga.Step{step("freeze", "contacts", saga.Compensatable)}},
		{Name: "erase", Steps: []saga.Step{
			step("erase_tickets", "tickets", saga.Pivot),
			step("erase_forums", "forums", saga.Pivot),
			step("erase_ratings", "ratings", saga.Pivot),
		}},
		{Name: "erase_owner", Steps: []saga.Step{step("erase_contacts", "contacts", saga.Retriable)}},
		{Name: "verify", Steps: []saga.Step{step("verify", "contacts", saga.Check)}},
	}}
}
