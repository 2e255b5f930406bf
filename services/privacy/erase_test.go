package privacy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	privacyv1 "github.com/lethe-desk/lethe/gen/go/lethe/privacy/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/datamap"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/ids"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/internal/platform/storage"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
)

// spoken makes records of another person that name somebody and speak of them,
// at every participant, and returns whose they are.
func (d *desk) spoken(of int64) (other int64) {
	d.t.Helper()
	other = d.person()
	for i, h := range []*holder{d.contacts, d.tickets, d.forums, d.ratings} {
		h.put(d.t, record{Meta: docstore.Meta{ID: other + 100 + int64(i), Owner: other}, Author: of, Text: "ask " + address(of) + " about it"})
	}
	return other
}

// heard checks what became of the records spoken has made.
func (d *desk) heard(other, author int64, text string) {
	d.t.Helper()
	for i, h := range []*holder{d.contacts, d.tickets, d.forums, d.ratings} {
		if r := h.get(d.t, other+100+int64(i)); r.Author != author || r.Text != text {
			d.t.Errorf("%s keeps %q by %d, want %q by %d", h.name, r.Text, r.Author, text, author)
		}
	}
	if r := d.tickets.get(d.t, other+1); r.Text != plain || r.Author != 0 {
		d.t.Errorf("a bystander's ticket is %q by %d", r.Text, r.Author)
	}
}

// What others wrote stays, without the person in it: links are emptied, and what they are recognised by is gone.
func TestErasureReachesOtherPeoplesWords(t *testing.T) {
	d := newDesk(t)
	id := d.person()
	other := d.spoken(id)
	r, err := d.request("erasure", id, "")
	check(t, err)
	s := d.settled(r.GetSagaId())
	if s.GetState() != "completed" || s.GetKind() != "erase_contact" {
		t.Fatalf("%s is %s (%s)", s.GetKind(), s.GetState(), s.GetReason())
	}
	d.heard(other, 0, "ask [redacted] about it")
	want := "redact contacts.identity anonymised=1\nredact satisfaction_ratings.opinion anonymised=1\n" +
		"redact tickets.content anonymised=1\nredact topics.content anonymised=1\n" +
		"sweep satisfaction_ratings.links anonymised=1\nsweep satisfaction_ratings.opinion erased=1\nsweep tickets.content erased=2\n" +
		"sweep tickets.links anonymised=1\nsweep topics.content erased=1\nsweep topics.links anonymised=1\n" +
		"sweep_owner contacts.identity erased=1\nsweep_owner contacts.links anonymised=1"
	if got := outcomes(s); got != want {
		t.Errorf("outcomes:\n%s", got)
	}
	d.everywhere(other, 0)
	// What the person was recognised by was asked for and written nowhere.
	d.down()
	if at := mentionsOf(t, filepath.Join(d.dir, Name), address(id)); at != "" {
		t.Errorf("an identifier lies in %s", at)
	}
	planted := filepath.Join(d.dir, Name, "planted")
	check(t, os.WriteFile(planted, []byte("x"+address(id)), 0o600))
	if mentionsOf(t, filepath.Join(d.dir, Name), address(id)) != planted {
		t.Error("the search for identifiers finds nothing")
	}
}

// mentionsOf returns the first file below a folder that contains a text, "" when none does.
func mentionsOf(t *testing.T, dir, text string) (found string) {
	t.Helper()
	check(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || found != "" {
			return err
		}
		raw, err := os.ReadFile(path)
		if bytes.Contains(raw, []byte(text)) {
			found = path
		}
		return err
	}))
	return found
}

// A participant that says it has taken the person out of others' records, and has not, is caught.
func TestLeftMentionsAndLinksPark(t *testing.T) {
	for code, spoil := range map[string]func(*record, int64){
		"links_left":    func(r *record, id int64) { r.Author = id },
		"mentions_left": func(r *record, id int64) { r.Text = "ask " + address(id) },
	} {
		d := newDesk(t)
		id, other := d.person(), d.person()
		r := record{Meta: docstore.Meta{ID: other + 9, Owner: other}}
		spoil(&r, id)
		d.forums.put(t, r)
		d.forums.mute.Store(true)
		req, err := d.request("erasure", id, "")
		check(t, err)
		if s := d.settled(req.GetSagaId()); s.GetState() != "parked" || s.GetReason() != code {
			t.Fatalf("%s: the erasure is %s (%s)", code, s.GetState(), s.GetReason())
		}
		d.forums.mute.Store(false)
		_, err = d.api.RetrySaga(d.as(1), &privacyv1.RetrySagaRequest{Id: req.GetSagaId()})
		check(t, err)
		if s := d.settled(req.GetSagaId()); s.GetState() != "completed" {
			t.Errorf("%s: after the retry the erasure is %s (%s)", code, s.GetState(), s.GetReason())
		}
		if got := d.forums.get(t, other+9); got.Author != 0 || strings.Contains(got.Text, address(id)) {
			t.Errorf("%s: %d, %q", code, got.Author, got.Text)
		}
	}
}

// Agents: their own data goes, what they contributed stays and is the former agent's.
func TestEraseAgent(t *testing.T) {
	d := newDesk(t)
	d.agent(2) // somebody has to stay
	leaver, second := d.agent(1, 4), d.agent(4)
	for _, id := range []int64{leaver, second} {
		other := d.spoken(id)
		r, err := d.request("erasure", id, "")
		check(t, err)
		s := d.settled(r.GetSagaId())
		if s.GetState() != "completed" || s.GetKind() != "erase_agent" {
			t.Fatalf("%s is %s (%s)", s.GetKind(), s.GetState(), s.GetReason())
		}
		// Two erased agents cannot be told apart: their contributions name the same.
		d.heard(other, ids.FormerAgent, "ask [redacted] about it")
		d.tickets.gone(t, id+1) // an agent's own tickets go
		d.contacts.gone(t, id)
		d.everywhere(id, ring.Erasing|ring.Erased)
	}
	refused(t, d.hard(second, true), faultv1.Reason_REASON_NOT_FOUND)
	_, err := d.request("erasure", ids.FormerAgent, "")
	refused(t, err, faultv1.Reason_REASON_INVALID_VALUE)
}

// Whoever is an agent when the erasure is planned is erased as one, whatever happens afterwards.
func TestKindIsReadWhenPlanned(t *testing.T) {
	d := newDesk(t)
	d.agent(1)
	id := d.agent(4)
	other := d.spoken(id)
	g := newGate("sweep")
	d.tickets.on(g.hook)
	r, err := d.request("erasure", id, "")
	check(t, err)
	<-g.reached
	d.contacts.roles.Delete(id) // a contact from now on
	close(g.open)
	if s := d.settled(r.GetSagaId()); s.GetState() != "completed" {
		t.Fatalf("the erasure is %s (%s)", s.GetState(), s.GetReason())
	}
	d.heard(other, ids.FormerAgent, "ask [redacted] about it")
}

func TestLastAdministratorStays(t *testing.T) {
	d := newDesk(t)
	d.agent(4)
	last := d.agent(1)
	_, err := d.request("erasure", last, "")
	refused(t, err, faultv1.Reason_REASON_INCONSISTENT_STATE)
	waiting := d.received("erasure", last)
	_, err = d.approve(d.as(1), waiting.GetId())
	refused(t, err, faultv1.Reason_REASON_INCONSISTENT_STATE)
	if d.show(waiting.GetId()).GetState() != "received" {
		t.Error("a refused approval has decided")
	}
	// Two who are erased at once never both go: each is looked at behind the fences.
	next := d.agent(2)
	var sagas []string
	g := newGate("fence")
	d.contacts.on(g.hook)
	for _, id := range []int64{last, next} {
		r, err := d.request("erasure", id, "")
		check(t, err)
		sagas = append(sagas, r.GetSagaId())
	}
	<-g.reached
	close(g.open)
	kept := 0
	for i, id := range []int64{last, next} {
		switch s := d.settled(sagas[i]); s.GetState() {
		case "refused":
			if kept++; s.GetReason() != "last_administrator" {
				t.Errorf("refused for %s", s.GetReason())
			}
			d.everywhere(id, 0)
		case "completed":
		default:
			t.Errorf("the erasure is %s (%s)", s.GetState(), s.GetReason())
		}
	}
	if kept == 0 {
		t.Error("the account has no administrator left")
	}
}

// ticket raises a direct erasure of one ticket.
func (d *desk) ticket(ticket, contact int64) (*privacyv1.Request, error) {
	in := &privacyv1.RequestInput{Kind: proto.String("erasure"), TicketId: &ticket, Direct: proto.Bool(true)}
	if contact != 0 {
		in.ContactId = &contact
	}
	return d.raise(d.as(1), in)
}

func TestEraseTicket(t *testing.T) {
	d := newDesk(t)
	id := d.person()
	_, err := d.ticket(id+77, 0)
	refused(t, err, faultv1.Reason_REASON_INVALID_VALUE)
	_, err = d.ticket(id+1, id+5)
	refused(t, err, faultv1.Reason_REASON_INVALID_VALUE)
	_, err = d.raise(d.as(1), &privacyv1.RequestInput{Kind: proto.String("export"), TicketId: proto.Int64(id + 1)})
	refused(t, err, faultv1.Reason_REASON_INVALID_VALUE)

	waiting, err := d.raise(d.as(1), &privacyv1.RequestInput{Kind: proto.String("erasure"), TicketId: proto.Int64(id + 1)})
	check(t, err)
	if h := d.show(waiting.GetId()).GetHoldings(); len(h) != 2 || h[0].GetParticipant() != "ratings" || h[1].GetOwned() != 1 {
		t.Errorf("holdings %v", h)
	}
	r, err := d.approve(d.who(1, 8, authn.RoleAdmin), waiting.GetId())
	check(t, err)
	s := d.settled(r.GetSagaId())
	if s.GetState() != "completed" || s.GetKind() != "erase_ticket" || s.GetSubject() != id || r.GetContactId() != id || r.GetTicketId() != id+1 {
		t.Fatalf("%v of %v", s, r)
	}
	if got := outcomes(s); got != "erase satisfaction_ratings.opinion erased=1\nerase_owner tickets.content erased=1" {
		t.Errorf("outcomes:\n%s", got)
	}
	d.tickets.gone(t, id+1)
	d.ratings.gone(t, id+4)
	d.tickets.get(t, id+2)
	d.forums.get(t, id+3)
	d.everywhere(id, 0)
	_, err = d.ticket(id+1, 0)
	refused(t, err, faultv1.Reason_REASON_INVALID_VALUE)
	// The person can be hidden, and erased, as before.
	check(t, d.delete(id))
	check(t, d.hard(id, false))
}

// The person's document is the mutex of a ticket's erasure, too.
func TestTicketErasuresTakeTurns(t *testing.T) {
	d := newDesk(t)
	id := d.person()
	g := newGate("item")
	d.tickets.on(g.hook)
	first, err := d.ticket(id+1, id)
	check(t, err)
	<-g.reached
	same, err := d.ticket(id+1, id)
	check(t, err)
	if same.GetSagaId() != first.GetSagaId() {
		t.Errorf("the same ticket is erased twice: %v, %v", same, first)
	}
	other := async(func() error { return second(d.ticket(id+2, id)) })
	whole := async(func() error { return second(d.request("erasure", id, "")) })
	d.tickets.on(nil)
	close(g.open)
	check(t, <-other)
	check(t, <-whole)
	d.recover(0)
	list, err := d.api.ListRequests(d.as(1), &privacyv1.ListRequestsRequest{ContactId: &id})
	check(t, err)
	for _, r := range list.GetRequests() {
		if s := d.settled(r.GetSagaId()); s.GetState() != "completed" {
			t.Errorf("%s is %s (%s)", s.GetKind(), s.GetState(), s.GetReason())
		}
	}
	d.tickets.gone(t, id+1)
	d.tickets.gone(t, id+2)
}

// A ticket whose erasure was approved, and whose person was erased meanwhile, is done: it went with them.
func TestTicketOfAnErasedPerson(t *testing.T) {
	d := newDesk(t)
	id := d.person()
	waiting, err := d.raise(d.as(1), &privacyv1.RequestInput{Kind: proto.String("erasure"), TicketId: proto.Int64(id + 1)})
	check(t, err)
	r, err := d.request("erasure", id, "")
	check(t, err)
	d.settled(r.GetSagaId())
	late, err := d.approve(d.as(1), waiting.GetId())
	if err != nil || late.GetState() != "completed" || late.GetSagaId() != r.GetSagaId() {
		t.Errorf("%v, %v", late, err)
	}
}

func TestLyingTicketErasureParks(t *testing.T) {
	d := newDesk(t)
	id := d.person()
	d.ratings.mute.Store(true)
	r, err := d.ticket(id+1, 0)
	check(t, err)
	if s := d.settled(r.GetSagaId()); s.GetState() != "parked" || s.GetReason() != "data_left" {
		t.Fatalf("the erasure is %s (%s)", s.GetState(), s.GetReason())
	}
	d.ratings.mute.Store(false)
	_, err = d.api.RetrySaga(d.as(1), &privacyv1.RetrySagaRequest{Id: r.GetSagaId()})
	check(t, err)
	if s := d.settled(r.GetSagaId()); s.GetState() != "completed" {
		t.Errorf("after the retry the erasure is %s (%s)", s.GetState(), s.GetReason())
	}
	d.ratings.gone(t, id+4)
}

// Contacts that is away delays the erasure of whom it alone can describe.
func TestIdentifiersAreWaitedFor(t *testing.T) {
	d := newDesk(t)
	id := d.person()
	other := d.spoken(id)
	var fenced, asked atomic.Int32
	d.contacts.on(func(_ context.Context, method string) error {
		if method == "fence" {
			fenced.Add(1)
		}
		if method == "identifiers" && fenced.Load() > 0 && asked.Add(1) <= 3 {
			return fault.Unavailable(errors.New("down"))
		}
		return nil
	})
	r, err := d.request("erasure", id, "")
	check(t, err)
	if s := d.settled(r.GetSagaId()); s.GetState() != "completed" || asked.Load() <= 3 {
		t.Errorf("the erasure is %s (%s) after %d questions", s.GetState(), s.GetReason(), asked.Load())
	}
	d.heard(other, 0, "ask [redacted] about it")
}

// A saga that began over three participants ends over them when five are there.
func TestOlderFlowsEndAsTheyBegan(t *testing.T) {
	d := newDesk(t)
	d.down()
	d.older = true
	d.up(true)
	id := d.person()
	g := newGate("destroy")
	d.tickets.on(g.hook)
	r, err := d.request("erasure", id, "")
	check(t, err)
	<-g.reached
	d.tickets.on(nil)
	close(g.open)
	d.down()
	d.older = false
	d.up(true)
	s := d.settled(r.GetSagaId())
	row, err := d.svc.engine.Load(t.Context(), r.GetSagaId())
	check(t, err)
	if s.GetState() != "completed" || row.Version != 1 {
		t.Errorf("version %d is %s (%s)", row.Version, s.GetState(), s.GetReason())
	}
	for _, step := range s.GetSteps() {
		if strings.HasSuffix(step.GetName(), ".forums") || strings.HasPrefix(step.GetName(), "redact") {
			t.Errorf("an older flow has the step %s", step.GetName())
		}
	}
	next, err := d.request("erasure", d.person(), "")
	check(t, err)
	row, err = d.svc.engine.Load(t.Context(), next.GetSagaId())
	if err != nil || row.Version != 2 {
		t.Errorf("a new erasure has version %d, %v", row.Version, err)
	}
	// With fewer participants privacy does not open: it would leave somebody's data behind.
	d.settled(next.GetSagaId())
	d.down()
	for name, without := range map[string][]string{"one is missing": {"forums"}, "two are missing": {"forums", "ratings"}} {
		conns := maps.Clone(d.conns)
		maps.DeleteFunc(conns, func(name string, _ grpc.ClientConnInterface) bool { return slices.Contains(without, name) })
		c := Config{Store: storage.Config{Dir: filepath.Join(d.dir, Name), Master: d.master}, Contacts: d.conns["contacts"], Participants: conns}
		if _, err := New(t.Context(), c); err == nil {
			t.Errorf("%s: privacy opens", name)
		}
	}
}

// The data map over the wire is the one of the contract.
func TestDataMap(t *testing.T) {
	d := newDesk(t)
	got, err := d.api.GetDataMap(d.as(1), &privacyv1.GetDataMapRequest{})
	check(t, err)
	m := datamap.Read()
	if len(got.GetRows()) != len(m.Rows) || len(got.GetFlows()) != len(m.Flows) || len(m.Rows) < 50 {
		t.Fatalf("%d rows and %d flows", len(got.GetRows()), len(got.GetFlows()))
	}
	for i, r := range got.GetRows() {
		same := datamap.Row{
			Service: r.GetService(), Resource: r.GetResource(), Field: r.GetField(), Category: r.GetCategory(), Role: r.GetRole(),
			Owner: r.GetOwner(), OnErase: r.GetOnErase(), Ground: r.GetGround(), Purpose: r.GetPurpose(),
		}
		if same != m.Rows[i] {
			t.Errorf("row %d: %+v, want %+v", i, same, m.Rows[i])
		}
	}
	for i, f := range got.GetFlows() {
		w := m.Flows[i]
		if fmt.Sprint(f.GetSource(), f.GetTarget(), f.GetService(), f.GetCategories()) != fmt.Sprint(w.Source, w.Target, w.Service, w.Categories) {
			t.Errorf("flow %d: %v, want %v", i, f, w)
		}
	}
	_, err = d.api.GetDataMap(d.who(1, 9, authn.RoleAgent), &privacyv1.GetDataMapRequest{})
	refused(t, err, faultv1.Reason_REASON_ACCESS_DENIED)
}

// The references of an erasure hold no more than its number, its person's kind and names of resources.
func TestReferencesNameNobody(t *testing.T) {
	d := newDesk(t)
	id := d.person()
	r, err := d.request("erasure", id, "")
	check(t, err)
	d.settled(r.GetSagaId())
	row, err := d.svc.engine.Load(t.Context(), r.GetSagaId())
	check(t, err)
	refs := map[string]string{}
	for _, s := range row.Steps {
		for k, v := range s.Refs {
			refs[k] = v
		}
	}
	want := map[string]string{
		"kind": "contact", "plan_contacts": "contacts.lm", "plan_forums": "topics.lm", "plan_privacy": "exports",
		"plan_ratings": "satisfaction_ratings.lm", "plan_tickets": "tickets.lm",
	}
	if fmt.Sprint(refs) != fmt.Sprint(want) || fmt.Sprint(row.Refs) != fmt.Sprint(map[string]string{"request": strconv.FormatInt(r.GetId(), 10)}) {
		t.Errorf("%v %v", refs, row.Refs)
	}
	if row.State != saga.StateCompleted {
		t.Error(row.State)
	}
}
