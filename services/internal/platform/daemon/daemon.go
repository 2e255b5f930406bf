// Package daemon is what every program of one service is built on: settings,
// log, traces, identity, connections to the neighbours, listeners, health and a
// clean stop. A program adds its service and the flags that are its own.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/config"
	"github.com/lethe-desk/lethe/services/internal/platform/mtls"
	"github.com/lethe-desk/lethe/services/internal/platform/obs"
	"github.com/lethe-desk/lethe/services/internal/platform/run"
	"github.com/lethe-desk/lethe/services/internal/platform/server"
)

// Exit codes of a program; they are part of --help.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// Main runs a program of the command line until SIGINT or SIGTERM, and exits.
func Main(p Program, s Starter) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := Run(ctx, p, s, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// leave is thrown by --help and --version to end the run.
type leave int

// Run runs a program with args (without its name) until ctx ends, and returns
// the exit code. stdout gets one line with the addresses once it takes calls.
func Run(ctx context.Context, p Program, s Starter, args []string, stdout, stderr io.Writer) (code int) {
	defer func() {
		if thrown := recover(); thrown != nil {
			left, ok := thrown.(leave)
			if !ok {
				panic(thrown)
			}
			code = int(left)
		}
	}()
	info := p.info()
	info.Stdout, info.Stderr, info.Exit = stdout, stderr, func(code int) { panic(leave(code)) }
	if _, err := config.Parse(s, info, args); err != nil {
		fmt.Fprintf(stderr, "%s: %v\n%s --help lists what can be said.\n", info.Name, err, info.Name)
		return exitUsage
	}
	proc, err := newProcess(ctx, p, s)
	if err == nil {
		err = proc.group.Run(ctx, func() {
			proc.Tele.Health.SetReady(true)
			fmt.Fprintf(stdout, "%s takes calls: %s\n", info.Name, strings.Join(proc.at, ", "))
		})
	}
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", info.Name, err)
		return exitFailed
	}
	return exitDone
}

// Process is a program while it starts, runs and stops. Its methods are for
// Starter.Start, and not safe for concurrent use.
type Process struct {
	// Log, Tele and Verifier are what services are built with.
	Log      *slog.Logger
	Tele     *obs.Telemetry
	Verifier *authn.Verifier

	program Program
	starter Starter
	tls     *mtls.Pair
	signer  *authn.Signer
	server  *server.Server
	group   *run.Group
	closers []func(context.Context) error
	// at is where it listens, in words.
	at []string
}

func newProcess(ctx context.Context, p Program, s Starter) (*Process, error) {
	settings := s.settings()
	pair, err := mtls.Load(mtls.Files{Cert: settings.TLSCert, Key: settings.TLSKey, CA: settings.TLSCA})
	if err != nil {
		return nil, err
	}
	tele, end, err := settings.Setup(ctx, p.Name, p.Version)
	if err != nil {
		return nil, err
	}
	proc := &Process{
		Log: tele.Logger, Tele: tele, program: p, starter: s, tls: pair,
		Verifier: authn.NewFolderVerifier(s.identities(), time.Now, tele.Logger),
		group:    run.New(tele.Logger, 0),
	}
	if err := proc.listen(s.listeners()); err != nil {
		return nil, errors.Join(err, end(ctx))
	}
	proc.group.Add("telemetry", func(context.Context) (func(context.Context) error, error) { return end, nil })
	if l := s.listeners(); l != nil {
		proc.group.Add("health", func(ctx context.Context) (func(context.Context) error, error) {
			return proc.health(ctx, string(l.Health))
		})
	}
	proc.group.Add(p.Name, func(ctx context.Context) (func(context.Context) error, error) {
		if err := s.Start(ctx, proc); err != nil {
			return nil, errors.Join(err, proc.close(context.WithoutCancel(ctx)))
		}
		return proc.close, nil
	})
	return proc, nil
}

// listen makes the gRPC server of a program that has one.
func (p *Process) listen(l *Listeners) (err error) {
	if l == nil {
		return nil
	}
	p.server, err = server.New(server.Options{
		Name: p.program.Name, Declared: p.program.Declared, Verifier: p.Verifier, Logger: p.Log, Meter: p.Tele.Meter, Tracer: p.Tele.Tracer,
		Reflection: l.Reflection, Credentials: p.tls.Server(), InsecurePlaintext: p.starter.settings().InsecurePlaintext,
	})
	return err
}

// Defer has a function called when the program stops, before those that were
// added earlier, and also when its start fails.
func (p *Process) Defer(end func(context.Context) error) { p.closers = append(p.closers, end) }

// close undoes what Start did, in reverse; each is asked even when one failed.
func (p *Process) close(ctx context.Context) error {
	p.Tele.Health.SetReady(false)
	var errs []error
	for i := len(p.closers) - 1; i >= 0; i-- {
		errs = append(errs, p.closers[i](ctx))
	}
	return errors.Join(errs...)
}

// Signer returns what signs for this service. Its key is made at the first start.
func (p *Process) Signer() (*authn.Signer, error) {
	if p.signer != nil {
		return p.signer, nil
	}
	var err error
	p.signer, err = authn.OpenIdentity(p.starter.identities(), p.program.Name, p.starter.settings().IdentityKey, time.Now)
	return p.signer, err
}
