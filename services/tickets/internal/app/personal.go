package app

import (
	"context"

	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// CountFiles counts a person's files, staged ones included.
func (a *App) CountFiles(ctx context.Context, s ring.Subject) (int64, error) {
	adopted, err := a.Attachments.CountOwned(ctx, s)
	if err != nil {
		return 0, err
	}
	staged, err := a.Staged.CountOwned(ctx, s)
	return adopted + staged, err
}

// SweepFiles removes at most limit files of a person whose key is gone: the bytes
// first, by the names in the clear part, then the documents. What a crash leaves
// between is found again, for deleting bytes that are gone is fine.
func (a *App) SweepFiles(ctx context.Context, s ring.Subject, limit int) (n int, more bool, err error) {
	for _, t := range []Attachments{a.Attachments, a.Staged} {
		if n >= limit {
			return n, true, nil
		}
		files, err := t.Owned(ctx, s, limit-n)
		if err != nil {
			return n, false, err
		}
		more = more || len(files) == limit-n
		var ids []int64
		for _, f := range files {
			if err := a.Files.Delete(ctx, f.Blob); err != nil {
				return n, false, err
			}
			ids = append(ids, f.ID)
		}
		if len(ids) == 0 {
			continue
		}
		deleted, err := t.DeleteMany(ctx, s, ids)
		n += deleted
		if err != nil {
			return n, true, err
		}
	}
	return n, more, nil
}
