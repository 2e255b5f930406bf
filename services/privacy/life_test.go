package privacy

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	privacyv1 "github.com/lethe-desk/lethe/gen/go/lethe/privacy/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/privacy/internal/flow"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
	"github.com/lethe-desk/lethe/services/privacy/internal/store"
)

// gate holds calls of one method up until it is opened.
type gate struct {
	method  string
	reached chan struct{}
	open    chan struct{}
	once    sync.Once
}

func newGate(method string) *gate {
	return &gate{method: method, reached: make(chan struct{}), open: make(chan struct{})}
}

func (g *gate) hook(ctx context.Context, method string) error {
	if method != g.method {
		return nil
	}
	g.once.Do(func() { close(g.reached) })
	select {
	case <-g.open:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func async(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return done
}

func TestHideAndRestore(t *testing.T) {
	d := newDesk(t)
	id := d.person()
	refused(t, d.restore(id), faultv1.Reason_REASON_NOT_FOUND)
	check(t, d.delete(id))
	d.everywhere(id, ring.Hidden)
	refused(t, d.delete(id), faultv1.Reason_REASON_METHOD_NOT_ALLOWED)
	check(t, d.restore(id))
	d.everywhere(id, 0)
	refused(t, d.restore(id), faultv1.Reason_REASON_NOT_FOUND)
	refused(t, d.delete(id+1), faultv1.Reason_REASON_NOT_FOUND)
	refused(t, d.delete(-1), faultv1.Reason_REASON_NOT_FOUND)
	for _, s := range d.sagas(id) {
		if s.GetState() != "completed" || s.GetStage() == "" {
			t.Errorf("%s is %s in stage %q", s.GetKind(), s.GetState(), s.GetStage())
		}
	}
}

func TestConcurrentDeletesJoin(t *testing.T) {
	d := newDesk(t)
	id := d.person()
	g := newGate("fence")
	d.tickets.on(g.hook)
	first := async(func() error { return d.delete(id) })
	<-g.reached
	second := async(func() error { return d.delete(id) })
	close(g.open)
	// The second joins while the first runs; behind it, it would be refused as deleted.
	check(t, <-first)
	if err := <-second; err != nil {
		refused(t, err, faultv1.Reason_REASON_METHOD_NOT_ALLOWED)
	}
	if n := len(d.sagas(id)); n != 1 {
		t.Errorf("%d sagas, want 1", n)
	}
}

func TestDeleteWaitsForARunningRestore(t *testing.T) {
	d := newDesk(t)
	id := d.person()
	check(t, d.delete(id))
	g := newGate("unfence")
	d.tickets.on(g.hook)
	restored := async(func() error { return d.restore(id) })
	<-g.reached
	// Restoring is decided: without force there is nothing to erase any more.
	refused(t, d.hard(id, false), faultv1.Reason_REASON_INCONSISTENT_STATE)
	if out, err := d.api.ListRequests(d.as(1), &privacyv1.ListRequestsRequest{}); err != nil || len(out.GetRequests()) != 0 {
		t.Errorf("a hard delete that is refused leaves %v, %v", out, err)
	}
	deleted := async(func() error { return d.delete(id) })
	close(g.open)
	check(t, <-restored)
	check(t, <-deleted)
	d.everywhere(id, ring.Hidden)
	if n := len(d.sagas(id)); n != 3 {
		t.Errorf("%d sagas, want 3", n)
	}
}

// A refusal before the pivot takes every fence back, and the caller is told.
func TestRefusalUndoesAllFences(t *testing.T) {
	d := newDesk(t)
	id := d.person()
	d.tickets.on(func(_ context.Context, method string) error {
		if method == "fence" {
			return fault.State(faultv1.Reason_REASON_HELD, "")
		}
		return nil
	})
	refused(t, d.delete(id), faultv1.Reason_REASON_INCONSISTENT_STATE)
	d.everywhere(id, 0)
	r, err := d.request("erasure", id, "")
	check(t, err)
	if s := d.settled(r.GetSagaId()); s.GetState() != "refused" || s.GetReason() != "held" {
		t.Errorf("the erasure is %s (%s)", s.GetState(), s.GetReason())
	}
	d.everywhere(id, 0)
	d.tickets.on(nil)
	check(t, d.delete(id))
}

func TestHardDeleteMatrix(t *testing.T) {
	d := newDesk(t)
	active, forced := d.person(), d.person()
	refused(t, d.hard(active, false), faultv1.Reason_REASON_INCONSISTENT_STATE)
	d.everywhere(active, 0)
	check(t, d.delete(active))
	for id, force := range map[int64]bool{active: false, forced: true} {
		check(t, d.hard(id, force))
		for _, f := range []bool{true, false} {
			refused(t, d.hard(id, f), faultv1.Reason_REASON_NOT_FOUND)
		}
		refused(t, d.delete(id), faultv1.Reason_REASON_NOT_FOUND)
		refused(t, d.restore(id), faultv1.Reason_REASON_NOT_FOUND)
		s := d.settled(d.sagas(id)[0].GetId())
		if s.GetState() != "completed" || s.GetStage() != "tombstone" || outcomes(s) != sweptPerson {
			t.Errorf("the erasure is %s in %s with outcomes %v", s.GetState(), s.GetStage(), s.GetOutcomes())
		}
		for _, step := range s.GetSteps() {
			if step.GetStage() == "" || !strings.HasPrefix(step.GetStage(), strings.SplitN(step.GetName(), ".", 2)[0]) {
				t.Errorf("step %s says stage %q", step.GetName(), step.GetStage())
			}
		}
		if n, err := d.tickets.records.Count(t.Context(), ring.Sweep, 1, docstore.Query{Index: "owner", Eq: []any{id}, Limit: 1}); err != nil || n != 0 {
			t.Errorf("%d records left, %v", n, err)
		}
	}
	refused(t, d.hard(active+1, true), faultv1.Reason_REASON_NOT_FOUND)
}

// outcomes are those of a saga but for what was looked for and not found, in order.
func outcomes(s *privacyv1.Saga) string {
	var all []string
	for _, o := range s.GetOutcomes() {
		if k := o.GetOutcome(); k.GetKind() != participantv1.OutcomeKind_OUTCOME_KIND_NONE_FOUND {
			kind := strings.TrimPrefix(k.GetKind().String(), "OUTCOME_KIND_")
			category := strings.TrimPrefix(k.GetCategory().String(), "CATEGORY_")
			all = append(all, fmt.Sprintf("%s %s.%s %s=%d", o.GetStage(), k.GetResource(), category, kind, k.GetCount()))
		}
	}
	slices.Sort(all)
	return strings.ToLower(strings.Join(all, "\n"))
}

// sweptPerson is what is left to say of a person of the tests whom nobody else speaks of.
const sweptPerson = "sweep satisfaction_ratings.opinion erased=1\nsweep tickets.content erased=2\n" +
	"sweep topics.content erased=1\nsweep_owner contacts.identity erased=1"

func TestErasureJoinsARunningOne(t *testing.T) {
	d := newDesk(t)
	id := d.person()
	g := newGate("destroy")
	d.tickets.on(g.hook)
	first, err := d.request("erasure", id, "")
	check(t, err)
	<-g.reached
	second, err := d.request("erasure", id, "")
	check(t, err)
	third := async(func() error { return d.hard(id, false) })
	close(g.open)
	check(t, <-third)
	if second.GetSagaId() != first.GetSagaId() || second.GetId() == first.GetId() {
		t.Errorf("the second request has saga %q, the first %q", second.GetSagaId(), first.GetSagaId())
	}
	d.settled(first.GetSagaId())
	if n := len(d.sagas(id)); n != 1 {
		t.Errorf("%d sagas, want 1", n)
	}
	// After the erasure nobody is there to ask for.
	_, err = d.request("erasure", id, "")
	refused(t, err, faultv1.Reason_REASON_INVALID_VALUE)
}

// A participant that claims to have deleted is caught by the recount.
func TestLyingSweepParksAndRetryCompletes(t *testing.T) {
	d := newDesk(t)
	id := d.person()
	d.tickets.lies.Store(true)
	r, err := d.request("erasure", id, "")
	check(t, err)
	s := d.settled(r.GetSagaId())
	if s.GetState() != "parked" || s.GetReason() != "data_left" {
		t.Fatalf("the erasure is %s (%s)", s.GetState(), s.GetReason())
	}
	if got, err := d.api.GetRequest(d.as(1), &privacyv1.GetRequestRequest{Id: r.GetId()}); err != nil || got.GetRequest().GetState() != "attention" {
		t.Errorf("the request is %q, %v", got.GetRequest().GetState(), err)
	}
	refused(t, d.delete(id), faultv1.Reason_REASON_NOT_FOUND)
	_, err = d.api.CancelSaga(d.as(1), &privacyv1.CancelSagaRequest{Id: s.GetId()})
	refused(t, err, faultv1.Reason_REASON_INCONSISTENT_STATE)
	d.tickets.lies.Store(false)
	_, err = d.api.RetrySaga(d.as(1), &privacyv1.RetrySagaRequest{Id: s.GetId()})
	check(t, err)
	if s := d.settled(r.GetSagaId()); s.GetState() != "completed" {
		t.Errorf("after the retry the erasure is %s (%s)", s.GetState(), s.GetReason())
	}
	_, err = d.api.RetrySaga(d.as(1), &privacyv1.RetrySagaRequest{Id: s.GetId()})
	refused(t, err, faultv1.Reason_REASON_INCONSISTENT_STATE)
}

// A participant that is down delays, one that refuses after the pivot parks.
func TestParticipantDown(t *testing.T) {
	d := newDesk(t)
	id := d.person()
	var calls atomic.Int32
	d.tickets.on(func(_ context.Context, method string) error {
		if method == "destroy" && calls.Add(1) <= 2 {
			return fault.Unavailable(errors.New("down"))
		}
		return nil
	})
	check(t, d.hard(id, true))
	if calls.Load() != 3 {
		t.Errorf("%d calls, want 3", calls.Load())
	}
	other := d.person()
	d.tickets.on(func(_ context.Context, method string) error {
		if method == "destroy" {
			return fault.State(faultv1.Reason_REASON_HELD, "")
		}
		return nil
	})
	refused(t, d.hard(other, true), faultv1.Reason_REASON_UNAVAILABLE)
	refused(t, d.hard(other, true), faultv1.Reason_REASON_UNAVAILABLE)
	d.tickets.on(nil)
	s := d.sagas(other)[0]
	_, err := d.api.RetrySaga(d.as(1), &privacyv1.RetrySagaRequest{Id: s.GetId()})
	check(t, err)
	if s := d.settled(s.GetId()); s.GetState() != "completed" {
		t.Errorf("after the retry the erasure is %s (%s)", s.GetState(), s.GetReason())
	}
}

func TestErasureCancelsARunningExport(t *testing.T) {
	d := newDesk(t)
	id := d.person()
	g := newGate("export")
	d.tickets.on(g.hook)
	ex, err := d.request("export", id, "")
	check(t, err)
	<-g.reached
	er, err := d.request("erasure", id, "")
	check(t, err)
	if s := d.settled(ex.GetSagaId()); s.GetState() != "cancelled" && s.GetState() != "refused" {
		t.Errorf("the export is %s", s.GetState())
	}
	if s := d.settled(er.GetSagaId()); s.GetState() != "completed" {
		t.Errorf("the erasure is %s (%s)", s.GetState(), s.GetReason())
	}
	_, err = d.api.GetExport(d.as(1), &privacyv1.GetExportRequest{Id: ex.GetExportId()})
	refused(t, err, faultv1.Reason_REASON_NOT_FOUND)
	for item, err := range d.svc.blobs.List(t.Context(), "", time.Now().Add(time.Hour)) {
		t.Errorf("a blob is left: %v, %v", item, err)
	}
}

// The document of the person is the intent: a crash before the saga exists loses nothing.
func TestIntentWithoutASagaIsResumed(t *testing.T) {
	d := newDesk(t)
	id := d.person()
	now := time.Now()
	check(t, d.svc.rpc.App.Store.Subjects.Insert(t.Context(), ring.Write, &store.Subject{
		Meta:     docstore.Meta{Account: 1, ID: id, CreatedAt: now, UpdatedAt: now},
		Sequence: 1, Active: "1-4711", ActiveKind: flow.SoftDelete, HiddenBy: "1-4711", RequestedBy: 7,
	}))
	check(t, d.delete(id)) // joins
	d.everywhere(id, ring.Hidden)
	if s := d.sagas(id); len(s) != 1 || s[0].GetId() != "1-4711" {
		t.Errorf("sagas %v", s)
	}
}

// A request that was stored and not started is started at the next start, once.
func TestStoredRequestIsCarriedOut(t *testing.T) {
	d := newDesk(t)
	erased, exported := d.person(), d.person()
	now := time.Now()
	for i, doc := range []*store.Request{
		{Kind: "erasure", ContactID: erased, SagaID: saga.NewID(1)},
		{Kind: "export", ContactID: exported, SagaID: saga.NewID(1), ExportID: 99},
	} {
		doc.Meta = docstore.Meta{Account: 1, ID: int64(i + 1), CreatedAt: now, UpdatedAt: now}
		doc.State, doc.RequestedBy, doc.ApprovedBy, doc.DueBy = store.Approved, 7, 7, now
		check(t, d.svc.rpc.App.Store.Requests.Insert(t.Context(), doc))
		got, err := d.api.GetRequest(d.as(1), &privacyv1.GetRequestRequest{Id: doc.ID})
		if err != nil || got.GetRequest().GetState() != "approved" || got.GetRequest().SagaId != nil {
			t.Errorf("before the start: %v, %v", got, err)
		}
	}
	d.down()
	d.up(true)
	d.recover(0) // beside the one of the start
	for i := int64(1); i <= 2; i++ {
		got, err := d.api.GetRequest(d.as(1), &privacyv1.GetRequestRequest{Id: i})
		check(t, err)
		if s := d.settled(got.GetRequest().GetSagaId()); s.GetState() != "completed" || s.GetRequestId() != i {
			t.Errorf("request %d: %s (%s)", i, s.GetState(), s.GetReason())
		}
	}
	if len(d.sagas(erased)) != 1 || len(d.sagas(exported)) != 1 {
		t.Error("a request was carried out twice")
	}
}

// recover starts what is stored, and reports how many approved requests are left.
func (d *desk) recover(left int) {
	d.t.Helper()
	_, err := d.svc.rpc.App.Recover(d.t.Context())
	if left == 0 {
		check(d.t, err)
	}
	page, err := d.svc.rpc.App.Store.Requests.Find(d.t.Context(), 0, docstore.Query{Index: "state", Eq: []any{store.Approved}, Limit: 10, AllAccounts: true})
	check(d.t, err)
	if len(page.Items) != left {
		d.t.Errorf("%d requests are not started, want %d", len(page.Items), left)
	}
}

// The saga was created, ran through, and the crash came before the request knew.
func TestRecoveredErasureDoesNotBeginASecond(t *testing.T) {
	d := newDesk(t)
	id := d.person()
	r, err := d.request("erasure", id, "")
	check(t, err)
	d.settled(r.GetSagaId())
	requests := d.svc.rpc.App.Store.Requests
	for _, sagaID := range []string{r.GetSagaId(), saga.NewID(1)} { // its own, or one it would have joined
		doc, err := requests.Get(t.Context(), 1, r.GetId())
		check(t, err)
		doc.State, doc.SagaID = store.Approved, sagaID
		check(t, requests.Update(t.Context(), doc))
		d.recover(0)
		got, err := d.api.GetRequest(d.as(1), &privacyv1.GetRequestRequest{Id: r.GetId()})
		if err != nil || got.GetRequest().GetState() != "completed" || got.GetRequest().GetSagaId() != r.GetSagaId() {
			t.Errorf("after the recovery: %v, %v", got, err)
		}
	}
	if len(d.sagas(id)) != 1 {
		t.Error("a second erasure was begun")
	}
}

// An erasure of a person whose soft delete is parked is kept, visible, and carried out later.
func TestRequestOfABusyPersonIsKept(t *testing.T) {
	d := newDesk(t)
	id := d.person()
	check(t, d.delete(id))
	d.tickets.on(func(_ context.Context, method string) error {
		if method == "unfence" {
			return fault.State(faultv1.Reason_REASON_HELD, "")
		}
		return nil
	})
	refused(t, d.restore(id), faultv1.Reason_REASON_UNAVAILABLE) // half taken: parked
	r, err := d.request("erasure", id, "")
	check(t, err)
	if r.GetState() != "approved" || r.SagaId != nil {
		t.Errorf("the request is %v", r)
	}
	d.recover(1)
	d.tickets.on(nil)
	parked := d.sagas(id)[0].GetId()
	_, err = d.api.RetrySaga(d.as(1), &privacyv1.RetrySagaRequest{Id: parked})
	check(t, err)
	d.settled(parked)
	d.recover(0)
	got, err := d.api.GetRequest(d.as(1), &privacyv1.GetRequestRequest{Id: r.GetId()})
	check(t, err)
	if s := d.settled(got.GetRequest().GetSagaId()); s.GetState() != "completed" {
		t.Errorf("the erasure is %s", s.GetState())
	}
}

func TestIdempotencyKey(t *testing.T) {
	d := newDesk(t)
	id := d.person()
	first, err := d.request("export", id, "key")
	check(t, err)
	again, err := d.request("export", id, "key")
	check(t, err)
	if again.GetId() != first.GetId() || again.GetSagaId() != first.GetSagaId() {
		t.Errorf("repeated: %v, first %v", again, first)
	}
	_, err = d.request("erasure", id, "key")
	refused(t, err, faultv1.Reason_REASON_KEY_REUSED)
	_, err = d.request("export", id+1, "key")
	refused(t, err, faultv1.Reason_REASON_KEY_REUSED)
	_, err = d.api.CreateRequest(d.as(1), &privacyv1.CreateRequestRequest{ // the same, but it would wait
		Request: &privacyv1.RequestInput{Kind: proto.String("export"), ContactId: &id}, IdempotencyKey: proto.String("key"),
	})
	refused(t, err, faultv1.Reason_REASON_KEY_REUSED)
	ticket := &privacyv1.CreateRequestRequest{
		Request: &privacyv1.RequestInput{Kind: proto.String("erasure"), TicketId: proto.Int64(id + 1)}, IdempotencyKey: proto.String("ticket"),
	}
	one, err := d.api.CreateRequest(d.as(1), ticket)
	check(t, err)
	two, err := d.api.CreateRequest(d.as(1), ticket)
	if err != nil || one.GetRequest().GetId() != two.GetRequest().GetId() || two.GetRequest().GetState() != "received" {
		t.Errorf("repeated: %v, %v", two, err)
	}
	ticket.Request.TicketId = proto.Int64(id + 2)
	_, err = d.api.CreateRequest(d.as(1), ticket)
	refused(t, err, faultv1.Reason_REASON_KEY_REUSED)

	for _, kind := range []string{"export", "erasure"} {
		other := d.person()
		var wg sync.WaitGroup
		var mu sync.Mutex
		answers := map[int64]string{}
		for range 8 {
			wg.Go(func() {
				r, err := d.request(kind, other, "race "+kind)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
					return
				}
				answers[r.GetId()] = r.GetSagaId()
			})
		}
		wg.Wait()
		if len(answers) != 1 || len(d.sagas(other)) != 1 {
			t.Errorf("%s: %d requests, %d sagas", kind, len(answers), len(d.sagas(other)))
		}
	}
}

func TestAccountsDoNotSeeEachOther(t *testing.T) {
	d := newDesk(t)
	id := d.person()
	r, err := d.request("export", id, "")
	check(t, err)
	d.settled(r.GetSagaId())
	for account, want := range map[int64]faultv1.Reason{1: 0, 2: faultv1.Reason_REASON_NOT_FOUND} {
		ctx := d.as(account)
		_, err1 := d.api.GetRequest(ctx, &privacyv1.GetRequestRequest{Id: r.GetId()})
		_, err2 := d.api.GetSaga(ctx, &privacyv1.GetSagaRequest{Id: r.GetSagaId()})
		_, err3 := d.api.GetExport(ctx, &privacyv1.GetExportRequest{Id: r.GetExportId()})
		for i, err := range []error{err1, err2, err3} {
			if want == 0 && err != nil || want != 0 && !fault.Has(err, want) {
				t.Errorf("account %d, call %d: %v", account, i+1, err)
			}
		}
	}
	other := d.as(2)
	_, err = d.api.CancelSaga(other, &privacyv1.CancelSagaRequest{Id: r.GetSagaId()})
	refused(t, err, faultv1.Reason_REASON_NOT_FOUND)
	sagas, err := d.api.ListSagas(other, &privacyv1.ListSagasRequest{})
	check(t, err)
	requests, err := d.api.ListRequests(other, &privacyv1.ListRequestsRequest{})
	check(t, err)
	if len(sagas.GetSagas())+len(requests.GetRequests()) != 0 {
		t.Error("another account sees runs or requests")
	}
	for _, id := range []string{"", "x", "1-", "1-99", "-1-5"} {
		_, err := d.api.GetSaga(d.as(1), &privacyv1.GetSagaRequest{Id: id})
		refused(t, err, faultv1.Reason_REASON_NOT_FOUND)
	}
	_, err = d.api.GetRequest(d.as(1), &privacyv1.GetRequestRequest{Id: 5})
	refused(t, err, faultv1.Reason_REASON_NOT_FOUND)
}

// A download that is under way breaks off when an erasure withholds the export.
func TestDownloadBreaksOffBehindAFence(t *testing.T) {
	d := newDesk(t)
	id := d.person()
	for i := range int64(4) {
		noise := make([]byte, 2<<20)
		_, _ = rand.Read(noise) // never fails
		now := time.Now()
		check(t, d.tickets.records.Insert(t.Context(), ring.Write, &record{
			Meta: docstore.Meta{Account: 1, ID: id + 10 + i, Owner: id, CreatedAt: now, UpdatedAt: now}, Text: base64.StdEncoding.EncodeToString(noise),
		}))
	}
	r, err := d.request("export", id, "")
	check(t, err)
	if s := d.settled(r.GetSagaId()); s.GetState() != "completed" {
		t.Fatalf("the export is %s (%s)", s.GetState(), s.GetReason())
	}
	whole, size, err := d.download(r.GetExportId(), nil)
	check(t, err)
	if whole != size || size < 8<<20 {
		t.Errorf("%d bytes of %d", whole, size)
	}
	cut, _, err := d.download(r.GetExportId(), func() {
		check(t, d.svc.store.DB.Fence(t.Context(), ring.Subject{Account: 1, ID: id}, ring.Fence{Mode: ring.Erasing, Saga: "e", Token: ring.Token{Sequence: 9}}))
	})
	refused(t, err, faultv1.Reason_REASON_NOT_FOUND)
	if cut == 0 || cut > 3<<20 {
		t.Errorf("%d bytes came behind the fence", cut)
	}
	_, _, err = d.download(r.GetExportId(), nil)
	refused(t, err, faultv1.Reason_REASON_NOT_FOUND)
	// Behind the fence nobody gets an empty archive either.
	_, err = d.request("export", id, "")
	check(t, err)
	for _, s := range d.sagas(id) {
		if s := d.settled(s.GetId()); s.GetId() != r.GetSagaId() && s.GetState() != "refused" {
			t.Errorf("an export of a fenced person is %s", s.GetState())
		}
	}
	page, err := d.api.ListRequests(d.as(1), &privacyv1.ListRequestsRequest{ContactId: &id})
	check(t, err)
	if got := page.GetRequests()[0]; got.GetState() != "refused" || got.ClosedAt == nil {
		t.Errorf("the request is %v", got)
	}
}

// download reads an export; between runs after the first piece.
func (d *desk) download(id int64, between func()) (n, size int64, err error) {
	stream, err := d.api.DownloadExport(d.as(1), &privacyv1.DownloadExportRequest{Id: &id})
	check(d.t, err)
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return n, size, nil
		}
		if err != nil {
			return n, size, err
		}
		size = max(size, m.GetExport().GetSize())
		if n += int64(len(m.GetData())); n > 0 && between != nil {
			between()
			between = nil
		}
	}
}

func TestExpiredExportIsNotHandedOut(t *testing.T) {
	d := newDesk(t)
	r, err := d.request("export", d.person(), "")
	check(t, err)
	d.settled(r.GetSagaId())
	d.now.Store(int64(DefaultExportTTL + time.Minute))
	_, _, err = d.download(r.GetExportId(), nil)
	refused(t, err, faultv1.Reason_REASON_INCONSISTENT_STATE)
}

// A restart in the middle of an erasure goes on where it stood.
func TestRestartGoesOn(t *testing.T) {
	d := newDesk(t)
	id := d.person()
	g := newGate("destroy")
	d.tickets.on(g.hook)
	r, err := d.request("erasure", id, "")
	check(t, err)
	<-g.reached
	d.tickets.on(nil)
	close(g.open)
	d.down()
	d.up(true)
	if s := d.settled(r.GetSagaId()); s.GetState() != "completed" {
		t.Errorf("the erasure is %s (%s)", s.GetState(), s.GetReason())
	}
}
