package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// grouped is a goroutine that runs jobs in groups: what waits runs together,
// between begin and end, and is answered behind end.
type grouped struct {
	queue      chan *groupedJob
	stop, dead chan struct{}
	begin, end func() error
}

type groupedJob struct {
	run  func() error
	done chan error
}

func newGrouped(begin, end func() error) *grouped {
	g := &grouped{queue: make(chan *groupedJob, 512), stop: make(chan struct{}), dead: make(chan struct{}), begin: begin, end: end}
	go g.loop()
	return g
}

func (g *grouped) loop() {
	defer close(g.dead)
	for {
		var jobs []*groupedJob
		select {
		case <-g.stop:
			return
		case j := <-g.queue:
			jobs = append(jobs, j)
		}
		for more := true; more; {
			select {
			case j := <-g.queue:
				jobs = append(jobs, j)
			default:
				more = false
			}
		}
		err := g.begin()
		for _, j := range jobs {
			err = errors.Join(err, j.run())
		}
		err = errors.Join(err, g.end())
		for _, j := range jobs {
			j.done <- err
		}
	}
}

func (g *grouped) do(ctx context.Context, run func() error) error {
	j := &groupedJob{run: run, done: make(chan error, 1)}
	select {
	case g.queue <- j:
		return <-j.done
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *grouped) close() {
	close(g.stop)
	<-g.dead
}

// bareFile is a copy of a service's store under the bare driver, with the
// settings Lethe uses, and two files that stand for those of its keys.
type bareFile struct {
	conn        *sqlite.Conn
	reader      *sqlite.Conn
	reading     chan struct{}
	db, keys    *grouped
	files       [2]*os.File
	collections []string
	// sides are the index tables of each collection.
	sides  map[string][]string
	writes atomic.Int64
}

func openBare(path string) (*bareFile, error) {
	f := &bareFile{sides: map[string][]string{}, reading: make(chan struct{}, 1)}
	for _, c := range []**sqlite.Conn{&f.conn, &f.reader} {
		conn, err := sqlite.OpenConn(path)
		if err != nil {
			return nil, err
		}
		*c = conn
		for _, pragma := range []string{"journal_mode=WAL", "synchronous=FULL", "secure_delete=ON", "cache_size=-4096"} {
			if err := sqlitex.ExecuteTransient(conn, "PRAGMA "+pragma, nil); err != nil {
				return nil, err
			}
		}
	}
	if err := f.tables(); err != nil {
		return nil, err
	}
	if err := sqlitex.ExecuteTransient(f.conn, "CREATE TABLE bare_sagas (id INTEGER PRIMARY KEY, at INTEGER, run BLOB)", nil); err != nil {
		return nil, err
	}
	f.db = newGrouped(
		func() error { return f.exec("BEGIN IMMEDIATE") },
		func() error { return f.exec("COMMIT") },
	)
	for i, suffix := range []string{".keys", ".keys-mirror"} {
		file, err := os.OpenFile(path+suffix, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, err
		}
		if _, err := file.Write(make([]byte, 1<<20)); err != nil {
			return nil, err
		}
		f.files[i] = file
	}
	f.keys = newGrouped(func() error { return nil }, func() error {
		return errors.Join(f.files[0].Sync(), f.files[1].Sync())
	})
	return f, nil
}

// tables finds the collections that hold anything, and their index tables.
func (f *bareFile) tables() error {
	var all []string
	err := sqlitex.Execute(f.conn, "SELECT name FROM sqlite_master WHERE type='table'", &sqlitex.ExecOptions{
		ResultFunc: func(s *sqlite.Stmt) error { all = append(all, s.ColumnText(0)); return nil },
	})
	if err != nil {
		return err
	}
	for _, name := range all {
		if bare, ok := strings.CutPrefix(name, "d_"); ok {
			f.collections = append(f.collections, name)
			for _, side := range all {
				if strings.HasPrefix(side, "m_"+bare+"__") || strings.HasPrefix(side, "b_"+bare+"__") {
					f.sides[name] = append(f.sides[name], side)
				}
			}
		}
	}
	return nil
}

func (f *bareFile) close() {
	f.db.close()
	f.keys.close()
	_, _ = f.conn.Close(), f.reader.Close()
	_, _ = f.files[0].Close(), f.files[1].Close()
}

// exec runs a statement, kept prepared, with numbers and bytes.
func (f *bareFile) exec(sql string, args ...any) error {
	return sqlitex.Execute(f.conn, sql, &sqlitex.ExecOptions{Args: args})
}

// write is one durable commit, or a part of one.
func (f *bareFile) write(ctx context.Context, run func() error) error {
	f.writes.Add(1)
	return f.db.do(ctx, run)
}

// state writes as much as a saga's row.
func (f *bareFile) state(ctx context.Context, id int64) error {
	return f.write(ctx, func() error {
		return f.exec("INSERT INTO bare_sagas (id, at, run) VALUES (?,?,zeroblob(1500)) ON CONFLICT (id) DO UPDATE SET at=excluded.at, run=excluded.run",
			id, time.Now().UnixMilli())
	})
}

// entry writes as much as a ring entry.
func (f *bareFile) entry(ctx context.Context, id int64) error {
	return f.write(ctx, func() error {
		return f.exec(`INSERT INTO ring (account, subject, version, modes, seq, epoch, stage, dying, fences) VALUES (1,?,1,4,1,1,1,0,zeroblob(60))
			ON CONFLICT (account, subject) DO UPDATE SET version=version+1, modes=excluded.modes, stage=stage+1, fences=excluded.fences`, id)
	})
}

// overwriteKey writes one slot of both files; the group syncs them.
func (f *bareFile) overwriteKey(id int64) error {
	var void [128]byte
	at := id % 8000 * int64(len(void))
	_, err := f.files[0].WriteAt(void[:], at)
	_, err2 := f.files[1].WriteAt(void[:], at)
	return errors.Join(err, err2)
}

// sweep deletes the owner's documents of one collection with their index rows.
func (f *bareFile) sweep(ctx context.Context, collection string, id int64) (int, error) {
	f.reading <- struct{}{}
	var docs []int64
	err := sqlitex.Execute(f.reader, "SELECT doc FROM "+collection+" WHERE account=1 AND owner=?", &sqlitex.ExecOptions{
		Args:       []any{id},
		ResultFunc: func(s *sqlite.Stmt) error { docs = append(docs, s.ColumnInt64(0)); return nil },
	})
	<-f.reading
	if err != nil || len(docs) == 0 {
		return 0, err
	}
	return len(docs), f.write(ctx, func() error {
		for _, doc := range docs {
			for _, table := range append([]string{collection}, f.sides[collection]...) {
				if err := f.exec("DELETE FROM "+table+" WHERE doc=?", doc); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
