package participant_test

import (
	"context"
	"testing"

	"google.golang.org/protobuf/proto"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/mention"
	"github.com/lethe-desk/lethe/services/internal/platform/participant"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// shelf is a resource without a store: so many records of each sort are left.
type shelf struct {
	blank, owned, links, mentions, items int
	// to and who are what the last call was given.
	to  int64
	who mention.Identifiers
	// grows hangs a record on the item after each look, as a busy writer does.
	grows int
	// err is what every call answers.
	err error
}

// take answers as many as fit into a page, at most three at a time.
func (s *shelf) take(left *int, limit int) (int, bool, error) {
	n := min(*left, limit, 3)
	*left -= n
	return n, *left > 0, s.err
}

func (s *shelf) resource() participant.Resource {
	return participant.Resource{
		Message: &contactsv1.Agent{}, Category: optionsv1.Category_CATEGORY_IDENTITY,
		Count:  func(context.Context, ring.Subject) (int64, error) { return int64(s.owned + s.blank), s.err },
		Blank:  func(_ context.Context, _ ring.Subject, limit int) (int, bool, error) { return s.take(&s.blank, limit) },
		Sweep:  func(_ context.Context, _ ring.Subject, limit int) (int, bool, error) { return s.take(&s.owned, limit) },
		Export: func(context.Context, ring.Subject, string, participant.Emit) error { return s.err },
		Links: &participant.Links{
			Count: func(context.Context, ring.Subject) (int64, error) { return int64(s.links), s.err },
			Relink: func(_ context.Context, _ ring.Subject, to int64, limit int) (int, bool, error) {
				s.to = to
				return s.take(&s.links, limit)
			},
		},
		Mentions: &participant.Mentions{
			Count: func(_ context.Context, _ ring.Subject, who mention.Identifiers) (int64, error) {
				s.who = who
				return int64(s.mentions), s.err
			},
			Redact: func(_ context.Context, _ ring.Subject, who mention.Identifiers, limit int) (int, bool, error) {
				s.who = who
				return s.take(&s.mentions, limit)
			},
		},
		Items: &participant.Items{
			On:    []string{"tickets"},
			Count: func(context.Context, ring.Subject, participant.Item) (int64, error) { return int64(s.items), s.err },
			Erase: func(_ context.Context, _ ring.Subject, _ participant.Item, limit int) (int, bool, error) {
				n, more, err := s.take(&s.items, limit)
				if !more && s.grows > 0 {
					s.grows--
					s.items++
				}
				return n, more, err
			},
		},
	}
}

// openShelf starts a participant whose one resource besides the kit's is a shelf.
func openShelf(t *testing.T, s *shelf) *kit {
	t.Helper()
	return openWith(t, func(k *kit) []participant.Resource { return []participant.Resource{s.resource(), nothing()} })
}

func outcomesOf[T interface {
	GetOutcomes() []*participantv1.Outcome
	GetDone() int64
}](t *testing.T, answers []T, done int64, want ...string) {
	t.Helper()
	if len(answers) == 0 || answers[len(answers)-1].GetDone() != done {
		t.Fatalf("answers %v, want %d done", answers, done)
	}
	var got []string
	for _, o := range answers[len(answers)-1].GetOutcomes() {
		got = append(got, o.GetResource()+" "+o.GetCategory().String()[9:]+" "+o.GetKind().String()[13:]+" "+
			string(rune('0'+o.GetCount())))
	}
	if len(got) != len(want) {
		t.Fatalf("outcomes %q, want %q", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("outcome %q, want %q", got[i], want[i])
		}
	}
}

func TestSweepBlanksDeletesAndRelinks(t *testing.T) {
	s := &shelf{blank: 4, owned: 5, links: 7}
	k := openShelf(t, s)
	p := who(1, 5)
	sweep := func(kind participantv1.SubjectKind) ([]*participantv1.SweepResponse, error) {
		stream, err := k.api.Sweep(k.ctx, &participantv1.SweepRequest{Subject: p, Saga: proto.String("e"), Token: tok(1, 1, 2), Kind: &kind})
		check(t, err)
		return all(stream)
	}
	check(t, k.fence(p, erasing, "e", tok(1, 1, 1)))
	check(t, k.destroy(p, "e", tok(1, 1, 2)))
	// What the person was decides who gets the links, so it is not guessed.
	_, err := sweep(participantv1.SubjectKind_SUBJECT_KIND_UNSPECIFIED)
	refused(t, err, faultv1.Reason_REASON_INVALID_VALUE)
	answers, err := sweep(participantv1.SubjectKind_SUBJECT_KIND_AGENT)
	check(t, err)
	outcomesOf(t, answers, 16, "agents IDENTITY ANONYMISED 4", "agents IDENTITY ERASED 5", "agents LINKS ANONYMISED 7", "tickets CONTENT NONE_FOUND 0")
	if s.to != participant.FormerAgent {
		t.Errorf("an agent's links go to %d", s.to)
	}
	s.links = 1
	answers, err = sweep(participantv1.SubjectKind_SUBJECT_KIND_CONTACT)
	check(t, err)
	outcomesOf(t, answers, 1, "agents IDENTITY NONE_FOUND 0", "agents LINKS ANONYMISED 1", "tickets CONTENT NONE_FOUND 0")
	if s.to != 0 {
		t.Errorf("a contact's links go to %d", s.to)
	}
	s.err = docstore.ErrStale // somebody wrote meanwhile: ask again
	_, err = sweep(participantv1.SubjectKind_SUBJECT_KIND_CONTACT)
	refused(t, err, faultv1.Reason_REASON_UNAVAILABLE)
}

func TestRedact(t *testing.T) {
	s := &shelf{mentions: 4, links: 2}
	k := openShelf(t, s)
	p := who(1, 5)
	ids := &participantv1.Identifiers{Emails: []string{"a@example.org"}, Phones: []string{"1"}, ExternalIds: []string{"x"}, Names: []string{"n"}}
	redact := func(saga string, token *participantv1.Token, ids *participantv1.Identifiers) ([]*participantv1.RedactResponse, error) {
		stream, err := k.api.Redact(k.ctx, &participantv1.RedactRequest{Subject: p, Saga: &saga, Token: token, Identifiers: ids})
		check(t, err)
		return all(stream)
	}
	counted := func(ids *participantv1.Identifiers) *participantv1.Count {
		out, err := k.api.CountHoldings(k.ctx, &participantv1.CountHoldingsRequest{Subject: p, Identifiers: ids})
		check(t, err)
		return out.GetCounts()[0]
	}
	if c := counted(nil); c.Mentioned != nil || c.Linked == nil || c.GetLinked() != 2 {
		t.Errorf("without identifiers: %v", c)
	}
	if c := counted(ids); c.Mentioned == nil || c.GetMentioned() != 4 {
		t.Errorf("with identifiers: %v", c)
	}
	_, err := redact("e", tok(1, 1, 1), ids)
	refused(t, err, faultv1.Reason_REASON_FENCED)
	check(t, k.fence(p, hidden, "e", tok(1, 1, 1)))
	_, err = redact("e", tok(1, 1, 1), ids)
	refused(t, err, faultv1.Reason_REASON_FENCED)
	check(t, k.fence(p, erasing, "e", tok(1, 1, 2)))
	_, err = redact("e", tok(1, 1, 1), ids)
	refused(t, err, faultv1.Reason_REASON_STALE_TOKEN)
	_, err = redact("other", tok(1, 1, 3), ids)
	refused(t, err, faultv1.Reason_REASON_FENCED)
	_, err = redact("e", tok(1, 1, 3), nil)
	refused(t, err, faultv1.Reason_REASON_MISSING_FIELD)
	if s.mentions != 4 {
		t.Fatal("a refused call redacts")
	}
	answers, err := redact("e", tok(1, 1, 3), ids)
	check(t, err)
	outcomesOf(t, answers, 4, "agents IDENTITY ANONYMISED 4")
	if len(s.who.Emails) != 1 || len(s.who.Phones) != 1 || len(s.who.ExternalIDs) != 1 || len(s.who.Names) != 1 {
		t.Errorf("of the identifiers arrive %d, %d, %d, %d", len(s.who.Emails), len(s.who.Phones), len(s.who.ExternalIDs), len(s.who.Names))
	}
	// Redacting leaves the ring as it is: the highest token is still that of the fence.
	if e, err := k.db.Entry(t.Context(), ring.Subject{Account: p.GetAccount(), ID: p.GetId()}); err != nil || e.Highest != (ring.Token{Sequence: 1, Epoch: 1, Stage: 2}) {
		t.Errorf("%v, %v", e.Highest, err)
	}
	refused(t, k.destroy(p, "e", tok(1, 1, 1)), faultv1.Reason_REASON_STALE_TOKEN)
	check(t, k.destroy(p, "e", tok(1, 1, 4)))
	answers, err = redact("e", tok(1, 1, 5), ids) // also behind the key's end
	check(t, err)
	outcomesOf(t, answers, 0, "agents IDENTITY NONE_FOUND 0")
}

func TestEraseItem(t *testing.T) {
	s := &shelf{items: 4, grows: 2}
	k := openShelf(t, s)
	p := who(1, 5)
	item := func(resource string) *participantv1.Item {
		return &participantv1.Item{Resource: &resource, Id: proto.Int64(9)}
	}
	erase := func(what *participantv1.Item, token *participantv1.Token) ([]*participantv1.EraseItemResponse, error) {
		stream, err := k.api.EraseItem(k.ctx, &participantv1.EraseItemRequest{Subject: p, Saga: proto.String("i"), Token: token, Item: what})
		check(t, err)
		return all(stream)
	}
	left := func(what *participantv1.Item) []*participantv1.Count {
		out, err := k.api.CountItem(k.ctx, &participantv1.CountItemRequest{Subject: p, Item: what})
		check(t, err)
		return out.GetCounts()
	}
	if c := left(item("tickets")); len(c) != 1 || c[0].GetOwned() != 4 || c[0].GetResource() != "agents" {
		t.Errorf("counted %v", c)
	}
	if c := left(item("topics")); len(c) != 0 {
		t.Errorf("on a topic hang %v", c)
	}
	// What was hung on it between two looks is found by the next one.
	answers, err := erase(item("tickets"), tok(1, 1, 1))
	check(t, err)
	outcomesOf(t, answers, 6, "agents IDENTITY ERASED 6")
	if c := left(item("tickets")); c[0].Owned == nil || c[0].GetOwned() != 0 {
		t.Errorf("left %v", c)
	}
	// Whoever writes without end keeps it from being called done.
	s.items, s.grows = 1, 1000
	_, err = erase(item("tickets"), tok(1, 1, 1))
	refused(t, err, faultv1.Reason_REASON_UNAVAILABLE)
	for _, bad := range []*participantv1.Item{nil, {Id: proto.Int64(1)}, item("")} {
		_, err = erase(bad, tok(1, 1, 1))
		refused(t, err, faultv1.Reason_REASON_MISSING_FIELD)
	}
	check(t, k.fence(p, hidden, "h", tok(2, 1, 1)))
	_, err = erase(item("tickets"), tok(1, 1, 2))
	refused(t, err, faultv1.Reason_REASON_STALE_TOKEN)
	if m := k.counts(p).GetModes(); len(m) != 1 {
		t.Errorf("erasing an item takes fences: %v", m)
	}
}
