package mongo

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore/mongo/mongotest"
)

func TestDialSaysWhatToDo(t *testing.T) {
	s := mongotest.Start(t)
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	silent := l.Addr().String()
	must(t, l.Close())
	for name, tc := range map[string]struct {
		uri  string
		o    DialOptions
		want string
	}{
		"no address":   {"localhost:27017/secret", DialOptions{}, "mongodb://HOST"},
		"nobody there": {"mongodb://u:secret@" + silent + "/?serverSelectionTimeoutMS=100&connectTimeoutMS=100", DialOptions{}, "no primary that answers"},
	} {
		tc.o.Setting = "--mongo-uri"
		ctx := t.Context()
		_, err := Dial(ctx, tc.uri, tc.o)
		if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "--mongo-uri") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s.Standalone {
		if _, err := Dial(t.Context(), s.URI, DialOptions{Setting: "--mongo-uri"}); err == nil || !strings.Contains(err.Error(), "--mongo-unsafe-standalone") {
			t.Errorf("a single server: %v", err)
		}
	}
	d, err := Dial(t.Context(), s.URI, DialOptions{Setting: "--mongo-uri", UnsafeStandalone: true})
	must(t, err)
	if d.Standalone != s.Standalone {
		t.Errorf("standalone %v", d.Standalone)
	}
	must(t, d.Client.Database("dial_installation").Drop(t.Context()))
	a, err := FindInstallation(t.Context(), d, "dial_installation", "tickets")
	must(t, err)
	b, err := FindInstallation(t.Context(), d, "dial_installation", "tickets")
	must(t, err)
	if a != b || a.ID == [16]byte{} || a.Sealed {
		t.Errorf("installations %v and %v", a, b)
	}
	must(t, MarkSealed(t.Context(), d, "dial_installation"))
	if b, err = FindInstallation(t.Context(), d, "dial_installation", "tickets"); err != nil || !b.Sealed || b.ID != a.ID {
		t.Errorf("installation %v, %v", b, err)
	}
	if _, err := FindInstallation(t.Context(), d, "dial_installation", "contacts"); err == nil {
		t.Error("two services share a database")
	}
	must(t, d.Close(context.Background()))
}

func TestSpansHoldNoValues(t *testing.T) {
	s := mongotest.Start(t)
	rec := tracetest.NewSpanRecorder()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(rec)).Tracer("test")
	client := newClient(t, s.URI, Monitor(tracer))
	c := client.Database("spans").Collection("people")
	insert := func(ctx context.Context) {
		_, err := c.InsertOne(ctx, bson.D{{Key: "name", Value: "kanarienvogel"}})
		must(t, err)
	}
	insert(t.Context()) // nobody records: no span
	ctx, parent := tracer.Start(t.Context(), "parent")
	insert(ctx)
	if _, err := c.InsertOne(ctx, bson.D{{Key: "_id", Value: "a"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.InsertOne(ctx, bson.D{{Key: "_id", Value: "a"}}); err == nil {
		t.Fatal("inserted twice")
	}
	parent.End()
	must(t, client.Database("spans").Drop(t.Context()))
	var got []string
	for _, span := range rec.Ended() {
		if span.Name() == "parent" {
			continue
		}
		text := fmt.Sprint(span.Name(), span.Attributes(), span.Events(), span.Status())
		if strings.Contains(text, "kanarienvogel") {
			t.Errorf("a value in %s", text)
		}
		if span.Parent().SpanID() == parent.SpanContext().SpanID() && strings.Contains(text, "people") && strings.Contains(text, "insert") {
			got = append(got, text)
		}
	}
	if len(got) != 3 {
		t.Errorf("spans %v, want three inserts", got)
	}
}
