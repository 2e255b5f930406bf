package app

import (
	"context"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/privacy/internal/flow"
	"github.com/lethe-desk/lethe/services/privacy/internal/request"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
	"github.com/lethe-desk/lethe/services/privacy/internal/store"
)

func completed(r *saga.Row) bool { return r.State == saga.StateCompleted }

// DeleteContact hides a contact and waits until every fence stands. A contact
// that is hidden already is refused as METHOD_NOT_ALLOWED, an unknown or erased one not found.
func (a *App) DeleteContact(ctx context.Context, id int64) error {
	if _, err := a.person(ctx, id); err != nil {
		return err
	}
	sagaID, err := a.begin(ctx, caller(ctx).Account, id, intent{
		kind: flow.SoftDelete, by: caller(ctx).Actor,
		allowed: func(doc *store.Subject) error {
			if doc.HiddenBy != "" {
				return fault.State(faultv1.Reason_REASON_METHOD_NOT_ALLOWED, "DELETE method is not allowed. It should be one of these method(s): GET")
			}
			return nil
		},
	})
	if err != nil {
		return err
	}
	return a.finish(ctx, sagaID, completed)
}

// RestoreContact shows a soft-deleted contact again and waits until every
// fence is gone. A contact that is not soft deleted is not found.
func (a *App) RestoreContact(ctx context.Context, id int64) error {
	if _, err := a.person(ctx, id); err != nil {
		return err
	}
	sagaID, err := a.begin(ctx, caller(ctx).Account, id, intent{
		kind: flow.Restore, by: caller(ctx).Actor,
		allowed: func(doc *store.Subject) error {
			if doc.HiddenBy == "" {
				return fault.NotFound("deleted contact", id)
			}
			return nil
		},
		prepare: func(doc *store.Subject, refs map[string]string) { refs[flow.RefHiddenBy] = doc.HiddenBy },
	})
	if err != nil {
		return err
	}
	return a.finish(ctx, sagaID, completed)
}

// HardDeleteContact erases a contact and waits until no key of it is left.
// Without force the contact has to be soft deleted, else INCONSISTENT_STATE.
// Repeating it before that joins the erasure; afterwards the contact is not found.
// An error once the request is stored does not take it back: it is carried out
// as soon as that is possible, and shows among the requests.
// Where two people decide it is FOUR_EYES, with the request to raise.
func (a *App) HardDeleteContact(ctx context.Context, id int64, force bool) error {
	if err := a.twoDecide(); err != nil {
		return err
	}
	running, err := a.erasing(ctx, id)
	if err != nil {
		return err
	}
	if running == "" {
		if err := a.mayErase(ctx, id, force); err != nil {
			return err
		}
		req, err := a.raise(ctx, Raise{Kind: request.Erasure, Contact: id, Direct: true, onlyHidden: !force})
		if err != nil {
			return err
		}
		if err := a.start(ctx, req); err != nil {
			return err
		}
		running = req.SagaID
	}
	return a.finish(ctx, running, keyless)
}

// keyless reports whether an erasure has destroyed the person's last key.
func keyless(r *saga.Row) bool {
	step, ok := r.Step(flow.LastKey)
	return ok && step.State == saga.StepDone
}

// erasing returns the erasure of the person that is under way, "" when none
// is; one that has destroyed the last key makes the contact not found.
func (a *App) erasing(ctx context.Context, id int64) (string, error) {
	doc, err := a.subject(ctx, caller(ctx).Account, id)
	if err != nil || !flow.ErasesPerson(doc.ActiveKind) {
		return "", storeFault("contact", id, err)
	}
	row, err := a.resume(ctx, doc)
	if err != nil {
		return "", err
	}
	if row.State == saga.StateCompleted || keyless(row) {
		return "", fault.NotFound("contact", id)
	}
	if row.State.Ended() {
		return "", nil
	}
	return doc.Active, nil
}

// mayErase refuses an unknown contact, and without force one that is not soft deleted.
func (a *App) mayErase(ctx context.Context, id int64, force bool) error {
	if _, err := a.person(ctx, id); err != nil {
		return err
	}
	hidden, err := a.hidden(ctx, caller(ctx).Account, id)
	if err != nil {
		return err
	}
	if !hidden && !force {
		return errNotHidden()
	}
	return nil
}

func errNotHidden() error {
	return fault.State(faultv1.Reason_REASON_INCONSISTENT_STATE, "the contact is not soft deleted, and force was not asked for").With("contact", "active").Because(errActive)
}
