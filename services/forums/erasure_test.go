package forums

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	forumsv1 "github.com/lethe-desk/lethe/gen/go/lethe/forums/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/forums/internal/app"
	"github.com/lethe-desk/lethe/services/forums/internal/record"
	"github.com/lethe-desk/lethe/services/forums/internal/rpc"
	"github.com/lethe-desk/lethe/services/forums/internal/topic"
	"github.com/lethe-desk/lethe/services/internal/platform/mention"
	"github.com/lethe-desk/lethe/services/internal/platform/participant"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/internal/platform/servicetest"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

const (
	contact = participantv1.SubjectKind_SUBJECT_KIND_CONTACT
	agent   = participantv1.SubjectKind_SUBJECT_KIND_AGENT
)

// exported runs an export from a cursor and returns the records with their cursors.
func (d *desk) exported(who int64, cursor string) (records []proto.Message, cursors []string) {
	d.t.Helper()
	answers, err := servicetest.All(d.participant.Export(d.privacy, &participantv1.ExportRequest{Subject: subject(who), Scope: participantv1.ExportScope_EXPORT_SCOPE_ACCESS.Enum(), Cursor: &cursor}))
	must(d.t, err)
	for _, a := range answers {
		m, err := a.GetRecord().UnmarshalNew()
		must(d.t, err)
		records, cursors = append(records, m), append(cursors, a.GetCursor())
	}
	return records, cursors
}

// mangled breaks the participant's resources, by the name of their message.
func mangled(f func(name string, r *participant.Resource, s *Service)) func(*Service) {
	return func(s *Service) {
		resources := rpc.Resources(s.app)
		for i := range resources {
			f(string(resources[i].Message.ProtoReflect().Descriptor().Name()), &resources[i], s)
		}
		s.part = participant.New(s.db, Name, resources)
	}
}

// namedShells writes shells that still name their author.
type namedShells struct{ app.Topics }

func (n namedShells) Update(ctx context.Context, p ring.Purpose, t *topic.Topic) error {
	if p == ring.Sweep {
		t.UserID = ptr[int64](101)
	}
	return n.Topics.Update(ctx, p, t)
}

// A topic of somebody erased in which others wrote becomes a blank shell; one
// without others' words goes. Bystanders' words stay as they were, byte by byte.
func TestBlankShells(t *testing.T) {
	if wrong := shells(t); len(wrong) > 0 {
		t.Errorf("%s", strings.Join(wrong, "\n"))
	}
	for name, sabotage := range map[string]func(*Service){
		"topics go whoever wrote in them": mangled(func(name string, r *participant.Resource, s *Service) {
			if name == "Topic" {
				r.Blank, r.Sweep = nil, s.app.Topics.SweepOwned
			}
		}),
		"shells name their author": func(s *Service) {
			s.app.Topics = namedShells{s.app.Topics}
			mangled(func(string, *participant.Resource, *Service) {})(s)
		},
		"comments stay": mangled(func(name string, r *participant.Resource, _ *Service) {
			if name == "Comment" {
				r.Sweep = func(context.Context, ring.Subject, int) (int, bool, error) { return 0, false, nil }
			}
		}),
		"others' comments go with the topic": mangled(func(name string, r *participant.Resource, s *Service) {
			if name == "Topic" {
				blank := r.Blank
				r.Blank = func(ctx context.Context, who ring.Subject, limit int) (int, bool, error) {
					topics, err := s.app.Topics.ClearOwned(ctx, who, 0, limit)
					for _, one := range topics {
						_, err = s.app.Comments.Empty(ctx, who.Account, record.In(record.ByTopic, one.ID))
					}
					if err != nil {
						return 0, false, err
					}
					return blank(ctx, who, limit)
				}
			}
		}),
	} {
		if wrong := shells(t, sabotage); len(wrong) == 0 {
			t.Errorf("nobody notices that %s", name)
		}
	}
}

// shells erases somebody and returns what is wrong behind that.
func shells(t *testing.T, sabotage ...func(*Service)) (wrong []string) {
	d := open(t, sabotage...)
	anna, bert, carl := d.person("anna@example.org"), d.person("bert@example.org"), d.person("carl@example.org")
	if anna != 101 {
		t.Fatal("the sabotage means somebody else")
	}
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	forum := d.forum(0, 2)
	alone, shared, hidden := d.topic(forum, anna, "secret").GetId(), d.topic(forum, anna, "secret").GetId(), d.topic(forum, anna, "secret").GetId()
	berts := d.topic(forum, bert, "other").GetId()
	for _, id := range []int64{alone, shared, berts} {
		d.comment(id, anna, "secret")
		d.follow(id, anna)
		d.follow(id, carl)
	}
	d.comment(shared, bert, "other")
	d.comment(berts, bert, "other")
	d.comment(hidden, carl, "other")
	_, err := d.updateTopic(shared, &forumsv1.TopicInput{Sticky: ptr(true), Locked: ptr(true), StampType: ptr[int32](2)}, "sticky", "locked", "stamp_type")
	must(t, err)
	d.fence(carl, participantv1.Mode_MODE_HIDDEN, "hide")
	before, bystander := d.mustTopic(shared), texts(first(d.exported(bert, "")))

	outcomes := d.erase(anna, contact)
	want := map[string]int64{"topics CONTENT ANONYMISED": 2, "topics CONTENT ERASED": 1, "comments CONTENT ERASED": 6, "follows ACTIVITY ERASED": 3,
		"topics LINKS NONE_FOUND": 0, "comments LINKS NONE_FOUND": 0, "articles LINKS NONE_FOUND": 0, "articles CONTENT NONE_FOUND": 0}
	if fmt.Sprint(outcomes) != fmt.Sprint(want) {
		bad("outcomes %v, want %v", outcomes, want)
	}
	d.unfence(carl, "hide")
	if _, err := d.getTopic(alone); err == nil {
		bad("a topic nobody else wrote in is left")
	}
	for _, id := range []int64{shared, hidden} {
		now, err := d.getTopic(id)
		if err != nil {
			bad("a topic others wrote in is gone: %v", err)
			continue
		}
		comments := d.comments(id)
		if now.GetTitle() != "" || now.UserId != nil || now.GetPostsCount() != 1 || len(comments) != 1 || comments[0].GetBodyText() != "other" {
			bad("shell %v with %v", now, comments)
		}
		if id == shared {
			before.Title, before.UserId, before.PostsCount = ptr(""), nil, ptr[int64](1)
			if !proto.Equal(before, now) {
				bad("the shell is %v, want %v", now, before)
			}
		}
	}
	if now := texts(first(d.exported(bert, ""))); !slices.Equal(now, bystander) {
		bad("bystander has %v, had %v", now, bystander)
	}
	if n := d.counts(carl)["follows"].GetOwned(); n != 2 {
		bad("bystander follows %d, want the two topics that are left", n)
	}
	for name, c := range d.counts(anna) {
		if c.GetOwned() != 0 || c.GetLinked() != 0 {
			bad("left of %s: %v", name, c)
		}
	}
	return wrong
}

func first[A, B any](a A, _ B) A { return a }

// texts are the records in their one encoding.
func texts(records []proto.Message) (out []string) {
	for _, m := range records {
		b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
		if err != nil {
			panic(err)
		}
		out = append(out, string(m.ProtoReflect().Descriptor().Name())+string(b))
	}
	return out
}

// agentsWork makes a topic, a comment and an article in the name of an agent, and
// returns a function that reads them.
func (d *desk) agentsWork(who, forum, folder int64, text string) func() []proto.Message {
	id := d.topic(forum, who, text).GetId()
	d.comment(id, who, text)
	article := d.article(folder, &who, text).GetId()
	return func() []proto.Message {
		out, err := d.solutions.GetArticle(d.agent, &forumsv1.GetArticleRequest{Id: article})
		must(d.t, err)
		all := []proto.Message{d.mustTopic(id), out.GetArticle()}
		for _, c := range d.comments(id) {
			all = append(all, c)
		}
		return all
	}
}

// bare takes what differs between two things made one after the other out of
// records: ids and times. The links to people stay.
func bare(records []proto.Message) []string {
	for _, m := range records {
		for _, name := range []string{"id", "topic_id", "created_at", "updated_at", "replied_at"} {
			if f := m.ProtoReflect().Descriptor().Fields().ByTextName(name); f != nil {
				m.ProtoReflect().Clear(f)
			}
		}
	}
	return texts(records)
}

// What two erased agents wrote names the same former agent, byte for byte, and is else as it was.
func TestErasedAgentsCannotBeToldApart(t *testing.T) {
	if wrong := formerAgents(t); wrong != "" {
		t.Error(wrong)
	}
	to := func(f func(s ring.Subject) int64) func(*Service) {
		return mangled(func(_ string, r *participant.Resource, _ *Service) {
			if r.Links != nil {
				links := *r.Links
				r.Links = &participant.Links{Count: links.Count, Relink: func(ctx context.Context, s ring.Subject, _ int64, limit int) (int, bool, error) {
					return links.Relink(ctx, s, f(s), limit)
				}}
			}
		})
	}
	for name, sabotage := range map[string]func(*Service){
		"each gets an heir of their own": to(func(s ring.Subject) int64 { return s.ID + 1000 }),
		"links are emptied":              to(func(ring.Subject) int64 { return 0 }),
		"articles are left out": mangled(func(name string, r *participant.Resource, _ *Service) {
			if name == "Article" {
				r.Links = nil
			}
		}),
	} {
		if formerAgents(t, sabotage) == "" {
			t.Errorf("nobody notices that %s", name)
		}
	}
}

// formerAgents erases two agents and says what is wrong behind that.
func formerAgents(t *testing.T, sabotage ...func(*Service)) string {
	d := open(t, sabotage...)
	forum, folder := d.forum(0, 2), d.folder(d.shelf(), 0, "f").GetId()
	one, two := d.agentNamed("one@desk.example"), d.agentNamed("two@desk.example")
	first, second := d.agentsWork(one, forum, folder, "text"), d.agentsWork(two, forum, folder, "text")
	before := texts(first())
	for _, who := range []int64{one, two} {
		equal(t, "topics", d.counts(who)["topics"].GetLinked(), 1)
		d.erase(who, agent)
		for name, c := range d.counts(who) {
			if c.GetLinked() != 0 || name == "articles" && c.Linked == nil {
				return "links are left in " + name
			}
		}
	}
	now := first()
	if former := now[0].(*forumsv1.Topic); former.GetUserId() != participant.FormerAgent || former.GetRepliedBy() != participant.FormerAgent {
		return "a topic names " + former.String()
	}
	for _, m := range now { // nothing but the link has changed, not even a time
		relink(m, one)
	}
	if !slices.Equal(texts(now), before) {
		return "more than links has changed"
	}
	if !slices.Equal(bare(first()), bare(second())) {
		return "two erased agents can be told apart"
	}
	return ""
}

// relink puts somebody back in place of the former agent.
func relink(m proto.Message, who int64) {
	for _, name := range []string{"user_id", "replied_by", "agent_id"} {
		if f := m.ProtoReflect().Descriptor().Fields().ByTextName(name); f != nil && m.ProtoReflect().Get(f).Int() == participant.FormerAgent {
			m.ProtoReflect().Set(f, protoreflect.ValueOfInt64(who))
		}
	}
}

// agentNamed adds an agent to account 1 and returns the id.
func (d *desk) agentNamed(email string) int64 {
	id := d.person(email)
	d.people.Set(1, id, func(p *contactsv1.Person) { p.Agent = ptr(true) })
	return id
}

// An agent's export holds follows, and the contributions apart; it goes on behind any cursor.
func TestExportOfContributions(t *testing.T) {
	d := open(t)
	forum, folder := d.forum(0, 2), d.folder(d.shelf(), 0, "f").GetId()
	who := d.agentNamed("one@desk.example")
	var topics []int64
	for range 3 {
		topics = append(topics, d.topic(forum, who, "secret").GetId())
		d.article(folder, &who, "secret")
	}
	for i := range 6 { // in another order than that of their topics
		d.comment(topics[2-i%3], who, "secret")
		d.comment(topics[i%3], 0, "other")
	}
	d.follow(topics[0], who)
	records, cursors := d.exported(who, "")
	kinds := map[string]int{}
	for _, m := range records {
		kinds[string(m.ProtoReflect().Descriptor().Name())]++
		if strings.Contains(fmt.Sprint(m), "other") {
			t.Errorf("%v", m)
		}
	}
	equal(t, "records", fmt.Sprint(kinds), "map[Article:3 Comment:9 Follow:1 Topic:3]")
	for i, cursor := range cursors {
		rest, _ := d.exported(who, cursor)
		if !slices.Equal(texts(rest), texts(records[i+1:])) {
			t.Errorf("behind %q: %d of %d", cursor, len(rest), len(records)-i-1)
		}
	}
	for _, bad := range []string{"1:x", "2:l5", "2:l5.x", "3:lx", "1:-1"} {
		_, err := servicetest.All(d.participant.Export(d.privacy, &participantv1.ExportRequest{Subject: subject(who), Scope: participantv1.ExportScope_EXPORT_SCOPE_ACCESS.Enum(), Cursor: &bad}))
		refusal(t, err, faultv1.Reason_REASON_INVALID_VALUE)
	}
}

// blindRing sees no fence: the sabotage of the test below.
type blindRing struct{}

func (blindRing) Modes(context.Context, ring.Subject) (ring.Mode, error) { return 0, nil }

// What an agent wrote behind the back of the sweep does not name them either.
func TestAgentWhoWritesWhileErased(t *testing.T) {
	for _, sabotaged := range []bool{false, true} {
		d := open(t)
		id := d.topic(d.forum(0, 2), 0, "topic").GetId()
		d.svc.app.Comments = &late{Comments: d.svc.app.Comments, do: func() {
			d.erase(firstAgent, agent)
			if sabotaged {
				d.svc.app.Ring = blindRing{}
			}
		}}
		err := second(d.topics.CreateComment(d.agent, &forumsv1.CreateCommentRequest{TopicId: id, Comment: &forumsv1.CommentInput{Body: ptr("x")}}))
		if left := d.counts(firstAgent)["comments"].GetLinked(); (left != 0 || err == nil) != sabotaged {
			t.Errorf("sabotaged %v: %d left, answer %v", sabotaged, left, err)
		}
		if !sabotaged {
			refusal(t, second(d.topics.CreateComment(d.agent, &forumsv1.CreateCommentRequest{TopicId: id, Comment: &forumsv1.CommentInput{Body: ptr("x")}})), faultv1.Reason_REASON_ACCESS_DENIED)
		}
	}
}

// Articles are searched for the words by which a person is recognised, in every field.
func TestArticlesAreRedacted(t *testing.T) {
	d := open(t)
	anna := d.person("anna@example.org")
	article := d.article(d.folder(d.shelf(), 0, "f").GetId(), nil, "ask anna@example.org").GetId()
	other := d.article(d.folder(d.shelf(), 0, "f").GetId(), nil, "ask joanna@example.org")
	d.fence(anna, participantv1.Mode_MODE_ERASING, "erase")
	_, err := servicetest.All(d.participant.Redact(d.privacy, &participantv1.RedactRequest{Subject: subject(anna), Saga: ptr("erase"), Token: d.token(),
		Identifiers: &participantv1.Identifiers{Emails: []string{"anna@example.org"}}}))
	must(t, err)
	got, err := d.solutions.GetArticle(d.agent, &forumsv1.GetArticleRequest{Id: article})
	must(t, err)
	a := got.GetArticle()
	for name, text := range map[string]string{"title": a.GetTitle(), "text": a.GetDescriptionText(), "keywords": a.GetSeoData().GetMetaKeywords(), "meta": a.GetSeoData().GetMetaTitle()} {
		equal(t, name, text, "ask [redacted]")
	}
	if strings.Contains(a.String(), "anna") {
		t.Errorf("%v", a)
	}
	same, err := d.solutions.GetArticle(d.agent, &forumsv1.GetArticleRequest{Id: other.GetId()})
	must(t, err)
	if !proto.Equal(same.GetArticle(), other) {
		t.Errorf("%v, was %v", same.GetArticle(), other)
	}
}

// names are what an agent is called, and signs with.
const names = "Ada Lovejoy"

// signed makes an article, a topic and a comment that hold an agent's name, in
// the name of who, and returns a function that reads their texts.
func (d *desk) signed(who int64) func() []string {
	text := "Ask me. " + names
	read := d.agentsWork(who, d.place(1), d.folder(d.shelf(), 0, fmt.Sprint("f", who)).GetId(), text)
	return func() (out []string) {
		for _, m := range read() {
			for _, name := range []string{"title", "description", "description_text", "body", "body_text"} {
				if f := m.ProtoReflect().Descriptor().Fields().ByTextName(name); f != nil {
					out = append(out, m.ProtoReflect().Get(f).String())
				}
			}
		}
		return out
	}
}

// The name of an agent goes from what the agent wrote; in what others wrote a
// bare name may be anybody's.
func TestAgentsNameGoesFromTheirWork(t *testing.T) {
	work := func(sabotage ...func(*Service)) string {
		d := open(t, sabotage...)
		who := d.agentNamed("ada@desk.example")
		own, others := d.signed(who), d.signed(servicetest.OtherAgent)
		before := others()
		ids := &participantv1.Identifiers{Emails: []string{"ada@desk.example"}, Names: []string{names}}
		d.fence(who, participantv1.Mode_MODE_ERASING, "erase")
		written := int64(0)
		answers, err := servicetest.All(d.participant.Redact(d.privacy, &participantv1.RedactRequest{Subject: subject(who), Saga: ptr("erase"), Token: d.token(), Identifiers: ids}))
		must(t, err)
		for _, o := range answers[len(answers)-1].GetOutcomes() {
			written += o.GetCount()
		}
		if !slices.Equal(others(), before) {
			return "what others wrote has changed"
		}
		for _, text := range own() {
			if strings.Contains(text, "Ada") || !strings.Contains(text, "Ask me. [redacted]") {
				return "left: " + text
			}
		}
		if written != 4 { // the article, the topic, its message and the comment
			return fmt.Sprintf("%d records were written", written)
		}
		return ""
	}
	if wrong := work(); wrong != "" {
		t.Error(wrong)
	}
	for name, sabotage := range map[string]func(*Service){
		"only records with an identifier are looked at": mangled(func(_ string, r *participant.Resource, _ *Service) {
			if m := r.Mentions; m != nil {
				r.Mentions = &participant.Mentions{Count: m.Count, Redact: func(ctx context.Context, s ring.Subject, ids mention.Identifiers, limit int) (int, bool, error) {
					ids.Names = nil
					return m.Redact(ctx, s, ids, limit)
				}}
			}
		}),
		"articles are left out": mangled(func(name string, r *participant.Resource, _ *Service) {
			if name == "Article" {
				r.Mentions = nil
			}
		}),
	} {
		if work(sabotage) == "" {
			t.Errorf("nobody notices that %s", name)
		}
	}
}
