package forums

import (
	"context"
	"testing"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	forumsv1 "github.com/lethe-desk/lethe/gen/go/lethe/forums/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/participanttest"
	"github.com/lethe-desk/lethe/services/internal/platform/servicetest"
	"google.golang.org/protobuf/proto"
)

// things are what seed made of a person: the last topic with its last comment, in a forum.
type things struct{ forum, topic, comment int64 }

// seed makes a contact with n topics, twice as many comments and as many follows,
// or an agent who follows n topics of another one's.
func (d *desk) seed(account int64, kind participantv1.SubjectKind, n int, mark string) participanttest.Person {
	d.t.Helper()
	who := d.people.Person(account, mark+"@example.org")
	author := &who
	if kind == agent {
		d.people.Set(account, who, func(p *contactsv1.Person) { p.Agent = ptr(true) })
		author = nil
	}
	p := participanttest.Person{Account: account, ID: who, Kind: kind, Mark: mark}
	forum := d.place(account)
	_, err := d.forums.FollowForum(d.Admin(account), &forumsv1.FollowForumRequest{Id: forum, UserId: &who})
	must(d.t, err)
	for range n {
		topic, err := d.topics.CreateTopic(d.Admin(account), &forumsv1.CreateTopicRequest{ForumId: forum, Topic: &forumsv1.TopicInput{Title: &mark, Message: &mark, UserId: author}})
		must(d.t, err)
		id := topic.GetTopic().GetId()
		comment, err := d.topics.CreateComment(d.Admin(account), &forumsv1.CreateCommentRequest{TopicId: id, Comment: &forumsv1.CommentInput{Body: &mark, UserId: author}})
		must(d.t, err)
		_, err = d.topics.FollowTopic(d.Admin(account), &forumsv1.FollowTopicRequest{Id: id, UserId: &who})
		must(d.t, err)
		p.Things = things{forum, id, comment.GetComment().GetId()}
	}
	return p
}

// place is a forum of an account, the same each time.
func (d *desk) place(account int64) int64 {
	if d.places[account] == 0 {
		category, err := d.forums.CreateCategory(d.Admin(account), &forumsv1.CreateCategoryRequest{Category: &forumsv1.CategoryInput{Name: ptr("place")}})
		must(d.t, err)
		forum, err := d.forums.CreateForum(d.Admin(account), &forumsv1.CreateForumRequest{CategoryId: category.GetCategory().GetId(), Forum: &forumsv1.ForumInput{
			Name: ptr("place"), ForumType: ptr[int32](2), ForumVisibility: ptr[int32](1)}})
		must(d.t, err)
		d.places[account] = forum.GetForum().GetId()
	}
	return d.places[account]
}

func (d *desk) methods(p participanttest.Person) []participanttest.Method {
	all := append(d.topicMethods(p), d.commentMethods(p)...)
	if p.Kind == agent {
		all = agentsOwn(all)
	}
	for _, name := range []string{"ForumsService/CreateCategory", "ForumsService/GetCategory", "ForumsService/ListCategories", "ForumsService/UpdateCategory",
		"ForumsService/DeleteCategory", "ForumsService/CreateForum", "ForumsService/GetForum", "ForumsService/ListForums", "ForumsService/UpdateForum", "ForumsService/DeleteForum",
		"SolutionsService/CreateSolutionCategory", "SolutionsService/GetSolutionCategory", "SolutionsService/ListSolutionCategories",
		"SolutionsService/UpdateSolutionCategory", "SolutionsService/DeleteSolutionCategory", "SolutionsService/CreateFolder", "SolutionsService/GetFolder",
		"SolutionsService/ListFolders", "SolutionsService/UpdateFolder", "SolutionsService/DeleteFolder", "SolutionsService/ListSubfolders",
		"SolutionsService/CreateArticle", "SolutionsService/GetArticle", "SolutionsService/ListArticles", "SolutionsService/UpdateArticle", "SolutionsService/DeleteArticle"} {
		all = append(all, participanttest.Method{Name: name, Kind: participanttest.Apart, Why: "is about what is the account's"})
	}
	return all
}

// agentsOwn are the methods about what an agent owns: follows. The topics are
// another one's, so a fence on the agent makes the body wrong that names them.
func agentsOwn(all []participanttest.Method) (own []participanttest.Method) {
	kinds := map[string]participanttest.Kind{
		"ForumsService/FollowForum": participanttest.Named, "ForumsService/CheckForumFollow": participanttest.One, "ForumsService/UnfollowForum": participanttest.Named,
		"TopicsService/CreateTopic": participanttest.Named, "TopicsService/CreateComment": participanttest.Named, "TopicsService/ListFollowedTopics": participanttest.List,
		"TopicsService/FollowTopic": participanttest.Named, "TopicsService/CheckTopicFollow": participanttest.One, "TopicsService/UnfollowTopic": participanttest.Named,
	}
	for _, m := range all {
		if kind, mine := kinds[m.Name]; mine {
			m.Kind = kind
			own = append(own, m)
		}
	}
	return own
}

func (d *desk) topicMethods(p participanttest.Person) []participanttest.Method {
	f, _ := p.Things.(things)
	return []participanttest.Method{
		{Name: "ForumsService/FollowForum", Kind: participanttest.Named, Call: func(ctx context.Context) (proto.Message, error) {
			return d.forums.FollowForum(ctx, &forumsv1.FollowForumRequest{Id: f.forum, UserId: &p.ID})
		}},
		{Name: "ForumsService/CheckForumFollow", Call: func(ctx context.Context) (proto.Message, error) {
			return d.forums.CheckForumFollow(ctx, &forumsv1.CheckForumFollowRequest{Id: f.forum, UserId: &p.ID})
		}},
		{Name: "ForumsService/UnfollowForum", Kind: participanttest.Named, Call: func(ctx context.Context) (proto.Message, error) {
			return d.forums.UnfollowForum(ctx, &forumsv1.UnfollowForumRequest{Id: f.forum, UserId: &p.ID})
		}},
		{Name: "TopicsService/GetTopic", Shows: true, Call: func(ctx context.Context) (proto.Message, error) {
			return d.topics.GetTopic(ctx, &forumsv1.GetTopicRequest{Id: f.topic})
		}},
		{Name: "TopicsService/ListTopics", Kind: participanttest.List, Call: func(ctx context.Context) (proto.Message, error) {
			return d.topics.ListTopics(ctx, &forumsv1.ListTopicsRequest{ForumId: f.forum, PerPage: ptr[int32](100)})
		}},
		{Name: "TopicsService/ListFollowedTopics", Kind: participanttest.List, Call: func(ctx context.Context) (proto.Message, error) {
			return d.topics.ListFollowedTopics(ctx, &forumsv1.ListFollowedTopicsRequest{UserId: &p.ID})
		}},
		{Name: "TopicsService/ListParticipatedTopics", Kind: participanttest.List, Call: func(ctx context.Context) (proto.Message, error) {
			return d.topics.ListParticipatedTopics(ctx, &forumsv1.ListParticipatedTopicsRequest{UserId: &p.ID})
		}},
		{Name: "TopicsService/CreateTopic", Kind: participanttest.Named, Call: func(ctx context.Context) (proto.Message, error) {
			return d.topics.CreateTopic(ctx, &forumsv1.CreateTopicRequest{ForumId: f.forum, Topic: &forumsv1.TopicInput{Title: ptr("x"), Message: ptr("x"), UserId: &p.ID}})
		}},
		{Name: "TopicsService/UpdateTopic", Call: func(ctx context.Context) (proto.Message, error) {
			return d.topics.UpdateTopic(ctx, &forumsv1.UpdateTopicRequest{Id: f.topic, Topic: &forumsv1.TopicInput{Sticky: ptr(true), Message: ptr("x")}, UpdateMask: mask("sticky", "message")})
		}},
		{Name: "TopicsService/FollowTopic", Call: func(ctx context.Context) (proto.Message, error) {
			return d.topics.FollowTopic(ctx, &forumsv1.FollowTopicRequest{Id: f.topic, UserId: &p.ID})
		}},
		{Name: "TopicsService/CheckTopicFollow", Call: func(ctx context.Context) (proto.Message, error) {
			return d.topics.CheckTopicFollow(ctx, &forumsv1.CheckTopicFollowRequest{Id: f.topic, UserId: &p.ID})
		}},
		{Name: "TopicsService/UnfollowTopic", Call: func(ctx context.Context) (proto.Message, error) {
			return d.topics.UnfollowTopic(ctx, &forumsv1.UnfollowTopicRequest{Id: f.topic, UserId: &p.ID})
		}},
	}
}

func (d *desk) commentMethods(p participanttest.Person) []participanttest.Method {
	f, _ := p.Things.(things)
	return []participanttest.Method{
		{Name: "TopicsService/ListComments", Shows: true, Call: func(ctx context.Context) (proto.Message, error) {
			return d.topics.ListComments(ctx, &forumsv1.ListCommentsRequest{TopicId: f.topic})
		}},
		{Name: "TopicsService/CreateComment", Call: func(ctx context.Context) (proto.Message, error) {
			return d.topics.CreateComment(ctx, &forumsv1.CreateCommentRequest{TopicId: f.topic, Comment: &forumsv1.CommentInput{Body: ptr("x"), UserId: &p.ID}})
		}},
		{Name: "TopicsService/UpdateComment", Call: func(ctx context.Context) (proto.Message, error) {
			return d.topics.UpdateComment(ctx, &forumsv1.UpdateCommentRequest{Id: f.comment, Comment: &forumsv1.CommentInput{Body: ptr("x")}, UpdateMask: mask("body")})
		}},
		{Name: "TopicsService/DeleteComment", Ends: true, Call: func(ctx context.Context) (proto.Message, error) {
			return d.topics.DeleteComment(ctx, &forumsv1.DeleteCommentRequest{Id: f.comment})
		}},
		{Name: "TopicsService/DeleteTopic", Ends: true, Call: func(ctx context.Context) (proto.Message, error) {
			return d.topics.DeleteTopic(ctx, &forumsv1.DeleteTopicRequest{Id: f.topic})
		}},
	}
}

// link lets somebody, as an agent, be the last to comment on the owner's topic.
func (d *desk) link(owner, who participanttest.Person) {
	d.t.Helper()
	d.people.Set(who.Account, who.ID, func(p *contactsv1.Person) { p.Agent = ptr(true) })
	f, _ := owner.Things.(things)
	_, err := d.topics.CreateComment(d.Admin(1), &forumsv1.CreateCommentRequest{TopicId: f.topic, Comment: &forumsv1.CommentInput{Body: ptr("from the desk"), UserId: &who.ID}})
	must(d.t, err)
}

// mention writes a text into every field of somebody's that takes one.
func (d *desk) mention(owner participanttest.Person, text string) {
	d.t.Helper()
	_, err := d.topics.CreateTopic(d.Admin(1), &forumsv1.CreateTopicRequest{ForumId: d.place(1), Topic: &forumsv1.TopicInput{Title: &text, Message: &text, UserId: &owner.ID}})
	must(d.t, err)
}

// conformance is how the suite of all participants uses a desk.
func conformance(k *servicetest.Kit) *participanttest.Harness {
	d := openOn(k)
	return &participanttest.Harness{Service: Name, Kinds: []participantv1.SubjectKind{contact, agent}, Seed: d.seed, Methods: d.methods, Link: d.link, Mention: d.mention}
}

func TestParticipant(t *testing.T) { participanttest.Run(t, servicetest.Options{}, conformance) }

// The same suite over the wire, with the documents and the keys on MongoDB.
func TestParticipantOnMongo(t *testing.T) {
	o := servicetest.OnMongo(t)
	o.InProcess = true
	participanttest.Run(t, o, conformance)
}
