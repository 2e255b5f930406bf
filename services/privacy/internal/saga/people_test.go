package saga_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga/sagatest"
)

type cancelling struct{}

// slowCancel answers the write of a cancel only after the poller has found what it wrote.
type slowCancel struct{ saga.Store }

func (s slowCancel) Save(ctx context.Context, row *saga.Row) error {
	err := s.Store.Save(ctx, row)
	if ctx.Value(cancelling{}) != nil {
		time.Sleep(5 * time.Second) // of the bubble's clock
	}
	return err
}

// TestCancelSparesItsSuccessor lets the run that undoes begin before the cancel
// that asked for it returns: the cancel must interrupt the old owner's run
// alone, or the way back waits for a lease to end.
func TestCancelSparesItsSuccessor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := sagatest.NewStore(), sagatest.NewWorld()
		in := make(chan struct{})
		step := saga.Step{Name: "freeze", Kind: saga.Compensatable}
		step.Do = func(ctx context.Context, c saga.Call) saga.Result {
			defer close(in)
			w.Do("contacts", c)
			return saga.RetryAfter(time.Minute, "busy")
		}
		step.Undo = func(ctx context.Context, c saga.Call) saga.Result {
			select {
			case <-time.After(8 * time.Second):
				return w.Do("contacts", c)
			case <-ctx.Done():
				return saga.Failed("interrupted")
			}
		}
		e := start(t, slowCancel{s}, saga.Options{}, one("d", step))
		id := create(t, e, "d")
		<-in
		synctest.Wait() // it sleeps, owned by nobody
		if err := e.Cancel(context.WithValue(t.Context(), cancelling{}, true), id); err != nil {
			t.Fatal(err)
		}
		if err := e.Cancel(t.Context(), id); err != nil { // again: it goes back already
			t.Fatal(err)
		}
		row := await(t, e, id, saga.StateCancelled)
		// Created in epoch 1; the cancel is 2, the run that undoes 3.
		if row.Epoch != 3 {
			t.Errorf("ended in epoch %d, want 3: the cancel has interrupted the run that undoes", row.Epoch)
		}
	})
}

// TestRetryKeepsTheTimeOfAWait parks a saga beside a step that waits for a time:
// when a person has retried it, the time must still wake it.
func TestRetryKeepsTheTimeOfAWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, down := time.Now(), true
		e := start(t, sagatest.NewStore(), saga.Options{}, one("d",
			saga.Step{Name: "timer", Kind: saga.Wait, Do: func(_ context.Context, c saga.Call) saga.Result {
				if c.Due {
					return saga.Done()
				}
				return saga.WaitFor("", began.Add(time.Hour))
			}},
			saga.Step{Name: "asker", Kind: saga.Wait, Retry: saga.Retry{MaxAttempts: 2}, Do: func(context.Context, saga.Call) saga.Result {
				if down {
					return saga.Failed("unavailable")
				}
				return saga.Done()
			}}))
		id := create(t, e, "d")
		await(t, e, id, saga.StateParked)
		down = false
		if err := e.Retry(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
		defer cancel()
		row, err := e.Await(ctx, id, nil)
		if err != nil || row.State != saga.StateCompleted || time.Since(began) < time.Hour {
			t.Errorf("after %v: %v, %v", time.Since(began), row, err)
		}
	})
}
