package saga_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga/sagatest"
)

// gates is a definition of n pivotal and retriable stages that each wait for a tick.
func gates(n int, tick <-chan struct{}, tell func(saga.Call)) saga.Definition {
	d := saga.Definition{Kind: "gates", Version: 1}
	for i := range n {
		name := "g" + string(rune('a'+i))
		kind := saga.Retriable
		if i == 0 {
			kind = saga.Pivot
		}
		d.Stages = append(d.Stages, saga.Stage{Name: name, Steps: []saga.Step{{Name: name + ".s", Kind: kind, Do: func(_ context.Context, c saga.Call) saga.Result {
			<-tick
			tell(c)
			return saga.Done()
		}}}})
	}
	return d
}

// TestWatchResumes cuts a watch after each event in turn and goes on behind it:
// together both see every transition once, here and from another replica.
func TestWatchResumes(t *testing.T) {
	for cut := 1; cut <= 9; cut++ {
		synctest.Test(t, func(t *testing.T) {
			s := sagatest.NewStore()
			tick := make(chan struct{})
			d := gates(4, tick, func(saga.Call) {})
			e := start(t, s, saga.Options{}, d)
			other := start(t, s, saga.Options{}, d)
			id := create(t, e, "gates")
			go func() {
				for range 4 {
					time.Sleep(700 * time.Millisecond)
					tick <- struct{}{}
				}
			}()
			for _, watched := range []*saga.Engine{e, other} {
				var seqs []int64
				for ev, err := range watched.Watch(t.Context(), id, 0) {
					if err != nil {
						t.Fatal(err)
					}
					if ev.Transient {
						continue
					}
					if seqs = append(seqs, ev.Seq); len(seqs) == cut {
						break
					}
				}
				last := seqs[len(seqs)-1]
				var state saga.State
				for ev, err := range watched.Watch(t.Context(), id, last) {
					if err != nil {
						t.Fatal(err)
					}
					if !ev.Transient {
						seqs = append(seqs, ev.Seq)
						state = ev.State
					}
				}
				row, _ := e.Load(t.Context(), id)
				for i, seq := range seqs {
					if seq != int64(i+1) {
						t.Fatalf("cut at %d: saw %v", cut, seqs)
					}
				}
				if int64(len(seqs)) != row.Seq || (cut < len(seqs) && state != saga.StateCompleted) {
					t.Errorf("cut at %d: saw %d of %d, last %s", cut, len(seqs), row.Seq, state)
				}
			}
		})
	}
}

// TestWatchProgress sees attempts and progress, throttled but with the last word.
func TestWatchProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tick := make(chan struct{})
		e := start(t, sagatest.NewStore(), saga.Options{}, gates(1, tick, func(c saga.Call) {
			for i := range int64(1000) {
				c.Progress(i+1, 1000)
			}
		}))
		id := create(t, e, "gates")
		go func() { synctest.Wait(); close(tick) }()
		n, last := 0, saga.Event{}
		for ev, err := range e.Watch(t.Context(), id, 0) {
			if err != nil {
				t.Fatal(err)
			}
			if ev.Total > 0 {
				n++
				last = ev
			}
		}
		if n < 1 || n > 3 || last.Done != 1000 || !last.Transient || last.Step != "ga.s" {
			t.Errorf("%d progress events, last %+v", n, last)
		}
	})
}

// TestWatchSlow lets a watcher sleep through more events than the ring holds.
func TestWatchSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tick := make(chan struct{})
		e := start(t, sagatest.NewStore(), saga.Options{WatchRing: 4}, gates(8, tick, func(saga.Call) {}))
		id := create(t, e, "gates")
		var seq int64
		var slow error
		for ev, err := range e.Watch(t.Context(), id, 0) {
			if slow = err; err != nil {
				break
			}
			if !ev.Transient {
				seq = ev.Seq
			}
			if seq == 2 {
				for range 4 {
					tick <- struct{}{}
				}
				synctest.Wait()
			}
		}
		if !errors.Is(slow, saga.ErrSlow) {
			t.Fatalf("a slow watcher got %v", slow)
		}
		go func() {
			for range 4 {
				tick <- struct{}{}
			}
		}()
		for resumed := true; resumed; {
			resumed = false
			for ev, err := range e.Watch(t.Context(), id, seq) {
				switch {
				case errors.Is(err, saga.ErrSlow):
					resumed = true
				case err != nil:
					t.Fatal(err)
				case ev.Transient:
				case ev.Seq != seq+1:
					t.Fatalf("%d after %d", ev.Seq, seq)
				default:
					seq = ev.Seq
				}
			}
		}
		if row, _ := e.Load(t.Context(), id); seq != row.Seq {
			t.Errorf("saw %d of %d", seq, row.Seq)
		}
	})
}

// TestWatchEnds looks at every way a watch ends.
func TestWatchEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tick := make(chan struct{}, 1)
		e := start(t, sagatest.NewStore(), saga.Options{}, gates(1, tick, func(saga.Call) {}))
		watch := func(ctx context.Context, id string) (err error) {
			for _, err = range e.Watch(ctx, id, 0) {
			}
			return err
		}
		if err := watch(t.Context(), "1-404"); !errors.Is(err, saga.ErrNotFound) {
			t.Errorf("unknown saga: %v", err)
		}
		id := create(t, e, "gates")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := watch(ctx, id); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("context: %v", err)
		}
		closed := make(chan error)
		go func() { closed <- watch(t.Context(), id) }()
		synctest.Wait()
		tick <- struct{}{}
		if err := <-closed; err != nil {
			t.Errorf("ended saga: %v", err)
		}
		if err := watch(t.Context(), id); err != nil {
			t.Errorf("ended saga, again: %v", err)
		}
	})
}

// TestTraces follows one saga through two engines: every segment in the
// creator's trace, each linked to the one before, each attempt below its segment.
func TestTraces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := tracetest.NewSpanRecorder()
		tp := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(rec))
		tracer := tp.Tracer("test")
		s, w := sagatest.NewStore(), sagatest.NewWorld()
		l := newLife(8) // in the pivot's fan-out
		ctx, root := tracer.Start(t.Context(), "request")
		first := start(t, l.store(s), saga.Options{Tracer: tracer}, w.Six(l.wrap))
		row, err := first.Create(ctx, saga.Spec{Kind: "six", Account: 1})
		if err != nil {
			t.Fatal(err)
		}
		<-l.died
		stop(t, first)
		second := start(t, s, saga.Options{Tracer: tracer, Embedded: true}, w.Six(nil))
		row = await(t, second, row.ID, saga.StateCompleted)
		stop(t, second)
		root.End()
		var segments []sdktrace.ReadOnlySpan
		attempts := 0
		for _, sp := range rec.Ended() {
			if got := sp.SpanContext().TraceID().String(); got != row.Trace.TraceID {
				t.Errorf("%s is in trace %s, not %s", sp.Name(), got, row.Trace.TraceID)
			}
			switch sp.Name() {
			case "saga.segment":
				segments = append(segments, sp)
			case "saga.step":
				attempts++
			}
		}
		if len(segments) != 2 || attempts < 6 {
			t.Fatalf("%d segments, %d attempts", len(segments), attempts)
		}
		links := segments[1].Links()
		if len(links) != 1 || links[0].SpanContext.SpanID() != segments[0].SpanContext().SpanID() {
			t.Errorf("the second segment links to %v", links)
		}
		if row.Trace.LastSegment != segments[1].SpanContext().SpanID().String() {
			t.Errorf("stored segment %s", row.Trace.LastSegment)
		}
		if row.Trace.TraceID != root.SpanContext().TraceID().String() {
			t.Error("the saga is not in its creator's trace")
		}
	})
}

// TestTraceWithoutTracer gives a row a trace all the same.
func TestTraceWithoutTracer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, sagatest.NewStore(), saga.Options{}, sagatest.NewWorld().Six(nil))
		row := await(t, e, create(t, e, "six"), saga.StateCompleted)
		if len(row.Trace.TraceID) != 32 || strings.Trim(row.Trace.TraceID, "0") == "" {
			t.Errorf("trace %+v", row.Trace)
		}
	})
}

// TestGolden publishes, accepts, and notices what has changed or gone.
func TestGolden(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sagas.golden")
	six := sagatest.NewWorld().Six(nil)
	t.Setenv("LETHE_UPDATE_GOLDEN", "1")
	sagatest.Golden(t, file, six)
	t.Setenv("LETHE_UPDATE_GOLDEN", "")
	sagatest.Golden(t, file, six)
	before, _ := os.ReadFile(file)
	changed := sagatest.NewWorld().Six(nil)
	changed.Stages[0].Name = "other"
	for name, defs := range map[string][]saga.Definition{"changed": {changed}, "gone": nil} {
		probe := &probe{TB: t}
		sagatest.Golden(probe, file, defs...)
		if !probe.failed {
			t.Errorf("%s: not noticed", name)
		}
	}
	if after, _ := os.ReadFile(file); string(after) != string(before) {
		t.Error("a published line was rewritten")
	}
}

// probe is a test that may fail without failing.
type probe struct {
	testing.TB
	failed bool
}

func (p *probe) Helper()               {}
func (p *probe) Failed() bool          { return p.failed }
func (p *probe) Errorf(string, ...any) { p.failed = true }
