// Package demo shows on one page what Lethe is for: it starts the suite in a
// temporary folder, makes a desk, exports one person, hides and restores them,
// erases them, and then looks for anything that is left; then it erases an agent,
// whose work stays. Every claim on the way is checked; the first that does not
// hold ends the demo with an error.
package demo

import (
	"archive/zip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/lethe/internal/cli"
	"github.com/lethe-desk/lethe/services/lethe/internal/restclient"
	"github.com/lethe-desk/lethe/services/lethe/internal/scan"
	"github.com/lethe-desk/lethe/services/lethe/internal/seed"
	"github.com/lethe-desk/lethe/services/lethe/internal/suite"
	"github.com/lethe-desk/lethe/services/lethe/internal/tracetree"
)

// people and tickets are the size of the desk the demo makes.
const (
	people  = 12
	tickets = 3
)

// services are all that hold data; each has a part in the erasure.
var services = []string{"contacts", "tickets", "forums", "ratings", "privacy"}

type demo struct {
	ctx    context.Context
	out    io.Writer
	dir    string
	key    string
	url    string
	client *restclient.Client
	// traces is the trace file, data the data folder.
	traces, data string
}

// Run runs the demo and prints it to out; the folder is removed afterwards.
func Run(ctx context.Context, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "lethe-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	d := &demo{
		ctx: ctx, out: out, dir: dir, key: authn.NewAPIKey(),
		traces: filepath.Join(dir, "spans.jsonl"), data: filepath.Join(dir, "desk"),
	}
	s, err := suite.New(ctx, suite.Config{
		Dir: d.data, HTTPAddr: "127.0.0.1:0", AdminKey: d.key, TraceFile: d.traces, LogFile: filepath.Join(dir, "log.jsonl"),
	})
	if err != nil {
		return err
	}
	d.title("The suite starts in an empty folder")
	at, err := s.Start(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop(context.WithoutCancel(ctx))) }()
	d.url = at.HTTP
	fmt.Fprintf(out, "REST at %s, gRPC:", at.HTTP)
	for _, name := range services {
		fmt.Fprintf(out, " %s %s", name, at.GRPC[name])
	}
	fmt.Fprintln(out)
	if d.client, err = restclient.New(at.HTTP, d.key); err != nil {
		return err
	}
	defer d.client.Close()
	return d.story()
}

func (d *demo) title(text string) { fmt.Fprintf(d.out, "\n== %s\n", text) }

func (d *demo) story() error {
	d.title("A desk with people, tickets, replies, notes, huddles, calls, chats, files, ratings, topics and comments")
	made, err := seed.Run(d.ctx, d.client, seed.Options{
		People: people, TicketsPer: tickets, RatingsPer: 2, TopicsPer: 1, CommentsPer: 3, Articles: 3, Seed: 1,
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, "%d people, %d tickets, %d replies, %d notes, %d huddles, %d calls, %d chats, %d files, %d ratings, %d topics, %d comments, %d articles\n",
		made.People, made.Tickets, made.Replies, made.Notes, made.Huddles, made.Calls, made.Chats, made.Attachments,
		made.Ratings, made.Topics, made.Comments, made.Articles)
	var all []contact
	if _, err := d.client.Get(d.ctx, "/api/v2/contacts", nil, &all); err != nil {
		return err
	}
	if len(all) != people {
		return fmt.Errorf("the desk has %d people", len(all))
	}
	who, others := all[0], all[1:]
	ticket, err := d.wholeTicket(who)
	if err != nil {
		return err
	}
	before, err := d.look(others)
	if err != nil {
		return err
	}
	talk, err := d.discussion(who, others[0])
	if err != nil {
		return err
	}
	needles, err := d.export(who)
	if err != nil {
		return err
	}
	if err := d.hideAndRestore(who); err != nil {
		return err
	}
	saga, err := d.erase(who)
	if err != nil {
		return err
	}
	if err := errors.Join(d.verify(who, others, before, needles), d.shell(who, talk), d.gone("/api/v2/tickets/"+ticket)); err != nil {
		return err
	}
	if err := errors.Join(d.trace(saga), d.agent(others[0])); err != nil {
		return err
	}
	d.title("Every claim above was checked. Try it on your own data: bin/lethe up --help")
	return nil
}

type contact struct {
	ID    int64  `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
}

func (c contact) id() string { return strconv.FormatInt(c.ID, 10) }

// look takes down what the desk answers about people.
func (d *demo) look(cs []contact) (string, error) {
	var all strings.Builder
	for _, c := range cs {
		for _, path := range []string{"/api/v2/contacts/" + c.id(), "/api/v2/tickets?requester_id=" + c.id(), "/api/v2/surveys/satisfaction_ratings?user_id=" + c.id()} {
			var body json.RawMessage
			path, query, _ := strings.Cut(path, "?")
			q := map[string][]string{}
			if k, v, ok := strings.Cut(query, "="); ok {
				q[k] = []string{v}
			}
			if _, err := d.client.Get(d.ctx, path, q, &body); err != nil {
				return "", err
			}
			all.Write(body)
		}
	}
	return all.String(), nil
}

// command runs an operator's command as it would be typed.
func (d *demo) command(args ...string) error {
	fmt.Fprintf(d.out, "$ lethe %s\n", strings.Join(args, " "))
	if code := cli.Main(d.ctx, append(args, "--url", d.url, "--key", d.key), cli.Env{Stdout: d.out, Stderr: d.out}); code != cli.ExitDone {
		return fmt.Errorf("lethe %s ended with code %d", args[0], code)
	}
	return nil
}

// export makes the person's package and takes from it what must be gone later.
func (d *demo) export(who contact) ([]string, error) {
	d.title("One person asks for their data (GDPR Article 15)")
	file := filepath.Join(d.dir, "export.zip")
	if err := d.command("export", "--contact", who.id(), "--out", file); err != nil {
		return nil, err
	}
	z, err := zip.OpenReader(file)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	needles := []string{who.Name, who.Email}
	missing := kinds()
	for _, f := range z.File {
		fmt.Fprintf(d.out, "  %6d  %s\n", f.UncompressedSize64, f.Name)
		if kind := strings.TrimSuffix(strings.TrimPrefix(f.Name, "data/"), ".json"); missing[kind] {
			some, err := hasRecords(f)
			if err != nil {
				return nil, err
			}
			missing[kind] = !some
		}
		if f.Name == "data/tickets/tickets.json" {
			texts, err := subjects(f)
			if err != nil {
				return nil, err
			}
			needles = append(needles, texts...)
		}
	}
	for kind, absent := range missing {
		if absent {
			return nil, fmt.Errorf("the package has none of the person's %s", kind)
		}
	}
	return needles, os.Remove(file)
}

// subjects are the tickets' texts in an export.
func subjects(f *zip.File) ([]string, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var tickets []struct {
		Text string `json:"description_text"`
	}
	if err := json.NewDecoder(r).Decode(&tickets); err != nil {
		return nil, err
	}
	var out []string
	for _, t := range tickets {
		if text := strings.Split(t.Text, "\n")[0]; len(text) >= 12 {
			out = append(out, text)
		}
	}
	return out, nil
}

func (d *demo) hideAndRestore(who contact) error {
	d.title("Soft delete hides the person everywhere at once; restore brings back the same")
	before, err := d.look([]contact{who})
	if err != nil {
		return err
	}
	if _, err := d.client.Do(d.ctx, restclient.Call{Method: http.MethodDelete, Path: "/api/v2/contacts/" + who.id()}); err != nil {
		return err
	}
	var list []contact
	if _, err := d.client.Get(d.ctx, "/api/v2/tickets", map[string][]string{"requester_id": {who.id()}}, &list); err != nil {
		return err
	}
	if len(list) != 0 {
		return errors.New("a hidden person's tickets are still listed")
	}
	fmt.Fprintf(d.out, "hidden: 0 of %d tickets are listed\n", tickets+1)
	if _, err := d.client.Do(d.ctx, restclient.Call{Method: http.MethodPut, Path: "/api/v2/contacts/" + who.id() + "/restore"}); err != nil {
		return err
	}
	after, err := d.look([]contact{who})
	if err != nil {
		return err
	}
	if before != after {
		return errors.New("a restored person is not the same as before")
	}
	fmt.Fprintln(d.out, "restored: every answer is the same as before, byte for byte")
	return nil
}

func (d *demo) erase(who contact) (saga string, err error) {
	d.title("The person asks to be forgotten (GDPR Article 17)")
	if err := d.command("erase", "--contact", who.id(), "--yes"); err != nil {
		return "", err
	}
	sagas, err := d.client.Sagas(d.ctx, map[string][]string{"subject": {who.id()}}, 1)
	if err != nil {
		return "", err
	}
	if len(sagas) != 1 || sagas[0].Kind != "erase_contact" {
		return "", errors.New("the erasure is not the person's last saga")
	}
	return sagas[0].TraceID, nil
}

// verify looks for what is left: in the answers, in the others' answers, in every byte on disk.
func (d *demo) verify(who contact, others []contact, before string, needles []string) error {
	d.title("What is left of the person")
	if err := d.gone("/api/v2/contacts/" + who.id()); err != nil {
		return err
	}
	fmt.Fprintln(d.out, "GET of the contact: 404")
	after, err := d.look(others)
	if err != nil {
		return err
	}
	if before != after {
		return errors.New("somebody else's answers have changed")
	}
	fmt.Fprintf(d.out, "answers about the %d others: the same as before, byte for byte\n", len(others))
	set, err := scan.Compile(needles)
	if err != nil {
		return err
	}
	result, err := set.Paths(d.ctx, []string{d.dir}, scan.Options{}, func(scan.Finding) {})
	if err != nil {
		return err
	}
	if result.Finds > 0 || len(result.Unread) > 0 {
		return fmt.Errorf("%d finds of the person's name, address or words on disk, %d files unread", result.Finds, len(result.Unread))
	}
	fmt.Fprintf(d.out, "name, address and %d texts, in any encoding, in %d files (%d bytes: databases, keys, blobs, logs, spans): not found\n",
		len(needles)-2, result.Files, result.Bytes)
	return nil
}

// gone makes sure that a path answers 404.
func (d *demo) gone(path string) error {
	if _, err := d.client.Get(d.ctx, path, nil, nil); !restclient.IsStatus(err, http.StatusNotFound) {
		return fmt.Errorf("GET %s does not answer 404: %w", path, err)
	}
	return nil
}

func (d *demo) trace(id string) error {
	d.title("The erasure as one trace, from the request to every service")
	spans, err := tracetree.Read(d.traces, id)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, "trace %s, %d spans\n     begin       took\n", id, len(spans))
	if err := tracetree.Print(d.out, spans); err != nil {
		return err
	}
	took := tracetree.Participants(spans)
	for _, name := range services {
		if !slices.Contains(took, name) {
			return fmt.Errorf("%s has no span in the trace", name)
		}
	}
	fmt.Fprintf(d.out, "services in it: %s\n", strings.Join(took, ", "))
	return nil
}
