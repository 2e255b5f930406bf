package sqlite

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"zombiezen.com/go/sqlite"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
)

// The states of a job.
const (
	queued int32 = iota
	taken
	abandoned
)

// job is one write. run either writes all it should or answers an expected
// error before it wrote anything: that is why jobs can share a transaction
// without savepoints.
type job struct {
	run func(*sqlite.Conn) error
	// multi says that run has more than one statement that writes.
	multi bool
	// alone says that run must not stand in a transaction.
	alone bool
	state atomic.Int32
	err   error
	done  chan struct{}
}

// writer is the only one who writes. It takes what is queued, without waiting
// for more, runs it in one transaction and answers after the commit.
type writer struct {
	conn    *sqlite.Conn
	queue   chan *job
	stop    chan struct{}
	dead    chan struct{}
	batch   int
	commits *atomic.Int64
	started bool
	// broken is an error after which no further write is safe.
	broken error
}

func newWriter(conn *sqlite.Conn, batch int, commits *atomic.Int64) *writer {
	return &writer{conn: conn, queue: make(chan *job, batch), stop: make(chan struct{}), dead: make(chan struct{}),
		batch: batch, commits: commits}
}

func (w *writer) start() {
	w.started = true
	go w.loop()
}

// close ends the writer after the batch it is at; what is queued is refused.
func (w *writer) close() error {
	if w.started {
		close(w.stop)
		<-w.dead
	}
	return w.conn.Close()
}

// do queues a job and waits for its commit. A context that ends before the job
// began takes it back; after that the outcome is waited for, so it is always known.
func (w *writer) do(ctx context.Context, multi bool, run func(*sqlite.Conn) error) error {
	return w.submit(ctx, &job{run: run, multi: multi, done: make(chan struct{})})
}

// alone runs a job outside any transaction.
func (w *writer) alone(ctx context.Context, run func(*sqlite.Conn) error) error {
	return w.submit(ctx, &job{run: run, alone: true, done: make(chan struct{})})
}

func (w *writer) submit(ctx context.Context, j *job) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case w.queue <- j:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.dead:
		return errClosed
	}
	select {
	case <-j.done:
	case <-ctx.Done():
		if j.state.CompareAndSwap(queued, abandoned) {
			return ctx.Err()
		}
		<-j.done
	case <-w.dead:
		if j.state.CompareAndSwap(queued, abandoned) {
			return errClosed
		}
		<-j.done
	}
	if j.err == nil || expected(j.err) {
		return j.err
	}
	return fmt.Errorf("%w: %w", docstore.ErrUnavailable, j.err)
}

var errClosed = fmt.Errorf("%w: the store is closed", docstore.ErrUnavailable)

func (w *writer) loop() {
	defer close(w.dead)
	jobs := make([]*job, 0, w.batch)
	for {
		select {
		case <-w.stop:
			return
		case j := <-w.queue:
			jobs = w.gather(append(jobs[:0], j))
		}
		w.runAll(jobs)
		for _, j := range jobs {
			close(j.done)
		}
		clear(jobs)
	}
}

// gather adds what is queued now and drops what was taken back.
func (w *writer) gather(jobs []*job) []*job {
	for len(jobs) < w.batch {
		select {
		case j := <-w.queue:
			jobs = append(jobs, j)
			continue
		default:
		}
		break
	}
	live := jobs[:0]
	for _, j := range jobs {
		if j.state.CompareAndSwap(queued, taken) {
			live = append(live, j)
		}
	}
	return live
}

// runAll runs what was gathered.
func (w *writer) runAll(jobs []*job) {
	switch {
	case len(jobs) == 0:
		return
	case len(jobs) == 1 && !jobs[0].multi && w.broken == nil:
		// one statement commits by itself: no BEGIN and COMMIT to pay for
		jobs[0].err = jobs[0].run(w.conn)
		if jobs[0].err == nil {
			w.commits.Add(1)
		}
		return
	}
	shared := slices.DeleteFunc(slices.Clone(jobs), func(j *job) bool { return j.alone })
	for _, j := range jobs {
		if j.alone {
			j.err = j.run(w.conn)
		}
	}
	w.shared(shared)
}

// shared runs jobs in one transaction, or each by itself when that fails.
func (w *writer) shared(jobs []*job) {
	if len(jobs) == 0 {
		return
	}
	if err := w.together(jobs); err == nil || len(jobs) == 1 {
		return
	}
	for i := range jobs {
		// somebody's error spoilt the transaction: the others must not suffer
		_ = w.together(jobs[i : i+1])
	}
}

// together runs jobs in one transaction. An unexpected error of any undoes all;
// it is returned and stands in each job.
func (w *writer) together(jobs []*job) (err error) {
	defer func() {
		if err == nil {
			return
		}
		if !w.conn.AutocommitEnabled() {
			if rerr := each(w.conn, "ROLLBACK", nil); rerr != nil && !w.conn.AutocommitEnabled() {
				w.broken = rerr
			}
		}
		for _, j := range jobs {
			j.err = err
		}
	}()
	if w.broken != nil {
		return w.broken
	}
	if err := each(w.conn, "BEGIN IMMEDIATE", nil); err != nil {
		return err
	}
	wrote := false
	for _, j := range jobs {
		j.err = j.run(w.conn)
		if j.err != nil && !expected(j.err) {
			return j.err
		}
		wrote = wrote || j.err == nil
	}
	if err := each(w.conn, "COMMIT", nil); err != nil {
		return err
	}
	if wrote {
		w.commits.Add(1)
	}
	return nil
}

// write runs a job of the backend.
func (b *backend) write(ctx context.Context, multi bool, run func(*sqlite.Conn) error) error {
	return b.w.do(ctx, multi, run)
}
