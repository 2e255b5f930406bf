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
	total, err := countRows(c.File)
	if err != nil {
		return err
	}
	f, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer f.Close()
	task := s.progress.Task("rows", total)
	result, err := importer.Run(s.ctx, client, f, importer.Options{Workers: c.Workers, Progress: task.Add})
	task.End()
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

// countRows reads the file once for the number of rows to come, and finds a
// wrong header before anything is written.
func countRows(path string) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	rows, err := ticketcsv.NewReader(f)
	if err != nil {
		return 0, exit(ExitFailed, "%v", err)
	}
	var n int64
	for {
		_, err := rows.Next()
		var broken *ticketcsv.RowError
		switch {
		case errors.Is(err, io.EOF):
			return n, nil
		case err != nil && !errors.As(err, &broken):
			return 0, err
		}
		n++
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
	fmt.Fprintf(s.env.Stdout, "%d rows: %d imported, %d already there, %d not in\n", r.Rows, r.Imported, r.Already, len(r.Failed))
	if r.Spam > 0 {
		fmt.Fprintf(s.env.Stdout, "%d of the imported were filed as spam, because their people are soft deleted\n", r.Spam)
	}
	return nil
}

// Seed makes an invented desk.
type Seed struct {
	People     int    `help:"How many people." default:"20" placeholder:"N" env:"-"`
	TicketsPer int    `help:"How many tickets each has." default:"5" placeholder:"N" env:"-"`
	Seed       uint64 `help:"Which desk; different seeds share nobody." default:"1" placeholder:"S" env:"-"`
}

// Run makes the desk.
func (c Seed) Run(s *session) error {
	if c.People < 0 || c.TicketsPer < 0 {
		return exit(ExitUsage, "--people and --tickets-per cannot be negative")
	}
	client, err := s.client()
	if err != nil {
		return err
	}
	defer client.Close()
	task := s.progress.Task("people", int64(c.People))
	r, err := seed.Run(s.ctx, client, seed.Options{People: c.People, TicketsPer: c.TicketsPer, Seed: c.Seed, Progress: task.Add})
	task.End()
	if err != nil {
		return err
	}
	if s.cli.JSON {
		return s.print(r)
	}
	fmt.Fprintf(s.env.Stdout, "%d people (%d were there already), %d tickets, %d replies, %d notes, %d huddles, %d calls, %d chats, %d attachments\n",
		r.People, r.Already, r.Tickets, r.Replies, r.Notes, r.Huddles, r.Calls, r.Chats, r.Attachments)
	return nil
}
