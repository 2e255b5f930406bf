package app

import (
	"context"
	"errors"
	"slices"
	"strings"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/privacy/internal/request"
	"github.com/lethe-desk/lethe/services/privacy/internal/store"
)

// decisionFault says in words why the store does not take a decision.
func decisionFault(err error) error {
	switch {
	case errors.Is(err, store.ErrOwnApproval):
		return fault.New(fault.KindDenied, faultv1.Reason_REASON_FOUR_EYES, "nobody approves a request about themselves: let somebody else approve it")
	case errors.Is(err, store.ErrFourEyes):
		return fault.New(fault.KindDenied, faultv1.Reason_REASON_FOUR_EYES, "two people decide here: whoever raised the request does not approve it")
	}
	return err
}

// ApproveRequest confirms on the caller's authority that the person may ask
// this, and starts it. Approving again answers the same; one that was refused
// is INCONSISTENT_STATE, and FOUR_EYES tells a caller whom it is about or, where
// two people decide, who raised it.
func (a *App) ApproveRequest(ctx context.Context, id int64) (*Request, error) {
	doc, err := a.decide(ctx, id, func(doc *store.Request) (bool, error) {
		switch doc.State {
		case store.Received:
		case store.Refused:
			return false, fault.State(faultv1.Reason_REASON_INCONSISTENT_STATE, "the request was refused")
		default:
			return false, nil
		}
		if doc.Kind == request.Erasure && doc.TicketID == 0 {
			if err := a.replaceable(ctx, doc.Account, doc.ContactID); err != nil {
				return false, err
			}
		}
		doc.State, doc.ApprovedBy = store.Approved, caller(ctx).Actor
		doc.FourEyes = doc.FourEyes || a.FourEyes
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	a.startNow(ctx, doc)
	return a.state(ctx, doc)
}

// RefuseRequest closes a request for one of the grounds there are. Nothing
// happens to the person's data. Refusing again with the same ground answers the
// same; one that was approved is INCONSISTENT_STATE.
func (a *App) RefuseRequest(ctx context.Context, id int64, ground string) (*Request, error) {
	if ground == "" {
		return nil, fault.Missing("ground")
	}
	if !slices.Contains(request.Grounds(), ground) {
		return nil, fault.InvalidValue("ground", "It should be one of these values: '"+strings.Join(request.Grounds(), ",")+"'")
	}
	doc, err := a.decide(ctx, id, func(doc *store.Request) (bool, error) {
		switch {
		case doc.State == store.Received:
		case doc.State == store.Refused && doc.Ground == ground:
			return false, nil
		default:
			return false, fault.State(faultv1.Reason_REASON_INCONSISTENT_STATE, "the request was decided already")
		}
		doc.State, doc.RefusedBy, doc.Ground = store.Refused, caller(ctx).Actor, ground
		doc.SagaID, doc.ExportID, doc.ClosedAt = "", 0, a.Now()
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	return a.state(ctx, doc)
}

// decide applies a decision to a request in one compare-and-swap; of two at
// once one wins, and the other is asked again over what the first has left.
// change reports whether there is anything to write.
func (a *App) decide(ctx context.Context, id int64, change func(*store.Request) (bool, error)) (*store.Request, error) {
	for {
		doc, err := a.Store.Requests.Get(ctx, caller(ctx).Account, id)
		if err != nil {
			return nil, storeFault("request", id, err)
		}
		write, err := change(doc)
		if err != nil || !write {
			return doc, err
		}
		doc.DecidedAt = a.Now()
		doc.UpdatedAt = doc.DecidedAt
		if err = a.Store.Requests.Update(ctx, doc); !errors.Is(err, docstore.ErrStale) {
			return doc, decisionFault(storeFault("request", id, err))
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// replaceable refuses to erase the last administrator of an account. The saga
// looks again, behind the fences.
func (a *App) replaceable(ctx context.Context, account, id int64) error {
	_, kind, err := a.Directory.Identify(ctx, account, id)
	if err != nil || kind != participantv1.SubjectKind_SUBJECT_KIND_AGENT {
		if fault.Is(err, fault.KindNotFound) {
			return nil // nobody any more: the erasure that is under way is joined
		}
		return err
	}
	kept, err := a.Directory.Administrated(ctx, account, id)
	if err != nil || kept {
		return err
	}
	return fault.State(faultv1.Reason_REASON_INCONSISTENT_STATE, "the last administrator of an account cannot be erased: make another one first")
}
