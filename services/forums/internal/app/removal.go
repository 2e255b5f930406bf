package app

import (
	"context"
	"errors"

	"github.com/lethe-desk/lethe/services/forums/internal/record"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// removalPage is how many things a removal looks at in one step.
const removalPage = 100

// A removal takes what is inside first and the thing last, so what a crash
// leaves is found by repeating it; then it looks inside once more, for what was
// written meanwhile (see within). It takes what hidden people wrote along, and is
// refused while it would take a restricted person's: that is kept and not used.

// DeleteTopic removes a topic for good, with its comments and who follows it.
func (a *App) DeleteTopic(ctx context.Context, c Caller, id int64) error {
	t, err := load(ctx, a, c, "topic", a.Topics, id)
	if err != nil {
		return err
	}
	at := record.In(record.ByTopic, id)
	if err := unrestricted(ctx, c, a.Comments, at); err != nil {
		return err
	}
	return around(func() error { return a.emptyTopic(ctx, c, id) }, func() error {
		return a.refuse(ctx, a.Topics.Delete(ctx, ring.Write, c.Account, id, 0), "topic", c.Account, id, t.Owner)
	})
}

func (a *App) emptyTopic(ctx context.Context, c Caller, id int64) error {
	at := record.In(record.ByTopic, id)
	if err := empty(ctx, c, a.Comments, at); err != nil {
		return err
	}
	return empty(ctx, c, a.Follows, at)
}

// unrestricted refuses to remove what is in a place while something of it is a restricted person's.
func unrestricted[T any](ctx context.Context, c Caller, t Table[T], at record.At) error {
	held, err := t.Restricted(ctx, c.Account, at)
	if err == nil && held {
		return restricted()
	}
	return storeFault(err)
}

// DeleteForum removes a forum for good, with all that is in it and who follows it.
func (a *App) DeleteForum(ctx context.Context, c Caller, id int64) error {
	if _, err := load(ctx, a, c, "forum", a.Forums, id); err != nil {
		return err
	}
	if err := a.removable(ctx, c, id); err != nil {
		return err
	}
	return a.removeForum(ctx, c, id)
}

func (a *App) removable(ctx context.Context, c Caller, forum int64) error {
	at := record.In(record.ByForum, forum)
	if err := unrestricted(ctx, c, a.Topics, at); err != nil {
		return err
	}
	return unrestricted(ctx, c, a.Comments, at)
}

func (a *App) removeForum(ctx context.Context, c Caller, id int64) error {
	return around(func() error { return a.emptyForum(ctx, c, id) }, func() error { return remove(ctx, c, a.Forums, id) })
}

func (a *App) emptyForum(ctx context.Context, c Caller, id int64) error {
	at := record.In(record.ByForum, id)
	err := each(ctx, c, a.Topics, at, func(id int64) error {
		return around(func() error { return a.emptyTopic(ctx, c, id) }, func() error { return remove(ctx, c, a.Topics, id) })
	})
	if err != nil {
		return err
	}
	return empty(ctx, c, a.Follows, at)
}

// DeleteCategory removes a category for good, with its forums and all that is in them.
func (a *App) DeleteCategory(ctx context.Context, c Caller, id int64) error {
	if _, err := a.GetCategory(ctx, c, id); err != nil {
		return err
	}
	at := record.In(record.ByCategory, id)
	for skip := 0; ; skip += removalPage {
		forums, more, err := a.Forums.List(ctx, c.Account, at, skip, removalPage)
		if err != nil {
			return storeFault(err)
		}
		for _, f := range forums {
			if err := a.removable(ctx, c, f.ID); err != nil {
				return err
			}
		}
		if !more {
			break
		}
	}
	inside := func() error {
		return each(ctx, c, a.Forums, at, func(id int64) error { return a.removeForum(ctx, c, id) })
	}
	return around(inside, func() error { return remove(ctx, c, a.Categories, id) })
}

// around empties a thing, removes it, and empties it of what was written meanwhile.
func around(inside, remove func() error) error {
	for _, step := range []func() error{inside, remove, inside} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// each calls f, which removes it, for everything in a place.
func each[T any](ctx context.Context, c Caller, t Table[T], at record.At, f func(id int64) error) error {
	for {
		found, err := t.Clear(ctx, c.Account, at, removalPage)
		if err != nil || len(found) == 0 {
			return storeFault(err)
		}
		for _, v := range found {
			if err := f(base(v).ID); err != nil {
				return err
			}
		}
	}
}

// remove deletes a thing whatever fences stand; one that is gone is fine.
func remove[T any](ctx context.Context, c Caller, t Table[T], id int64) error {
	err := t.Delete(ctx, ring.Sweep, c.Account, id, 0)
	if errors.Is(err, docstore.ErrNotFound) {
		return nil
	}
	return storeFault(err)
}

// DeleteSolutionCategory removes a category of the knowledge base for good, with all that is in it.
func (a *App) DeleteSolutionCategory(ctx context.Context, c Caller, id int64) error {
	if _, err := a.GetSolutionCategory(ctx, c, id); err != nil {
		return err
	}
	inside := func() error {
		return each(ctx, c, a.Folders, record.In(record.ByCategory, id), func(id int64) error { return a.removeFolder(ctx, c, id) })
	}
	return around(inside, func() error { return remove(ctx, c, a.Shelves, id) })
}

// DeleteFolder removes a folder for good, with its folders and articles.
func (a *App) DeleteFolder(ctx context.Context, c Caller, id int64) error {
	if _, err := load(ctx, a, c, "folder", a.Folders, id); err != nil {
		return err
	}
	return a.removeFolder(ctx, c, id)
}

func (a *App) removeFolder(ctx context.Context, c Caller, id int64) error {
	inside := func() error {
		if err := empty(ctx, c, a.Articles, record.In(record.ByFolder, id)); err != nil {
			return err
		}
		return each(ctx, c, a.Folders, record.In(record.ByParent, id), func(id int64) error { return a.removeFolder(ctx, c, id) })
	}
	return around(inside, func() error { return remove(ctx, c, a.Folders, id) })
}

// DeleteArticle removes an article for good.
func (a *App) DeleteArticle(ctx context.Context, c Caller, id int64) error {
	err := a.Articles.Delete(ctx, ring.Write, c.Account, id, 0)
	return a.refuse(ctx, err, "article", c.Account, id, 0)
}
