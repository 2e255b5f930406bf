package rpc

import (
	"context"
	"strconv"
	"strings"

	forumsv1 "github.com/lethe-desk/lethe/gen/go/lethe/forums/v1"
	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	"github.com/lethe-desk/lethe/services/forums/internal/app"
	"github.com/lethe-desk/lethe/services/forums/internal/knowledge"
	"github.com/lethe-desk/lethe/services/forums/internal/record"
	"github.com/lethe-desk/lethe/services/forums/internal/topic"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/mention"
	"github.com/lethe-desk/lethe/services/internal/platform/participant"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"google.golang.org/protobuf/proto"
)

// exportPage is how many records one read of an export takes.
const exportPage = 100

// Resources are what the service holds of people: follows; topics and comments,
// which are theirs or, when an agent wrote them, name them; and articles, which
// only name who wrote them. Follows come first: sweeping topics takes those on them along.
func Resources(a *app.App) []participant.Resource {
	content, activity := optionsv1.Category_CATEGORY_CONTENT, optionsv1.Category_CATEGORY_ACTIVITY
	return []participant.Resource{
		{
			Message: &forumsv1.Follow{}, Category: activity,
			Count: a.Follows.CountByUser, Sweep: a.Follows.SweepOwned,
			Export: contributions(owned(a.Follows.ExportOwned), nil, nil, nil, plain(showFollow)),
		},
		{
			Message: &forumsv1.Topic{}, Category: content,
			Count: a.Topics.CountByAuthor, Blank: a.BlankTopics, Sweep: a.SweepTopics,
			Links: linksOf(a.Topics), Mentions: mentionsOf(a.Topics),
			Export: contributions(owned(a.Topics.ExportOwned), a.Topics.ExportLinked, topicMark, readTopic, plain(showStored)),
		},
		{
			Message: &forumsv1.Comment{}, Category: content,
			Count: a.Comments.CountByAuthor, Sweep: a.Comments.SweepOwned,
			Links: linksOf(a.Comments), Mentions: mentionsOf(a.Comments),
			Export: contributions(owned(a.Comments.ExportOwned), a.Comments.ExportLinked, commentMark, readComment, plain(showComment)),
		},
		{
			Message: &forumsv1.Article{}, Category: content,
			Count: func(context.Context, ring.Subject) (int64, error) { return 0, nil }, // nobody owns an article
			Sweep: func(context.Context, ring.Subject, int) (int, bool, error) { return 0, false, nil },
			Links: linksOf(a.Articles), Mentions: mentionsOf(a.Articles),
			Export: contributions(nil, a.Articles.ExportLinked, articleMark, readArticle,
				func(ctx context.Context, v *knowledge.Article) (proto.Message, error) {
					view, err := a.ViewArticle(ctx, app.Caller{Account: v.Account}, v)
					if err != nil {
						return nil, err
					}
					return showArticle(view), nil
				}),
		},
	}
}

func linksOf[T any](t app.Linked[T]) *participant.Links {
	return &participant.Links{Count: t.CountLinks, Relink: t.Relink}
}

// mentionsOf redacts all in one go: the store walks in pages of its own, and only what it changes is written.
func mentionsOf[T any](t app.Linked[T]) *participant.Mentions {
	return &participant.Mentions{
		Count: t.CountMentions,
		Redact: func(ctx context.Context, s ring.Subject, ids mention.Identifiers, _ int) (int, bool, error) {
			n, err := t.Redact(ctx, s, ids)
			return int(n), false, err
		},
	}
}

// plain is for records that need nothing else to be shown.
func plain[T any, M proto.Message](show func(*T) M) func(context.Context, *T) (proto.Message, error) {
	return func(_ context.Context, v *T) (proto.Message, error) { return show(v), nil }
}

// pages reads values behind a cursor, "" at the beginning, at most exportPage, each with the cursor behind it.
type pages[T any] func(ctx context.Context, s ring.Subject, after string) ([]*T, func(*T) string, error)

// linkMark begins the cursors of contributions, which come behind what the person owns.
const linkMark = "l"

// contributions exports what a person owns, if such a thing can be owned, then
// what is the account's and names the person.
func contributions[T any](own pages[T], linked func(context.Context, ring.Subject, *T, int) ([]*T, error),
	mark func(*T) string, read func(string) (*T, error), show func(context.Context, *T) (proto.Message, error),
) func(context.Context, ring.Subject, string, participant.Emit) error {
	return func(ctx context.Context, s ring.Subject, after string, emit participant.Emit) error {
		behind, isLinked := strings.CutPrefix(after, linkMark)
		if own != nil && !isLinked {
			if err := walk(ctx, s, after, own, "", show, emit); err != nil {
				return err
			}
			behind = ""
		}
		if linked == nil {
			return nil
		}
		return walk(ctx, s, behind, func(ctx context.Context, s ring.Subject, after string) ([]*T, func(*T) string, error) {
			var last *T
			if after != "" {
				var err error
				if last, err = read(after); err != nil {
					return nil, nil, badCursor()
				}
			}
			values, err := linked(ctx, s, last, exportPage)
			return values, mark, err
		}, linkMark, show, emit)
	}
}

// walk emits all that pages yield, with cursors that begin with a prefix.
func walk[T any](ctx context.Context, s ring.Subject, after string, next pages[T], prefix string,
	show func(context.Context, *T) (proto.Message, error), emit participant.Emit) error {
	for {
		values, cursor, err := next(ctx, s, after)
		if err != nil {
			return err
		}
		for _, v := range values {
			after = cursor(v)
			message, err := show(ctx, v)
			if err != nil {
				return err
			}
			if err := emit(prefix+after, message); err != nil {
				return err
			}
		}
		if len(values) < exportPage {
			return nil
		}
	}
}

func badCursor() error {
	return fault.InvalidValue("cursor", "It should be a cursor of this participant")
}

// owned reads a person's own values in id order; the cursor is the id.
func owned[T any](read func(context.Context, ring.Subject, int64, int) ([]*T, error)) pages[T] {
	return func(ctx context.Context, s ring.Subject, after string) ([]*T, func(*T) string, error) {
		var id int64
		if after != "" {
			var err error
			if id, err = number(after); err != nil {
				return nil, nil, badCursor()
			}
		}
		values, err := read(ctx, s, id, exportPage)
		return values, func(v *T) string {
			return strconv.FormatInt(any(v).(interface{ Base() *record.Record }).Base().ID, 10)
		}, err
	}
}

func number(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err == nil && n < 0 {
		err = strconv.ErrRange
	}
	return n, err
}

func topicMark(t *topic.Topic) string { return strconv.FormatInt(t.ID, 10) }

func readTopic(s string) (*topic.Topic, error) {
	id, err := number(s)
	return &topic.Topic{Record: record.Record{ID: id}}, err
}

func articleMark(v *knowledge.Article) string { return strconv.FormatInt(v.ID, 10) }

func readArticle(s string) (*knowledge.Article, error) {
	id, err := number(s)
	return &knowledge.Article{Record: record.Record{ID: id}}, err
}

// Comments that name somebody are read in the order of topics.
func commentMark(v *topic.Comment) string {
	return strconv.FormatInt(v.TopicID, 10) + "." + strconv.FormatInt(v.ID, 10)
}

func readComment(s string) (*topic.Comment, error) {
	above, id, found := strings.Cut(s, ".")
	if !found {
		return nil, strconv.ErrSyntax
	}
	topicID, err := number(above)
	if err != nil {
		return nil, err
	}
	own, err := number(id)
	return &topic.Comment{Record: record.Record{ID: own}, TopicID: topicID}, err
}
