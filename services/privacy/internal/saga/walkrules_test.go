package saga

import (
	"slices"
	"strings"
	"testing"
)

// What must hold in every state and on every edge.
const (
	ruleAnswered  = "completed over an unanswered step"
	ruleBack      = "taken back behind the pivot"
	ruleDestroyed = "happened before its time"
	ruleEnd       = "live work behind the end"
	ruleOrder     = "undone out of order"
	ruleReached   = "undone without having been reached"
	ruleLeft      = "left in effect by a saga that went back"
	ruleCause     = "went back without a refusal or a cancel"
	ruleKey       = "asked again under another key"
	rulePark      = "parked without a rule"
	ruleRefusal   = "refused before the pivot and not undone"
	ruleOnce      = "happened twice"
	ruleEnds      = "never ends"
	ruleIdle      = "owned with nothing to do"
)

// check holds the invariants on an edge.
func (w *walker) check(from, to *node) {
	r := to.row
	if from.row.State.Ended() {
		w.broke(ruleEnd, to)
	}
	if r.Phase == PhaseRefusing && !to.declared || r.Phase == PhaseCancelling && !to.cancelled {
		w.broke(ruleCause, to)
	}
	crashed := strings.HasSuffix(to.via, "claimed")
	if crashed && r.State == StateParked && from.row.Claims < w.run.e.opts.MaxClaims {
		w.broke(rulePark, to)
	}
	for i := range w.p.steps {
		w.checkStep(from, to, i)
	}
	if r.State.Ended() {
		w.checkEnd(to)
	}
}

// checkStep holds the invariants of one step on an edge.
func (w *walker) checkStep(from, to *node, i int) {
	was, is, r := from.world[i], to.world[i], to.row
	kind := w.p.steps[i].Kind
	back := r.State == StateUndoing || r.State == StateRefused || r.State == StateCancelled
	if kind == Pivot && is.count > 0 && back {
		w.broke(ruleBack, to)
	}
	if is.count > was.count && !w.inTime(from, i) {
		w.broke(ruleDestroyed, to)
	}
	if is.count > was.count && was.count > 0 && !was.answered {
		w.broke(ruleOnce, to)
	}
	if !looks(kind) && r.Steps[i].Round != from.row.Steps[i].Round && from.row.Steps[i].State != StepDone {
		w.broke(ruleKey, to)
	}
	if !is.undone || was.undone {
		return
	}
	if w.p.stage[i] > to.reached {
		w.broke(ruleReached, to)
	}
	for j := range w.p.steps {
		if w.p.stage[j] > w.p.stage[i] && from.effective(j) {
			w.broke(ruleOrder, to)
		}
	}
}

// inTime reports whether a step may happen now: everything before it has, and
// what cannot be taken back waits for the pivot.
func (w *walker) inTime(n *node, i int) bool {
	for j, s := range w.p.steps {
		if w.p.stage[j] >= w.p.stage[i] {
			continue
		}
		if looks(s.Kind) && n.row.Steps[j].State != StepDone || !looks(s.Kind) && n.world[j].count == 0 {
			return false
		}
	}
	switch w.p.steps[i].Kind {
	case Pivot:
		return n.row.Pivot()
	case Retriable:
		return n.row.Phase == PhaseCommitted
	}
	return true
}

// checkEnd looks at what an ended saga leaves.
func (w *walker) checkEnd(n *node) {
	r := n.row
	if r.Owner != "" || !r.DueAt.IsZero() {
		w.broke(ruleEnd, n)
	}
	for e := range slices.Values(events()) {
		if _, ok := next(point{r.State, r.Phase}, e); ok {
			w.broke(ruleEnd, n)
		}
	}
	for i, s := range w.p.steps {
		d := n.world[i]
		if d.asked && d.count == 0 && !d.undone && !d.refused {
			w.broke(ruleEnd, n) // a call that is still on its way would take effect
		}
		done := r.Steps[i].State == StepDone && (looks(s.Kind) || d.count > 0 && d.key == stepKey(r, i))
		if r.State == StateCompleted && !done {
			w.broke(ruleAnswered, n)
		}
		if r.State != StateCompleted && n.effective(i) {
			w.broke(ruleLeft, n)
		}
	}
}

// causes holds what a record may make of what steps answered: n before, c behind it.
func (w *walker) causes(n, c *node, finals []final, undo bool) {
	has := func(k finalKind) bool {
		return slices.ContainsFunc(finals, func(f final) bool { return f.kind == k })
	}
	refused := 0
	for i := range c.row.Steps {
		if w.p.stage[i] == n.row.Stage && (n.row.Steps[i].State == StepRefused || slices.ContainsFunc(finals, func(f final) bool {
			return f.step == i && f.kind == finRefused
		})) {
			refused++
		}
	}
	all := refused == len(w.p.Stages[n.row.Stage].Steps)
	goesBack := c.row.State == StateUndoing || c.row.State == StateRefused
	mustGoBack := !undo && (refused > 0 && n.row.Phase == PhaseOpen || all && n.row.Phase == PhaseDeciding)
	c.from = w.seen[n.key(w.p)]
	if mustGoBack && !goesBack {
		w.broke(ruleRefusal, c)
	}
	if c.row.State != StateParked {
		return
	}
	allowed := has(finSpent) || undo && has(finRefused) || refused > 0 && n.row.Pivot() ||
		has(finRerun) && n.row.Reruns >= 1
	if !allowed || mustGoBack {
		w.broke(rulePark, c)
	}
}

// dead looks for states from which no end, and no person who is asked, can be reached.
func (w *walker) dead() {
	back := make([][]int, len(w.nodes))
	for _, e := range w.onward {
		back[e[1]] = append(back[e[1]], e[0])
	}
	good := make([]bool, len(w.nodes))
	var todo []int
	for i, n := range w.nodes {
		waits := slices.ContainsFunc(n.row.Steps, func(s StepRow) bool { return s.State == StepWaiting && s.Signal != "" && s.Until.IsZero() })
		if n.row.State.Ended() || waits && n.row.State == StateWaiting {
			good[i] = true
			todo = append(todo, i)
		}
	}
	for len(todo) > 0 {
		i := todo[0]
		todo = todo[1:]
		for _, j := range back[i] {
			if !good[j] {
				good[j] = true
				todo = append(todo, j)
			}
		}
	}
	for i, n := range w.nodes {
		if !good[i] {
			w.broke(ruleEnds, n)
			return
		}
	}
}

// small returns every definition of at most three stages with so many steps in
// all, at most three in a stage and two of those that wait; the smallest first.
func small(t testing.TB, most int) []*plan {
	var all []*plan
	var grow func(d Definition, steps int, decided bool)
	grow = func(d Definition, steps int, decided bool) {
		if len(d.Stages) > 0 {
			d.Kind, d.Version = "small", 1
			p, err := newPlan(d)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, p)
		}
		if len(d.Stages) == 3 {
			return
		}
		for kind := Compensatable; kind <= Wait; kind++ {
			if d.shape("s", kind, decided) != nil {
				continue
			}
			widest := 3
			if kind == Wait {
				widest = 2
			}
			for width := 1; width <= min(widest, most-steps); width++ {
				grow(d.with(kind, width), steps+width, decided || kind == Pivot)
			}
		}
	}
	grow(Definition{}, 0, false)
	slices.SortStableFunc(all, func(a, b *plan) int { return len(a.steps) - len(b.steps) })
	return all
}

// with returns the definition with one stage more.
func (d Definition) with(kind StepKind, width int) Definition {
	st := Stage{Name: string(rune('a'+len(d.Stages))) + "_" + kind.String()}
	for i := range width {
		s := Step{Name: st.Name + string(rune('1'+i)), Kind: kind, Do: nop, MaxReruns: 1}
		if kind == Compensatable {
			s.Undo = nop
		}
		st.Steps = append(st.Steps, s)
	}
	d.Stages = append(slices.Clone(d.Stages), st)
	return d
}

// shapeOf names the stages of a plan.
func shapeOf(p *plan) string {
	var names []string
	for _, st := range p.Stages {
		names = append(names, strings.Repeat(st.Steps[0].Kind.String()[:1], len(st.Steps)))
	}
	return strings.Join(names, "-")
}

// TestWalk drives every small definition through everything that can happen to
// it and holds the invariants everywhere.
func TestWalk(t *testing.T) {
	nodes, edges, plans := 0, 0, small(t, 3)
	for _, p := range plans {
		w := walk(p, record)
		nodes, edges = nodes+len(w.nodes), edges+w.edges
		for name, way := range w.wrong {
			t.Errorf("%s: %s\n%s", shapeOf(p), name, way)
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d definitions, %d states, %d edges", len(plans), nodes, edges)
}

// TestWalkControls breaks a rule of the engine at a time: the walk must notice, by the invariant that is meant.
func TestWalkControls(t *testing.T) {
	for _, c := range []struct{ sabotage, rule string }{
		{"complete over a failure", ruleAnswered},
		{"complete over a refusal", ruleAnswered},
		{"undo what nobody has refused", ruleCause},
		{"park on a refusal", ruleRefusal},
		{"forget a retry", ruleEnds},
		{"undo behind the pivot", ruleBack},
		{"skip the pivot", ruleDestroyed},
		{"end without undoing", ruleLeft},
		{"undo in the order of doing", ruleOrder},
		{"undo what was never reached", ruleReached},
		{"leave the unanswered behind", ruleEnd},
		{"ask under another key", ruleKey},
		{"ask under another key", ruleOnce},
		{"work on behind the end", ruleEnd},
		{"park for nothing", rulePark},
		{"stay where all is done", ruleIdle},
	} {
		found := false
		for _, p := range small(t, 3) {
			way, ok := walk(p, broken(c.sabotage)).wrong[c.rule]
			if ok {
				t.Logf("%s, found in %s: %s\n%s", c.sabotage, shapeOf(p), c.rule, way)
				found = true
				break
			}
		}
		if !found {
			t.Errorf("%q goes unnoticed: no state is %q", c.sabotage, c.rule)
		}
	}
}
