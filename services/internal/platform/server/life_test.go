package server

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/dial"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/obs"
	"github.com/lethe-desk/lethe/services/internal/platform/run/runtest"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
)

// answer is what a call in the background came back with.
type answer struct {
	out string
	err error
}

// begin makes a call in the background and returns once its handler runs.
func (f *fixture) begin(cc grpc.ClientConnInterface, in string, entered <-chan struct{}) <-chan answer {
	c := make(chan answer, 1)
	ctx := f.agent()
	go func() {
		out, err := read(ctx, cc, "Read", in)
		c <- answer{out, err}
	}()
	<-entered
	return c
}

func TestStopWaitsForCalls(t *testing.T) {
	f := newFixture(t, nil)
	entered, release := make(chan struct{}), make(chan struct{})
	f.p.read = func(context.Context, string) (string, error) {
		entered <- struct{}{}
		<-release
		return "done", nil
	}
	local := dial.Wrap(f.s.InProcess(), f.options())
	calls := []<-chan answer{f.begin(f.dial(t), "", entered), f.begin(local, "", entered)}
	stopped := make(chan error, 2)
	for range 2 {
		go func() { stopped <- f.s.Stop(context.Background()) }()
	}
	<-f.s.stopping
	close(release)
	for _, c := range calls {
		if got := <-c; got.out != "done" || got.err != nil {
			t.Fatalf("%+v", got)
		}
	}
	if err := errors.Join(<-stopped, <-stopped, f.s.Stop(context.Background()), <-f.s.Failed()); err != nil {
		t.Fatal(err)
	}
	if _, err := read(f.agent(), local, "Read", ""); !fault.Is(err, fault.KindUnavailable) {
		t.Fatalf("after the stop: %v", err)
	}
}

func TestStopCutsCallsWhenTimeIsUp(t *testing.T) {
	f := newFixture(t, nil)
	entered := make(chan struct{})
	f.p.read = func(ctx context.Context, _ string) (string, error) {
		entered <- struct{}{}
		<-ctx.Done()
		return "", ctx.Err()
	}
	calls := []<-chan answer{f.begin(f.dial(t), "", entered), f.begin(dial.Wrap(f.s.InProcess(), f.options()), "", entered)}
	now, cancel := context.WithCancel(context.Background())
	cancel()
	if err := f.s.Stop(now); err == nil {
		t.Fatal("a hard stop says nothing")
	}
	for _, c := range calls {
		if got := <-c; got.err == nil {
			t.Fatal("a call survived")
		}
	}
}

func TestLifeContract(t *testing.T) {
	runtest.Contract(t, func(t *testing.T) runtest.Part {
		s, err := New(Options{Name: "x", Declared: []string{probeName}, Verifier: authn.NewVerifier(time.Now)})
		if err != nil {
			t.Fatal(err)
		}
		s.RegisterService(desc(probeName), &probe{})
		return runtest.Func{
			OnStart: func(context.Context) error { _, err := s.Start("127.0.0.1:0"); return err },
			OnStop:  s.Stop,
		}
	})
}

func TestHealthIsOpenAndClientsHeedIt(t *testing.T) {
	f := newFixture(t, nil)
	f.p.read = func(context.Context, string) (string, error) { return "", nil }
	cc := f.dial(t)
	if _, err := read(f.agent(), cc, "Read", ""); err != nil {
		t.Fatal(err)
	}
	h := healthv1.NewHealthClient(cc)
	for _, name := range []string{"", probeName} {
		r, err := h.Check(t.Context(), &healthv1.HealthCheckRequest{Service: name})
		if err != nil || r.GetStatus() != healthv1.HealthCheckResponse_SERVING {
			t.Fatalf("%v %v", r, err)
		}
	}
	until := func(want connectivity.State) {
		t.Helper()
		for s := cc.GetState(); s != want; s = cc.GetState() {
			cc.Connect()
			if !cc.WaitForStateChange(t.Context(), s) {
				t.Fatal("no change")
			}
		}
	}
	until(connectivity.Ready)
	f.s.SetServing(false)
	until(connectivity.TransientFailure)
	if _, err := read(f.agent(), cc, "Read", ""); !fault.Is(err, fault.KindUnavailable) {
		t.Fatalf("%v", err)
	}
	f.s.SetServing(true)
	until(connectivity.Ready)
	if _, err := read(f.agent(), cc, "Read", ""); err != nil {
		t.Fatal(err)
	}
	for _, l := range f.log.lines(t) {
		if strings.Contains(l[obs.KeyMethod].(string), "Health") {
			t.Fatal("health is logged")
		}
	}
	for _, s := range f.spans.GetSpans() {
		if strings.Contains(s.Name, "ealth") {
			t.Fatal("health is traced")
		}
	}
}

func TestRegistrationMistakesStopTheStart(t *testing.T) {
	verifier := authn.NewVerifier(time.Now)
	start := func(declared []string, register func(*Server)) error {
		s, err := New(Options{Name: "x", Declared: declared, Verifier: verifier})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Stop(context.Background()) }()
		register(s)
		_, err = s.Start("127.0.0.1:0")
		if err == nil {
			return s.Verify()
		}
		return err
	}
	good := func(s *Server) { s.RegisterService(desc(probeName), &probe{}) }
	cases := map[string]error{
		"declared but not":   start([]string{probeName, "lethe.x.v1.Y"}, good),
		"twice":              start([]string{probeName}, func(s *Server) { good(s); good(s) }),
		"but not declared":   start([]string{"lethe.x.v1.Y"}, good),
		"has no permission":  start([]string{"lethe.servertest.v1.Bare"}, func(s *Server) { s.RegisterService(desc("lethe.servertest.v1.Bare"), &probe{}) }),
		"does not implement": start([]string{probeName}, func(s *Server) { s.RegisterService(desc(probeName), nil) }),
		"implement it":       start([]string{probeName}, func(s *Server) { s.RegisterService(desc(probeName), 5) }),
		"name, its services": func() error { _, err := New(Options{}); return err }(),
	}
	for want, err := range cases {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if err := start([]string{probeName}, good); err != nil {
		t.Errorf("the control: %v", err)
	}
	f := newFixture(t, nil)
	if _, err := f.s.Start("127.0.0.1:0"); err == nil {
		t.Error("started twice")
	}
	good(f.s)
	if err := f.s.Verify(); err == nil || !strings.Contains(err.Error(), "after the start") {
		t.Errorf("%v", err)
	}
}
