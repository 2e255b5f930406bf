package gateway

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	forumsv1 "github.com/lethe-desk/lethe/gen/go/lethe/forums/v1"
	privacyv1 "github.com/lethe-desk/lethe/gen/go/lethe/privacy/v1"
	ratingsv1 "github.com/lethe-desk/lethe/gen/go/lethe/ratings/v1"
	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/dial"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/obs"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	goodKey    = "key-of-account-7"
	otherKey   = "key-of-account-8"
	serviceKey = "key-of-a-service"
	brokenKey  = "key-while-contacts-is-down"
)

// asked is what a service was asked.
type asked struct {
	method string
	req    proto.Message
	md     metadata.MD
}

// suite is contacts, tickets and privacy on one gRPC server: it records what
// comes and answers what a test has laid ready.
type suite struct {
	contactsv1.UnimplementedContactsServiceServer
	contactsv1.UnimplementedAgentsServiceServer
	contactsv1.UnimplementedIdentityServiceServer
	ticketsv1.UnimplementedTicketsServiceServer
	ticketsv1.UnimplementedConversationsServiceServer
	ticketsv1.UnimplementedCallsServiceServer
	ticketsv1.UnimplementedChatsServiceServer
	ticketsv1.UnimplementedThreadsServiceServer
	forumsv1.UnimplementedForumsServiceServer
	forumsv1.UnimplementedTopicsServiceServer
	forumsv1.UnimplementedSolutionsServiceServer
	ratingsv1.UnimplementedRatingsServiceServer

	now func() time.Time

	mu      sync.Mutex
	calls   []asked
	answers map[string]func(proto.Message) (proto.Message, error)
	issued  int
	uploads []upload
	files   map[int64][]any
	watch   func(*privacyv1.WatchSagaRequest, grpc.ServerStreamingServer[privacyv1.WatchSagaResponse]) error
}

// upload is a staged file.
type upload struct {
	head *ticketsv1.UploadHead
	data []byte
	err  error
}

// on lays an answer for a method ready.
func (s *suite) on(method string, resp proto.Message, err error) {
	s.handle(method, func(proto.Message) (proto.Message, error) { return resp, err })
}

func (s *suite) handle(method string, f func(proto.Message) (proto.Message, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[method] = f
}

// last returns the newest call, or fails.
func (s *suite) last(t *testing.T) asked {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.calls) == 0 {
		t.Fatal("no service was called")
	}
	return s.calls[len(s.calls)-1]
}

func (s *suite) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

func (s *suite) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if info.FullMethod == contactsv1.IdentityService_IssueToken_FullMethodName {
		return handler(ctx, req)
	}
	md, _ := metadata.FromIncomingContext(ctx)
	s.mu.Lock()
	s.calls = append(s.calls, asked{info.FullMethod, req.(proto.Message), md})
	f := s.answers[info.FullMethod]
	s.mu.Unlock()
	if f == nil {
		return handler(ctx, req)
	}
	resp, err := f(req.(proto.Message))
	if err != nil {
		return nil, fault.ToStatus(fault.From(err)).Err()
	}
	return resp, nil
}

// IssueToken knows four keys.
func (s *suite) IssueToken(_ context.Context, req *contactsv1.IssueTokenRequest) (*contactsv1.IssueTokenResponse, error) {
	s.mu.Lock()
	s.issued++
	s.mu.Unlock()
	resp := &contactsv1.IssueTokenResponse{Token: proto.String("token-" + req.GetApiKey()), ExpiresAt: timestamppb.New(s.now().Add(10 * time.Minute)), Actor: proto.Int64(1)}
	switch req.GetApiKey() {
	case goodKey:
		resp.Account, resp.Role = proto.Int64(7), proto.String("admin")
	case otherKey:
		resp.Account, resp.Role = proto.Int64(8), proto.String("agent")
	case serviceKey:
		resp.Account, resp.Role = proto.Int64(7), proto.String("service")
	case brokenKey:
		return nil, fault.ToStatus(fault.Unavailable(nil)).Err()
	default:
		return nil, fault.ToStatus(fault.Unauthenticated(nil)).Err()
	}
	return resp, nil
}

// attachments is the streaming part of tickets.
type attachments struct {
	ticketsv1.UnimplementedAttachmentsServiceServer
	*suite
}

// UploadAttachment stages a file and numbers it from 501.
func (s attachments) UploadAttachment(stream grpc.ClientStreamingServer[ticketsv1.UploadAttachmentRequest, ticketsv1.UploadAttachmentResponse]) error {
	var u upload
	for {
		m, err := stream.Recv()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				u.err = err
			}
			break
		}
		if m.GetHead() != nil {
			u.head = m.GetHead()
		}
		u.data = append(u.data, m.GetData()...)
	}
	s.mu.Lock()
	s.uploads = append(s.uploads, u)
	n := int64(500 + len(s.uploads))
	s.mu.Unlock()
	if u.err != nil {
		return u.err
	}
	return stream.SendAndClose(&ticketsv1.UploadAttachmentResponse{Attachment: &ticketsv1.Attachment{Id: proto.Int64(n)}})
}

// DownloadAttachment sends what a test has laid ready: messages, bytes or an error.
func (s attachments) DownloadAttachment(req *ticketsv1.DownloadAttachmentRequest, stream grpc.ServerStreamingServer[ticketsv1.DownloadAttachmentResponse]) error {
	s.mu.Lock()
	pieces := s.files[req.GetId()]
	s.mu.Unlock()
	if pieces == nil {
		return fault.ToStatus(fault.NotFound("attachment", req.GetId())).Err()
	}
	for _, p := range pieces {
		var m *ticketsv1.DownloadAttachmentResponse
		switch p := p.(type) {
		case *ticketsv1.Attachment:
			m = &ticketsv1.DownloadAttachmentResponse{Part: &ticketsv1.DownloadAttachmentResponse_Attachment{Attachment: p}}
		case string:
			m = &ticketsv1.DownloadAttachmentResponse{Part: &ticketsv1.DownloadAttachmentResponse_Data{Data: []byte(p)}}
		case error:
			return fault.ToStatus(fault.From(p)).Err()
		}
		if err := stream.Send(m); err != nil {
			return err
		}
	}
	return nil
}

// privacyFake is the streaming part of privacy.
type privacyFake struct {
	privacyv1.UnimplementedPrivacyServiceServer
	*suite
}

// DownloadExport sends a small archive.
func (s privacyFake) DownloadExport(req *privacyv1.DownloadExportRequest, stream grpc.ServerStreamingServer[privacyv1.DownloadExportResponse]) error {
	head := &privacyv1.Export{Id: req.Id, Size: proto.Int64(6)}
	if err := stream.Send(&privacyv1.DownloadExportResponse{Part: &privacyv1.DownloadExportResponse_Export{Export: head}}); err != nil {
		return err
	}
	for _, piece := range []string{"PK\x03", "zip"} {
		if err := stream.Send(&privacyv1.DownloadExportResponse{Part: &privacyv1.DownloadExportResponse_Data{Data: []byte(piece)}}); err != nil {
			return err
		}
	}
	return nil
}

// WatchSaga does what the test says.
func (s privacyFake) WatchSaga(req *privacyv1.WatchSagaRequest, stream grpc.ServerStreamingServer[privacyv1.WatchSagaResponse]) error {
	return s.watch(req, stream)
}

// clock is a time that stands until moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// locked is a buffer many may write to.
type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// world is a gateway on a real listener in front of a real gRPC server.
type world struct {
	*suite
	t     *testing.T
	url   string
	clock *clock
	log   *locked
	gw    *Gateway
}

// start builds a world; change may be nil.
func start(t *testing.T, change func(*Config)) *world {
	t.Helper()
	w := &world{t: t, clock: &clock{now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}, log: &locked{}}
	w.suite = &suite{now: w.clock.Now, answers: map[string]func(proto.Message) (proto.Message, error){}, files: map[int64][]any{}}
	server := grpc.NewServer(grpc.UnaryInterceptor(w.unary))
	contactsv1.RegisterContactsServiceServer(server, w.suite)
	contactsv1.RegisterAgentsServiceServer(server, w.suite)
	contactsv1.RegisterIdentityServiceServer(server, w.suite)
	ticketsv1.RegisterTicketsServiceServer(server, w.suite)
	ticketsv1.RegisterConversationsServiceServer(server, w.suite)
	ticketsv1.RegisterCallsServiceServer(server, w.suite)
	ticketsv1.RegisterChatsServiceServer(server, w.suite)
	ticketsv1.RegisterThreadsServiceServer(server, w.suite)
	ticketsv1.RegisterAttachmentsServiceServer(server, attachments{suite: w.suite})
	forumsv1.RegisterForumsServiceServer(server, w.suite)
	forumsv1.RegisterTopicsServiceServer(server, w.suite)
	forumsv1.RegisterSolutionsServiceServer(server, w.suite)
	ratingsv1.RegisterRatingsServiceServer(server, w.suite)
	privacyv1.RegisterPrivacyServiceServer(server, privacyFake{suite: w.suite})
	checks := health.NewServer()
	healthv1.RegisterHealthServer(server, checks)
	lis, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(lis) }()
	conn, err := dial.New(lis.Addr().String(), dial.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Contacts: conn, Tickets: conn, Forums: conn, Ratings: conn, Privacy: conn, Now: w.clock.Now, Log: slog.New(obs.NewHandler(w.log, slog.LevelDebug))}
	if change != nil {
		change(&cfg)
	}
	if w.gw, err = New(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(w.gw)
	w.url = front.URL
	t.Cleanup(func() {
		_ = w.gw.Close()
		front.Close()
		_ = conn.Close()
		checks.Shutdown()
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return w
}

// reply is an answer with its body read.
type reply struct {
	*http.Response
	body string
}

func basic(key string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(key+":X"))
}

// do sends a request with the good key; headers come in pairs and an empty value takes one away.
func (w *world) do(method, path, body string, headers ...string) reply {
	w.t.Helper()
	var r io.Reader
	if body != "" {
		r = bytes.NewReader([]byte(body))
	}
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, r)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", basic(goodKey))
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Del(headers[i])
		if headers[i+1] != "" {
			req.Header.Set(headers[i], headers[i+1])
		}
	}
	return w.send(req)
}

func (w *world) send(req *http.Request) reply {
	w.t.Helper()
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return reply{resp, string(b)}
}

// want checks status and, unless it is "*", the body.
func (r reply) want(t *testing.T, status int, body string) {
	t.Helper()
	if r.StatusCode != status || body != "*" && r.body != body {
		t.Errorf("%s %s: %d %s\nwant %d %s", r.Request.Method, r.Request.URL, r.StatusCode, r.body, status, body)
	}
}
