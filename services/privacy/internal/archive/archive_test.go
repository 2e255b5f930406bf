package archive

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	_ "github.com/lethe-desk/lethe/gen/go/lethe/privacy/v1" // the stored types name its fields
	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/blob"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/internal/platform/storage"
	"github.com/lethe-desk/lethe/services/privacy/internal/flow"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
	"github.com/lethe-desk/lethe/services/privacy/internal/store"
)

const person = 5

// shop is an exporter over a real store and folder, with participants that send what a test says.
type shop struct {
	t   *testing.T
	db  *docstore.DB
	x   *Exporter
	now time.Time
	// send is what each participant streams.
	send map[string][]*participantv1.ExportResponse
	// big is how many further pieces of a file come behind that, piece what each holds.
	big   int
	piece []byte
	// fail ends the streams of participants, before runs at their beginning.
	fail   error
	before func()
	look   func()
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T) *shop {
	t.Helper()
	dir := t.TempDir()
	master, err := keyring.OpenMaster(filepath.Join(dir, "master.key"))
	check(t, err)
	s, err := storage.Open(t.Context(), "privacy", storage.Config{Dir: dir, Master: master})
	check(t, err)
	docs, err := store.Bind(t.Context(), s.DB)
	check(t, err)
	blobs, err := blob.OpenDir(filepath.Join(dir, "blobs"))
	check(t, err)
	t.Cleanup(func() {
		if err := errors.Join(blobs.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	})
	h := &shop{t: t, db: s.DB, now: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC), send: map[string][]*participantv1.ExportResponse{}}
	h.x = &Exporter{Exports: docs.Exports, Blobs: blobs, Now: func() time.Time { return h.now }, TTL: time.Hour}
	return h
}

// begin stores an export of participants contacts and tickets.
func (h *shop) begin(id int64) saga.Call {
	h.t.Helper()
	check(h.t, h.x.Exports.Insert(h.t.Context(), ring.Export, &store.Export{
		Meta:  docstore.Meta{Account: 1, ID: id, Owner: person, CreatedAt: h.now, UpdatedAt: h.now},
		State: Collecting, SagaID: "1-2", Archive: blob.NewName(), Key: blob.NewKey(),
		Parts: map[string]string{"contacts": blob.NewName(), "tickets": blob.NewName()},
	}))
	return saga.Call{
		Saga: "1-2", Account: 1, Subject: person, Progress: func(int64, int64) {},
		Refs: map[string]string{flow.RefExport: number(id), flow.RefRequest: "3"},
	}
}

type client struct {
	participantv1.PersonalDataServiceClient
	h    *shop
	name string
}

func (c client) Export(context.Context, *participantv1.ExportRequest, ...grpc.CallOption) (grpc.ServerStreamingClient[participantv1.ExportResponse], error) {
	if c.h.before != nil {
		c.h.before()
	}
	big := 0
	if c.name == "tickets" {
		big = c.h.big
	}
	return &stream{h: c.h, todo: c.h.send[c.name], big: big}, nil
}

type stream struct {
	grpc.ClientStream
	h    *shop
	todo []*participantv1.ExportResponse
	big  int
}

func (s *stream) Recv() (*participantv1.ExportResponse, error) {
	switch {
	case len(s.todo) > 0:
		m := s.todo[0]
		s.todo = s.todo[1:]
		return m, nil
	case s.h.fail != nil:
		return nil, s.h.fail
	case s.big > 0:
		s.big--
		if s.h.look != nil {
			s.h.look()
		}
		return &participantv1.ExportResponse{Part: &participantv1.ExportResponse_Data{Data: s.h.piece}}, nil
	}
	return nil, io.EOF
}

func (h *shop) collect(call saga.Call) error {
	for _, name := range []string{"contacts", "tickets"} {
		if err := h.x.Collect(h.t.Context(), call, flow.Participant{Name: name, Client: client{h: h, name: name}}); err != nil {
			return err
		}
	}
	return nil
}

func (h *shop) make(call saga.Call) {
	h.t.Helper()
	check(h.t, h.collect(call))
	check(h.t, h.x.Assemble(h.t.Context(), call))
	check(h.t, h.x.Offer(h.t.Context(), call))
}

func (h *shop) doc(id int64) *store.Export {
	h.t.Helper()
	doc, err := h.x.Exports.Get(h.t.Context(), ring.Sweep, 1, id)
	check(h.t, err)
	return doc
}

// read returns the archive's bytes and its files.
func (h *shop) read(id int64) ([]byte, map[string]string) {
	h.t.Helper()
	doc := h.doc(id)
	r, err := h.x.Blobs.Open(h.t.Context(), doc.Archive, doc.Key)
	check(h.t, err)
	defer r.Close()
	raw, err := io.ReadAll(r)
	check(h.t, err)
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	check(h.t, err)
	files := map[string]string{}
	for _, f := range z.File {
		if !filepath.IsLocal(f.Name) || strings.Contains(f.Name, "\\") {
			h.t.Errorf("the path %q leads out", f.Name)
		}
		in, err := f.Open()
		check(h.t, err)
		b, err := io.ReadAll(in)
		check(h.t, err)
		if _, twice := files[f.Name]; twice {
			h.t.Errorf("%s is there twice", f.Name)
		}
		files[f.Name] = string(b)
	}
	return raw, files
}

// blobs are how many blobs lie in the folder.
func (h *shop) blobs() int {
	h.t.Helper()
	n := 0
	for _, err := range h.x.Blobs.List(h.t.Context(), "", time.Now().Add(time.Hour)) {
		check(h.t, err)
		n++
	}
	return n
}

func (h *shop) fence(mode ring.Mode) {
	h.t.Helper()
	check(h.t, h.db.Fence(h.t.Context(), ring.Subject{Account: 1, ID: person}, ring.Fence{Mode: mode, Saga: "e", Token: ring.Token{Sequence: 1}}))
}

func record(t *testing.T, m proto.Message) *participantv1.ExportResponse {
	t.Helper()
	packed, err := anypb.New(m)
	check(t, err)
	return &participantv1.ExportResponse{Part: &participantv1.ExportResponse_Record{Record: packed}}
}

func file(record, id, name string) *participantv1.ExportResponse {
	return &participantv1.ExportResponse{Part: &participantv1.ExportResponse_File{File: &participantv1.ExportFile{
		Name: &name, Resource: proto.String("attachments"), RecordId: &record, Id: &id,
	}}}
}

func data(b string) *participantv1.ExportResponse {
	return &participantv1.ExportResponse{Part: &participantv1.ExportResponse_Data{Data: []byte(b)}}
}

const evil = `=cmd|' /C calc'!A0 <script>alert(1)</script> "quoted", ümlaut`

// fill gives the participants a contact, two tickets and files with hostile names.
func (h *shop) fill() {
	h.send["contacts"] = []*participantv1.ExportResponse{record(h.t, &contactsv1.Contact{Id: proto.Int64(5), Name: proto.String(evil)})}
	h.send["tickets"] = []*participantv1.ExportResponse{
		file("1", "11", "../../etc/passwd"), data("one"), data(" and two"),
		file("..", "..", ".."), data("dots"),
		file("1", "12", `C:\boot.ini`+"\u202e\x00"),
		record(h.t, &ticketsv1.Ticket{Id: proto.Int64(1), Subject: proto.String(evil)}),
		record(h.t, &ticketsv1.Ticket{Id: proto.Int64(2), Subject: proto.String("-1+1")}),
	}
}

func TestPackage(t *testing.T) {
	h := open(t)
	h.fill()
	h.make(h.begin(1))
	raw, files := h.read(1)
	h.tables(files)
	h.manifest(files)
	doc := h.doc(1)
	sum := sha256.Sum256(raw)
	if doc.Size != int64(len(raw)) || doc.SHA256 != hex.EncodeToString(sum[:]) || doc.Records != 3 || doc.Files != 3 || doc.State != Ready {
		t.Errorf("the document says %+v", doc)
	}
	if page := files["index.html"]; strings.Contains(page, "<script") || !strings.Contains(page, "&lt;script&gt;") || strings.Contains(page, `href="http`) {
		t.Error("the page does not escape")
	}
	contents := []string{}
	for path, content := range files {
		if strings.HasPrefix(path, "files/") {
			contents = append(contents, content)
			if slices.Contains(strings.Split(path, "/"), "..") || strings.ContainsAny(path, "\u202e\x00:") {
				t.Errorf("path %q", path)
			}
		}
	}
	slices.Sort(contents)
	if !slices.Equal(contents, []string{"", "dots", "one and two"}) {
		t.Errorf("files hold %q", contents)
	}
	if h.blobs() != 1 {
		t.Errorf("%d blobs, want the archive alone", h.blobs())
	}
}

func (h *shop) tables(files map[string]string) {
	h.t.Helper()
	var tickets []map[string]any
	if err := json.Unmarshal([]byte(files["data/tickets/tickets.json"]), &tickets); err != nil || len(tickets) != 2 || tickets[0]["subject"] != evil {
		h.t.Errorf("tickets.json: %v, %v", tickets, err)
	}
	rows, err := csv.NewReader(strings.NewReader(files["tables/tickets-tickets.csv"])).ReadAll()
	if err != nil || len(rows) != 3 {
		h.t.Fatalf("tickets.csv: %d rows, %v", len(rows), err)
	}
	at := slices.Index(rows[0], "subject")
	if rows[1][at] != "'"+evil || rows[2][at] != "'-1+1" {
		h.t.Errorf("cells %q and %q", rows[1][at], rows[2][at])
	}
	for _, row := range rows {
		for _, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@\t\r\n", rune(cell[0])) {
				h.t.Errorf("a spreadsheet takes %q for a formula", cell)
			}
		}
	}
}

func (h *shop) manifest(files map[string]string) {
	h.t.Helper()
	var m manifest
	check(h.t, json.Unmarshal([]byte(files["manifest.json"]), &m))
	if len(m.Files) != len(files)-1 || m.Export != 1 || m.Contact != person || m.Request != "3" || len(m.Withheld) == 0 {
		h.t.Errorf("manifest %+v", m)
	}
	for _, e := range m.Files {
		sum := sha256.Sum256([]byte(files[e.Path]))
		if e.SHA256 != hex.EncodeToString(sum[:]) || e.Size != int64(len(files[e.Path])) {
			h.t.Errorf("%s: the manifest says %+v", e.Path, e)
		}
	}
	want := []resourceCount{{"contacts", "contacts", 1}, {"tickets", "tickets", 2}}
	if !slices.Equal(m.Resources, want) {
		h.t.Errorf("resources %v", m.Resources)
	}
}

// Steps are repeated when nobody knows whether they happened: the archive stays the same.
func TestRepeatedStepsMakeTheSameArchive(t *testing.T) {
	h := open(t)
	h.fill()
	call := h.begin(1)
	h.fail = fault.Unavailable(nil)
	if err := h.collect(call); !fault.Has(err, faultv1.Reason_REASON_UNAVAILABLE) || h.blobs() != 0 {
		t.Fatalf("%v, %d blobs", err, h.blobs())
	}
	h.fail = nil
	check(t, h.collect(call))
	check(t, h.collect(call))
	check(t, h.x.Assemble(t.Context(), call))
	first, _ := h.read(1)
	check(t, h.x.Assemble(t.Context(), call))
	again, _ := h.read(1)
	if !bytes.Equal(first, again) {
		t.Error("the second archive differs")
	}
	check(t, h.x.Offer(t.Context(), call))
	check(t, h.x.Offer(t.Context(), call))
	if got := h.doc(1).ExpiresAt; !got.Equal(h.now.Add(time.Hour)) {
		t.Errorf("expires at %s", got)
	}
}

func TestNothingIsOfferedThatIsNotThere(t *testing.T) {
	h := open(t)
	call := h.begin(1)
	if err := h.x.Offer(t.Context(), call); !errors.Is(err, blob.ErrNotFound) || h.doc(1).State != Collecting {
		t.Errorf("%v, %s", err, h.doc(1).State)
	}
}

func TestBrokenParticipants(t *testing.T) {
	for name, send := range map[string]func(*shop) []*participantv1.ExportResponse{
		"bytes of no file": func(*shop) []*participantv1.ExportResponse { return []*participantv1.ExportResponse{data("x")} },
		"no resource": func(h *shop) []*participantv1.ExportResponse {
			return []*participantv1.ExportResponse{record(h.t, &contactsv1.GetContactRequest{})}
		},
		"not together": func(h *shop) []*participantv1.ExportResponse {
			a, b := record(h.t, &ticketsv1.Ticket{}), record(h.t, &contactsv1.Contact{})
			return []*participantv1.ExportResponse{a, b, a}
		},
		"a file twice": func(*shop) []*participantv1.ExportResponse {
			return []*participantv1.ExportResponse{file("1", "1", "a"), file("1", "1", "a")}
		},
	} {
		h := open(t)
		h.send["tickets"] = send(h)
		call := h.begin(1)
		check(t, h.collect(call))
		if err := h.x.Assemble(t.Context(), call); err == nil || h.blobs() != 2 {
			t.Errorf("%s: %v, %d blobs", name, err, h.blobs())
		}
	}
}

func TestExpiryByClock(t *testing.T) {
	h := open(t)
	h.fill()
	for id := range int64(3) {
		h.make(h.begin(id + 1))
	}
	for at, want := range map[time.Duration]int{0: 0, time.Hour: 0} {
		h.now = h.now.Add(at)
		if n, err := h.x.Expire(t.Context()); err != nil || n != want {
			t.Errorf("after %s: %d, %v", at, n, err)
		}
	}
	h.now = h.now.Add(time.Millisecond)
	if n, err := h.x.Expire(t.Context()); err != nil || n != 3 || h.blobs() != 0 || h.doc(1).State != Expired {
		t.Errorf("%d, %v, %d blobs, %s", n, err, h.blobs(), h.doc(1).State)
	}
	if n, err := h.x.Expire(t.Context()); err != nil || n != 0 {
		t.Errorf("again: %d, %v", n, err)
	}
}

func TestDiscard(t *testing.T) {
	h := open(t)
	h.fill()
	call := h.begin(1)
	check(t, h.collect(call))
	check(t, h.x.Assemble(t.Context(), call))
	// The undo of several steps runs at once.
	done := make(chan error)
	for range 4 {
		go func() { done <- h.x.Discard(t.Context(), call) }()
	}
	for range 4 {
		check(t, <-done)
	}
	if h.blobs() != 0 || h.doc(1).State != Failed {
		t.Errorf("%d blobs, %s", h.blobs(), h.doc(1).State)
	}
	// What comes late finds the export ended.
	for _, late := range []func() error{
		func() error { return h.collect(call) },
		func() error { return h.x.Assemble(t.Context(), call) },
		func() error { return h.x.Offer(t.Context(), call) },
	} {
		if err := late(); !fault.Has(err, faultv1.Reason_REASON_FENCED) || h.blobs() != 0 {
			t.Errorf("%v, %d blobs", err, h.blobs())
		}
	}
}

// An erasure that comes while a part is collected leaves no blob behind.
func TestFenceDuringCollect(t *testing.T) {
	for _, swept := range []bool{false, true} {
		h := open(t)
		h.fill()
		call := h.begin(1)
		h.before = func() {
			h.before = nil
			h.fence(ring.Erasing)
			if swept {
				doc := h.doc(1)
				check(t, h.x.Drop(t.Context(), doc))
				check(t, h.x.Exports.Delete(t.Context(), ring.Sweep, 1, 1, 0))
			}
		}
		if err := h.collect(call); !fault.Has(err, faultv1.Reason_REASON_FENCED) || h.blobs() != 0 {
			t.Errorf("swept %v: %v, %d blobs", swept, err, h.blobs())
		}
		check(t, h.x.Discard(t.Context(), call))
	}
}

// A destroyed key does not keep the blobs from being dropped.
func TestDiscardWithoutAKey(t *testing.T) {
	h := open(t)
	h.fill()
	call := h.begin(1)
	check(t, h.collect(call))
	h.fence(ring.Erasing)
	check(t, h.db.Destroy(t.Context(), ring.Subject{Account: 1, ID: person}, "e", ring.Token{Sequence: 1}))
	check(t, h.x.Discard(t.Context(), call))
	if h.blobs() != 0 || h.doc(1).State != Failed {
		t.Errorf("%d blobs, %s", h.blobs(), h.doc(1).State)
	}
}

// heap is what lies on the heap now, in bytes.
func heap() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

func TestMemoryIsBounded(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	h := open(t)
	h.send["tickets"] = []*participantv1.ExportResponse{file("1", "1", "film.mp4")}
	h.big, h.piece = 50<<4, make([]byte, 64<<10)
	call := h.begin(1)
	debug.FreeOSMemory()
	floor, peak := heap(), uint64(0)
	h.look = func() { peak = max(peak, heap()) }
	check(t, h.collect(call))
	done, watched := make(chan struct{}), make(chan uint64)
	go func() {
		most := uint64(0)
		for {
			select {
			case <-done:
				watched <- most
				return
			default:
				most = max(most, heap())
			}
		}
	}()
	err := h.x.Assemble(t.Context(), call)
	close(done)
	peak = max(peak, <-watched)
	check(t, err)
	if peak > floor+25<<20 {
		t.Errorf("%d MiB over the floor for a file of 50", (peak-floor)>>20)
	}
}

func TestNames(t *testing.T) {
	for in, want := range map[string]string{
		"a.txt": "a.txt", "": "_", "..": "_", ".hidden": "hidden", "a/b\\c": "a_b_c", "tab\tend": "tab_end",
		strings.Repeat("ü", 100): strings.Repeat("ü", 75),
	} {
		if got := safe(in); got != want {
			t.Errorf("safe(%q) = %q, want %q", in, got, want)
		}
	}
}
