// Package flow holds the sagas of privacy as lists of stages: soft delete,
// restore, erasure of a contact, an agent or a ticket, and export. It knows the
// participants by name and speaks to them through their one contract; it keeps
// nothing itself.
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

func subject(call saga.Call) *participantv1.Subject { return subjectOf(call.Account, call.Subject) }

func subjectOf(account, id int64) *participantv1.Subject {
	return &participantv1.Subject{Account: &account, Id: &id}
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

// answers is a stream of progress with outcomes in its last message.
type answers[T any] interface {
	Recv() (T, error)
}

type report interface {
	GetDone() int64
	GetOutcomes() []*participantv1.Outcome
}

// follow reads a stream to its end, hands its progress on and returns the
// outcomes. A stream that breaks is no answer.
func follow[T report](stream answers[T], call saga.Call) ([]*participantv1.Outcome, error) {
	var outcomes []*participantv1.Outcome
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return outcomes, nil
		}
		if err != nil {
			return nil, err
		}
		call.Progress(m.GetDone(), 0)
		if len(m.GetOutcomes()) > 0 {
			outcomes = m.GetOutcomes()
		}
	}
}

// sweep deletes, and takes the outcomes: one at least for each planned resource.
func (p Participant) sweep(kind kindFunc) saga.StepFunc {
	return func(ctx context.Context, call saga.Call) saga.Result {
		k := kind(call)
		if k == participantv1.SubjectKind_SUBJECT_KIND_UNSPECIFIED {
			return saga.Failed("kind_unsaid")
		}
		stream, err := p.Client.Sweep(as(ctx, call), &participantv1.SweepRequest{
			Subject: subject(call), Saga: proto.String(call.Saga), Token: token(call), Kind: k.Enum(),
		})
		if err != nil {
			return answer(err)
		}
		outcomes, err := follow(stream, call)
		if err != nil {
			return answer(err)
		}
		return p.reported(outcomes, call, func(planned) bool { return true })
	}
}

// redact takes the person out of other people's words. What they are recognised
// by is asked for now and forgotten with the call.
func (p Participant) redact(d Directory) saga.StepFunc {
	return func(ctx context.Context, call saga.Call) saga.Result {
		ids, _, err := d.identify(ctx, call)
		if err != nil {
			return answer(err)
		}
		stream, err := p.Client.Redact(as(ctx, call), &participantv1.RedactRequest{
			Subject: subject(call), Saga: proto.String(call.Saga), Token: token(call), Identifiers: ids,
		})
		if err != nil {
			return answer(err)
		}
		outcomes, err := follow(stream, call)
		if err != nil {
			return answer(err)
		}
		return p.reported(outcomes, call, func(r planned) bool { return r.mentioned })
	}
}

// reported checks that every resource of the plan which owes an answer has given one.
func (p Participant) reported(outcomes []*participantv1.Outcome, call saga.Call, owes func(planned) bool) saga.Result {
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
	plan := planOf(call, p.Name)
	if len(plan) == 0 {
		return saga.Failed("missing_outcome")
	}
	for _, r := range plan {
		if owes(r) && !answered[r.name] {
			return saga.Failed("missing_outcome")
		}
	}
	return saga.Done(out...)
}

func until(o *participantv1.Outcome) time.Time {
	if o.GetUntil() == nil {
		return time.Time{}
	}
	return o.GetUntil().AsTime()
}

// nothing undoes a step without an effect.
func nothing(context.Context, saga.Call) saga.Result { return saga.Done() }
