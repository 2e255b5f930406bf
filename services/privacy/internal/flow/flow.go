package flow

import (
	"context"

	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
)

// The kinds of sagas.
const (
	SoftDelete   = "soft_delete"
	Restore      = "restore"
	EraseContact = "erase_contact"
	Export       = "export"
)

// The references sagas of these kinds are created with.
const (
	// RefHiddenBy names the soft delete that a restore takes back.
	RefHiddenBy = "hidden_by"
	// RefRequest is the id of the request that an erasure or export carries out.
	RefRequest = "request"
	// RefExport is the id of the export an export saga makes.
	RefExport = "export"
)

// Contacts is the participant that owns the person: it goes last, because
// until then it alone can say who is being erased.
const Contacts = "contacts"

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

// Definitions returns the published flows over these participants. Contacts
// must be among them.
func Definitions(ps []Participant, exporter Exporter) []saga.Definition {
	return []saga.Definition{softDelete(ps), restore(ps), eraseContact(ps), export(ps, exporter)}
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

func softDelete(ps []Participant) saga.Definition {
	return saga.Definition{Kind: SoftDelete, Version: 1, Stages: []saga.Stage{
		stage("fence", saga.Compensatable, ps, func(p Participant) saga.Step {
			return saga.Step{Do: p.fence(participantv1.Mode_MODE_HIDDEN), Undo: p.unfence(own)}
		}),
	}}
}

// restore decides first: once one service shows the person again, the way is forward.
func restore(ps []Participant) saga.Definition {
	hiddenBy := func(call saga.Call) string { return call.Ref(RefHiddenBy) }
	return saga.Definition{Kind: Restore, Version: 1, Stages: []saga.Stage{
		stage("unfence", saga.Pivot, ps, func(p Participant) saga.Step {
			return saga.Step{Do: p.unfence(hiddenBy)}
		}),
	}}
}

func eraseContact(ps []Participant) saga.Definition {
	var owner, others []Participant
	for _, p := range ps {
		if p.Name == Contacts {
			owner = append(owner, p)
		} else {
			others = append(others, p)
		}
	}
	stages := []saga.Stage{
		stage("plan", saga.Compensatable, ps, func(p Participant) saga.Step {
			return saga.Step{Do: p.plan, Undo: nothing}
		}),
		stage("fence", saga.Compensatable, ps, func(p Participant) saga.Step {
			return saga.Step{Do: p.fence(participantv1.Mode_MODE_ERASING), Undo: p.unfence(own)}
		}),
		{Name: "pivot", Steps: []saga.Step{{Name: "pivot", Kind: saga.Pivot, Do: nothing}}},
	}
	stages = append(stages, erase("", others)...)
	stages = append(stages, erase("_owner", owner)...)
	stages = append(stages, stage("tombstone", saga.Retriable, ps, func(p Participant) saga.Step {
		return saga.Step{Do: p.fence(participantv1.Mode_MODE_ERASED)}
	}))
	return saga.Definition{Kind: EraseContact, Version: 1, Stages: stages}
}

// erase is the way of some participants from a key to an attested nothing.
func erase(suffix string, ps []Participant) []saga.Stage {
	stages := []saga.Stage{
		stage("destroy", saga.Retriable, ps, func(p Participant) saga.Step { return saga.Step{Do: p.destroy} }),
		stage("sweep", saga.Retriable, ps, func(p Participant) saga.Step {
			return saga.Step{Do: p.sweep, Timeout: sweepTimeout, MinOutcomes: 1}
		}),
		stage("attest", saga.Check, ps, func(p Participant) saga.Step { return saga.Step{Do: p.attest} }),
	}
	for i := range stages {
		stages[i].Name += suffix
	}
	return stages
}

func export(ps []Participant, x Exporter) saga.Definition {
	local := func(name string, do func(context.Context, saga.Call) error) saga.Stage {
		return saga.Stage{Name: name, Steps: []saga.Step{{
			Name: name, Kind: saga.Compensatable, Timeout: sweepTimeout,
			Do:   func(ctx context.Context, call saga.Call) saga.Result { return answer(do(ctx, call)) },
			Undo: func(ctx context.Context, call saga.Call) saga.Result { return answer(x.Discard(ctx, call)) },
		}}}
	}
	return saga.Definition{Kind: Export, Version: 1, Stages: []saga.Stage{
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
