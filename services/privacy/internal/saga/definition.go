package saga

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// StepKind says what a refusal of a step means and when it may stand.
type StepKind uint8

// The kinds of steps. A stage holds steps of one kind.
const (
	// Compensatable steps can be undone; they stand before the pivot.
	Compensatable StepKind = iota + 1
	// Pivot steps decide: a refusal of all of them undoes, an answer of one commits.
	Pivot
	// Retriable steps stand after the pivot and are asked until they answer.
	Retriable
	// Check steps look; they may send named retriable steps round again.
	Check
	// Wait steps end by a timer or a signal.
	Wait
)

// String returns the kind's name.
func (k StepKind) String() string {
	names := [...]string{"invalid", "compensatable", "pivot", "retriable", "check", "wait"}
	if int(k) >= len(names) {
		return names[0]
	}
	return names[k]
}

// StepFunc carries a step out. It must return soon after its context ends and
// must be harmless when called again with the same [Call.Key].
type StepFunc func(ctx context.Context, call Call) Result

// Retry says how a step is asked again. Zero fields take the defaults.
type Retry struct {
	// Base is the upper bound of the first delay; it doubles with each attempt.
	Base time.Duration
	// Cap is the upper bound of every delay.
	Cap time.Duration
	// MaxAttempts is after how many attempts without an answer the saga is parked.
	MaxAttempts int
}

// Defaults of a step, chosen so that a participant that is away for ten
// minutes is waited for and one that is away for longer becomes visible.
const (
	DefaultTimeout     = 30 * time.Second
	DefaultBase        = 200 * time.Millisecond
	DefaultCap         = 5 * time.Minute
	DefaultMaxAttempts = 14
	DefaultMaxReruns   = 3
)

// Step is one call of a saga to one participant.
type Step struct {
	// Name is unique in the definition and part of the key participants see.
	Name string
	// Participant names whose semaphore the step takes; "" takes none.
	Participant string
	Kind        StepKind
	// Timeout bounds one attempt; 0 is DefaultTimeout.
	Timeout time.Duration
	Retry   Retry
	// MaxReruns is how often a check may send steps round again; 0 is DefaultMaxReruns.
	MaxReruns int
	// Reports are categories for each of which Done must carry an outcome.
	Reports []string
	// MinOutcomes is how many outcomes Done must carry at least.
	MinOutcomes int
	Do          StepFunc
	// Undo takes the step back, also when it never arrived. Compensatable steps need one, others have none.
	Undo StepFunc
}

// Stage is a set of steps of one kind that run in parallel.
type Stage struct {
	Name  string
	Steps []Step
}

// Definition is a published list of stages. A published version never changes;
// [Definition.Hash] and the golden file check of sagatest hold that.
type Definition struct {
	Kind    string
	Version int
	Stages  []Stage
}

// ErrDefinition means that a definition is not one the engine can run.
var ErrDefinition = errors.New("bad saga definition")

var nameRule = regexp.MustCompile(`^[a-z][a-z0-9_.]{0,63}$`)

// Hash returns what a row pins of its definition: names, kinds, participants
// and duties to report. Timeouts and retry rules may be tuned without it.
func (d Definition) Hash() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d\n", d.Kind, d.Version)
	for _, st := range d.Stages {
		fmt.Fprintf(&b, "stage %s\n", st.Name)
		for _, s := range st.Steps {
			fmt.Fprintf(&b, "step %s %s %s %v %d\n", s.Name, s.Kind, s.Participant, s.Reports, s.MinOutcomes)
		}
	}
	sum := sha256.Sum256([]byte(b.String()))
	return hex.EncodeToString(sum[:16])
}

// Validate returns an error wrapping ErrDefinition unless the stages have the
// shape compensatable* (pivot retriable*)?, with checks and waits anywhere.
func (d Definition) Validate() error {
	if !nameRule.MatchString(d.Kind) || d.Version < 1 || len(d.Stages) == 0 {
		return fmt.Errorf("%w: kind, version and stages are needed", ErrDefinition)
	}
	seen := map[string]bool{}
	decided := false
	for _, st := range d.Stages {
		if !nameRule.MatchString(st.Name) || seen["stage "+st.Name] || len(st.Steps) == 0 {
			return d.wrong(st.Name, "a stage needs a name of its own and steps")
		}
		seen["stage "+st.Name] = true
		kind := st.Steps[0].Kind
		if err := d.shape(st.Name, kind, decided); err != nil {
			return err
		}
		decided = decided || kind == Pivot
		for _, s := range st.Steps {
			if seen[s.Name] {
				return d.wrong(s.Name, "step names are unique")
			}
			seen[s.Name] = true
			if err := d.step(s, kind); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d Definition) shape(stage string, kind StepKind, decided bool) error {
	switch {
	case kind < Compensatable || kind > Wait:
		return d.wrong(stage, "unknown step kind")
	case kind == Pivot && decided:
		return d.wrong(stage, "there is one pivot")
	case kind == Compensatable && decided:
		return d.wrong(stage, "nothing is compensatable after the pivot")
	case kind == Retriable && !decided:
		return d.wrong(stage, "retriable steps stand after the pivot")
	}
	return nil
}

func (d Definition) step(s Step, kind StepKind) error {
	switch {
	case !nameRule.MatchString(s.Name):
		return d.wrong(s.Name, "a step needs a plain name")
	case s.Participant != "" && !nameRule.MatchString(s.Participant):
		return d.wrong(s.Name, "a participant has a plain name")
	case s.Kind != kind:
		return d.wrong(s.Name, "a stage holds one kind")
	case s.Do == nil:
		return d.wrong(s.Name, "a step needs Do")
	case (s.Undo != nil) != (s.Kind == Compensatable):
		return d.wrong(s.Name, "Undo belongs to compensatable steps, and to each of them")
	case s.Timeout < 0 || s.Retry.Base < 0 || s.Retry.Cap < 0 || s.Retry.MaxAttempts < 0 || s.MaxReruns < 0 || s.MinOutcomes < 0:
		return d.wrong(s.Name, "negative limits")
	}
	for _, c := range s.Reports {
		if !nameRule.MatchString(c) {
			return d.wrong(s.Name, "a category has a plain name")
		}
	}
	return nil
}

func (d Definition) wrong(what, why string) error {
	return fmt.Errorf("%w: %s/%d %s: %s", ErrDefinition, d.Kind, d.Version, what, why)
}

// Hashes returns one line "kind version hash" per definition, sorted, for the golden file.
func Hashes(defs ...Definition) []string {
	lines := make([]string, 0, len(defs))
	for _, d := range defs {
		lines = append(lines, fmt.Sprintf("%s %d %s", d.Kind, d.Version, d.Hash()))
	}
	slices.Sort(lines)
	return lines
}

// withDefaults fills in zero limits.
func (s Step) withDefaults() Step {
	if s.Timeout == 0 {
		s.Timeout = DefaultTimeout
	}
	if s.Retry.Base == 0 {
		s.Retry.Base = DefaultBase
	}
	if s.Retry.Cap == 0 {
		s.Retry.Cap = DefaultCap
	}
	if s.Retry.MaxAttempts == 0 {
		s.Retry.MaxAttempts = DefaultMaxAttempts
	}
	if s.MaxReruns == 0 {
		s.MaxReruns = DefaultMaxReruns
	}
	return s
}

// plan is a registered definition with its steps laid out flat, in the order of Row.Steps.
type plan struct {
	Definition
	hash  string
	steps []Step
	stage []int // stage[i] is the stage of steps[i]
}

func newPlan(d Definition) (*plan, error) {
	if err := d.Validate(); err != nil {
		return nil, err
	}
	p := &plan{Definition: d, hash: d.Hash()}
	for i, st := range d.Stages {
		for _, s := range st.Steps {
			p.steps = append(p.steps, s.withDefaults())
			p.stage = append(p.stage, i)
		}
	}
	return p, nil
}

// kind returns the kind of a stage's steps.
func (p *plan) kind(stage int) StepKind { return p.Stages[stage].Steps[0].Kind }

// find returns the index of a step by name, or -1.
func (p *plan) find(name string) int {
	return slices.IndexFunc(p.steps, func(s Step) bool { return s.Name == name })
}
