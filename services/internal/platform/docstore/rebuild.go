package docstore

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

const (
	// rebuildPage is how many documents are open at once; behind each page the
	// place is noted. rebuildLog is how many pages stand between two lines in the log.
	rebuildPage = 64
	rebuildLog  = 50
)

// rebuild fills blind indexes, and ones over lists, that do not hold every
// document: new ones, and ones that are made of something else now. It goes on where an earlier one was interrupted.
func (c *Collection[T]) rebuild(ctx context.Context) error {
	blinds, after, err := c.db.b.Unbuilt(ctx, c.table)
	if err != nil || len(blinds) == 0 {
		return err
	}
	forbidden, err := mask(ring.Rebuild)
	if err != nil {
		return err
	}
	log := c.db.log.With("collection", c.table.Name)
	log.Info("building indexes", "state", map[bool]string{false: "begun", true: "resumed"}[after != nil])
	for page, docs := 1, 0; ; page++ {
		c.db.reads.Add(1)
		hits, err := c.db.b.Walk(ctx, c.table, after, rebuildPage, forbidden)
		if err == nil {
			err = c.retagAll(ctx, blinds, hits.Rows, forbidden)
		}
		if err != nil {
			return fmt.Errorf("build indexes, start again to go on: %w", err)
		}
		docs += len(hits.Rows)
		if hits.Last == nil {
			log.Info("indexes are built", "count", docs)
			c.db.writes.Add(1)
			return c.db.b.Built(ctx, c.table, blinds, nil)
		}
		after = hits.Last
		c.db.writes.Add(1)
		if err := c.db.b.Built(ctx, c.table, blinds, after); err != nil {
			return err
		}
		if page%rebuildLog == 0 {
			log.Info("building indexes", "state", "running", "count", docs)
		}
	}
}

// retagAll writes the tags of documents, and of newer revisions of those that
// somebody changes meanwhile.
func (c *Collection[T]) retagAll(ctx context.Context, blinds []string, rows []Found, forbidden ring.Mode) error {
	for len(rows) > 0 {
		var docs []Retag
		for i := range rows {
			d, err := c.retag(ctx, blinds, &rows[i])
			if errors.Is(err, ErrFenced) {
				continue // erased: nobody will ask for it
			}
			if err != nil {
				return err
			}
			docs = append(docs, d)
		}
		if len(docs) == 0 {
			return nil
		}
		c.db.writes.Add(1)
		late, err := c.db.b.Retag(ctx, c.table, docs)
		if err != nil {
			return err
		}
		rows = nil
		for _, i := range late {
			c.db.reads.Add(1)
			again, err := c.db.b.Get(ctx, c.table, docs[i].Account, []int64{docs[i].ID}, true, forbidden)
			if err != nil {
				return err
			}
			rows = append(rows, again...)
		}
	}
	return nil
}

// retag opens a document and computes its tags in some indexes. ErrFenced when it does not open any more.
func (c *Collection[T]) retag(ctx context.Context, blinds []string, f *Found) (Retag, error) {
	if f.Fenced {
		return Retag{}, ErrFenced
	}
	doc, err := c.decode(ring.Rebuild, f, true)
	if err != nil {
		return Retag{}, err
	}
	v := reflect.ValueOf(doc).Elem()
	tags, err := c.tags(ctx, v, f.Account, true, true)
	if err != nil {
		return Retag{}, err
	}
	for i, b := range c.blinds {
		if !slices.Contains(blinds, b.Name) {
			tags[i] = nil
		}
	}
	out := Retag{Row: f.Row, SetLists: slices.ContainsFunc(blinds, func(name string) bool { return strings.HasPrefix(name, ListPrefix) })}
	out.Tags, out.Lists = tags, c.lists(v)
	return out, nil
}
