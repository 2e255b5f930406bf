package cli

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/lethe-desk/lethe/services/lethe/internal/progress"
	"github.com/lethe-desk/lethe/services/lethe/internal/restclient"
)

// Saga holds the commands about sagas.
type Saga struct {
	List  SagaList  `cmd:"" help:"List sagas, newest first."`
	Show  SagaShow  `cmd:"" help:"Show one with its steps and outcomes."`
	Watch SagaWatch `cmd:"" help:"Follow one until it ends; exit 0 only when it is completed."`
	Retry SagaRetry `cmd:"" help:"Resume a parked one."`
}

// SagaList lists.
type SagaList struct {
	State   string `help:"Only those in this state: pending, running, waiting, undoing, parked, completed, refused, cancelled." placeholder:"STATE" env:"-"`
	Subject int64  `help:"Only those about this person." placeholder:"ID" env:"-"`
	Limit   int    `help:"At most so many; 0 for all." default:"100" placeholder:"N" env:"-"`
}

// sagaRow is an element of the JSON list.
type sagaRow struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"`
	State     string    `json:"state"`
	Stage     string    `json:"stage"`
	Subject   int64     `json:"subject"`
	TraceID   string    `json:"trace_id"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// Run prints the list.
func (c SagaList) Run(s *session) error {
	client, err := s.client()
	if err != nil {
		return err
	}
	defer client.Close()
	query := url.Values{}
	if c.State != "" {
		query.Set("state", c.State)
	}
	if c.Subject != 0 {
		query.Set("subject", strconv.FormatInt(c.Subject, 10))
	}
	query.Set("per_page", "100")
	sagas, err := client.Sagas(s.ctx, query, c.Limit)
	if err != nil {
		return err
	}
	if s.cli.JSON {
		rows := make([]sagaRow, len(sagas))
		for i, g := range sagas {
			rows[i] = sagaRow{g.ID, g.Kind, g.State, g.Stage, g.Subject, g.TraceID, g.CreatedAt, g.UpdatedAt}
		}
		return s.print(rows)
	}
	table := [][]string{{"ID", "KIND", "STATE", "STAGE", "SUBJECT", "TRACE", "UPDATED"}}
	for _, g := range sagas {
		table = append(table, []string{g.ID, g.Kind, g.State, g.Stage, strconv.FormatInt(g.Subject, 10), g.TraceID, stamp(g.UpdatedAt)})
	}
	return s.table(table)
}

// SagaShow shows one.
type SagaShow struct {
	ID string `arg:"" help:"The saga's id."`
}

// Run prints the saga; as JSON just as the API gives it.
func (c SagaShow) Run(s *session) error {
	client, err := s.client()
	if err != nil {
		return err
	}
	defer client.Close()
	if s.cli.JSON {
		var raw json.RawMessage
		if _, err := client.Get(s.ctx, "/api/v2/privacy/sagas/"+url.PathEscape(c.ID), nil, &raw); err != nil {
			return c.missing(err)
		}
		return s.print(raw)
	}
	saga, err := client.Saga(s.ctx, c.ID)
	if err != nil {
		return c.missing(err)
	}
	return s.showSaga(saga)
}

func (c SagaShow) missing(err error) error {
	if restclient.IsStatus(err, 404) {
		return exit(ExitNotFound, "there is no saga with this id; lethe saga list shows all")
	}
	return err
}

// SagaWatch follows one.
type SagaWatch struct{ SagaShow }

// Run prints each movement, as JSON an object a line.
func (c SagaWatch) Run(s *session) error {
	client, err := s.client()
	if err != nil {
		return err
	}
	defer client.Close()
	show := s.follower()
	if s.cli.JSON {
		show = func(e restclient.SagaEvent) { _ = s.printLine(e) }
	}
	saga, err := client.Watch(s.ctx, c.ID, show)
	if err != nil {
		return c.missing(err)
	}
	if !s.cli.JSON {
		if err := s.showSaga(saga); err != nil {
			return err
		}
	}
	return verdict(saga)
}

// SagaRetry resumes one.
type SagaRetry struct{ SagaShow }

// Run resumes it and returns at once.
func (c SagaRetry) Run(s *session) error {
	client, err := s.client()
	if err != nil {
		return err
	}
	defer client.Close()
	saga, err := client.RetrySaga(s.ctx, c.ID)
	if err != nil {
		return c.missing(err)
	}
	if s.cli.JSON {
		return s.print(saga)
	}
	fmt.Fprintf(s.env.Stdout, "saga %s is %s; follow it with lethe saga watch %s\n", saga.ID, saga.State, saga.ID)
	return nil
}

// watch follows a saga with progress on standard error.
func (s *session) watch(client *restclient.Client, id string) (*restclient.Saga, error) {
	show := s.follower()
	if s.cli.JSON {
		show = func(e restclient.SagaEvent) {
			if raw, err := json.Marshal(e); err == nil {
				fmt.Fprintf(s.env.Stderr, "%s\n", raw)
			}
		}
	}
	saga, err := client.Watch(s.ctx, id, show)
	if err != nil && s.ctx.Err() != nil {
		return nil, exit(ExitInterrupted, "stopped watching; the saga goes on by itself: lethe saga watch %s", id)
	}
	return saga, err
}

// follower shows the movements of a saga for people: a line for each stage and
// step, and a bar while records are worked through.
func (s *session) follower() func(restclient.SagaEvent) {
	tasks := map[string]*progress.Task{}
	state := ""
	return func(e restclient.SagaEvent) {
		if e.Step == "" {
			if now := e.State + " " + e.Stage; now != state {
				state = now
				s.progress.Line("%-10s %s", e.State, e.Stage)
			}
			return
		}
		name := e.Stage + " " + e.Step
		if e.StepState == "running" && e.Total > 0 {
			if tasks[name] == nil {
				tasks[name] = s.progress.Task(name, e.Total)
			}
			tasks[name].Set(e.Done, e.Total)
			return
		}
		if task := tasks[name]; task != nil && e.StepState != "running" {
			task.End()
			delete(tasks, name)
		}
		line := fmt.Sprintf("%-10s %s", e.StepState, name)
		if e.Code != "" {
			line += " (" + e.Code + ")"
		}
		s.progress.Line("%s", line)
	}
}

// showSaga prints a saga with its steps and outcomes.
func (s *session) showSaga(g *restclient.Saga) error {
	if s.cli.JSON {
		return s.print(g)
	}
	fmt.Fprintf(s.env.Stdout, "saga %s: %s, %s in stage %s, subject %d, trace %s\n", g.ID, g.Kind, g.State, g.Stage, g.Subject, g.TraceID)
	if g.Reason != "" {
		fmt.Fprintf(s.env.Stdout, "reason: %s\n", g.Reason)
	}
	if len(g.Steps) > 0 {
		table := [][]string{{"STEP", "STATE", "TRIES", "CODE"}}
		for _, st := range g.Steps {
			// A step's name begins with its stage when the API does not tell it apart.
			name := strings.TrimSpace(st.Stage + " " + st.Name)
			table = append(table, []string{name, st.State, strconv.Itoa(st.Attempts), st.Code})
		}
		if err := s.table(table); err != nil {
			return err
		}
	}
	if len(g.Outcomes) == 0 {
		return nil
	}
	table := [][]string{{"SERVICE", "RESOURCE", "CATEGORY", "OUTCOME", "COUNT", "GROUND", "UNTIL"}}
	for _, o := range g.Outcomes {
		until := ""
		if o.Outcome.Until != nil {
			until = stamp(*o.Outcome.Until)
		}
		table = append(table, []string{
			o.Participant, o.Outcome.Resource, word(o.Outcome.Category, "CATEGORY_"), word(o.Outcome.Kind, "OUTCOME_KIND_"),
			strconv.FormatInt(o.Outcome.Count, 10), o.Outcome.Ground, until,
		})
	}
	return s.table(table)
}

// word is the name of an enum value for people.
func word(name, prefix string) string { return strings.ToLower(strings.TrimPrefix(name, prefix)) }

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// print writes one JSON value on several lines.
func (s *session) print(v any) error {
	enc := json.NewEncoder(s.env.Stdout)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// printLine writes one JSON value on one line.
func (s *session) printLine(v any) error { return json.NewEncoder(s.env.Stdout).Encode(v) }

func (s *session) table(rows [][]string) error {
	w := tabwriter.NewWriter(s.env.Stdout, 0, 8, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(w, strings.TrimRight(strings.Join(row, "\t"), "\t"))
	}
	return w.Flush()
}
