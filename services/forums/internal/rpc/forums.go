package rpc

import (
	"context"

	forumsv1 "github.com/lethe-desk/lethe/gen/go/lethe/forums/v1"
	"github.com/lethe-desk/lethe/services/forums/internal/app"
	"github.com/lethe-desk/lethe/services/forums/internal/topic"
)

// forums implements ForumsService.
type forums struct {
	forumsv1.UnimplementedForumsServiceServer
	app *app.App
}

// CreateCategory makes a category.
func (s *forums) CreateCategory(ctx context.Context, in *forumsv1.CreateCategoryRequest) (*forumsv1.CreateCategoryResponse, error) {
	if in.Category == nil {
		return nil, missing("name")
	}
	v, err := creation(ctx, in.GetIdempotencyKey(), in.Category, 0, categoryInput, s.app.CreateCategory)
	if err != nil {
		return nil, err
	}
	return &forumsv1.CreateCategoryResponse{Category: showCategory(v)}, nil
}

// GetCategory reads one.
func (s *forums) GetCategory(ctx context.Context, in *forumsv1.GetCategoryRequest) (*forumsv1.GetCategoryResponse, error) {
	v, err := s.app.GetCategory(ctx, caller(ctx), in.Id)
	if err != nil {
		return nil, err
	}
	return &forumsv1.GetCategoryResponse{Category: showCategory(v)}, nil
}

// ListCategories reads a page.
func (s *forums) ListCategories(ctx context.Context, in *forumsv1.ListCategoriesRequest) (*forumsv1.ListCategoriesResponse, error) {
	found, more, err := list(ctx, in.Page, in.PerPage, showCategory, s.app.ListCategories)
	if err != nil {
		return nil, err
	}
	return &forumsv1.ListCategoriesResponse{Categories: found, More: more}, nil
}

// UpdateCategory changes one.
func (s *forums) UpdateCategory(ctx context.Context, in *forumsv1.UpdateCategoryRequest) (*forumsv1.UpdateCategoryResponse, error) {
	input := &topic.CategoryInput{}
	if in.Category != nil {
		input = categoryInput(in.Category)
	}
	v, err := s.app.UpdateCategory(ctx, caller(ctx), in.Id, input, in.GetUpdateMask().GetPaths())
	if err != nil {
		return nil, err
	}
	return &forumsv1.UpdateCategoryResponse{Category: showCategory(v)}, nil
}

// DeleteCategory removes one for good, with all that is in it.
func (s *forums) DeleteCategory(ctx context.Context, in *forumsv1.DeleteCategoryRequest) (*forumsv1.DeleteCategoryResponse, error) {
	return &forumsv1.DeleteCategoryResponse{}, s.app.DeleteCategory(ctx, caller(ctx), in.Id)
}

// CreateForum makes a forum.
func (s *forums) CreateForum(ctx context.Context, in *forumsv1.CreateForumRequest) (*forumsv1.CreateForumResponse, error) {
	if in.Forum == nil {
		return nil, missing("name")
	}
	v, err := creation(ctx, in.GetIdempotencyKey(), in.Forum, in.CategoryId, forumInput,
		func(ctx context.Context, c app.Caller, f *topic.ForumInput, k app.Key) (*app.ForumView, error) {
			return s.app.CreateForum(ctx, c, in.CategoryId, f, k)
		})
	if err != nil {
		return nil, err
	}
	return &forumsv1.CreateForumResponse{Forum: showForum(v)}, nil
}

// GetForum reads one.
func (s *forums) GetForum(ctx context.Context, in *forumsv1.GetForumRequest) (*forumsv1.GetForumResponse, error) {
	v, err := s.app.GetForum(ctx, caller(ctx), in.Id)
	if err != nil {
		return nil, err
	}
	return &forumsv1.GetForumResponse{Forum: showForum(v)}, nil
}

// ListForums reads a page of a category.
func (s *forums) ListForums(ctx context.Context, in *forumsv1.ListForumsRequest) (*forumsv1.ListForumsResponse, error) {
	found, more, err := list(ctx, in.Page, in.PerPage, showForum, func(ctx context.Context, c app.Caller, skip, limit int) ([]*app.ForumView, bool, error) {
		return s.app.ListForums(ctx, c, in.CategoryId, skip, limit)
	})
	if err != nil {
		return nil, err
	}
	return &forumsv1.ListForumsResponse{Forums: found, More: more}, nil
}

// UpdateForum changes one.
func (s *forums) UpdateForum(ctx context.Context, in *forumsv1.UpdateForumRequest) (*forumsv1.UpdateForumResponse, error) {
	input := &topic.ForumInput{}
	if in.Forum != nil {
		input = forumInput(in.Forum)
	}
	v, err := s.app.UpdateForum(ctx, caller(ctx), in.Id, input, in.GetUpdateMask().GetPaths())
	if err != nil {
		return nil, err
	}
	return &forumsv1.UpdateForumResponse{Forum: showForum(v)}, nil
}

// DeleteForum removes one for good, with all that is in it.
func (s *forums) DeleteForum(ctx context.Context, in *forumsv1.DeleteForumRequest) (*forumsv1.DeleteForumResponse, error) {
	return &forumsv1.DeleteForumResponse{}, s.app.DeleteForum(ctx, caller(ctx), in.Id)
}

// FollowForum follows a forum.
func (s *forums) FollowForum(ctx context.Context, in *forumsv1.FollowForumRequest) (*forumsv1.FollowForumResponse, error) {
	return &forumsv1.FollowForumResponse{}, s.app.FollowForum(ctx, caller(ctx), in.Id, in.UserId)
}

// UnfollowForum ends it.
func (s *forums) UnfollowForum(ctx context.Context, in *forumsv1.UnfollowForumRequest) (*forumsv1.UnfollowForumResponse, error) {
	return &forumsv1.UnfollowForumResponse{}, s.app.UnfollowForum(ctx, caller(ctx), in.Id, in.UserId)
}

// CheckForumFollow asks whether somebody follows.
func (s *forums) CheckForumFollow(ctx context.Context, in *forumsv1.CheckForumFollowRequest) (*forumsv1.CheckForumFollowResponse, error) {
	return &forumsv1.CheckForumFollowResponse{}, s.app.FollowsForum(ctx, caller(ctx), in.Id, in.UserId)
}
