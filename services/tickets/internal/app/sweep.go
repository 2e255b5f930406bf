package app

import (
	"context"
	"errors"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/tickets/internal/ticket"
)

// SweepStaged removes staged files nobody adopted in time, and returns how many.
func (a *App) SweepStaged(ctx context.Context) (n int, err error) {
	before := a.now().Add(-StagedLife - sweepDelay)
	for {
		files, err := a.Staged.Before(ctx, before, sweepPage)
		if err != nil {
			return n, err
		}
		for _, f := range files {
			if err := a.sweepOne(ctx, f); err != nil {
				return n, err
			}
			n++
		}
		if len(files) < sweepPage {
			return n, nil
		}
	}
}

// SweepOrphans removes bytes that no document names, and returns how many blobs
// that were. Their keys died with the process that was writing them, so they are
// noise; it looks at every blob, so once a day is often enough.
func (a *App) SweepOrphans(ctx context.Context) (n int, err error) {
	err = a.Files.Older(ctx, a.now().Add(-orphanAge), func(name string) error {
		for _, t := range []Attachments{a.Attachments, a.Staged} {
			if held, err := t.Holds(ctx, name); held || err != nil {
				return err
			}
		}
		n++
		return a.Files.Delete(ctx, name)
	})
	return n, err
}

// sweepOne removes a staged file. One that was adopted, but whose staged document
// a crash has left, keeps its bytes.
func (a *App) sweepOne(ctx context.Context, f *ticket.Attachment) error {
	held, err := a.Attachments.Holds(ctx, f.Blob)
	if err != nil {
		return err
	}
	if !held {
		if err := a.Files.Delete(ctx, f.Blob); err != nil {
			return err
		}
	}
	err = a.Staged.Delete(ctx, ring.Sweep, f.Account, f.ID, 0)
	if errors.Is(err, docstore.ErrNotFound) {
		return nil
	}
	return err
}
