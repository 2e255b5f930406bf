package participant_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/dial"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
	"github.com/lethe-desk/lethe/services/internal/platform/participant"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/internal/platform/server"
	"github.com/lethe-desk/lethe/services/internal/platform/storage"
)

type record struct {
	docstore.Meta
	Text string `doc:"text,seal" field:"lethe.contacts.v1.Contact.name"`
}

// kit is a participant over a real store, asked over a real server. The first
// resource has records, the second never has any.
type kit struct {
	t       *testing.T
	db      *docstore.DB
	records *docstore.Collection[record]
	api     participantv1.PersonalDataServiceClient
	ctx     context.Context
	other   context.Context

	// lieSweep and lieCount sabotage the first resource.
	lieSweep, lieCount bool
	// file hangs on each record; during runs before a record is emitted.
	file   []byte
	during func(id int64)
	// stale makes a sweep meet a changed record.
	stale bool
}

func open(t *testing.T) *kit {
	t.Helper()
	return openWith(t, func(k *kit) []participant.Resource { return []participant.Resource{k.resource(), nothing()} })
}

func openWith(t *testing.T, resources func(*kit) []participant.Resource) *kit {
	t.Helper()
	dir := t.TempDir()
	master, err := keyring.OpenMaster(filepath.Join(dir, "master.key"))
	check(t, err)
	s, err := storage.Open(t.Context(), "tickets", storage.Config{Dir: dir, Master: master})
	check(t, err)
	k := &kit{t: t, db: s.DB}
	k.records, err = docstore.Bind[record](t.Context(), s.DB, docstore.Spec{Name: "records"})
	check(t, err)
	key, err := authn.LoadOrCreateKey(filepath.Join(dir, "identity.key"))
	check(t, err)
	signer := authn.NewSigner(key, time.Now)
	srv, err := server.New(server.Options{
		Name: "tickets", Declared: []string{participantv1.PersonalDataService_ServiceDesc.ServiceName},
		Verifier: authn.NewVerifier(time.Now, signer.Public()), Logger: slog.New(slog.DiscardHandler),
	})
	check(t, err)
	participant.New(s.DB, "tickets", resources(k)).Register(srv)
	addr, err := srv.Start("127.0.0.1:0")
	check(t, err)
	conn, err := dial.New(addr.String(), dial.Options{Source: authn.NewServiceSource(signer, "privacy")})
	check(t, err)
	t.Cleanup(func() {
		if err := errors.Join(conn.Close(), srv.Stop(context.Background()), s.Close()); err != nil {
			t.Error(err)
		}
	})
	k.api = participantv1.NewPersonalDataServiceClient(conn)
	k.ctx, k.other = authn.WithAccount(t.Context(), 1), authn.WithAccount(t.Context(), 2)
	return k
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func refused(t *testing.T, err error, want faultv1.Reason) {
	t.Helper()
	if !fault.Has(err, want) {
		t.Errorf("%v, want %s", err, want)
	}
}

func owned(s ring.Subject, limit int) docstore.Query {
	return docstore.Query{Index: "owner", Eq: []any{s.ID}, Limit: limit}
}

func (k *kit) resource() participant.Resource {
	return participant.Resource{
		Message: &contactsv1.Contact{}, Category: optionsv1.Category_CATEGORY_IDENTITY,
		Count: func(ctx context.Context, s ring.Subject) (int64, error) {
			if k.lieCount {
				return 0, nil
			}
			return k.records.Count(ctx, ring.Sweep, s.Account, owned(s, 1))
		},
		Sweep: func(ctx context.Context, s ring.Subject, limit int) (int, bool, error) {
			if k.lieSweep {
				return 7, false, nil
			}
			if k.stale {
				k.stale = false
				return 0, false, docstore.ErrStale
			}
			return k.records.DeleteWhere(ctx, ring.Sweep, s.Account, owned(s, limit))
		},
		Export: k.export,
	}
}

func (k *kit) export(ctx context.Context, s ring.Subject, after string, emit participant.Emit) error {
	last, _ := strconv.ParseInt(after, 10, 64)
	q := owned(s, 1)
	for {
		q.Where = docstore.Cond{Op: ">", Field: "id", Value: last}
		page, err := k.records.Find(ctx, ring.Export, s.Account, q)
		if err != nil || len(page.Items) == 0 {
			return err
		}
		doc := page.Items[0]
		last = doc.ID
		if k.during != nil {
			k.during(last)
		}
		id := strconv.FormatInt(last, 10)
		var files []participant.File
		if k.file != nil {
			files = append(files, participant.File{ID: id, RecordID: id, Name: "a.txt", Size: int64(len(k.file)), Open: func(context.Context) (io.ReadCloser, error) {
				return io.NopCloser(bytes.NewReader(k.file)), nil
			}})
		}
		if err := emit(id, &contactsv1.Contact{Id: &doc.ID, Name: &doc.Text}, files...); err != nil {
			return err
		}
	}
}

// nothing is a resource of which nobody has anything.
func nothing() participant.Resource {
	return participant.Resource{
		Message: &ticketsv1.Ticket{}, Category: optionsv1.Category_CATEGORY_CONTENT,
		Count:  func(context.Context, ring.Subject) (int64, error) { return 0, nil },
		Sweep:  func(context.Context, ring.Subject, int) (int, bool, error) { return 0, false, nil },
		Export: func(context.Context, ring.Subject, string, participant.Emit) error { return nil },
	}
}

// person makes n records of a person.
func (k *kit) person(id int64, n int) *participantv1.Subject {
	k.t.Helper()
	for i := range n {
		now := time.Now()
		check(k.t, k.records.Insert(k.ctx, ring.Write, &record{
			Meta: docstore.Meta{Account: 1, ID: id*10000 + int64(i) + 1, Owner: id, CreatedAt: now, UpdatedAt: now}, Text: "text",
		}))
	}
	return who(1, id)
}

func who(account, id int64) *participantv1.Subject {
	return &participantv1.Subject{Account: &account, Id: &id}
}

func tok(sequence int64, epoch, stage int32) *participantv1.Token {
	return &participantv1.Token{Sequence: &sequence, Epoch: &epoch, Stage: &stage}
}

func (k *kit) fence(s *participantv1.Subject, m participantv1.Mode, saga string, t *participantv1.Token) error {
	_, err := k.api.Fence(k.ctx, &participantv1.FenceRequest{Subject: s, Mode: m.Enum(), Saga: &saga, Token: t})
	return err
}

func (k *kit) unfence(s *participantv1.Subject, saga string, t *participantv1.Token) error {
	_, err := k.api.Unfence(k.ctx, &participantv1.UnfenceRequest{Subject: s, Saga: &saga, Token: t})
	return err
}

func (k *kit) destroy(s *participantv1.Subject, saga string, t *participantv1.Token) error {
	_, err := k.api.Destroy(k.ctx, &participantv1.DestroyRequest{Subject: s, Saga: &saga, Token: t})
	return err
}

func (k *kit) sweep(s *participantv1.Subject, saga string, t *participantv1.Token) ([]*participantv1.SweepResponse, error) {
	stream, err := k.api.Sweep(k.ctx, &participantv1.SweepRequest{Subject: s, Saga: &saga, Token: t})
	check(k.t, err)
	return all(stream)
}

func all[T any](stream grpc.ServerStreamingClient[T]) ([]*T, error) {
	var out []*T
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, m)
	}
}

func (k *kit) exported(s *participantv1.Subject, cursor string) ([]*participantv1.ExportResponse, error) {
	in := &participantv1.ExportRequest{Subject: s, Scope: participantv1.ExportScope_EXPORT_SCOPE_ACCESS.Enum()}
	if cursor != "" {
		in.Cursor = &cursor
	}
	stream, err := k.api.Export(k.ctx, in)
	check(k.t, err)
	return all(stream)
}

func (k *kit) counts(s *participantv1.Subject) *participantv1.CountHoldingsResponse {
	k.t.Helper()
	out, err := k.api.CountHoldings(k.ctx, &participantv1.CountHoldingsRequest{Subject: s})
	check(k.t, err)
	return out
}

const (
	hidden  = participantv1.Mode_MODE_HIDDEN
	erasing = participantv1.Mode_MODE_ERASING
)

func TestTokensAndFences(t *testing.T) {
	k := open(t)
	s := k.person(5, 1)
	check(t, k.fence(s, hidden, "a", tok(2, 1, 1)))
	check(t, k.fence(s, hidden, "a", tok(2, 1, 1))) // repeated
	for _, low := range []*participantv1.Token{tok(1, 9, 9), tok(2, 0, 9), tok(2, 1, 0)} {
		refused(t, k.fence(s, erasing, "b", low), faultv1.Reason_REASON_STALE_TOKEN)
		refused(t, k.unfence(s, "a", low), faultv1.Reason_REASON_STALE_TOKEN)
		refused(t, k.destroy(s, "a", low), faultv1.Reason_REASON_STALE_TOKEN)
	}
	if m := k.counts(s).GetModes(); len(m) != 1 || m[0] != hidden {
		t.Errorf("modes %v", m)
	}
	check(t, k.unfence(s, "b", tok(2, 1, 2))) // of a saga without a fence
	check(t, k.unfence(s, "a", tok(2, 1, 3)))
	if m := k.counts(s).GetModes(); len(m) != 0 {
		t.Errorf("modes %v", m)
	}
	refused(t, k.fence(s, 0, "a", tok(3, 1, 1)), faultv1.Reason_REASON_INVALID_VALUE)
	refused(t, k.fence(s, hidden, "", tok(3, 1, 1)), faultv1.Reason_REASON_MISSING_FIELD)
	refused(t, k.fence(s, hidden, "a", nil), faultv1.Reason_REASON_MISSING_FIELD)
	refused(t, k.fence(who(0, 5), hidden, "a", tok(3, 1, 1)), faultv1.Reason_REASON_MISSING_FIELD)
}

func TestOtherAccountsAreDenied(t *testing.T) {
	k := open(t)
	s := k.person(5, 1)
	k.ctx = k.other
	refused(t, k.fence(s, hidden, "a", tok(1, 1, 1)), faultv1.Reason_REASON_ACCESS_DENIED)
	refused(t, k.unfence(s, "a", tok(1, 1, 1)), faultv1.Reason_REASON_ACCESS_DENIED)
	refused(t, k.destroy(s, "a", tok(1, 1, 1)), faultv1.Reason_REASON_ACCESS_DENIED)
	_, err := k.sweep(s, "a", tok(1, 1, 1))
	refused(t, err, faultv1.Reason_REASON_ACCESS_DENIED)
	_, err = k.exported(s, "")
	refused(t, err, faultv1.Reason_REASON_ACCESS_DENIED)
	_, err = k.api.CountHoldings(k.ctx, &participantv1.CountHoldingsRequest{Subject: s})
	refused(t, err, faultv1.Reason_REASON_ACCESS_DENIED)
}

func TestErasure(t *testing.T) {
	k := open(t)
	s := k.person(5, 450)
	bystander := k.person(6, 3)
	refused(t, k.destroy(s, "e", tok(1, 1, 1)), faultv1.Reason_REASON_FENCED)
	check(t, k.fence(s, erasing, "e", tok(1, 1, 2)))
	refused(t, k.destroy(s, "other", tok(1, 1, 3)), faultv1.Reason_REASON_FENCED)
	// Nothing is deleted, and no key destroyed, by a sweep that comes too early.
	_, err := k.sweep(s, "e", tok(1, 1, 3))
	refused(t, err, faultv1.Reason_REASON_INCONSISTENT_STATE)
	if c := k.counts(s); c.GetCounts()[0].GetOwned() != 450 || !c.GetKeyPresent() {
		t.Errorf("after an early sweep: %v", c)
	}
	check(t, k.destroy(s, "e", tok(1, 1, 3)))
	check(t, k.destroy(s, "e", tok(1, 1, 3)))
	if c := k.counts(s); c.GetCounts()[0].GetOwned() != 450 || c.GetKeyPresent() {
		t.Errorf("after the destruction: %v", c)
	}
	refused(t, k.unfence(s, "e", tok(1, 1, 4)), faultv1.Reason_REASON_FENCED)
	_, err = k.sweep(s, "other", tok(1, 1, 4))
	refused(t, err, faultv1.Reason_REASON_FENCED)
	_, err = k.sweep(s, "e", tok(1, 1, 2))
	refused(t, err, faultv1.Reason_REASON_STALE_TOKEN)
	// A record that changed meanwhile is no stale token: it is asked again.
	k.stale = true
	_, err = k.sweep(s, "e", tok(1, 1, 4))
	refused(t, err, faultv1.Reason_REASON_UNAVAILABLE)

	k.swept(s, participantv1.OutcomeKind_OUTCOME_KIND_ERASED, 450)
	k.swept(s, participantv1.OutcomeKind_OUTCOME_KIND_NONE_FOUND, 0)
	if c := k.counts(s); c.GetCounts()[0].GetOwned() != 0 || len(c.GetCounts()) != 2 {
		t.Errorf("after the sweep: %v", c)
	}
	if c := k.counts(bystander); c.GetCounts()[0].GetOwned() != 3 || !c.GetKeyPresent() {
		t.Errorf("the bystander: %v", c)
	}
	check(t, k.fence(s, participantv1.Mode_MODE_ERASED, "e", tok(1, 1, 5)))
}

// swept sweeps and checks that both resources are answered for, and only in the last message.
func (k *kit) swept(s *participantv1.Subject, kind participantv1.OutcomeKind, n int64) {
	k.t.Helper()
	answers, err := k.sweep(s, "e", tok(1, 1, 4))
	check(k.t, err)
	for _, a := range answers[:len(answers)-1] {
		if len(a.GetOutcomes()) != 0 {
			k.t.Error("outcomes before the end")
		}
	}
	os := answers[len(answers)-1].GetOutcomes()
	if len(os) != 2 || os[0].GetKind() != kind || os[0].GetCount() != n || os[0].GetResource() != "contacts" ||
		os[1].GetKind() != participantv1.OutcomeKind_OUTCOME_KIND_NONE_FOUND || os[1].Count == nil || os[1].GetResource() != "tickets" {
		k.t.Errorf("outcomes %v", os)
	}
}

// The controls: a sweep that lies is caught by the count, a count that lies by the sweep.
func TestSabotageShows(t *testing.T) {
	k := open(t)
	s := k.person(5, 3)
	check(t, k.fence(s, erasing, "e", tok(1, 1, 1)))
	check(t, k.destroy(s, "e", tok(1, 1, 2)))
	k.lieSweep = true
	k.swept(s, participantv1.OutcomeKind_OUTCOME_KIND_ERASED, 7)
	if k.counts(s).GetCounts()[0].GetOwned() != 3 {
		t.Error("a lying sweep is not seen by the count")
	}
	k.lieSweep, k.lieCount = false, true
	if k.counts(s).GetCounts()[0].GetOwned() != 0 {
		t.Error("the lie is not told")
	}
	k.swept(s, participantv1.OutcomeKind_OUTCOME_KIND_ERASED, 3)
}

func TestExportResumesBehindItsCursor(t *testing.T) {
	k := open(t)
	k.file = bytes.Repeat([]byte("x"), 100<<10)
	s := k.person(5, 4)
	whole, err := k.exported(s, "")
	check(t, err)
	var records []*participantv1.ExportResponse
	bytesSeen, files := 0, 0
	for _, m := range whole {
		bytesSeen += len(m.GetData())
		if m.GetFile() != nil {
			files++
		}
		if m.GetRecord() != nil {
			records = append(records, m)
		}
	}
	if len(records) != 4 || files != 4 || bytesSeen != 4*len(k.file) {
		t.Fatalf("%d records, %d files, %d bytes", len(records), files, bytesSeen)
	}
	for i, m := range records {
		rest, err := k.exported(s, m.GetCursor())
		check(t, err)
		n := 0
		for _, r := range rest {
			if r.GetRecord() != nil {
				if n++; !proto.Equal(r, records[i+n]) {
					t.Errorf("behind record %d comes %v", i, r)
				}
			}
		}
		if n != len(records)-i-1 {
			t.Errorf("behind record %d come %d", i, n)
		}
	}
	for _, bad := range []string{"x", "9:1", "-1:1", "1"} {
		if _, err := k.exported(s, bad); err == nil {
			t.Errorf("cursor %q is taken", bad)
		}
	}
	if empty, err := k.exported(who(1, 77), ""); err != nil || len(empty) != 0 {
		t.Errorf("somebody never met: %v, %v", empty, err)
	}
}

// An export is whole or refused, whenever a fence comes.
func TestExportIsNeverShortInSilence(t *testing.T) {
	k := open(t)
	s := k.person(5, 3)
	check(t, k.fence(s, hidden, "h", tok(1, 1, 1)))
	if out, err := k.exported(s, ""); err != nil || len(out) != 3 {
		t.Errorf("a hidden person's export: %d messages, %v", len(out), err)
	}
	second := int64(50002)
	k.during = func(id int64) {
		if id == second {
			check(t, k.fence(s, erasing, "e", tok(2, 1, 1)))
			check(t, k.unfence(s, "e", tok(2, 1, 2)))
		}
	}
	_, err := k.exported(s, "")
	refused(t, err, faultv1.Reason_REASON_UNAVAILABLE) // the fence came and went
	k.during = func(id int64) {
		if id == second {
			check(t, k.fence(s, erasing, "e", tok(3, 1, 1)))
		}
	}
	_, err = k.exported(s, "")
	refused(t, err, faultv1.Reason_REASON_FENCED)
	k.during = nil
	out, err := k.exported(s, "")
	refused(t, err, faultv1.Reason_REASON_FENCED)
	if len(out) != 0 {
		t.Error("something was sent behind the fence")
	}
	stream, err := k.api.Export(k.ctx, &participantv1.ExportRequest{Subject: s})
	check(t, err)
	_, err = all(stream)
	refused(t, err, faultv1.Reason_REASON_INVALID_VALUE) // a scope has to be said
}

func TestFileBreaksOffBehindAFence(t *testing.T) {
	k := open(t)
	s := k.person(5, 1)
	k.file = make([]byte, 8<<20)
	k.during = func(int64) { check(t, k.fence(s, erasing, "e", tok(1, 1, 1))) }
	out, err := k.exported(s, "")
	refused(t, err, faultv1.Reason_REASON_FENCED)
	n := 0
	for _, m := range out {
		n += len(m.GetData())
	}
	if n > 1<<20+64<<10 {
		t.Errorf("%d bytes came behind the fence", n)
	}
}

func TestDescribe(t *testing.T) {
	k := open(t)
	out, err := k.api.DescribeHoldings(k.ctx, &participantv1.DescribeHoldingsRequest{})
	check(t, err)
	seen := map[string]bool{}
	for _, h := range out.GetHoldings() {
		seen[h.GetResource()] = true
		if h.GetCategory() == 0 || h.GetOnErase() == 0 || h.GetPurpose() == "" {
			t.Errorf("holding %v", h)
		}
	}
	if !seen["contacts"] || !seen["tickets"] {
		t.Errorf("resources %v", seen)
	}
	defer func() {
		if recover() == nil {
			t.Error("a message without a resource option is taken")
		}
	}()
	participant.New(k.db, "x", []participant.Resource{{Message: &contactsv1.GetContactRequest{}}})
}
