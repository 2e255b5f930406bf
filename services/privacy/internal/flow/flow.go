package flow

import (
	"context"
	"errors"
	"slices"

	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
)

// The kinds of sagas.
const (
	SoftDelete   = "soft_delete"
	Restore      = "restore"
	EraseContact = "erase_contact"
	EraseAgent   = "erase_agent"
	EraseTicket  = "erase_ticket"
	Export       = "export"
)

// ErasesPerson reports whether a kind of saga leaves nothing of a person.
func ErasesPerson(kind string) bool { return kind == EraseContact || kind == EraseAgent }

// The references sagas of these kinds are created with.
const (
	// RefHiddenBy names the soft delete that a restore takes back.
	RefHiddenBy = "hidden_by"
	// RefRequest is the id of the request that an erasure or export carries out.
	RefRequest = "request"
	// RefExport is the id of the export an export saga makes.
	RefExport = "export"
	// RefTicket is the number of the ticket an erase_ticket saga erases.
	RefTicket = "ticket"
)

// refKind is where the plan of an erasure keeps what the person is; it decides
// what becomes of links, and stays as it was when the erasure was planned.
const refKind = "kind"

// The participants that a flow treats differently.
const (
	// Contacts owns the person: it goes last, because until then it alone can
	// say who is being erased.
	Contacts = "contacts"
	// Tickets owns tickets: of a ticket's erasure it goes first, so that nothing
	// new hangs on what is going.
	Tickets = "tickets"
)

// The participants of the published definitions. The first version of
// soft_delete, restore, export and erase_contact is over firstSet, everything
// else over newestSet; a saga that began under a version ends under it.
var (
	firstSet  = []string{Contacts, "privacy", Tickets}
	newestSet = []string{Contacts, "forums", "privacy", "ratings", Tickets}
)

// ErrParticipants means that the participants are not those of the published
// flows: a flow over others would leave somebody's data behind.
var ErrParticipants = errors.New("the participants are not those of the published flows: contacts, forums, privacy, ratings and tickets")

// Exporter makes archives; the export flow calls it step by step.
type Exporter interface {
	// Collect stores all that a participant holds of the person, sealed.
	Collect(ctx context.Context, call saga.Call, p Participant) error
	// Assemble makes the archive of what was collected.
	Assemble(ctx context.Context, call saga.Call) error
	// Offer makes the archive available and drops what was collected.
	Offer(ctx context.Context, call saga.Call) error
	// Discard removes everything of an export that will not be.
	Discard(ctx context.Context, call saga.Call) error
}

// Definitions returns all published flows over these participants, earlier
// versions included, so that what began before a service was added can end.
// ErrParticipants unless they are exactly those of the newest set.
func Definitions(ps []Participant, d Directory, x Exporter) ([]saga.Definition, error) {
	all := pick(ps, newestSet)
	if len(all) != len(newestSet) || len(ps) != len(newestSet) {
		return nil, ErrParticipants
	}
	return append(First(ps, x),
		softDelete(2, all), restore(2, all), export(2, all, x),
		erasePerson(EraseContact, 2, all, d), erasePerson(EraseAgent, 1, all, d), eraseTicket(all),
	), nil
}

// First returns the flows that were published first. No new saga takes one.
func First(ps []Participant, x Exporter) []saga.Definition {
	first := pick(ps, firstSet)
	return []saga.Definition{softDelete(1, first), restore(1, first), eraseContactFirst(first), export(1, first, x)}
}

// pick returns the participants of these names, in the order of the names.
func pick(ps []Participant, names []string) []Participant {
	var out []Participant
	for _, name := range names {
		if i := slices.IndexFunc(ps, func(p Participant) bool { return p.Name == name }); i >= 0 {
			out = append(out, ps[i])
		}
	}
	return out
}

// apart returns the participant of a name, and the others.
func apart(ps []Participant, name string) (one, others []Participant) {
	for _, p := range ps {
		if p.Name == name {
			one = append(one, p)
		} else {
			others = append(others, p)
		}
	}
	return one, others
}

// LastKey is the step of an erasure after which no key of the person is left anywhere.
const LastKey = "destroy." + Contacts

func stage(name string, kind saga.StepKind, ps []Participant, do func(Participant) saga.Step) saga.Stage {
	s := saga.Stage{Name: name}
	for _, p := range ps {
		step := do(p)
		step.Kind, step.Participant, step.Name = kind, p.Name, name+"."+p.Name
		s.Steps = append(s.Steps, step)
	}
	return s
}

func softDelete(version int, ps []Participant) saga.Definition {
	return saga.Definition{Kind: SoftDelete, Version: version, Stages: []saga.Stage{
		fence(participantv1.Mode_MODE_HIDDEN, ps),
	}}
}

// fence is a stage that can be taken back.
func fence(mode participantv1.Mode, ps []Participant) saga.Stage {
	return stage("fence", saga.Compensatable, ps, func(p Participant) saga.Step {
		return saga.Step{Do: p.fence(mode), Undo: p.unfence(own)}
	})
}

// restore decides first: once one service shows the person again, the way is forward.
func restore(version int, ps []Participant) saga.Definition {
	hiddenBy := func(call saga.Call) string { return call.Ref(RefHiddenBy) }
	return saga.Definition{Kind: Restore, Version: version, Stages: []saga.Stage{
		stage("unfence", saga.Pivot, ps, func(p Participant) saga.Step {
			return saga.Step{Do: p.unfence(hiddenBy)}
		}),
	}}
}

func pivot() saga.Stage {
	return saga.Stage{Name: "pivot", Steps: []saga.Step{{Name: "pivot", Kind: saga.Pivot, Do: nothing}}}
}

func tombstone(ps []Participant) saga.Stage {
	return stage("tombstone", saga.Retriable, ps, func(p Participant) saga.Step {
		return saga.Step{Do: p.fence(participantv1.Mode_MODE_ERASED)}
	})
}

func export(version int, ps []Participant, x Exporter) saga.Definition {
	local := func(name string, do func(context.Context, saga.Call) error) saga.Stage {
		return saga.Stage{Name: name, Steps: []saga.Step{{
			Name: name, Kind: saga.Compensatable, Timeout: sweepTimeout,
			Do:   func(ctx context.Context, call saga.Call) saga.Result { return answer(do(ctx, call)) },
			Undo: func(ctx context.Context, call saga.Call) saga.Result { return answer(x.Discard(ctx, call)) },
		}}}
	}
	return saga.Definition{Kind: Export, Version: version, Stages: []saga.Stage{
		stage("collect", saga.Compensatable, ps, func(p Participant) saga.Step {
			return saga.Step{
				Timeout: sweepTimeout,
				Do:      func(ctx context.Context, call saga.Call) saga.Result { return answer(x.Collect(ctx, call, p)) },
				Undo:    func(ctx context.Context, call saga.Call) saga.Result { return answer(x.Discard(ctx, call)) },
			}
		}),
		local("assemble", x.Assemble),
		local("offer", x.Offer),
	}}
}
