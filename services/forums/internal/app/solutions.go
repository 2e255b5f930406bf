package app

import (
	"context"
	"slices"

	"github.com/lethe-desk/lethe/services/forums/internal/check"
	"github.com/lethe-desk/lethe/services/forums/internal/knowledge"
	"github.com/lethe-desk/lethe/services/forums/internal/record"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/richtext"
)

// CreateSolutionCategory makes a category of the knowledge base.
func (a *App) CreateSolutionCategory(ctx context.Context, c Caller, in *knowledge.CategoryInput, key Key) (*knowledge.Category, error) {
	return create(ctx, a, creating[knowledge.Category]{
		c: c, method: "CreateSolutionCategory", key: key, what: "category", table: a.Shelves,
		draft: func(context.Context) (*knowledge.Category, error) {
			if err := invalid(in.Check()); err != nil {
				return nil, err
			}
			return knowledge.NewCategory(in), nil
		},
	})
}

// GetSolutionCategory reads a category of the knowledge base.
func (a *App) GetSolutionCategory(ctx context.Context, c Caller, id int64) (*knowledge.Category, error) {
	return load(ctx, a, c, "category", a.Shelves, id)
}

// ListSolutionCategories reads a page in id order.
func (a *App) ListSolutionCategories(ctx context.Context, c Caller, skip, limit int) ([]*knowledge.Category, bool, error) {
	found, more, err := a.Shelves.List(ctx, c.Account, record.Everything(), skip, limit)
	return found, more, storeFault(err)
}

// UpdateSolutionCategory changes what the mask names.
func (a *App) UpdateSolutionCategory(ctx context.Context, c Caller, id int64, in *knowledge.CategoryInput, mask []string) (*knowledge.Category, error) {
	return change(ctx, a, c, "category", a.Shelves, id, func(v *knowledge.Category) error {
		return invalid(v.Apply(in, mask))
	})
}

// FolderView is a folder with where it stands and what is counted in it.
type FolderView struct {
	*knowledge.Folder
	Way               knowledge.Way
	Articles, Folders int64
}

// way finds the way from the category down to a folder. What was moved or
// deleted meanwhile may cut it short, and never makes it endless.
func (a *App) way(ctx context.Context, c Caller, f *knowledge.Folder) (knowledge.Way, error) {
	w := knowledge.Way{{Folder: true, ID: f.ID, Name: f.Name}}
	for f.ParentID != nil && len(w) <= 2*knowledge.MaxDepth {
		above, err := load(ctx, a, c, "folder", a.Folders, *f.ParentID)
		if fault.Is(err, fault.KindNotFound) {
			break
		}
		if err != nil {
			return nil, err
		}
		f = above
		w = append(w, knowledge.Step{Folder: true, ID: f.ID, Name: f.Name})
	}
	if f.CategoryID != nil {
		category, err := a.GetSolutionCategory(ctx, c, *f.CategoryID)
		if err == nil {
			w = append(w, knowledge.Step{ID: category.ID, Name: category.Name})
		} else if !fault.Is(err, fault.KindNotFound) {
			return nil, err
		}
	}
	slices.Reverse(w)
	return w, nil
}

func (a *App) viewFolder(ctx context.Context, c Caller, f *knowledge.Folder) (*FolderView, error) {
	w, err := a.way(ctx, c, f)
	if err != nil {
		return nil, err
	}
	v := &FolderView{Folder: f, Way: w}
	if v.Articles, err = a.Articles.Count(ctx, c.Account, record.In(record.ByFolder, f.ID)); err != nil {
		return nil, storeFault(err)
	}
	v.Folders, err = a.Folders.Count(ctx, c.Account, record.In(record.ByParent, f.ID))
	return v, storeFault(err)
}

// CreateFolder makes a folder in a category, or in a folder of that.
func (a *App) CreateFolder(ctx context.Context, c Caller, category int64, in *knowledge.FolderInput, key Key) (*FolderView, error) {
	f, err := create(ctx, a, creating[knowledge.Folder]{
		c: c, method: "CreateFolder", key: key, what: "folder", table: a.Folders,
		draft: func(ctx context.Context) (*knowledge.Folder, error) {
			if _, err := a.GetSolutionCategory(ctx, c, category); err != nil {
				return nil, err
			}
			if err := invalid(in.Check()); err != nil {
				return nil, err
			}
			f := knowledge.NewFolder(in)
			return f, a.place(ctx, c, f, in.ParentID, category)
		},
		settle: func(ctx context.Context, f *knowledge.Folder) error { return a.stands(ctx, c, f) },
	})
	if err != nil {
		return nil, err
	}
	return a.viewFolder(ctx, c, f)
}

// stands makes sure that what a folder was made in or moved to is still there.
func (a *App) stands(ctx context.Context, c Caller, f *knowledge.Folder) error {
	gone := func() error { return a.removeFolder(ctx, c, f.ID) }
	if f.ParentID != nil {
		return standing(ctx, c, "folder", a.Folders, *f.ParentID, gone)
	}
	return standing(ctx, c, "category", a.Shelves, *f.CategoryID, gone)
}

const noFolder = "There is no folder matching it in this category"

// place puts a folder into another one of a category, or to the category's top.
func (a *App) place(ctx context.Context, c Caller, f *knowledge.Folder, parent *int64, category int64) error {
	if parent == nil {
		f.ParentID, f.CategoryID = nil, &category
		return nil
	}
	above, err := named(ctx, a, c, "folder", "parent_folder_id", a.Folders, *parent)
	if err != nil {
		return err
	}
	w, err := a.way(ctx, c, above)
	switch {
	case err != nil:
		return err
	case w.Category() != category:
		return fault.InvalidValue("parent_folder_id", noFolder)
	case f.ID != 0 && w.Through(f.ID):
		return fault.InvalidValue("parent_folder_id", "It lies in this folder")
	}
	deep, err := a.depth(ctx, c, f)
	if err == nil && len(w)-1+deep > knowledge.MaxDepth {
		err = fault.InvalidValue("parent_folder_id", "It lies too deep")
	}
	f.ParentID, f.CategoryID = parent, nil
	return err
}

// depth is how many folders lie in each other from this one down, itself included.
func (a *App) depth(ctx context.Context, c Caller, f *knowledge.Folder) (int, error) {
	level, deep := []int64{f.ID}, 1
	for f.ID != 0 && deep <= knowledge.MaxDepth {
		var below []int64
		for _, id := range level {
			found, err := a.Folders.Clear(ctx, c.Account, record.In(record.ByParent, id), 1000)
			if err != nil {
				return 0, storeFault(err)
			}
			for _, v := range found {
				below = append(below, v.ID)
			}
		}
		if len(below) == 0 {
			break
		}
		level, deep = below, deep+1
	}
	return deep, nil
}

// GetFolder reads a folder.
func (a *App) GetFolder(ctx context.Context, c Caller, id int64) (*FolderView, error) {
	f, err := load(ctx, a, c, "folder", a.Folders, id)
	if err != nil {
		return nil, err
	}
	return a.viewFolder(ctx, c, f)
}

// ListFolders reads a page of the folders at a category's top, in id order.
func (a *App) ListFolders(ctx context.Context, c Caller, category int64, skip, limit int) ([]*FolderView, bool, error) {
	if _, err := a.GetSolutionCategory(ctx, c, category); err != nil {
		return nil, false, err
	}
	return a.folders(ctx, c, record.In(record.ByCategory, category), skip, limit)
}

// ListSubfolders reads a page of the folders in a folder, in id order.
func (a *App) ListSubfolders(ctx context.Context, c Caller, id int64, skip, limit int) ([]*FolderView, bool, error) {
	if _, err := load(ctx, a, c, "folder", a.Folders, id); err != nil {
		return nil, false, err
	}
	return a.folders(ctx, c, record.In(record.ByParent, id), skip, limit)
}

func (a *App) folders(ctx context.Context, c Caller, at record.At, skip, limit int) ([]*FolderView, bool, error) {
	found, more, err := a.Folders.List(ctx, c.Account, at, skip, limit)
	if err != nil {
		return nil, false, storeFault(err)
	}
	out := make([]*FolderView, len(found))
	for i, f := range found {
		if out[i], err = a.viewFolder(ctx, c, f); err != nil {
			return nil, false, err
		}
	}
	return out, more, nil
}

// UpdateFolder changes what the mask names. A folder that moves takes along all that lies in it.
func (a *App) UpdateFolder(ctx context.Context, c Caller, id int64, in *knowledge.FolderInput, mask []string) (*FolderView, error) {
	f, err := change(ctx, a, c, "folder", a.Folders, id, func(f *knowledge.Folder) error {
		if err := invalid(f.Apply(in, mask)); err != nil {
			return err
		}
		return a.moveFolder(ctx, c, f, in, mask)
	})
	if err != nil {
		return nil, err
	}
	if check.Has(mask, "category_id") || check.Has(mask, "parent_folder_id") {
		if err := a.stands(ctx, c, f); err != nil {
			return nil, err
		}
	}
	return a.viewFolder(ctx, c, f)
}

// moveFolder puts a folder where a change says. Another category alone means its top.
func (a *App) moveFolder(ctx context.Context, c Caller, f *knowledge.Folder, in *knowledge.FolderInput, mask []string) error {
	toCategory, toParent := check.Has(mask, "category_id"), check.Has(mask, "parent_folder_id")
	if !toCategory && !toParent {
		return nil
	}
	w, err := a.way(ctx, c, f)
	if err != nil {
		return err
	}
	category, parent := w.Category(), f.ParentID
	if toCategory && *in.CategoryID != category {
		if _, err := named(ctx, a, c, "category", "category_id", a.Shelves, *in.CategoryID); err != nil {
			return err
		}
		category, parent = *in.CategoryID, nil
	}
	if toParent {
		parent = in.ParentID
	}
	return a.place(ctx, c, f, parent, category)
}

// ArticleView is an article with where it stands.
type ArticleView struct {
	*knowledge.Article
	Way knowledge.Way
}

// ViewArticle finds where an article stands.
func (a *App) ViewArticle(ctx context.Context, c Caller, v *knowledge.Article) (*ArticleView, error) {
	f, err := load(ctx, a, c, "folder", a.Folders, v.FolderID)
	if fault.Is(err, fault.KindNotFound) {
		return &ArticleView{Article: v}, nil
	}
	if err != nil {
		return nil, err
	}
	w, err := a.way(ctx, c, f)
	return &ArticleView{Article: v, Way: w}, err
}

// describe sets the two forms of an article's text.
func describe(v *knowledge.Article, html string) {
	v.Description = richtext.Normal(html)
	v.Text = richtext.Text(v.Description)
}

// CreateArticle makes an article.
func (a *App) CreateArticle(ctx context.Context, c Caller, folder int64, in *knowledge.ArticleInput, key Key) (*ArticleView, error) {
	v, err := create(ctx, a, creating[knowledge.Article]{
		c: c, method: "CreateArticle", key: key, what: "article", table: a.Articles,
		draft: func(ctx context.Context) (*knowledge.Article, error) {
			if _, err := load(ctx, a, c, "folder", a.Folders, folder); err != nil {
				return nil, err
			}
			in.Fold()
			if err := invalid(in.Check()); err != nil {
				return nil, err
			}
			agent, err := a.agent(ctx, c, "agent_id", in.AgentID)
			if err != nil {
				return nil, err
			}
			v := knowledge.NewArticle(in)
			v.FolderID, v.AgentID = folder, &agent
			describe(v, *in.Description)
			return v, nil
		},
		settle: func(ctx context.Context, v *knowledge.Article) error {
			if err := within(ctx, c, a.Articles, v, "folder", Table[knowledge.Folder](a.Folders), v.FolderID); err != nil {
				return err
			}
			return a.disown(ctx, c, a.Articles, 0, v.AgentID)
		},
	})
	if err != nil {
		return nil, err
	}
	return a.ViewArticle(ctx, c, v)
}

// GetArticle reads an article.
func (a *App) GetArticle(ctx context.Context, c Caller, id int64) (*ArticleView, error) {
	v, err := load(ctx, a, c, "article", a.Articles, id)
	if err != nil {
		return nil, err
	}
	return a.ViewArticle(ctx, c, v)
}

// ListArticles reads a page of a folder's articles in id order.
func (a *App) ListArticles(ctx context.Context, c Caller, folder int64, skip, limit int) ([]*ArticleView, bool, error) {
	f, err := load(ctx, a, c, "folder", a.Folders, folder)
	if err != nil {
		return nil, false, err
	}
	w, err := a.way(ctx, c, f)
	if err != nil {
		return nil, false, err
	}
	found, more, err := a.Articles.List(ctx, c.Account, record.In(record.ByFolder, folder), skip, limit)
	if err != nil {
		return nil, false, storeFault(err)
	}
	out := make([]*ArticleView, len(found))
	for i, v := range found {
		out[i] = &ArticleView{Article: v, Way: w}
	}
	return out, more, nil
}

// UpdateArticle changes what the mask names; status alone publishes or unpublishes.
func (a *App) UpdateArticle(ctx context.Context, c Caller, id int64, in *knowledge.ArticleInput, mask []string) (*ArticleView, error) {
	in.Fold()
	v, err := change(ctx, a, c, "article", a.Articles, id, func(v *knowledge.Article) error {
		if err := invalid(in.CheckChange(mask)); err != nil {
			return err
		}
		if check.Has(mask, "folder_id") {
			if _, err := named(ctx, a, c, "folder", "folder_id", a.Folders, *in.FolderID); err != nil {
				return err
			}
			v.FolderID = *in.FolderID
		}
		if check.Has(mask, "agent_id") {
			agent, err := a.agent(ctx, c, "agent_id", in.AgentID)
			if err != nil {
				return err
			}
			v.AgentID = &agent
		}
		v.Apply(in, mask)
		if check.Has(mask, "description") {
			describe(v, *in.Description)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if check.Has(mask, "folder_id") {
		if err := within(ctx, c, a.Articles, v, "folder", a.Folders, v.FolderID); err != nil {
			return nil, err
		}
	}
	if check.Has(mask, "agent_id") {
		if err := a.disown(ctx, c, a.Articles, 0, v.AgentID); err != nil {
			return nil, err
		}
	}
	return a.ViewArticle(ctx, c, v)
}
