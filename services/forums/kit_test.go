package forums

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	forumsv1 "github.com/lethe-desk/lethe/gen/go/lethe/forums/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/servicetest"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

// The agents every desk has.
const (
	firstAgent = servicetest.FirstAgent
	otherAgent = servicetest.OtherAgent
)

// desk is a running service with clients and callers.
type desk struct {
	*servicetest.Kit
	t      *testing.T
	svc    *Service
	people *servicetest.Crowd

	forums      forumsv1.ForumsServiceClient
	topics      forumsv1.TopicsServiceClient
	solutions   forumsv1.SolutionsServiceClient
	participant participantv1.PersonalDataServiceClient

	// agent, admin and privacy are contexts of these callers in account 1, stranger an agent of account 2.
	agent, admin, privacy, stranger context.Context
	sequence                        atomic.Int64
	names                           atomic.Int64
	// places are the forum of each account that seeds use.
	places map[int64]int64
}

var (
	must       = servicetest.Must
	refusal    = servicetest.Refused
	notFound   = servicetest.NotFound
	violations = servicetest.Violations
)

// open starts a desk in a new folder.
func open(t *testing.T, sabotage ...func(*Service)) *desk {
	t.Helper()
	return openOn(servicetest.New(t, servicetest.Options{}), sabotage...)
}

// openOn starts a desk on the stores of a kit. Sabotage breaks the service before it takes calls.
func openOn(k *servicetest.Kit, sabotage ...func(*Service)) *desk {
	k.T.Helper()
	d := &desk{Kit: k, t: k.T, people: servicetest.NewCrowd(), places: map[int64]int64{}}
	k.Run(d.people.Service())
	k.Run(servicetest.Service{Name: Name, Declared: Services(), Open: func(ctx context.Context) (_ servicetest.Running, err error) {
		d.svc, err = New(ctx, Config{Store: k.Store(Name), Contacts: k.ConnAs("contacts", Name), Now: k.Clock.Now, Log: k.Log})
		for _, f := range sabotage {
			f(d.svc)
		}
		return d.svc, err
	}})
	conn := k.Conn(Name)
	d.forums, d.topics = forumsv1.NewForumsServiceClient(conn), forumsv1.NewTopicsServiceClient(conn)
	d.solutions, d.participant = forumsv1.NewSolutionsServiceClient(conn), participantv1.NewPersonalDataServiceClient(conn)
	d.later(0)
	return d
}

// later moves the clock and renews the callers' tokens.
func (d *desk) later(by time.Duration) {
	d.Clock.Advance(by)
	d.agent, d.admin, d.stranger, d.privacy = d.Agent(1), d.Admin(1), d.Agent(2), d.Privacy(1)
}

// person adds a contact to account 1 and returns the id.
func (d *desk) person(email string) int64 { return d.people.Person(1, email) }

// name is one that nothing else has.
func (d *desk) name(of string) string { return of + " " + strconv.FormatInt(d.names.Add(1), 10) }

func (d *desk) category() int64 {
	d.t.Helper()
	out, err := d.forums.CreateCategory(d.agent, &forumsv1.CreateCategoryRequest{Category: &forumsv1.CategoryInput{Name: ptr(d.name("category"))}})
	must(d.t, err)
	return out.GetCategory().GetId()
}

// forum makes a forum of a type in a category, a new one for 0.
func (d *desk) forum(category int64, kind int32) int64 {
	d.t.Helper()
	if category == 0 {
		category = d.category()
	}
	out, err := d.forums.CreateForum(d.agent, &forumsv1.CreateForumRequest{CategoryId: category, Forum: &forumsv1.ForumInput{
		Name: ptr(d.name("forum")), ForumType: &kind, ForumVisibility: ptr[int32](1),
	}})
	must(d.t, err)
	return out.GetForum().GetId()
}

// topic makes a topic by somebody, 0 for the agent, with text in title and message.
func (d *desk) topic(forum, user int64, text string) *forumsv1.Topic {
	d.t.Helper()
	in := &forumsv1.TopicInput{Title: &text, Message: &text}
	if user != 0 {
		in.UserId = &user
	}
	out, err := d.topics.CreateTopic(d.agent, &forumsv1.CreateTopicRequest{ForumId: forum, Topic: in})
	must(d.t, err)
	return out.GetTopic()
}

func (d *desk) getTopic(id int64) (*forumsv1.Topic, error) {
	out, err := d.topics.GetTopic(d.agent, &forumsv1.GetTopicRequest{Id: id})
	return out.GetTopic(), err
}

func (d *desk) mustTopic(id int64) *forumsv1.Topic {
	d.t.Helper()
	out, err := d.getTopic(id)
	must(d.t, err)
	return out
}

func (d *desk) updateTopic(id int64, in *forumsv1.TopicInput, paths ...string) (*forumsv1.Topic, error) {
	out, err := d.topics.UpdateTopic(d.agent, &forumsv1.UpdateTopicRequest{Id: id, Topic: in, UpdateMask: mask(paths...)})
	return out.GetTopic(), err
}

// comment adds a comment by somebody, 0 for the agent.
func (d *desk) comment(topic, user int64, text string) *forumsv1.Comment {
	d.t.Helper()
	in := &forumsv1.CommentInput{Body: &text}
	if user != 0 {
		in.UserId = &user
	}
	out, err := d.topics.CreateComment(d.agent, &forumsv1.CreateCommentRequest{TopicId: topic, Comment: in})
	must(d.t, err)
	return out.GetComment()
}

func (d *desk) comments(topic int64) []*forumsv1.Comment {
	d.t.Helper()
	out, err := d.topics.ListComments(d.agent, &forumsv1.ListCommentsRequest{TopicId: topic})
	must(d.t, err)
	return out.GetComments()
}

func (d *desk) follow(topic, user int64) {
	d.t.Helper()
	_, err := d.topics.FollowTopic(d.agent, &forumsv1.FollowTopicRequest{Id: topic, UserId: &user})
	must(d.t, err)
}

func (d *desk) shelf() int64 {
	d.t.Helper()
	out, err := d.solutions.CreateSolutionCategory(d.agent, &forumsv1.CreateSolutionCategoryRequest{Category: &forumsv1.SolutionCategoryInput{Name: ptr(d.name("shelf"))}})
	must(d.t, err)
	return out.GetCategory().GetId()
}

// folder makes a folder in a category, in a folder of it unless that is 0.
func (d *desk) folder(category, parent int64, name string) *forumsv1.Folder {
	d.t.Helper()
	in := &forumsv1.FolderInput{Name: &name}
	if parent != 0 {
		in.ParentFolderId = &parent
	}
	out, err := d.solutions.CreateFolder(d.agent, &forumsv1.CreateFolderRequest{CategoryId: category, Folder: in})
	must(d.t, err)
	return out.GetFolder()
}

func (d *desk) article(folder int64, agent *int64, text string) *forumsv1.Article {
	d.t.Helper()
	out, err := d.solutions.CreateArticle(d.agent, &forumsv1.CreateArticleRequest{FolderId: folder, Article: &forumsv1.ArticleInput{
		Title: &text, Description: &text, Status: ptr[int32](2), AgentId: agent, Tags: []string{"tag"},
		SeoData: &forumsv1.SeoData{MetaTitle: &text, MetaDescription: &text, MetaKeywords: &text},
	}})
	must(d.t, err)
	return out.GetArticle()
}

func subject(id int64) *participantv1.Subject {
	return &participantv1.Subject{Account: ptr[int64](1), Id: &id}
}

// token returns one higher than all before.
func (d *desk) token() *participantv1.Token {
	return &participantv1.Token{Sequence: ptr(d.sequence.Add(1)), Epoch: ptr[int32](1), Stage: ptr[int32](1)}
}

func (d *desk) fence(id int64, mode participantv1.Mode, saga string) {
	d.t.Helper()
	_, err := d.participant.Fence(d.privacy, &participantv1.FenceRequest{Subject: subject(id), Mode: &mode, Saga: &saga, Token: d.token()})
	must(d.t, err)
}

func (d *desk) unfence(id int64, saga string) {
	d.t.Helper()
	_, err := d.participant.Unfence(d.privacy, &participantv1.UnfenceRequest{Subject: subject(id), Saga: &saga, Token: d.token()})
	must(d.t, err)
}

func (d *desk) counts(id int64) map[string]*participantv1.Count {
	d.t.Helper()
	out, err := d.participant.CountHoldings(d.privacy, &participantv1.CountHoldingsRequest{Subject: subject(id)})
	must(d.t, err)
	counts := map[string]*participantv1.Count{}
	for _, c := range out.GetCounts() {
		counts[c.GetResource()] = c
	}
	return counts
}

// erase runs an erasure's calls and returns the outcomes as "resource category kind" with their counts.
func (d *desk) erase(id int64, kind participantv1.SubjectKind) map[string]int64 {
	d.t.Helper()
	saga := "erase"
	d.fence(id, participantv1.Mode_MODE_ERASING, saga)
	_, err := d.participant.Destroy(d.privacy, &participantv1.DestroyRequest{Subject: subject(id), Saga: &saga, Token: d.token()})
	must(d.t, err)
	answers, err := servicetest.All(d.participant.Sweep(d.privacy, &participantv1.SweepRequest{Subject: subject(id), Saga: &saga, Token: d.token(), Kind: &kind}))
	must(d.t, err)
	out := map[string]int64{}
	for _, o := range answers[len(answers)-1].GetOutcomes() {
		out[o.GetResource()+" "+o.GetCategory().String()[len("CATEGORY_"):]+" "+o.GetKind().String()[len("OUTCOME_KIND_"):]] += o.GetCount()
	}
	return out
}

func ptr[T any](v T) *T { return &v }

func mask(paths ...string) *fieldmaskpb.FieldMask { return &fieldmaskpb.FieldMask{Paths: paths} }

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	servicetest.Equal(t, what, got, want)
}
