package tickets

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/tickets/internal/app"
	"github.com/lethe-desk/lethe/services/tickets/internal/ticket"
	"google.golang.org/protobuf/proto"
)

func TestFilesAreAdoptedAndComeBack(t *testing.T) {
	d := open(t)
	big := strings.Repeat("0123456789abcdef", 20_000) // five pieces
	one, two, three := d.staged("one.txt", big), d.staged("two.txt", ""), d.staged("three.txt", "3")
	_, err := d.download(one)
	notFound(t, err) // not before it hangs on something
	made := d.ticket(&ticketsv1.TicketInput{Email: str("a@example.org"), AttachmentIds: []int64{one, two, one}})
	equal(t, "files", len(made.Attachments), 2)
	f := made.Attachments[0]
	if f.GetId() != one || f.GetName() != "one.txt" || f.GetContentType() != "text/plain" || f.GetSize() != int64(len(big)) ||
		!strings.HasPrefix(f.GetAttachmentUrl(), "/api/v2/attachments/") {
		t.Errorf("%v", f)
	}
	reply, err := d.reply(made.GetId(), &ticketsv1.ReplyInput{Body: str("x"), AttachmentIds: []int64{three}}, "")
	must(t, err)
	equal(t, "files of the reply", len(reply.Attachments), 1)
	got := d.mustGet(made.GetId(), "conversations")
	equal(t, "files of the ticket alone", len(got.Attachments), 2)
	equal(t, "files of the conversation", len(got.Conversations[0].Attachments), 1)
	for n, want := range map[int64]string{one: big, two: "", three: "3"} {
		data, err := d.download(n)
		must(t, err)
		if data != want {
			t.Errorf("file %d has %d bytes, want %d", n, len(data), len(want))
		}
	}
	_, err = d.reply(made.GetId(), &ticketsv1.ReplyInput{Body: str("x"), AttachmentIds: []int64{three}}, "")
	equal(t, "adopted twice", violations(err), "attachment_ids invalid_value")
	more := d.staged("more.txt", "m")
	got, err = d.update(made.GetId(), &ticketsv1.TicketInput{AttachmentIds: []int64{more}}, "attachment_ids")
	must(t, err)
	equal(t, "files after the update", len(got.Attachments), 3)

	_, err = d.attachments.DeleteAttachment(d.agent, &ticketsv1.DeleteAttachmentRequest{Id: one})
	must(t, err)
	_, err = d.download(one)
	notFound(t, err)
	equal(t, "bytes", d.blobs(), 3)
	_, err = d.attachments.DeleteAttachment(d.agent, &ticketsv1.DeleteAttachmentRequest{Id: one})
	notFound(t, err)
	_, err = d.attachments.DeleteAttachment(d.stranger, &ticketsv1.DeleteAttachmentRequest{Id: two})
	notFound(t, err)
}

func TestUploadRefusals(t *testing.T) {
	d := open(t)
	_, err := d.upload(&ticketsv1.UploadHead{}, nil)
	equal(t, "no name", violations(err), "name missing_field")
	_, err = d.upload(&ticketsv1.UploadHead{Name: str("a"), OwnerId: id(77)}, nil)
	equal(t, "unknown owner", violations(err), "owner_id invalid_value")
	_, err = d.upload(&ticketsv1.UploadHead{Name: str("a")}, make([]byte, 20<<20+1))
	equal(t, "too large", violations(err), "attachments invalid_value")
	equal(t, "bytes", d.blobs(), 0)
	stream, err := d.attachments.UploadAttachment(d.agent)
	must(t, err)
	_, err = stream.CloseAndRecv()
	equal(t, "no head", violations(err), "name missing_field")
	stream, err = d.attachments.UploadAttachment(d.agent)
	must(t, err)
	must(t, stream.Send(&ticketsv1.UploadAttachmentRequest{Part: &ticketsv1.UploadAttachmentRequest_Data{Data: []byte("x")}}))
	_, err = stream.CloseAndRecv()
	equal(t, "data first", violations(err), "name missing_field")
}

func TestTwentyMegabytesForAllFilesOfATicket(t *testing.T) {
	d := open(t)
	half := string(bytes.Repeat([]byte("x"), 10<<20))
	one, two, three := d.staged("1", half), d.staged("2", half), d.staged("3", "x")
	_, err := d.create(&ticketsv1.TicketInput{Email: str("a@example.org"), AttachmentIds: []int64{one, two, three}}, "")
	equal(t, "at once", violations(err), "attachments invalid_value")
	made := d.ticket(&ticketsv1.TicketInput{Email: str("a@example.org"), AttachmentIds: []int64{one}})
	_, err = d.reply(made.GetId(), &ticketsv1.ReplyInput{Body: str("x"), AttachmentIds: []int64{two}}, "")
	must(t, err)
	_, err = d.reply(made.GetId(), &ticketsv1.ReplyInput{Body: str("x"), AttachmentIds: []int64{three}}, "")
	equal(t, "one byte more", violations(err), "attachments invalid_value")
}

func TestUploadsForAKnownOwner(t *testing.T) {
	d := open(t)
	anna, bert := d.person("anna@example.org"), d.person("bert@example.org")
	f, err := d.upload(&ticketsv1.UploadHead{Name: str("a"), OwnerId: &anna}, []byte("x"))
	must(t, err)
	_, err = d.create(&ticketsv1.TicketInput{RequesterId: &bert, AttachmentIds: []int64{f.GetId()}}, "")
	equal(t, "somebody else's", violations(err), "attachment_ids invalid_value")
	equal(t, "counted", d.counts(anna)["attachments"], 1)
	d.ticket(&ticketsv1.TicketInput{RequesterId: &anna, AttachmentIds: []int64{f.GetId()}})
	equal(t, "counted once", d.counts(anna)["attachments"], 1)
}

func TestStagedFilesAreSwept(t *testing.T) {
	d := open(t)
	old := d.staged("old", "x")
	kept := d.staged("kept", "k")
	d.ticket(&ticketsv1.TicketInput{Email: str("a@example.org"), AttachmentIds: []int64{kept}})
	d.later(61 * time.Minute)
	_, err := d.create(&ticketsv1.TicketInput{Email: str("a@example.org"), AttachmentIds: []int64{old}}, "")
	equal(t, "too old to adopt", violations(err), "attachment_ids invalid_value")
	sweep := func(want int) {
		t.Helper()
		n, err := d.svc.SweepStaged(d.t.Context())
		must(t, err)
		equal(t, "swept", n, want)
	}
	sweep(0) // an adoption could be under way
	d.later(10 * time.Minute)
	young := d.staged("young", "y")
	sweep(1)
	sweep(0)
	equal(t, "bytes", d.blobs(), 2)
	_, err = d.attachments.DeleteAttachment(d.agent, &ticketsv1.DeleteAttachmentRequest{Id: young})
	must(t, err)
	equal(t, "bytes", d.blobs(), 1)
	data, err := d.download(kept)
	must(t, err)
	equal(t, "kept", data, "k")
}

// What a crash leaves of an adoption is two documents for the same bytes: the
// sweep takes the staged one and leaves the bytes.
func TestSweepAfterACrashBetweenAdoptionAndItsEnd(t *testing.T) {
	d := open(t)
	f := d.staged("f", "data")
	crash := errors.New("crash")
	d.svc.app.Staged = &crashing{Attachments: d.svc.app.Staged, onDelete: crash}
	if _, err := d.create(&ticketsv1.TicketInput{Email: str("a@example.org"), AttachmentIds: []int64{f}}, "k"); err == nil {
		t.Fatal("no crash")
	}
	d.later(2 * time.Hour)
	n, err := d.svc.SweepStaged(t.Context())
	must(t, err)
	equal(t, "swept", n, 1)
	made, err := d.create(&ticketsv1.TicketInput{Email: str("a@example.org"), AttachmentIds: []int64{f}}, "k")
	must(t, err)
	equal(t, "files", len(made.Attachments), 1)
	data, err := d.download(f)
	must(t, err)
	equal(t, "data", data, "data")
}

// crashing fails once at a place.
type crashing struct {
	app.Attachments
	onInsert, onDelete error
}

func (c *crashing) Insert(ctx context.Context, p ring.Purpose, v *ticket.Attachment) error {
	if err := c.onInsert; err != nil {
		c.onInsert = nil
		return err
	}
	return c.Attachments.Insert(ctx, p, v)
}

func (c *crashing) Delete(ctx context.Context, p ring.Purpose, account, id, rev int64) error {
	if err := c.onDelete; err != nil {
		c.onDelete = nil
		return err
	}
	return c.Attachments.Delete(ctx, p, account, id, rev)
}

func TestOrphanedBytesAreSwept(t *testing.T) {
	d := open(t)
	f := d.staged("f", "data")
	made := d.ticket(&ticketsv1.TicketInput{Email: str("a@example.org"), AttachmentIds: []int64{f}})
	_, _, _, err := d.svc.files.Save(t.Context(), strings.NewReader("nobody's"))
	must(t, err)
	waiting := d.staged("waiting", "w")
	old := time.Unix(1e9, 0) // the bucket's own clock decides about age
	must(t, filepath.WalkDir(filepath.Join(d.Dir, Name, "blobs"), func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		return os.Chtimes(path, old, old)
	}))
	equal(t, "bytes", d.blobs(), 3)
	n, err := d.svc.SweepOrphans(t.Context())
	must(t, err)
	equal(t, "orphans", n, 1)
	equal(t, "bytes", d.blobs(), 2)
	_, err = d.reply(made.GetId(), &ticketsv1.ReplyInput{Body: str("x"), AttachmentIds: []int64{waiting}}, "")
	must(t, err)
}

func TestNothingOfAFileIsInTheClear(t *testing.T) {
	d := open(t)
	f := d.staged("Secret-Name.txt", "Secret-Content")
	d.ticket(&ticketsv1.TicketInput{Email: str("a@example.org"), AttachmentIds: []int64{f}, Subject: str("Secret-Subject"), Tags: []string{"Secret-Tag"}, Description: str("Secret-Text")})
	must(t, filepath.WalkDir(filepath.Join(d.Dir, Name), func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte("Secret-")) || strings.Contains(path, "Secret") {
			t.Errorf("found in %s", filepath.Base(path))
		}
		return err
	}))
}

func TestDownloadStopsWhenAFenceComesDown(t *testing.T) {
	d := open(t)
	who := d.person("a@example.org")
	f := d.staged("f", strings.Repeat("x", 8<<20))
	d.ticket(&ticketsv1.TicketInput{RequesterId: &who, AttachmentIds: []int64{f}})
	stream, err := d.attachments.DownloadAttachment(d.agent, &ticketsv1.DownloadAttachmentRequest{Id: &f})
	must(t, err)
	_, err = stream.Recv() // flow control holds the server back while nobody reads
	must(t, err)
	d.fence(who, participantv1.Mode_MODE_RESTRICTED, "r")
	for err == nil {
		_, err = stream.Recv()
	}
	reason(t, err, faultv1.Reason_REASON_RESTRICTED)
}

func TestNoFilesForTheTrash(t *testing.T) {
	d := open(t)
	f := d.staged("f", "x")
	made := d.ticket(&ticketsv1.TicketInput{Email: str("a@example.org"), AttachmentIds: []int64{f}})
	_, err := d.tickets.DeleteTicket(d.agent, &ticketsv1.DeleteTicketRequest{Id: made.GetId()})
	must(t, err)
	_, err = d.attachments.DeleteAttachment(d.agent, &ticketsv1.DeleteAttachmentRequest{Id: f})
	reason(t, err, faultv1.Reason_REASON_METHOD_NOT_ALLOWED)
	if got := d.mustGet(made.GetId(), ""); !proto.Equal(got.Attachments[0], made.Attachments[0]) {
		t.Errorf("%v", got)
	}
}
