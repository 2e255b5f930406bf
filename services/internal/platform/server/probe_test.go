package server

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"log"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/dial"
	"github.com/lethe-desk/lethe/services/internal/platform/obs"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const probeName = "lethe.servertest.v1.Probe"

func init() {
	method := func(name string, stream bool, p optionsv1.Permission) *descriptorpb.MethodDescriptorProto {
		m := &descriptorpb.MethodDescriptorProto{
			Name: proto.String(name), InputType: proto.String(".google.protobuf.StringValue"), OutputType: proto.String(".google.protobuf.StringValue"),
			ServerStreaming: proto.Bool(stream), Options: &descriptorpb.MethodOptions{},
		}
		if p != 0 {
			proto.SetExtension(m.Options, optionsv1.E_Permission, p)
		}
		return m
	}
	fd, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Syntax: proto.String("proto3"), Name: proto.String("lethe/servertest/v1/probe.proto"), Package: proto.String("lethe.servertest.v1"),
		Dependency: []string{"google/protobuf/wrappers.proto"},
		Service: []*descriptorpb.ServiceDescriptorProto{
			{Name: proto.String("Probe"), Method: []*descriptorpb.MethodDescriptorProto{
				method("Read", false, optionsv1.Permission_PERMISSION_CONTACTS_READ),
				method("Operate", false, optionsv1.Permission_PERMISSION_INSTALLATION),
				method("Watch", true, optionsv1.Permission_PERMISSION_CONTACTS_READ),
			}},
			{Name: proto.String("Bare"), Method: []*descriptorpb.MethodDescriptorProto{method("Read", false, 0)}},
		},
	}, protoregistry.GlobalFiles)
	if err == nil {
		err = protoregistry.GlobalFiles.RegisterFile(fd)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// probe answers calls by functions the test sets.
type probe struct {
	read  func(ctx context.Context, in string) (string, error)
	watch func(in string, send func(string) error, ctx context.Context) error
}

type prober interface{ isProbe() }

func (*probe) isProbe() {}

func desc(name string) *grpc.ServiceDesc {
	unary := func(method string) grpc.MethodDesc {
		return grpc.MethodDesc{MethodName: method, Handler: func(srv any, ctx context.Context, dec func(any) error, ic grpc.UnaryServerInterceptor) (any, error) {
			in := new(wrapperspb.StringValue)
			if err := dec(in); err != nil {
				return nil, err
			}
			h := func(ctx context.Context, req any) (any, error) {
				out, err := srv.(*probe).read(ctx, req.(*wrapperspb.StringValue).GetValue())
				return wrapperspb.String(out), err
			}
			return ic(ctx, in, &grpc.UnaryServerInfo{Server: srv, FullMethod: "/" + name + "/" + method}, h)
		}}
	}
	d := &grpc.ServiceDesc{ServiceName: name, HandlerType: (*prober)(nil), Methods: []grpc.MethodDesc{unary("Read")}}
	if name == probeName {
		d.Methods = append(d.Methods, unary("Operate"))
		d.Streams = []grpc.StreamDesc{{StreamName: "Watch", ServerStreams: true, Handler: func(srv any, ss grpc.ServerStream) error {
			in := new(wrapperspb.StringValue)
			if err := ss.RecvMsg(in); err != nil {
				return err
			}
			return srv.(*probe).watch(in.GetValue(), func(s string) error { return ss.SendMsg(wrapperspb.String(s)) }, ss.Context())
		}}}
	}
	return d
}

// safeBuffer is a log that many goroutines write.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) lines(t *testing.T) []map[string]any {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []map[string]any
	for text := range strings.Lines(s.b.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, m)
	}
	return lines
}

// fixture is a running server with its telemetry, and an identity to call it.
type fixture struct {
	t      *testing.T
	s      *Server
	p      *probe
	log    *safeBuffer
	reader *sdkmetric.ManualReader
	meter  *sdkmetric.MeterProvider
	spans  *tracetest.InMemoryExporter
	tracer *sdktrace.TracerProvider
	signer *authn.Signer
	addr   string
}

func newFixture(t *testing.T, change func(*Options)) *fixture {
	t.Helper()
	return newFixtureAt(t, "127.0.0.1:0", change)
}

func newFixtureAt(t *testing.T, address string, change func(*Options)) *fixture {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, p: &probe{}, log: &safeBuffer{}, reader: sdkmetric.NewManualReader(), spans: tracetest.NewInMemoryExporter(), signer: authn.NewSigner(key, time.Now)}
	f.meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(f.reader))
	f.tracer = sdktrace.NewTracerProvider(sdktrace.WithSyncer(obs.Clean(f.spans)))
	o := Options{
		Name: "probe", Declared: []string{probeName}, Verifier: authn.NewVerifier(time.Now, f.signer.Public()),
		Logger: slog.New(obs.NewHandler(f.log, slog.LevelInfo)), Meter: f.meter, Tracer: f.tracer,
	}
	if change != nil {
		change(&o)
	}
	if f.s, err = New(o); err != nil {
		t.Fatal(err)
	}
	f.s.RegisterService(desc(probeName), f.p)
	addr, err := f.s.Start(address)
	if err != nil {
		t.Fatal(err)
	}
	f.addr = addr.String()
	t.Cleanup(func() { _ = f.s.Stop(context.Background()) })
	return f
}

// options are those of a client with the identity of an agent.
func (f *fixture) options() dial.Options { return dial.Options{Meter: f.meter, Tracer: f.tracer} }

// as returns a context that shows a token of that identity.
func (f *fixture) as(i authn.Identity) context.Context {
	f.t.Helper()
	token, _, err := f.signer.Sign(i)
	if err != nil {
		f.t.Fatal(err)
	}
	return authn.WithOutgoingToken(f.t.Context(), token)
}

func (f *fixture) agent() context.Context {
	return f.as(authn.Identity{Account: 3, Actor: 44, Role: authn.RoleAgent})
}

// both runs a test over a real listener and in process.
func (f *fixture) both(test func(t *testing.T, cc grpc.ClientConnInterface)) {
	f.t.Helper()
	f.t.Run("tcp", func(t *testing.T) { test(t, f.dial(t)) })
	f.t.Run("in process", func(t *testing.T) { test(t, dial.Wrap(f.s.InProcess(), f.options())) })
}

func (f *fixture) dial(t *testing.T) *dial.Conn {
	t.Helper()
	cc, err := dial.New(f.addr, f.options())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cc.Close(); err != nil {
			t.Error(err)
		}
	})
	return cc
}

func read(ctx context.Context, cc grpc.ClientConnInterface, method, in string, opts ...grpc.CallOption) (string, error) {
	out := new(wrapperspb.StringValue)
	err := cc.Invoke(ctx, "/"+probeName+"/"+method, wrapperspb.String(in), out, opts...)
	return out.GetValue(), err
}

func watch(ctx context.Context, cc grpc.ClientConnInterface, in string) (grpc.ClientStream, error) {
	cs, err := cc.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/"+probeName+"/Watch")
	if err != nil {
		return nil, err
	}
	if err := cs.SendMsg(wrapperspb.String(in)); err != nil {
		return nil, err
	}
	return cs, cs.CloseSend()
}

// counted returns lethe.calls per "method code".
func (f *fixture) counted() map[string]int64 {
	f.t.Helper()
	var rm metricdata.ResourceMetrics
	if err := f.reader.Collect(context.Background(), &rm); err != nil {
		f.t.Fatal(err)
	}
	counts := map[string]int64{}
	for _, sm := range rm.ScopeMetrics {
		for _, m := range sm.Metrics {
			sum, ok := m.Data.(metricdata.Sum[int64])
			if m.Name != "lethe.calls" || !ok {
				continue
			}
			for _, p := range sum.DataPoints {
				method, _ := p.Attributes.Value(obs.KeyMethod)
				code, _ := p.Attributes.Value(obs.KeyCode)
				counts[method.AsString()[strings.LastIndex(method.AsString(), "/")+1:]+" "+code.AsString()] += p.Value
			}
		}
	}
	return counts
}

func obsAttr(key, value string) slog.Attr { return slog.String(key, value) }
