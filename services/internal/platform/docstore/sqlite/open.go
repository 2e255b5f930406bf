package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"zombiezen.com/go/sqlite"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
)

// Version is the format this package writes; it refuses a newer one and brings an
// older one up to it. Format 1 did not know how far a blind index is built.
const Version = 2

// applicationID marks a file as Lethe's ("Leth").
const applicationID = 0x4c657468

// Options are settings with working defaults.
type Options struct {
	// Readers is how many reads run at once, 4 if 0.
	Readers int
	// Batch is the most writes that share a commit, 512 if 0; 1 switches group commit off.
	Batch int
}

// The page caches, in KiB. Five services share a process, so they are small:
// the operating system's cache is behind them.
const (
	writerCache = 4096
	readerCache = 1536
)

// backend is the docstore.Backend of one file.
type backend struct {
	lock    *os.File
	w       *writer
	readers chan *sqlite.Conn
	made    int // readers, of which some may be lent
	closed  chan struct{}
	commits atomic.Int64

	mu     sync.RWMutex
	tables map[string]*table
	once   sync.Once
}

// Open opens or makes the file at path and takes it for this process. Errors
// are sentences that say what to do: the file belongs to another process, to
// another program, or to a newer version.
func Open(ctx context.Context, path string, o Options) (docstore.Backend, error) {
	if o.Readers == 0 {
		o.Readers = 4
	}
	if o.Batch == 0 {
		o.Batch = 512
	}
	lock, err := takeLock(path)
	if err != nil {
		return nil, err
	}
	b := &backend{lock: lock, readers: make(chan *sqlite.Conn, o.Readers), closed: make(chan struct{}), tables: map[string]*table{}}
	if err := b.connect(path, o); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	if err := ctx.Err(); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

func takeLock(path string) (*os.File, error) {
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the folder of the store cannot be written, choose another one or give the right to it: %w", err)
	}
	ok, err := tryLock(lock)
	if err != nil || !ok {
		_ = lock.Close()
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("the store %s cannot be locked: %w", path, err)
	case !ok:
		return nil, fmt.Errorf("the store %s is in use by another process; stop that one, or give this one a data folder of its own", path)
	}
	return lock, nil
}

func (b *backend) connect(path string, o Options) error {
	// made by hand so that nobody else may read it, not even for a moment
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("the store cannot be opened: %w", err)
	}
	if err := f.Close(); err != nil {
		return err
	}
	conn, err := open(path, writerCache)
	if err != nil {
		return err
	}
	b.w = newWriter(conn, o.Batch, &b.commits)
	if err := prepareFile(conn, path); err != nil {
		return err
	}
	b.w.start()
	for range o.Readers {
		r, err := open(path, readerCache)
		if err != nil {
			return err
		}
		if err := exec(r, "PRAGMA query_only=ON"); err != nil {
			return err
		}
		b.readers <- r
		b.made++
	}
	return nil
}

// open makes a connection. Settings are per connection, except the journal mode.
func open(path string, cacheKiB int) (*sqlite.Conn, error) {
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		return nil, fmt.Errorf("the store %s cannot be opened: %w", path, err)
	}
	for _, p := range []string{
		"PRAGMA secure_delete=ON", "PRAGMA temp_store=MEMORY", "PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL",
		"PRAGMA journal_size_limit=16777216", fmt.Sprintf("PRAGMA cache_size=-%d", cacheKiB),
	} {
		if err := exec(conn, p); err != nil {
			return nil, errors.Join(fmt.Errorf("the store %s cannot be opened: %w", path, err), conn.Close())
		}
	}
	return conn, nil
}

// prepareFile checks whose file it is and makes the tables every store has.
func prepareFile(conn *sqlite.Conn, path string) error {
	app, err := queryInt(conn, "PRAGMA application_id")
	if err != nil {
		return err
	}
	version, err := queryInt(conn, "PRAGMA user_version")
	if err != nil {
		return err
	}
	objects, err := queryInt(conn, "SELECT count(*) FROM sqlite_master")
	if err != nil {
		return err
	}
	switch {
	case app != applicationID && objects > 0:
		return fmt.Errorf("%s is not a store of Lethe; move it away or choose another data folder", path)
	case version > Version:
		return fmt.Errorf("%s was written by a newer version of Lethe (format %d, this one knows %d); start that version, or restore a backup made before it", path, version, Version)
	case objects > 0:
		// a crash may have left keys in slots being filled: they are their account's
		// for its next filling, and nobody has them
		return exec(conn, strings.Join([]string{"BEGIN", "UPDATE slots SET state=4 WHERE state=1", blindsTable,
			fmt.Sprintf("PRAGMA user_version=%d", Version), "COMMIT"}, ";"))
	}
	return exec(conn, strings.Join([]string{"BEGIN", systemTables, blindsTable,
		fmt.Sprintf("PRAGMA application_id=%d", applicationID), fmt.Sprintf("PRAGMA user_version=%d", Version), "COMMIT"}, ";"))
}

// systemTables: a slot's state is 0 void, 1 being filled, 2 free, 3 taken, 4 left half-filled by a crash.
const systemTables = `
CREATE TABLE ring (account INTEGER NOT NULL, subject INTEGER NOT NULL, version INTEGER NOT NULL, modes INTEGER NOT NULL,
	slot INTEGER, kid BLOB, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, stage INTEGER NOT NULL, dying INTEGER NOT NULL,
	fences BLOB, PRIMARY KEY (account, subject)) WITHOUT ROWID;
CREATE TABLE slots (idx INTEGER PRIMARY KEY, account INTEGER NOT NULL, kid BLOB, state INTEGER NOT NULL);
CREATE INDEX slots_free ON slots (account) WHERE state=2;
CREATE INDEX slots_void ON slots (idx) WHERE state=0;
CREATE INDEX slots_left ON slots (account) WHERE state=4;
CREATE TABLE claims (account INTEGER NOT NULL, hash BLOB NOT NULL, subject INTEGER NOT NULL, at INTEGER NOT NULL,
	PRIMARY KEY (account, hash)) WITHOUT ROWID;
CREATE INDEX claims_subject ON claims (account, subject);
CREATE TABLE sequences (account INTEGER NOT NULL, name TEXT NOT NULL, next INTEGER NOT NULL,
	PRIMARY KEY (account, name)) WITHOUT ROWID`

// Ready asks the database one question.
func (b *backend) Ready(ctx context.Context) error {
	return b.read(ctx, false, func(c *sqlite.Conn) error {
		_, err := queryInt(c, "SELECT 1")
		return err
	})
}

// Shared is false: the lock keeps other processes out.
func (b *backend) Shared() bool { return false }

// Commits returns the durable commits since Open.
func (b *backend) Commits() int64 { return b.commits.Load() }

// Close waits for what is being written and read, and gives the file free.
func (b *backend) Close() error {
	var errs []error
	b.once.Do(func() {
		close(b.closed)
		for range b.made {
			errs = append(errs, (<-b.readers).Close())
		}
		if b.w != nil {
			errs = append(errs, b.w.close())
		}
		errs = append(errs, b.lock.Close())
	})
	return errors.Join(errs...)
}
