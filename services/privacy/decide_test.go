package privacy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	privacyv1 "github.com/lethe-desk/lethe/gen/go/lethe/privacy/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/privacy/internal/request"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
	"github.com/lethe-desk/lethe/services/privacy/internal/store"
)

// raise raises a request that waits.
func (d *desk) raise(ctx context.Context, in *privacyv1.RequestInput) (*privacyv1.Request, error) {
	out, err := d.api.CreateRequest(ctx, &privacyv1.CreateRequestRequest{Request: in})
	return out.GetRequest(), err
}

func (d *desk) received(kind string, id int64) *privacyv1.Request {
	d.t.Helper()
	r, err := d.raise(d.as(1), &privacyv1.RequestInput{Kind: &kind, ContactId: &id})
	check(d.t, err)
	if r.GetState() != request.Received {
		d.t.Fatalf("a request that was raised is %v", r)
	}
	return r
}

func (d *desk) approve(ctx context.Context, id int64) (*privacyv1.Request, error) {
	out, err := d.api.ApproveRequest(ctx, &privacyv1.ApproveRequestRequest{Id: id})
	return out.GetRequest(), err
}

func (d *desk) refuse(ctx context.Context, id int64, ground string) (*privacyv1.Request, error) {
	out, err := d.api.RefuseRequest(ctx, &privacyv1.RefuseRequestRequest{Id: id, Ground: &ground})
	return out.GetRequest(), err
}

func (d *desk) show(id int64) *privacyv1.Request {
	d.t.Helper()
	out, err := d.api.GetRequest(d.as(1), &privacyv1.GetRequestRequest{Id: id})
	check(d.t, err)
	return out.GetRequest()
}

// A request waits, shows what it is about, and is carried out once somebody approves it.
func TestApproval(t *testing.T) {
	d := newDesk(t)
	id := d.person()
	d.forums.put(t, record{Meta: docstore.Meta{ID: 51, Owner: d.person()}, Author: id, Text: "written to " + address(id)})
	r := d.received("erasure", id)
	if r.SagaId != nil || r.ApprovedBy != nil || r.DecidedAt != nil || r.Holdings != nil || r.GetRequestedBy() != 7 {
		t.Errorf("raised: %v", r)
	}
	d.recover(0) // nothing is approved, so nothing is started
	seen := d.show(r.GetId())
	var holdings []string
	for _, h := range seen.GetHoldings() {
		holdings = append(holdings, fmt.Sprintf("%s.%s.%s %d/%d/%d", h.GetParticipant(), h.GetResource(), h.GetCategory(), h.GetOwned(), h.GetLinked(), h.GetMentioned()))
	}
	want := "contacts.contacts.identity 1/0/0, forums.topics.content 1/1/1, ratings.satisfaction_ratings.opinion 1/0/0, tickets.tickets.content 2/0/0"
	if got := strings.Join(holdings, ", "); got != want || seen.GetState() != "received" {
		t.Errorf("%s, holdings %s", seen.GetState(), got)
	}
	list, err := d.api.ListRequests(d.as(1), &privacyv1.ListRequestsRequest{ContactId: &id})
	check(t, err)
	if l := list.GetRequests(); len(l) != 1 || l[0].Holdings != nil || l[0].GetState() != "received" {
		t.Errorf("list: %v", l)
	}
	if len(d.sagas(id)) != 0 {
		t.Error("a request that waits has a saga")
	}
	other := d.who(1, 8, authn.RolePrivacyOfficer)
	done, err := d.approve(other, r.GetId())
	check(t, err)
	if done.GetApprovedBy() != 8 || done.GetRequestedBy() != 7 || done.DecidedAt == nil || done.SagaId == nil {
		t.Errorf("approved: %v", done)
	}
	if s := d.settled(done.GetSagaId()); s.GetState() != "completed" || s.GetRequestId() != r.GetId() {
		t.Errorf("the erasure is %s (%s)", s.GetState(), s.GetReason())
	}
	// Once more is the same answer; what was approved cannot be refused.
	again, err := d.approve(d.as(1), r.GetId())
	if err != nil || again.GetApprovedBy() != 8 || again.GetState() != "completed" || again.Holdings != nil {
		t.Errorf("approved again: %v, %v", again, err)
	}
	_, err = d.refuse(other, r.GetId(), "unfounded")
	refused(t, err, faultv1.Reason_REASON_INCONSISTENT_STATE)
}

func TestRefusalLeavesEverything(t *testing.T) {
	d := newDesk(t)
	id := d.person()
	r := d.received("export", id)
	_, err := d.refuse(d.as(1), r.GetId(), "")
	refused(t, err, faultv1.Reason_REASON_MISSING_FIELD)
	_, err = d.refuse(d.as(1), r.GetId(), "no_time")
	refused(t, err, faultv1.Reason_REASON_INVALID_VALUE)
	for range 2 {
		got, err := d.refuse(d.who(1, 9, authn.RoleAdmin), r.GetId(), "identity_unproven")
		if err != nil || got.GetState() != "refused" || got.GetRefusedBy() != 9 || got.GetGround() != "identity_unproven" ||
			got.DecidedAt == nil || got.ClosedAt == nil || got.SagaId != nil || got.ExportId != nil {
			t.Errorf("refused: %v, %v", got, err)
		}
	}
	_, err = d.refuse(d.as(1), r.GetId(), "excessive")
	refused(t, err, faultv1.Reason_REASON_INCONSISTENT_STATE)
	_, err = d.approve(d.as(1), r.GetId())
	refused(t, err, faultv1.Reason_REASON_INCONSISTENT_STATE)
	d.recover(0)
	if len(d.sagas(id)) != 0 {
		t.Error("a refused request has a saga")
	}
	d.everywhere(id, 0)
	d.contacts.get(t, id)
	for _, err := range []error{second(d.approve(d.as(1), 4711)), second(d.refuse(d.as(1), 4711, "unfounded")), second(d.approve(d.as(2), r.GetId()))} {
		refused(t, err, faultv1.Reason_REASON_NOT_FOUND)
	}
}

func second[T any](_ T, err error) error { return err }

// Who may what: raising is for those who talk to people, deciding for few, deciding alone for as few.
func TestRightsOfRequests(t *testing.T) {
	d := newDesk(t)
	kind, id := "export", d.person()
	for role, want := range map[authn.Role][3]bool{ // raise, direct, approve
		authn.RoleAdmin: {true, true, true}, authn.RolePrivacyOfficer: {true, true, true},
		authn.RoleSupervisor: {true, false, false}, authn.RoleManagement: {false, false, false}, authn.RoleContact: {false, false, false},
	} {
		ctx := d.who(1, 99, role)
		_, raise := d.raise(ctx, &privacyv1.RequestInput{Kind: &kind, ContactId: &id})
		_, direct := d.raise(ctx, &privacyv1.RequestInput{Kind: &kind, ContactId: &id, Direct: proto.Bool(true)})
		_, approve := d.approve(ctx, d.received(kind, id).GetId())
		for i, err := range []error{raise, direct, approve} {
			if want[i] != (err == nil) || err != nil && !fault.Has(err, faultv1.Reason_REASON_ACCESS_DENIED) {
				t.Errorf("%s, call %d: %v", role, i, err)
			}
		}
	}
}

// Nobody decides about themselves, with four eyes on or off.
func TestSubjectNeverApproves(t *testing.T) {
	d := newDesk(t)
	d.agent(1)
	me := d.agent(1)
	ctx := d.who(1, me, authn.RoleAdmin)
	for _, kind := range []string{"erasure", "export"} {
		_, err := d.raise(ctx, &privacyv1.RequestInput{Kind: &kind, ContactId: &me, Direct: proto.Bool(true)})
		refused(t, err, faultv1.Reason_REASON_FOUR_EYES)
		mine, err := d.raise(ctx, &privacyv1.RequestInput{Kind: &kind, ContactId: &me})
		check(t, err)
		_, err = d.approve(ctx, mine.GetId())
		refused(t, err, faultv1.Reason_REASON_FOUR_EYES)
		_, err = d.approve(ctx, d.received(kind, me).GetId())
		refused(t, err, faultv1.Reason_REASON_FOUR_EYES)
	}
	kind := "erasure"
	mine := me + 1 // my ticket
	_, err := d.raise(ctx, &privacyv1.RequestInput{Kind: &kind, TicketId: &mine, Direct: proto.Bool(true)})
	refused(t, err, faultv1.Reason_REASON_FOUR_EYES)
	if len(d.sagas(me)) != 0 {
		t.Error("somebody has approved a request about themselves")
	}
}

func TestFourEyes(t *testing.T) {
	d := newDesk(t)
	id := d.person()
	before := d.received("export", id)
	d.down()
	d.fourEyes = true
	d.up(true)
	one, two := d.as(1), d.who(1, 8, authn.RoleAdmin)
	kind := "export"
	_, err := d.raise(one, &privacyv1.RequestInput{Kind: &kind, ContactId: &id, Direct: proto.Bool(true)})
	refused(t, err, faultv1.Reason_REASON_FOUR_EYES)
	refused(t, d.hard(id, true), faultv1.Reason_REASON_FOUR_EYES)
	for _, r := range []*privacyv1.Request{before, d.received(kind, id)} { // raised by 7
		_, err = d.approve(one, r.GetId())
		refused(t, err, faultv1.Reason_REASON_FOUR_EYES)
		got, err := d.approve(two, r.GetId())
		if err != nil || got.GetApprovedBy() != 8 {
			t.Errorf("approved by a second person: %v, %v", got, err)
		}
	}
	// What was raised under four eyes stays under them.
	kept := d.received("erasure", id)
	d.down()
	d.fourEyes = false
	d.up(true)
	_, err = d.approve(d.as(1), kept.GetId())
	refused(t, err, faultv1.Reason_REASON_FOUR_EYES)
}

// Sabotage: whoever goes round the use cases and writes a decision meets the
// same rule in the store.
func TestStoreRefusesWrongApprovals(t *testing.T) {
	d := newDesk(t)
	requests := d.svc.rpc.App.Store.Requests
	doc := func() *store.Request {
		return &store.Request{
			Meta:  docstore.Meta{Account: 1, ID: d.svc.rpc.App.NewID()},
			State: store.Approved, Kind: "erasure", ContactID: 5, RequestedBy: 7, ApprovedBy: 8, SagaID: saga.NewID(1), FourEyes: true,
		}
	}
	check(t, requests.Insert(t.Context(), doc()))
	for name, spoil := range map[string]func(*store.Request){
		"by the subject":   func(r *store.Request) { r.ApprovedBy = 5 },
		"by the requester": func(r *store.Request) { r.ApprovedBy = 7 },
		"by nobody":        func(r *store.Request) { r.ApprovedBy = 0 },
		"half a decision":  func(r *store.Request) { r.State = store.Received },
	} {
		bad := doc()
		spoil(bad)
		if err := requests.Insert(t.Context(), bad); err == nil {
			t.Errorf("%s: inserted", name)
		}
		good := doc()
		check(t, requests.Insert(t.Context(), good))
		spoil(good)
		if err := requests.Update(t.Context(), good); err == nil {
			t.Errorf("%s: updated", name)
		}
	}
	own := doc()
	own.ApprovedBy = 5
	if err := requests.Insert(t.Context(), own); !errors.Is(err, store.ErrOwnApproval) {
		t.Error(err)
	}
	alone := doc()
	alone.ApprovedBy, alone.FourEyes = 7, false
	check(t, requests.Insert(t.Context(), alone))
}

// Of decisions that come at once one counts, and everybody is told which.
func TestDecisionsAtOnce(t *testing.T) {
	d := newDesk(t)
	for round := range 4 {
		id := d.person()
		r := d.received("erasure", id)
		var wg sync.WaitGroup
		var mu sync.Mutex
		approvers, refusals := map[int64]int{}, 0
		for i := range 8 {
			ctx := d.who(1, int64(10+i), authn.RoleAdmin)
			wg.Go(func() {
				var got *privacyv1.Request
				var err error
				if round%2 == 1 && i%2 == 1 {
					got, err = d.refuse(ctx, r.GetId(), "withdrawn")
				} else {
					got, err = d.approve(ctx, r.GetId())
				}
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err != nil && !fault.Has(err, faultv1.Reason_REASON_INCONSISTENT_STATE):
					t.Error(err)
				case err == nil && got.GetState() == "refused":
					refusals++
				case err == nil:
					approvers[got.GetApprovedBy()]++
				}
			})
		}
		wg.Wait()
		switch {
		case refusals == 0 && len(approvers) == 1 && len(d.sagas(id)) == 1:
		case round%2 == 1 && refusals > 0 && len(approvers) == 0 && len(d.sagas(id)) == 0:
		default:
			t.Errorf("round %d: approved by %v, refused %d times, %d sagas", round, approvers, refusals, len(d.sagas(id)))
		}
	}
}

// A count that lacks a participant is none.
func TestHoldingsNeedEveryParticipant(t *testing.T) {
	d := newDesk(t)
	r := d.received("erasure", d.person())
	d.ratings.on(func(_ context.Context, method string) error {
		if method == "count" {
			return fault.Unavailable(errors.New("down"))
		}
		return nil
	})
	_, err := d.api.GetRequest(d.as(1), &privacyv1.GetRequestRequest{Id: r.GetId()})
	refused(t, err, faultv1.Reason_REASON_UNAVAILABLE)
	d.ratings.on(nil)
	if len(d.show(r.GetId()).GetHoldings()) != 4 {
		t.Error("no holdings")
	}
}
