package rpc

import (
	"context"

	forumsv1 "github.com/lethe-desk/lethe/gen/go/lethe/forums/v1"
	"github.com/lethe-desk/lethe/services/forums/internal/app"
	"github.com/lethe-desk/lethe/services/forums/internal/knowledge"
)

// solutions implements SolutionsService.
type solutions struct {
	forumsv1.UnimplementedSolutionsServiceServer
	app *app.App
}

// CreateSolutionCategory makes a category of the knowledge base.
func (s *solutions) CreateSolutionCategory(ctx context.Context, in *forumsv1.CreateSolutionCategoryRequest) (*forumsv1.CreateSolutionCategoryResponse, error) {
	if in.Category == nil {
		return nil, missing("name")
	}
	v, err := creation(ctx, in.GetIdempotencyKey(), in.Category, 0, shelfInput, s.app.CreateSolutionCategory)
	if err != nil {
		return nil, err
	}
	return &forumsv1.CreateSolutionCategoryResponse{Category: showShelf(v)}, nil
}

// GetSolutionCategory reads one.
func (s *solutions) GetSolutionCategory(ctx context.Context, in *forumsv1.GetSolutionCategoryRequest) (*forumsv1.GetSolutionCategoryResponse, error) {
	v, err := s.app.GetSolutionCategory(ctx, caller(ctx), in.Id)
	if err != nil {
		return nil, err
	}
	return &forumsv1.GetSolutionCategoryResponse{Category: showShelf(v)}, nil
}

// ListSolutionCategories reads a page.
func (s *solutions) ListSolutionCategories(ctx context.Context, in *forumsv1.ListSolutionCategoriesRequest) (*forumsv1.ListSolutionCategoriesResponse, error) {
	found, more, err := list(ctx, in.Page, in.PerPage, showShelf, s.app.ListSolutionCategories)
	if err != nil {
		return nil, err
	}
	return &forumsv1.ListSolutionCategoriesResponse{Categories: found, More: more}, nil
}

// UpdateSolutionCategory changes one.
func (s *solutions) UpdateSolutionCategory(ctx context.Context, in *forumsv1.UpdateSolutionCategoryRequest) (*forumsv1.UpdateSolutionCategoryResponse, error) {
	input := &knowledge.CategoryInput{}
	if in.Category != nil {
		input = shelfInput(in.Category)
	}
	v, err := s.app.UpdateSolutionCategory(ctx, caller(ctx), in.Id, input, in.GetUpdateMask().GetPaths())
	if err != nil {
		return nil, err
	}
	return &forumsv1.UpdateSolutionCategoryResponse{Category: showShelf(v)}, nil
}

// DeleteSolutionCategory removes one for good, with all that is in it.
func (s *solutions) DeleteSolutionCategory(ctx context.Context, in *forumsv1.DeleteSolutionCategoryRequest) (*forumsv1.DeleteSolutionCategoryResponse, error) {
	return &forumsv1.DeleteSolutionCategoryResponse{}, s.app.DeleteSolutionCategory(ctx, caller(ctx), in.Id)
}

// CreateFolder makes a folder.
func (s *solutions) CreateFolder(ctx context.Context, in *forumsv1.CreateFolderRequest) (*forumsv1.CreateFolderResponse, error) {
	if in.Folder == nil {
		return nil, missing("name")
	}
	v, err := creation(ctx, in.GetIdempotencyKey(), in.Folder, in.CategoryId, folderInput,
		func(ctx context.Context, c app.Caller, f *knowledge.FolderInput, k app.Key) (*app.FolderView, error) {
			return s.app.CreateFolder(ctx, c, in.CategoryId, f, k)
		})
	if err != nil {
		return nil, err
	}
	return &forumsv1.CreateFolderResponse{Folder: showFolder(v)}, nil
}

// GetFolder reads one.
func (s *solutions) GetFolder(ctx context.Context, in *forumsv1.GetFolderRequest) (*forumsv1.GetFolderResponse, error) {
	v, err := s.app.GetFolder(ctx, caller(ctx), in.Id)
	if err != nil {
		return nil, err
	}
	return &forumsv1.GetFolderResponse{Folder: showFolder(v)}, nil
}

// ListFolders reads a page of the folders at a category's top.
func (s *solutions) ListFolders(ctx context.Context, in *forumsv1.ListFoldersRequest) (*forumsv1.ListFoldersResponse, error) {
	found, more, err := list(ctx, in.Page, in.PerPage, showFolder, func(ctx context.Context, c app.Caller, skip, limit int) ([]*app.FolderView, bool, error) {
		return s.app.ListFolders(ctx, c, in.CategoryId, skip, limit)
	})
	if err != nil {
		return nil, err
	}
	return &forumsv1.ListFoldersResponse{Folders: found, More: more}, nil
}

// ListSubfolders reads a page of the folders in a folder.
func (s *solutions) ListSubfolders(ctx context.Context, in *forumsv1.ListSubfoldersRequest) (*forumsv1.ListSubfoldersResponse, error) {
	found, more, err := list(ctx, in.Page, in.PerPage, showFolder, func(ctx context.Context, c app.Caller, skip, limit int) ([]*app.FolderView, bool, error) {
		return s.app.ListSubfolders(ctx, c, in.Id, skip, limit)
	})
	if err != nil {
		return nil, err
	}
	return &forumsv1.ListSubfoldersResponse{Folders: found, More: more}, nil
}

// UpdateFolder changes one.
func (s *solutions) UpdateFolder(ctx context.Context, in *forumsv1.UpdateFolderRequest) (*forumsv1.UpdateFolderResponse, error) {
	input := &knowledge.FolderInput{}
	if in.Folder != nil {
		input = folderInput(in.Folder)
	}
	v, err := s.app.UpdateFolder(ctx, caller(ctx), in.Id, input, in.GetUpdateMask().GetPaths())
	if err != nil {
		return nil, err
	}
	return &forumsv1.UpdateFolderResponse{Folder: showFolder(v)}, nil
}

// DeleteFolder removes one for good, with all that is in it.
func (s *solutions) DeleteFolder(ctx context.Context, in *forumsv1.DeleteFolderRequest) (*forumsv1.DeleteFolderResponse, error) {
	return &forumsv1.DeleteFolderResponse{}, s.app.DeleteFolder(ctx, caller(ctx), in.Id)
}

// CreateArticle makes an article.
func (s *solutions) CreateArticle(ctx context.Context, in *forumsv1.CreateArticleRequest) (*forumsv1.CreateArticleResponse, error) {
	if in.Article == nil {
		return nil, missing("title")
	}
	v, err := creation(ctx, in.GetIdempotencyKey(), in.Article, in.FolderId, articleInput,
		func(ctx context.Context, c app.Caller, v *knowledge.ArticleInput, k app.Key) (*app.ArticleView, error) {
			return s.app.CreateArticle(ctx, c, in.FolderId, v, k)
		})
	if err != nil {
		return nil, err
	}
	return &forumsv1.CreateArticleResponse{Article: showArticle(v)}, nil
}

// GetArticle reads one.
func (s *solutions) GetArticle(ctx context.Context, in *forumsv1.GetArticleRequest) (*forumsv1.GetArticleResponse, error) {
	v, err := s.app.GetArticle(ctx, caller(ctx), in.Id)
	if err != nil {
		return nil, err
	}
	return &forumsv1.GetArticleResponse{Article: showArticle(v)}, nil
}

// ListArticles reads a page of a folder.
func (s *solutions) ListArticles(ctx context.Context, in *forumsv1.ListArticlesRequest) (*forumsv1.ListArticlesResponse, error) {
	found, more, err := list(ctx, in.Page, in.PerPage, showArticle, func(ctx context.Context, c app.Caller, skip, limit int) ([]*app.ArticleView, bool, error) {
		return s.app.ListArticles(ctx, c, in.FolderId, skip, limit)
	})
	if err != nil {
		return nil, err
	}
	return &forumsv1.ListArticlesResponse{Articles: found, More: more}, nil
}

// UpdateArticle changes one.
func (s *solutions) UpdateArticle(ctx context.Context, in *forumsv1.UpdateArticleRequest) (*forumsv1.UpdateArticleResponse, error) {
	input := &knowledge.ArticleInput{}
	if in.Article != nil {
		input = articleInput(in.Article)
	}
	v, err := s.app.UpdateArticle(ctx, caller(ctx), in.Id, input, in.GetUpdateMask().GetPaths())
	if err != nil {
		return nil, err
	}
	return &forumsv1.UpdateArticleResponse{Article: showArticle(v)}, nil
}

// DeleteArticle removes one for good.
func (s *solutions) DeleteArticle(ctx context.Context, in *forumsv1.DeleteArticleRequest) (*forumsv1.DeleteArticleResponse, error) {
	return &forumsv1.DeleteArticleResponse{}, s.app.DeleteArticle(ctx, caller(ctx), in.Id)
}
