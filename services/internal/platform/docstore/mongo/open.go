package mongo

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// DefaultGrace is for how long a fence call waits before it returns.
const DefaultGrace = 2 * time.Second

// readLimit bounds a read whose caller set no deadline.
const readLimit = 30 * time.Second

// Options are what a backend needs.
type Options struct {
	// Client is connected and checked (Check); the backend does not close it.
	Client *driver.Client
	// Database is the name of the service's database.
	Database string
	// Standalone says that the server is no member of a replica set: then reads
	// cannot ask for a majority.
	Standalone bool
	// Grace is for how long Settle waits; DefaultGrace when 0.
	Grace time.Duration
	// WriteLimit is how long a write may take on the server; half of Grace when 0.
	// Together with the age a look at the ring may have, a quarter of Grace, it must
	// be shorter than Grace, so that a write that saw no fence has landed
	// before the fence call returns.
	WriteLimit time.Duration
	// Wait waits that long or until the context ends; nil is the clock of the system.
	Wait func(ctx context.Context, d time.Duration) error
	// Now is the clock that tells whether other processes live; time.Now when nil.
	Now func() time.Time
}

// Backend is a docstore.Backend on MongoDB. It is safe for concurrent use.
type Backend struct {
	o       Options
	db      *driver.Database
	process string
	maxAge  time.Duration
	// begun is where monotonic ages are counted from.
	begun time.Time

	// ring is read with majority, strict with linearizable read concern.
	ring, strict                      *driver.Collection
	claims, numbers, slots, processes *driver.Collection
	tables                            *driver.Collection

	commits atomic.Int64

	mu    sync.RWMutex
	bound map[string]*table

	fenceMu sync.Mutex
	// fenced is when this process last wrote an entry with a mode.
	fenced map[ring.Subject]time.Duration
}

var (
	_ docstore.Backend = (*Backend)(nil)
	_ docstore.Settler = (*Backend)(nil)
)

// Open opens or makes a service's database. Errors are sentences for the operator.
func Open(ctx context.Context, o Options) (*Backend, error) {
	if o.Grace == 0 {
		o.Grace = DefaultGrace
	}
	if o.WriteLimit == 0 {
		o.WriteLimit = o.Grace / 2
	}
	if o.Wait == nil {
		o.Wait = wait
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	b := &Backend{o: o, process: rand.Text(), maxAge: o.Grace / 4, begun: time.Now(),
		bound: map[string]*table{}, fenced: map[ring.Subject]time.Duration{}}
	if o.WriteLimit+b.maxAge >= o.Grace {
		return nil, fmt.Errorf("a write may take %v and the look at the ring before it may be %v old, which is not shorter than the grace period of %v: choose a longer --mongo-grace", o.WriteLimit, b.maxAge, o.Grace)
	}
	rc, strict := readconcern.Majority(), readconcern.Linearizable()
	if o.Standalone {
		rc, strict = readconcern.Local(), readconcern.Local()
	}
	b.db = o.Client.Database(o.Database, options.Database().SetReadConcern(rc).SetReadPreference(readpref.Primary()).SetWriteConcern(confirmed()))
	b.ring, b.claims, b.numbers = b.db.Collection("ring"), b.db.Collection("claims"), b.db.Collection("numbers")
	b.slots, b.processes, b.tables = b.db.Collection("slots"), b.db.Collection("processes"), b.db.Collection("tables")
	b.strict = b.db.Collection("ring", options.Collection().SetReadConcern(strict))
	if err := b.prepare(ctx); err != nil {
		return nil, fmt.Errorf("prepare the database %s: %w", o.Database, err)
	}
	return b, nil
}

// confirmed is what every write asks for: it has reached the journals of a majority.
func confirmed() *writeconcern.WriteConcern {
	journaled := true
	return &writeconcern.WriteConcern{W: "majority", Journal: &journaled}
}

// prepare makes the indexes of the collections every service has.
func (b *Backend) prepare(ctx context.Context) error {
	index := func(name string, fields ...string) driver.IndexModel {
		return driver.IndexModel{Keys: keys(fields...), Options: options.Index().SetName(name)}
	}
	for _, x := range []struct {
		c       *driver.Collection
		indexes []driver.IndexModel
	}{
		{b.ring, []driver.IndexModel{index("i_modes", "account", "modes", "subject")}},
		{b.claims, []driver.IndexModel{index("i_subject", "account", "subject")}},
		{b.slots, []driver.IndexModel{index("i_state", "account", "state"), index("i_void", "state", "idx"), index("i_batch", "batch")}},
	} {
		if err := ensure(ctx, x.c, x.indexes); err != nil {
			return err
		}
	}
	return b.Beat(ctx)
}

func keys(names ...string) bson.D {
	var d bson.D
	for _, n := range names {
		d = append(d, bson.E{Key: n, Value: 1})
	}
	return d
}

// wait waits on the clock of the system.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// age is a reading of the monotonic clock.
func (b *Backend) age() time.Duration { return time.Since(b.begun) }

// Ready reports whether the primary answers.
func (b *Backend) Ready(ctx context.Context) error {
	ctx, stop := b.reading(ctx)
	defer stop()
	return failure(ctx, b.o.Client.Ping(ctx, readpref.Primary()))
}

// Shared says that other processes may write to the same database.
func (b *Backend) Shared() bool { return true }

// Commits counts the write commands since the start.
func (b *Backend) Commits() int64 { return b.commits.Load() }

// Close lets go of the slots this process holds; the client stays connected.
func (b *Backend) Close() error {
	ctx, stop := context.WithTimeout(context.Background(), b.o.WriteLimit)
	defer stop()
	// best effort: what is not let go of now is an hour later
	_, _ = b.processes.DeleteOne(ctx, bson.D{{Key: "_id", Value: b.process}})
	return nil
}

// reading bounds a read that has no deadline.
func (b *Backend) reading(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, readLimit)
}

// writing bounds a write by the write limit, on the client and, by the driver, on the server.
func (b *Backend) writing(ctx context.Context) (context.Context, context.CancelFunc) {
	b.commits.Add(1)
	return context.WithTimeout(ctx, b.o.WriteLimit)
}
