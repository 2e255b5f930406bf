package keyring

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

const (
	mainSuffix   = ".keys"
	mirrorSuffix = ".keys.mirror"
	newSuffix    = ".new"
	lockSuffix   = ".keys.lock"
)

// defaultCache is how many unwrapped keys a File keeps; one takes about a kilobyte.
const defaultCache = 32 << 10

// Options says which key files to open, and how.
type Options struct {
	// Dir is the folder of the files; it is made when missing.
	Dir string
	// Service names the files, DIR/<service>.keys and DIR/<service>.keys.mirror,
	// and is bound into all they hold. Lower-case letters, digits and "-".
	Service string
	// Master holds the master keys.
	Master *Master
	// MustExist refuses to start with new, empty files: set it when the store
	// already holds sealed documents.
	MustExist bool
	// Cache is how many unwrapped keys are kept in memory; 0 is 32,768.
	Cache int
	// Hooks injects faults, for tests; nil in production.
	Hooks *Hooks
}

// File is the pair of key files of one service. One process at a time has it
// open. All methods are safe for concurrent use.
type File struct {
	o    Options
	disk disk
	lock *os.File
	file [16]byte

	// writer is held by whoever changes the files: one change at a time.
	writer sync.Mutex
	// failed is why nothing can be changed any more; guarded by writer.
	failed error

	// mu guards what readers look at. Bytes are overwritten under it, and keys
	// are read and cached under it, so a destroyed key cannot return to the cache.
	mu       sync.RWMutex
	copies   [2]*os.File // key file and mirror
	epoch    uint32
	groups   int64
	accounts map[int64]int64 // account → group that holds its wrapping key
	taken    []bool          // per group: whether it holds an account's key
	closed   bool

	wraps wrapCache
	cache *keyCache

	queue destroyQueue
}

// Open opens or makes the key files of a service and heals them: the newer
// readable copy of each slot wins, a missing file is copied from the other,
// what a crashed rotation left is overwritten. Nothing that an earlier call
// reported as done is undone.
//
// It refuses, with a sentence that says what to do: a newer format, files of
// another service or installation, a master key that does not fit, and files
// that another process has open.
func Open(ctx context.Context, o Options) (*File, error) {
	if err := checkOptions(&o); err != nil {
		return nil, err
	}
	f := &File{
		o: o, disk: disk{o.Hooks}, accounts: map[int64]int64{},
		cache: newKeyCache(o.Cache), wraps: wrapCache{keys: map[int64]*Key{}},
	}
	if err := f.open(ctx); err != nil {
		return nil, errors.Join(err, f.closeFiles())
	}
	return f, nil
}

func checkOptions(o *Options) error {
	if o.Master == nil {
		return errors.New("key files cannot be opened without a master key")
	}
	if o.Service == "" || len(o.Service) > maxService {
		return errors.New("the name of a key file's service must have 1 to 48 characters")
	}
	for _, c := range o.Service {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return errors.New("the name of a key file's service may hold lower-case letters, digits and - only")
		}
	}
	if o.Cache <= 0 {
		o.Cache = defaultCache
	}
	return nil
}

// path returns the path of the key file (0) or the mirror (1).
func (f *File) path(i int) string {
	return filepath.Join(f.o.Dir, f.o.Service+[]string{mainSuffix, mirrorSuffix}[i])
}

func (f *File) open(ctx context.Context) error {
	if err := os.MkdirAll(f.o.Dir, 0o700); err != nil {
		return fmt.Errorf("folder %s for key files cannot be made: %w", f.o.Dir, err)
	}
	lock := filepath.Join(f.o.Dir, f.o.Service+lockSuffix)
	var err error
	if f.lock, err = os.OpenFile(lock, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return fmt.Errorf("key files of %s cannot be locked: %w", f.o.Service, err)
	}
	if err := lockFile(f.lock); err != nil {
		return fmt.Errorf("key files of %s are open in another process: stop that one first", f.o.Service)
	}
	if err := f.settle(); err != nil {
		return err
	}
	for i := range f.copies {
		if f.copies[i], err = os.OpenFile(f.path(i), os.O_RDWR, 0); err != nil {
			return fmt.Errorf("key file %s cannot be opened: %w", f.path(i), err)
		}
	}
	if err := f.reconcile(ctx); err != nil {
		return fmt.Errorf("key files of %s cannot be healed: %w", f.o.Service, err)
	}
	return nil
}

// Close closes the files after the changes under way. Keys already handed out
// keep working.
func (f *File) Close() error {
	f.queue.wait()
	f.writer.Lock()
	defer f.writer.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	f.closed = true
	f.cache.clear()
	f.wraps.clear()
	return f.closeFiles()
}

// closeFiles closes what is open.
func (f *File) closeFiles() error {
	var errs []error
	for _, c := range []*os.File{f.copies[0], f.copies[1], f.lock} {
		if c != nil {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

// Slots returns how many slots the files have room for now; slot numbers below
// it exist, filled or not.
func (f *File) Slots() int64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.groups * perGroup
}

// Epoch returns the master epoch under which everything in the files is wrapped.
func (f *File) Epoch() uint32 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.epoch
}

// usable returns why nothing can be changed, or nil. The caller holds writer.
func (f *File) usable() error {
	if f.closed {
		return os.ErrClosed
	}
	if f.failed != nil {
		return fmt.Errorf("%w (%w)", ErrFailed, f.failed)
	}
	return nil
}

// fail notes that a change broke off, so nobody knows what is on the disk.
// The caller holds writer.
func (f *File) fail(err error) error {
	if err != nil && f.failed == nil {
		f.failed = err
	}
	return err
}
