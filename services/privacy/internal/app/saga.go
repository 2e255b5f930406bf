package app

import (
	"context"
	"iter"
	"slices"

	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
)

// GetSaga reads one saga of the caller's account.
func (a *App) GetSaga(ctx context.Context, id string) (*saga.Row, error) {
	row, err := a.Engine.Load(ctx, id)
	if err != nil {
		return nil, sagaFault(err)
	}
	if row.Account != caller(ctx).Account {
		return nil, fault.NotFound("saga", 0)
	}
	return row, nil
}

// ListSagas reads a page of the account's sagas, newest first, and says whether more follow.
func (a *App) ListSagas(ctx context.Context, subject int64, state string, skip, limit int) ([]*saga.Row, bool, error) {
	if state != "" && !slices.Contains(saga.States(), saga.State(state)) {
		return nil, false, fault.InvalidValue("state", "It should be one of these values: 'pending,running,waiting,undoing,parked,completed,refused,cancelled'")
	}
	f := saga.Filter{Account: caller(ctx).Account, Subject: subject, State: saga.State(state)}
	var rows []*saga.Row
	cursor := ""
	for len(rows) < skip+limit+1 {
		page, next, err := a.Engine.List(ctx, f, cursor, min(skip+limit+1-len(rows), 1000))
		if err != nil {
			return nil, false, sagaFault(err)
		}
		rows = append(rows, page...)
		if cursor = next; next == "" {
			break
		}
	}
	rows = rows[min(skip, len(rows)):]
	more := len(rows) > limit
	return rows[:min(limit, len(rows))], more, nil
}

// RetrySaga resumes a parked saga.
func (a *App) RetrySaga(ctx context.Context, id string) (*saga.Row, error) {
	return a.control(ctx, id, a.Engine.Retry)
}

// CancelSaga takes a saga back that has not passed its pivot.
func (a *App) CancelSaga(ctx context.Context, id string) (*saga.Row, error) {
	return a.control(ctx, id, a.Engine.Cancel)
}

func (a *App) control(ctx context.Context, id string, do func(context.Context, string) error) (*saga.Row, error) {
	if _, err := a.GetSaga(ctx, id); err != nil {
		return nil, err
	}
	if err := do(ctx, id); err != nil {
		return nil, sagaFault(err)
	}
	return a.GetSaga(ctx, id)
}

// WatchSaga streams a saga's movements behind a sequence number until it ends.
func (a *App) WatchSaga(ctx context.Context, id string, after int64) (iter.Seq2[saga.Event, error], error) {
	if after < 0 {
		return nil, fault.InvalidValue("after", "It should not be negative")
	}
	if _, err := a.GetSaga(ctx, id); err != nil {
		return nil, err
	}
	return func(yield func(saga.Event, error) bool) {
		for ev, err := range a.Engine.Watch(ctx, id, after) {
			if !yield(ev, sagaFault(err)) {
				return
			}
		}
	}, nil
}
