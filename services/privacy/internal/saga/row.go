package saga

import (
	"maps"
	"slices"
	"time"
)

// StepState is where one step of a saga stands.
type StepState string

// The states of a step.
const (
	StepPending StepState = "pending"
	StepDone    StepState = "done"
	StepWaiting StepState = "waiting"
	StepRefused StepState = "refused"
	StepFailed  StepState = "failed"
	StepUndone  StepState = "undone"
	// StepRunning is seen in events only; it is never stored.
	StepRunning StepState = "running"
)

// StepRow is what is stored of a step.
type StepRow struct {
	Name  string    `json:"name"`
	Stage string    `json:"stage"`
	State StepState `json:"state"`
	// Attempts counts the calls since the step was last begun.
	Attempts int `json:"attempts,omitempty"`
	// Round is how often a check has sent the step round again.
	Round int `json:"round,omitempty"`
	// Code is why the step is not done.
	Code string `json:"code,omitempty"`
	// Until is when the step is asked again; Signal is what a Wait step waits for.
	Until  time.Time `json:"until,omitzero"`
	Signal string    `json:"signal,omitempty"`
	// Seen is how many signals the step was told of when last asked.
	Seen     int               `json:"seen,omitempty"`
	At       time.Time         `json:"at,omitzero"`
	Refs     map[string]string `json:"refs,omitempty"`
	Outcomes []Outcome         `json:"outcomes,omitempty"`
}

// Trace is the trace a saga belongs to; all its run segments share TraceID.
type Trace struct {
	TraceID string `json:"trace_id"`
	// Creator is the span in which the saga was created.
	Creator string `json:"creator,omitempty"`
	// LastSegment is the span of the newest run segment, which the next one links to.
	LastSegment string `json:"last_segment,omitempty"`
	Sampled     bool   `json:"sampled,omitempty"`
}

// LogEntry is one recorded transition, of a step or (Step empty) of the saga.
type LogEntry struct {
	Seq       int64     `json:"seq"`
	At        time.Time `json:"at"`
	State     State     `json:"state"`
	Stage     string    `json:"stage"`
	Step      string    `json:"step,omitempty"`
	StepState StepState `json:"step_state,omitempty"`
	Code      string    `json:"code,omitempty"`
}

// MaxLog is how many transitions a row keeps.
const MaxLog = 64

// maxSignals bounds the names a row keeps.
const maxSignals = 32

// Row is all that is stored of a saga: ids, states, times and codes. Nothing
// in it names a person, and nothing personal fits its references.
type Row struct {
	ID      string `json:"id"`
	Account int64  `json:"account"`
	Subject int64  `json:"subject"`
	Kind    string `json:"kind"`
	// Version and DefHash pin the definition.
	Version int    `json:"version"`
	DefHash string `json:"def_hash"`
	State   State  `json:"state"`
	Phase   Phase  `json:"phase"`
	// Stage and StageName are the stage that runs, or is undone, next.
	Stage     int       `json:"stage"`
	StageName string    `json:"stage_name"`
	Steps     []StepRow `json:"steps"`
	// Owner, Epoch and LeaseUntil are who holds the saga, since which claim and until when.
	Owner      string    `json:"owner,omitempty"`
	Epoch      int32     `json:"epoch"`
	LeaseUntil time.Time `json:"lease_until,omitzero"`
	// Turn rises with each record; it is the stage of the token participants see.
	Turn int32 `json:"turn"`
	// Claims counts claims since the last record: a crash loop shows here.
	Claims int `json:"claims,omitempty"`
	// Rev is the revision last read; the store raises it with each write.
	Rev int64 `json:"rev"`
	// DueAt is when somebody has to look: soon after the end of the lease while owned, the
	// time to wake while not; zero when parked or ended.
	DueAt    time.Time `json:"due_at,omitzero"`
	Sequence int64     `json:"sequence,omitempty"`
	Reruns   int       `json:"reruns,omitempty"`
	Trace    Trace     `json:"trace"`
	// Seq is the number of the newest transition; Log holds the last MaxLog.
	Seq     int64             `json:"seq"`
	Log     []LogEntry        `json:"log,omitempty"`
	Signals []string          `json:"signals,omitempty"`
	Refs    map[string]string `json:"refs,omitempty"`
	// Reason is the code why the saga was refused, cancelled or parked.
	Reason string `json:"reason,omitempty"`
	// RequestedBy is the id of the actor who started it; 0 is the system.
	RequestedBy int64     `json:"requested_by,omitempty"`
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`
	FinishedAt  time.Time `json:"finished_at,omitzero"`
	// Handle is the store's own memory of the row; nobody else looks at it.
	Handle any `json:"-"`
}

// Pivot reports whether a step that cannot be taken back may have happened.
func (r *Row) Pivot() bool { return r.Phase == PhaseDeciding || r.Phase == PhaseCommitted }

// Step returns the row of a step by name.
func (r *Row) Step(name string) (StepRow, bool) {
	i := slices.IndexFunc(r.Steps, func(s StepRow) bool { return s.Name == name })
	if i < 0 {
		return StepRow{}, false
	}
	return r.Steps[i], true
}

// Outcomes returns what all done steps have reported, in the definition's order.
func (r *Row) Outcomes() []Outcome {
	var all []Outcome
	for _, s := range r.Steps {
		if s.State == StepDone {
			all = append(all, s.Outcomes...)
		}
	}
	return all
}

// Clone returns a copy that shares nothing which is ever changed.
func (r *Row) Clone() *Row {
	c := *r
	c.Steps = slices.Clone(r.Steps)
	c.Log = slices.Clone(r.Log)
	c.Signals = slices.Clone(r.Signals)
	c.Refs = maps.Clone(r.Refs)
	return &c
}

// apply moves the row along the table; it reports false and changes nothing where the event cannot happen.
func (r *Row) apply(e event) bool {
	to, ok := next(point{r.State, r.Phase}, e)
	if ok {
		r.State, r.Phase = to.State, to.Phase
	}
	return ok
}

// note appends a transition to the log.
func (r *Row) note(now time.Time, step string, state StepState, code string) {
	r.Seq++
	if len(r.Log) >= MaxLog {
		r.Log = slices.Delete(r.Log, 0, len(r.Log)-MaxLog+1)
	}
	r.Log = append(r.Log, LogEntry{
		Seq: r.Seq, At: now, State: r.State, Stage: r.StageName,
		Step: step, StepState: state, Code: code,
	})
}

// lend gives the row's owner a lease from now on. Others look a little behind
// its end, so that the due time, which stands in an index, rests while stages
// follow each other quickly.
func (r *Row) lend(now time.Time, length time.Duration) {
	r.LeaseUntil = stamp(now.Add(length))
	if r.DueAt.Before(r.LeaseUntil) {
		r.DueAt = stamp(r.LeaseUntil.Add(length / 4))
	}
}

// disown gives the saga up: due is when somebody has to look again, zero for never.
func (r *Row) disown(due time.Time) {
	r.Owner, r.LeaseUntil, r.DueAt = "", time.Time{}, due
}

// outputs returns what done steps left behind.
func (r *Row) outputs() []Output {
	var outs []Output
	for _, s := range r.Steps {
		if s.State == StepDone {
			outs = append(outs, Output{Step: s.Name, Refs: s.Refs, Outcomes: s.Outcomes})
		}
	}
	return outs
}
