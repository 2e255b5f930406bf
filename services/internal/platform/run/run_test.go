package run

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/obs"
	"github.com/lethe-desk/lethe/services/internal/platform/run/runtest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// diary is what happened, in order.
type diary struct {
	mu  sync.Mutex
	was []string
}

func (d *diary) note(s string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.was = append(d.was, s)
}

func (d *diary) is(t *testing.T, want ...string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Equal(d.was, want) {
		t.Fatalf("%v, want %v", d.was, want)
	}
}

func (d *diary) part(name string, startErr, stopErr error) StartFunc {
	return func(context.Context) (func(context.Context) error, error) {
		d.note("+" + name)
		if startErr != nil {
			return nil, startErr
		}
		return func(context.Context) error {
			d.note("-" + name)
			return stopErr
		}, nil
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

var errBoom = errors.New("boom")

func TestOrderAndLog(t *testing.T) {
	var log bytes.Buffer
	d := &diary{}
	g := New(slog.New(obs.NewHandler(&log, slog.LevelInfo)), 0)
	for _, n := range []string{"a", "b", "c"} {
		g.Add(n, d.part(n, nil, nil))
	}
	g.Add("nothing to stop", func(context.Context) (func(context.Context) error, error) { return nil, nil })
	ctx, cancel := context.WithCancel(context.Background())
	if err := g.Run(ctx, cancel); err != nil {
		t.Fatal(err)
	}
	d.is(t, "+a", "+b", "+c", "-c", "-b", "-a")
	for _, want := range []string{`"msg":"step started","step":"a"`, `"msg":"step stopped","step":"c"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%s is missing in %s", want, log.String())
		}
	}
}

func TestFailedStartStopsWhatStands(t *testing.T) {
	for name, fail := range map[string]StartFunc{
		"error": func(context.Context) (func(context.Context) error, error) { return nil, errBoom },
		"panic": func(context.Context) (func(context.Context) error, error) { panic("anna@example.com") },
	} {
		d := &diary{}
		g := New(quiet(), 0)
		g.Add("a", d.part("a", nil, errBoom))
		g.Add("b", d.part("b", nil, nil))
		g.Add("bad", fail)
		g.Add("never", d.part("never", nil, nil))
		err := g.Run(context.Background(), func() { t.Error("ready") })
		if err == nil || !strings.Contains(err.Error(), "bad: ") || !strings.Contains(err.Error(), "stop a: boom") || strings.Contains(err.Error(), "anna") {
			t.Errorf("%s: %v", name, err)
		}
		if name == "panic" && !errors.Is(err, ErrPanic) {
			t.Errorf("%v", err)
		}
		d.is(t, "+a", "+b", "-b", "-a")
	}
}

// mark panics on a nil map, as a program with a fault does.
func mark(m map[string]int) { m["a"] = 1 }

func TestFirstFailureTakesTheRestDown(t *testing.T) {
	for name, task := range map[string]func(context.Context) error{
		"error": func(context.Context) error { return errBoom },
		"panic": func(context.Context) error { mark(nil); return nil },
	} {
		d := &diary{}
		g := New(quiet(), 0)
		var saw context.Context
		g.Add("a", func(ctx context.Context) (func(context.Context) error, error) {
			saw = ctx
			return d.part("a", nil, nil)(ctx)
		})
		g.Go("worker", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		g.Go("bad", task)
		err := g.Run(context.Background(), nil)
		if err == nil || !strings.Contains(err.Error(), "bad: ") {
			t.Errorf("%s: %v", name, err)
		}
		if !strings.Contains(context.Cause(saw).Error(), "bad: ") {
			t.Errorf("the others' context ended for %v", context.Cause(saw))
		}
		d.is(t, "+a", "-a")
	}
}

func TestFailFromOutside(t *testing.T) {
	g := New(quiet(), 0)
	g.Add("server", func(context.Context) (func(context.Context) error, error) {
		g.Fail("server", nil) // no failure
		go g.Fail("server", errBoom)
		return nil, nil
	})
	if err := g.Run(context.Background(), nil); !errors.Is(err, errBoom) {
		t.Fatalf("%v", err)
	}
}

func TestEveryPartIsAskedWhenTimeIsUp(t *testing.T) {
	d := &diary{}
	g := New(quiet(), time.Hour)
	g.Add("a", d.part("a", nil, nil))
	release := make(chan struct{})
	defer close(release)
	g.Add("stuck", func(context.Context) (func(context.Context) error, error) {
		return func(context.Context) error { <-release; return nil }, nil
	})
	g.Add("heeds its deadline", func(context.Context) (func(context.Context) error, error) {
		return func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, nil
	})
	if err := g.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := g.Stop(ctx)
	if err == nil || !strings.Contains(err.Error(), "stop stuck: did not stop") || !strings.Contains(err.Error(), "stop heeds its deadline") {
		t.Fatalf("%v", err)
	}
	d.is(t, "+a", "-a")
}

func TestStopWhileStartingLeavesNothing(t *testing.T) {
	d := &diary{}
	g := New(quiet(), 0)
	entered, release := make(chan struct{}), make(chan struct{})
	g.Add("slow", func(ctx context.Context) (func(context.Context) error, error) {
		close(entered)
		<-release
		return d.part("slow", nil, nil)(ctx)
	})
	g.Add("never", d.part("never", nil, nil))
	started := make(chan error, 1)
	go func() { started <- g.Start(context.Background()) }()
	<-entered
	if err := g.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	close(release)
	if err := <-started; err == nil {
		t.Fatal("started after its stop")
	}
	d.is(t, "+slow", "-slow")
	if err := g.Start(context.Background()); err == nil {
		t.Fatal("started twice")
	}
}

func TestContract(t *testing.T) {
	runtest.Contract(t, func(*testing.T) runtest.Part {
		g := New(quiet(), 0)
		g.Add("a", func(context.Context) (func(context.Context) error, error) { return nil, nil })
		g.Go("worker", func(ctx context.Context) error { <-ctx.Done(); return nil })
		return g
	})
}
