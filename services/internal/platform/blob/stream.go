package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/tink-crypto/tink-go/v2/streamingaead/subtle"
	gcblob "gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// segmentSize is how much is encrypted, and held in memory, at a time.
const segmentSize = 64 << 10

// binding is the additional data of every blob. The name is not in it: a key
// belongs to one blob only, and adopting a blob renames it.
var binding = []byte("lethe/blob/v1")

// cipherOf returns the stream encryption of a key: AES-256-GCM in segments,
// with a fresh key by HKDF-SHA-256 for each stream, and the last segment marked.
func cipherOf(key []byte) (*subtle.AESGCMHKDF, error) {
	if len(key) != KeySize {
		return nil, ErrKey
	}
	return subtle.NewAESGCMHKDF(key, "SHA256", KeySize, segmentSize, 0)
}

// Writer writes one blob. It ends with Commit or Abort; nothing is to be seen
// of the blob before Commit. It is not safe for concurrent use.
type Writer struct {
	bucket *Bucket
	name   string
	ctx    context.Context
	cancel context.CancelFunc
	out    *gcblob.Writer
	enc    io.WriteCloser
	file   *os.File // to be synced, when the bucket is made of files
	size   int64
	err    error
	done   bool
}

// errDone means that a writer was used after Commit or Abort.
var errDone = errors.New("blob writer has ended")

// Create begins a blob under a fresh name and key. When the context ends the
// writer takes no more and Commit fails. End it with Commit or Abort.
func (b *Bucket) Create(ctx context.Context, name string, key []byte) (*Writer, error) {
	if !validName.MatchString(name) {
		return nil, ErrName
	}
	c, err := cipherOf(key)
	if err != nil {
		return nil, err
	}
	w := &Writer{bucket: b, name: name}
	w.ctx, w.cancel = context.WithCancel(ctx)
	w.out, err = b.bucket.NewWriter(w.ctx, name, &gcblob.WriterOptions{
		ContentType:                 "application/octet-stream", // or the library would look into the bytes
		DisableContentTypeDetection: true,
		IfNotExist:                  true,
		BeforeWrite: func(as func(any) bool) error {
			if as(&w.file) {
				return w.file.Chmod(0o600)
			}
			return nil
		},
	})
	if err != nil {
		w.cancel()
		return nil, fmt.Errorf("blob was not begun: %w", err)
	}
	if w.enc, err = c.NewEncryptingWriter(w.out, binding); err != nil {
		return nil, errors.Join(fmt.Errorf("blob was not begun: %w", err), w.Abort())
	}
	return w, nil
}

// Write encrypts and writes p.
func (w *Writer) Write(p []byte) (int, error) {
	if w.done {
		return 0, errDone
	}
	if w.err == nil {
		w.err = w.ctx.Err()
	}
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.enc.Write(p)
	w.size += int64(n)
	if err != nil {
		w.err = fmt.Errorf("blob was not written: %w", err)
	}
	return n, w.err
}

// Size returns how many bytes were written, before encryption.
func (w *Writer) Size() int64 { return w.size }

// Commit makes the blob: when it returns nil, the whole of it is on the disk.
// It returns ErrExists when the name is taken; that blob stays as it is. After
// an error nothing of this one stays.
func (w *Writer) Commit() error {
	if w.done {
		return errDone
	}
	err := w.err
	if err == nil {
		err = w.enc.Close()
	}
	if err == nil && w.file != nil {
		err = w.file.Sync()
	}
	if err == nil {
		err = w.ctx.Err()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("blob was not written: %w", err), w.Abort())
	}
	w.done = true
	defer w.cancel()
	if err := w.out.Close(); gcerrors.Code(err) == gcerrors.FailedPrecondition {
		return ErrExists
	} else if err != nil {
		return fmt.Errorf("blob was not written: %w", err)
	}
	if w.bucket.dir == "" {
		return nil
	}
	if err := w.bucket.syncName(w.name); err != nil {
		return errors.Join(fmt.Errorf("blob was not written: %w", err), w.bucket.Delete(context.WithoutCancel(w.ctx), w.name))
	}
	return nil
}

// Abort ends the writer and leaves nothing. After Commit or Abort it does nothing,
// so it can be deferred.
func (w *Writer) Abort() error {
	if w.done {
		return nil
	}
	w.done = true
	w.cancel() // tells the storage to throw away what it has
	if err := w.out.Close(); err != nil && !errors.Is(err, context.Canceled) && gcerrors.Code(err) != gcerrors.Canceled {
		return fmt.Errorf("blob was not thrown away: %w", err)
	}
	return nil
}

// Open reads a blob. It returns ErrNotFound when there is none. Reading
// returns ErrCorrupt when the blob is cut short or changed or the key is
// another blob's; what was read until then is authentic, but not the whole.
// Close the reader. The context must stay alive while reading.
func (b *Bucket) Open(ctx context.Context, name string, key []byte) (io.ReadCloser, error) {
	if !validName.MatchString(name) {
		return nil, ErrName
	}
	c, err := cipherOf(key)
	if err != nil {
		return nil, err
	}
	in, err := b.bucket.NewReader(ctx, name, nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("blob cannot be opened: %w", err)
	}
	r := &reader{ctx: ctx, in: in}
	if r.dec, err = c.NewDecryptingReader(source{r}, binding); err != nil {
		return nil, errors.Join(r.judge(err), in.Close())
	}
	return r, nil
}

// reader decrypts a blob.
type reader struct {
	ctx context.Context
	in  *gcblob.Reader
	dec io.Reader
	// broken is why the storage stopped answering, which is not corruption.
	broken error
	err    error
}

// source reads from the storage and notes its errors.
type source struct{ r *reader }

// Read reads encrypted bytes.
func (s source) Read(p []byte) (int, error) {
	if err := s.r.ctx.Err(); err != nil {
		s.r.broken = err
		return 0, err
	}
	n, err := s.r.in.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.r.broken = err
	}
	return n, err
}

// judge tells a storage that failed from a blob that is damaged.
func (r *reader) judge(err error) error {
	if r.broken != nil {
		return fmt.Errorf("blob cannot be read: %w", r.broken)
	}
	return ErrCorrupt
}

// Read reads decrypted bytes. An error stays.
func (r *reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.dec.Read(p)
	if err == io.EOF && r.broken == nil {
		r.err = io.EOF
	} else if err != nil {
		r.err = r.judge(err)
	}
	return n, r.err
}

// Close closes the reader.
func (r *reader) Close() error { return r.in.Close() }
