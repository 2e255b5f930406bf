package app

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/privacy/internal/flow"
	"github.com/lethe-desk/lethe/services/privacy/internal/request"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
	"github.com/lethe-desk/lethe/services/privacy/internal/store"
)

// state adds what the saga says.
func (a *App) state(ctx context.Context, doc *store.Request) (*Request, error) {
	out := &Request{Request: doc, State: request.StateOf(""), ClosedAt: doc.ClosedAt}
	switch doc.State {
	case store.Received:
		out.State = request.Received
		return out, nil
	case store.Refused:
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

// GetRequest reads one request of the caller's account. While it waits for a
// decision all participants are asked what they hold; UNAVAILABLE when one of
// them does not answer, for half a count would mislead.
func (a *App) GetRequest(ctx context.Context, id int64) (*Request, error) {
	doc, err := a.Store.Requests.Get(ctx, caller(ctx).Account, id)
	if err != nil {
		return nil, storeFault("request", id, err)
	}
	out, err := a.state(ctx, doc)
	if err == nil && doc.State == store.Received {
		out.Holdings, err = a.holdings(ctx, doc)
	}
	return out, err
}

// holdings counts what a request is about, at all participants at once.
func (a *App) holdings(ctx context.Context, doc *store.Request) ([]flow.Holding, error) {
	count, err := a.counter(ctx, doc)
	if err != nil {
		return nil, err
	}
	found, errs := make([][]flow.Holding, len(a.Participants)), make([]error, len(a.Participants))
	var wg sync.WaitGroup
	for i, p := range a.Participants {
		wg.Go(func() { found[i], errs[i] = count(p) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, fault.Unavailable(err)
	}
	return slices.Concat(found...), nil
}

// counter returns how one participant is asked.
func (a *App) counter(ctx context.Context, doc *store.Request) (func(flow.Participant) ([]flow.Holding, error), error) {
	if doc.TicketID != 0 {
		return func(p flow.Participant) ([]flow.Holding, error) {
			return p.TicketHoldings(ctx, doc.Account, doc.ContactID, doc.TicketID)
		}, nil
	}
	ids, _, err := a.Directory.Identify(ctx, doc.Account, doc.ContactID)
	if err != nil && !fault.Is(err, fault.KindNotFound) {
		return nil, err
	}
	return func(p flow.Participant) ([]flow.Holding, error) {
		return p.Holdings(ctx, doc.Account, doc.ContactID, ids)
	}, nil
}

// ListRequests reads a page of requests, newest first, and says whether more follow.
func (a *App) ListRequests(ctx context.Context, contact int64, skip, limit int) ([]*Request, bool, error) {
	q := docstore.Query{Index: "id", Desc: true, Skip: skip, Limit: limit + 1}
	if contact != 0 {
		q.Index, q.Eq = "contact", []any{contact}
	}
	page, err := a.Store.Requests.Find(ctx, caller(ctx).Account, q)
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
