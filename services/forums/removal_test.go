package forums

import (
	"context"
	"sync"
	"testing"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	forumsv1 "github.com/lethe-desk/lethe/gen/go/lethe/forums/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/forums/internal/app"
	"github.com/lethe-desk/lethe/services/forums/internal/topic"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// A category takes all that is in it along, hidden people's things included; what
// is beside it stays, and doing it again finds nothing.
func TestRemovalTakesAllThatIsInside(t *testing.T) {
	d := open(t)
	anna, bert := d.person("anna@example.org"), d.person("bert@example.org")
	category := d.category()
	forum, beside := d.forum(category, 2), d.forum(0, 2)
	fill := func(forum int64) {
		for range 3 {
			topic := d.topic(forum, anna, "anna").GetId()
			d.comment(topic, bert, "bert")
			d.follow(topic, bert)
		}
		_, err := d.forums.FollowForum(d.agent, &forumsv1.FollowForumRequest{Id: forum, UserId: &bert})
		must(t, err)
	}
	fill(forum)
	fill(beside)
	fill(d.forum(category, 1))
	owned := func(who int64) [3]int64 {
		c := d.counts(who)
		return [3]int64{c["topics"].GetOwned(), c["comments"].GetOwned(), c["follows"].GetOwned()}
	}
	equal(t, "anna", owned(anna), [3]int64{9, 9, 0})
	equal(t, "bert", owned(bert), [3]int64{0, 9, 12})
	d.fence(bert, participantv1.Mode_MODE_RESTRICTED, "r")
	for _, err := range []error{
		second(d.forums.DeleteCategory(d.agent, &forumsv1.DeleteCategoryRequest{Id: category})),
		second(d.forums.DeleteForum(d.agent, &forumsv1.DeleteForumRequest{Id: forum})),
	} {
		refusal(t, err, faultv1.Reason_REASON_RESTRICTED)
	}
	equal(t, "what a refusal leaves", owned(anna), [3]int64{9, 9, 0})
	d.unfence(bert, "r")
	d.fence(bert, participantv1.Mode_MODE_HIDDEN, "h")
	must(t, second(d.forums.DeleteCategory(d.agent, &forumsv1.DeleteCategoryRequest{Id: category})))
	notFound(t, second(d.forums.DeleteCategory(d.agent, &forumsv1.DeleteCategoryRequest{Id: category})))
	notFound(t, second(d.forums.GetForum(d.agent, &forumsv1.GetForumRequest{Id: forum})))
	equal(t, "anna", owned(anna), [3]int64{3, 3, 0})
	equal(t, "bert", owned(bert), [3]int64{0, 3, 4})
	must(t, second(d.forums.DeleteForum(d.agent, &forumsv1.DeleteForumRequest{Id: beside})))
	equal(t, "anna", owned(anna), [3]int64{})
	equal(t, "bert", owned(bert), [3]int64{})
}

func second[T any](_ T, err error) error { return err }

func TestDeleteTopic(t *testing.T) {
	d := open(t)
	anna, bert := d.person("anna@example.org"), d.person("bert@example.org")
	id := d.topic(d.forum(0, 2), anna, "topic").GetId()
	d.comment(id, bert, "words")
	d.follow(id, bert)
	d.fence(bert, participantv1.Mode_MODE_RESTRICTED, "r")
	refusal(t, second(d.topics.DeleteTopic(d.agent, &forumsv1.DeleteTopicRequest{Id: id})), faultv1.Reason_REASON_RESTRICTED)
	d.unfence(bert, "r")
	must(t, second(d.topics.DeleteTopic(d.agent, &forumsv1.DeleteTopicRequest{Id: id})))
	notFound(t, second(d.topics.DeleteTopic(d.agent, &forumsv1.DeleteTopicRequest{Id: id})))
	for _, who := range []int64{anna, bert} {
		for name, c := range d.counts(who) {
			equal(t, name, c.GetOwned(), 0)
		}
	}
}

// Whoever writes while a topic goes leaves nothing behind that nobody can reach.
func TestWritersRacingARemoval(t *testing.T) {
	d := open(t)
	anna := d.person("anna@example.org")
	forum := d.forum(0, 2)
	for range 8 {
		topic := d.topic(forum, 0, "topic").GetId()
		done := make(chan error)
		go func() {
			var err error
			for range 20 {
				if err = second(d.topics.CreateComment(d.agent, &forumsv1.CreateCommentRequest{TopicId: topic, Comment: &forumsv1.CommentInput{Body: ptr("x"), UserId: &anna}})); err != nil {
					break
				}
				if err = second(d.topics.FollowTopic(d.agent, &forumsv1.FollowTopicRequest{Id: topic, UserId: &anna})); err != nil {
					break
				}
			}
			done <- err
		}()
		must(t, second(d.topics.DeleteTopic(d.agent, &forumsv1.DeleteTopicRequest{Id: topic})))
		if err := <-done; err != nil && !fault.Is(err, fault.KindNotFound) {
			t.Error(err)
		}
		notFound(t, second(d.getTopic(topic)))
		if c := d.counts(anna); c["comments"].GetOwned() != 0 || c["follows"].GetOwned() != 0 {
			t.Fatalf("left behind: %v", c)
		}
	}
}

func TestOtherAccountsAndRoles(t *testing.T) {
	d := open(t)
	topic := d.topic(d.forum(0, 2), 0, "secret")
	article := d.article(d.folder(d.shelf(), 0, "f").GetId(), nil, "secret")
	contact := d.As(authn.Identity{Account: 1, Actor: d.person("a@example.org"), Role: authn.RoleContact})
	for name, call := range map[string]func() error{
		"topic": func() error {
			return second(d.topics.GetTopic(d.stranger, &forumsv1.GetTopicRequest{Id: topic.GetId()}))
		},
		"topics": func() error {
			return second(d.topics.ListTopics(d.stranger, &forumsv1.ListTopicsRequest{ForumId: topic.GetForumId()}))
		},
		"forum": func() error {
			return second(d.forums.GetForum(d.stranger, &forumsv1.GetForumRequest{Id: topic.GetForumId()}))
		},
		"article": func() error {
			return second(d.solutions.GetArticle(d.stranger, &forumsv1.GetArticleRequest{Id: article.GetId()}))
		},
		"delete article": func() error {
			return second(d.solutions.DeleteArticle(d.stranger, &forumsv1.DeleteArticleRequest{Id: article.GetId()}))
		},
		"folder": func() error {
			return second(d.solutions.DeleteFolder(d.stranger, &forumsv1.DeleteFolderRequest{Id: article.GetFolderId()}))
		},
	} {
		if err := call(); !fault.Is(err, fault.KindNotFound) {
			t.Errorf("%s from another account: %v", name, err)
		}
	}
	refusal(t, second(d.topics.GetTopic(contact, &forumsv1.GetTopicRequest{Id: topic.GetId()})), faultv1.Reason_REASON_ACCESS_DENIED)
	refusal(t, second(d.solutions.GetArticle(contact, &forumsv1.GetArticleRequest{Id: article.GetId()})), faultv1.Reason_REASON_ACCESS_DENIED)
	if err := second(d.topics.GetTopic(t.Context(), &forumsv1.GetTopicRequest{Id: topic.GetId()})); !fault.Is(err, fault.KindUnauthenticated) {
		t.Errorf("without identity: %v", err)
	}
	must(t, d.svc.Ready(t.Context()))
}

// late runs something between the moment a comment is about to be written and the writing.
type late struct {
	app.Comments
	once sync.Once
	do   func()
}

func (l *late) Insert(ctx context.Context, p ring.Purpose, v *topic.Comment) error {
	l.once.Do(l.do)
	return l.Comments.Insert(ctx, p, v)
}

// blindTopics says that every topic is there: the sabotage of the test below.
type blindTopics struct{ app.Topics }

func (blindTopics) Owner(context.Context, int64, int64) (int64, error) { return 0, nil }

// A comment that is written behind the back of a removal goes by its writer's hand.
func TestLateCommentOnATopicThatIsGone(t *testing.T) {
	for _, sabotaged := range []bool{false, true} {
		d := open(t)
		anna := d.person("anna@example.org")
		id := d.topic(d.forum(0, 2), 0, "topic").GetId()
		if sabotaged {
			d.svc.app.Topics = blindTopics{d.svc.app.Topics}
		}
		d.svc.app.Comments = &late{Comments: d.svc.app.Comments, do: func() {
			must(t, second(d.topics.DeleteTopic(d.agent, &forumsv1.DeleteTopicRequest{Id: id})))
		}}
		err := second(d.topics.CreateComment(d.agent, &forumsv1.CreateCommentRequest{TopicId: id, Comment: &forumsv1.CommentInput{Body: ptr("x"), UserId: &anna}}))
		if left := d.counts(anna)["comments"].GetOwned(); (left != 0 || err == nil) != sabotaged {
			t.Errorf("sabotaged %v: %d left, answer %v", sabotaged, left, err)
		}
	}
}

// lateTopics runs something between the moment a topic is about to be changed and the writing.
type lateTopics struct {
	app.Topics
	once sync.Once
	do   func()
}

func (l *lateTopics) Update(ctx context.Context, p ring.Purpose, v *topic.Topic) error {
	l.once.Do(l.do)
	return l.Topics.Update(ctx, p, v)
}

// blindForums says that every forum is there: the sabotage of the test below.
type blindForums struct{ forumTable }

type forumTable = app.Named[topic.Forum]

func (blindForums) Owner(context.Context, int64, int64) (int64, error) { return 0, nil }

// A topic that moves into a forum while that goes, goes along.
func TestTopicMovesIntoAForumThatGoes(t *testing.T) {
	for _, sabotaged := range []bool{false, true} {
		d := open(t)
		anna := d.person("anna@example.org")
		to := d.forum(0, 2)
		id := d.topic(d.forum(0, 2), anna, "topic").GetId()
		d.svc.app.Topics = &lateTopics{Topics: d.svc.app.Topics, do: func() {
			must(t, second(d.forums.DeleteForum(d.agent, &forumsv1.DeleteForumRequest{Id: to})))
			if sabotaged {
				d.svc.app.Forums = blindForums{d.svc.app.Forums}
			}
		}}
		err := second(d.updateTopic(id, &forumsv1.TopicInput{ForumId: &to}, "forum_id"))
		left := d.counts(anna)["comments"].GetOwned() + d.counts(anna)["topics"].GetOwned()
		if (left != 0 || !fault.Is(err, fault.KindNotFound)) != sabotaged {
			t.Errorf("sabotaged %v: %d left, answer %v", sabotaged, left, err)
		}
	}
}
