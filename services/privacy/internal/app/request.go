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
}

// Request is a request with the state its saga gives it.
type Request struct {
	*store.Request
	State    string
	ClosedAt time.Time
}

// CreateRequest raises a request on the caller's own authority and starts it.
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
	if old, err := a.byKey(ctx, in); err != nil || old != nil {
		return old, err
	}
	if _, err := a.person(ctx, in.Contact); err != nil {
		if fault.Is(err, fault.KindNotFound) {
			return nil, fault.InvalidValue("contact_id", "There is no contact matching the given contact_id")
		}
		return nil, err
	}
	doc, err := a.raise(ctx, in)
	if err != nil {
		return nil, err
	}
	return a.state(ctx, doc)
}

// byKey finds the request that was raised with the same idempotency key.
func (a *App) byKey(ctx context.Context, in Raise) (*Request, error) {
	hash := keyHash(in.Key)
	if hash == nil {
		return nil, nil
	}
	page, err := a.Store.Requests.Find(ctx, ring.Read, caller(ctx).Account, docstore.Query{Index: "key", Eq: []any{*hash}, Limit: 1})
	if err != nil || len(page.Items) == 0 {
		return nil, err
	}
	old := page.Items[0]
	if old.Kind != in.Kind || old.ContactID != in.Contact {
		return nil, fault.Conflict(faultv1.Reason_REASON_KEY_REUSED)
	}
	if err := a.start(ctx, old); err != nil {
		return nil, err
	}
	return a.state(ctx, old)
}

func keyHash(key string) *string {
	if key == "" {
		return nil
	}
	sum := sha256.Sum256([]byte("request/" + key))
	s := hex.EncodeToString(sum[:])
	return &s
}

// raise stores the request and starts its saga, or joins an erasure that is under way.
func (a *App) raise(ctx context.Context, in Raise) (*store.Request, error) {
	who, now := caller(ctx), a.Now()
	doc := &store.Request{
		Meta: docstore.Meta{Account: who.Account, ID: a.NewID(), CreatedAt: now, UpdatedAt: now},
		Kind: in.Kind, ContactID: in.Contact, RequestedBy: who.Actor, ApprovedBy: who.Actor,
		DueBy: request.Due(now), KeyHash: keyHash(in.Key),
	}
	if in.Kind == request.Export {
		doc.ExportID, doc.SagaID = a.NewID(), saga.NewID(who.Account)
	}
	if err := a.Store.Requests.Insert(ctx, ring.Write, doc); err != nil {
		if errors.Is(err, docstore.ErrExists) {
			return nil, fault.Conflict(faultv1.Reason_REASON_KEY_REUSED)
		}
		return nil, err
	}
	return doc, a.start(ctx, doc)
}

// start creates the saga of a stored request; repeating it is harmless.
func (a *App) start(ctx context.Context, doc *store.Request) error {
	refs := map[string]string{flow.RefRequest: strconv.FormatInt(doc.ID, 10)}
	if doc.Kind == request.Export {
		return a.startExport(ctx, doc, refs)
	}
	if doc.SagaID != "" {
		return nil
	}
	a.preempt(ctx, doc.Account, doc.ContactID)
	id, err := a.begin(ctx, doc.Account, doc.ContactID, intent{kind: flow.EraseContact, refs: refs})
	if err != nil {
		return err
	}
	doc.SagaID, doc.UpdatedAt = id, a.Now()
	return a.Store.Requests.Update(ctx, ring.Write, doc)
}

// preempt cancels exports of a person who is about to be erased. What it does
// not catch, the fence refuses a moment later.
func (a *App) preempt(ctx context.Context, account, subject int64) {
	rows, _, err := a.Engine.List(ctx, saga.Filter{Account: account, Subject: subject, Kind: flow.Export, Active: true}, "", docstore.MaxLimit)
	for _, r := range rows {
		err = errors.Join(err, a.Engine.Cancel(ctx, r.ID))
	}
	if err != nil {
		a.Log.WarnContext(ctx, "exports were not cancelled before an erasure", "error", err)
	}
}

// state adds what the saga says.
func (a *App) state(ctx context.Context, doc *store.Request) (*Request, error) {
	out := &Request{Request: doc, State: request.StateOf("")}
	if doc.SagaID == "" {
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
