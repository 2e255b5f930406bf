package docstore

import (
	"context"
	"time"
)

// ScrubEvery is the usual time between two scrubs.
const ScrubEvery = 24 * time.Hour

// After is a clock's way to wait: it returns a channel that gets the time once,
// d from now, and a function that gives the wait up.
type After func(d time.Duration) (<-chan time.Time, func())

func realAfter(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}

// StartScrub scrubs the store every interval (ScrubEvery if 0) from now on, until
// Close; after is time's own when nil. One that fails is logged and comes again
// with the next. A second StartScrub does nothing, and neither does one where
// the backend leaves no bytes behind it could clear.
func (db *DB) StartScrub(interval time.Duration, after After) {
	if db.scrubber == nil || !db.scrubbing.CompareAndSwap(false, true) {
		return
	}
	if interval <= 0 {
		interval = ScrubEvery
	}
	if after == nil {
		after = realAfter
	}
	db.wg.Add(1)
	go func() {
		defer db.wg.Done()
		for {
			due, giveUp := after(interval)
			select {
			case <-due:
			case <-db.stop.Done():
				giveUp()
				return
			}
			_, _, _ = db.Scrub(db.stop) // it is in the log
		}
	}()
}

// Scrub clears what deletion leaves behind in the store's files, in slices
// between which others write, where the backend can; elsewhere it does nothing.
// One runs at a time, others wait for it. ErrUnavailable when readers did not let
// go of the journal in time: ask again.
func (db *DB) Scrub(ctx context.Context) (looked, rewritten int64, err error) {
	if db.scrubber == nil {
		return 0, 0, nil
	}
	select {
	case db.scrub <- struct{}{}:
		defer func() { <-db.scrub }()
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	}
	looked, rewritten, err = db.scrubber.Scrub(ctx)
	if err != nil {
		if ctx.Err() == nil {
			db.log.Warn("store not scrubbed", "error", err)
		}
		return looked, rewritten, err
	}
	db.scrubs.Add(1)
	db.log.Info("store scrubbed", "count", rewritten)
	return looked, rewritten, nil
}
