package docstore

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/lethe-desk/lethe/services/internal/platform/mention"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// The two blind indexes of a collection with Mentions: each is replaced only when its part is.
const (
	mentionIndex     = "mention"
	mentionBodyIndex = "mention_body"
	// mentionForm names the rules of package mention by which tags are made.
	mentionForm = "1:"
)

// maxKeys bounds a search for mentions: more are looked for in turns.
const maxKeys = 32

// addMentions declares the two indexes.
func (c *Collection[T]) addMentions(fields []string) error {
	if len(fields) == 0 {
		return nil
	}
	if c.single {
		return errors.New("an installation-wide collection has no account whose people could be meant")
	}
	label := "mention/" + c.table.Name
	sealed := blind{Blind: Blind{Name: mentionIndex}, mentions: true, label: label}
	body := blind{Blind: Blind{Name: mentionBodyIndex}, mentions: true, body: true, label: label}
	forms := [2]string{mentionForm, mentionForm}
	for _, name := range fields {
		at, ok := c.plan.at[name]
		switch {
		case !ok || !c.plan.fields[at-1].Sealed:
			return fmt.Errorf("there is no sealed field %q", name)
		case c.plan.fields[at-1].Body:
			body.at, forms[1] = append(body.at, at), forms[1]+" "+name
		default:
			sealed.at, forms[0] = append(sealed.at, at), forms[0]+" "+name
		}
	}
	c.blinds = append(c.blinds, sealed, body)
	c.table.Blinds = append(c.table.Blinds, mentionIndex, mentionBodyIndex)
	c.table.Forms = append(c.table.Forms, forms[:]...)
	return nil
}

// mentioning makes the query for documents with one of at most maxKeys keys; nil when there are none.
func (c *Collection[T]) mentioning(ctx context.Context, p ring.Purpose, account int64, keys []string, after string, limit int) (*Find, error) {
	f, err := c.compile(ctx, p, account, &Query{Index: "id", Limit: limit, Bodies: true})
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(c.blinds, func(b blind) bool { return b.mentions })
	if at < 0 {
		return nil, fmt.Errorf("%w: %s declares no mentions", ErrBadQuery, c.table.Name)
	}
	if len(keys) > maxKeys {
		return nil, ErrTooLarge
	}
	keys = slices.Compact(slices.Sorted(slices.Values(keys)))
	for _, key := range keys {
		tag, err := c.tag(ctx, account, &c.blinds[at], key)
		if err != nil {
			return nil, err
		}
		if tag != nil {
			f.Tags = append(f.Tags, tag)
		}
	}
	f.Index, f.Blinds = nil, []string{mentionIndex, mentionBodyIndex}
	if len(f.Tags) == 0 {
		return nil, nil
	}
	if after != "" {
		f.After, err = decodeCursor(after, c.sum(f), 0)
	}
	return f, err
}

// Mentioning returns a page of the documents, with bodies, whose Mentions fields
// have one of the keys that package mention makes of identifiers, in the order of
// their ids; whoever owns them. Some may mention somebody else: only
// mention.Redact tells. At most 32 keys (ErrTooLarge); ErrBadQuery without Mentions.
func (c *Collection[T]) Mentioning(ctx context.Context, p ring.Purpose, account int64, keys []string, after string, limit int) (Page[T], error) {
	f, err := c.mentioning(ctx, p, account, keys, after, limit)
	if err != nil || f == nil {
		return Page[T]{}, err
	}
	return c.page(ctx, p, f)
}

// redactPage is how many documents are open at once.
const redactPage = 20

// eachMention calls f page by page on the documents of others than subject that have one of the keys.
func (c *Collection[T]) eachMention(ctx context.Context, p ring.Purpose, account, subject int64, keys []string, f func([]*T) error) error {
	notOwn, err := c.test(ctx, account, NotOwnedBy(subject))
	if err != nil {
		return err
	}
	seen := map[int64]bool{} // by an earlier turn
	for turn := range slices.Chunk(keys, maxKeys) {
		find, err := c.mentioning(ctx, p, account, turn, "", redactPage)
		if err != nil {
			return err
		}
		for find != nil {
			find.Where = notOwn
			c.db.reads.Add(1)
			hits, err := c.db.b.Find(ctx, c.table, find)
			if err != nil {
				return err
			}
			docs, err := c.decodeAll(p, hits.Rows, true)
			if err != nil {
				return err
			}
			if len(keys) > maxKeys {
				docs = slices.DeleteFunc(docs, func(doc *T) bool {
					id := metaOf(reflect.ValueOf(doc).Elem()).ID
					was := seen[id]
					seen[id] = true
					return was
				})
			}
			if err := f(docs); err != nil {
				return err
			}
			if find.After = hits.Last; hits.Last == nil {
				find = nil
			}
		}
	}
	return nil
}

// Mentions counts the documents of others than subject that have one of the keys
// and for which f is true: f looks whether it is really they. It opens what the
// index finds, no more; fences on the owners count by the purpose.
func (c *Collection[T]) Mentions(ctx context.Context, p ring.Purpose, account, subject int64, keys []string, f func(*T) bool) (n int64, err error) {
	err = c.eachMention(ctx, p, account, subject, keys, func(docs []*T) error {
		for _, doc := range docs {
			if f(doc) {
				n++
			}
		}
		return nil
	})
	return n, err
}

// Redact lets f change every document of others than subject that has one of the
// keys, and returns how many were written. f answers whether it changed
// something; it is called again on the newer document when somebody else was
// faster. Documents of owners who are erased are left out, and so is what goes
// meanwhile. Doing it again changes nothing more, if f finds nothing more.
func (c *Collection[T]) Redact(ctx context.Context, account, subject int64, keys []string, f func(*T) bool) (n int64, err error) {
	err = c.eachMention(ctx, ring.Redact, account, subject, keys, func(docs []*T) error {
		written, err := c.rewrite(ctx, docs, f)
		n += written
		return err
	})
	return n, err
}

// rewrite lets f change documents, and writes those it has changed.
func (c *Collection[T]) rewrite(ctx context.Context, docs []*T, f func(*T) bool) (n int64, err error) {
	var changed []*T
	for _, doc := range docs {
		if f(doc) {
			changed = append(changed, doc)
		}
	}
	for i, err := range c.updateAll(ctx, changed) {
		written, err := c.redact(ctx, changed[i], err, f)
		if err != nil {
			return n, err
		}
		if written {
			n++
		}
	}
	return n, nil
}

// updateAll writes documents side by side, so that they can share a commit.
func (c *Collection[T]) updateAll(ctx context.Context, docs []*T) []error {
	errs := make([]error, len(docs))
	var wg sync.WaitGroup
	for i, doc := range docs {
		wg.Go(func() { errs[i] = c.Update(ctx, ring.Redact, doc) })
	}
	wg.Wait()
	return errs
}

// redact goes on after the first attempt to write a document that f changed, and
// reports whether it is written in the end.
func (c *Collection[T]) redact(ctx context.Context, doc *T, err error, f func(*T) bool) (bool, error) {
	m := *metaOf(reflect.ValueOf(doc).Elem())
	for errors.Is(err, ErrStale) {
		doc, err = c.Get(ctx, ring.Redact, m.Account, m.ID)
		if err == nil && !f(doc) {
			return false, nil
		}
		if err == nil {
			err = c.Update(ctx, ring.Redact, doc)
		}
	}
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrFenced) {
		return false, nil
	}
	return err == nil, err
}

// Redactor returns a function for Redact that replaces identifiers in all
// Mentions fields, names too if names is set.
func (c *Collection[T]) Redactor(ids mention.Identifiers, names bool) func(*T) bool {
	return func(doc *T) bool {
		v, n := reflect.ValueOf(doc).Elem(), 0
		for _, b := range c.blinds {
			for i := 0; b.mentions && i < len(b.at); i++ {
				n += mention.RedactValue(v.Field(b.at[i]), ids, names)
			}
		}
		return n > 0
	}
}

// MentionFields returns the stored names of the Mentions fields.
func (c *Collection[T]) MentionFields() []string {
	var out []string
	for _, b := range c.blinds {
		for i := 0; b.mentions && i < len(b.at); i++ {
			out = append(out, c.plan.fields[b.at[i]-1].Name)
		}
	}
	return slices.SortedFunc(slices.Values(out), strings.Compare)
}
