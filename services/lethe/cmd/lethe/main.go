// Command lethe runs all services in one process and is the operator's command
// line; lethe --help lists its commands.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/lethe-desk/lethe/services/lethe/internal/cli"
	"github.com/lethe-desk/lethe/services/lethe/internal/demo"
	"github.com/lethe-desk/lethe/services/lethe/internal/fsck"
	"github.com/lethe-desk/lethe/services/lethe/internal/suite"
)

// version is set by the build.
var version = "development"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Main(ctx, os.Args[1:], cli.Env{Stdout: os.Stdout, Stderr: os.Stderr, Version: version, Up: up, RotateKeys: rotate, Fsck: check, Demo: demo.Run})
	stop()
	os.Exit(code)
}

func up(ctx context.Context, u cli.Up, ready func(cli.Ready)) error {
	c := suite.Config{
		Dir: u.Data, Storage: u.Storage, Network: u.Network, HTTPAddr: u.HTTP, GRPCPortBase: u.GRPCPortBase,
		AdminKey: u.AdminKey.Reveal(), AdminKeyFile: u.AdminKeyFile, MasterKey: u.MasterKey, TraceFile: u.TraceFile, OTLPEndpoint: u.OTLPEndpoint,
		LogFile: u.LogFile, LogLevel: u.LogLevel, Reflection: u.Reflection, RateLimit: u.RateLimit, FourEyes: u.FourEyes, Version: version,
	}
	return suite.Run(ctx, c, func(a suite.Addresses) {
		ready(cli.Ready{HTTP: a.HTTP, GRPC: a.GRPC, AdminKeyFile: a.AdminKeyFile})
	})
}

func rotate(ctx context.Context, r cli.Rotate, step func(string)) error {
	return suite.RotateKeys(ctx, suite.Config{Dir: r.Data, MasterKey: r.MasterKey, Storage: r.Storage}, step)
}

func check(ctx context.Context, c cli.Fsck, w cli.FsckWatch) (cli.FsckChecked, error) {
	r, err := fsck.Run(ctx, fsck.Options{Dir: c.Dir, MasterKey: c.MasterKey, Progress: w.Progress}, func(f fsck.Finding) {
		w.Found(cli.FsckFinding{
			Service: f.Service, Flaw: string(f.Flaw), Warning: f.Warning, Collection: f.Collection,
			Account: f.Account, ID: f.ID, Slot: f.Place(), Detail: f.Detail, Says: f.Says,
		})
	})
	checked := cli.FsckChecked{Services: r.Services}
	for _, u := range r.Unchecked {
		checked.Unchecked = append(checked.Unchecked, cli.FsckUnchecked(u))
	}
	return checked, err
}
