// Package flow holds the sagas of privacy as lists of stages: soft delete,
// restore, erasure of a contact and export. It knows the participants by name
// and speaks to them through their one contract; it keeps nothing itself.
package flow

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
)

// Participant is a service that holds personal data.
type Participant struct {
	// Name is the service's name in steps, outcomes and archives.
	Name string
	// Client reaches its participant contract.
	Client participantv1.PersonalDataServiceClient
}

// sweepTimeout bounds one attempt at a sweep; what it has deleted stays
// deleted, so a heavy person takes several attempts and loses nothing.
const sweepTimeout = 10 * time.Minute

func subject(call saga.Call) *participantv1.Subject {
	return &participantv1.Subject{Account: proto.Int64(call.Account), Id: proto.Int64(call.Subject)}
}

func token(call saga.Call) *participantv1.Token {
	return &participantv1.Token{Sequence: proto.Int64(call.Sequence), Epoch: proto.Int32(call.Epoch), Stage: proto.Int32(call.Stage)}
}

// as gives the context the identity of privacy in the saga's account.
func as(ctx context.Context, call saga.Call) context.Context {
	return authn.WithAccount(ctx, call.Account)
}

// answer turns a participant's error into a step's result. Only what the
// participant declares is a refusal; everything else is asked again, because
// nobody knows whether it happened.
func answer(err error) saga.Result {
	if err == nil {
		return saga.Done()
	}
	f := fault.From(err)
	switch f.Reason {
	case faultv1.Reason_REASON_STALE_TOKEN, faultv1.Reason_REASON_FENCED, faultv1.Reason_REASON_KEY_DESTROYED, faultv1.Reason_REASON_HELD:
		return saga.Refused(reason(f))
	}
	return saga.Failed(reason(f))
}

func reason(f *fault.Error) string { return strings.ToLower(fault.ReasonName(f.Reason)) }

func (p Participant) fence(mode participantv1.Mode) saga.StepFunc {
	return func(ctx context.Context, call saga.Call) saga.Result {
		_, err := p.Client.Fence(as(ctx, call), &participantv1.FenceRequest{
			Subject: subject(call), Mode: mode.Enum(), Saga: proto.String(call.Saga), Token: token(call),
		})
		return answer(err)
	}
}

// unfence removes the fences of the saga that which names: the caller's own or an earlier one.
func (p Participant) unfence(which func(saga.Call) string) saga.StepFunc {
	return func(ctx context.Context, call saga.Call) saga.Result {
		_, err := p.Client.Unfence(as(ctx, call), &participantv1.UnfenceRequest{
			Subject: subject(call), Saga: proto.String(which(call)), Token: token(call),
		})
		return answer(err)
	}
}

func own(call saga.Call) string { return call.Saga }

func (p Participant) destroy(ctx context.Context, call saga.Call) saga.Result {
	_, err := p.Client.Destroy(as(ctx, call), &participantv1.DestroyRequest{
		Subject: subject(call), Saga: proto.String(call.Saga), Token: token(call),
	})
	return answer(err)
}

// sweep follows the participant's progress and takes its outcomes. A stream
// that ends without them is no answer.
func (p Participant) sweep(ctx context.Context, call saga.Call) saga.Result {
	stream, err := p.Client.Sweep(as(ctx, call), &participantv1.SweepRequest{
		Subject: subject(call), Saga: proto.String(call.Saga), Token: token(call),
	})
	if err != nil {
		return answer(err)
	}
	var outcomes []*participantv1.Outcome
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return answer(err)
		}
		call.Progress(m.GetDone(), 0)
		if len(m.GetOutcomes()) > 0 {
			outcomes = m.GetOutcomes()
		}
	}
	return p.reported(outcomes, call)
}

// reported checks that every resource of the plan is answered for.
func (p Participant) reported(outcomes []*participantv1.Outcome, call saga.Call) saga.Result {
	out := make([]saga.Outcome, 0, len(outcomes))
	answered := map[string]bool{}
	for _, o := range outcomes {
		kind, known := kinds[o.GetKind()]
		// A count that was not given is not zero: nothing is taken for measured that was not.
		if !known || o.GetResource() == "" || o.Count == nil {
			return saga.Failed("unknown_outcome")
		}
		answered[o.GetResource()] = true
		out = append(out, saga.Outcome{
			Participant: p.Name, Category: CategoryOf(o), Kind: kind, Count: o.GetCount(), Ground: o.GetGround(), Until: until(o),
		})
	}
	if !p.all(call, answered) {
		return saga.Failed("missing_outcome")
	}
	return saga.Done(out...)
}

func until(o *participantv1.Outcome) time.Time {
	if o.GetUntil() == nil {
		return time.Time{}
	}
	return o.GetUntil().AsTime()
}

// attest recounts. What is left is swept again, a key that is left is destroyed again.
func (p Participant) attest(ctx context.Context, call saga.Call) saga.Result {
	c, err := p.Client.CountHoldings(as(ctx, call), &participantv1.CountHoldingsRequest{Subject: subject(call)})
	if err != nil {
		return answer(err)
	}
	if c.KeyPresent == nil {
		return saga.Failed("uncounted")
	}
	if c.GetKeyPresent() {
		return saga.Rerun("key_left", "destroy."+p.Name)
	}
	counted := map[string]bool{}
	for _, n := range c.GetCounts() {
		counted[n.GetResource()] = n.Owned != nil
		if n.GetOwned() != 0 {
			return saga.Rerun("data_left", "sweep."+p.Name)
		}
	}
	if !p.all(call, counted) {
		return saga.Failed("uncounted")
	}
	return saga.Done()
}

// all reports whether every resource of the participant's plan is among the names; without a plan nothing is.
func (p Participant) all(call saga.Call, names map[string]bool) bool {
	for r := range strings.SplitSeq(call.Ref(planRef(p.Name)), ":") {
		if !names[r] {
			return false
		}
	}
	return true
}

// planRef is the reference under which the plan keeps a participant's resources.
func planRef(participant string) string { return "plan_" + participant }

// plan asks what is held: the resources that must be answered for later.
func (p Participant) plan(ctx context.Context, call saga.Call) saga.Result {
	c, err := p.Client.CountHoldings(as(ctx, call), &participantv1.CountHoldingsRequest{Subject: subject(call)})
	if err != nil {
		return answer(err)
	}
	names := make([]string, 0, len(c.GetCounts()))
	for _, n := range c.GetCounts() {
		names = append(names, n.GetResource())
	}
	if len(names) == 0 {
		return saga.Failed("empty_plan")
	}
	return saga.Done().WithRefs(map[string]string{planRef(p.Name): strings.Join(names, ":")})
}

// nothing undoes a step without an effect.
func nothing(context.Context, saga.Call) saga.Result { return saga.Done() }
