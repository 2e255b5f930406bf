package storage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore/mongo"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore/mongo/mongokeys"
)

// DefaultGrace is for how long a fence call waits before it returns.
const DefaultGrace = mongo.DefaultGrace

// DefaultPrefix begins the names of the databases.
const DefaultPrefix = "lethe"

// MongoOptions say which MongoDB to use and how.
type MongoOptions struct {
	// URI names the deployment of the data: a replica set or a sharded cluster. Mandatory.
	URI string
	// KeysURI names the deployment of the keys, which should be another one with
	// shorter backups; URI when empty. The databases differ in either case.
	KeysURI string
	// UnsafeStandalone accepts a server that is not part of a replica set, which
	// loses what it confirmed when it crashes at the wrong moment.
	UnsafeStandalone bool
	// Grace is for how long a fence call waits before it returns; DefaultGrace when
	// 0. A write may take half as long at most, so a slow deployment needs more.
	Grace time.Duration
	// Prefix begins the names of the databases, DefaultPrefix when empty. Two desks
	// on one deployment need two.
	Prefix string
	// Log gets what the background work of stores did that have none of their own.
	Log *slog.Logger
	// Tracer makes a span of each command below a recorded one; nil makes none.
	Tracer trace.Tracer
	// Wait replaces the waiting of a grace period, for tests; nil: the system's clock.
	Wait func(ctx context.Context, d time.Duration) error
}

// Mongo is a connection to MongoDB that the services of a process share. It is
// safe for concurrent use.
type Mongo struct {
	opts       MongoOptions
	data, keys *mongo.Deployment
}

// Connect connects to the deployments and looks at them. Its errors are sentences
// that say what to do: nobody answers, a single server, an old version.
func Connect(ctx context.Context, o MongoOptions) (*Mongo, error) {
	if o.Prefix == "" {
		o.Prefix = DefaultPrefix
	}
	if o.Grace == 0 {
		o.Grace = DefaultGrace
	}
	m := &Mongo{opts: o}
	d := mongo.DialOptions{Setting: "--mongo-uri", UnsafeStandalone: o.UnsafeStandalone, Tracer: o.Tracer}
	var err error
	if m.data, err = mongo.Dial(ctx, o.URI, d); err != nil {
		return nil, err
	}
	m.keys = m.data
	if o.KeysURI != "" && o.KeysURI != o.URI {
		d.Setting = "--mongo-keys-uri"
		if m.keys, err = mongo.Dial(ctx, o.KeysURI, d); err != nil {
			return nil, errors.Join(err, m.data.Close(context.WithoutCancel(ctx)))
		}
	}
	return m, nil
}

// Close disconnects. Every store opened over it must be closed before. A nil
// Mongo closes too.
func (m *Mongo) Close(ctx context.Context) error {
	if m == nil {
		return nil
	}
	err := m.data.Close(ctx)
	if m.keys != m.data {
		err = errors.Join(err, m.keys.Close(ctx))
	}
	return err
}

// databases are the names of a service's two databases; they always differ.
func (m *Mongo) databases(service string) (data, keys string) {
	return m.opts.Prefix + "_" + service, m.opts.Prefix + "_" + service + "_keys"
}

// openKeys opens the keys of a service, after it was found out which data they belong to.
func (m *Mongo) openKeys(ctx context.Context, service string, c Config) (*mongokeys.Keys, error) {
	data, database := m.databases(service)
	in, err := mongo.FindInstallation(ctx, m.data, data, service)
	if err != nil {
		return nil, err
	}
	keys, err := mongokeys.Open(ctx, mongokeys.Options{
		Client: m.keys.Client, Database: database, Service: service, Master: c.Master, Installation: in.ID, MustExist: in.Sealed,
		Standalone: m.keys.Standalone, Now: c.Now, Settle: func(ctx context.Context) error { return m.wait(ctx, m.opts.Grace) },
	})
	if err != nil {
		return nil, fmt.Errorf("open the keys of %s: %w", service, err)
	}
	if !in.Sealed {
		if err := mongo.MarkSealed(ctx, m.data, data); err != nil {
			return nil, errors.Join(err, keys.Close())
		}
	}
	return keys, nil
}

func (m *Mongo) wait(ctx context.Context, d time.Duration) error {
	if m.opts.Wait != nil {
		return m.opts.Wait(ctx, d)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// RotateKeys brings the keys of a service on MongoDB to the master's current
// epoch and returns that epoch. It may run while the service does.
func (m *Mongo) RotateKeys(ctx context.Context, service string, c Config) (uint32, error) {
	keys, err := m.openKeys(ctx, service, c)
	if err != nil {
		return 0, err
	}
	err = keys.Rotate(ctx)
	epoch := uint32(0)
	if err == nil {
		epoch, err = keys.Epoch(ctx)
	}
	return epoch, errors.Join(err, keys.Close())
}

func openMongo(ctx context.Context, service string, c Config) (*Store, error) {
	m := c.Mongo
	keys, err := m.openKeys(ctx, service, c)
	if err != nil {
		return nil, err
	}
	// A rotation of the master key that was begun and not carried through here ends now.
	if err := keys.Rotate(ctx); err != nil {
		return nil, errors.Join(err, keys.Close())
	}
	data, _ := m.databases(service)
	backend, err := mongo.Open(ctx, mongo.Options{Client: m.data.Client, Database: data, Standalone: m.data.Standalone,
		Grace: m.opts.Grace, Wait: m.opts.Wait, Now: c.Now})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the store of %s: %w", service, err), keys.Close())
	}
	s, err := assemble(ctx, service, c, backend, keys, keys.Close)
	if err == nil {
		s.patrol(ctx, service, backend.NewPatrol(), c.Log)
	}
	return s, err
}
