package flow

import (
	"context"

	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
)

// demand is what a recount has to say about each planned resource, and what is
// done again where it says that something is left.
type demand struct {
	// of returns the count; nil is unmeasured.
	of func(*participantv1.Count) *int64
	// owed reports whether a planned resource has to give it.
	owed func(planned) bool
	// code and again are why, and which step.
	code, again string
}

var (
	ownedGone = demand{
		of: func(n *participantv1.Count) *int64 { return n.Owned }, owed: func(planned) bool { return true },
		code: "data_left", again: "sweep.",
	}
	linksGone = demand{
		of: func(n *participantv1.Count) *int64 { return n.Linked }, owed: func(r planned) bool { return r.linked },
		code: "links_left", again: "sweep.",
	}
	mentionsGone = demand{
		of: func(n *participantv1.Count) *int64 { return n.Mentioned }, owed: func(r planned) bool { return r.mentioned },
		code: "mentions_left", again: "redact.",
	}
)

// check compares a recount with the plan: what is left is removed again, what
// was not measured is asked again.
func (p Participant) check(call saga.Call, counts []*participantv1.Count, demands ...demand) saga.Result {
	for _, d := range demands {
		for _, n := range counts {
			if v := d.of(n); v != nil && *v != 0 {
				return saga.Rerun(d.code, d.again+p.Name)
			}
		}
	}
	plan := planOf(call, p.Name)
	if len(plan) == 0 {
		return saga.Failed("uncounted")
	}
	for _, d := range demands {
		measured := map[string]bool{}
		for _, n := range counts {
			measured[n.GetResource()] = d.of(n) != nil
		}
		for _, r := range plan {
			if d.owed(r) && !measured[r.name] {
				return saga.Failed("uncounted")
			}
		}
	}
	return saga.Done()
}

// recount asks for the counts behind the erasure. The key has to be gone
// unless keyed says that it may still be there.
func (p Participant) recount(ctx context.Context, call saga.Call, ids *participantv1.Identifiers, keyed bool, demands ...demand) saga.Result {
	c, err := p.Client.CountHoldings(as(ctx, call), &participantv1.CountHoldingsRequest{Subject: subject(call), Identifiers: ids})
	if err != nil {
		return answer(err)
	}
	switch {
	case keyed:
	case c.KeyPresent == nil:
		return saga.Failed("uncounted")
	case c.GetKeyPresent():
		return saga.Rerun("key_left", "destroy."+p.Name)
	}
	return p.check(call, c.GetCounts(), demands...)
}

// attest recounts what the person owns. What is left is swept again, a key that
// is left is destroyed again.
func (p Participant) attest(ctx context.Context, call saga.Call) saga.Result {
	return p.recount(ctx, call, nil, false, ownedGone)
}

// attestOwned recounts what the person owns and what names them. It is contacts'
// last word: nobody knows by then what the person was recognised by.
func (p Participant) attestOwned(ctx context.Context, call saga.Call) saga.Result {
	return p.recount(ctx, call, nil, false, ownedGone, linksGone)
}

// attestAll recounts what the person owns, what names them and what speaks of them.
func (p Participant) attestAll(d Directory) saga.StepFunc {
	return func(ctx context.Context, call saga.Call) saga.Result {
		ids, _, err := d.identify(ctx, call)
		if err != nil {
			return answer(err)
		}
		return p.recount(ctx, call, ids, false, ownedGone, linksGone, mentionsGone)
	}
}

// attestMentions recounts what speaks of the person at a participant that still holds them.
func (p Participant) attestMentions(d Directory) saga.StepFunc {
	return func(ctx context.Context, call saga.Call) saga.Result {
		ids, _, err := d.identify(ctx, call)
		if err != nil {
			return answer(err)
		}
		return p.recount(ctx, call, ids, true, mentionsGone)
	}
}
