package cli

import (
	"fmt"
	"strconv"
	"time"

	"github.com/lethe-desk/lethe/services/lethe/internal/restclient"
)

// Request holds the commands about people's requests.
type Request struct {
	Raise   RequestRaise   `cmd:"" help:"Write down what a person asks for; nothing is done before it is approved."`
	List    RequestList    `cmd:"" help:"List requests, newest first."`
	Show    RequestShow    `cmd:"" help:"Show one; while it waits for a decision, with what is held."`
	Approve RequestApprove `cmd:"" help:"Confirm that the person may ask this, and carry it out."`
	Refuse  RequestRefuse  `cmd:"" help:"Close one with a ground."`
}

// RequestRaise raises one.
type RequestRaise struct {
	Matter
	Kind string `help:"What is asked for: erasure or export." enum:"erasure,export" required:"" placeholder:"KIND" env:"-"`
}

// Run raises it and prints it.
func (c RequestRaise) Run(s *session) error {
	if err := c.check(); err != nil {
		return err
	}
	client, err := s.client()
	if err != nil {
		return err
	}
	defer client.Close()
	in := restclient.Raise{Kind: c.Kind, Ticket: c.Ticket}
	if c.Ticket == 0 {
		if in.Contact, err = c.find(s.ctx, client); err != nil {
			return err
		}
	}
	request, err := client.RaiseRequest(s.ctx, in, newKey())
	if err != nil {
		return err
	}
	return s.showRequest(request)
}

// RequestList lists.
type RequestList struct {
	Contact int64 `help:"Only those about this person." placeholder:"ID" env:"-"`
	Limit   int   `help:"At most so many, up to 100." default:"30" placeholder:"N" env:"-"`
}

// Run prints the list.
func (c RequestList) Run(s *session) error {
	if c.Limit < 1 || c.Limit > 100 {
		return exit(ExitUsage, "--limit lies between 1 and 100")
	}
	client, err := s.client()
	if err != nil {
		return err
	}
	defer client.Close()
	requests, err := client.Requests(s.ctx, c.Contact, c.Limit)
	if err != nil {
		return err
	}
	if s.cli.JSON {
		return s.print(requests)
	}
	table := [][]string{{"ID", "KIND", "STATE", "ABOUT", "SAGA", "DUE", "UPDATED"}}
	for _, r := range requests {
		table = append(table, []string{strconv.FormatInt(r.ID, 10), r.Kind, r.State, about(&r), r.SagaID, moment(r.DueBy), stamp(r.UpdatedAt)})
	}
	return s.table(table)
}

// about names what a request is about.
func about(r *restclient.RequestFull) string {
	if r.TicketID != 0 {
		return "ticket " + strconv.FormatInt(r.TicketID, 10)
	}
	return "person " + strconv.FormatInt(r.ContactID, 10)
}

func moment(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return stamp(*t)
}

// RequestShow shows one.
type RequestShow struct {
	ID int64 `arg:"" help:"The request's id."`
}

// Run prints it.
func (c RequestShow) Run(s *session) error {
	client, err := s.client()
	if err != nil {
		return err
	}
	defer client.Close()
	request, err := client.RequestByID(s.ctx, c.ID)
	if err != nil {
		return c.missing(err)
	}
	return s.showRequest(request)
}

func (c RequestShow) missing(err error) error {
	if restclient.IsStatus(err, 404) {
		return exit(ExitNotFound, "there is no request with this id; lethe request list shows them")
	}
	return err
}

// RequestApprove approves one.
type RequestApprove struct {
	RequestShow
	NoWait bool `help:"Only start it; otherwise the command runs until it is carried out." env:"-"`
}

// Run approves it and exits 0 only when it is carried out, or started with --no-wait.
func (c RequestApprove) Run(s *session) error {
	client, err := s.client()
	if err != nil {
		return err
	}
	defer client.Close()
	request, err := client.ApproveRequest(s.ctx, c.ID)
	if err != nil {
		return c.missing(err)
	}
	if c.NoWait {
		return s.showRequest(request)
	}
	if request.SagaID == "" {
		return exit(ExitIncomplete, "request %d is %s and not started yet; lethe request show %d says when it is", request.ID, request.State, request.ID)
	}
	s.progress.Line("request %d, saga %s", request.ID, request.SagaID)
	saga, err := s.watch(client, request.SagaID)
	if err != nil {
		return err
	}
	if err := s.showSaga(saga); err != nil {
		return err
	}
	return verdict(saga)
}

// RequestRefuse refuses one.
type RequestRefuse struct {
	RequestShow
	Ground string `help:"Why: identity_unproven, unfounded, excessive, legal_obligation, legal_claims, public_interest, freedom_of_expression, not_the_subject or withdrawn." required:"" placeholder:"GROUND" env:"-"`
}

// Run refuses it and prints it.
func (c RequestRefuse) Run(s *session) error {
	client, err := s.client()
	if err != nil {
		return err
	}
	defer client.Close()
	request, err := client.RefuseRequest(s.ctx, c.ID, c.Ground)
	if err != nil {
		return c.missing(err)
	}
	return s.showRequest(request)
}

// showRequest prints a request, and what is held while it waits for a decision.
func (s *session) showRequest(r *restclient.RequestFull) error {
	if s.cli.JSON {
		return s.print(r)
	}
	fmt.Fprintf(s.env.Stdout, "request %d: %s about %s, %s, raised %s, due %s\n", r.ID, r.Kind, about(r), r.State, stamp(r.CreatedAt), moment(r.DueBy))
	if r.SagaID != "" {
		fmt.Fprintf(s.env.Stdout, "saga %s\n", r.SagaID)
	}
	if r.Ground != "" {
		fmt.Fprintf(s.env.Stdout, "ground: %s\n", r.Ground)
	}
	if len(r.Holdings) == 0 {
		return nil
	}
	table := [][]string{{"SERVICE", "RESOURCE", "CATEGORY", "OWNED", "LINKED", "MENTIONED"}}
	for _, h := range r.Holdings {
		table = append(table, []string{h.Participant, h.Resource, h.Category, strconv.FormatInt(h.Owned, 10), strconv.FormatInt(h.Linked, 10), strconv.FormatInt(h.Mentioned, 10)})
	}
	return s.table(table)
}
