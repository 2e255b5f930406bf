package store

import (
	"context"
	"errors"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
)

// The flaws of what privacy alone keeps.
const (
	// FlawSaga is a saga that has not ended and that this version knows no definition of, or a row that cannot be read.
	FlawSaga docstore.Flaw = "saga_unknown"
	// FlawParked is a saga that waits for a person.
	FlawParked docstore.Flaw = "saga_parked"
	// FlawRequest is a started request whose saga is not there.
	FlawRequest docstore.Flaw = "request_without_saga"
	// FlawOverdue is an export that is still offered after its time.
	FlawOverdue docstore.Flaw = "export_overdue"
)

// Blobs is where archives and their parts are looked for.
type Blobs interface {
	// Named tells unless a document's blob is there and holds that many bytes.
	Named(ctx context.Context, at docstore.Finding, name string, size int64) error
	// Orphans tells the blobs that no document holds.
	Orphans(ctx context.Context, now time.Time, holds func(ctx context.Context, name string) (bool, error)) error
}

// The states of an export that matter here; package archive sets them.
const (
	exportCollecting = "collecting"
	exportReady      = "ready"
)

// Check tells what is wrong between requests, sagas, exports and their blobs.
// known says why a saga cannot go on.
func Check(ctx context.Context, w docstore.Watch, p *Privacy, s *Sagas, known func(*saga.Row) error, blobs Blobs, now time.Time) error {
	if err := s.check(ctx, w, known); err != nil {
		return err
	}
	if err := p.Requests.check(ctx, w, s); err != nil {
		return err
	}
	return p.checkExports(ctx, w, blobs, now)
}

// check looks at every saga that has not ended.
func (s *Sagas) check(ctx context.Context, w docstore.Watch, known func(*saga.Row) error) error {
	return s.docs.Each(ctx, func(d *sagaDoc) error {
		f := docstore.NewFinding(FlawSaga, s.docs.Name(), d.Account, d.ID)
		row, err := d.row()
		switch {
		case err != nil || known(row) != nil:
			w.Found(f)
		case row.State == saga.StateParked:
			f.Flaw, f.Warning = FlawParked, true
			w.Found(f)
		}
		return nil
	})
}

// check looks for the sagas of requests.
func (r *Requests) check(ctx context.Context, w docstore.Watch, s *Sagas) error {
	return r.docs.Each(ctx, func(d *Request) error {
		if d.State != Started {
			return nil
		}
		account, id, err := saga.SplitID(d.SagaID)
		if err == nil {
			_, err = s.docs.Get(ctx, ring.Sweep, account, id)
		}
		if errors.Is(err, docstore.ErrUnavailable) || ctx.Err() != nil {
			return err
		}
		if err != nil {
			w.Found(docstore.NewFinding(FlawRequest, r.docs.Name(), d.Account, d.ID))
		}
		return nil
	})
}

// checkExports looks at the archives that are offered, and for blobs of none.
func (p *Privacy) checkExports(ctx context.Context, w docstore.Watch, blobs Blobs, now time.Time) error {
	held := map[string]bool{}
	err := p.Exports.Each(ctx, func(d *Export) error {
		if d.State != exportReady && d.State != exportCollecting {
			return nil
		}
		held[d.Archive] = true
		for _, name := range d.Parts {
			held[name] = true
		}
		if d.State == exportCollecting {
			return nil
		}
		f := docstore.NewFinding(FlawOverdue, p.Exports.Name(), d.Account, d.ID)
		if f.Warning = true; d.ExpiresAt.Before(now) {
			w.Found(f)
		}
		e, err := p.db.Entry(ctx, ring.Subject{Account: d.Account, ID: d.Owner})
		if err != nil && !errors.Is(err, docstore.ErrNotFound) {
			return err
		}
		f.Warning = e.Modes()&ring.Erasing != 0 // the bytes go before the document
		return blobs.Named(ctx, f, d.Archive, d.Size)
	})
	if err != nil {
		return err
	}
	return blobs.Orphans(ctx, now, func(_ context.Context, name string) (bool, error) { return held[name], nil })
}
