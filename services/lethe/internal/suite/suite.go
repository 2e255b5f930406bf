package suite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc"

	"github.com/lethe-desk/lethe/services/contacts"
	"github.com/lethe-desk/lethe/services/gateway"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/dial"
	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
	"github.com/lethe-desk/lethe/services/internal/platform/obs"
	"github.com/lethe-desk/lethe/services/internal/platform/run"
	"github.com/lethe-desk/lethe/services/internal/platform/server"
	"github.com/lethe-desk/lethe/services/privacy"
	"github.com/lethe-desk/lethe/services/tickets"
)

// Addresses are where a running suite listens.
type Addresses struct {
	// HTTP is the base URL of REST, GRPC the host:port of each service by name.
	HTTP string
	GRPC map[string]string
	// AdminKeyFile is where the first key was written; "" when it was given.
	AdminKeyFile string
}

// Suite is the process in the making.
type Suite struct {
	cfg      Config
	group    *run.Group
	tele     *obs.Telemetry
	master   *keyring.Master
	signer   *authn.Signer
	verifier *authn.Verifier
	servers  map[string]*server.Server
	addrs    Addresses

	// Contacts, Tickets and Privacy are the services, for counting in tests and the bench.
	Contacts *contacts.Service
	Tickets  *tickets.Service
	Privacy  *privacy.Service
}

// Run starts a suite, calls ready with its addresses once it takes calls, and
// runs until the context ends. Errors are sentences for the operator.
func Run(ctx context.Context, c Config, ready func(Addresses)) error {
	s, err := New(ctx, c)
	if err != nil {
		return err
	}
	return s.group.Run(ctx, func() {
		if ready != nil {
			ready(s.addrs)
		}
	})
}

// New prepares a suite; Start brings it up.
func New(ctx context.Context, c Config) (*Suite, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	s := &Suite{cfg: c, servers: map[string]*server.Server{}, addrs: Addresses{GRPC: map[string]string{}}}
	if c.AdminKey == "" {
		s.addrs.AdminKeyFile = c.AdminKeyFile
	}
	logs, closeLogs, err := openLog(c.LogFile)
	if err != nil {
		return nil, err
	}
	s.tele, err = obs.Setup(ctx, obs.Options{
		Service: "lethe", Version: c.Version, OTLPEndpoint: c.OTLPEndpoint, TraceFile: c.TraceFile,
		LogWriter: logs, LogLevel: c.LogLevel, Exporters: c.Exporters,
	})
	if err != nil {
		return nil, errors.Join(err, closeLogs())
	}
	s.group = run.New(s.tele.Logger, 0)
	s.parts(closeLogs)
	return s, nil
}

func openLog(path string) (io.Writer, func() error, error) {
	if path == "" {
		return os.Stderr, func() error { return nil }, nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("open the log file: %w", err)
	}
	return f, f.Close, nil
}

// Start brings all parts up; Stop takes them down again. Run does both.
func (s *Suite) Start(ctx context.Context) (Addresses, error) {
	err := s.group.Start(ctx)
	return s.addrs, err
}

// Stop stops all parts in reverse; it may be called twice.
func (s *Suite) Stop(ctx context.Context) error { return s.group.Stop(ctx) }

// parts lists what is started, from the bottom up.
func (s *Suite) parts(closeLogs func() error) {
	s.group.Add("telemetry", func(context.Context) (func(context.Context) error, error) {
		return func(ctx context.Context) error { return errors.Join(s.tele.Shutdown(ctx), closeLogs()) }, nil
	})
	s.group.Add("keys", s.keys)
	s.group.Add(contacts.Name, s.startContacts)
	s.group.Add(tickets.Name, s.startTickets)
	s.group.Add(privacy.Name, s.startPrivacy)
	s.group.Add("gateway", s.startGateway)
}

// keys opens what everything else is signed and sealed with.
func (s *Suite) keys(context.Context) (func(context.Context) error, error) {
	var err error
	if s.master, err = keyring.OpenMaster(s.cfg.MasterKey); err != nil {
		return nil, err
	}
	key, err := authn.LoadOrCreateKey(filepath.Join(s.cfg.Dir, "identity.key"))
	if err != nil {
		return nil, err
	}
	s.signer = authn.NewSigner(key, s.cfg.Now)
	s.verifier = authn.NewVerifier(s.cfg.Now, s.signer.Public())
	for name, declared := range map[string][]string{
		contacts.Name: contacts.Services(), tickets.Name: tickets.Services(), privacy.Name: privacy.Services(),
	} {
		s.servers[name], err = server.New(server.Options{
			Name: name, Declared: declared, Verifier: s.verifier, Logger: s.tele.Logger,
			Meter: s.tele.Meter, Tracer: s.tele.Tracer, Reflection: s.cfg.Reflection,
		})
		if err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// conn is a connection inside the process to a service, with the manners and
// the identity of one over the network.
func (s *Suite) conn(from, to string) grpc.ClientConnInterface {
	return dial.Wrap(s.servers[to].InProcess(), dial.Options{
		Source: authn.NewServiceSource(s.signer, from), Meter: s.tele.Meter, Tracer: s.tele.Tracer,
	})
}

// serve opens a service's listener, watches it, and registers its readiness.
func (s *Suite) serve(name string, place int, ready func(context.Context) error) (func(context.Context) error, error) {
	srv := s.servers[name]
	addr, err := srv.Start(s.cfg.grpcAddr(place))
	if err != nil {
		return nil, fmt.Errorf("%w; another suite may run on this port: choose others with --grpc-port-base", err)
	}
	s.addrs.GRPC[name] = addr.String()
	go func() { s.group.Fail(name, <-srv.Failed()) }()
	return srv.Stop, s.tele.Health.Add(name, ready)
}

func (s *Suite) startContacts(ctx context.Context) (func(context.Context) error, error) {
	svc, err := contacts.New(ctx, contacts.Config{
		Dir: filepath.Join(s.cfg.Dir, contacts.Name), Master: s.master, Signer: s.signer,
		AdminKey: s.cfg.AdminKey, AdminKeyFile: s.cfg.AdminKeyFile, Now: s.cfg.Now, Log: s.tele.Logger,
	})
	if err != nil {
		return nil, err
	}
	s.Contacts = svc
	svc.Register(s.servers[contacts.Name])
	return s.up(contacts.Name, contactsPort, svc.Ready, svc.Close)
}

func (s *Suite) startTickets(ctx context.Context) (func(context.Context) error, error) {
	svc, err := tickets.New(ctx, tickets.Config{
		Dir: filepath.Join(s.cfg.Dir, tickets.Name), Master: s.master,
		Contacts: s.conn(tickets.Name, contacts.Name), Now: s.cfg.Now, Log: s.tele.Logger,
	})
	if err != nil {
		return nil, err
	}
	s.Tickets = svc
	svc.Register(s.servers[tickets.Name])
	return s.up(tickets.Name, ticketsPort, svc.Ready, svc.Close)
}

func (s *Suite) startPrivacy(ctx context.Context) (func(context.Context) error, error) {
	participants := map[string]grpc.ClientConnInterface{}
	for name := range s.servers {
		participants[name] = s.conn(privacy.Name, name)
	}
	svc, err := privacy.New(ctx, privacy.Config{
		Dir: filepath.Join(s.cfg.Dir, privacy.Name), Master: s.master, Contacts: participants[contacts.Name],
		Participants: participants, ExportTTL: s.cfg.ExportTTL, Now: s.cfg.Now,
		Tracer: s.tele.Tracer.Tracer("lethe/saga"), Log: s.tele.Logger,
	})
	if err != nil {
		return nil, err
	}
	s.Privacy = svc
	svc.Register(s.servers[privacy.Name])
	stop, err := s.up(privacy.Name, privacyPort, svc.Ready, svc.Close)
	if err != nil {
		return nil, err
	}
	// Sagas call privacy too: they run once it takes calls.
	if err := svc.Start(ctx); err != nil {
		return nil, errors.Join(err, stop(ctx))
	}
	return stop, nil
}

// up serves a service; the returned stop ends its calls, then the service.
func (s *Suite) up(name string, place int, ready, end func(context.Context) error) (func(context.Context) error, error) {
	stop, err := s.serve(name, place, ready)
	if err != nil {
		return nil, errors.Join(err, end(context.Background()))
	}
	return func(ctx context.Context) error { return errors.Join(stop(ctx), end(ctx)) }, nil
}

// readHeader bounds how long a client may take to send its headers.
const readHeader = 10 * time.Second

func (s *Suite) startGateway(ctx context.Context) (func(context.Context) error, error) {
	g, err := gateway.New(ctx, gateway.Config{
		Contacts: s.user(contacts.Name), Tickets: s.user(tickets.Name), Privacy: s.user(privacy.Name),
		Verifier: s.verifier, RateLimit: s.cfg.RateLimit,
		Live: s.tele.Health.Live(), Ready: s.tele.Health.Ready(), Metrics: s.tele.MetricsHandler(),
		Tracer: s.tele.Tracer, Meter: s.tele.Meter, Log: s.tele.Logger, Now: s.cfg.Now,
	})
	if err != nil {
		return nil, err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", s.cfg.HTTPAddr)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w; another program uses this address: choose one with --http", err), g.Close())
	}
	s.addrs.HTTP = "http://" + l.Addr().String()
	srv := &http.Server{Handler: g, ReadHeaderTimeout: readHeader}
	go func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.group.Fail("gateway", err)
		}
	}()
	s.tele.Health.SetReady(true)
	return func(ctx context.Context) error {
		s.tele.Health.SetReady(false)
		// Streams of events would keep the server open: the gateway ends them first.
		return errors.Join(g.Close(), srv.Shutdown(ctx))
	}, nil
}

// user is a connection that shows the end user's token and none of its own.
func (s *Suite) user(to string) grpc.ClientConnInterface {
	return dial.Wrap(s.servers[to].InProcess(), dial.Options{Meter: s.tele.Meter, Tracer: s.tele.Tracer})
}
