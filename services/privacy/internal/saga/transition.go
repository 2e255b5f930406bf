package saga

// State is where a saga stands.
type State string

// The states of a saga.
const (
	StatePending   State = "pending"
	StateRunning   State = "running"
	StateWaiting   State = "waiting"
	StateUndoing   State = "undoing"
	StateParked    State = "parked"
	StateCompleted State = "completed"
	StateRefused   State = "refused"
	StateCancelled State = "cancelled"
)

// States returns all states in the order of a saga's life.
func States() []State {
	return []State{
		StatePending, StateRunning, StateWaiting, StateUndoing,
		StateParked, StateCompleted, StateRefused, StateCancelled,
	}
}

// Ended reports whether nothing follows the state.
func (s State) Ended() bool {
	return s == StateCompleted || s == StateRefused || s == StateCancelled
}

// Phase is which ways are still open to a saga; it also survives parking.
type Phase string

// The phases of a saga.
const (
	// PhaseOpen is before the pivot: back and forward are open.
	PhaseOpen Phase = "open"
	// PhaseDeciding begins with the write that enters the pivot's stage: cancelling
	// is too late, and only the refusal of every pivot step leads back.
	PhaseDeciding Phase = "deciding"
	// PhaseCommitted is after the pivot: forward only.
	PhaseCommitted Phase = "committed"
	// PhaseRefusing is on the way back after a refusal.
	PhaseRefusing Phase = "refusing"
	// PhaseCancelling is on the way back after a cancel.
	PhaseCancelling Phase = "cancelling"
)

func phases() []Phase {
	return []Phase{PhaseOpen, PhaseDeciding, PhaseCommitted, PhaseRefusing, PhaseCancelling}
}

// event is what can happen to a saga.
type event uint8

const (
	evClaimed   event = iota + 1 // an engine takes the saga
	evPivoted                    // the next stage is the pivot
	evAdvanced                   // a stage is done and another follows
	evFinished                   // the last stage is done and everything is answered
	evReran                      // a check sends steps round again
	evRefused                    // a step declares that it has not happened
	evUndone                     // nothing is left to undo
	evSlept                      // nothing to do before a time or a signal
	evReleased                   // the engine closes and hands the saga on
	evSignalled                  // a signal has come
	evStuck                      // a person has to look
	evRetried                    // a person says go on
	evCancel                     // a person says stop
)

func events() []event {
	var all []event
	for e := evClaimed; e <= evCancel; e++ {
		all = append(all, e)
	}
	return all
}

// point is all that the transition function looks at.
type point struct {
	State State
	Phase Phase
}

// table holds every legal transition. What is not in it cannot happen: next
// answers false, and the engine parks nothing and writes nothing.
var table = map[point]map[event]point{
	{StatePending, PhaseOpen}: {
		evClaimed:   {StateRunning, PhaseOpen},
		evSignalled: {StatePending, PhaseOpen},
		evStuck:     {StateParked, PhaseOpen},
		evCancel:    {StateUndoing, PhaseCancelling},
	},
	{StateRunning, PhaseOpen}: {
		evClaimed:   {StateRunning, PhaseOpen},
		evPivoted:   {StateRunning, PhaseDeciding},
		evAdvanced:  {StateRunning, PhaseOpen},
		evFinished:  {StateCompleted, PhaseOpen},
		evRefused:   {StateUndoing, PhaseRefusing},
		evSlept:     {StateWaiting, PhaseOpen},
		evReleased:  {StateRunning, PhaseOpen},
		evSignalled: {StateRunning, PhaseOpen},
		evStuck:     {StateParked, PhaseOpen},
		evCancel:    {StateUndoing, PhaseCancelling},
	},
	{StateRunning, PhaseDeciding}: {
		evClaimed:   {StateRunning, PhaseDeciding},
		evAdvanced:  {StateRunning, PhaseCommitted},
		evFinished:  {StateCompleted, PhaseCommitted},
		evRefused:   {StateUndoing, PhaseRefusing},
		evSlept:     {StateWaiting, PhaseDeciding},
		evReleased:  {StateRunning, PhaseDeciding},
		evSignalled: {StateRunning, PhaseDeciding},
		evStuck:     {StateParked, PhaseDeciding},
	},
	{StateRunning, PhaseCommitted}: {
		evClaimed:   {StateRunning, PhaseCommitted},
		evAdvanced:  {StateRunning, PhaseCommitted},
		evFinished:  {StateCompleted, PhaseCommitted},
		evReran:     {StateRunning, PhaseCommitted},
		evRefused:   {StateParked, PhaseCommitted},
		evSlept:     {StateWaiting, PhaseCommitted},
		evReleased:  {StateRunning, PhaseCommitted},
		evSignalled: {StateRunning, PhaseCommitted},
		evStuck:     {StateParked, PhaseCommitted},
	},
	{StateWaiting, PhaseOpen}: {
		evClaimed:   {StateRunning, PhaseOpen},
		evSignalled: {StateWaiting, PhaseOpen},
		evStuck:     {StateParked, PhaseOpen},
		evCancel:    {StateUndoing, PhaseCancelling},
	},
	{StateWaiting, PhaseDeciding}: {
		evClaimed:   {StateRunning, PhaseDeciding},
		evSignalled: {StateWaiting, PhaseDeciding},
		evStuck:     {StateParked, PhaseDeciding},
	},
	{StateWaiting, PhaseCommitted}: {
		evClaimed:   {StateRunning, PhaseCommitted},
		evSignalled: {StateWaiting, PhaseCommitted},
		evStuck:     {StateParked, PhaseCommitted},
	},
	{StateUndoing, PhaseRefusing}: {
		evClaimed:   {StateUndoing, PhaseRefusing},
		evAdvanced:  {StateUndoing, PhaseRefusing},
		evUndone:    {StateRefused, PhaseRefusing},
		evSlept:     {StateUndoing, PhaseRefusing},
		evReleased:  {StateUndoing, PhaseRefusing},
		evSignalled: {StateUndoing, PhaseRefusing},
		evStuck:     {StateParked, PhaseRefusing},
	},
	{StateUndoing, PhaseCancelling}: {
		evClaimed:   {StateUndoing, PhaseCancelling},
		evAdvanced:  {StateUndoing, PhaseCancelling},
		evUndone:    {StateCancelled, PhaseCancelling},
		evSlept:     {StateUndoing, PhaseCancelling},
		evReleased:  {StateUndoing, PhaseCancelling},
		evSignalled: {StateUndoing, PhaseCancelling},
		evStuck:     {StateParked, PhaseCancelling},
	},
	{StateParked, PhaseOpen}: {
		evSignalled: {StateParked, PhaseOpen},
		evRetried:   {StateRunning, PhaseOpen},
		evCancel:    {StateUndoing, PhaseCancelling},
	},
	{StateParked, PhaseDeciding}: {
		evSignalled: {StateParked, PhaseDeciding},
		evRetried:   {StateRunning, PhaseDeciding},
	},
	{StateParked, PhaseCommitted}: {
		evSignalled: {StateParked, PhaseCommitted},
		evRetried:   {StateRunning, PhaseCommitted},
	},
	{StateParked, PhaseRefusing}: {
		evSignalled: {StateParked, PhaseRefusing},
		evRetried:   {StateUndoing, PhaseRefusing},
	},
	{StateParked, PhaseCancelling}: {
		evSignalled: {StateParked, PhaseCancelling},
		evRetried:   {StateUndoing, PhaseCancelling},
	},
}

// next returns where an event leads, and false where it cannot happen. It is total.
func next(p point, e event) (point, bool) {
	to, ok := table[p][e]
	if !ok {
		return p, false
	}
	return to, true
}
