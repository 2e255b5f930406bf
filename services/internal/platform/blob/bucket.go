// Package blob stores files of any size, each encrypted as a stream under a
// key of its own. The key lies in the sealed part of the document that owns
// the blob, so the blob dies with that document's key, and a change of owner
// never rewrites it.
//
// Names are random and say nothing. Uploads start under "staged/", where a
// sweeper deletes what no document adopted in time.
//
// Nothing is ever on the disk in the clear: no content, no file name, no
// attribute; and nothing is written outside the bucket's folder.
package blob

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	gcblob "gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/memblob"
	"gocloud.dev/gcerrors"
)

// The errors a caller can tell apart; others come from the storage.
var (
	// ErrNotFound means that there is no blob of this name.
	ErrNotFound = errors.New("blob not found")
	// ErrCorrupt means that a blob is cut short or changed, or the key is not its own.
	ErrCorrupt = errors.New("blob is damaged or the key is wrong")
	// ErrName means that a name was not made by NewName or NewStagedName.
	ErrName = errors.New("bad blob name")
	// ErrExists means that a blob of this name is there already.
	ErrExists = errors.New("blob exists")
	// ErrKey means that a key does not have KeySize bytes.
	ErrKey = errors.New("bad blob key")
)

// Staged is the prefix of the names of uploads that no document owns yet.
const Staged = "staged/"

// KeySize is the length of a blob's key, in bytes.
const KeySize = 32

// validName also takes the name of what a killed upload leaves, which List
// shows and Delete deletes.
var (
	validName = regexp.MustCompile(`^(staged/)?[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{28}$`)
	strayName = regexp.MustCompile(`^(staged/)?[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{28}\.[0-9a-f]+\.tmp$`)
)

// NewKey returns a random key for one blob. Never use a key twice.
func NewKey() []byte {
	key := make([]byte, KeySize)
	_, _ = rand.Read(key) // crypto/rand.Read never fails
	return key
}

// NewName returns a random name, spread over two levels of folders.
func NewName() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	h := hex.EncodeToString(b[:])
	return h[:2] + "/" + h[2:4] + "/" + h[4:]
}

// NewStagedName returns a random name for an upload that is to be adopted.
func NewStagedName() string { return Staged + NewName() }

// Bucket is where blobs lie. It is safe for concurrent use.
type Bucket struct {
	bucket *gcblob.Bucket
	// dir is the bucket's folder, or "" when it is not made of files.
	dir string
	// lasting holds the folders whose own names are known to be on the disk.
	lasting sync.Map
}

// OpenDir opens a bucket of files in a folder, which is made when missing and
// which only its owner can read.
func OpenDir(dir string) (*Bucket, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("blob folder cannot be found: %w", err)
	}
	b, err := fileblob.OpenBucket(dir, &fileblob.Options{
		CreateDir:   true,
		DirFileMode: 0o700,
		NoTempDir:   true, // temporary files stay in the folder too
		Metadata:    fileblob.MetadataDontWrite,
	})
	if err != nil {
		return nil, fmt.Errorf("blob folder %s cannot be opened: %w", dir, err)
	}
	return &Bucket{bucket: b, dir: dir}, nil
}

// OpenURL opens the bucket a URL names: "file:///folder" (which takes no
// parameters) or "mem://" for tests. Further schemes come with their driver.
func OpenURL(_ context.Context, address string) (*Bucket, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("the address of the blob store is no URL: use file:///FOLDER")
	}
	switch {
	case u.Scheme == fileblob.Scheme && u.Host == "" && u.Path != "" && u.RawQuery == "":
		return OpenDir(filepath.FromSlash(u.Path))
	case u.Scheme == memblob.Scheme:
		return &Bucket{bucket: memblob.OpenBucket(nil)}, nil
	}
	return nil, fmt.Errorf("blob store of scheme %q is not known here: use file:///FOLDER", u.Scheme)
}

// Close closes the bucket.
func (b *Bucket) Close() error { return b.bucket.Close() }

// Delete removes a blob. A missing one is no error.
func (b *Bucket) Delete(ctx context.Context, name string) error {
	if !validName.MatchString(name) && !strayName.MatchString(name) {
		return ErrName
	}
	if err := b.bucket.Delete(ctx, name); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
		return fmt.Errorf("blob was not deleted: %w", err)
	}
	return nil
}

// Adopt takes a staged blob out of the sweeper's reach and returns its name
// from then on. Repeating it gives the same answer. Call it just before the
// document that owns the blob is written; when that write never happens, the
// blob is an orphan that List finds.
func (b *Bucket) Adopt(ctx context.Context, staged string) (string, error) {
	name, ok := strings.CutPrefix(staged, Staged)
	if !ok || !validName.MatchString(staged) {
		return "", ErrName
	}
	if b.dir != "" {
		return name, b.rename(staged, name)
	}
	err := b.bucket.Copy(ctx, name, staged, nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		there, err := b.bucket.Exists(ctx, name)
		if err == nil && !there {
			err = ErrNotFound
		}
		return name, err
	}
	if err != nil {
		return "", fmt.Errorf("blob was not adopted: %w", err)
	}
	return name, b.Delete(ctx, staged)
}

// rename adopts a file without copying it.
func (b *Bucket) rename(from, to string) error {
	target := b.path(to)
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return fmt.Errorf("blob was not adopted: %w", err)
	}
	err := os.Rename(b.path(from), target)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err = os.Stat(target); errors.Is(err, fs.ErrNotExist) {
			return ErrNotFound
		}
	}
	if err != nil {
		return fmt.Errorf("blob was not adopted: %w", err)
	}
	return b.syncName(to)
}

// path returns where a blob's file lies.
func (b *Bucket) path(name string) string { return filepath.Join(b.dir, filepath.FromSlash(name)) }

// syncName brings a file's name to the disk, and those of the folders above it
// that this process has not seen there yet.
func (b *Bucket) syncName(name string) error {
	for dir := filepath.Dir(b.path(name)); ; dir = filepath.Dir(dir) {
		f, err := os.Open(dir)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
		if _, known := b.lasting.Load(dir); known || dir == b.dir {
			break
		}
	}
	for dir := filepath.Dir(b.path(name)); dir != b.dir; dir = filepath.Dir(dir) {
		b.lasting.Store(dir, true)
	}
	return nil
}

// Item is what List tells of a blob.
type Item struct {
	Name string
	// Size is the encrypted length, in bytes.
	Size int64
	// Written is when the blob was written.
	Written time.Time
}

// List yields, in the order of names, the blobs whose names begin with prefix
// and that were written before a time; a zero time yields all. What killed
// uploads left is among them, under names that only Delete takes.
func (b *Bucket) List(ctx context.Context, prefix string, before time.Time) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		token := gcblob.FirstPageToken
		for token != nil {
			page, next, err := b.bucket.ListPage(ctx, token, 1000, &gcblob.ListOptions{Prefix: prefix})
			if err != nil {
				yield(Item{}, fmt.Errorf("blobs cannot be listed: %w", err))
				return
			}
			for _, o := range page {
				if !before.IsZero() && !o.ModTime.Before(before) {
					continue
				}
				if !yield(Item{Name: o.Key, Size: o.Size, Written: o.ModTime}, nil) {
					return
				}
			}
			token = next
		}
	}
}

// SweepStaged deletes what was staged before a time and not adopted, and
// returns how many that were.
func (b *Bucket) SweepStaged(ctx context.Context, before time.Time) (n int, err error) {
	for item, err := range b.List(ctx, Staged, before) {
		if err != nil {
			return n, err
		}
		if err := b.Delete(ctx, item.Name); errors.Is(err, ErrName) {
			continue // not ours: leave it alone
		} else if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
