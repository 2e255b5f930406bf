package cli

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/lethe-desk/lethe/services/internal/platform/config"
)

// Up runs all services in one process.
type Up struct {
	config.Storage
	config.Network
	config.Telemetry
	HTTP         string        `name:"http" help:"Where REST listens." default:"127.0.0.1:8080" placeholder:"HOST:PORT"`
	GRPCPortBase int           `name:"grpc-port-base" help:"Services listen above this port: contacts +1, tickets +2, forums +3, ratings +4, privacy +5." default:"7100" placeholder:"PORT"`
	AdminKey     config.Secret `help:"API key of the first admin at first start, at least 20 characters; one is made and written to the key file when not given. Prefer the environment." placeholder:"KEY"`
	AdminKeyFile string        `help:"Where a key that was made is written; DIR.admin-key when not given." placeholder:"FILE" type:"path"`
	Reflection   bool          `help:"Offer gRPC reflection."`
	RateLimit    int           `help:"REST calls an account may make in a minute; 0 for no limit." default:"6000" placeholder:"N"`
	FourEyes     bool          `help:"Have another person approve a request than the one who raised it."`
}

// Ready is where a suite listens once it takes calls.
type Ready struct {
	// HTTP is the base URL of REST.
	HTTP string `json:"http"`
	// GRPC is host:port by service.
	GRPC map[string]string `json:"grpc"`
	// AdminKeyFile is where the first key was written, or empty.
	AdminKeyFile string `json:"admin_key_file,omitempty"`
}

// Run runs the suite until a signal comes.
func (u Up) Run(s *session) error {
	return s.env.Up(s.ctx, u, func(at Ready) {
		if s.cli.JSON {
			_ = s.print(at)
			return
		}
		var services []string
		for _, name := range slices.Sorted(maps.Keys(at.GRPC)) {
			services = append(services, name+" "+at.GRPC[name])
		}
		fmt.Fprintf(s.env.Stdout, "lethe is ready: REST at %s; gRPC: %s\n", at.HTTP, strings.Join(services, ", "))
		if at.AdminKeyFile != "" {
			fmt.Fprintf(s.env.Stdout, "the first admin's API key is in %s; use it with --key-file\n", at.AdminKeyFile)
		}
	})
}

// Keys holds the commands about keys.
type Keys struct {
	Rotate Rotate `cmd:"" help:"Renew the master key of a desk, whose services must be stopped."`
}

// Rotate renews the master key.
type Rotate struct {
	config.Storage
}

// Run rewraps all living keys under a new master key and forgets the old one.
func (r Rotate) Run(s *session) error {
	if info, err := os.Stat(r.Data); err != nil || !info.IsDir() {
		return exit(ExitUsage, "there is no data folder at --data; lethe up --data DIR makes one")
	}
	if err := s.env.RotateKeys(s.ctx, r, func(step string) { s.progress.Line("%s", step) }); err != nil {
		return err
	}
	if s.cli.JSON {
		return s.print(map[string]bool{"rotated": true})
	}
	fmt.Fprintln(s.env.Stdout, "the master key is renewed; copies of the old key files open nothing any more")
	return nil
}

// Demo runs the demo.
type Demo struct{}

// Run starts a suite in a temporary folder and shows it at work.
func (Demo) Run(s *session) error { return s.env.Demo(s.ctx, s.env.Stdout) }
