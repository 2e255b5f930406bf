package saga

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// deed is what has really become of one step, whatever the engine knows of it.
type deed struct {
	asked    bool   // a call has been sent, and may still be on its way
	count    int    // how often it has happened
	key      string // under which key it has happened last
	answered bool   // it was recorded as done since
	undone   bool   // the undo has arrived; what comes later is refused
	refused  bool   // the newest call was refused; what was sent before it is refused too
}

// node is one state of a saga and of the world, and how it was reached.
type node struct {
	row       *Row
	world     []deed
	now       time.Time
	cancelled bool // somebody's cancel was accepted
	declared  bool // somebody has declared a refusal
	reached   int  // the highest stage ever entered
	from      int
	via       string  // what led here from there
	finals    []final // and how the steps ended, for a record
}

func (n *node) clone(via string) *node {
	c := *n
	row := *n.row
	row.Log, row.Steps = nil, slices.Clone(row.Steps)
	c.row, c.world, c.via, c.finals = &row, slices.Clone(n.world), via, nil
	return &c
}

// how says in words what led to the node.
func (n *node) how(p *plan) string {
	var b strings.Builder
	b.WriteString(n.via)
	for _, f := range n.finals {
		name := [...]string{"", "done", "refused", "slept", "spent", "rerun", "cut"}[f.kind]
		if f.idle {
			name = "asleep"
		}
		fmt.Fprintf(&b, " %s:%s", p.steps[f.step].Name, name)
	}
	return b.String()
}

// effective reports whether a step has happened and was not taken back.
func (n *node) effective(i int) bool { return n.world[i].count > 0 && !n.world[i].undone }

// key is everything that the future depends on, without names and absolute
// times. A person may retry for ever, so rounds are told apart up to the second;
// the steps of a stage are alike, so their order is left out.
func (n *node) key(p *plan) string {
	r := n.row
	flag := func(set ...bool) (bits byte) {
		for i, b := range set {
			if b {
				bits |= 1 << i
			}
		}
		return bits
	}
	wait := func(t time.Time) byte {
		if t.IsZero() {
			return 0
		}
		return byte(1 + max(t.Sub(n.now), 0)/time.Minute)
	}
	key := []byte{
		r.State[0], r.State[2], r.Phase[0], r.Phase[1], byte(r.Stage), byte(r.Claims), byte(r.Reruns), byte(len(r.Signals)), wait(r.DueAt), byte(n.reached),
		flag(r.Owner != "", n.cancelled, n.declared),
	}
	steps := make([][]byte, len(r.Steps))
	for i, s := range r.Steps {
		d, until, again := n.world[i], wait(s.Until), p.steps[i].Kind > Pivot && s.Attempts > 0
		if s.State != StepWaiting && until == 1 {
			until = 0 // it is asked at once either way
		}
		steps[i] = []byte{
			byte(p.stage[i]), s.State[0], s.State[2], byte(min(s.Round, 2)), byte(s.Seen), until, byte(min(d.count, 3)),
			flag(again, s.Signal != "", d.asked, d.key == stepKey(r, i), d.undone, d.refused, d.answered),
		}
	}
	slices.SortFunc(steps, bytes.Compare)
	for _, s := range steps {
		key = append(key, s...)
	}
	return string(key)
}

// stepKey is the key under which a participant is asked for a step.
func stepKey(r *Row, i int) string {
	return Call{Step: r.Steps[i].Name, Round: r.Steps[i].Round}.Key()
}

// walker drives a definition through everything that can happen to it.
type walker struct {
	p      *plan
	run    *run
	record recordFunc
	now    time.Time
	seen   map[string]int
	nodes  []*node
	// onward are the edges an engine takes without a person: who never ends by them is stuck.
	onward [][2]int
	edges  int
	wrong  map[string]string // by invariant, the first way to break it
}

const (
	minute   = time.Minute
	walkTick = 4 * time.Minute // the lease: a whole number of minutes with its margin
)

func walk(p *plan, rec recordFunc) *walker {
	w := &walker{p: p, record: rec, seen: map[string]int{}, wrong: map[string]string{}}
	e := New(nil, Options{
		Instance: "a", Lease: walkTick, MaxClaims: 1,
		Now: func() time.Time { return w.now }, Rand: func() float64 { return 0 },
	})
	w.run = &run{e: e, plan: p}
	w.run.ctx, w.run.cancel = context.WithCancelCause(context.Background())
	defer w.run.cancel(nil)
	w.now = time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	row := e.newRow(Spec{ID: "1-1"}, p, w.now)
	w.run.startSegment(row)
	w.add(-1, &node{row: row, world: make([]deed, len(p.steps)), now: w.now, from: -1, via: "created"}, false)
	for i := 0; i < len(w.nodes); i++ {
		w.leave(i)
	}
	w.dead()
	return w
}

// add notes an edge, checks it, and queues the node it leads to if nobody has been there.
func (w *walker) add(from int, n *node, onward bool) {
	w.edges++
	n.from = from
	if n.row.State == StateRunning {
		n.reached = max(n.reached, n.row.Stage)
	}
	if from >= 0 {
		w.check(w.nodes[from], n)
	}
	k := n.key(w.p)
	to, ok := w.seen[k]
	if !ok {
		to = len(w.nodes)
		w.seen[k] = to
		w.nodes = append(w.nodes, n)
	}
	if onward {
		w.onward = append(w.onward, [2]int{from, to})
	}
}

// break notes a broken invariant with the way that leads to it.
func (w *walker) broke(name string, n *node) {
	if _, ok := w.wrong[name]; ok {
		return
	}
	var path []string
	for {
		path = append(path, fmt.Sprintf("%-9s %-10s %-7s %s", n.row.State, n.row.Phase, n.row.StageName, n.how(w.p)))
		if n.from < 0 {
			break
		}
		n = w.nodes[n.from]
	}
	slices.Reverse(path)
	w.wrong[name] = strings.Join(path, "\n")
}

// leave adds all edges that lead out of a node.
func (w *walker) leave(i int) {
	n := w.nodes[i]
	w.now = n.now
	w.people(i, n)
	if n.row.State.Ended() {
		return
	}
	w.claims(i, n)
	w.late(i, n)
	if n.row.Owner != "" {
		w.calls(i, n)
	}
}

// people cancel, retry and signal whenever the engine lets them.
func (w *walker) people(i int, n *node) {
	c := n.clone("cancel")
	if err := cancelChange(c.row, w.p, n.now); err == nil {
		c.cancelled = true
		w.add(i, c, false)
	} else if n.row.State.Ended() && !errors.Is(err, ErrEnded) {
		w.broke(ruleEnd, n)
	}
	c = n.clone("retry")
	if err := retryChange(c.row, w.p, n.now); err == nil {
		w.add(i, c, n.row.State == StateParked)
	} else if n.row.State.Ended() && !errors.Is(err, ErrNotParked) {
		w.broke(ruleEnd, n)
	}
	if !slices.ContainsFunc(w.p.steps, func(s Step) bool { return s.Kind == Wait }) {
		return
	}
	c = n.clone("signal")
	if err := signalChange(c.row, "go", n.now); err == nil {
		w.add(i, c, false)
	}
}

// claims lets the saga be taken when its time has come: from a sleep, or from an owner that has died.
func (w *walker) claims(i int, n *node) {
	if n.row.DueAt.IsZero() {
		return
	}
	via := "claimed"
	if n.row.Owner != "" {
		via = "owner dies, claimed"
	}
	c := n.clone(via)
	if c.now.Before(n.row.DueAt) {
		c.now = n.row.DueAt
	}
	if !claimable(&w.run.e.opts, n.row, c.now) {
		return
	}
	w.run.take(c.row, c.now)
	w.add(i, c, true)
}

// late lets a call arrive that its caller has long given up.
func (w *walker) late(i int, n *node) {
	if n.row.State != StateUndoing && n.row.Phase != PhaseCancelling && n.row.Phase != PhaseRefusing {
		return // going forward it is the same as an answer that got lost
	}
	for s, d := range n.world {
		if d.asked && d.count == 0 && !d.undone && !d.refused {
			c := n.clone("late arrival of " + w.p.steps[s].Name)
			c.do(s)
			w.add(i, c, false)
		}
	}
}

// do is a participant that is asked for a step: once for each key, never after its undo.
func (n *node) do(s int) {
	d := &n.world[s]
	d.asked = true
	if k := stepKey(n.row, s); !d.undone && d.key != k {
		d.key, d.count, d.answered = k, d.count+1, false
	}
}

// undo is a participant that is asked to take a step back.
func (n *node) undo(s int) { n.world[s].undone = true }
