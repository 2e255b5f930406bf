package ratings

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	ratingsv1 "github.com/lethe-desk/lethe/gen/go/lethe/ratings/v1"
	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
	"github.com/lethe-desk/lethe/services/internal/platform/storage"
	"github.com/lethe-desk/lethe/services/ratings/internal/app"
	"github.com/lethe-desk/lethe/services/ratings/internal/rating"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestNewRefusesWhatIsMissing(t *testing.T) {
	if _, err := New(t.Context(), Config{}); err == nil || !strings.Contains(err.Error(), "connection to tickets") {
		t.Fatal(err)
	}
	dir := t.TempDir()
	master, err := keyring.OpenMaster(filepath.Join(dir, "master"))
	must(t, err)
	c := Config{Store: storage.Config{Dir: filepath.Join(dir, "data"), Master: master}, Tickets: struct{ grpc.ClientConnInterface }{}}
	first, err := New(t.Context(), c)
	must(t, err)
	must(t, first.Ready(t.Context()))
	if second, err := New(t.Context(), c); err == nil {
		t.Errorf("two services on one folder: %v", second.Close(t.Context()))
	}
	must(t, first.Close(t.Context()))
}

func TestARatingIsOfTheTicketAsItWas(t *testing.T) {
	d := open(t)
	d.tickets.set(1, 1, &ticketsv1.Ticket{RequesterId: proto.Int64(mara), ResponderId: proto.Int64(anna), GroupId: proto.Int64(7)})
	got := d.rated(1, said("Quick."))
	want := &ratingsv1.SatisfactionRating{
		Id: got.Id, SurveyId: proto.Int64(1), UserId: proto.Int64(mara), AgentId: proto.Int64(anna), GroupId: proto.Int64(7), TicketId: proto.Int64(1),
		Feedback: proto.String("Quick."), Ratings: map[string]int32{"default_question": 103}, CreatedAt: got.CreatedAt, UpdatedAt: got.CreatedAt,
	}
	if !proto.Equal(got, want) || got.GetId() <= 0 || got.CreatedAt == nil {
		t.Errorf("got\n%v\nwant\n%v", got, want)
	}
	_, who := d.tickets.asked()
	who.TokenID = ""
	equal(t, "tickets were asked by", who, authn.Identity{Account: 1, Role: authn.RoleService, Service: Name})
	// The ticket goes to somebody else, with another agent: the rating stays what it was.
	d.tickets.set(1, 1, ticket(bert, otto))
	of, err := d.api.ListTicketRatings(d.agent, &ratingsv1.ListTicketRatingsRequest{TicketId: 1})
	must(t, err)
	if len(of.Ratings) != 1 || !proto.Equal(of.Ratings[0], got) || of.GetMore() {
		t.Errorf("%v", of)
	}
	d.Restart(Name)
	if all := d.all(); len(all) != 1 || !proto.Equal(all[0], got) {
		t.Errorf("after a restart %v", all)
	}
	bare := d.rated(3, happy())
	if bare.AgentId != nil || bare.GroupId != nil || bare.Feedback != nil {
		t.Errorf("%v", bare)
	}
}

func TestListsFilterAndPage(t *testing.T) {
	d := open(t)
	old := d.Clock.Now().Add(-24 * time.Hour).Truncate(time.Millisecond)
	var ids []int64
	for i, ticket := range []int64{1, 2, 3, 1, 2} {
		in := happy()
		in.CreatedAt = timestamppb.New(old.Add(time.Duration(i) * time.Hour))
		got := d.rated(ticket, in)
		equal(t, "created", got.CreatedAt.AsTime(), in.CreatedAt.AsTime())
		ids = append(ids, got.GetId())
	}
	since := timestamppb.New(old.Add(2 * time.Hour))
	one, two := proto.Int32(1), proto.Int32(2)
	for _, c := range []struct {
		in   *ratingsv1.ListSatisfactionRatingsRequest
		want []int
		more bool
	}{
		{&ratingsv1.ListSatisfactionRatingsRequest{}, []int{0, 1, 2, 3, 4}, false},
		{&ratingsv1.ListSatisfactionRatingsRequest{CreatedSince: since}, []int{2, 3, 4}, false},
		{&ratingsv1.ListSatisfactionRatingsRequest{UserId: proto.Int64(mara)}, []int{0, 2, 3}, false},
		{&ratingsv1.ListSatisfactionRatingsRequest{UserId: proto.Int64(mara), CreatedSince: since}, []int{2, 3}, false},
		{&ratingsv1.ListSatisfactionRatingsRequest{UserId: proto.Int64(12345)}, nil, false},
		{&ratingsv1.ListSatisfactionRatingsRequest{PerPage: two, Page: one}, []int{0, 1}, true},
		{&ratingsv1.ListSatisfactionRatingsRequest{PerPage: two, Page: proto.Int32(3)}, []int{4}, false},
		{&ratingsv1.ListSatisfactionRatingsRequest{UserId: proto.Int64(bert), PerPage: one, Page: two}, []int{4}, false},
	} {
		out, err := d.api.ListSatisfactionRatings(d.agent, c.in)
		must(t, err)
		same := len(out.Ratings) == len(c.want) && out.GetMore() == c.more
		for i := 0; same && i < len(c.want); i++ {
			same = out.Ratings[i].GetId() == ids[c.want[i]]
		}
		if !same {
			t.Errorf("%v: got %v, want %v of %v", c.in, out, c.want, ids)
		}
	}
	of, err := d.api.ListTicketRatings(d.agent, &ratingsv1.ListTicketRatingsRequest{TicketId: 2, PerPage: one})
	must(t, err)
	if len(of.Ratings) != 1 || of.Ratings[0].GetId() != ids[1] || !of.GetMore() {
		t.Errorf("%v", of)
	}
	_, err = d.api.ListSatisfactionRatings(d.agent, &ratingsv1.ListSatisfactionRatingsRequest{UserId: proto.Int64(0)})
	equal(t, "user 0", violations(err), "user_id invalid_value")
	_, err = d.api.ListTicketRatings(d.agent, &ratingsv1.ListTicketRatingsRequest{TicketId: 2, PerPage: proto.Int32(101)})
	equal(t, "page size", violations(err), "per_page invalid_value")
}

func TestWrongRatingsAreRefused(t *testing.T) {
	d := open(t)
	future := timestamppb.New(d.Clock.Now().Add(time.Hour))
	in := func(change func(*ratingsv1.SatisfactionRatingInput)) *ratingsv1.SatisfactionRatingInput {
		v := happy()
		change(v)
		return v
	}
	for want, one := range map[string]*ratingsv1.SatisfactionRatingInput{
		"ratings missing_field":                           nil,
		"ratings.default_question missing_field":          {Ratings: map[string]int32{"default question": 103}},
		"ratings.default_question invalid_value":          {Ratings: map[string]int32{"default_question": 1}},
		"ratings invalid_value":                           {Ratings: map[string]int32{"default_question": 103, "mara@example.org": 1}},
		"created_at invalid_value":                        in(func(v *ratingsv1.SatisfactionRatingInput) { v.CreatedAt = future }),
		"feedback invalid_value":                          said(strings.Repeat("x", rating.MaxFeedback+1)),
		"created_at invalid_value, ratings missing_field": {CreatedAt: future},
	} {
		_, err := d.rate(1, one, "")
		got := violations(err)
		if got != want && got != want+", ratings invalid_value" && got != "ratings invalid_value, "+want || strings.Contains(err.Error(), "mara") {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for _, id := range []int64{0, -1, 99} {
		_, err := d.rate(id, happy(), "")
		notFound(t, err)
		_, err = d.api.ListTicketRatings(d.agent, &ratingsv1.ListTicketRatingsRequest{TicketId: id})
		notFound(t, err)
	}
	trashed := ticket(mara, anna)
	trashed.Deleted = proto.Bool(true)
	d.tickets.set(1, 4, trashed)
	_, err := d.rate(4, happy(), "")
	notFound(t, err)
	d.tickets.say(fault.Denied(faultv1.Reason_REASON_RESTRICTED))
	_, err = d.rate(1, happy(), "")
	refused(t, err, faultv1.Reason_REASON_RESTRICTED)
	d.tickets.say(nil)
	d.Stop("tickets")
	_, err = d.rate(1, happy(), "")
	if !fault.Is(err, fault.KindUnavailable) {
		t.Errorf("without tickets: %v", err)
	}
	equal(t, "ratings", len(d.all()), 0)
}

// faulty fails once at a write, before or after it has happened, or does something in between.
type faulty struct {
	app.Ratings
	before, after error
	between       func()
	// blind never sees that a ticket was erased.
	blind bool
}

func (f *faulty) Insert(ctx context.Context, v *rating.Rating) error {
	if err := f.before; err != nil {
		f.before = nil
		return err
	}
	if f.between != nil {
		f.between()
	}
	if err := f.Ratings.Insert(ctx, v); err != nil {
		return err
	}
	err := f.after
	f.after = nil
	return err
}

func (f *faulty) Closed(ctx context.Context, account, ticket int64) (bool, error) {
	if f.blind {
		return false, nil
	}
	return f.Ratings.Closed(ctx, account, ticket)
}

func TestRepeatingAddsNothing(t *testing.T) {
	d := open(t)
	first, err := d.rate(1, said("s"), "k")
	must(t, err)
	calls, _ := d.tickets.asked()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if again, err := d.rate(1, said("s"), "k"); err != nil || !proto.Equal(first, again) {
				t.Error(again, err)
			}
		})
	}
	wg.Wait()
	now, _ := d.tickets.asked()
	equal(t, "calls of tickets", now, calls)
	_, err = d.rate(2, said("s"), "k") // the same body about another ticket
	refused(t, err, faultv1.Reason_REASON_KEY_REUSED)
	_, err = d.rate(1, said("other"), "k")
	refused(t, err, faultv1.Reason_REASON_KEY_REUSED)
	crash := errors.New("crash")
	for i, f := range []*faulty{{before: crash}, {after: crash}} {
		key := string(rune('a' + i))
		f.Ratings = d.svc.app.Ratings
		d.svc.app.Ratings = f
		if _, err := d.rate(2, happy(), key); err == nil {
			t.Fatal("no crash")
		}
		got, err := d.rate(2, happy(), key)
		must(t, err)
		again, err := d.rate(2, happy(), key)
		must(t, err)
		equal(t, "repeat", again.GetId(), got.GetId())
	}
	equal(t, "ratings", len(d.all()), 3)
}

// A repeat after the person's erasure brings nothing back, wherever the first
// call ended, and although tickets still answers; neither does a new call.
func TestNothingComesBackAfterAnErasure(t *testing.T) {
	for _, pending := range []bool{false, true} {
		d := open(t)
		if pending {
			d.svc.app.Ratings = &faulty{Ratings: d.svc.app.Ratings, after: errors.New("crash")}
		}
		if _, err := d.rate(1, said("s"), "k"); pending != (err != nil) {
			t.Fatal(err)
		}
		d.erase(mara, contactKind)
		_, err := d.rate(1, said("s"), "k")
		refused(t, err, faultv1.Reason_REASON_ALREADY_DONE)
		_, err = d.rate(1, said("s"), "late")
		notFound(t, err)
		d.fence(mara, participantv1.Mode_MODE_ERASED, "erase")
		_, err = d.rate(1, said("s"), "later")
		notFound(t, err)
		owned, _ := d.count(mara)
		equal(t, "ratings", owned, 0)
	}
}
