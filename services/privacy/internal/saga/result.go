package saga

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"
)

// OutcomeKind is what became of one data category at one participant.
type OutcomeKind string

// The outcomes; there is no other, and no default.
const (
	Erased     OutcomeKind = "erased"
	Anonymised OutcomeKind = "anonymised"
	NoneFound  OutcomeKind = "none_found"
	Retained   OutcomeKind = "retained"
	// OutcomeFailed never completes a step: it is asked again.
	OutcomeFailed OutcomeKind = "failed"
)

// Outcome is a participant's answer for one category.
type Outcome struct {
	Participant string      `json:"participant"`
	Category    string      `json:"category"`
	Kind        OutcomeKind `json:"kind"`
	// Count is how many items were erased, anonymised or retained.
	Count int64 `json:"count,omitempty"`
	// Ground is the code of the legal ground; retained items need one.
	Ground string `json:"ground,omitempty"`
	// Until is when the ground ends, in UTC; zero when it is open.
	Until time.Time `json:"until,omitzero"`
}

type resultKind uint8

const (
	noResult resultKind = iota
	resDone
	resRetry
	resWait
	resRefused
	resFailed
	resRerun
)

// Result is a step's answer. Make one with Done, RetryAfter, WaitFor, Refused,
// Failed or Rerun; the zero Result counts as a failed attempt.
type Result struct {
	kind     resultKind
	code     string
	delay    time.Duration
	signal   string
	until    time.Time
	refs     map[string]string
	outcomes []Outcome
	rerun    []string
}

// Done says that the step has happened, with what became of the data.
func Done(outcomes ...Outcome) Result { return Result{kind: resDone, outcomes: outcomes} }

// WithRefs adds references for later steps. Keys are [a-z_]+, values
// [A-Za-z0-9_.:-]{0,128}; anything else makes the attempt a failed one.
func (r Result) WithRefs(refs map[string]string) Result {
	r.refs = maps.Clone(refs)
	return r
}

// RetryAfter says that the participant asks to be asked again after d.
func RetryAfter(d time.Duration, code string) Result {
	return Result{kind: resRetry, delay: d, code: code}
}

// WaitFor puts a Wait step to sleep until the signal comes or the time is
// there; then its Do is asked again. A zero time waits for the signal alone.
func WaitFor(signal string, until time.Time) Result {
	return Result{kind: resWait, signal: signal, until: until}
}

// Refused declares that the step has not happened and will not: before the
// pivot the saga goes back, after it the saga is parked.
func Refused(code string) Result { return Result{kind: resRefused, code: code} }

// Failed says that the attempt failed or that its effect is unknown: the step is asked again.
func Failed(code string) Result { return Result{kind: resFailed, code: code} }

// Rerun is a Check's answer that names retriable steps of earlier stages to do
// again before it looks once more.
func Rerun(code string, steps ...string) Result {
	return Result{kind: resRerun, code: code, rerun: steps}
}

// Code returns the code of a result that is not done.
func (r Result) Code() string { return r.code }

// Outcomes returns what a done result reports.
func (r Result) Outcomes() []Outcome { return r.outcomes }

// Refs returns the references a done result leaves for later steps.
func (r Result) Refs() map[string]string { return r.refs }

// IsDone reports whether the step says it has happened.
func (r Result) IsDone() bool { return r.kind == resDone }

// IsRefused reports whether the step declares that it has not happened.
func (r Result) IsRefused() bool { return r.kind == resRefused }

// String returns the result's kind and code.
func (r Result) String() string {
	name := [...]string{"none", "done", "retry_after", "wait", "refused", "failed", "rerun"}[r.kind]
	if r.code == "" {
		return name
	}
	return fmt.Sprintf("%s(%s)", name, r.code)
}

var (
	codeRule  = regexp.MustCompile(`^[a-z_]{1,64}$`)
	valueRule = regexp.MustCompile(`^[A-Za-z0-9_.:-]{0,128}$`)
)

// checkRefs reports whether all references have the allowed form.
func checkRefs(refs map[string]string) bool {
	for k, v := range refs {
		if !codeRule.MatchString(k) || !valueRule.MatchString(v) {
			return false
		}
	}
	return len(refs) <= 64
}

// code keeps text out of rows: what is no code becomes one that says so.
func code(c string) string {
	if !codeRule.MatchString(c) {
		return "bad_code"
	}
	return c
}

// checked returns the result a step may give, or a failed attempt that says what is wrong with it.
func (r Result) checked(p *plan, step int, undo bool) Result {
	s := p.steps[step]
	switch r.kind {
	case resDone:
		if !checkRefs(r.refs) {
			return Failed("bad_refs")
		}
		if undo {
			return r
		}
		if c := s.answered(r.outcomes); c != "" {
			return Failed(c)
		}
		return r
	case resRetry, resFailed, resRefused:
		r.code = code(r.code)
		return r
	case resWait:
		if s.Kind != Wait || undo || (r.signal == "" && r.until.IsZero()) || (r.signal != "" && !codeRule.MatchString(r.signal)) {
			return Failed("bad_wait")
		}
		return r
	case resRerun:
		r.code = code(r.code)
		if s.Kind != Check || undo || !p.rerunnable(step, r.rerun) {
			return Failed("bad_rerun")
		}
		return r
	}
	return Failed("no_result")
}

// answered returns "" when the outcomes cover what the step must report, else a code.
func (s Step) answered(outcomes []Outcome) string {
	if len(outcomes) < s.MinOutcomes {
		return "outcome_missing"
	}
	for _, o := range outcomes {
		if c := o.check(); c != "" {
			return c
		}
	}
	for _, c := range s.Reports {
		if !slices.ContainsFunc(outcomes, func(o Outcome) bool { return o.Category == c }) {
			return "outcome_missing"
		}
	}
	return ""
}

// check returns "" for a whole outcome, else a code.
func (o Outcome) check() string {
	if !nameRule.MatchString(o.Participant) || !nameRule.MatchString(o.Category) || o.Count < 0 {
		return "outcome_invalid"
	}
	if o.Ground != "" && !nameRule.MatchString(o.Ground) {
		return "outcome_invalid"
	}
	switch o.Kind {
	case Erased, Anonymised, NoneFound:
		return ""
	case Retained:
		if o.Ground == "" {
			return "outcome_invalid"
		}
		return ""
	case OutcomeFailed:
		return "outcome_failed"
	}
	return "outcome_invalid"
}

// rerunnable reports whether all names are retriable steps of stages before the step's own.
func (p *plan) rerunnable(check int, names []string) bool {
	for _, n := range names {
		i := p.find(n)
		if i < 0 || p.steps[i].Kind != Retriable || p.stage[i] >= p.stage[check] {
			return false
		}
	}
	return len(names) > 0
}

// merge adds what a step reports in a later round to what it reported before,
// per participant and category: erased and anonymised counts add up, retained
// is the newest, none_found yields to everything else.
func merge(before, now []Outcome) []Outcome {
	if len(before) == 0 {
		return now
	}
	sum := slices.Clone(now)
	for _, o := range before {
		if o.Kind != Erased && o.Kind != Anonymised {
			continue
		}
		same := func(n Outcome) bool {
			return n.Participant == o.Participant && n.Category == o.Category && n.Kind == o.Kind
		}
		if i := slices.IndexFunc(sum, same); i >= 0 {
			sum[i].Count += o.Count
			continue
		}
		sum = append(sum, o)
	}
	return slices.DeleteFunc(sum, func(o Outcome) bool {
		return o.Kind == NoneFound && slices.ContainsFunc(sum, func(n Outcome) bool {
			return n.Participant == o.Participant && n.Category == o.Category && n.Kind != NoneFound
		})
	})
}
