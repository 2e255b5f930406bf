package saga

import (
	"fmt"
	"slices"
)

// Output is what an earlier step left behind.
type Output struct {
	Step     string
	Refs     map[string]string
	Outcomes []Outcome
}

// Call is what a step is told. Its maps and slices are shared: read only.
type Call struct {
	Saga, Kind, Step string
	Account, Subject int64
	// Sequence, Epoch and Stage are the token by which participants refuse what
	// comes late. Stage is not the stage's index: it rises with every record of
	// the saga, also on the way back, so an undo is above its step.
	Sequence     int64
	Epoch, Stage int32
	// Attempt counts from 1.
	Attempt int
	// Round is how often a check has sent this step round again.
	Round int
	// Undo is true when the step is taken back.
	Undo bool
	// RequestedBy is the id of the actor who started the saga; 0 is the system.
	RequestedBy int64
	// Refs are the references the saga was created with.
	Refs map[string]string
	// Steps are the outputs of all steps done so far, in the definition's order.
	Steps []Output
	// Signals are the names signalled so far.
	Signals []string
	// Due is true when a Wait step is asked again because its time has come.
	Due bool
	// Progress tells watchers how far the step is. It stores nothing and never blocks.
	Progress func(done, total int64)
}

// Key is what participants remember a step by; an attempt more has the same key.
func (c Call) Key() string {
	if c.Round == 0 {
		return c.Saga + "/" + c.Step
	}
	return fmt.Sprintf("%s/%s/%d", c.Saga, c.Step, c.Round)
}

// Ref returns a reference by name: the latest step's that left one, else the saga's own, else "".
func (c Call) Ref(name string) string {
	for _, o := range slices.Backward(c.Steps) {
		if v, ok := o.Refs[name]; ok {
			return v
		}
	}
	return c.Refs[name]
}

// Signalled reports whether a signal of this name has come.
func (c Call) Signalled(name string) bool { return slices.Contains(c.Signals, name) }

// Outcomes returns the outcomes of all steps done so far.
func (c Call) Outcomes() []Outcome {
	var all []Outcome
	for _, o := range c.Steps {
		all = append(all, o.Outcomes...)
	}
	return all
}
