package flow

import (
	"github.com/lethe-desk/lethe/services/privacy/internal/saga"

	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
)

// erasePerson leaves nothing of a person but what others wrote, without the
// person in it. Keys go first: what a crash leaves behind is noise.
func erasePerson(kind string, version int, ps []Participant, d Directory) saga.Definition {
	owner, others := apart(ps, Contacts)
	stages := []saga.Stage{
		stage("plan", saga.Compensatable, ps, func(p Participant) saga.Step {
			return saga.Step{Do: p.planPerson(d), Undo: nothing}
		}),
		fence(participantv1.Mode_MODE_ERASING, ps),
	}
	if kind == EraseAgent {
		stages = append(stages, stage("administrators", saga.Compensatable, owner, func(Participant) saga.Step {
			return saga.Step{Do: d.keepAdministrator, Undo: nothing}
		}))
	}
	// The links a sweep takes away lead to the records in which the person's name is looked for.
	redact := stage("redact", saga.Retriable, ps, func(p Participant) saga.Step {
		return saga.Step{Do: p.redact(d), Timeout: sweepTimeout}
	})
	stages = append(stages, pivot(), destroy("", others), redact, sweep("", others, linksByKind))
	attest := stage("attest", saga.Check, others, func(p Participant) saga.Step { return saga.Step{Do: p.attestAll(d)} })
	// What contacts says about others has to be free of the person while the person can still be recognised.
	for _, p := range owner {
		attest.Steps = append(attest.Steps, saga.Step{Name: "attest.mentions", Kind: saga.Check, Participant: p.Name, Do: p.attestMentions(d)})
	}
	stages = append(stages, attest, destroy("_owner", owner), sweep("_owner", owner, linksByKind))
	last := stage("attest", saga.Check, owner, func(p Participant) saga.Step { return saga.Step{Do: p.attestOwned} })
	last.Name += "_owner"
	return saga.Definition{Kind: kind, Version: version, Stages: append(stages, last, tombstone(ps))}
}

// eraseContactFirst is the first version: without redaction, links are emptied.
func eraseContactFirst(ps []Participant) saga.Definition {
	owner, others := apart(ps, Contacts)
	stages := []saga.Stage{
		stage("plan", saga.Compensatable, ps, func(p Participant) saga.Step {
			return saga.Step{Do: p.plan, Undo: nothing}
		}),
		fence(participantv1.Mode_MODE_ERASING, ps),
		pivot(),
	}
	for suffix, of := range []([]Participant){others, owner} {
		name := []string{"", "_owner"}[suffix]
		check := stage("attest", saga.Check, of, func(p Participant) saga.Step { return saga.Step{Do: p.attest} })
		check.Name += name
		stages = append(stages, destroy(name, of), sweep(name, of, contactLinks), check)
	}
	return saga.Definition{Kind: EraseContact, Version: 1, Stages: append(stages, tombstone(ps))}
}

func destroy(suffix string, ps []Participant) saga.Stage {
	s := stage("destroy", saga.Retriable, ps, func(p Participant) saga.Step { return saga.Step{Do: p.destroy} })
	s.Name += suffix
	return s
}

func sweep(suffix string, ps []Participant, kind kindFunc) saga.Stage {
	s := stage("sweep", saga.Retriable, ps, func(p Participant) saga.Step {
		return saga.Step{Do: p.sweep(kind), Timeout: sweepTimeout, MinOutcomes: 1}
	})
	s.Name += suffix
	return s
}

// eraseTicket leaves nothing of one ticket. It destroys no key, so what is
// erased is deleted; the person stays.
func eraseTicket(ps []Participant) saga.Definition {
	owner, others := apart(ps, Tickets)
	erase := func(suffix string, of []Participant, min int) saga.Stage {
		s := stage("erase", saga.Retriable, of, func(p Participant) saga.Step {
			return saga.Step{Do: p.eraseItem, Timeout: sweepTimeout, MinOutcomes: min}
		})
		s.Name += suffix
		return s
	}
	return saga.Definition{Kind: EraseTicket, Version: 1, Stages: []saga.Stage{
		stage("plan", saga.Compensatable, ps, func(p Participant) saga.Step {
			return saga.Step{Do: p.planItem, Undo: nothing}
		}),
		pivot(),
		erase("_owner", owner, 1),
		erase("", others, 0),
		stage("attest", saga.Check, ps, func(p Participant) saga.Step { return saga.Step{Do: p.attestItem} }),
	}}
}
