package rpc

import (
	"context"

	forumsv1 "github.com/lethe-desk/lethe/gen/go/lethe/forums/v1"
	"github.com/lethe-desk/lethe/services/forums/internal/app"
	"github.com/lethe-desk/lethe/services/forums/internal/topic"
)

// topics implements TopicsService.
type topics struct {
	forumsv1.UnimplementedTopicsServiceServer
	app *app.App
}

// CreateTopic makes a topic.
func (s *topics) CreateTopic(ctx context.Context, in *forumsv1.CreateTopicRequest) (*forumsv1.CreateTopicResponse, error) {
	if in.Topic == nil {
		return nil, missing("title")
	}
	v, err := creation(ctx, in.GetIdempotencyKey(), in.Topic, in.ForumId, topicInput,
		func(ctx context.Context, c app.Caller, t *topic.Input, k app.Key) (*app.TopicView, error) {
			return s.app.CreateTopic(ctx, c, in.ForumId, t, k)
		})
	if err != nil {
		return nil, err
	}
	return &forumsv1.CreateTopicResponse{Topic: showTopic(v)}, nil
}

// GetTopic reads one.
func (s *topics) GetTopic(ctx context.Context, in *forumsv1.GetTopicRequest) (*forumsv1.GetTopicResponse, error) {
	v, err := s.app.GetTopic(ctx, caller(ctx), in.Id)
	if err != nil {
		return nil, err
	}
	return &forumsv1.GetTopicResponse{Topic: showTopic(v)}, nil
}

// ListTopics reads a page of a forum, sticky ones first, then newest first.
func (s *topics) ListTopics(ctx context.Context, in *forumsv1.ListTopicsRequest) (*forumsv1.ListTopicsResponse, error) {
	found, more, err := list(ctx, in.Page, in.PerPage, showTopic, func(ctx context.Context, c app.Caller, skip, limit int) ([]*app.TopicView, bool, error) {
		return s.app.ListTopics(ctx, c, in.ForumId, skip, limit)
	})
	if err != nil {
		return nil, err
	}
	return &forumsv1.ListTopicsResponse{Topics: found, More: more}, nil
}

// UpdateTopic changes one.
func (s *topics) UpdateTopic(ctx context.Context, in *forumsv1.UpdateTopicRequest) (*forumsv1.UpdateTopicResponse, error) {
	input := &topic.Input{}
	if in.Topic != nil {
		input = topicInput(in.Topic)
	}
	v, err := s.app.UpdateTopic(ctx, caller(ctx), in.Id, input, in.GetUpdateMask().GetPaths())
	if err != nil {
		return nil, err
	}
	return &forumsv1.UpdateTopicResponse{Topic: showTopic(v)}, nil
}

// DeleteTopic removes one for good.
func (s *topics) DeleteTopic(ctx context.Context, in *forumsv1.DeleteTopicRequest) (*forumsv1.DeleteTopicResponse, error) {
	return &forumsv1.DeleteTopicResponse{}, s.app.DeleteTopic(ctx, caller(ctx), in.Id)
}

// ListFollowedTopics reads a page of the topics somebody follows.
func (s *topics) ListFollowedTopics(ctx context.Context, in *forumsv1.ListFollowedTopicsRequest) (*forumsv1.ListFollowedTopicsResponse, error) {
	found, more, err := list(ctx, in.Page, in.PerPage, showTopic, func(ctx context.Context, c app.Caller, skip, limit int) ([]*app.TopicView, bool, error) {
		return s.app.ListFollowedTopics(ctx, c, in.UserId, skip, limit)
	})
	if err != nil {
		return nil, err
	}
	return &forumsv1.ListFollowedTopicsResponse{Topics: found, More: more}, nil
}

// ListParticipatedTopics reads a page of the topics somebody began or commented in.
func (s *topics) ListParticipatedTopics(ctx context.Context, in *forumsv1.ListParticipatedTopicsRequest) (*forumsv1.ListParticipatedTopicsResponse, error) {
	found, more, err := list(ctx, in.Page, in.PerPage, showTopic, func(ctx context.Context, c app.Caller, skip, limit int) ([]*app.TopicView, bool, error) {
		return s.app.ListParticipatedTopics(ctx, c, in.UserId, skip, limit)
	})
	if err != nil {
		return nil, err
	}
	return &forumsv1.ListParticipatedTopicsResponse{Topics: found, More: more}, nil
}

// FollowTopic follows a topic.
func (s *topics) FollowTopic(ctx context.Context, in *forumsv1.FollowTopicRequest) (*forumsv1.FollowTopicResponse, error) {
	return &forumsv1.FollowTopicResponse{}, s.app.FollowTopic(ctx, caller(ctx), in.Id, in.UserId)
}

// UnfollowTopic ends it.
func (s *topics) UnfollowTopic(ctx context.Context, in *forumsv1.UnfollowTopicRequest) (*forumsv1.UnfollowTopicResponse, error) {
	return &forumsv1.UnfollowTopicResponse{}, s.app.UnfollowTopic(ctx, caller(ctx), in.Id, in.UserId)
}

// CheckTopicFollow asks whether somebody follows.
func (s *topics) CheckTopicFollow(ctx context.Context, in *forumsv1.CheckTopicFollowRequest) (*forumsv1.CheckTopicFollowResponse, error) {
	return &forumsv1.CheckTopicFollowResponse{}, s.app.FollowsTopic(ctx, caller(ctx), in.Id, in.UserId)
}

// CreateComment makes a comment.
func (s *topics) CreateComment(ctx context.Context, in *forumsv1.CreateCommentRequest) (*forumsv1.CreateCommentResponse, error) {
	if in.Comment == nil {
		return nil, missing("body")
	}
	v, err := creation(ctx, in.GetIdempotencyKey(), in.Comment, in.TopicId, commentInput,
		func(ctx context.Context, c app.Caller, t *topic.CommentInput, k app.Key) (*topic.Comment, error) {
			return s.app.CreateComment(ctx, c, in.TopicId, t, k)
		})
	if err != nil {
		return nil, err
	}
	return &forumsv1.CreateCommentResponse{Comment: showComment(v)}, nil
}

// ListComments reads a page of a topic, oldest first.
func (s *topics) ListComments(ctx context.Context, in *forumsv1.ListCommentsRequest) (*forumsv1.ListCommentsResponse, error) {
	found, more, err := list(ctx, in.Page, in.PerPage, showComment, func(ctx context.Context, c app.Caller, skip, limit int) ([]*topic.Comment, bool, error) {
		return s.app.ListComments(ctx, c, in.TopicId, skip, limit)
	})
	if err != nil {
		return nil, err
	}
	return &forumsv1.ListCommentsResponse{Comments: found, More: more}, nil
}

// UpdateComment changes one.
func (s *topics) UpdateComment(ctx context.Context, in *forumsv1.UpdateCommentRequest) (*forumsv1.UpdateCommentResponse, error) {
	input := &topic.CommentInput{}
	if in.Comment != nil {
		input = commentInput(in.Comment)
	}
	v, err := s.app.UpdateComment(ctx, caller(ctx), in.Id, input, in.GetUpdateMask().GetPaths())
	if err != nil {
		return nil, err
	}
	return &forumsv1.UpdateCommentResponse{Comment: showComment(v)}, nil
}

// DeleteComment removes one for good.
func (s *topics) DeleteComment(ctx context.Context, in *forumsv1.DeleteCommentRequest) (*forumsv1.DeleteCommentResponse, error) {
	return &forumsv1.DeleteCommentResponse{}, s.app.DeleteComment(ctx, caller(ctx), in.Id)
}
