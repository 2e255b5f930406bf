package ratings

import (
	"context"
	"slices"
	"strings"
	"testing"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	ratingsv1 "github.com/lethe-desk/lethe/gen/go/lethe/ratings/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/mention"
	"github.com/lethe-desk/lethe/services/internal/platform/participant"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/internal/platform/servicetest"
	"github.com/lethe-desk/lethe/services/ratings/internal/app"
	"google.golang.org/protobuf/proto"
)

// What a person's fences withhold, whatever tickets answers: the ticket stays
// visible here, as it would be where another service's fence is late.
func TestFencesAndMethods(t *testing.T) {
	for _, c := range []struct {
		mode participantv1.Mode
		// denied is 403 instead of 404.
		denied bool
	}{
		{participantv1.Mode_MODE_HIDDEN, false}, {participantv1.Mode_MODE_RESTRICTED, true},
		{participantv1.Mode_MODE_ERASING, false}, {participantv1.Mode_MODE_ERASED, false},
	} {
		d := open(t)
		mine, other := d.rated(1, said("secret")), d.rated(2, said("other"))
		d.fence(mara, c.mode, "saga")
		_, err := d.rate(1, said("secret"), "late")
		if c.denied {
			refused(t, err, faultv1.Reason_REASON_RESTRICTED)
		} else {
			notFound(t, err)
		}
		if all := d.all(); len(all) != 1 || !proto.Equal(all[0], other) {
			t.Errorf("%v: %v", c.mode, all)
		}
		of, err := d.api.ListTicketRatings(d.agent, &ratingsv1.ListTicketRatingsRequest{TicketId: 1})
		if err != nil || len(of.Ratings) != 0 {
			t.Errorf("%v: %v %v", c.mode, of, err)
		}
		equal(t, "of the person", len(d.list(&ratingsv1.ListSatisfactionRatingsRequest{UserId: proto.Int64(mara)})), 0)
		owned, _ := d.count(mara)
		equal(t, "counted behind the fence", owned, 1)
		if c.mode == participantv1.Mode_MODE_ERASED {
			continue
		}
		d.unfence(mara, "saga")
		if all := d.all(); len(all) != 2 || !proto.Equal(all[0], mine) {
			t.Errorf("after %v: %v", c.mode, all)
		}
	}
}

// Nobody of another account sees or changes anything, and nobody without the right gets in.
func TestOtherAccountsAndRoles(t *testing.T) {
	d := open(t)
	d.rated(1, said("secret"))
	methods := map[string]func(context.Context) (proto.Message, error){
		"ListSurveys": func(ctx context.Context) (proto.Message, error) {
			return d.api.ListSurveys(ctx, &ratingsv1.ListSurveysRequest{})
		},
		"CreateSurvey": func(ctx context.Context) (proto.Message, error) {
			return d.api.CreateSurvey(ctx, &ratingsv1.CreateSurveyRequest{Survey: &ratingsv1.SurveyInput{Title: proto.String("t")}})
		},
		"UpdateSurvey": func(ctx context.Context) (proto.Message, error) {
			return d.api.UpdateSurvey(ctx, &ratingsv1.UpdateSurveyRequest{Id: 1, Survey: &ratingsv1.SurveyInput{Title: proto.String("theirs")}})
		},
		"CreateSatisfactionRating": func(ctx context.Context) (proto.Message, error) {
			return d.api.CreateSatisfactionRating(ctx, &ratingsv1.CreateSatisfactionRatingRequest{TicketId: 1, Rating: happy()})
		},
		"ListTicketRatings": func(ctx context.Context) (proto.Message, error) {
			return d.api.ListTicketRatings(ctx, &ratingsv1.ListTicketRatingsRequest{TicketId: 1})
		},
		"ListSatisfactionRatings": func(ctx context.Context) (proto.Message, error) {
			return d.api.ListSatisfactionRatings(ctx, &ratingsv1.ListSatisfactionRatingsRequest{UserId: proto.Int64(mara)})
		},
	}
	equal(t, "methods", len(methods), ratingsv1.File_lethe_ratings_v1_ratings_service_proto.Services().Get(0).Methods().Len())
	contact := d.As(authn.Identity{Account: 1, Actor: mara, Role: authn.RoleContact})
	for name, call := range methods {
		got, err := call(d.stranger)
		if strings.HasSuffix(name, "TicketRatings") || name == "CreateSatisfactionRating" {
			notFound(t, err)
		} else if err != nil || strings.Contains(got.(interface{ String() string }).String(), "secret") {
			t.Errorf("%s: %v %v", name, got, err)
		}
		_, err = call(contact)
		refused(t, err, faultv1.Reason_REASON_ACCESS_DENIED)
		if _, err := call(t.Context()); !fault.Is(err, fault.KindUnauthenticated) {
			t.Errorf("%s without identity: %v", name, err)
		}
	}
	if all := d.surveys(""); len(all) != 1 || all[0].GetTitle() != "Customer satisfaction" || len(d.all()) != 1 {
		t.Errorf("%v", all)
	}
	_, err := d.participant.CountHoldings(d.agent, &participantv1.CountHoldingsRequest{Subject: subject(mara)})
	refused(t, err, faultv1.Reason_REASON_ACCESS_DENIED)
}

// outcome writes an outcome for comparison.
func outcome(o *participantv1.Outcome) string {
	return strings.Join([]string{o.GetResource(), o.GetCategory().String(), o.GetKind().String(), string(rune('0' + o.GetCount()))}, " ")
}

func outcomes(list []*participantv1.Outcome) string {
	var out []string
	for _, o := range list {
		out = append(out, outcome(o))
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}

func TestSweepTakesThePersonsRatingsAndNothingElse(t *testing.T) {
	d := open(t)
	d.rated(1, said("secret"))
	d.rated(3, said("secret"))
	other := d.rated(2, said("other"))
	d.tickets.set(1, 5, ticket(bert, mara)) // once the contact was an agent
	named := d.rated(5, said("more"))
	owned, linked := d.count(mara)
	equal(t, "owned", owned, 2)
	equal(t, "linked", linked, 1)
	const took = "satisfaction_ratings CATEGORY_LINKS OUTCOME_KIND_ANONYMISED 1; satisfaction_ratings CATEGORY_OPINION OUTCOME_KIND_ERASED 2"
	equal(t, "outcomes", outcomes(d.erase(mara, contactKind)), took)
	const none = "satisfaction_ratings CATEGORY_LINKS OUTCOME_KIND_NONE_FOUND 0; satisfaction_ratings CATEGORY_OPINION OUTCOME_KIND_NONE_FOUND 0"
	equal(t, "again", outcomes(d.erase(mara, contactKind)), none)
	owned, linked = d.count(mara)
	equal(t, "left", owned+linked, 0)
	named.AgentId = nil // a link to a contact is emptied
	all := d.all()
	if len(all) != 2 || !proto.Equal(all[0], other) || !proto.Equal(all[1], named) {
		t.Errorf("%v", all)
	}
}

// Two erased agents cannot be told apart, also in ratings of hidden people, and
// nothing else of a rating changes.
func TestErasedAgentsAreNotLinkable(t *testing.T) {
	d := open(t)
	d.tickets.set(1, 6, ticket(anna, anna)) // her own matter
	d.rated(6, said("mine"))
	of := []*ratingsv1.SatisfactionRating{d.rated(1, said("a")), d.rated(2, said("b"))}
	d.fence(mara, participantv1.Mode_MODE_HIDDEN, "hide")
	equal(t, "anna", outcomes(d.erase(anna, agentKind)),
		"satisfaction_ratings CATEGORY_LINKS OUTCOME_KIND_ANONYMISED 1; satisfaction_ratings CATEGORY_OPINION OUTCOME_KIND_ERASED 1")
	d.erase(otto, agentKind)
	d.unfence(mara, "hide")
	all := d.all()
	equal(t, "ratings", len(all), 2)
	for i, got := range all {
		equal(t, "agent", got.GetAgentId(), participant.FormerAgent)
		of[i].AgentId = proto.Int64(participant.FormerAgent)
		if !proto.Equal(got, of[i]) {
			t.Errorf("got\n%v\nwant\n%v", got, of[i])
		}
	}
	for _, who := range []int64{anna, otto} {
		owned, linked := d.count(who)
		equal(t, "left", owned+linked, 0)
	}
}

func TestExportHoldsEverythingAndGoesOnBehindACursor(t *testing.T) {
	d := open(t)
	for range 3 {
		d.rated(1, said("secret"))
	}
	d.rated(2, said("other"))
	d.fence(mara, participantv1.Mode_MODE_RESTRICTED, "r") // the person's own export goes on
	export := func(cursor string) ([]*participantv1.ExportResponse, error) {
		return servicetest.All(d.participant.Export(d.privacy, &participantv1.ExportRequest{
			Subject: subject(mara), Scope: participantv1.ExportScope_EXPORT_SCOPE_ACCESS.Enum(), Cursor: &cursor,
		}))
	}
	whole, err := export("")
	must(t, err)
	equal(t, "records", len(whole), 3)
	for i, m := range whole {
		record := &ratingsv1.SatisfactionRating{}
		must(t, m.GetRecord().UnmarshalTo(record))
		if record.GetFeedback() != "secret" || record.GetRatings()["default_question"] != 103 {
			t.Errorf("%v", record)
		}
		rest, err := export(m.GetCursor())
		must(t, err)
		equal(t, "behind", len(rest), 2-i)
	}
	_, err = export("0:x")
	equal(t, "bad cursor", violations(err), "cursor invalid_value")
	d.fence(mara, participantv1.Mode_MODE_ERASING, "e")
	_, err = export("")
	refused(t, err, faultv1.Reason_REASON_FENCED)
}

func TestAnErasedTicketTakesItsRatings(t *testing.T) {
	d := open(t)
	d.rated(1, said("a"))
	d.rated(1, said("b"))
	kept := []*ratingsv1.SatisfactionRating{d.rated(2, said("c")), d.rated(3, said("d"))}
	equal(t, "before", d.left(mara, 1), 2)
	for _, want := range []string{"ERASED 2", "NONE_FOUND 0"} {
		out, err := d.eraseTicket(mara, 1)
		must(t, err)
		equal(t, "outcomes", outcomes(out.Outcomes), "satisfaction_ratings CATEGORY_OPINION OUTCOME_KIND_"+want)
	}
	equal(t, "left", d.left(mara, 1), 0)
	_, err := d.rate(1, happy(), "") // although tickets would still show it
	notFound(t, err)
	_, err = d.api.ListTicketRatings(d.agent, &ratingsv1.ListTicketRatingsRequest{TicketId: 1})
	notFound(t, err)
	if all := d.all(); len(all) != 2 || !proto.Equal(all[0], kept[0]) || !proto.Equal(all[1], kept[1]) {
		t.Errorf("%v", all)
	}
}

// A rating on its way while its ticket is erased does not stay. The control
// does not look at the note that the erasure leaves: then it does.
func TestARatingThatRacesItsTicketsErasure(t *testing.T) {
	for _, blind := range []bool{false, true} {
		d := open(t)
		d.svc.app.Ratings = &faulty{Ratings: d.svc.app.Ratings, blind: blind, between: func() {
			_, err := d.eraseTicket(mara, 1)
			must(t, err)
		}}
		_, err := d.rate(1, said("secret"), "k")
		left := d.left(mara, 1)
		if blind {
			equal(t, "the control keeps it", left, 1)
			continue
		}
		notFound(t, err)
		equal(t, "left", left, 0)
		if _, err = d.rate(1, said("secret"), "k"); err == nil {
			t.Error("a repeat brought it back")
		}
		equal(t, "after the repeat", d.left(mara, 1), 0)
	}
}

// numb is a ring that never sees that somebody is erased.
type numb struct{ app.Ring }

func (numb) Erased(context.Context, ring.Subject) (bool, error) { return false, nil }

// A rating on its way while the agent in charge is erased does not name the
// agent. The control does not look whether the agent's key is gone: then it does.
func TestARatingThatRacesItsAgentsErasure(t *testing.T) {
	for _, blind := range []bool{false, true} {
		d := open(t)
		d.svc.app.Ratings = &faulty{Ratings: d.svc.app.Ratings, between: func() { d.erase(anna, agentKind) }}
		if blind {
			d.svc.app.Ring = numb{d.svc.app.Ring}
		}
		got := d.rated(1, happy())
		_, linked := d.count(anna)
		if blind {
			equal(t, "the control names the agent", linked, 1)
			continue
		}
		equal(t, "links", linked, 0)
		equal(t, "agent", got.GetAgentId(), participant.FormerAgent)
		if all := d.all(); len(all) != 1 || !proto.Equal(all[0], got) {
			t.Errorf("%v", all)
		}
	}
}

// What a person is recognised by goes from the feedback of others, the name
// where it stands beside; the name alone and near misses stay, and nothing else changes.
func TestFeedbackOfOthersIsRedacted(t *testing.T) {
	d := open(t)
	own := d.rated(1, said("I am mara@example.org"))
	theirs := []*ratingsv1.SatisfactionRating{
		d.rated(2, said("Mara Quell told me: MARA@example.org, +49 30 5550199.")),
		d.rated(2, said("Mara Quell was kind, and so was tamara@example.org.")),
	}
	ids := &participantv1.Identifiers{Emails: []string{"mara@example.org"}, Phones: []string{"+49305550199"}, Names: []string{"Mara Quell"}}
	mentioned := func() int64 {
		out, err := d.participant.CountHoldings(d.privacy, &participantv1.CountHoldingsRequest{Subject: subject(mara), Identifiers: ids})
		must(t, err)
		return out.Counts[0].GetMentioned()
	}
	equal(t, "mentions", mentioned(), 1)
	d.fence(mara, participantv1.Mode_MODE_ERASING, "erase")
	for _, want := range []string{"ANONYMISED 1", "NONE_FOUND 0"} {
		out, err := servicetest.All(d.participant.Redact(d.privacy, &participantv1.RedactRequest{Subject: subject(mara), Saga: proto.String("erase"), Token: d.token(), Identifiers: ids}))
		must(t, err)
		equal(t, "outcomes", outcomes(out[len(out)-1].Outcomes), "satisfaction_ratings CATEGORY_OPINION OUTCOME_KIND_"+want)
	}
	equal(t, "left", mentioned(), 0)
	d.unfence(mara, "erase")
	theirs[0].Feedback = proto.String("[redacted] told me: [redacted], [redacted].")
	for i, got := range d.all() {
		if want := []*ratingsv1.SatisfactionRating{own, theirs[0], theirs[1]}[i]; !proto.Equal(got, want) {
			t.Errorf("got\n%v\nwant\n%v", got, want)
		}
	}
}

// deaf leaves names out when it redacts.
type deaf struct{ app.Ratings }

func (d deaf) RedactMentions(ctx context.Context, s ring.Subject, ids mention.Identifiers) (int64, error) {
	ids.Names = nil
	return d.Ratings.RedactMentions(ctx, s, ids)
}

// The name of an agent goes from feedback about their work, also where nothing
// else of the agent stands in it; from other feedback it does not. The control does not look for names.
func TestAgentsNameGoesFromFeedbackAboutThem(t *testing.T) {
	for _, sabotaged := range []bool{false, true} {
		d := open(t)
		about, others := d.rated(1, said("Thanks to Anna Berg!")), d.rated(2, said("Not as kind as Anna Berg."))
		d.fence(anna, participantv1.Mode_MODE_ERASING, "erase")
		if sabotaged {
			d.svc.app.Ratings = deaf{d.svc.app.Ratings}
		}
		out, err := servicetest.All(d.participant.Redact(d.privacy, &participantv1.RedactRequest{Subject: subject(anna), Saga: proto.String("erase"), Token: d.token(),
			Identifiers: &participantv1.Identifiers{Emails: []string{"anna@desk.example"}, Names: []string{"Anna Berg"}}}))
		must(t, err)
		want, text := "ANONYMISED 1", "Thanks to [redacted]!"
		if sabotaged {
			want, text = "NONE_FOUND 0", "Thanks to Anna Berg!"
		}
		equal(t, "outcomes", outcomes(out[len(out)-1].Outcomes), "satisfaction_ratings CATEGORY_OPINION OUTCOME_KIND_"+want)
		about.Feedback = &text
		if all := d.all(); len(all) != 2 || !proto.Equal(all[0], about) || !proto.Equal(all[1], others) {
			t.Errorf("%v", all)
		}
	}
}
