// Package importer loads tickets of the customer-support CSV layout into a desk
// over its REST API.
//
// Every write carries an idempotency key of the file kind and the row's Ticket
// ID, so importing a file again adds nothing, finishes what an interrupted
// import left undone, and brings nobody back who was erased since. Rows of one
// e-mail address go through the same worker in the order of the file, so the
// name of the first row becomes the contact's.
package importer

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"sort"
	"sync"

	"github.com/lethe-desk/lethe/services/lethe/internal/restclient"
	"github.com/lethe-desk/lethe/services/lethe/internal/ticketcsv"
)

// Workers is how many rows are written at a time unless told otherwise.
const Workers = 16

// keyPrefix names the file kind in idempotency keys.
const keyPrefix = "csv-customer-support/"

// Options adjust an import.
type Options struct {
	// Workers is how many rows are written at a time; 16 when 0.
	Workers int
	// Progress is called with 1 after each row, broken ones too, by any goroutine.
	Progress func(rows int64)
	// Rated is called with 1 after each row with a rating, like Progress.
	Rated func(ratings int64)
}

// Result is what an import came to. Rows = Imported + Already + len(Failed).
type Result struct {
	// Rows counts the rows of the file.
	Rows int64 `json:"rows"`
	// Imported counts rows whose ticket this import made.
	Imported int64 `json:"imported"`
	// Already counts rows that had been imported before.
	Already int64 `json:"already"`
	// Spam counts imported rows that the desk filed as spam, because the person
	// is soft deleted; such a ticket takes no reply, call, chat or rating.
	Spam int64 `json:"filed_as_spam"`
	// Ratings counts the satisfaction ratings that this import made.
	Ratings int64 `json:"ratings"`
	// Failed lists broken and refused rows by line.
	Failed []Failure `json:"failed"`
	// IgnoredColumns are columns of the file that are not of the layout.
	IgnoredColumns []string `json:"ignored_columns,omitempty"`
}

// Failure is one row that is not in, or not wholly.
type Failure struct {
	// Line is the line the row begins on.
	Line int `json:"line"`
	// Reason holds no personal value.
	Reason string `json:"reason"`
}

// Run imports all rows of file. Rows that are broken or refused are in the
// result and do not end the import. The error tells why the import ended early
// (header wrong, key refused, server away, context ended); the result then says
// how far it came.
func Run(ctx context.Context, client *restclient.Client, file io.Reader, opts Options) (Result, error) {
	reader, err := ticketcsv.NewReader(file)
	if err != nil {
		return Result{Failed: []Failure{}}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	run := &run{client: client, stop: cancel, progress: opts.Progress, rated: opts.Rated, result: Result{Failed: []Failure{}, IgnoredColumns: reader.Ignored()}}
	if run.progress == nil {
		run.progress = func(int64) {}
	}
	if run.rated == nil {
		run.rated = func(int64) {}
	}
	if err := run.start(ctx); err != nil {
		return run.result, err
	}
	workers := opts.Workers
	if workers <= 0 {
		workers = Workers
	}
	shards := make([]chan *ticketcsv.Row, workers)
	var group sync.WaitGroup
	for i := range shards {
		shards[i] = make(chan *ticketcsv.Row, 8)
		group.Go(func() {
			for row := range shards[i] {
				run.row(ctx, row)
			}
		})
	}
	readErr := run.feed(ctx, reader, shards)
	for _, shard := range shards {
		close(shard)
	}
	group.Wait()
	sort.Slice(run.result.Failed, func(i, j int) bool { return run.result.Failed[i].Line < run.result.Failed[j].Line })
	if ctx.Err() != nil {
		return run.result, context.Cause(ctx)
	}
	return run.result, readErr
}

// run is one import.
type run struct {
	client   *restclient.Client
	stop     context.CancelCauseFunc
	progress func(int64)
	rated    func(int64)

	mu     sync.Mutex
	result Result
}

// start checks that the server is there and the key is good.
func (r *run) start(ctx context.Context) error {
	_, err := r.client.Get(ctx, "/api/v2/tickets", map[string][]string{"per_page": {"1"}}, nil)
	return err
}

func (r *run) feed(ctx context.Context, reader *ticketcsv.Reader, shards []chan *ticketcsv.Row) error {
	for {
		row, err := reader.Next()
		var broken *ticketcsv.RowError
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &broken):
			r.count(func(res *Result) {
				res.Rows++
				res.Failed = append(res.Failed, Failure{Line: broken.Line, Reason: broken.Reason})
			})
			continue
		case err != nil:
			return err
		}
		select {
		case shards[shardOf(row.Email, len(shards))] <- row:
		case <-ctx.Done():
			return nil
		}
	}
}

func shardOf(email string, shards int) int {
	h := fnv.New32a()
	_, _ = io.WriteString(h, email)
	return int(h.Sum32() % uint32(shards))
}

// count changes the result and tells progress of one row.
func (r *run) count(change func(*Result)) {
	r.mu.Lock()
	change(&r.result)
	r.mu.Unlock()
	r.progress(1)
}

func (r *run) row(ctx context.Context, row *ticketcsv.Row) {
	if ctx.Err() != nil {
		return
	}
	outcome, rated, err := r.write(ctx, row)
	if row.Rating != nil && ctx.Err() == nil {
		r.rated(1)
	}
	if err != nil && ctx.Err() != nil {
		return
	}
	if err != nil {
		if fatal(err) {
			r.stop(err)
			return
		}
		r.count(func(res *Result) {
			res.Rows++
			res.Ratings += rated
			res.Failed = append(res.Failed, Failure{Line: row.Line, Reason: err.Error()})
		})
		return
	}
	r.count(func(res *Result) {
		res.Rows++
		res.Ratings += rated
		switch outcome {
		case already:
			res.Already++
		case spam:
			res.Spam++
			res.Imported++
		default:
			res.Imported++
		}
	})
}

// fatal says that no other row would fare better.
func fatal(err error) bool {
	refusal := restclient.AsError(err)
	if refusal == nil {
		return true
	}
	return refusal.Status == http.StatusUnauthorized || refusal.Status == http.StatusServiceUnavailable ||
		refusal.Status == http.StatusTooManyRequests || refusal.Status == http.StatusForbidden && refusal.Code == "access_denied"
}

type outcome int

const (
	imported outcome = iota
	already
	spam
)

// write makes sure that the row's ticket and what hangs on it are there. rated is
// how many ratings it made.
func (r *run) write(ctx context.Context, row *ticketcsv.Row) (was outcome, rated int64, err error) {
	key := keyPrefix + row.TicketID
	var ticket restclient.Ticket
	answer, err := r.client.Post(ctx, "/api/v2/tickets", key+"/ticket", ticketBody(row), &ticket)
	if refusal := restclient.AsError(err); refusal != nil && refusal.AlreadyDone() {
		// Erased, hidden or deleted since: nothing may come back.
		return already, 0, nil
	}
	if err != nil {
		return imported, 0, err
	}
	if answer.Replayed {
		was = already
	}
	if ticket.Spam {
		if was == imported {
			was = spam
		}
		return was, 0, nil
	}
	for _, part := range parts(row, ticket.ID) {
		answer, err := r.client.Post(ctx, part.path, key+part.key, part.body, nil)
		if err != nil {
			refusal := restclient.AsError(err)
			if refusal != nil && (refusal.AlreadyDone() || was == already && gone(refusal)) {
				continue
			}
			return was, rated, fmt.Errorf("the ticket is in, its %s is not: %w", part.name, err)
		}
		if part.name == ratingPart && !answer.Replayed {
			rated++
		}
	}
	return was, rated, nil
}

// gone says that a ticket imported earlier is no longer one that can be written
// to: trashed, in spam, or its requester hidden or erased.
func gone(refusal *restclient.Error) bool {
	return refusal.Status == http.StatusNotFound || refusal.Status == http.StatusMethodNotAllowed
}
