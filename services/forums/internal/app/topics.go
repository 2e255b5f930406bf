package app

import (
	"context"
	"errors"

	"github.com/lethe-desk/lethe/services/forums/internal/check"
	"github.com/lethe-desk/lethe/services/forums/internal/record"
	"github.com/lethe-desk/lethe/services/forums/internal/topic"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/ids"
	"github.com/lethe-desk/lethe/services/internal/platform/richtext"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// TopicView is a topic with what its comments say of it.
type TopicView struct {
	*topic.Topic
	Posts int64
	// Last is the last comment that is to be seen, without its text; nil for none.
	Last *topic.Comment
}

// viewTopic counts the comments of a topic that are to be seen and finds the
// last one. Nothing of that is kept with the topic: there would be a link to
// empty in each erasure, and a number to be wrong.
func (a *App) viewTopic(ctx context.Context, c Caller, t *topic.Topic) (*TopicView, error) {
	v := &TopicView{Topic: t}
	var err error
	if v.Posts, err = a.Comments.Count(ctx, c.Account, record.In(record.ByTopic, t.ID)); err != nil || v.Posts == 0 {
		return v, storeFault(err)
	}
	v.Last, err = a.Comments.Latest(ctx, c.Account, t.ID)
	return v, storeFault(err)
}

func (a *App) viewTopics(ctx context.Context, c Caller, found []*topic.Topic) ([]*TopicView, error) {
	out := make([]*TopicView, len(found))
	for i, t := range found {
		var err error
		if out[i], err = a.viewTopic(ctx, c, t); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// CreateTopic makes a topic and the comment that holds its message.
func (a *App) CreateTopic(ctx context.Context, c Caller, forum int64, in *topic.Input, key Key) (*TopicView, error) {
	t, err := create(ctx, a, creating[topic.Topic]{
		c: c, method: "CreateTopic", key: key, what: "topic", table: a.Topics,
		draft: func(ctx context.Context) (*topic.Topic, error) {
			f, err := load(ctx, a, c, "forum", a.Forums, forum)
			if err != nil {
				return nil, err
			}
			if err := invalid(in.Check()); err != nil {
				return nil, err
			}
			t, problems := topic.New(in, f)
			if err := invalid(problems); err != nil {
				return nil, err
			}
			who, err := a.author(ctx, c, in.UserID)
			if err != nil {
				return nil, err
			}
			t.Owner, t.UserID, t.First = who.owner, &who.user, ids.New(a.Now)
			return t, nil
		},
		settle: func(ctx context.Context, t *topic.Topic) error {
			if err := within(ctx, c, a.Topics, t, "forum", a.Forums, t.ForumID); err != nil {
				return err
			}
			if err := a.firstComment(ctx, c, t, in.Message); err != nil {
				return err
			}
			if err := a.disown(ctx, c, a.Topics, t.Owner, t.UserID); err != nil {
				return err
			}
			return a.disown(ctx, c, a.Comments, t.Owner, t.UserID)
		},
	})
	if err != nil {
		return nil, err
	}
	return a.viewTopic(ctx, c, t)
}

// firstComment writes the comment that holds a topic's message, unless it is there.
func (a *App) firstComment(ctx context.Context, c Caller, t *topic.Topic, message *string) error {
	for try := 1; ; try++ {
		v := &topic.Comment{
			Record:  record.Record{Account: c.Account, ID: t.First, Owner: t.Owner, CreatedAt: t.CreatedAt, UpdatedAt: t.CreatedAt},
			TopicID: t.ID, ForumID: t.ForumID, UserID: t.UserID, Published: true,
		}
		write(v, *message)
		err := a.Comments.Insert(ctx, ring.Write, v)
		if !errors.Is(err, docstore.ErrExists) || try == maxTries {
			return a.refuse(ctx, err, "topic", c.Account, t.ID, t.Owner)
		}
		// a comment has the id: this one, by an earlier try, or somebody else's
		there, err := a.Comments.Clear(ctx, c.Account, record.In(record.ByTopic, t.ID), 1)
		if err != nil || len(there) > 0 {
			return storeFault(err)
		}
		t.First = ids.New(a.Now)
		if err := a.Topics.Update(ctx, ring.Write, t); err != nil {
			return a.refuse(ctx, err, "topic", c.Account, t.ID, t.Owner)
		}
	}
}

// write sets the two forms of a comment's text.
func write(v *topic.Comment, html string) {
	v.Body = richtext.Normal(html)
	v.Text = richtext.Text(v.Body)
}

// GetTopic reads a topic.
func (a *App) GetTopic(ctx context.Context, c Caller, id int64) (*TopicView, error) {
	t, err := load(ctx, a, c, "topic", a.Topics, id)
	if err != nil {
		return nil, err
	}
	return a.viewTopic(ctx, c, t)
}

// ListTopics reads a page of a forum's topics, sticky ones first, then the newest.
func (a *App) ListTopics(ctx context.Context, c Caller, forum int64, skip, limit int) ([]*TopicView, bool, error) {
	if _, err := load(ctx, a, c, "forum", a.Forums, forum); err != nil {
		return nil, false, err
	}
	found, more, err := a.Topics.List(ctx, c.Account, record.At{By: record.ByForum, ID: forum, Desc: true}, skip, limit)
	if err != nil {
		return nil, false, storeFault(err)
	}
	out, err := a.viewTopics(ctx, c, found)
	return out, more, err
}

// UpdateTopic changes what the mask names; the message is that of the topic's first comment.
func (a *App) UpdateTopic(ctx context.Context, c Caller, id int64, in *topic.Input, mask []string) (*TopicView, error) {
	t, err := change(ctx, a, c, "topic", a.Topics, id, func(t *topic.Topic) error {
		if err := invalid(in.CheckChange(mask)); err != nil {
			return err
		}
		if check.Has(mask, "message") {
			if _, err := a.message(ctx, c, t); err != nil {
				return err
			}
		}
		f, err := a.forumAfter(ctx, c, t, in, mask)
		if err != nil {
			return err
		}
		return invalid(t.Apply(in, mask, f))
	})
	if err != nil {
		return nil, err
	}
	if check.Has(mask, "forum_id") {
		if err := a.moved(ctx, c, t); err != nil {
			return nil, err
		}
	}
	if check.Has(mask, "message") {
		_, err := change(ctx, a, c, "comment", a.Comments, t.First, func(v *topic.Comment) error {
			write(v, *in.Message)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return a.viewTopic(ctx, c, t)
}

// moved lets the comments of a topic follow into its forum, also when it was
// there before: what a crash has left behind comes along.
func (a *App) moved(ctx context.Context, c Caller, t *topic.Topic) error {
	if err := a.follow(ctx, c, t); err != nil {
		return err
	}
	return standing(ctx, c, "forum", a.Forums, t.ForumID, func() error {
		return around(func() error { return a.emptyTopic(ctx, c, t.ID) }, func() error { return remove(ctx, c, a.Topics, t.ID) })
	})
}

// forumAfter is the forum a topic is in once it is changed.
func (a *App) forumAfter(ctx context.Context, c Caller, t *topic.Topic, in *topic.Input, mask []string) (*topic.Forum, error) {
	if check.Has(mask, "forum_id") {
		return named(ctx, a, c, "forum", "forum_id", a.Forums, *in.ForumID)
	}
	return load(ctx, a, c, "forum", a.Forums, t.ForumID)
}

// message reads the comment that holds a topic's message; one that was deleted cannot be changed.
func (a *App) message(ctx context.Context, c Caller, t *topic.Topic) (*topic.Comment, error) {
	v, err := load(ctx, a, c, "comment", a.Comments, t.First)
	if fault.Is(err, fault.KindNotFound) {
		return nil, notAllowed()
	}
	return v, err
}

// follow puts the comments of a topic into its forum, and looks whether that is
// still the forum afterwards: of two who move a topic, the last one decides.
func (a *App) follow(ctx context.Context, c Caller, t *topic.Topic) error {
	for forum := t.ForumID; ; {
		for more := true; more; {
			var err error
			if more, err = a.Comments.Move(ctx, c.Account, t.ID, forum); err != nil {
				return storeFault(err)
			}
		}
		now, err := a.Topics.Get(ctx, ring.Sweep, c.Account, t.ID)
		if errors.Is(err, docstore.ErrNotFound) || err == nil && now.ForumID == forum {
			return nil
		}
		if err != nil {
			return storeFault(err)
		}
		forum = now.ForumID
	}
}

// CreateComment adds a comment to a topic that is not locked.
func (a *App) CreateComment(ctx context.Context, c Caller, topicID int64, in *topic.CommentInput, key Key) (*topic.Comment, error) {
	return create(ctx, a, creating[topic.Comment]{
		c: c, method: "CreateComment", key: key, what: "comment", table: a.Comments,
		draft: func(ctx context.Context) (*topic.Comment, error) {
			t, err := load(ctx, a, c, "topic", a.Topics, topicID)
			if err != nil {
				return nil, err
			}
			if t.Locked {
				return nil, notAllowed()
			}
			if err := invalid(in.Check()); err != nil {
				return nil, err
			}
			who, err := a.author(ctx, c, in.UserID)
			if err != nil {
				return nil, err
			}
			v := &topic.Comment{Record: record.Record{Owner: who.owner}, TopicID: t.ID, ForumID: t.ForumID, UserID: &who.user, Published: true}
			write(v, *in.Body)
			return v, nil
		},
		settle: func(ctx context.Context, v *topic.Comment) error {
			if err := within(ctx, c, a.Comments, v, "topic", a.Topics, v.TopicID); err != nil {
				return err
			}
			if err := a.caughtUp(ctx, c, v); err != nil {
				return err
			}
			return a.disown(ctx, c, a.Comments, v.Owner, v.UserID)
		},
	})
}

// caughtUp follows a topic that was moved while a comment on it was written.
func (a *App) caughtUp(ctx context.Context, c Caller, v *topic.Comment) error {
	t, err := a.Topics.Get(ctx, ring.Read, c.Account, v.TopicID)
	if errors.Is(err, docstore.ErrFenced) || errors.Is(err, docstore.ErrNotFound) {
		return nil
	}
	if err != nil || t.ForumID == v.ForumID {
		return storeFault(err)
	}
	v.ForumID = t.ForumID
	return a.follow(ctx, c, t)
}

// ListComments reads a page of a topic's comments, oldest first.
func (a *App) ListComments(ctx context.Context, c Caller, topicID int64, skip, limit int) ([]*topic.Comment, bool, error) {
	t, err := load(ctx, a, c, "topic", a.Topics, topicID)
	if err != nil {
		return nil, false, err
	}
	found, more, err := a.Comments.List(ctx, c.Account, record.In(record.ByTopic, topicID), skip, limit)
	for _, v := range found {
		v.ForumID = t.ForumID
	}
	return found, more, storeFault(err)
}

// UpdateComment changes what the mask names.
func (a *App) UpdateComment(ctx context.Context, c Caller, id int64, in *topic.CommentInput, mask []string) (*topic.Comment, error) {
	return change(ctx, a, c, "comment", a.Comments, id, func(v *topic.Comment) error {
		if err := invalid(in.CheckChange(mask)); err != nil {
			return err
		}
		if err := a.reachable(ctx, c, v); err != nil {
			return err
		}
		if check.Has(mask, "body") {
			write(v, *in.Body)
		}
		if check.Has(mask, "answer") {
			v.Answer = *in.Answer
		}
		return nil
	})
}

// reachable refuses a comment in a topic that is not to be seen.
func (a *App) reachable(ctx context.Context, c Caller, v *topic.Comment) error {
	_, err := load(ctx, a, c, "topic", a.Topics, v.TopicID)
	return err
}

// DeleteComment removes a comment for good.
func (a *App) DeleteComment(ctx context.Context, c Caller, id int64) error {
	v, err := load(ctx, a, c, "comment", a.Comments, id)
	if err != nil {
		return err
	}
	if err := a.reachable(ctx, c, v); err != nil {
		return err
	}
	return a.refuse(ctx, a.Comments.Delete(ctx, ring.Write, c.Account, id, 0), "comment", c.Account, id, v.Owner)
}
