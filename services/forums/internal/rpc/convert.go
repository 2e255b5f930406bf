package rpc

import (
	"time"

	forumsv1 "github.com/lethe-desk/lethe/gen/go/lethe/forums/v1"
	"github.com/lethe-desk/lethe/services/forums/internal/app"
	"github.com/lethe-desk/lethe/services/forums/internal/knowledge"
	"github.com/lethe-desk/lethe/services/forums/internal/topic"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func stamp(t time.Time) *timestamppb.Timestamp { return timestamppb.New(t) }

func categoryInput(in *forumsv1.CategoryInput) *topic.CategoryInput {
	return &topic.CategoryInput{Name: in.Name, Description: in.Description}
}

func showCategory(c *topic.Category) *forumsv1.Category {
	return &forumsv1.Category{Id: &c.ID, Name: &c.Name, Description: c.Description, CreatedAt: stamp(c.CreatedAt), UpdatedAt: stamp(c.UpdatedAt)}
}

func forumInput(in *forumsv1.ForumInput) *topic.ForumInput {
	return &topic.ForumInput{
		Name: in.Name, Description: in.Description, Type: in.ForumType, Visibility: in.ForumVisibility,
		Companies: in.CompanyIds, CategoryID: in.ForumCategoryId,
	}
}

func showForum(f *app.ForumView) *forumsv1.Forum {
	return &forumsv1.Forum{
		Id: &f.ID, Name: &f.Name, Description: f.Description, Position: &f.Position, ForumCategoryId: &f.CategoryID,
		ForumType: &f.Type, ForumVisibility: &f.Visibility, TopicsCount: &f.Topics, PostsCount: &f.Posts, CompanyIds: f.Companies,
	}
}

func topicInput(in *forumsv1.TopicInput) *topic.Input {
	return &topic.Input{
		Title: in.Title, Message: in.Message, ForumID: in.ForumId, Locked: in.Locked, Sticky: in.Sticky, Stamp: in.StampType, UserID: in.UserId,
	}
}

// showStored makes the message of a topic as it is stored, for its author's
// export: how many commented, and who did last, is others' doing.
func showStored(t *topic.Topic) *forumsv1.Topic {
	return &forumsv1.Topic{
		Id: &t.ID, Title: &t.Title, ForumId: &t.ForumID, UserId: t.UserID, Locked: &t.Locked, Published: &t.Published,
		StampType: t.Stamp, Hits: &t.Hits, UserVotes: &t.Votes, MergedTopicId: t.MergedInto, Sticky: &t.Sticky,
		CreatedAt: stamp(t.CreatedAt), UpdatedAt: stamp(t.UpdatedAt),
	}
}

func showTopic(t *app.TopicView) *forumsv1.Topic {
	out := showStored(t.Topic)
	out.PostsCount = &t.Posts
	if t.Last != nil {
		out.RepliedBy, out.RepliedAt = t.Last.UserID, stamp(t.Last.CreatedAt)
	}
	return out
}

func commentInput(in *forumsv1.CommentInput) *topic.CommentInput {
	return &topic.CommentInput{Body: in.Body, Answer: in.Answer, UserID: in.UserId}
}

func showComment(c *topic.Comment) *forumsv1.Comment {
	return &forumsv1.Comment{
		Id: &c.ID, Body: &c.Body, BodyText: &c.Text, TopicId: &c.TopicID, ForumId: &c.ForumID, UserId: c.UserID,
		Answer: &c.Answer, Published: &c.Published, Spam: c.Spam, Trash: &c.Trash, CreatedAt: stamp(c.CreatedAt), UpdatedAt: stamp(c.UpdatedAt),
	}
}

func showFollow(f *topic.Follow) *forumsv1.Follow {
	return &forumsv1.Follow{Id: &f.ID, UserId: &f.UserID, ForumId: f.ForumID, TopicId: f.TopicID, CreatedAt: stamp(f.CreatedAt)}
}

func shelfInput(in *forumsv1.SolutionCategoryInput) *knowledge.CategoryInput {
	return &knowledge.CategoryInput{Name: in.Name, Description: in.Description, Portals: in.VisibleInPortals}
}

func showShelf(c *knowledge.Category) *forumsv1.SolutionCategory {
	return &forumsv1.SolutionCategory{
		Id: &c.ID, Name: &c.Name, Description: c.Description, VisibleInPortals: c.Portals,
		CreatedAt: stamp(c.CreatedAt), UpdatedAt: stamp(c.UpdatedAt),
	}
}

func folderInput(in *forumsv1.FolderInput) *knowledge.FolderInput {
	return &knowledge.FolderInput{
		Name: in.Name, Description: in.Description, ParentID: in.ParentFolderId, CategoryID: in.CategoryId, Visibility: in.Visibility,
		Companies: in.CompanyIds, Segments: in.ContactSegmentIds, CompanySegments: in.CompanySegmentIds,
	}
}

func showFolder(f *app.FolderView) *forumsv1.Folder {
	return &forumsv1.Folder{
		Id: &f.ID, Name: &f.Name, Description: f.Description, ParentFolderId: f.ParentID, Hierarchy: showWay(f.Way),
		ArticlesCount: &f.Articles, SubFoldersCount: &f.Folders, Visibility: &f.Visibility,
		CompanyIds: f.Companies, ContactSegmentIds: f.Segments, CompanySegmentIds: f.CompanySegments,
		CategoryId: categoryOf(f.Way), CreatedAt: stamp(f.CreatedAt), UpdatedAt: stamp(f.UpdatedAt),
	}
}

func showWay(w knowledge.Way) []*forumsv1.FolderRef {
	var out []*forumsv1.FolderRef
	for i, s := range w {
		kind := "category"
		if s.Folder {
			kind = "folder"
		}
		out = append(out, &forumsv1.FolderRef{Level: proto.Int32(int32(i)), Type: &kind, Id: &s.ID, Name: &s.Name})
	}
	return out
}

// categoryOf is unset for what lies in a category that is being deleted.
func categoryOf(w knowledge.Way) *int64 {
	if id := w.Category(); id != 0 {
		return &id
	}
	return nil
}

func articleInput(in *forumsv1.ArticleInput) *knowledge.ArticleInput {
	out := &knowledge.ArticleInput{
		Title: in.Title, Description: in.Description, Status: in.Status, Type: in.Type, Tags: in.Tags, AgentID: in.AgentId, FolderID: in.FolderId,
	}
	if s := in.SeoData; s != nil {
		out.SEO = &knowledge.SEO{Title: s.MetaTitle, Description: s.MetaDescription, Keywords: s.MetaKeywords}
	}
	return out
}

func showArticle(a *app.ArticleView) *forumsv1.Article {
	return &forumsv1.Article{
		Id: &a.ID, Type: &a.Type, CategoryId: categoryOf(a.Way), FolderId: &a.FolderID, Hierarchy: showWay(a.Way), AgentId: a.AgentID,
		Title: &a.Title, Description: &a.Description, DescriptionText: &a.Text, Status: &a.Status, Tags: a.Tags,
		SeoData:  &forumsv1.SeoData{MetaTitle: a.SEO.Title, MetaDescription: a.SEO.Description, MetaKeywords: a.SEO.Keywords},
		ThumbsUp: &a.Up, ThumbsDown: &a.Down, Hits: &a.Hits, CreatedAt: stamp(a.CreatedAt), UpdatedAt: stamp(a.UpdatedAt),
	}
}
