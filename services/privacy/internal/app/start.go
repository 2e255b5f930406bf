package app

import (
	"context"
	"errors"
	"strconv"

	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/privacy/internal/flow"
	"github.com/lethe-desk/lethe/services/privacy/internal/request"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
	"github.com/lethe-desk/lethe/services/privacy/internal/store"
)

// startNow starts a stored request if that is possible now; Recover does it otherwise.
func (a *App) startNow(ctx context.Context, doc *store.Request) {
	if err := a.start(ctx, doc); err != nil {
		a.Log.WarnContext(ctx, "a request could not be started", "request", doc.ID, "error", err)
	}
}

// start makes sure that an approved request has its saga, and writes down that
// it has. Repeating it is harmless, also beside another start of the same
// request. A request that can never be carried out is closed as refused; one
// that waits for a decision is left alone.
func (a *App) start(ctx context.Context, doc *store.Request) error {
	for doc.State == store.Approved {
		id, err := a.launch(ctx, doc)
		next := *doc
		next.UpdatedAt = a.Now()
		switch {
		case err == nil:
			next.State, next.SagaID = store.Started, id
		case final(err):
			next.State, next.SagaID, next.ExportID, next.ClosedAt = store.Refused, "", 0, next.UpdatedAt
		default:
			return err
		}
		stored := a.Store.Requests.Update(ctx, &next)
		if stored == nil {
			*doc = next
			return err
		}
		if !errors.Is(stored, docstore.ErrStale) {
			return storeFault("request", doc.ID, stored)
		}
		newer, err := a.Store.Requests.Get(ctx, doc.Account, doc.ID)
		if err != nil {
			return storeFault("request", doc.ID, err)
		}
		*doc = *newer
	}
	return nil
}

// The reasons for which a stored request is closed as refused.
var (
	errWithheld = errors.New("the person is being erased")
	errActive   = errors.New("the person is not soft deleted")
)

// final reports whether asking again will never start the request.
func final(err error) bool { return errors.Is(err, errWithheld) || errors.Is(err, errActive) }

// launch creates the saga of a request, or joins the erasure that is under way.
func (a *App) launch(ctx context.Context, doc *store.Request) (string, error) {
	if _, err := a.Engine.Load(ctx, doc.SagaID); !errors.Is(err, saga.ErrNotFound) {
		return doc.SagaID, sagaFault(err)
	}
	refs := map[string]string{flow.RefRequest: strconv.FormatInt(doc.ID, 10)}
	switch {
	case doc.Kind == request.Export:
		return doc.SagaID, a.startExport(ctx, doc, refs)
	case doc.TicketID != 0:
		return a.launchTicket(ctx, doc, refs)
	}
	kind, err := a.erasureOf(ctx, doc.Account, doc.ContactID)
	if err != nil {
		return "", err
	}
	in := intent{kind: kind, id: doc.SagaID, refs: refs, by: doc.RequestedBy}
	if doc.OnlyHidden {
		in.allowed = func(s *store.Subject) error {
			if s.HiddenBy == "" {
				return errNotHidden()
			}
			return nil
		}
	}
	a.preempt(ctx, doc.Account, doc.ContactID)
	return a.begin(ctx, doc.Account, doc.ContactID, in)
}

// erasureOf returns how a person is erased: as what they are, or have been.
// Nobody is a contact: the erasure that is under way or through is joined.
func (a *App) erasureOf(ctx context.Context, account, id int64) (string, error) {
	_, kind, err := a.Directory.Identify(ctx, account, id)
	if err != nil && !fault.Is(err, fault.KindNotFound) {
		return "", err
	}
	if kind == participantv1.SubjectKind_SUBJECT_KIND_AGENT {
		return flow.EraseAgent, nil
	}
	return flow.EraseContact, nil
}

// launchTicket creates the saga of one ticket. Whose it is, is asked again: it
// may have got another requester while the request waited. A ticket that nobody
// sees belongs to whom it was raised about; the plan looks behind the fences.
func (a *App) launchTicket(ctx context.Context, doc *store.Request, refs map[string]string) (string, error) {
	owner, err := a.requester(ctx, doc.Account, doc.TicketID)
	if fault.Is(err, fault.KindNotFound) {
		owner, err = doc.ContactID, nil
	}
	if err != nil {
		return "", err
	}
	refs[flow.RefTicket] = strconv.FormatInt(doc.TicketID, 10)
	return a.begin(ctx, doc.Account, owner, intent{kind: flow.EraseTicket, id: doc.SagaID, refs: refs, by: doc.RequestedBy})
}

// Recover starts the requests of all accounts that are approved and have not
// been started: a crash came between, or the person was busy. Those that wait
// for a decision go on waiting. It says how many were started.
func (a *App) Recover(ctx context.Context) (int, error) {
	started := 0
	var errs error
	q := docstore.Query{Index: "state", Eq: []any{store.Approved}, Limit: docstore.MaxLimit, AllAccounts: true}
	for {
		page, err := a.Store.Requests.Find(ctx, 0, q)
		if err != nil {
			return started, errors.Join(errs, err)
		}
		for _, doc := range page.Items {
			if err := a.start(ctx, doc); err != nil {
				errs = errors.Join(errs, err)
				continue
			}
			started++
		}
		if q.After = page.Next; q.After == "" || ctx.Err() != nil {
			return started, errs
		}
	}
}

// preempt cancels exports of a person who is about to be erased. What it does
// not catch, the fence refuses a moment later.
func (a *App) preempt(ctx context.Context, account, subject int64) {
	rows, _, err := a.Engine.List(ctx, saga.Filter{Account: account, Subject: subject, Kind: flow.Export, Active: true}, "", docstore.MaxLimit)
	for _, r := range rows {
		if e := a.Engine.Cancel(ctx, r.ID); !errors.Is(e, saga.ErrEnded) {
			err = errors.Join(err, e)
		}
	}
	if err != nil {
		a.Log.WarnContext(ctx, "exports were not cancelled before an erasure", "error", err)
	}
}
