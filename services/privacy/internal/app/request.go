package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"time"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/privacy/internal/flow"
	"github.com/lethe-desk/lethe/services/privacy/internal/request"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
	"github.com/lethe-desk/lethe/services/privacy/internal/store"
)

// Raise is what is needed to raise a request.
type Raise struct {
	Kind    string
	Contact int64
	// Key makes raising repeatable; "" does not.
	Key string
	// onlyHidden makes an erasure one that is refused unless the person is soft deleted.
	onlyHidden bool
}

// Request is a request with the state its saga gives it.
type Request struct {
	*store.Request
	State    string
	ClosedAt time.Time
}

// CreateRequest raises a request on the caller's own authority and starts it.
// Once stored it is never lost: one that cannot be started now is answered as
// approved and started later. The same key answers the request it was first
// used for, and KEY_REUSED when that was another one.
func (a *App) CreateRequest(ctx context.Context, in Raise) (*Request, error) {
	if in.Kind == "" {
		return nil, fault.Missing("kind")
	}
	if !slices.Contains(request.Kinds(), in.Kind) {
		return nil, fault.InvalidValue("kind", "It should be one of these values: 'erasure,export'")
	}
	if in.Contact == 0 {
		return nil, fault.Missing("contact_id")
	}
	doc, err := a.byKey(ctx, in)
	if err == nil && doc == nil {
		if err = a.known(ctx, in); err == nil {
			doc, err = a.raise(ctx, in)
		}
	}
	if err != nil {
		return nil, err
	}
	if err := a.start(ctx, doc); err != nil {
		a.Log.WarnContext(ctx, "a request could not be started", "request", doc.ID, "error", err)
	}
	return a.state(ctx, doc)
}

// known refuses a request about nobody. A person who is being erased is nobody
// to contacts; a further erasure joins the one that is under way.
func (a *App) known(ctx context.Context, in Raise) error {
	if in.Kind == request.Erasure {
		if running, err := a.erasing(ctx, in.Contact); err == nil && running != "" {
			return nil
		} else if err != nil && !fault.Is(err, fault.KindNotFound) {
			return err
		}
	}
	_, err := a.person(ctx, in.Contact)
	if fault.Is(err, fault.KindNotFound) {
		return fault.InvalidValue("contact_id", "There is no contact matching the given contact_id")
	}
	return err
}

// byKey finds the request that was raised with the same idempotency key; nil when there is none.
func (a *App) byKey(ctx context.Context, in Raise) (*store.Request, error) {
	hash := keyHash(in.Key)
	if hash == nil {
		return nil, nil
	}
	page, err := a.Store.Requests.Find(ctx, ring.Read, caller(ctx).Account, docstore.Query{Index: "key", Eq: []any{*hash}, Limit: 1})
	if err != nil || len(page.Items) == 0 {
		return nil, storeFault("request", 0, err)
	}
	old := page.Items[0]
	if old.Kind != in.Kind || old.ContactID != in.Contact {
		return nil, fault.Conflict(faultv1.Reason_REASON_KEY_REUSED)
	}
	return old, nil
}

func keyHash(key string) *string {
	if key == "" {
		return nil
	}
	sum := sha256.Sum256([]byte("request/" + key))
	s := hex.EncodeToString(sum[:])
	return &s
}

// raise stores the request, or finds the equal one that somebody else has just
// stored with the same key.
func (a *App) raise(ctx context.Context, in Raise) (*store.Request, error) {
	who, now := caller(ctx), a.Now()
	for {
		doc := &store.Request{
			Meta:  docstore.Meta{Account: who.Account, ID: a.NewID(), CreatedAt: now, UpdatedAt: now},
			State: store.Approved, Kind: in.Kind, ContactID: in.Contact, RequestedBy: who.Actor, ApprovedBy: who.Actor,
			SagaID: saga.NewID(who.Account), DueBy: request.Due(now), KeyHash: keyHash(in.Key), OnlyHidden: in.onlyHidden,
		}
		if in.Kind == request.Export {
			doc.ExportID = a.NewID()
		}
		err := a.Store.Requests.Insert(ctx, ring.Write, doc)
		if !errors.Is(err, docstore.ErrExists) {
			return doc, err
		}
		if old, err := a.byKey(ctx, in); err != nil || old != nil {
			return old, err
		}
		// The id was taken: ids are drawn again.
	}
}

// start makes sure that a stored request has its saga, and writes down that it
// has. Repeating it is harmless, also beside another start of the same request.
// A request that can never be carried out is closed as refused.
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
		stored := a.Store.Requests.Update(ctx, ring.Write, &next)
		if stored == nil {
			*doc = next
			return err
		}
		if !errors.Is(stored, docstore.ErrStale) {
			return storeFault("request", doc.ID, stored)
		}
		newer, err := a.Store.Requests.Get(ctx, ring.Read, doc.Account, doc.ID)
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
	if doc.Kind == request.Export {
		return doc.SagaID, a.startExport(ctx, doc, refs)
	}
	in := intent{kind: flow.EraseContact, id: doc.SagaID, refs: refs, by: doc.RequestedBy}
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

// Recover starts the requests of all accounts that are stored and have not been
// started: a crash came between, or the person was busy. It says how many were started.
func (a *App) Recover(ctx context.Context) (int, error) {
	started := 0
	var errs error
	q := docstore.Query{Index: "state", Eq: []any{store.Approved}, Limit: docstore.MaxLimit, AllAccounts: true}
	for {
		page, err := a.Store.Requests.Find(ctx, ring.Read, 0, q)
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

// state adds what the saga says.
func (a *App) state(ctx context.Context, doc *store.Request) (*Request, error) {
	out := &Request{Request: doc, State: request.StateOf(""), ClosedAt: doc.ClosedAt}
	if doc.State == store.Refused {
		out.State = request.Refused
		return out, nil
	}
	row, err := a.Engine.Load(ctx, doc.SagaID)
	if errors.Is(err, saga.ErrNotFound) {
		return out, nil
	}
	if err != nil {
		return nil, sagaFault(err)
	}
	out.State, out.ClosedAt = request.StateOf(string(row.State)), row.FinishedAt
	if row.UpdatedAt.After(doc.UpdatedAt) {
		doc.UpdatedAt = row.UpdatedAt
	}
	return out, nil
}

// GetRequest reads one request of the caller's account.
func (a *App) GetRequest(ctx context.Context, id int64) (*Request, error) {
	doc, err := a.Store.Requests.Get(ctx, ring.Read, caller(ctx).Account, id)
	if err != nil {
		return nil, storeFault("request", id, err)
	}
	return a.state(ctx, doc)
}

// ListRequests reads a page of requests, newest first, and says whether more follow.
func (a *App) ListRequests(ctx context.Context, contact int64, skip, limit int) ([]*Request, bool, error) {
	q := docstore.Query{Index: "id", Desc: true, Skip: skip, Limit: limit + 1}
	if contact != 0 {
		q.Index, q.Eq = "contact", []any{contact}
	}
	page, err := a.Store.Requests.Find(ctx, ring.Read, caller(ctx).Account, q)
	if err != nil {
		return nil, false, err
	}
	more := len(page.Items) > limit
	var out []*Request
	for _, doc := range page.Items[:min(limit, len(page.Items))] {
		r, err := a.state(ctx, doc)
		if err != nil {
			return nil, false, err
		}
		out = append(out, r)
	}
	return out, more, nil
}
