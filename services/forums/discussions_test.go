package forums

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	forumsv1 "github.com/lethe-desk/lethe/gen/go/lethe/forums/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
)

func TestCategoriesAndForums(t *testing.T) {
	d := open(t)
	ctx := d.agent
	made, err := d.forums.CreateCategory(ctx, &forumsv1.CreateCategoryRequest{Category: &forumsv1.CategoryInput{Name: ptr(" Ideas "), Description: ptr("all")}})
	must(t, err)
	category := made.GetCategory().GetId()
	equal(t, "name", made.GetCategory().GetName(), "Ideas")
	_, err = d.forums.CreateCategory(ctx, &forumsv1.CreateCategoryRequest{Category: &forumsv1.CategoryInput{Name: ptr("ideas")}})
	refusal(t, err, faultv1.Reason_REASON_DUPLICATE_VALUE)
	other := d.category()
	_, err = d.forums.UpdateCategory(ctx, &forumsv1.UpdateCategoryRequest{Id: other, Category: &forumsv1.CategoryInput{Name: ptr("IDEAS")}, UpdateMask: mask("name")})
	refusal(t, err, faultv1.Reason_REASON_DUPLICATE_VALUE)
	changed, err := d.forums.UpdateCategory(ctx, &forumsv1.UpdateCategoryRequest{Id: category, Category: &forumsv1.CategoryInput{}, UpdateMask: mask("description")})
	must(t, err)
	if c := changed.GetCategory(); c.Description != nil || c.GetName() != "Ideas" || !c.GetUpdatedAt().AsTime().After(c.GetCreatedAt().AsTime()) {
		t.Errorf("%v", c)
	}
	list, err := d.forums.ListCategories(ctx, &forumsv1.ListCategoriesRequest{PerPage: ptr[int32](1)})
	must(t, err)
	if len(list.GetCategories()) != 1 || !list.GetMore() {
		t.Errorf("%v", list)
	}

	_, err = d.forums.CreateForum(ctx, &forumsv1.CreateForumRequest{CategoryId: 5, Forum: &forumsv1.ForumInput{}})
	notFound(t, err)
	_, err = d.forums.CreateForum(ctx, &forumsv1.CreateForumRequest{CategoryId: category, Forum: &forumsv1.ForumInput{}})
	equal(t, "empty forum", violations(err), "forum_type missing_field, forum_visibility missing_field, name missing_field")
	in := &forumsv1.ForumInput{Name: ptr("Plans"), ForumType: ptr[int32](2), ForumVisibility: ptr[int32](4), CompanyIds: []int64{7}}
	one, err := d.forums.CreateForum(ctx, &forumsv1.CreateForumRequest{CategoryId: category, Forum: in})
	must(t, err)
	if f := one.GetForum(); f.GetPosition() != 1 || f.GetTopicsCount() != 0 || f.TopicsCount == nil || !slices.Equal(f.GetCompanyIds(), []int64{7}) || f.GetForumCategoryId() != category {
		t.Errorf("%v", f)
	}
	_, err = d.forums.CreateForum(ctx, &forumsv1.CreateForumRequest{CategoryId: other, Forum: in})
	refusal(t, err, faultv1.Reason_REASON_DUPLICATE_VALUE)
	second := d.forum(category, 1)
	third := d.forum(other, 1)
	moved, err := d.forums.UpdateForum(ctx, &forumsv1.UpdateForumRequest{Id: third, Forum: &forumsv1.ForumInput{ForumCategoryId: &category, ForumType: ptr[int32](3)}, UpdateMask: mask("forum_category_id", "forum_type")})
	must(t, err)
	equal(t, "position of a forum that moved", moved.GetForum().GetPosition(), 3)
	inside, err := d.forums.ListForums(ctx, &forumsv1.ListForumsRequest{CategoryId: category})
	must(t, err)
	var got []int64
	for _, f := range inside.GetForums() {
		got = append(got, f.GetId())
	}
	if want := []int64{one.GetForum().GetId(), second, third}; !slices.Equal(got, want) {
		t.Errorf("forums %v, want %v", got, want)
	}
	d.topic(third, 0, "text")
	_, err = d.forums.UpdateForum(ctx, &forumsv1.UpdateForumRequest{Id: third, Forum: &forumsv1.ForumInput{ForumType: ptr[int32](3)}, UpdateMask: mask("forum_type")})
	equal(t, "type once topics exist", violations(err), "forum_type readonly_field")
	_, err = d.forums.UpdateForum(ctx, &forumsv1.UpdateForumRequest{Id: third, Forum: &forumsv1.ForumInput{ForumCategoryId: ptr[int64](5)}, UpdateMask: mask("forum_category_id")})
	equal(t, "unknown category", violations(err), "forum_category_id invalid_value")
}

func TestTopicsAndComments(t *testing.T) {
	d := open(t)
	anna, bert := d.person("anna@example.org"), d.person("bert@example.org")
	forum := d.forum(0, 1)
	first := d.topic(forum, anna, "Night mode")
	if first.GetUserId() != anna || first.GetPostsCount() != 1 || first.GetRepliedBy() != anna || first.GetStampType() != 7 || !first.GetPublished() ||
		first.GetSticky() || first.MergedTopicId != nil || first.Hits == nil || first.RepliedAt == nil {
		t.Errorf("%v", first)
	}
	c := d.comments(first.GetId())
	if len(c) != 1 || c[0].GetBody() != "<div>Night mode</div>" || c[0].GetBodyText() != "Night mode" || c[0].GetUserId() != anna || c[0].GetForumId() != forum ||
		c[0].Spam != nil || c[0].Trash == nil || !c[0].GetPublished() {
		t.Errorf("%v", c)
	}
	second := d.topic(forum, 0, "By the desk")
	equal(t, "author", second.GetUserId(), firstAgent)
	sticky, err := d.updateTopic(first.GetId(), &forumsv1.TopicInput{Sticky: ptr(true), Message: ptr("<p>changed</p>"), Title: ptr("New"), StampType: ptr[int32](6)}, "sticky", "message", "title", "stamp_type")
	must(t, err)
	if sticky.GetTitle() != "New" || sticky.GetStampType() != 6 || sticky.GetUserId() != anna {
		t.Errorf("%v", sticky)
	}
	equal(t, "message", d.comments(first.GetId())[0].GetBody(), "<p>changed</p>")
	third := d.topic(forum, bert, "Later")
	list, err := d.topics.ListTopics(d.agent, &forumsv1.ListTopicsRequest{ForumId: forum})
	must(t, err)
	equal(t, "topics", strings.Join(titles(list.GetTopics()), "|"), "New|Later|By the desk")

	reply := d.comment(first.GetId(), bert, "yes please")
	now := d.mustTopic(first.GetId())
	if now.GetRepliedBy() != bert || now.GetPostsCount() != 2 || !now.GetRepliedAt().AsTime().Equal(reply.GetCreatedAt().AsTime()) {
		t.Errorf("%v", now)
	}
	edited, err := d.topics.UpdateComment(d.agent, &forumsv1.UpdateCommentRequest{Id: reply.GetId(), Comment: &forumsv1.CommentInput{Answer: ptr(true)}, UpdateMask: mask("answer")})
	must(t, err)
	if c := edited.GetComment(); !c.GetAnswer() || c.GetBodyText() != "yes please" || c.GetUserId() != bert {
		t.Errorf("%v", c)
	}
	_, err = d.topics.DeleteComment(d.agent, &forumsv1.DeleteCommentRequest{Id: reply.GetId()})
	must(t, err)
	if now = d.mustTopic(first.GetId()); now.GetRepliedBy() != anna || now.GetPostsCount() != 1 {
		t.Errorf("after a deletion: %v", now)
	}
	f, err := d.forums.GetForum(d.agent, &forumsv1.GetForumRequest{Id: forum})
	must(t, err)
	equal(t, "topics count", f.GetForum().GetTopicsCount(), 3)
	equal(t, "posts count", f.GetForum().GetPostsCount(), 3)

	_, err = d.updateTopic(third.GetId(), &forumsv1.TopicInput{Locked: ptr(true)}, "locked")
	must(t, err)
	_, err = d.topics.CreateComment(d.agent, &forumsv1.CreateCommentRequest{TopicId: third.GetId(), Comment: &forumsv1.CommentInput{Body: ptr("x")}})
	refusal(t, err, faultv1.Reason_REASON_METHOD_NOT_ALLOWED)
}

func titles(topics []*forumsv1.Topic) []string {
	var out []string
	for _, t := range topics {
		out = append(out, t.GetTitle())
	}
	return out
}

func TestTopicFaults(t *testing.T) {
	d := open(t)
	question, idea := d.forum(0, 1), d.forum(0, 2)
	create := func(forum int64, in *forumsv1.TopicInput) string {
		_, err := d.topics.CreateTopic(d.agent, &forumsv1.CreateTopicRequest{ForumId: forum, Topic: in})
		return violations(err)
	}
	text := "text"
	equal(t, "empty", create(idea, &forumsv1.TopicInput{}), "message missing_field, title missing_field")
	equal(t, "stamp", create(idea, &forumsv1.TopicInput{Title: &text, Message: &text, StampType: ptr[int32](6)}), "stamp_type invalid_value")
	equal(t, "forum on creation", create(idea, &forumsv1.TopicInput{Title: &text, Message: &text, ForumId: &idea}), "forum_id invalid_field")
	equal(t, "nobody", create(idea, &forumsv1.TopicInput{Title: &text, Message: &text, UserId: ptr[int64](5)}), "user_id invalid_value")
	hidden := d.person("h@example.org")
	d.people.Set(1, hidden, func(p *contactsv1.Person) { p.Hidden = ptr(true) })
	equal(t, "hidden at contacts", create(idea, &forumsv1.TopicInput{Title: &text, Message: &text, UserId: &hidden}), "user_id invalid_value")
	_, err := d.topics.CreateTopic(d.agent, &forumsv1.CreateTopicRequest{ForumId: 5, Topic: &forumsv1.TopicInput{Title: &text, Message: &text}})
	notFound(t, err)
	d.people.Refuse(fault.Unavailable(nil))
	_, err = d.topics.CreateTopic(d.agent, &forumsv1.CreateTopicRequest{ForumId: idea, Topic: &forumsv1.TopicInput{Title: &text, Message: &text, UserId: &hidden}})
	refusal(t, err, faultv1.Reason_REASON_UNAVAILABLE)
	d.people.Refuse(nil)

	topic := d.topic(idea, 0, text)
	id := topic.GetId()
	_, err = d.updateTopic(id, &forumsv1.TopicInput{UserId: &hidden}, "user_id")
	equal(t, "author on change", violations(err), "user_id readonly_field")
	_, err = d.updateTopic(id, &forumsv1.TopicInput{ForumId: ptr[int64](5)}, "forum_id")
	equal(t, "unknown forum", violations(err), "forum_id invalid_value")
	_, err = d.topics.DeleteComment(d.agent, &forumsv1.DeleteCommentRequest{Id: d.comments(id)[0].GetId()})
	must(t, err)
	_, err = d.updateTopic(id, &forumsv1.TopicInput{Message: &text}, "message")
	refusal(t, err, faultv1.Reason_REASON_METHOD_NOT_ALLOWED)

	// moving takes the comments along, and a stamp the new forum does not have goes
	d.comment(id, 0, "one")
	moved, err := d.updateTopic(id, &forumsv1.TopicInput{ForumId: &question, StampType: ptr[int32](6)}, "forum_id", "stamp_type")
	must(t, err)
	if moved.GetForumId() != question || moved.GetStampType() != 6 {
		t.Errorf("%v", moved)
	}
	for forum, want := range map[int64]int64{idea: 0, question: 1} {
		f, err := d.forums.GetForum(d.agent, &forumsv1.GetForumRequest{Id: forum})
		must(t, err)
		equal(t, "posts", f.GetForum().GetPostsCount(), want)
	}
	back, err := d.updateTopic(id, &forumsv1.TopicInput{ForumId: &idea}, "forum_id")
	must(t, err)
	if back.StampType != nil {
		t.Errorf("stamp %v is none of an idea", back.GetStampType())
	}
}

func TestFollows(t *testing.T) {
	d := open(t)
	anna := d.person("anna@example.org")
	forum := d.forum(0, 2)
	topic := d.topic(forum, 0, "one").GetId()
	check := func(ctx context.Context, user *int64) error {
		_, err := d.topics.CheckTopicFollow(ctx, &forumsv1.CheckTopicFollowRequest{Id: topic, UserId: user})
		return err
	}
	notFound(t, check(d.agent, nil))
	for range 2 { // again changes nothing
		_, err := d.topics.FollowTopic(d.agent, &forumsv1.FollowTopicRequest{Id: topic})
		must(t, err)
		d.follow(topic, anna)
		_, err = d.forums.FollowForum(d.agent, &forumsv1.FollowForumRequest{Id: forum, UserId: &anna})
		must(t, err)
	}
	must(t, check(d.agent, nil))
	refusal(t, check(d.agent, &anna), faultv1.Reason_REASON_ACCESS_DENIED)
	must(t, check(d.admin, &anna))
	equal(t, "follows", d.counts(anna)["follows"].GetOwned(), 2)
	equal(t, "the agent's", d.counts(firstAgent)["follows"].GetOwned(), 1)
	_, err := d.topics.ListFollowedTopics(d.agent, &forumsv1.ListFollowedTopicsRequest{UserId: &anna})
	refusal(t, err, faultv1.Reason_REASON_ACCESS_DENIED)
	_, err = d.topics.FollowTopic(d.agent, &forumsv1.FollowTopicRequest{Id: topic, UserId: ptr[int64](5)})
	equal(t, "nobody", violations(err), "user_id invalid_value")
	for range 2 {
		_, err = d.topics.UnfollowTopic(d.agent, &forumsv1.UnfollowTopicRequest{Id: topic, UserId: &anna})
		must(t, err)
		_, err = d.forums.UnfollowForum(d.agent, &forumsv1.UnfollowForumRequest{Id: forum, UserId: &anna})
		must(t, err)
	}
	notFound(t, check(d.admin, &anna))
	equal(t, "follows", d.counts(anna)["follows"].GetOwned(), 0)
}

// Lists of somebody's topics are complete, without repeats and in order, in pages
// of any size, whoever is hidden.
func TestFollowedAndParticipated(t *testing.T) {
	d := open(t)
	anna, bert := d.person("anna@example.org"), d.person("bert@example.org")
	forum := d.forum(0, 2)
	var began, joined, all []string
	for i := range 9 {
		text := string(rune('a' + i))
		switch i % 3 {
		case 0:
			topic := d.topic(forum, anna, text).GetId()
			d.comment(topic, anna, text)
			if i == 6 { // begun, and all she said is gone
				for _, c := range d.comments(topic) {
					_, err := d.topics.DeleteComment(d.agent, &forumsv1.DeleteCommentRequest{Id: c.GetId()})
					must(t, err)
				}
			}
			began, all = append(began, text), append(all, text)
		case 1:
			topic := d.topic(forum, bert, text).GetId()
			d.comment(topic, anna, "1")
			d.comment(topic, anna, "2")
			d.follow(topic, anna)
			joined, all = append(joined, text), append(all, text)
		default:
			d.topic(forum, bert, text)
		}
	}
	pages := func(size int32, list func(page int32) ([]*forumsv1.Topic, bool)) string {
		var got []string
		for page := int32(1); ; page++ {
			topics, more := list(page)
			got = append(got, titles(topics)...)
			if !more {
				return strings.Join(got, "")
			}
			if len(topics) != int(size) {
				t.Errorf("page %d of %d has %d", page, size, len(topics))
			}
		}
	}
	backwards := func(s []string) string {
		s = slices.Clone(s)
		slices.Reverse(s)
		return strings.Join(s, "")
	}
	look := func(participated, followed string) {
		t.Helper()
		for _, size := range []int32{1, 2, 3, 100} {
			equal(t, "participated", pages(size, func(page int32) ([]*forumsv1.Topic, bool) {
				out, err := d.topics.ListParticipatedTopics(d.admin, &forumsv1.ListParticipatedTopicsRequest{UserId: &anna, Page: &page, PerPage: &size})
				must(t, err)
				return out.GetTopics(), out.GetMore()
			}), participated)
			equal(t, "followed", pages(size, func(page int32) ([]*forumsv1.Topic, bool) {
				out, err := d.topics.ListFollowedTopics(d.admin, &forumsv1.ListFollowedTopicsRequest{UserId: &anna, Page: &page, PerPage: &size})
				must(t, err)
				return out.GetTopics(), out.GetMore()
			}), followed)
		}
	}
	look(backwards(all), backwards(joined))
	d.fence(bert, participantv1.Mode_MODE_HIDDEN, "hide")
	look(backwards(began), "")
	d.unfence(bert, "hide")
	look(backwards(all), backwards(joined))
}

// Hidden people's words are in no list and no count, and come back as they were.
func TestHiddenCommentsAreNotCounted(t *testing.T) {
	d := open(t)
	anna, bert := d.person("anna@example.org"), d.person("bert@example.org")
	forum := d.forum(0, 2)
	topic := d.topic(forum, anna, "topic").GetId()
	d.comment(topic, bert, "hidden soon")
	own := d.topic(forum, bert, "own").GetId()
	before, comments := d.mustTopic(topic), d.comments(topic)
	for _, mode := range []participantv1.Mode{participantv1.Mode_MODE_HIDDEN, participantv1.Mode_MODE_RESTRICTED, participantv1.Mode_MODE_ERASING} {
		d.fence(bert, mode, "f")
		now := d.mustTopic(topic)
		if now.GetPostsCount() != 1 || now.GetRepliedBy() != anna || len(d.comments(topic)) != 1 {
			t.Errorf("%v: %v", mode, now)
		}
		f, err := d.forums.GetForum(d.agent, &forumsv1.GetForumRequest{Id: forum})
		must(t, err)
		if f.GetForum().GetTopicsCount() != 1 || f.GetForum().GetPostsCount() != 1 {
			t.Errorf("%v: %v", mode, f)
		}
		_, err = d.getTopic(own)
		if mode == participantv1.Mode_MODE_RESTRICTED {
			refusal(t, err, faultv1.Reason_REASON_RESTRICTED)
		} else {
			notFound(t, err)
		}
		d.unfence(bert, "f")
		if now := d.mustTopic(topic); now.String() != before.String() || len(d.comments(topic)) != len(comments) {
			t.Errorf("after %v: %v, was %v", mode, now, before)
		}
	}
}

// Counts are those of what is there, whoever writes at the same time.
func TestCountsUnderConcurrency(t *testing.T) {
	d := open(t)
	forum, other := d.forum(0, 2), d.forum(0, 2)
	topic := d.topic(forum, 0, "topic").GetId()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				if _, err := d.topics.CreateComment(d.agent, &forumsv1.CreateCommentRequest{TopicId: topic, Comment: &forumsv1.CommentInput{Body: ptr("x")}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Go(func() {
		for i := range 6 {
			to := forum
			if i%2 == 0 {
				to = other
			}
			if _, err := d.updateTopic(topic, &forumsv1.TopicInput{ForumId: &to, Sticky: ptr(true)}, "forum_id", "sticky"); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	equal(t, "posts", d.mustTopic(topic).GetPostsCount(), 21)
	for id, want := range map[int64]int64{forum: 21, other: 0} {
		f, err := d.forums.GetForum(d.agent, &forumsv1.GetForumRequest{Id: id})
		must(t, err)
		equal(t, "posts of a forum", f.GetForum().GetPostsCount(), want)
	}
}
