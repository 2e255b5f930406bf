package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"zombiezen.com/go/sqlite"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
)

// inspection is a backend that looks and does not touch.
type inspection struct{ *backend }

// OpenToCheck opens the file at path so that not a byte of it changes: writes
// fail, collections are declared only if their tables are there, nothing is built. It
// takes the file for this process. docstore.ErrDamaged when it is no database;
// other errors are sentences that say what to do.
func OpenToCheck(ctx context.Context, path string) (docstore.Backend, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("the store cannot be opened: %w", err)
	}
	lock, err := takeLock(path)
	if err != nil {
		return nil, err
	}
	b := &backend{lock: lock, readers: make(chan *sqlite.Conn, checkReaders), closed: make(chan struct{}), tables: map[string]*table{}}
	if err := b.connectToCheck(ctx, path); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return inspection{b}, nil
}

// checkReaders: one walks, others look things up for it.
const checkReaders = 3

func (b *backend) connectToCheck(ctx context.Context, path string) error {
	address, err := checkAddress(path)
	if err != nil {
		return err
	}
	for i := range checkReaders + 1 {
		conn, err := sqlite.OpenConn(address, sqlite.OpenReadOnly, sqlite.OpenURI)
		if err != nil {
			return fmt.Errorf("the store %s cannot be opened: %w", path, err)
		}
		if i == checkReaders {
			// SQLite itself refuses what it is asked to write
			b.w = newWriter(conn, 1, &b.commits)
			b.w.start()
			break
		}
		b.readers <- conn
		b.made++
	}
	return inspection{b}.see(ctx, func(c *sqlite.Conn) error { return knownFile(c, path) })
}

// checkAddress promises SQLite that nobody changes the file, unless a journal
// stands beside it that has to be read too: then SQLite makes its index anew.
func checkAddress(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("find the store: %w", err)
	}
	address := url.URL{Scheme: "file", Path: abs, RawQuery: "immutable=1"}
	info, err := os.Stat(path + "-wal")
	switch {
	case err == nil && info.Size() > 0:
		address.RawQuery = "mode=ro"
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("look for the journal of the store: %w", err)
	}
	return address.String(), nil
}

// knownFile refuses what is not a store of this version.
func knownFile(c *sqlite.Conn, path string) error {
	app, err := queryInt(c, "PRAGMA application_id")
	if err != nil {
		return err
	}
	version, err := queryInt(c, "PRAGMA user_version")
	if err == nil {
		_, err = queryInt(c, "SELECT count(*) FROM sqlite_master") // which has SQLite read the schema
	}
	switch {
	case err != nil:
		return err
	case app != applicationID:
		return fmt.Errorf("%w: %s is not a store of Lethe", docstore.ErrDamaged, path)
	case version > Version:
		return fmt.Errorf("%s was written by a newer version of Lethe (format %d, this one knows %d); check it with that version", path, version, Version)
	case version < Version:
		return fmt.Errorf("%s was written by an older version of Lethe (format %d, this one knows %d); start this version once, or check it with the older one", path, version, Version)
	}
	return nil
}

// see lends a reader to f and tells damage from other errors.
func (b inspection) see(ctx context.Context, f func(*sqlite.Conn) error) error {
	var inner error
	err := b.read(ctx, true, func(c *sqlite.Conn) error {
		inner = f(c)
		return inner
	})
	code := sqlite.ErrCode(inner).ToPrimary()
	switch {
	case inner == nil || ctx.Err() != nil:
		return err
	case code == sqlite.ResultCorrupt || code == sqlite.ResultNotADB:
		return fmt.Errorf("%w: %w", docstore.ErrDamaged, inner)
	case errors.Is(inner, docstore.ErrDamaged) || code == sqlite.ResultError:
		return inner // what a callback has said, or a sentence
	}
	return err
}

// Bind declares a table that is there, and changes nothing.
func (b inspection) Bind(ctx context.Context, dt *docstore.Table) error {
	t := newTable(dt)
	var want []string
	for i := range t.Indexes {
		if ix := &t.Indexes[i]; ix.List >= 0 {
			want = append(want, t.side(ix.Name))
		} else {
			want = append(want, t.indexName(ix))
		}
	}
	for _, name := range t.Blinds {
		want = append(want, t.blind(name))
	}
	err := b.see(ctx, func(c *sqlite.Conn) error {
		for _, name := range append(want, t.name) {
			n, err := queryInt(c, "SELECT count(*) FROM sqlite_master WHERE name=?", name)
			if err != nil {
				return err
			}
			if n == 0 {
				return errOlder
			}
		}
		for _, column := range t.fieldColumns() {
			n, err := queryInt(c, "SELECT count(*) FROM pragma_table_info(?) WHERE name=?", t.name, column)
			if err != nil {
				return err
			}
			if n == 0 {
				return errOlder
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tables[dt.Name] = t
	return nil
}

var errOlder = errors.New("the store was written by an older version of Lethe, which did not know all of it; start this version once, then check again")

// Unbuilt says that nothing is to be built: Unfinished says what is.
func (inspection) Unbuilt(context.Context, *docstore.Table) ([]string, *docstore.Position, error) {
	return nil, nil, nil
}
