package app

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	"github.com/lethe-desk/lethe/services/forums/internal/record"
	"github.com/lethe-desk/lethe/services/forums/internal/topic"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/ids"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// FollowForum makes somebody, or the caller, follow a forum; doing it again changes nothing.
func (a *App) FollowForum(ctx context.Context, c Caller, id int64, user *int64) error {
	if _, err := load(ctx, a, c, "forum", a.Forums, id); err != nil {
		return err
	}
	return followed(ctx, a, c, &topic.Follow{ForumID: &id}, record.In(record.ByForum, id), user, "forum", a.Forums)
}

// FollowTopic makes somebody, or the caller, follow a topic; doing it again changes nothing.
func (a *App) FollowTopic(ctx context.Context, c Caller, id int64, user *int64) error {
	if _, err := load(ctx, a, c, "topic", a.Topics, id); err != nil {
		return err
	}
	return followed(ctx, a, c, &topic.Follow{TopicID: &id}, record.In(record.ByTopic, id), user, "topic", a.Topics)
}

func followed[P any](ctx context.Context, a *App, c Caller, f *topic.Follow, at record.At, user *int64, what string, above Table[P]) error {
	who, err := a.follower(ctx, c, user)
	if err != nil {
		return err
	}
	now := a.now()
	f.Record = record.Record{Account: c.Account, Owner: who, CreatedAt: now, UpdatedAt: now}
	f.UserID = who
	for try := 1; ; try++ {
		f.ID = ids.New(a.Now)
		err := a.Follows.Insert(ctx, ring.Write, f)
		if err == nil {
			return within(ctx, c, Table[topic.Follow](a.Follows), f, what, above, at.ID)
		}
		if !errors.Is(err, docstore.ErrExists) || try == maxTries {
			return a.refuse(ctx, err, what, c.Account, at.ID, who)
		}
		_, err = a.Follows.Find(ctx, c.Account, who, at)
		if !errors.Is(err, docstore.ErrNotFound) {
			return storeFault(err)
		}
	}
}

// follower is who is to follow: the caller, or somebody who exists.
func (a *App) follower(ctx context.Context, c Caller, user *int64) (int64, error) {
	if user == nil || *user == c.Actor {
		return c.Actor, a.mayWrite(ctx, c)
	}
	if *user <= 0 {
		return 0, fault.InvalidValue("user_id", "It should be a positive integer")
	}
	p, err := a.person(ctx, c, "user_id", *user)
	if err != nil {
		return 0, err
	}
	return p.ID, nil
}

// UnfollowForum ends it; not to have followed is fine.
func (a *App) UnfollowForum(ctx context.Context, c Caller, id int64, user *int64) error {
	if _, err := load(ctx, a, c, "forum", a.Forums, id); err != nil {
		return err
	}
	return a.unfollow(ctx, c, record.In(record.ByForum, id), user)
}

// UnfollowTopic ends it; not to have followed is fine.
func (a *App) UnfollowTopic(ctx context.Context, c Caller, id int64, user *int64) error {
	if _, err := load(ctx, a, c, "topic", a.Topics, id); err != nil {
		return err
	}
	return a.unfollow(ctx, c, record.In(record.ByTopic, id), user)
}

func (a *App) unfollow(ctx context.Context, c Caller, at record.At, user *int64) error {
	who, err := a.follower(ctx, c, user)
	if err != nil {
		return err
	}
	f, err := a.Follows.Find(ctx, c.Account, who, at)
	if errors.Is(err, docstore.ErrNotFound) {
		return nil
	}
	if err != nil {
		return storeFault(err)
	}
	err = a.Follows.Delete(ctx, ring.Write, c.Account, f.ID, 0)
	if errors.Is(err, docstore.ErrNotFound) {
		return nil
	}
	return a.refuse(ctx, err, "follow", c.Account, f.ID, who)
}

// FollowsForum answers nil when somebody, or the caller, follows a forum, and not found otherwise.
func (a *App) FollowsForum(ctx context.Context, c Caller, id int64, user *int64) error {
	if _, err := load(ctx, a, c, "forum", a.Forums, id); err != nil {
		return err
	}
	return a.follows(ctx, c, record.In(record.ByForum, id), user)
}

// FollowsTopic answers nil when somebody, or the caller, follows a topic, and not found otherwise.
func (a *App) FollowsTopic(ctx context.Context, c Caller, id int64, user *int64) error {
	if _, err := load(ctx, a, c, "topic", a.Topics, id); err != nil {
		return err
	}
	return a.follows(ctx, c, record.In(record.ByTopic, id), user)
}

func (a *App) follows(ctx context.Context, c Caller, at record.At, user *int64) error {
	who, err := asked(c, user)
	if err != nil {
		return err
	}
	modes, err := a.Ring.Modes(ctx, ring.Subject{Account: c.Account, ID: who})
	if err != nil {
		return storeFault(err)
	}
	if modes.Strictest() == ring.Restricted {
		return restricted()
	}
	_, err = a.Follows.Find(ctx, c.Account, who, at)
	return a.refuse(ctx, err, "follow", c.Account, 0, who)
}

// asked is whom a question is about: the caller, or somebody else when an administrator asks.
func asked(c Caller, user *int64) (int64, error) {
	who := c.Actor
	if user != nil {
		who = *user
	}
	switch {
	case who <= 0:
		return 0, fault.InvalidValue("user_id", "It should be a positive integer")
	case who != c.Actor && !c.Admin:
		return 0, fault.Denied(faultv1.Reason_REASON_ACCESS_DENIED)
	}
	return who, nil
}

// chunk is how many ids one step of a list of topics looks at.
const chunk = 100

// ListFollowedTopics reads a page of the topics somebody follows, the one followed last first.
func (a *App) ListFollowedTopics(ctx context.Context, c Caller, user *int64, skip, limit int) ([]*TopicView, bool, error) {
	who, err := asked(c, user)
	if err != nil {
		return nil, false, err
	}
	below := int64(math.MaxInt64)
	return a.topicsOf(ctx, c, skip, limit, func() ([]int64, bool, error) {
		found, err := a.Follows.Topics(ctx, c.Account, who, below, chunk)
		var next []int64
		for _, f := range found {
			next, below = append(next, *f.TopicID), f.ID
		}
		return next, len(found) == chunk, err
	})
}

// ListParticipatedTopics reads a page of the topics somebody began or commented in, newest first.
func (a *App) ListParticipatedTopics(ctx context.Context, c Caller, user *int64, skip, limit int) ([]*TopicView, bool, error) {
	who, err := asked(c, user)
	if err != nil {
		return nil, false, err
	}
	below := int64(math.MaxInt64)
	return a.topicsOf(ctx, c, skip, limit, func() ([]int64, bool, error) {
		begun, more1, err := a.Topics.Begun(ctx, c.Account, who, below, chunk)
		if err != nil {
			return nil, false, err
		}
		joined, more2, err := a.Comments.Joined(ctx, c.Account, who, below, chunk)
		if err != nil {
			return nil, false, err
		}
		next, more := merged(begun, more1, joined, more2)
		if len(next) > 0 {
			below = next[len(next)-1]
		}
		return next, more, nil
	})
}

// merged makes one falling list of two, each id once, down to where both are known.
func merged(one []int64, more1 bool, two []int64, more2 bool) ([]int64, bool) {
	var down int64
	if more1 {
		down = one[len(one)-1]
	}
	if more2 {
		down = max(down, two[len(two)-1])
	}
	all := slices.Concat(one, two)
	slices.SortFunc(all, func(a, b int64) int { return cmp.Compare(b, a) })
	all = slices.Compact(all)
	all = slices.DeleteFunc(all, func(id int64) bool { return id < down })
	return all, more1 || more2
}

// topicsOf reads a page of topics whose ids next yields; those that are not to be seen do not count.
func (a *App) topicsOf(ctx context.Context, c Caller, skip, limit int, next func() (ids []int64, more bool, err error)) ([]*TopicView, bool, error) {
	var page []*topic.Topic
	for more := true; more && len(page) <= limit; {
		var some []int64
		var err error
		if some, more, err = next(); err != nil {
			return nil, false, storeFault(err)
		}
		found, err := a.Topics.Many(ctx, c.Account, some)
		if err != nil {
			return nil, false, storeFault(err)
		}
		gone := min(skip, len(found))
		skip -= gone
		page = append(page, found[gone:]...)
	}
	more := len(page) > limit
	if more {
		page = page[:limit]
	}
	out, err := a.viewTopics(ctx, c, page)
	return out, more, err
}
