package forums

import (
	"context"
	"errors"
	"sync"
	"testing"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	forumsv1 "github.com/lethe-desk/lethe/gen/go/lethe/forums/v1"
	"github.com/lethe-desk/lethe/services/forums/internal/app"
	"github.com/lethe-desk/lethe/services/forums/internal/topic"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// Repeating a creating call makes one thing, whatever it makes.
func TestRepeats(t *testing.T) {
	d := open(t)
	category, forum, shelf := d.category(), d.forum(0, 2), d.shelf()
	folder, key, text := d.folder(shelf, 0, "f").GetId(), ptr("k"), ptr("text")
	thread := d.topic(forum, 0, "topic").GetId()
	for name, create := range map[string]func(text *string) (int64, error){
		"category": func(text *string) (int64, error) {
			out, err := d.forums.CreateCategory(d.agent, &forumsv1.CreateCategoryRequest{Category: &forumsv1.CategoryInput{Name: text}, IdempotencyKey: key})
			return out.GetCategory().GetId(), err
		},
		"forum": func(text *string) (int64, error) {
			out, err := d.forums.CreateForum(d.agent, &forumsv1.CreateForumRequest{CategoryId: category, Forum: &forumsv1.ForumInput{Name: text, ForumType: ptr[int32](1), ForumVisibility: ptr[int32](1)}, IdempotencyKey: key})
			return out.GetForum().GetId(), err
		},
		"topic": func(text *string) (int64, error) {
			out, err := d.topics.CreateTopic(d.agent, &forumsv1.CreateTopicRequest{ForumId: forum, Topic: &forumsv1.TopicInput{Title: text, Message: text}, IdempotencyKey: key})
			return out.GetTopic().GetId(), err
		},
		"comment": func(text *string) (int64, error) {
			out, err := d.topics.CreateComment(d.agent, &forumsv1.CreateCommentRequest{TopicId: thread, Comment: &forumsv1.CommentInput{Body: text}, IdempotencyKey: key})
			return out.GetComment().GetId(), err
		},
		"solution category": func(text *string) (int64, error) {
			out, err := d.solutions.CreateSolutionCategory(d.agent, &forumsv1.CreateSolutionCategoryRequest{Category: &forumsv1.SolutionCategoryInput{Name: text}, IdempotencyKey: key})
			return out.GetCategory().GetId(), err
		},
		"folder": func(text *string) (int64, error) {
			out, err := d.solutions.CreateFolder(d.agent, &forumsv1.CreateFolderRequest{CategoryId: shelf, Folder: &forumsv1.FolderInput{Name: text}, IdempotencyKey: key})
			return out.GetFolder().GetId(), err
		},
		"article": func(text *string) (int64, error) {
			out, err := d.solutions.CreateArticle(d.agent, &forumsv1.CreateArticleRequest{FolderId: folder, Article: &forumsv1.ArticleInput{Title: text, Description: text, Status: ptr[int32](1)}, IdempotencyKey: key})
			return out.GetArticle().GetId(), err
		},
	} {
		one, err := create(text)
		must(t, err)
		again, err := create(text)
		must(t, err)
		equal(t, name, again, one)
		_, err = create(ptr("other"))
		refusal(t, err, faultv1.Reason_REASON_KEY_REUSED)
	}
	equal(t, "comments", len(d.comments(thread)), 2)
}

// A repeat after an erasure brings nobody back.
func TestRepeatAfterAnErasure(t *testing.T) {
	d := open(t)
	anna := d.person("anna@example.org")
	in := &forumsv1.CreateTopicRequest{ForumId: d.forum(0, 2), Topic: &forumsv1.TopicInput{Title: ptr("a"), Message: ptr("b"), UserId: &anna}, IdempotencyKey: ptr("k")}
	must(t, second(d.topics.CreateTopic(d.agent, in)))
	d.erase(anna, contact)
	refusal(t, second(d.topics.CreateTopic(d.agent, in)), faultv1.Reason_REASON_ALREADY_DONE)
	equal(t, "topics", d.counts(anna)["topics"].GetOwned(), 0)
}

// failing loses the store for the first comment that is written.
type failing struct {
	app.Comments
	once sync.Once
}

func (f *failing) Insert(ctx context.Context, p ring.Purpose, v *topic.Comment) (err error) {
	f.once.Do(func() { err = errors.Join(docstore.ErrUnavailable) })
	if err != nil {
		return err
	}
	return f.Comments.Insert(ctx, p, v)
}

// A topic whose message was not written is finished by a repeat, under the same id.
func TestRepeatFinishesATopic(t *testing.T) {
	d := open(t)
	d.svc.app.Comments = &failing{Comments: d.svc.app.Comments}
	forum := d.forum(0, 2)
	in := &forumsv1.CreateTopicRequest{ForumId: forum, Topic: &forumsv1.TopicInput{Title: ptr("a"), Message: ptr("b")}, IdempotencyKey: ptr("k")}
	refusal(t, second(d.topics.CreateTopic(d.agent, in)), faultv1.Reason_REASON_UNAVAILABLE)
	list, err := d.topics.ListTopics(d.agent, &forumsv1.ListTopicsRequest{ForumId: forum})
	must(t, err)
	if len(list.GetTopics()) != 1 || list.GetTopics()[0].GetPostsCount() != 0 {
		t.Fatalf("%v", list)
	}
	made, err := d.topics.CreateTopic(d.agent, in)
	must(t, err)
	if made.GetTopic().GetId() != list.GetTopics()[0].GetId() || made.GetTopic().GetPostsCount() != 1 {
		t.Errorf("%v", made)
	}
	d.Restart(Name)
	equal(t, "message", d.comments(made.GetTopic().GetId())[0].GetBodyText(), "b")
}
