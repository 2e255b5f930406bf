package store

import (
	"context"

	"github.com/lethe-desk/lethe/services/forums/internal/record"
	"github.com/lethe-desk/lethe/services/forums/internal/topic"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// categoryDoc is a stored category of discussions.
type categoryDoc struct {
	docstore.Meta
	Origin      string  `doc:"origin" why:"random mark of the idempotency record that made it"`
	NameKey     string  `doc:"name_key" why:"the name folded, in which it is unique"`
	Name        string  `doc:"name" field:"lethe.forums.v1.Category.name"`
	Description *string `doc:"description,seal" field:"lethe.forums.v1.Category.description"`
}

func (d *categoryDoc) meta() *docstore.Meta { return &d.Meta }
func (d *categoryDoc) mark() *string        { return &d.Origin }

var categorySpec = docstore.Spec{Name: "categories", Indexes: []docstore.Index{{Name: "name", Fields: []string{"name_key"}, Unique: true}}}

func categoryTo(c *topic.Category, d *categoryDoc) {
	*d = categoryDoc{NameKey: record.Fold(c.Name), Name: c.Name, Description: c.Description}
}

func categoryFrom(d *categoryDoc, c *topic.Category) {
	*c = topic.Category{Name: d.Name, Description: d.Description}
}

// Categories stores the categories of discussions.
type Categories struct {
	*Table[topic.Category, categoryDoc, *topic.Category, *categoryDoc]
}

// Named returns the id of the category with a name, 0 for none.
func (c *Categories) Named(ctx context.Context, account int64, v *topic.Category) (int64, error) {
	return c.named(ctx, account, record.Fold(v.Name))
}

// named finds the id of what is unique under an index "name".
func (t *Table[T, D, PT, PD]) named(ctx context.Context, account int64, key ...any) (int64, error) {
	p, err := t.docs.Find(ctx, ring.Sweep, account, docstore.Query{Index: "name", Eq: key, Limit: 1})
	if err != nil || len(p.Items) == 0 {
		return 0, err
	}
	return PD(p.Items[0]).meta().ID, nil
}

// forumDoc is a stored forum.
type forumDoc struct {
	docstore.Meta
	Origin      string  `doc:"origin" why:"random mark of the idempotency record that made it"`
	NameKey     string  `doc:"name_key" why:"the name folded, in which it is unique"`
	CategoryID  int64   `doc:"forum_category_id" field:"lethe.forums.v1.Forum.forum_category_id"`
	Position    int32   `doc:"position" field:"lethe.forums.v1.Forum.position"`
	Type        int32   `doc:"forum_type" field:"lethe.forums.v1.Forum.forum_type"`
	Visibility  int32   `doc:"forum_visibility" field:"lethe.forums.v1.Forum.forum_visibility"`
	Companies   []int64 `doc:"company_ids" field:"lethe.forums.v1.Forum.company_ids"`
	Name        string  `doc:"name" field:"lethe.forums.v1.Forum.name"`
	Description *string `doc:"description,seal" field:"lethe.forums.v1.Forum.description"`
}

func (d *forumDoc) meta() *docstore.Meta { return &d.Meta }
func (d *forumDoc) mark() *string        { return &d.Origin }

var forumSpec = docstore.Spec{Name: "forums", Indexes: []docstore.Index{
	{Name: "name", Fields: []string{"name_key"}, Unique: true},
	{Name: "category", Fields: []string{"forum_category_id", "position"}},
}}

func forumTo(f *topic.Forum, d *forumDoc) {
	*d = forumDoc{
		NameKey: record.Fold(f.Name), CategoryID: f.CategoryID, Position: f.Position, Type: f.Type,
		Visibility: f.Visibility, Companies: f.Companies, Name: f.Name, Description: f.Description,
	}
}

func forumFrom(d *forumDoc, f *topic.Forum) {
	*f = topic.Forum{
		Name: d.Name, Description: d.Description, CategoryID: d.CategoryID, Position: d.Position,
		Type: d.Type, Visibility: d.Visibility, Companies: d.Companies,
	}
}

// Forums stores forums.
type Forums struct {
	*Table[topic.Forum, forumDoc, *topic.Forum, *forumDoc]
}

// Named returns the id of the forum with a name, 0 for none.
func (f *Forums) Named(ctx context.Context, account int64, v *topic.Forum) (int64, error) {
	return f.named(ctx, account, record.Fold(v.Name))
}

// topicDoc is a stored topic.
type topicDoc struct {
	docstore.Meta
	Origin     string `doc:"origin" why:"random mark of the idempotency record that made it"`
	ForumID    int64  `doc:"forum_id" field:"lethe.forums.v1.Topic.forum_id"`
	UserID     *int64 `doc:"user_id" field:"lethe.forums.v1.Topic.user_id"`
	Locked     bool   `doc:"locked" field:"lethe.forums.v1.Topic.locked"`
	Published  bool   `doc:"published" field:"lethe.forums.v1.Topic.published"`
	Sticky     bool   `doc:"sticky" field:"lethe.forums.v1.Topic.sticky"`
	Stamp      *int32 `doc:"stamp_type" field:"lethe.forums.v1.Topic.stamp_type"`
	MergedInto *int64 `doc:"merged_topic_id" field:"lethe.forums.v1.Topic.merged_topic_id"`
	First      int64  `doc:"first_comment" why:"the comment that holds the topic's message"`
	Hits       int64  `doc:"hits" field:"lethe.forums.v1.Topic.hits"`
	Votes      int64  `doc:"user_votes" field:"lethe.forums.v1.Topic.user_votes"`
	Title      string `doc:"title,seal" field:"lethe.forums.v1.Topic.title"`
}

func (d *topicDoc) meta() *docstore.Meta { return &d.Meta }
func (d *topicDoc) mark() *string        { return &d.Origin }

var topicSpec = docstore.Spec{Name: "topics", Mentions: []string{"title"}, Indexes: []docstore.Index{
	{Name: "forum", Fields: []string{"forum_id", "sticky", "created_at"}},
	{Name: "user", Fields: []string{"user_id"}},
}}

func topicTo(t *topic.Topic, d *topicDoc) {
	*d = topicDoc{
		ForumID: t.ForumID, UserID: t.UserID, Locked: t.Locked, Published: t.Published, Sticky: t.Sticky, Stamp: t.Stamp,
		MergedInto: t.MergedInto, First: t.First, Hits: t.Hits, Votes: t.Votes, Title: t.Title,
	}
}

func topicFrom(d *topicDoc, t *topic.Topic) {
	*t = topic.Topic{
		ForumID: d.ForumID, UserID: d.UserID, Locked: d.Locked, Published: d.Published, Sticky: d.Sticky, Stamp: d.Stamp,
		MergedInto: d.MergedInto, First: d.First, Hits: d.Hits, Votes: d.Votes, Title: d.Title,
	}
}

// Topics stores topics.
type Topics struct {
	*linked[topic.Topic, topicDoc, *topic.Topic, *topicDoc]
}

// Begun returns the ids below one of the topics somebody began, falling, and
// whether there may be more.
func (t *Topics) Begun(ctx context.Context, account, user, below int64, limit int) (ids []int64, more bool, err error) {
	p, err := t.docs.Find(ctx, ring.Read, account, docstore.Query{
		Index: "user", Eq: []any{user}, Desc: true, Limit: limit, Where: docstore.Cond{Op: "<", Field: "id", Value: below},
	})
	for _, d := range p.Items {
		ids = append(ids, d.ID)
	}
	return ids, len(p.Items) == limit, err
}

// commentDoc is a stored comment.
type commentDoc struct {
	docstore.Meta
	Origin    string `doc:"origin" why:"random mark of the idempotency record that made it"`
	TopicID   int64  `doc:"topic_id" field:"lethe.forums.v1.Comment.topic_id"`
	ForumID   int64  `doc:"forum_id" field:"lethe.forums.v1.Comment.forum_id"`
	UserID    *int64 `doc:"user_id" field:"lethe.forums.v1.Comment.user_id"`
	Answer    bool   `doc:"answer" field:"lethe.forums.v1.Comment.answer"`
	Published bool   `doc:"published" field:"lethe.forums.v1.Comment.published"`
	Spam      *bool  `doc:"spam" field:"lethe.forums.v1.Comment.spam"`
	Trash     bool   `doc:"trash" field:"lethe.forums.v1.Comment.trash"`
	Body      string `doc:"body,seal,body" field:"lethe.forums.v1.Comment.body"`
	Text      string `doc:"body_text,seal,body" field:"lethe.forums.v1.Comment.body_text"`
}

func (d *commentDoc) meta() *docstore.Meta { return &d.Meta }
func (d *commentDoc) mark() *string        { return &d.Origin }

var commentSpec = docstore.Spec{Name: "comments", Mentions: []string{"body", "body_text"}, Indexes: []docstore.Index{
	{Name: "topic", Fields: []string{"topic_id", "created_at"}},
	{Name: "forum", Fields: []string{"forum_id"}},
	{Name: "user", Fields: []string{"user_id", "topic_id"}},
}}

func commentTo(c *topic.Comment, d *commentDoc) {
	*d = commentDoc{
		TopicID: c.TopicID, ForumID: c.ForumID, UserID: c.UserID, Answer: c.Answer, Published: c.Published,
		Spam: c.Spam, Trash: c.Trash, Body: c.Body, Text: c.Text,
	}
}

func commentFrom(d *commentDoc, c *topic.Comment) {
	*c = topic.Comment{
		TopicID: d.TopicID, ForumID: d.ForumID, UserID: d.UserID, Answer: d.Answer, Published: d.Published,
		Spam: d.Spam, Trash: d.Trash, Body: d.Body, Text: d.Text,
	}
}

// Comments stores comments.
type Comments struct {
	*linked[topic.Comment, commentDoc, *topic.Comment, *commentDoc]
}

// Latest reads the last comment of a topic that is to be seen, without its text; nil for none.
func (c *Comments) Latest(ctx context.Context, account, topicID int64) (*topic.Comment, error) {
	p, err := c.docs.Find(ctx, ring.Read, account, docstore.Query{Index: "topic", Eq: []any{topicID}, Desc: true, Limit: 1})
	if err != nil || len(p.Items) == 0 {
		return nil, err
	}
	return c.value(p.Items[0]), nil
}

// FromOthers reports whether a topic has a comment that is not the person's,
// whatever fences stand.
func (c *Comments) FromOthers(ctx context.Context, s ring.Subject, topicID int64) (bool, error) {
	p, err := c.docs.Find(ctx, ring.Sweep, s.Account, docstore.Query{Index: "topic", Eq: []any{topicID}, Where: docstore.NotOwnedBy(s.ID), Limit: 1})
	return len(p.Items) > 0, err
}

// Joined returns the ids below one of the topics in which somebody commented,
// falling, each once, and whether there may be more.
func (c *Comments) Joined(ctx context.Context, account, user, below int64, limit int) (ids []int64, more bool, err error) {
	p, err := c.docs.Find(ctx, ring.Read, account, docstore.Query{Index: "user", Eq: []any{user}, To: below, Desc: true, Limit: limit})
	for _, d := range p.Items {
		if n := len(ids); n == 0 || ids[n-1] != d.TopicID {
			ids = append(ids, d.TopicID)
		}
	}
	return ids, len(p.Items) == limit, err
}

// Move puts some of a topic's comments into the forum that the topic is in, and
// says whether there are more. It opens none of them.
func (c *Comments) Move(ctx context.Context, account, topicID, forumID int64) (more bool, err error) {
	elsewhere := docstore.Cond{Op: "or", Conds: []docstore.Cond{
		{Op: "<", Field: "forum_id", Value: forumID}, {Op: ">", Field: "forum_id", Value: forumID},
	}}
	q := docstore.Query{Index: "topic", Eq: []any{topicID}, Where: elsewhere, Limit: 200}
	_, more, err = c.docs.UpdateWhere(ctx, ring.Sweep, account, q, map[string]any{"forum_id": forumID})
	return more, err
}

// ExportLinked reads the comments that are the account's and name a person, in
// the order of topics, behind the last one read (nil at the beginning).
func (c *Comments) ExportLinked(ctx context.Context, s ring.Subject, after *topic.Comment, limit int) ([]*topic.Comment, error) {
	q := c.links(s, limit)
	q.Bodies = true
	if after != nil {
		q.From = after.TopicID
		q.Where = docstore.Cond{Op: "and", Conds: []docstore.Cond{q.Where, {Op: "or", Conds: []docstore.Cond{
			{Op: ">", Field: "topic_id", Value: after.TopicID}, {Op: ">", Field: "id", Value: after.ID},
		}}}}
	}
	p, err := c.docs.Find(ctx, ring.Export, s.Account, q)
	return c.values(p.Items), err
}

// followDoc is a stored follow; its owner is who follows.
type followDoc struct {
	docstore.Meta
	UserID  int64  `doc:"user_id" field:"lethe.forums.v1.Follow.user_id"`
	ForumID *int64 `doc:"forum_id" field:"lethe.forums.v1.Follow.forum_id"`
	TopicID *int64 `doc:"topic_id" field:"lethe.forums.v1.Follow.topic_id"`
}

func (d *followDoc) meta() *docstore.Meta { return &d.Meta }
func (d *followDoc) mark() *string        { return new(string) } // a follow is there once, and needs no key for that

var followSpec = docstore.Spec{Name: "follows", Indexes: []docstore.Index{
	{Name: "forum", Fields: []string{"forum_id"}},
	{Name: "topic", Fields: []string{"topic_id"}},
	{Name: "user_forum", Fields: []string{"user_id", "forum_id"}, Unique: true},
	{Name: "user_topic", Fields: []string{"user_id", "topic_id"}, Unique: true},
}}

func followTo(f *topic.Follow, d *followDoc) {
	*d = followDoc{UserID: f.UserID, ForumID: f.ForumID, TopicID: f.TopicID}
}

func followFrom(d *followDoc, f *topic.Follow) {
	*f = topic.Follow{UserID: d.UserID, ForumID: d.ForumID, TopicID: d.TopicID}
}

// Follows stores who follows what.
type Follows struct {
	*Table[topic.Follow, followDoc, *topic.Follow, *followDoc]
}

// Find returns somebody's follow of a place (record.ByForum or record.ByTopic).
// docstore.ErrNotFound, also when the person is withheld.
func (f *Follows) Find(ctx context.Context, account, user int64, a record.At) (*topic.Follow, error) {
	p, err := f.docs.Find(ctx, ring.Read, account, docstore.Query{Index: "user_" + string(a.By), Eq: []any{user, a.ID}, Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(p.Items) == 0 {
		return nil, docstore.ErrNotFound
	}
	return f.value(p.Items[0]), nil
}

// Topics reads the follows of topics of a person with an id below one, falling.
func (f *Follows) Topics(ctx context.Context, account, user, below int64, limit int) ([]*topic.Follow, error) {
	p, err := f.docs.Find(ctx, ring.Read, account, docstore.Query{
		Index: "owner", Eq: []any{user}, Desc: true, Limit: limit,
		Where: docstore.Cond{Op: "and", Conds: []docstore.Cond{{Op: "notnull", Field: "topic_id"}, {Op: "<", Field: "id", Value: below}}},
	})
	return f.values(p.Items), err
}

// CountByUser counts a person's follows by another way than the owner, which a
// sweep goes by, and whatever fences stand.
func (f *Follows) CountByUser(ctx context.Context, s ring.Subject) (int64, error) {
	forums, err := f.docs.Count(ctx, ring.Sweep, s.Account, docstore.Query{Index: "user_forum", Eq: []any{s.ID}})
	if err != nil {
		return 0, err
	}
	topics, err := f.docs.Count(ctx, ring.Sweep, s.Account, docstore.Query{Index: "user_topic", Eq: []any{s.ID}})
	return forums + topics, err
}
