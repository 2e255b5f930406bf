// Package files keeps the bytes of attachments in a bucket of encrypted blobs.
package files

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/blob"
)

// Files is a bucket of attachments.
type Files struct {
	bucket *blob.Bucket
}

// Open opens the bucket in a folder.
func Open(dir string) (*Files, error) {
	b, err := blob.OpenDir(dir)
	if err != nil {
		return nil, err
	}
	return &Files{b}, nil
}

// Close closes the bucket.
func (f *Files) Close() error { return f.bucket.Close() }

// Save writes r to its end under a new name and key; the bytes are durable on
// return. On an error nothing stays.
func (f *Files) Save(ctx context.Context, r io.Reader) (name string, key []byte, size int64, err error) {
	name, key = blob.NewName(), blob.NewKey()
	w, err := f.bucket.Create(ctx, name, key)
	if err != nil {
		return "", nil, 0, err
	}
	if _, err := io.Copy(w, r); err != nil {
		return "", nil, 0, errors.Join(err, w.Abort())
	}
	if err := w.Commit(); err != nil {
		return "", nil, 0, err
	}
	return name, key, w.Size(), nil
}

// Open reads a blob.
func (f *Files) Open(ctx context.Context, name string, key []byte) (io.ReadCloser, error) {
	return f.bucket.Open(ctx, name, key)
}

// Delete removes a blob; one that is not there is fine.
func (f *Files) Delete(ctx context.Context, name string) error { return f.bucket.Delete(ctx, name) }

// Older calls visit for each blob last written before a moment, until it fails.
func (f *Files) Older(ctx context.Context, at time.Time, visit func(name string) error) error {
	for item, err := range f.bucket.List(ctx, "", at) {
		if err != nil {
			return err
		}
		if err := visit(item.Name); err != nil && !errors.Is(err, blob.ErrName) {
			return err
		}
	}
	return nil
}
