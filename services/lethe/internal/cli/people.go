package cli

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/lethe-desk/lethe/services/lethe/internal/restclient"
)

// isErasure reports whether a kind of saga is that of an erasure.
func isErasure(kind string) bool { return strings.HasPrefix(kind, "erase_") }

// Who names a person.
type Who struct {
	Email   string `help:"The contact's e-mail address." placeholder:"ADDRESS" env:"-"`
	Contact int64  `help:"The contact's id." placeholder:"ID" env:"-"`
	Agent   int64  `help:"The agent's id." placeholder:"ID" env:"-"`
}

// named counts in how many ways the person is named.
func (w Who) named() (n int) {
	for _, said := range []bool{w.Email != "", w.Contact != 0, w.Agent != 0} {
		if said {
			n++
		}
	}
	return n
}

func (w Who) check() error {
	if w.named() != 1 {
		return exit(ExitUsage, "name the person with --email, --contact or --agent, and with one of them only")
	}
	return nil
}

// Matter names a person or one ticket.
type Matter struct {
	Who
	Ticket int64 `help:"One ticket, with all that hangs on it, instead of a person." placeholder:"NUMBER" env:"-"`
}

func (m Matter) check() error {
	if m.Ticket == 0 {
		return m.Who.check()
	}
	if m.named() != 0 || m.Ticket < 0 {
		return exit(ExitUsage, "name a person or a ticket, not both")
	}
	return nil
}

// find returns the person's id.
func (w Who) find(ctx context.Context, client *restclient.Client) (int64, error) {
	if w.Agent != 0 {
		var agent restclient.Contact
		_, err := client.Get(ctx, "/api/v2/agents/"+strconv.FormatInt(w.Agent, 10), nil, &agent)
		if restclient.IsStatus(err, 404) {
			return 0, exit(ExitNotFound, "there is no agent with this id, or not any more")
		}
		return agent.ID, err
	}
	if w.Email == "" {
		var contact restclient.Contact
		_, err := client.Get(ctx, "/api/v2/contacts/"+strconv.FormatInt(w.Contact, 10), nil, &contact)
		if restclient.IsStatus(err, 404) {
			return 0, exit(ExitNotFound, "there is no contact with this id, or not any more")
		}
		return contact.ID, err
	}
	contact, err := client.ContactByEmail(ctx, w.Email)
	if err != nil {
		return 0, err
	}
	if contact == nil {
		return 0, exit(ExitNotFound, "there is nobody with this e-mail address, also among the soft-deleted; if an erasure of the person is under way, lethe saga list shows it")
	}
	return contact.ID, nil
}

// Erase runs an erasure to its end.
type Erase struct {
	Matter
	Yes bool `help:"Say that this is meant: an erasure cannot be undone." env:"-"`
}

// Run erases and exits 0 only when the saga is completed.
func (c Erase) Run(s *session) error {
	if err := c.check(); err != nil {
		return err
	}
	if !c.Yes {
		return exit(ExitUsage, "an erasure cannot be undone; add --yes if it is meant")
	}
	client, err := s.client()
	if err != nil {
		return err
	}
	defer client.Close()
	id, err := c.saga(s, client)
	if err != nil {
		return err
	}
	saga, err := s.watch(client, id)
	if err != nil {
		return err
	}
	if err := s.showSaga(saga); err != nil {
		return err
	}
	return verdict(saga)
}

// saga returns the saga that erases the person or ticket: the one under way or
// done, or a new one.
func (c Erase) saga(s *session, client *restclient.Client) (string, error) {
	if c.Ticket != 0 {
		return c.raise(s, client, restclient.Raise{Kind: "erasure", Ticket: c.Ticket, Direct: true})
	}
	person, err := c.find(s.ctx, client)
	var missing *exitError
	if err != nil && (c.Email != "" || !errors.As(err, &missing)) {
		return "", err
	}
	known := err == nil
	if !known {
		person = max(c.Contact, c.Agent)
	}
	runs, listErr := client.Sagas(s.ctx, url.Values{"subject": {strconv.FormatInt(person, 10)}}, 0)
	if listErr != nil {
		return "", listErr
	}
	for _, run := range runs {
		over := run.State == "cancelled" || run.State == "refused"
		if isErasure(run.Kind) && run.Kind != "erase_ticket" && !over && (!known || run.State != "completed") {
			s.progress.Line("there is an erasure of this person already: saga %s, %s", run.ID, run.State)
			return run.ID, nil
		}
	}
	if !known {
		return "", err
	}
	return c.raise(s, client, restclient.Raise{Kind: "erasure", Contact: person, Direct: true})
}

// raise raises a request on the caller's own authority and returns its saga.
func (c Erase) raise(s *session, client *restclient.Client, in restclient.Raise) (string, error) {
	request, err := client.RaiseRequest(s.ctx, in, newKey())
	if err != nil {
		return "", err
	}
	if request.SagaID == "" {
		return "", exit(ExitIncomplete, "request %d is %s and not started yet; lethe request show %d says when it is", request.ID, request.State, request.ID)
	}
	s.progress.Line("request %d, saga %s", request.ID, request.SagaID)
	return request.SagaID, nil
}

// newKey makes repeating one call safe; another run of the command is another call.
func newKey() string { return "cli/" + rand.Text() }

// verdict is an error unless the saga is completed and every participant said
// what it did.
func verdict(saga *restclient.Saga) error {
	switch {
	case saga.State == "parked":
		return exit(ExitIncomplete, "saga %s is parked (%s) and waits for a person: mend the cause, then lethe saga retry %s", saga.ID, saga.Reason, saga.ID)
	case saga.State != "completed":
		return exit(ExitIncomplete, "saga %s is %s (%s), not completed", saga.ID, saga.State, saga.Reason)
	case isErasure(saga.Kind) && len(saga.Outcomes) == 0:
		return exit(ExitIncomplete, "saga %s calls itself completed and has no outcome", saga.ID)
	}
	for _, o := range saga.Outcomes {
		switch word(o.Outcome.Kind, "OUTCOME_KIND_") {
		case "erased", "anonymised", "none_found", "retained":
		default:
			return exit(ExitIncomplete, "saga %s: %s could not erase its %s", saga.ID, o.Participant, o.Outcome.Resource)
		}
	}
	return nil
}

// Export runs an export to its end.
type Export struct {
	Who
	Out    string `help:"File for the archive; mandatory unless --no-wait." placeholder:"FILE.zip" type:"path" env:"-"`
	NoWait bool   `help:"Only start the export." env:"-"`
}

// Run exports and exits 0 only when the whole archive lies in the file.
func (c Export) Run(s *session) error {
	if err := c.check(); err != nil {
		return err
	}
	if c.Out == "" && !c.NoWait {
		return exit(ExitUsage, "say where the archive goes with --out FILE.zip, or only start the export with --no-wait")
	}
	client, err := s.client()
	if err != nil {
		return err
	}
	defer client.Close()
	person, err := c.find(s.ctx, client)
	if err != nil {
		return err
	}
	request, err := client.CreateRequest(s.ctx, "export", person, newKey())
	if err != nil {
		return err
	}
	if c.NoWait {
		return s.started(request)
	}
	s.progress.Line("request %d, saga %s", request.ID, request.SagaID)
	saga, err := s.watch(client, request.SagaID)
	if err != nil {
		return err
	}
	if err := verdict(saga); err != nil {
		return err
	}
	export, err := client.Export(s.ctx, request.ExportID)
	if err != nil {
		return err
	}
	if err := c.fetch(s, client, export); err != nil {
		return err
	}
	if s.cli.JSON {
		return s.print(map[string]any{"request_id": request.ID, "export": export, "file": c.Out})
	}
	fmt.Fprintf(s.env.Stdout, "%s: %d records, %d files, %d bytes, SHA-256 %s\n", c.Out, export.Records, export.Files, export.Size, export.SHA256)
	return nil
}

func (s *session) started(request *restclient.Request) error {
	if s.cli.JSON {
		return s.print(request)
	}
	fmt.Fprintf(s.env.Stdout, "request %d, saga %s, export %d; follow it with lethe saga watch %s\n", request.ID, request.SagaID, request.ExportID, request.SagaID)
	return nil
}

// fetch writes the archive beside its place and moves it there once its hash is
// right, so a file of that name is always a whole archive.
func (c Export) fetch(s *session, client *restclient.Client, export *restclient.Export) error {
	if export.State != "ready" {
		return exit(ExitIncomplete, "export %d is %s, not ready", export.ID, export.State)
	}
	f, err := os.CreateTemp(filepath.Dir(c.Out), ".lethe-export-*")
	if err != nil {
		return fmt.Errorf("make the file for the archive: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	sum := sha256.New()
	task := s.progress.Task("bytes", export.Size)
	size, err := client.Download(s.ctx, "/api/v2/privacy/exports/"+strconv.FormatInt(export.ID, 10)+"/download",
		io.MultiWriter(f, sum, counter(task.Add)))
	task.End()
	if err != nil {
		return err
	}
	if err := whole(export, size, sum); err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write the archive: %w", err)
	}
	if err := os.Rename(f.Name(), c.Out); err != nil {
		return fmt.Errorf("put the archive in its place: %w", err)
	}
	return nil
}

func whole(export *restclient.Export, size int64, sum hash.Hash) error {
	if size != export.Size {
		return fmt.Errorf("the archive has %d bytes instead of %d", size, export.Size)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != export.SHA256 {
		return fmt.Errorf("the archive's hash is not the one promised")
	}
	return nil
}

// counter counts the bytes written to it.
type counter func(int64)

// Write counts p.
func (c counter) Write(p []byte) (int, error) {
	c(int64(len(p)))
	return len(p), nil
}
