package sqlite

import (
	"context"
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
)

// bind binds one argument. Values of documents go in here and nowhere into SQL text.
func bind(s *sqlite.Stmt, i int, x any) {
	switch x := x.(type) {
	case nil:
		s.BindNull(i)
	case int64:
		s.BindInt64(i, x)
	case int:
		s.BindInt64(i, int64(x))
	case string:
		s.BindText(i, x)
	case []byte:
		if x == nil {
			s.BindNull(i)
		} else {
			s.BindBytes(i, x)
		}
	case keyring.KeyID:
		s.BindBytes(i, x[:])
	case docstore.Value:
		bindValue(s, i, x)
	default:
		panic(fmt.Sprintf("sqlite: cannot bind a %T", x))
	}
}

func bindValue(s *sqlite.Stmt, i int, v docstore.Value) {
	switch v.Kind {
	case docstore.Int:
		s.BindInt64(i, v.Int)
	case docstore.Text:
		s.BindText(i, v.Text)
	case docstore.Float:
		s.BindFloat(i, v.Float)
	case docstore.Bytes:
		s.BindBytes(i, []byte(v.Text))
	default:
		s.BindNull(i)
	}
}

// each runs a cached statement and calls f per row; f may be nil.
func each(c *sqlite.Conn, sql string, f func(*sqlite.Stmt) error, args ...any) error {
	s, err := c.Prepare(sql)
	if err != nil {
		return err
	}
	for i, a := range args {
		bind(s, i+1, a)
	}
	for {
		row, err := s.Step()
		if err == nil && row && f != nil {
			err = f(s)
		}
		if err != nil || !row {
			// a statement that stands open would keep its snapshot
			rerr := s.Reset()
			if err == nil {
				err = rerr
			}
			return err
		}
	}
}

// change is each for a statement that writes; it returns how many rows it changed.
func change(c *sqlite.Conn, sql string, args ...any) (int, error) {
	err := each(c, sql, nil, args...)
	return c.Changes(), err
}

// exec runs a script without arguments.
func exec(c *sqlite.Conn, script string) error {
	for script != "" {
		s, rest, err := c.PrepareTransient(script)
		if err != nil {
			return err
		}
		if s == nil {
			return nil
		}
		for more := true; more && err == nil; {
			more, err = s.Step()
		}
		if ferr := s.Finalize(); err == nil {
			err = ferr
		}
		if err != nil {
			return err
		}
		script = script[len(script)-rest:]
	}
	return nil
}

func queryInt(c *sqlite.Conn, sql string, args ...any) (n int64, err error) {
	err = each(c, sql, func(s *sqlite.Stmt) error { n = s.ColumnInt64(0); return nil }, args...)
	return n, err
}

// columnBytes copies a BLOB; nil for NULL.
func columnBytes(s *sqlite.Stmt, i int) []byte {
	if s.ColumnType(i) == sqlite.TypeNull {
		return nil
	}
	b := make([]byte, s.ColumnLen(i))
	s.ColumnBytes(i, b)
	return b
}

func columnKey(s *sqlite.Stmt, i int) (id keyring.KeyID) {
	s.ColumnBytes(i, id[:])
	return id
}

func columnValue(s *sqlite.Stmt, i int, k docstore.Kind) docstore.Value {
	if s.ColumnType(i) == sqlite.TypeNull {
		return docstore.Value{}
	}
	switch k {
	case docstore.Int:
		return docstore.IntValue(s.ColumnInt64(i))
	case docstore.Text:
		return docstore.Value{Kind: k, Text: s.ColumnText(i)}
	case docstore.Float:
		return docstore.Value{Kind: k, Float: s.ColumnFloat(i)}
	}
	return docstore.Value{Kind: k, Text: string(columnBytes(s, i))}
}

// expected reports whether an error is an answer of the port, which left nothing written.
func expected(err error) bool {
	for _, e := range []error{docstore.ErrNotFound, docstore.ErrExists, docstore.ErrStale, docstore.ErrFenced,
		docstore.ErrOtherKey, docstore.ErrSlotTaken, docstore.ErrTooLarge} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// ported brings an error of the driver under the port's errors. SQLite's texts
// name tables and columns, never values.
func ported(ctx context.Context, err error) error {
	switch {
	case err == nil, expected(err):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return fmt.Errorf("%w: %w", docstore.ErrUnavailable, err)
}

// read lends a reader to f. slow makes the context interrupt the statement;
// point reads end by themselves sooner than that pays.
func (b *backend) read(ctx context.Context, slow bool, f func(*sqlite.Conn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var c *sqlite.Conn
	select {
	case c = <-b.readers:
	case <-ctx.Done():
		return ctx.Err()
	case <-b.closed:
		return errClosed
	}
	if slow && ctx.Done() != nil {
		c.SetInterrupt(ctx.Done())
		defer func() { c.SetInterrupt(nil); b.readers <- c }()
	} else {
		defer func() { b.readers <- c }()
	}
	return ported(ctx, f(c))
}
