package server

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/dial"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/ids"
	"github.com/lethe-desk/lethe/services/internal/platform/obs"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const secret = "Zorro-Canary-7731"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOrderIsPinned(t *testing.T) {
	want := []string{"request id", "log and metrics", "error mapping", "recovery", "identity and permission", "deadline", "validation"}
	if !slices.Equal(Layers(), want) {
		t.Fatalf("%v", Layers())
	}
}

func TestPanicIsOneStatusOneLineOneCount(t *testing.T) {
	for _, value := range []any{secret, errors.New(secret), nil} {
		f := newFixture(t, nil)
		f.p.read = func(context.Context, string) (string, error) {
			if value == nil {
				var list []int
				_ = list[len(list)]
			}
			panic(value)
		}
		f.p.watch = func(string, func(string) error, context.Context) error { panic(value) }
		f.both(func(t *testing.T, cc grpc.ClientConnInterface) {
			lines, counts := len(f.log.lines(t)), f.counted()["Read Internal"]
			_, err := read(f.agent(), cc, "Read", "")
			got, ok := fault.As(err)
			if !ok || got.Kind != fault.KindInternal || got.Meta[fault.MetaIncident] == "" || strings.Contains(err.Error(), secret) {
				t.Fatalf("%v", err)
			}
			all := f.log.lines(t)
			if len(all) != lines+1 || f.counted()["Read Internal"] != counts+1 {
				t.Fatalf("%d lines and %v counts", len(all)-lines, f.counted())
			}
			line := all[len(all)-1]
			stack, _ := line[obs.KeyStack].(string)
			if line[obs.KeyIncident] != got.Meta[fault.MetaIncident] || !strings.Contains(stack, "probe_test.go") || strings.Contains(stack+line[obs.KeyCause].(string), secret) {
				t.Fatalf("%v", line)
			}
			cs, err := watch(f.agent(), cc, "")
			if err == nil {
				err = cs.RecvMsg(new(wrapperspb.StringValue))
			}
			if !fault.Is(err, fault.KindInternal) || len(f.log.lines(t)) != lines+2 {
				t.Fatalf("stream: %v", err)
			}
		})
	}
}

func TestFaultsCrossTheWireAndCausesDoNot(t *testing.T) {
	f := newFixture(t, nil)
	f.p.read = func(_ context.Context, in string) (string, error) {
		if in == "internal" {
			return "", errors.New(secret)
		}
		return "", fault.Duplicate("email", 77).Because(errors.New(secret))
	}
	f.both(func(t *testing.T, cc grpc.ClientConnInterface) {
		_, err := read(f.agent(), cc, "Read", "")
		got, ok := fault.As(err)
		if !ok || got.Kind != fault.KindExists || got.Violations[0].Field != "email" || got.Violations[0].Info["user_id"] != 77 || got.Cause() != nil || !got.Remote {
			t.Fatalf("%v", err)
		}
		_, err = read(f.agent(), cc, "Read", "internal")
		if got, _ = fault.As(err); got == nil || got.Kind != fault.KindInternal || strings.Contains(err.Error(), secret) {
			t.Fatalf("%v", err)
		}
		lines := f.log.lines(t)
		if line := lines[len(lines)-1]; line[obs.KeyCause] != secret || line[obs.KeyIncident] != got.Meta[fault.MetaIncident] || line["level"] != "ERROR" {
			t.Fatalf("%v", line)
		}
		if line := lines[len(lines)-2]; line[obs.KeyCause] != nil || line[obs.KeyReason] != "duplicate_value" {
			t.Fatalf("%v", line)
		}
	})
	// Nor does one who asks the bare channel in process hold the cause.
	ctx := f.agent()
	_, err := read(metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer x"), f.s.InProcess(), "Read", "internal")
	var inner *fault.Error
	if err == nil || errors.As(err, &inner) {
		t.Fatalf("%#v", err)
	}
}

func TestWhoMayCall(t *testing.T) {
	f := newFixture(t, nil)
	var saw authn.Identity
	f.p.read = func(ctx context.Context, _ string) (string, error) {
		saw = authn.Caller(ctx)
		return "fine", nil
	}
	f.both(func(t *testing.T, cc grpc.ClientConnInterface) {
		before := f.counted()
		if out, err := read(f.agent(), cc, "Read", ""); err != nil || out != "fine" || saw.Account != 3 || saw.Actor != 44 {
			t.Fatalf("%q %v %+v", out, err, saw)
		}
		if _, err := read(t.Context(), cc, "Read", ""); !fault.Has(err, faultv1.Reason_REASON_INVALID_CREDENTIALS) {
			t.Fatalf("nobody: %v", err)
		}
		if _, err := read(authn.WithOutgoingToken(t.Context(), "x"), cc, "Read", ""); !fault.Is(err, fault.KindUnauthenticated) {
			t.Fatalf("forged: %v", err)
		}
		_, err := read(f.agent(), cc, "Operate", "")
		if got, _ := fault.As(err); got == nil || got.Kind != fault.KindDenied || got.Meta["permission"] != "installation" {
			t.Fatalf("agent: %v", err)
		}
		if cs, err := watch(t.Context(), cc, ""); err == nil {
			if err := cs.RecvMsg(new(wrapperspb.StringValue)); !fault.Is(err, fault.KindUnauthenticated) {
				t.Fatalf("stream: %v", err)
			}
		}
		// Refused calls count like others.
		after := f.counted()
		if after["Read Unauthenticated"] != before["Read Unauthenticated"]+2 || after["Operate PermissionDenied"] != before["Operate PermissionDenied"]+1 {
			t.Fatalf("%v", after)
		}
	})
}

func TestAnotherServicesRefusalIsOurMistake(t *testing.T) {
	f, below := newFixture(t, nil), newFixture(t, nil)
	below.p.read = func(context.Context, string) (string, error) { return "", fault.NotFound("contact", 5) }
	cc := below.dial(t)
	f.p.read = func(ctx context.Context, in string) (string, error) { return read(ctx, cc, in, "") }
	// No identity is shown to the service below, so it refuses.
	if _, err := read(f.agent(), f.dial(t), "Read", "Read"); !fault.Is(err, fault.KindInternal) {
		t.Fatalf("%v", err)
	}
	f.p.read = func(context.Context, string) (string, error) { return read(below.agent(), cc, "Read", "") }
	_, err := read(f.agent(), f.dial(t), "Read", "")
	if got, _ := fault.As(err); got == nil || got.Kind != fault.KindNotFound || got.Meta["id"] != "5" {
		t.Fatalf("%v", err)
	}
}

func TestDeadlines(t *testing.T) {
	f := newFixture(t, nil)
	var left time.Duration
	f.p.read = func(ctx context.Context, in string) (string, error) {
		end, ok := ctx.Deadline()
		if !ok {
			t.Error("a call without a deadline arrived")
		}
		left = time.Until(end)
		if in == "wait" {
			<-ctx.Done()
			return "", ctx.Err()
		}
		return "", nil
	}
	f.both(func(t *testing.T, cc grpc.ClientConnInterface) {
		if _, err := read(f.agent(), cc, "Read", ""); err != nil || left > dial.DefaultTimeout {
			t.Fatalf("%v %v", left, err)
		}
		ctx, cancel := context.WithTimeout(f.agent(), 300*time.Millisecond)
		defer cancel()
		_, err := read(ctx, cc, "Read", "wait")
		if !fault.Is(err, fault.KindDeadline) {
			t.Fatalf("%v", err)
		}
		ctx, cancel = context.WithTimeout(f.agent(), 0)
		defer cancel()
		if _, err := read(ctx, cc, "Read", ""); !fault.Is(err, fault.KindDeadline) {
			t.Fatalf("%v", err)
		}
	})
	// The hop keeps a little for its answer, and refuses what cannot succeed.
	end := time.Now().Add(time.Hour)
	ctx, cancel := context.WithDeadline(t.Context(), end)
	defer cancel()
	layer := deadline(f.s, func(ctx context.Context, _ *call) error {
		if got, _ := ctx.Deadline(); !got.Equal(end.Add(-reserveMax)) {
			t.Errorf("%v before the caller's deadline", end.Sub(got))
		}
		return nil
	})
	if err := layer(ctx, &call{unary: true}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if err := layer(ctx, &call{unary: true}); !fault.Has(err, faultv1.Reason_REASON_DEADLINE) {
		t.Fatalf("%v", err)
	}
}

func TestNumberAndTraceRunThroughAllServices(t *testing.T) {
	below := newFixture(t, nil)
	f := newFixture(t, func(o *Options) { o.Tracer = below.tracer })
	below.p.read = func(ctx context.Context, _ string) (string, error) { return obs.RequestID(ctx), nil }
	o := below.options()
	o.Source = authn.NewServiceSource(below.signer, "probe")
	cc, err := dial.New(below.addr, o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cc.Close() }()
	f.p.read = func(ctx context.Context, _ string) (string, error) { return read(ctx, cc, "Read", "") }
	f.spans = below.spans
	f.tracer = below.tracer
	f.both(func(t *testing.T, cc grpc.ClientConnInterface) {
		below.spans.Reset()
		id := ids.Request()
		var header metadata.MD
		ctx, root := below.tracer.Tracer("x").Start(f.agent(), "root")
		out, err := read(obs.WithRequestID(ctx, id), cc, "Read", "", grpc.Header(&header))
		root.End()
		if err != nil || out != id || header.Get(RequestIDHeader)[0] != id {
			t.Fatalf("%q %v %v", out, err, header)
		}
		if line := below.log.lines(t)[len(below.log.lines(t))-1]; line[obs.KeyRequestID] != id || line[obs.KeyRole] != "service" || line[obs.KeyTraceID] != root.SpanContext().TraceID().String() {
			t.Fatalf("%v", line)
		}
		// A server's span ends a moment after its answer has arrived.
		const spans = 5
		tick, late := time.NewTicker(time.Millisecond), time.After(10*time.Second)
		defer tick.Stop()
		for len(below.spans.GetSpans()) < spans {
			select {
			case <-tick.C:
			case <-late:
				t.Fatalf("only %d spans have ended", len(below.spans.GetSpans()))
			}
		}
		kinds := map[string]int{}
		for _, s := range below.spans.GetSpans() {
			kinds[s.SpanKind.String()]++
			if s.SpanContext.TraceID() != root.SpanContext().TraceID() {
				t.Errorf("span %s is in another trace", s.Name)
			}
		}
		if kinds["client"] != 2 || kinds["server"] != 2 || kinds["internal"] != 1 {
			t.Fatalf("%v", kinds)
		}
	})
	if _, err := read(metadata.AppendToOutgoingContext(f.agent(), RequestIDHeader, secret), f.dial(t), "Read", ""); err != nil {
		t.Fatal(err)
	}
	for _, l := range f.log.lines(t) {
		if l[obs.KeyRequestID] == secret {
			t.Fatal("a caller's text was taken for a number")
		}
	}
}

func TestHandlersAddToTheOneLine(t *testing.T) {
	f := newFixture(t, nil)
	f.p.read = func(ctx context.Context, _ string) (string, error) {
		Annotate(ctx, obsAttr(obs.KeySaga, "S1"))
		return "", nil
	}
	if _, err := read(f.agent(), f.dial(t), "Read", ""); err != nil {
		t.Fatal(err)
	}
	lines := f.log.lines(t)
	if len(lines) != 1 || lines[0][obs.KeySaga] != "S1" || lines[0][obs.KeyAccount] != 3.0 || lines[0]["msg"] != "call" {
		t.Fatalf("%v", lines)
	}
	Annotate(t.Context(), obsAttr(obs.KeySaga, "S1")) // outside of a call: harmless
}

func TestStreamsAndValidation(t *testing.T) {
	f := newFixture(t, func(o *Options) {
		o.Validate = func(ctx context.Context, m any) error {
			if authn.Caller(ctx).Account == 0 {
				t.Error("validated before the permission")
			}
			if m.(*wrapperspb.StringValue).GetValue() == "bad" {
				return fault.InvalidValue("value", "no")
			}
			return nil
		}
	})
	f.p.read = func(context.Context, string) (string, error) { return "", nil }
	f.p.watch = func(_ string, send func(string) error, _ context.Context) error {
		return errors.Join(send("a"), send("b"))
	}
	f.both(func(t *testing.T, cc grpc.ClientConnInterface) {
		cs, err := watch(f.agent(), cc, "")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for {
			m := new(wrapperspb.StringValue)
			if err = cs.RecvMsg(m); err != nil {
				break
			}
			got = append(got, m.GetValue())
		}
		if !errors.Is(err, io.EOF) || !slices.Equal(got, []string{"a", "b"}) {
			t.Fatalf("%v %v", got, err)
		}
		if _, err := read(f.agent(), cc, "Read", "bad"); !fault.Is(err, fault.KindInvalid) {
			t.Fatalf("%v", err)
		}
		if cs, err = watch(f.agent(), cc, "bad"); err == nil {
			err = cs.RecvMsg(new(wrapperspb.StringValue))
		}
		if !fault.Is(err, fault.KindInvalid) {
			t.Fatalf("%v", err)
		}
		if _, err := read(t.Context(), cc, "Read", "bad"); !fault.Is(err, fault.KindUnauthenticated) {
			t.Fatalf("%v", err)
		}
	})
}

func TestTooLargeMessagesAreRefused(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.MaxMessage = 1000 })
	f.p.read = func(context.Context, string) (string, error) { return "", nil }
	if _, err := read(f.agent(), f.dial(t), "Read", strings.Repeat("x", 2000)); !fault.Is(err, fault.KindExhausted) {
		t.Fatalf("%v", err)
	}
}

func TestReflectionIsThereWhenSwitchedOn(t *testing.T) {
	list := func(ctx context.Context, f *fixture) (int, error) {
		rc, err := reflectionv1.NewServerReflectionClient(f.dial(t)).ServerReflectionInfo(ctx)
		if err != nil {
			return 0, err
		}
		// The send may fail when the server has refused already; the receive then knows why.
		_ = rc.Send(&reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}})
		_ = rc.CloseSend()
		r, err := rc.Recv()
		if err != nil {
			return 0, err
		}
		_, err = rc.Recv()
		if !errors.Is(err, io.EOF) {
			return 0, err
		}
		return len(r.GetListServicesResponse().GetService()), nil
	}
	if n, err := list(t.Context(), newFixture(t, func(o *Options) { o.Reflection = true })); err != nil || n < 2 {
		t.Fatalf("%d %v", n, err)
	}
	if n, err := list(t.Context(), newFixture(t, func(o *Options) { o.Reflection = false })); err == nil {
		t.Fatalf("switched off, and it lists %d services", n)
	}
}

func TestNoServerMeansUnavailableAtOnce(t *testing.T) {
	cc, err := dial.New("127.0.0.1:1", dial.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := read(t.Context(), cc, "Read", ""); !fault.Is(err, fault.KindUnavailable) {
		t.Fatalf("%v", err)
	}
	if err := errors.Join(cc.Close(), cc.Close()); err != nil {
		t.Fatal(err)
	}
}
