package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/lethe-desk/lethe/services/lethe/internal/restclient"
)

const (
	// heavyTickets is how many the heavy person has unless BENCH_HEAVY_TICKETS says
	// otherwise, heavyMessages how many messages each of them has.
	heavyTickets  = 100_000
	heavyMessages = 10
	// heavyMemory is what "bounded" means, in MiB above what the suite had.
	heavyMemory = 128
	// othersRate is how many reads of others are made in a second, othersWindow for
	// how long before the erasure.
	othersRate   = 100
	othersWindow = 20 * time.Second
)

// heavy exports and erases a person with very many tickets, while others are read.
func heavy(ctx context.Context, t *table, dir string) error {
	tickets, err := sizeOf("BENCH_HEAVY_TICKETS", heavyTickets)
	if err != nil {
		return err
	}
	desk := filepath.Join(dir, "desk")
	ids, err := populate(ctx, desk, 20)
	if err != nil {
		return err
	}
	who, others := ids[0], ids[1:]
	began := time.Now()
	if err := fill(ctx, desk, 0, tickets, heavyMessages, func(int) int64 { return who }); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "filled in %d tickets with %d messages each in %.0f s\n", tickets, heavyMessages, time.Since(began).Seconds())
	floor, err := copyingBytes(desk, dir, who)
	if err != nil {
		return err
	}
	s, at, err := startSuite(ctx, desk)
	if err != nil {
		return err
	}
	defer func() { _ = stopSuite(s) }()
	client, err := restclient.New(at.HTTP, benchKey)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := readBack(ctx, client, tickets-1, heavyMessages); err != nil {
		return err
	}
	h := &heavyPerson{client: client, id: who, others: others, floor: floor}
	h.label = fmt.Sprintf("person with %d tickets, %d messages: ", tickets, tickets*heavyMessages)
	if err := h.export(ctx, t); err != nil {
		return err
	}
	return h.erase(ctx, t)
}

// heavyPerson is the person on a running suite.
type heavyPerson struct {
	client *restclient.Client
	id     int64
	others []int64
	label  string
	floor  copied
}

// copied is how fast the person's bytes go from the store into a file.
type copied struct {
	bytes int64
	took  time.Duration
}

func (c copied) mibs() float64 { return float64(c.bytes) / (1 << 20) / c.took.Seconds() }

// copyingBytes reads the person's tickets and messages by bare SQL, in the order
// of the store, and writes their bytes to a file that is synced at the end.
func copyingBytes(desk, dir string, who int64) (c copied, err error) {
	conn, err := sqlite.OpenConn(filepath.Join(desk, "tickets", "tickets.db"), sqlite.OpenReadOnly)
	if err != nil {
		return c, err
	}
	defer conn.Close()
	out, err := os.Create(filepath.Join(dir, "copy"))
	if err != nil {
		return c, err
	}
	defer out.Close()
	buf := make([]byte, 0, 1<<20)
	c.took, err = timed(func() error {
		for _, table := range []string{"d_tickets", "d_conversations"} {
			err := sqlitex.Execute(conn, "SELECT sealed, body FROM "+table+" WHERE account=1 AND owner=?", &sqlitex.ExecOptions{
				Args: []any{who}, ResultFunc: func(s *sqlite.Stmt) error {
					for i := range 2 {
						n := s.ColumnLen(i)
						buf = slices.Grow(buf[:0], n)[:n]
						s.ColumnBytes(i, buf)
						if _, err := out.Write(buf); err != nil {
							return err
						}
						c.bytes += int64(n)
					}
					return nil
				},
			})
			if err != nil {
				return err
			}
		}
		return out.Sync()
	})
	return c, err
}

// export runs an export to its end and downloads it.
func (h *heavyPerson) export(ctx context.Context, t *table) error {
	var took time.Duration
	var size int64
	var export *restclient.Export
	before, peak, err := memoryOf(func() (err error) {
		took, err = timed(func() error {
			req, err := h.client.CreateRequest(ctx, "export", h.id, fmt.Sprint("bench/export/", h.id))
			if err != nil {
				return err
			}
			saga, err := h.client.Watch(ctx, req.SagaID, func(restclient.SagaEvent) {})
			if err != nil {
				return err
			}
			if export, err = h.client.Export(ctx, saga.ExportID); err != nil {
				return err
			}
			size, err = h.client.Download(ctx, at("/api/v2/privacy/exports/", export.ID, "/download"), io.Discard)
			return err
		})
		return err
	})
	if err != nil {
		return err
	}
	t.atMost(h.label+"memory above before, exporting", heavyMemory, peak-before, " MiB", fmt.Sprintf("%.0f MiB, before %.0f MiB", peak, before))
	// Both move the same documents: the rate is what was stored by the time it took.
	rate := copied{h.floor.bytes, took}.mibs()
	t.atLeast(h.label+"export until downloaded: rate to copying the bytes", 0.5, rate/h.floor.mibs(), "",
		fmt.Sprintf("%.1f MiB/s, bare rows into a file %.1f MiB/s; %d records, archive of %d MiB", rate, h.floor.mibs(), export.Records, size>>20))
	return nil
}

// erase erases the person while the others are read at the same rate as before.
func (h *heavyPerson) erase(ctx context.Context, t *table) error {
	quiet, err := h.read(ctx, func(stop context.Context) error {
		select {
		case <-stop.Done():
		case <-time.After(othersWindow):
		}
		return nil
	})
	if err != nil {
		return err
	}
	var busy []time.Duration
	var run erasureTimes
	before, peak, err := memoryOf(func() (err error) {
		busy, err = h.read(ctx, func(ctx context.Context) (err error) {
			run, err = h.eraseTimed(ctx)
			return err
		})
		return err
	})
	if err != nil {
		return err
	}
	t.atMost(h.label+"from the request to the keys destroyed", 999, 1000*run.destroyed.Seconds(), " ms",
		fmt.Sprintf("fenced after %.0f ms, swept after %.1f s", 1000*run.fenced.Seconds(), run.ended.Seconds()))
	t.atMost(h.label+"memory above before, erasing", heavyMemory, peak-before, " MiB", fmt.Sprintf("%.0f MiB, before %.0f MiB", peak, before))
	was, is := percentile(quiet, 99), percentile(busy, 99)
	t.atMost(h.label+"p99 of others' reads meanwhile, to before", 1.1, is.Seconds()/was.Seconds(), "",
		fmt.Sprintf("%v of %d, before %v of %d", is.Round(10*time.Microsecond), len(busy), was.Round(10*time.Microsecond), len(quiet)))
	return nil
}

// erasureTimes are the times from the request to a stage's end.
type erasureTimes struct{ fenced, destroyed, ended time.Duration }

// eraseTimed erases the person and watches when keys are gone.
func (h *heavyPerson) eraseTimed(ctx context.Context) (r erasureTimes, err error) {
	began := time.Now()
	req, err := h.client.CreateRequest(ctx, "erasure", h.id, fmt.Sprint("bench/erase/", h.id))
	if err != nil {
		return r, err
	}
	first := func(d *time.Duration) {
		if *d == 0 {
			*d = time.Since(began)
		}
	}
	saga, err := h.client.Watch(ctx, req.SagaID, func(e restclient.SagaEvent) {
		switch e.Stage {
		case "pivot", "destroy":
			first(&r.fenced)
		case "sweep":
			first(&r.destroyed)
		}
	})
	r.ended = time.Since(began)
	switch {
	case err != nil:
		return r, err
	case saga.State != "completed":
		return r, fmt.Errorf("the erasure of the heavy person is %s", saga.State)
	case r.destroyed == 0:
		return r, errors.New("nobody said when the keys were destroyed")
	}
	return r, nil
}

// read reads the others at a fixed rate until do returns, and returns how long
// each read took from when it was due, so that a read held up holds up its successors' times too.
func (h *heavyPerson) read(ctx context.Context, do func(context.Context) error) ([]time.Duration, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		took  []time.Duration
		first error
	)
	wg.Go(func() {
		tick := time.NewTicker(time.Second / othersRate)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			due := time.Now()
			wg.Go(func() {
				_, err := h.client.Get(ctx, at("/api/v2/contacts/", h.others[n%len(h.others)], ""), nil, nil)
				d := time.Since(due)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case ctx.Err() != nil:
				case err != nil:
					first = errors.Join(first, err)
					stop()
				default:
					took = append(took, d)
				}
			})
		}
	})
	err := do(ctx)
	stop()
	wg.Wait()
	return took, errors.Join(err, first)
}

// percentile of some durations; it changes their order.
func percentile(d []time.Duration, p int) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[min(len(d)*p/100, len(d)-1)]
}
