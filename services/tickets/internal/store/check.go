package store

import (
	"context"
	"errors"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// Blobs is where the bytes of files are looked for.
type Blobs interface {
	// Missing reports whether a blob is not there.
	Missing(ctx context.Context, name string) (bool, error)
	// Named tells unless a document's blob is there and holds that many bytes.
	Named(ctx context.Context, at docstore.Finding, name string, size int64) error
	// Orphans tells the blobs that no document holds.
	Orphans(ctx context.Context, now time.Time, holds func(ctx context.Context, name string) (bool, error)) error
}

// Check tells what is wrong with the numbers of tickets and with the bytes of files.
func (s *Store) Check(ctx context.Context, w docstore.Watch, blobs Blobs, now time.Time) error {
	for _, part := range []func() error{
		func() error { return s.checkNumbers(ctx, w) },
		func() error { return s.checkFiles(ctx, s.Attachments, blobs) },
		func() error { return s.checkFiles(ctx, s.Staged, blobs) },
	} {
		if err := part(); err != nil {
			return err
		}
	}
	return blobs.Orphans(ctx, now, func(ctx context.Context, name string) (bool, error) {
		for _, t := range []*Attachments{s.Attachments, s.Staged} {
			if held, err := t.Holds(ctx, name); held || err != nil {
				return held, err
			}
		}
		return false, nil
	})
}

// checkNumbers tells a sequence that stands at or below a number in use.
func (s *Store) checkNumbers(ctx context.Context, w docstore.Watch) error {
	highest := map[int64]int64{}
	err := s.Tickets.docs.Each(ctx, func(d *ticketDoc) error {
		highest[d.Account] = max(highest[d.Account], d.ID)
		return nil
	})
	if err != nil {
		return err
	}
	err = s.db.Sequences(ctx, func(account int64, name string, next int64) error {
		if name == ticketSequence && next > highest[account] {
			delete(highest, account)
		}
		return nil
	})
	for account, id := range highest {
		f := docstore.NewFinding(docstore.FlawSequence, ticketSpec.Name, account, id)
		f.Detail = ticketSequence
		w.Found(f)
	}
	return err
}

// checkFiles looks for the bytes of every file. Those of somebody under erasure
// may be gone before their document, and those of a staged file, when it is swept.
func (s *Store) checkFiles(ctx context.Context, files *Attachments, blobs Blobs) error {
	return files.docs.Each(ctx, func(d *attachmentDoc) error {
		at := docstore.NewFinding("", files.docs.Name(), d.Account, d.ID)
		missing, err := blobs.Missing(ctx, d.Blob)
		if err != nil {
			return err
		}
		if missing {
			e, err := s.db.Entry(ctx, ring.Subject{Account: d.Account, ID: d.Owner})
			if err != nil && !errors.Is(err, docstore.ErrNotFound) {
				return err
			}
			at.Warning = files == s.Staged || e.Modes()&ring.Erasing != 0
		}
		return blobs.Named(ctx, at, d.Blob, d.Size)
	})
}
