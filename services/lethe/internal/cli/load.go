package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/lethe-desk/lethe/services/lethe/internal/importer"
	"github.com/lethe-desk/lethe/services/lethe/internal/seed"
	"github.com/lethe-desk/lethe/services/lethe/internal/ticketcsv"
)

// Import holds the commands that load files.
type Import struct {
	Tickets ImportTickets `cmd:"" help:"Load tickets of the public customer-support CSV layout. Importing a file again adds nothing and brings nobody back."`
}

// ImportTickets loads a CSV file.
type ImportTickets struct {
	File    string `arg:"" help:"The CSV file."`
	Workers int    `help:"Rows written at a time." default:"16" placeholder:"N" env:"-"`
}

// Run imports the file and exits 1 when a row is not in.
func (c ImportTickets) Run(s *session) error {
	client, err := s.client()
	if err != nil {
		return err
	}
	defer client.Close()
	total, rated, err := countRows(c.File)
	if err != nil {
		return err
	}
	f, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer f.Close()
	rows, ratings := s.progress.Task("rows", total), s.progress.Task("ratings", rated)
	result, err := importer.Run(s.ctx, client, f, importer.Options{Workers: c.Workers, Progress: rows.Add, Rated: ratings.Add})
	rows.End()
	ratings.End()
	if err != nil && result.Rows == 0 {
		return err
	}
	if printErr := c.report(s, result); printErr != nil {
		return printErr
	}
	if err != nil {
		s.progress.Line("the import ended early; importing the file again finishes it")
		return err
	}
	if len(result.Failed) > 0 {
		return exit(ExitFailed, "%d rows are not in; mend them and import the file again, the others stay as they are", len(result.Failed))
	}
	return nil
}

// countRows reads the file once for the numbers of rows and ratings to come, and
// finds a wrong header before anything is written.
func countRows(path string) (total, rated int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	rows, err := ticketcsv.NewReader(f)
	if err != nil {
		return 0, 0, exit(ExitFailed, "%v", err)
	}
	for {
		row, err := rows.Next()
		var broken *ticketcsv.RowError
		switch {
		case errors.Is(err, io.EOF):
			return total, rated, nil
		case err != nil && !errors.As(err, &broken):
			return 0, 0, err
		}
		total++
		if row != nil && row.Rating != nil {
			rated++
		}
	}
}

func (c ImportTickets) report(s *session, r importer.Result) error {
	if s.cli.JSON {
		return s.print(r)
	}
	for _, f := range r.Failed {
		fmt.Fprintf(s.env.Stdout, "line %d: %s\n", f.Line, f.Reason)
	}
	if len(r.IgnoredColumns) > 0 {
		fmt.Fprintf(s.env.Stdout, "columns not of the layout, left out: %s\n", strings.Join(r.IgnoredColumns, ", "))
	}
	fmt.Fprintf(s.env.Stdout, "%d rows: %d imported, %d already there, %d not in; %d ratings added\n", r.Rows, r.Imported, r.Already, len(r.Failed), r.Ratings)
	if r.Spam > 0 {
		fmt.Fprintf(s.env.Stdout, "%d of the imported were filed as spam, because their people are soft deleted\n", r.Spam)
	}
	return nil
}

// Seed makes an invented desk.
type Seed struct {
	People      int    `help:"How many people." default:"20" placeholder:"N" env:"-"`
	TicketsPer  int    `help:"How many tickets each has." default:"5" placeholder:"N" env:"-"`
	RatingsPer  int    `help:"How many of these tickets each person rates." default:"2" placeholder:"N" env:"-"`
	TopicsPer   int    `help:"How many topics each person begins in the forum." default:"1" placeholder:"N" env:"-"`
	CommentsPer int    `help:"How many comments each person writes on topics of others." default:"2" placeholder:"N" env:"-"`
	Articles    int    `help:"How many articles the knowledge base has." default:"5" placeholder:"N" env:"-"`
	Seed        uint64 `help:"Which desk; different seeds share nobody." default:"1" placeholder:"S" env:"-"`
}

// Run makes the desk.
func (c Seed) Run(s *session) error {
	if min(c.People, c.TicketsPer, c.RatingsPer, c.TopicsPer, c.CommentsPer, c.Articles) < 0 {
		return exit(ExitUsage, "how many of something cannot be negative")
	}
	client, err := s.client()
	if err != nil {
		return err
	}
	defer client.Close()
	made, discussed := s.progress.Task("people", int64(c.People)), s.progress.Task("discussions", int64(c.People))
	r, err := seed.Run(s.ctx, client, seed.Options{
		People: c.People, TicketsPer: c.TicketsPer, RatingsPer: c.RatingsPer, TopicsPer: c.TopicsPer, CommentsPer: c.CommentsPer, Articles: c.Articles,
		Seed: c.Seed, Progress: made.Add, Discussed: discussed.Add,
	})
	made.End()
	if c.TopicsPer > 0 {
		discussed.End()
	}
	if err != nil {
		return err
	}
	if s.cli.JSON {
		return s.print(r)
	}
	fmt.Fprintf(s.env.Stdout, "%d people (%d were there already), %d tickets, %d replies, %d notes, %d huddles, %d calls, %d chats, %d attachments, %d ratings, "+
		"%d topics, %d comments, %d follows, %d articles\n", r.People, r.Already, r.Tickets, r.Replies, r.Notes, r.Huddles, r.Calls, r.Chats, r.Attachments, r.Ratings,
		r.Topics, r.Comments, r.Follows, r.Articles)
	return nil
}
