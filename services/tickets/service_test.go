package tickets

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/internal/platform/storage"
	"github.com/lethe-desk/lethe/services/tickets/internal/ticket"
	"google.golang.org/grpc"
)

func TestNewRefusesWhatIsMissing(t *testing.T) {
	if _, err := New(t.Context(), Config{}); err == nil || !strings.Contains(err.Error(), "data folder") {
		t.Fatal(err)
	}
	dir := t.TempDir()
	master, err := keyring.OpenMaster(filepath.Join(dir, "master"))
	must(t, err)
	c := Config{Store: storage.Config{Dir: filepath.Join(dir, "data"), Master: master}, Contacts: struct{ grpc.ClientConnInterface }{}, Log: slog.New(slog.DiscardHandler)}
	first, err := New(t.Context(), c)
	must(t, err)
	must(t, first.Ready(t.Context()))
	if second, err := New(t.Context(), c); err == nil {
		t.Errorf("two services on one folder: %v", second.Close(t.Context()))
	}
	must(t, first.Close(t.Context()))
	again, err := New(t.Context(), c)
	must(t, err)
	must(t, again.Close(t.Context()))
}

func TestEverythingOutlivesARestart(t *testing.T) {
	d := open(t)
	f := d.fill(d.person("a@example.org"), "secret")
	got, err := d.create(&ticketsv1.TicketInput{Email: str("b@example.org")}, "k")
	must(t, err)
	d.restart()
	again, err := d.create(&ticketsv1.TicketInput{Email: str("b@example.org")}, "k")
	must(t, err)
	equal(t, "repeat after the restart", again.GetId(), got.GetId())
	data, err := d.download(f.file)
	must(t, err)
	equal(t, "file", data, "secret file")
	equal(t, "text", d.mustGet(f.ticket, "").GetDescriptionText(), "secret")
	if next := d.ticket(&ticketsv1.TicketInput{Email: str("c@example.org")}).GetId(); next <= got.GetId() {
		t.Errorf("number %d was given again", next)
	}
}

// The sweeps run by themselves, survive a failure, and end with the service.
func TestSweepsRunByThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs int
		ctx, stop := context.WithCancel(t.Context())
		s := &Service{log: slog.New(slog.DiscardHandler), stop: stop}
		s.every(ctx, time.Hour, "swept", func(context.Context) (int, error) {
			runs++
			if runs == 1 {
				return 0, errors.New("failed")
			}
			return runs, nil
		})
		timer := time.NewTimer(3*time.Hour + time.Minute)
		<-timer.C
		synctest.Wait()
		must(t, s.Close(ctx))
		equal(t, "runs", runs, 3)
	})
}

// Two uploads may draw one id, in different collections at that: the later
// adoption takes another id and both files stay what they are.
func TestAdoptionUnderATakenID(t *testing.T) {
	d := open(t)
	one := d.staged("one", "1")
	first := d.ticket(&ticketsv1.TicketInput{Email: str("a@example.org"), AttachmentIds: []int64{one}})
	name, key, size, err := d.svc.files.Save(t.Context(), strings.NewReader("2"))
	must(t, err)
	now := d.Clock.Now()
	must(t, d.svc.app.Staged.Insert(t.Context(), ring.Write, &ticket.Attachment{
		Record: ticket.Record{Account: 1, ID: one, CreatedAt: now, UpdatedAt: now}, Name: "two", Blob: name, Key: key, Size: size,
	}))
	second := d.ticket(&ticketsv1.TicketInput{Email: str("b@example.org"), AttachmentIds: []int64{one}})
	if first.Attachments[0].GetId() != one || second.Attachments[0].GetId() == one || second.Attachments[0].GetName() != "two" {
		t.Errorf("%v\n%v", first.Attachments, second.Attachments)
	}
	for _, c := range []struct {
		id   int64
		want string
	}{{one, "1"}, {second.Attachments[0].GetId(), "2"}} {
		data, err := d.download(c.id)
		must(t, err)
		equal(t, "file", data, c.want)
	}
}

// Of two adoptions of one upload that race, one gets the file and the other is refused.
func TestOneUploadIsAdoptedOnce(t *testing.T) {
	d := open(t)
	f := d.staged("f", "x")
	held, err := d.svc.app.Staged.Get(t.Context(), ring.Read, 1, f)
	must(t, err)
	d.ticket(&ticketsv1.TicketInput{Email: str("a@example.org"), AttachmentIds: []int64{f}})
	again := *held // the other call read the upload before it was adopted
	again.Stored, again.Rev = nil, 0
	must(t, d.svc.app.Staged.Insert(t.Context(), ring.Write, &again))
	_, err = d.create(&ticketsv1.TicketInput{Email: str("b@example.org"), AttachmentIds: []int64{f}}, "")
	equal(t, "second", violations(err), "attachment_ids invalid_value")
	equal(t, "tickets", len(d.list(&ticketsv1.ListTicketsRequest{})), 1)
}
