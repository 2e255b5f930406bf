package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/blob"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
)

// The flaws of blobs.
const (
	// FlawBlobMissing is a document whose blob is not there.
	FlawBlobMissing docstore.Flaw = "blob_missing"
	// FlawBlobSize is a blob that is not as long as its document says.
	FlawBlobSize docstore.Flaw = "blob_size"
	// FlawBlobOrphan is a blob that no document names and that is older than OrphanAge.
	FlawBlobOrphan docstore.Flaw = "blob_orphan"
	// FlawBlobTemp is what a killed upload left; a service sweeps it away in time.
	FlawBlobTemp docstore.Flaw = "blob_unfinished"
)

// OrphanAge is how old a blob must be that no document names to be told: younger
// ones may be of work under way when the suite was stopped.
const OrphanAge = 24 * time.Hour

// Blobs checks a folder of blobs against the documents that name them.
type Blobs struct {
	bucket *blob.Bucket // nil when there is no folder
	w      docstore.Watch
}

// BlobsToCheck opens a folder of blobs, which may be missing. Close it.
func BlobsToCheck(dir string, w docstore.Watch) (*Blobs, error) {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return &Blobs{w: w}, nil
	} else if err != nil {
		return nil, fmt.Errorf("look for the blobs: %w", err)
	}
	bucket, err := blob.OpenDir(dir)
	if err != nil {
		return nil, err
	}
	return &Blobs{bucket, w}, nil
}

// Close closes the folder.
func (b *Blobs) Close() error {
	if b.bucket == nil {
		return nil
	}
	return b.bucket.Close()
}

// Missing reports whether a blob is not there.
func (b *Blobs) Missing(ctx context.Context, name string) (bool, error) {
	if b.bucket == nil {
		return true, nil
	}
	_, err := b.bucket.Stat(ctx, name)
	if errors.Is(err, blob.ErrNotFound) || errors.Is(err, blob.ErrName) {
		return true, nil
	}
	return false, err
}

// Named tells unless a document's blob is there and holds that many bytes.
func (b *Blobs) Named(ctx context.Context, at docstore.Finding, name string, size int64) error {
	missing, err := b.Missing(ctx, name)
	if err != nil {
		return err
	}
	if missing {
		at.Flaw = FlawBlobMissing
		b.w.Found(at)
		return nil
	}
	item, err := b.bucket.Stat(ctx, name)
	if err == nil && item.Size != blob.SealedSize(size) {
		at.Flaw = FlawBlobSize
		b.w.Found(at)
	}
	return err
}

// Orphans tells the blobs that no document holds, and what killed uploads left.
func (b *Blobs) Orphans(ctx context.Context, now time.Time, holds func(ctx context.Context, name string) (bool, error)) error {
	if b.bucket == nil {
		return nil
	}
	var done int64
	for item, err := range b.bucket.List(ctx, "", time.Time{}) {
		if err != nil {
			return err
		}
		if done++; done%1000 == 0 && b.w.Progress != nil {
			b.w.Progress("blobs", done, 0)
		}
		f := docstore.NewFinding(FlawBlobOrphan, "", 0, 0)
		f.Detail = item.Name // random: it says nothing
		if blob.Stray(item.Name) {
			f.Flaw, f.Warning = FlawBlobTemp, true
			b.w.Found(f)
			continue
		}
		if now.Sub(item.Written) < OrphanAge {
			continue
		}
		held, err := holds(ctx, item.Name)
		if err != nil {
			return err
		}
		if !held {
			b.w.Found(f)
		}
	}
	return nil
}
