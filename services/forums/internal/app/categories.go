package app

import (
	"context"

	"github.com/lethe-desk/lethe/services/forums/internal/check"
	"github.com/lethe-desk/lethe/services/forums/internal/record"
	"github.com/lethe-desk/lethe/services/forums/internal/topic"
)

// CreateCategory makes a category of discussions.
func (a *App) CreateCategory(ctx context.Context, c Caller, in *topic.CategoryInput, key Key) (*topic.Category, error) {
	return create(ctx, a, creating[topic.Category]{
		c: c, method: "CreateCategory", key: key, what: "category", table: a.Categories,
		draft: func(context.Context) (*topic.Category, error) {
			if err := invalid(in.Check()); err != nil {
				return nil, err
			}
			return topic.NewCategory(in), nil
		},
	})
}

// GetCategory reads a category.
func (a *App) GetCategory(ctx context.Context, c Caller, id int64) (*topic.Category, error) {
	return load(ctx, a, c, "category", a.Categories, id)
}

// ListCategories reads a page in id order.
func (a *App) ListCategories(ctx context.Context, c Caller, skip, limit int) ([]*topic.Category, bool, error) {
	found, more, err := a.Categories.List(ctx, c.Account, record.Everything(), skip, limit)
	return found, more, storeFault(err)
}

// UpdateCategory changes what the mask names.
func (a *App) UpdateCategory(ctx context.Context, c Caller, id int64, in *topic.CategoryInput, mask []string) (*topic.Category, error) {
	return change(ctx, a, c, "category", a.Categories, id, func(v *topic.Category) error {
		return invalid(v.Apply(in, mask))
	})
}

// ForumView is a forum with what is counted in it.
type ForumView struct {
	*topic.Forum
	Topics, Posts int64
}

// viewForum counts what is to be seen in a forum. Nothing is kept beside the
// things themselves, so whatever is hidden, restored, moved or erased is right at once.
func (a *App) viewForum(ctx context.Context, c Caller, f *topic.Forum) (*ForumView, error) {
	v := &ForumView{Forum: f}
	var err error
	if v.Topics, err = a.Topics.Count(ctx, c.Account, record.In(record.ByForum, f.ID)); err != nil {
		return nil, storeFault(err)
	}
	v.Posts, err = a.Comments.Count(ctx, c.Account, record.In(record.ByForum, f.ID))
	return v, storeFault(err)
}

// CreateForum makes a forum, the last one of its category.
func (a *App) CreateForum(ctx context.Context, c Caller, category int64, in *topic.ForumInput, key Key) (*ForumView, error) {
	f, err := create(ctx, a, creating[topic.Forum]{
		c: c, method: "CreateForum", key: key, what: "forum", table: a.Forums,
		draft: func(ctx context.Context) (*topic.Forum, error) {
			if _, err := a.GetCategory(ctx, c, category); err != nil {
				return nil, err
			}
			if err := invalid(in.Check()); err != nil {
				return nil, err
			}
			f := topic.NewForum(in)
			f.CategoryID = category
			var err error
			f.Position, err = a.lastPosition(ctx, c, category)
			return f, err
		},
		settle: func(ctx context.Context, f *topic.Forum) error {
			return within(ctx, c, a.Forums, f, "category", a.Categories, f.CategoryID)
		},
	})
	if err != nil {
		return nil, err
	}
	return a.viewForum(ctx, c, f)
}

// lastPosition is behind the last forum of a category.
func (a *App) lastPosition(ctx context.Context, c Caller, category int64) (int32, error) {
	last, _, err := a.Forums.List(ctx, c.Account, record.At{By: record.ByCategory, ID: category, Desc: true}, 0, 1)
	if err != nil {
		return 0, storeFault(err)
	}
	if len(last) == 0 {
		return 1, nil
	}
	return last[0].Position + 1, nil
}

// GetForum reads a forum.
func (a *App) GetForum(ctx context.Context, c Caller, id int64) (*ForumView, error) {
	f, err := load(ctx, a, c, "forum", a.Forums, id)
	if err != nil {
		return nil, err
	}
	return a.viewForum(ctx, c, f)
}

// ListForums reads a page of a category's forums in order of position.
func (a *App) ListForums(ctx context.Context, c Caller, category int64, skip, limit int) ([]*ForumView, bool, error) {
	if _, err := a.GetCategory(ctx, c, category); err != nil {
		return nil, false, err
	}
	found, more, err := a.Forums.List(ctx, c.Account, record.In(record.ByCategory, category), skip, limit)
	if err != nil {
		return nil, false, storeFault(err)
	}
	out := make([]*ForumView, len(found))
	for i, f := range found {
		if out[i], err = a.viewForum(ctx, c, f); err != nil {
			return nil, false, err
		}
	}
	return out, more, nil
}

// UpdateForum changes what the mask names. A forum that moves becomes the last of its category.
func (a *App) UpdateForum(ctx context.Context, c Caller, id int64, in *topic.ForumInput, mask []string) (*ForumView, error) {
	f, err := change(ctx, a, c, "forum", a.Forums, id, func(f *topic.Forum) error {
		topics, err := a.Topics.Clear(ctx, c.Account, record.In(record.ByForum, id), 1)
		if err != nil {
			return storeFault(err)
		}
		before := f.CategoryID
		if err := invalid(f.Apply(in, mask, len(topics) > 0)); err != nil || f.CategoryID == before {
			return err
		}
		if _, err := named(ctx, a, c, "category", "forum_category_id", a.Categories, f.CategoryID); err != nil {
			return err
		}
		f.Position, err = a.lastPosition(ctx, c, f.CategoryID)
		return err
	})
	if err != nil {
		return nil, err
	}
	if check.Has(mask, "forum_category_id") {
		gone := func() error { return a.removeForum(ctx, c, id) }
		if err := standing(ctx, c, "category", a.Categories, f.CategoryID, gone); err != nil {
			return nil, err
		}
	}
	return a.viewForum(ctx, c, f)
}
