package storage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.opentelemetry.io/otel/trace"
)

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
	// Grace is for how long a fence call waits before it returns, and must be
	// longer than any write may take; DefaultGrace when 0.
	Grace time.Duration
	// Prefix begins the names of the databases, "lethe" when empty. Two desks on
	// one deployment need two.
	Prefix string
	// Log gets what nobody is told; slog.Default() when nil.
	Log *slog.Logger
	// Tracer makes a span of each command; nil makes none.
	Tracer trace.Tracer
}

// Mongo is a connection to MongoDB that the services of a process share. It is
// safe for concurrent use.
type Mongo struct {
	opts MongoOptions
	data *mongo.Client
}

// Connect connects and checks the deployment. Its errors are sentences that say what to do.
func Connect(ctx context.Context, o MongoOptions) (*Mongo, error) {
	data, err := mongo.Connect(options.Client().ApplyURI(o.URI))
	if err != nil {
		return nil, fmt.Errorf("connect to MongoDB: %w", err)
	}
	if err := data.Ping(ctx, nil); err != nil {
		return nil, errors.Join(fmt.Errorf("reach MongoDB: %w", err), data.Disconnect(ctx))
	}
	return &Mongo{opts: o, data: data}, nil
}

// Close disconnects. Every store opened over it must be closed before. A nil
// Mongo closes too.
func (m *Mongo) Close(ctx context.Context) error {
	if m == nil {
		return nil
	}
	return m.data.Disconnect(ctx)
}

func openMongo(context.Context, string, Config) (*Store, error) {
	return nil, errors.New("a store on MongoDB cannot be opened yet")
}
