package saga

import (
	"time"
)

// answers returns how a step may end, given what has become of it in the world.
func (w *walker) answers(n *node, i int, undo bool) []final {
	f := func(kind finalKind, code string, res Result, due time.Duration) final {
		out := final{step: i, kind: kind, code: code, res: res, attempts: 1, seen: len(n.row.Signals)}
		if due > 0 {
			out.due = n.now.Add(due)
		}
		return out
	}
	all := []final{
		f(finDone, "", Done(), 0),
		f(finSlept, "busy", RetryAfter(minute, "busy"), minute),
		f(finSpent, "spent", Failed("spent"), 0),
		f(finCut, "", Result{}, 0),
	}
	if d := n.world[i]; undo || d.key != stepKey(n.row, i) {
		all = append(all, f(finRefused, "declared", Refused("declared"), 0))
	}
	kind := w.p.steps[i].Kind
	if kind == Wait && !undo {
		all = append(all,
			f(finSlept, "", WaitFor("go", time.Time{}), 0),
			f(finSlept, "", WaitFor("", n.now.Add(3*minute)), 3*minute))
	}
	if kind == Check && !undo {
		for j, s := range w.p.steps {
			if s.Kind == Retriable && w.p.stage[j] < w.p.stage[i] {
				all = append(all, f(finRerun, "left", Rerun("left", s.Name), 0))
			}
		}
	}
	return all
}

// calls performs the stage of an owned saga in every way: with each step's
// every answer and a record, and with calls that leave no record at all.
func (w *walker) calls(i int, n *node) {
	undo := n.row.State == StateUndoing
	todo := n.row.toDo(w.p)
	if undo {
		todo = n.row.toUndo(w.p, n.row.Stage)
	}
	if len(todo) == 0 {
		w.broke(ruleIdle, n)
		return
	}
	w.run.row = n.row
	var idle []final
	var ways [][]final
	for _, s := range todo {
		if f, asleep := w.run.idle(s, n.row.Steps[s]); asleep {
			idle = append(idle, f)
			continue
		}
		ways = append(ways, w.answers(n, s, undo))
		w.unrecorded(i, n, s, undo)
	}
	pick := make([]int, len(ways))
	for {
		finals := append([]final(nil), idle...)
		for k, at := range pick {
			finals = append(finals, ways[k][at])
		}
		w.recorded(i, n, finals, undo)
		if !turn(pick, ways) {
			return
		}
	}
}

// turn goes to the next way to pick one of each; false behind the last.
func turn(pick []int, ways [][]final) bool {
	for k := range pick {
		if pick[k]++; pick[k] < len(ways[k]) {
			return true
		}
		pick[k] = 0
	}
	return false
}

// unrecorded lets a call of a step be sent, or be sent and take effect, before anything is written.
func (w *walker) unrecorded(i int, n *node, s int, undo bool) {
	name := w.p.steps[s].Name
	if undo {
		c := n.clone("undo " + name + ", no record")
		c.undo(s)
		w.add(i, c, false)
		return
	}
	if looks(w.p.steps[s].Kind) {
		return
	}
	sent := n.clone("call " + name + ", no record")
	sent.world[s].asked, sent.world[s].refused = true, false
	w.add(i, sent, false)
	c := sent.clone("do " + name + ", no record")
	c.do(s)
	w.add(i, c, false)
}

// looks reports whether steps of a kind change nothing at participants.
func looks(k StepKind) bool { return k == Check || k == Wait }

// recorded lets the steps end as they do and writes that down.
func (w *walker) recorded(i int, n *node, finals []final, undo bool) {
	via := "record"
	if undo {
		via = "record undo"
	}
	c := n.clone(via)
	c.finals = finals
	for _, f := range finals {
		if f.idle {
			continue
		}
		d := &c.world[f.step]
		switch {
		case undo && f.kind == finDone:
			c.undo(f.step)
		case undo:
		case f.kind == finRefused:
			d.refused, c.declared = true, true
		case looks(w.p.steps[f.step].Kind):
		default:
			d.asked, d.refused = true, false
			if f.kind == finDone {
				c.do(f.step)
				d.answered = true
			}
		}
	}
	w.record(w.p, c.row, finals, n.now)
	c.row.Turn++
	c.row.Claims = 0
	w.causes(n, c, finals, undo)
	w.add(i, c, true)
}
