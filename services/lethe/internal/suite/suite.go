package suite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc"

	"github.com/lethe-desk/lethe/services/contacts"
	"github.com/lethe-desk/lethe/services/forums"
	"github.com/lethe-desk/lethe/services/gateway"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/dial"
	"github.com/lethe-desk/lethe/services/internal/platform/mtls"
	"github.com/lethe-desk/lethe/services/internal/platform/obs"
	"github.com/lethe-desk/lethe/services/internal/platform/run"
	"github.com/lethe-desk/lethe/services/internal/platform/server"
	"github.com/lethe-desk/lethe/services/internal/platform/storage"
	"github.com/lethe-desk/lethe/services/privacy"
	"github.com/lethe-desk/lethe/services/ratings"
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
	place    *storage.Place
	signers  map[string]*authn.Signer
	verifier *authn.Verifier
	tls      *mtls.Pair
	servers  map[string]*server.Server
	addrs    Addresses

	// The services, for counting in tests and the bench.
	Contacts *contacts.Service
	Tickets  *tickets.Service
	Forums   *forums.Service
	Ratings  *ratings.Service
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
	pair, err := mtls.Load(mtls.Files{Cert: c.TLSCert, Key: c.TLSKey, CA: c.TLSCA})
	if err != nil {
		return nil, err
	}
	s := &Suite{cfg: c, tls: pair, servers: map[string]*server.Server{}, signers: map[string]*authn.Signer{}, addrs: Addresses{GRPC: map[string]string{}}}
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
	for _, m := range members {
		s.group.Add(m.name, func(ctx context.Context) (func(context.Context) error, error) { return s.startMember(ctx, m) })
	}
	s.group.Add("gateway", s.startGateway)
}

// keys opens what everything else is signed and sealed with.
func (s *Suite) keys(ctx context.Context) (func(context.Context) error, error) {
	var err error
	if s.place, err = storage.Setup(ctx, s.cfg.storage(), s.tele.Logger, s.tele.Tracer); err != nil {
		return nil, err
	}
	if err := s.identities(); err != nil {
		return nil, errors.Join(err, s.place.Close(ctx))
	}
	return s.place.Close, nil
}

// identities opens every service's own key, and makes the servers that trust them.
func (s *Suite) identities() error {
	folder := s.cfg.IdentityFolder(s.cfg.Dir)
	if err := adoptIdentity(filepath.Join(s.cfg.Dir, "identity.key"), folder); err != nil {
		return err
	}
	s.verifier = authn.NewFolderVerifier(folder, s.cfg.Now, s.tele.Logger)
	for _, m := range members {
		var err error
		if s.signers[m.name], err = authn.OpenIdentity(folder, m.name, "", s.cfg.Now); err != nil {
			return err
		}
		s.servers[m.name], err = server.New(server.Options{
			Name: m.name, Declared: m.declared, Verifier: s.verifier, Logger: s.tele.Logger,
			Meter: s.tele.Meter, Tracer: s.tele.Tracer, Reflection: s.cfg.Reflection, Credentials: s.tls.Server(),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// adoptIdentity makes the one key that all services of a desk had before each
// got its own that of contacts, so that tokens which are out stay good.
func adoptIdentity(old, folder string) error {
	if _, err := os.Stat(old); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("make the folder of identities: %w", err)
	}
	adopted := filepath.Join(folder, contacts.Name+".key")
	if _, err := os.Stat(adopted); err == nil {
		return fmt.Errorf("%s and %s are both there: remove the one that came from elsewhere", old, adopted)
	}
	if err := os.Rename(old, adopted); err != nil {
		return fmt.Errorf("move the identity key to its folder: %w", err)
	}
	return nil
}

// conn is a connection inside the process to a service, with the manners and
// the identity of one over the network.
func (s *Suite) conn(from, to string) grpc.ClientConnInterface {
	return dial.Wrap(s.servers[to].InProcess(), dial.Options{
		Source: authn.NewServiceSource(s.signers[from], from), Meter: s.tele.Meter, Tracer: s.tele.Tracer,
	})
}

// serve opens a service's listener, watches it, and registers its readiness.
func (s *Suite) serve(name string, ready func(context.Context) error) (func(context.Context) error, error) {
	srv := s.servers[name]
	addr, err := srv.Start(s.cfg.grpcAddr(name))
	if err != nil {
		return nil, fmt.Errorf("%w; another suite may run on this port: choose others with --grpc-port-base", err)
	}
	s.addrs.GRPC[name] = addr.String()
	go func() { s.group.Fail(name, <-srv.Failed()) }()
	return srv.Stop, s.tele.Health.Add(name, ready)
}

// startMember opens a service and serves it; the returned stop ends its calls, then the service.
func (s *Suite) startMember(ctx context.Context, m member) (func(context.Context) error, error) {
	svc, err := m.open(ctx, s)
	if err != nil {
		return nil, err
	}
	svc.Register(s.servers[m.name])
	serving, err := s.serve(m.name, svc.Ready)
	if err != nil {
		return nil, errors.Join(err, svc.Close(context.WithoutCancel(ctx)))
	}
	stop := func(ctx context.Context) error { return errors.Join(serving(ctx), svc.Close(ctx)) }
	if w, ok := svc.(interface{ Start(context.Context) error }); ok {
		// Sagas call privacy too: they run once it takes calls.
		if err := w.Start(ctx); err != nil {
			return nil, errors.Join(err, stop(context.WithoutCancel(ctx)))
		}
	}
	return stop, nil
}

// readHeader bounds how long a client may take to send its headers.
const readHeader = 10 * time.Second

func (s *Suite) startGateway(ctx context.Context) (func(context.Context) error, error) {
	g, err := gateway.New(ctx, gateway.Config{
		Contacts: s.user(contacts.Name), Tickets: s.user(tickets.Name), Forums: s.user(forums.Name),
		Ratings: s.user(ratings.Name), Privacy: s.user(privacy.Name),
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
