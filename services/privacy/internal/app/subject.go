package app

import (
	"context"
	"errors"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/privacy/internal/flow"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
	"github.com/lethe-desk/lethe/services/privacy/internal/store"
)

// intent is a mutating saga somebody wants to run on a person.
type intent struct {
	kind string
	// id is the saga's, should it be begun; "" draws one.
	id   string
	refs map[string]string
	// by is the actor who wants it; 0 is the system.
	by int64
	// allowed looks at the person's document when no other saga is active; nil allows.
	allowed func(*store.Subject) error
	// prepare adds what the saga needs to know from the document; may be nil.
	prepare func(*store.Subject, map[string]string)
}

// joins reports whether the saga that has the person does what is wanted.
func (in intent) joins(doc *store.Subject) bool {
	if flow.ErasesPerson(in.kind) {
		return flow.ErasesPerson(doc.ActiveKind)
	}
	return doc.ActiveKind == in.kind && doc.ActiveRefs[flow.RefTicket] == in.refs[flow.RefTicket]
}

// erases reports whether an erasure of the person leaves nothing to do.
func (in intent) erases() bool { return flow.ErasesPerson(in.kind) || in.kind == flow.EraseTicket }

// begin starts a mutating saga, or joins the one that is already under way to
// the same end, or an erasure of the person that is through. The person's document is the mutex: who wins its
// compare-and-swap has the next sequence number, and the saga's id written
// there is the intent that a crash before its creation cannot lose.
func (a *App) begin(ctx context.Context, account, subject int64, in intent) (string, error) {
	wait, cancel := context.WithTimeout(ctx, busyWait)
	defer cancel()
	for {
		doc, err := a.subject(ctx, account, subject)
		if err != nil {
			return "", err
		}
		id, err := a.try(ctx, doc, in)
		if err == nil || !errors.Is(err, errBusy) && !errors.Is(err, docstore.ErrStale) && !errors.Is(err, docstore.ErrExists) {
			return id, err
		}
		if wait.Err() != nil {
			if err := ctx.Err(); err != nil {
				return "", err
			}
			return "", fault.State(faultv1.Reason_REASON_INCONSISTENT_STATE, "another saga of this person is under way").With("saga", doc.Active)
		}
		if errors.Is(err, errBusy) {
			_, err := a.Engine.Await(wait, doc.Active, nil)
			if err != nil && wait.Err() == nil {
				return "", sagaFault(err)
			}
		}
	}
}

// errBusy means that another kind of saga has the person.
var errBusy = errors.New("another saga has the subject")

func (a *App) try(ctx context.Context, doc *store.Subject, in intent) (string, error) {
	if doc.Active != "" {
		row, err := a.resume(ctx, doc)
		if err != nil {
			return "", err
		}
		if !row.State.Ended() {
			if in.joins(doc) {
				return doc.Active, nil
			}
			if row.State == saga.StateParked {
				return "", fault.State(faultv1.Reason_REASON_INCONSISTENT_STATE, "a parked saga of this person has to be retried first").With("saga", doc.Active)
			}
			return "", errBusy
		}
		if flow.ErasesPerson(doc.ActiveKind) && row.State == saga.StateCompleted {
			if in.erases() {
				return doc.Active, nil
			}
			return "", fault.NotFound("contact", doc.ID)
		}
		settle(doc, row)
	}
	if in.allowed != nil {
		if err := in.allowed(doc); err != nil {
			return "", err
		}
	}
	return a.take(ctx, doc, in)
}

// settle brings the document up to date with how its last saga ended.
func settle(doc *store.Subject, row *saga.Row) {
	done := row.State == saga.StateCompleted
	if doc.ActiveKind == flow.Restore && done || doc.ActiveKind == flow.SoftDelete && !done {
		doc.HiddenBy = ""
	}
}

// resume makes sure that the saga the document names exists.
func (a *App) resume(ctx context.Context, doc *store.Subject) (*saga.Row, error) {
	row, err := a.Engine.Load(ctx, doc.Active)
	if !errors.Is(err, saga.ErrNotFound) {
		return row, sagaFault(err)
	}
	if err := a.create(ctx, doc); err != nil {
		return nil, err
	}
	row, err = a.Engine.Load(ctx, doc.Active)
	return row, sagaFault(err)
}

func (a *App) take(ctx context.Context, doc *store.Subject, in intent) (string, error) {
	refs := map[string]string{}
	for k, v := range in.refs {
		refs[k] = v
	}
	if in.prepare != nil {
		in.prepare(doc, refs)
	}
	doc.Sequence++
	doc.Active, doc.ActiveKind, doc.ActiveRefs = in.id, in.kind, refs
	if in.id == "" {
		doc.Active = saga.NewID(doc.Account)
	}
	doc.RequestedBy = in.by
	if in.kind == flow.SoftDelete {
		doc.HiddenBy = doc.Active
	}
	doc.UpdatedAt = a.Now()
	var err error
	if doc.Rev == 0 {
		doc.CreatedAt = doc.UpdatedAt
		err = a.Store.Subjects.Insert(ctx, ring.Write, doc)
	} else {
		err = a.Store.Subjects.Update(ctx, ring.Write, doc)
	}
	if err != nil {
		return "", err
	}
	return doc.Active, a.create(ctx, doc)
}

// create stores the saga the document names; it may exist already.
func (a *App) create(ctx context.Context, doc *store.Subject) error {
	_, err := a.Engine.Create(ctx, saga.Spec{
		ID: doc.Active, Kind: doc.ActiveKind, Account: doc.Account, Subject: doc.ID,
		Sequence: doc.Sequence, RequestedBy: doc.RequestedBy, Refs: doc.ActiveRefs,
	})
	if errors.Is(err, saga.ErrExists) {
		return nil
	}
	return sagaFault(err)
}

func (a *App) subject(ctx context.Context, account, id int64) (*store.Subject, error) {
	doc, err := a.Store.Subjects.Get(ctx, ring.Read, account, id)
	if errors.Is(err, docstore.ErrNotFound) {
		return &store.Subject{Meta: docstore.Meta{Account: account, ID: id}}, nil
	}
	return doc, err
}

// hidden reports whether a soft delete stands or is under way.
func (a *App) hidden(ctx context.Context, account, id int64) (bool, error) {
	doc, err := a.subject(ctx, account, id)
	if err != nil || doc.Active == "" {
		return false, err
	}
	row, err := a.resume(ctx, doc)
	if err != nil {
		return false, err
	}
	if row.State.Ended() {
		settle(doc, row)
	} else if doc.ActiveKind == flow.Restore {
		return false, nil // decided already: the way is forward
	}
	return doc.HiddenBy != "", nil
}

// finish waits until a saga has gone as far as the caller wants to hear of. A
// saga that stands still before that, or ended otherwise, is not reported as a success.
func (a *App) finish(ctx context.Context, id string, enough func(*saga.Row) bool) error {
	row, err := a.Engine.Await(ctx, id, func(r *saga.Row) bool {
		return r.State == saga.StateParked || enough(r)
	})
	if err != nil {
		return sagaFault(err)
	}
	switch {
	case row.State == saga.StateCompleted || enough(row):
		return nil
	case row.State == saga.StateParked:
		return fault.New(fault.KindUnavailable, faultv1.Reason_REASON_UNAVAILABLE, "the saga is parked and waits for an operator").With("saga", id)
	}
	return fault.State(faultv1.Reason_REASON_INCONSISTENT_STATE, "the saga was refused or cancelled").With("saga", id).With("code", row.Reason)
}
