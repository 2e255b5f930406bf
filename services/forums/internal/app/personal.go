package app

import (
	"context"
	"errors"

	"github.com/lethe-desk/lethe/services/forums/internal/record"
	"github.com/lethe-desk/lethe/services/forums/internal/topic"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// BlankTopics makes blank shells of at most limit topics of a person whose key
// is gone: those in which others wrote, so that their words keep their place.
func (a *App) BlankTopics(ctx context.Context, s ring.Subject, limit int) (n int, more bool, err error) {
	var last int64
	for {
		topics, err := a.Topics.ClearOwned(ctx, s, last, limit)
		if err != nil {
			return n, false, err
		}
		for _, t := range topics {
			last = t.ID
			others, err := a.Comments.FromOthers(ctx, s, t.ID)
			if err != nil {
				return n, false, err
			}
			if !others {
				continue
			}
			if err := a.shell(ctx, t); err != nil {
				return n, false, err
			}
			if n++; n == limit {
				return n, true, nil
			}
		}
		if len(topics) < limit {
			return n, false, nil
		}
	}
}

// SweepTopics deletes at most limit topics of a person whose key is gone, with
// who follows them. Their comments are the person's own, and swept as such. A
// topic in which somebody has written since BlankTopics becomes a shell as well.
func (a *App) SweepTopics(ctx context.Context, s ring.Subject, limit int) (n int, more bool, err error) {
	topics, err := a.Topics.ClearOwned(ctx, s, 0, limit)
	if err != nil {
		return 0, false, err
	}
	for _, t := range topics {
		others, err := a.Comments.FromOthers(ctx, s, t.ID)
		if err != nil {
			return n, false, err
		}
		if others {
			if err := a.shell(ctx, t); err != nil {
				return n, false, err
			}
			continue
		}
		if err := a.sweepTopic(ctx, s, t); err != nil {
			return n, false, err
		}
		n++
	}
	return n, len(topics) == limit, nil
}

// shell writes a blank shell over a topic. The key of what was there is gone, so
// nothing of it is opened; only the account's key seals what is written.
func (a *App) shell(ctx context.Context, t *topic.Topic) error {
	t.Blank()
	err := a.Topics.Update(ctx, ring.Sweep, t)
	if errors.Is(err, docstore.ErrNotFound) {
		return nil
	}
	return err
}

// sweepTopic deletes a topic nobody else wrote in.
func (a *App) sweepTopic(ctx context.Context, s ring.Subject, t *topic.Topic) error {
	c := Caller{Account: s.Account}
	at := record.In(record.ByTopic, t.ID)
	if err := empty(ctx, c, a.Follows, at); err != nil {
		return err
	}
	if err := remove(ctx, c, a.Topics, t.ID); err != nil {
		return err
	}
	return empty(ctx, c, a.Follows, at)
}
