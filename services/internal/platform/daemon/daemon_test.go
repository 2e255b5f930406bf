package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/config"
	"github.com/lethe-desk/lethe/services/internal/platform/dial"
	"github.com/lethe-desk/lethe/services/internal/platform/mtls/mtlstest"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo is a service that says who called it.
type echo struct {
	contactsv1.UnimplementedIdentityServiceServer
	events *[]string
}

func (e *echo) Register(r grpc.ServiceRegistrar) { contactsv1.RegisterIdentityServiceServer(r, e) }
func (e *echo) Ready(context.Context) error      { return nil }
func (e *echo) Start(context.Context) error      { *e.events = append(*e.events, "start"); return nil }

func (e *echo) Close(context.Context) error { *e.events = append(*e.events, "close"); return nil }

func (e *echo) GetVerificationKeys(ctx context.Context, _ *contactsv1.GetVerificationKeysRequest) (*contactsv1.GetVerificationKeysResponse, error) {
	return &contactsv1.GetVerificationKeysResponse{Keys: [][]byte{[]byte(authn.Caller(ctx).Service)}}, nil
}

// settings are those of a program with the echo and maybe a neighbour.
type settings struct {
	ServiceSettings
	ContactsAddr config.Address `help:"Where contactsd serves." default:"${contacts}"`
	NoNeighbour  bool
	FailLate     bool

	events    []string
	neighbour grpc.ClientConnInterface
	self      grpc.ClientConnInterface
}

func (s *settings) Start(ctx context.Context, p *Process) (err error) {
	p.Defer(func(context.Context) error { s.events = append(s.events, "deferred"); return nil })
	if !s.NoNeighbour {
		if s.neighbour, err = p.Dial("contacts", s.ContactsAddr); err != nil {
			return err
		}
	}
	if s.self, err = p.Self(); err != nil {
		return err
	}
	if err := p.Serve(ctx, &echo{events: &s.events}); err != nil {
		return err
	}
	if s.FailLate {
		return errors.New("no luck")
	}
	return nil
}

// output is written by the program and read by the test.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
	got chan struct{}
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.buf.Len() == 0 {
		close(o.got)
	}
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// program is a running program of a test.
type program struct {
	*settings
	t            *testing.T
	grpc, health string
	stop         context.CancelFunc
	code         chan int
	out, errs    *output
}

var addresses = regexp.MustCompile(`gRPC at (\S+)$`)

func launch(t *testing.T, name, dir string, args ...string) *program {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	p := &program{settings: &settings{}, t: t, stop: cancel, code: make(chan int, 1), out: &output{got: make(chan struct{})}, errs: &output{got: make(chan struct{})}}
	all := append([]string{"--data", dir, "--listen", "127.0.0.1:0", "--health", "127.0.0.1:0", "--log-file", filepath.Join(dir, name+".log")}, args...)
	go func() {
		p.code <- Run(ctx, Program{Name: name, About: "A test.", Version: "v1", Declared: []string{"lethe.contacts.v1.IdentityService"}}, p.settings, all, p.out, p.errs)
	}()
	t.Cleanup(cancel)
	select {
	case <-p.out.got:
	case code := <-p.code:
		p.code <- code
		return p
	}
	line := strings.TrimSpace(p.out.String())
	if m := addresses.FindStringSubmatch(line); m != nil {
		p.grpc = m[1]
	}
	_, p.health, _ = strings.Cut(strings.Split(line, ", ")[0], "health at ")
	return p
}

func (p *program) get(path string) (int, string) {
	p.t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.health+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	res, err := client.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// end stops a program and returns its exit code.
func (p *program) end() int {
	p.stop()
	return <-p.code
}

func free(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func caller(t *testing.T, conn grpc.ClientConnInterface) string {
	t.Helper()
	answer, err := contactsv1.NewIdentityServiceClient(conn).GetVerificationKeys(authn.WithAccount(t.Context(), 1), &contactsv1.GetVerificationKeysRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return string(answer.GetKeys()[0])
}

// A program whose neighbour is not there runs and says so; it is ready when the neighbour comes, whatever came first.
func TestOrderOfStartDoesNotMatter(t *testing.T) {
	dir, at := t.TempDir(), free(t)
	late := launch(t, "tickets", dir, "--contacts-addr", at)
	if status, body := late.get("/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, `"contacts"`) || strings.Contains(body, `"tickets"`) {
		t.Fatalf("without its neighbour: %d %s", status, body)
	}
	if status, _ := late.get("/healthz"); status != http.StatusOK {
		t.Fatalf("it is not alive: %d", status)
	}
	first := launch(t, "contacts", dir, "--no-neighbour", "--listen", at)
	deadline := time.Now().Add(20 * time.Second)
	for status := 0; status != http.StatusOK; status, _ = late.get("/readyz") {
		if time.Now().After(deadline) {
			t.Fatal("it does not become ready")
		}
	}
	// It shows its own identity to the neighbour, which had never heard of it, and to itself.
	if who := caller(t, late.neighbour); who != "tickets" {
		t.Errorf("the neighbour was called by %q", who)
	}
	if who := caller(t, late.self); who != "tickets" {
		t.Errorf("it called itself as %q", who)
	}
	if status, body := late.get("/metrics"); status != http.StatusOK || !strings.Contains(body, "lethe_calls_total") {
		t.Errorf("metrics: %d", status)
	}
	if code := first.end(); code != 0 {
		t.Errorf("code %d: %s", code, first.errs)
	}
	if status, _ := late.get("/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("its neighbour went away: %d", status)
	}
	if code := late.end(); code != 0 {
		t.Errorf("code %d: %s", code, late.errs)
	}
	if got := fmt.Sprint(late.events); got != "[start close deferred]" {
		t.Errorf("in this order: %v", got)
	}
}

func TestProgramsSayWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for want, c := range map[string]struct {
		args []string
		code int
	}{
		"unknown flag --nothing":               {[]string{"--nothing"}, 2},
		"choose another address with --listen": {[]string{"--listen", taken.Addr().String()}, 1},
		"choose another address with --health": {[]string{"--health", taken.Addr().String()}, 1},
		"--insecure-plaintext":                 {[]string{"--listen", "0.0.0.0:0"}, 1},
		"all of --tls-cert":                    {[]string{"--tls-cert", filepath.Join(dir, "x")}, 1},
		"open the log file":                    {[]string{"--log-file", filepath.Join(dir, "no", "log")}, 1},
		"no luck":                              {[]string{"--fail-late"}, 1},
	} {
		p := launch(t, "tickets", dir, c.args...)
		if code := p.end(); code != c.code || !strings.Contains(p.errs.String(), want) {
			t.Errorf("%v: code %d: %s", c.args, code, p.errs)
		}
		if c.code == 1 && len(p.events) > 0 && p.events[len(p.events)-1] != "deferred" {
			t.Errorf("%v: a failed start left things open: %v", c.args, p.events)
		}
	}
	for args, want := range map[string]string{"--help": "LETHE_CONTACTS_ADDR", "--version": "ticketsd v1"} {
		p := launch(t, "tickets", dir, args)
		if code := p.end(); code != 0 || !strings.Contains(p.out.String(), want) {
			t.Errorf("%s: code %d: %s", args, code, p.out)
		}
	}
}

// With certificates both programs talk; one that has none hears nothing.
func TestProgramsWithCertificates(t *testing.T) {
	dir, at, house := t.TempDir(), free(t), mtlstest.New(t)
	secured := func(name string) []string {
		f := house.Issue(name)
		return []string{"--tls-cert", f.Cert, "--tls-key", f.Key, "--tls-ca", f.CA}
	}
	first := launch(t, "contacts", dir, append(secured("contacts"), "--no-neighbour", "--listen", at)...)
	second := launch(t, "tickets", dir, append(secured("tickets"), "--contacts-addr", at)...)
	if who := caller(t, second.neighbour); who != "tickets" {
		t.Errorf("called by %q", who)
	}
	plain, err := dial.New(at, dial.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if _, err := contactsv1.NewIdentityServiceClient(plain).GetVerificationKeys(t.Context(), &contactsv1.GetVerificationKeysRequest{}); err == nil {
		t.Error("a caller without a certificate was answered")
	}
	for _, p := range []*program{second, first} {
		if code := p.end(); code != 0 {
			t.Errorf("code %d: %s", code, p.errs)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "identity", "tickets.pub")); err != nil {
		t.Error(err)
	}
}

func TestPlacesAreThoseOfTheSuite(t *testing.T) {
	if Place("contacts") != 1 || Place("privacy") != 5 || LastPlace != 5 || Place("nobody") != 0 {
		t.Errorf("%d %d %d", Place("contacts"), Place("privacy"), LastPlace)
	}
	if v := vars("ratings"); v["listen"] != "127.0.0.1:7104" || v["health"] != "127.0.0.1:7204" || v["tickets"] != "127.0.0.1:7102" {
		t.Errorf("%v", v)
	}
}

// front is a program that answers HTTP for users and has no methods and no key of its own.
type front struct {
	Settings
	HTTP         config.Address `name:"http" default:"127.0.0.1:0"`
	ContactsAddr config.Address `default:"${contacts}"`

	conn  grpc.ClientConnInterface
	ended bool
}

func (f *front) Start(ctx context.Context, p *Process) (err error) {
	if f.conn, err = p.DialForUsers("contacts", f.ContactsAddr); err != nil {
		return err
	}
	return p.ServeHTTP(ctx, "--http", f.HTTP, p.Tele.Health.Ready(), func() error { f.ended = true; return nil })
}

func TestProgramWithoutMethods(t *testing.T) {
	dir, at := t.TempDir(), free(t)
	first := launch(t, "contacts", dir, "--no-neighbour", "--listen", at)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f, out, errs, code := &front{}, &output{got: make(chan struct{})}, &output{got: make(chan struct{})}, make(chan int, 1)
	go func() {
		code <- Run(ctx, Program{Name: "gateway", Version: "v1"}, f,
			[]string{"--identity", filepath.Join(dir, "identity"), "--contacts-addr", at, "--log-file", filepath.Join(dir, "log")}, out, errs)
	}()
	select {
	case <-out.got:
	case c := <-code:
		t.Fatalf("code %d: %s", c, errs)
	}
	// A user's token is shown, and the front has no identity of its own.
	signer, err := authn.OpenIdentity(filepath.Join(dir, "identity"), "contacts", "", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := signer.Sign(authn.Identity{Account: 1, Role: authn.RoleService, Service: "contacts"})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(ctx context.Context) string {
		answer, err := contactsv1.NewIdentityServiceClient(f.conn).GetVerificationKeys(ctx, &contactsv1.GetVerificationKeysRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return string(answer.GetKeys()[0])
	}
	if who := ask(authn.WithOutgoingToken(t.Context(), token)); who != "contacts" {
		t.Errorf("the token was not shown: %q", who)
	}
	if who := ask(authn.WithAccount(t.Context(), 1)); who != "" {
		t.Errorf("the front called as %q", who)
	}
	if _, err := os.Stat(filepath.Join(dir, "identity", "gateway.key")); err == nil {
		t.Error("the front made a key")
	}
	cancel()
	if c := <-code; c != 0 || !f.ended {
		t.Errorf("code %d, ended %v: %s", c, f.ended, errs)
	}
	if c := first.end(); c != 0 {
		t.Errorf("code %d: %s", c, first.errs)
	}
}
