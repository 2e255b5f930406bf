package sqlite

import (
	"context"
	"encoding/binary"
	"fmt"

	"zombiezen.com/go/sqlite"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
)

// scrubSlice is how many pages one transaction looks at, so that writers wait
// some milliseconds and not for the whole file.
const scrubSlice = 512

// Scrub zeroes the gap of every b-tree page, where rebalancing leaves copies of
// moved cells that secure_delete does not reach, then brings the journal into
// the file and cuts it to nothing. ErrUnavailable when a reader held it: ask again.
func (b *backend) Scrub(ctx context.Context) (looked, rewritten int64, err error) {
	for next := int64(1); ; {
		done := false
		err := b.write(ctx, true, func(c *sqlite.Conn) error {
			pages, err := queryInt(c, "PRAGMA page_count")
			if err != nil {
				return err
			}
			end := min(next+scrubSlice, pages+1)
			for ; next < end; next++ {
				changed, err := scrubPage(c, next)
				if err != nil {
					return err
				}
				looked++
				if changed {
					rewritten++
				}
			}
			done = next > pages
			return nil
		})
		if err != nil {
			return looked, rewritten, err
		}
		if done {
			return looked, rewritten, b.truncateLog(ctx)
		}
	}
}

// scrubPage zeroes one page's gap, if there is something in it.
func scrubPage(c *sqlite.Conn, page int64) (changed bool, err error) {
	var data []byte
	err = each(c, "SELECT data FROM sqlite_dbpage WHERE pgno=?", func(s *sqlite.Stmt) error {
		data = columnBytes(s, 0)
		return nil
	}, page)
	if err != nil {
		return false, err
	}
	from, to := gap(page, data)
	for _, x := range data[from:to] {
		changed = changed || x != 0
	}
	if !changed {
		return false, nil
	}
	clear(data[from:to])
	_, err = change(c, "UPDATE sqlite_dbpage SET data=? WHERE pgno=?", data, page)
	return true, err
}

// gap finds the unused bytes of a b-tree page between its cell pointers and its
// cells; nothing for a page of another kind. Overflow and free pages begin with
// a page number, whose first byte is 0 below 64 GiB.
func gap(page int64, data []byte) (from, to int) {
	h := 0
	if page == 1 {
		h = 100 // the file's header stands before
	}
	if len(data) < h+12 {
		return 0, 0
	}
	header := 8
	switch data[h] {
	case 0x02, 0x05:
		header = 12 // inner pages name their rightmost child
	case 0x0a, 0x0d:
	default:
		return 0, 0
	}
	cells := int(binary.BigEndian.Uint16(data[h+3:]))
	from, to = h+header+2*cells, int(binary.BigEndian.Uint16(data[h+5:]))
	if to == 0 {
		to = 65536
	}
	if from > to || to > len(data) {
		return 0, 0
	}
	return from, to
}

// truncateLog moves the journal into the file and cuts it. All readers are
// borrowed meanwhile: one that stood in an old snapshot would keep the journal.
func (b *backend) truncateLog(ctx context.Context) error {
	var held []*sqlite.Conn
	defer func() {
		for _, c := range held {
			b.readers <- c
		}
	}()
	for range b.made {
		select {
		case c := <-b.readers:
			held = append(held, c)
		case <-ctx.Done():
			return ctx.Err()
		case <-b.closed:
			return errClosed
		}
	}
	busy := int64(0)
	err := b.w.alone(ctx, func(c *sqlite.Conn) (err error) {
		busy, err = queryInt(c, "PRAGMA wal_checkpoint(TRUNCATE)")
		return err
	})
	if err == nil && busy != 0 {
		err = fmt.Errorf("%w: the journal is being read", docstore.ErrUnavailable)
	}
	return err
}
