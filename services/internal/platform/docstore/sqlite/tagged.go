package sqlite

import (
	"context"
	"strings"

	"zombiezen.com/go/sqlite"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
)

// tagged selects what of the entries that have one of several tags in one of
// several blind indexes, each document once; with a window only the first that
// many of every tag. The position and the range of f hold for the ids.
func (t *table) tagged(f *docstore.Find, what string, window int) (sql string, args []any) {
	behind, order := " AND id>+?", " ORDER BY id LIMIT ?+0"
	if f.Desc {
		behind, order = " AND id<+?", " ORDER BY id DESC LIMIT ?+0"
	}
	var parts []string
	for _, name := range f.Blinds {
		for _, tag := range f.Tags {
			part := "SELECT " + what + " FROM " + t.blind(name) + " WHERE account=+? AND tag=+?"
			args = append(args, f.Account, tag)
			if f.After != nil {
				part, args = part+behind, append(args, f.After.ID)
			}
			if f.From != nil {
				part, args = part+" AND id>=+?", append(args, *f.From)
			}
			if f.To != nil {
				part, args = part+" AND id<+?", append(args, *f.To)
			}
			if window > 0 {
				part, args = "SELECT * FROM ("+part+order+")", append(args, window)
			}
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, " UNION "), args
}

// minWindow is how many entries are looked at at once at least: most of them may be of owners who are left out.
var minWindow = 256

// findTagged reads a page over several tags. Their entries are united window by
// window: all at once would be gathered anew for every page.
func (b *backend) findTagged(ctx context.Context, dt *docstore.Table, f *docstore.Find) (hits docstore.Hits, err error) {
	t := b.table(dt)
	if f.Skip > 0 {
		return b.find(ctx, dt, f)
	}
	window := max(4*(f.Limit+1), minWindow)
	part := *f
	for {
		end, n, err := b.windowEnd(ctx, t, &part, window)
		// Mostly nobody is spoken of: then there is nothing to join.
		if err != nil || n == 0 {
			return hits, err
		}
		more := n == window
		if part.From, part.To = f.From, f.To; more && f.Desc {
			part.From = &end
		} else if more {
			next := docstore.IntValue(end.Int + 1)
			part.To = &next
		}
		part.Limit = f.Limit - len(hits.Rows)
		found, err := b.find(ctx, dt, &part)
		hits.Rows = append(hits.Rows, found.Rows...)
		if err != nil || found.Last != nil || !more {
			hits.Last = found.Last
			return hits, err
		}
		part.After = &docstore.Position{Account: f.Account, ID: end.Int}
		if len(hits.Rows) == f.Limit {
			return b.lookBehind(ctx, dt, f, hits)
		}
		part.From, part.To = f.From, f.To
	}
}

// lookBehind finds out whether something follows a page that is full at the end of a window.
func (b *backend) lookBehind(ctx context.Context, dt *docstore.Table, f *docstore.Find, hits docstore.Hits) (docstore.Hits, error) {
	end := &hits.Rows[len(hits.Rows)-1]
	rest := *f
	rest.After, rest.Limit, rest.Bodies = &docstore.Position{Account: end.Account, ID: end.ID}, 1, false
	found, err := b.findTagged(ctx, dt, &rest)
	if len(found.Rows) > 0 {
		hits.Last = rest.After
	}
	return hits, err
}

// windowEnd counts the next entries, a window of them at most, and returns the
// id of the last one that it counted.
func (b *backend) windowEnd(ctx context.Context, t *table, f *docstore.Find, window int) (end docstore.Value, n int, err error) {
	sql, args := t.tagged(f, "id", window)
	dir, last := "", "max"
	if f.Desc {
		dir, last = " DESC", "min"
	}
	sql = "SELECT count(*), " + last + "(id) FROM (SELECT id FROM (" + sql + ") ORDER BY id" + dir + limitTail + ")"
	err = b.read(ctx, true, func(c *sqlite.Conn) error {
		return each(c, sql, func(s *sqlite.Stmt) error {
			n, end = s.ColumnInt(0), docstore.IntValue(s.ColumnInt64(1))
			return nil
		}, append(args, window)...)
	})
	return end, n, err
}
