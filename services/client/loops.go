package client

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	privacyv1 "github.com/lethe-desk/lethe/gen/go/lethe/privacy/v1"
	"google.golang.org/protobuf/proto"
)

// PageSize is how many things All asks for at once, the most a list gives.
const PageSize = 100

// All loops over a list that has pages: list is asked for page 1, 2, ... of
// perPage things until one is short. An error comes once, with the zero value,
// and ends the loop.
func All[T any](list func(page, perPage int32) ([]T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for page := int32(1); ; page++ {
			things, err := list(page, PageSize)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, thing := range things {
				if !yield(thing, nil) {
					return
				}
			}
			if len(things) < PageSize {
				return
			}
		}
	}
}

// How long WatchSaga waits before it asks again.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = 5 * time.Second
)

// WatchSaga loops over the movements of a saga until it ends. A connection that
// breaks is taken up behind the last event seen, for as long as the context
// lives, so that none is missed or seen twice. Any other error comes once, with nil, and ends the loop.
func WatchSaga(ctx context.Context, privacy privacyv1.PrivacyServiceClient, id string) iter.Seq2[*privacyv1.SagaEvent, error] {
	return func(yield func(*privacyv1.SagaEvent, error) bool) {
		w := watch{id: id, yield: yield}
		for pause := firstPause; ; pause = min(2*pause, lastPause) {
			seen := w.after
			ended, err := w.follow(ctx, privacy)
			switch {
			case ended:
				return
			case ctx.Err() != nil:
				yield(nil, ctx.Err())
				return
			case !IsUnavailable(err):
				yield(nil, err)
				return
			}
			if w.after > seen {
				pause = firstPause
			}
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
		}
	}
}

// watch is a saga that is looked at over one connection after the other.
type watch struct {
	id    string
	after int64
	yield func(*privacyv1.SagaEvent, error) bool
}

// follow yields what one stream tells; ended says that nothing more is wanted or to come.
func (w *watch) follow(ctx context.Context, privacy privacyv1.PrivacyServiceClient) (ended bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := privacy.WatchSaga(ctx, &privacyv1.WatchSagaRequest{Id: w.id, After: proto.Int64(w.after)})
	if err != nil {
		return false, err
	}
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		w.after = m.GetEvent().GetSequence()
		if !w.yield(m.GetEvent(), nil) {
			return true, nil
		}
	}
}
