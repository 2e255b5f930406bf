package docstore

import (
	"context"
	"log/slog"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// Keys is where the keys lie; *keyring.File is one.
type Keys interface {
	// Fill writes fresh random keys into free or void slots; they are durable on return.
	Fill(ctx context.Context, account int64, indexes []int64) ([]keyring.Slot, error)
	// Key returns a slot's key, keyring.ErrGone when it holds another id or none.
	Key(account, slot int64, id keyring.KeyID) (*keyring.Key, error)
	// Destroy overwrites the slot for good if it holds this key, and does nothing otherwise.
	Destroy(ctx context.Context, slot int64, id keyring.KeyID) error
}

// Options are what a DB needs besides its backend.
type Options struct {
	// Service is the service's name, for messages.
	Service string
	// Keys is the service's key file. The DB does not close it.
	Keys Keys
	// Now is the clock; time.Now when nil.
	Now func() time.Time
	// Check is asked at Bind for every document type and collection name, and
	// may refuse it: the contract's completeness check. May be nil.
	Check func(doc reflect.Type, collection string) error
	// Log gets what background work did; slog.Default() when nil.
	Log *slog.Logger
	// Tracer makes a span of every call of the backend, without values, below spans
	// that are recorded. No spans when nil.
	Tracer trace.Tracer
	// Fill is how many keys are made at once for an account that is new, 64 if 0; it
	// grows with the account.
	Fill int
}

// Stats are counts since the start.
type Stats struct {
	// Reads and Writes are calls of the backend, Commits its durable commits.
	Reads, Writes, Commits int64
	// Opened and Sealed are parts decrypted and encrypted.
	Opened, Sealed int64
	// Scrubs are those that ran to their end.
	Scrubs int64
}

// DB is a service's store: its documents, the ring of their owners, its claims and numbers.
// It is safe for concurrent use.
type DB struct {
	b     Backend
	keys  Keys
	now   func() time.Time
	check func(reflect.Type, string) error
	log   *slog.Logger
	first int

	reads, writes, opened, sealed, scrubs atomic.Int64

	// scrubber is the backend if it can scrub, else nil.
	scrubber Scrubber
	// settler is the backend if fences need time to settle, else nil.
	settler Settler
	// scrub holds a place while a scrub runs; scrubbing says that they are scheduled.
	scrub     chan struct{}
	scrubbing atomic.Bool

	// stop ends background work, which wg counts.
	stop   context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	pools  map[int64]*pool
	ranges map[sequence]*leased
	bound  map[string]bool
	// checks look through the bound collections, in the order of their binding.
	checks []func(context.Context, *checker) error

	// hashers hold what is derived from the account's own key, dropped with it.
	hashers sync.Map // hasherKey to *keyring.Key
	// subjects serialise fence, unfence and destroy of one subject in this process.
	subjects [64]sync.Mutex
}

// New makes a store of a backend and takes the backend over: Close closes it.
func New(ctx context.Context, b Backend, o Options) (*DB, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Fill == 0 {
		o.Fill = firstFill
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if err := b.Ready(ctx); err != nil {
		return nil, err
	}
	scrubber, _ := b.(Scrubber)
	settler, _ := b.(Settler)
	if o.Tracer != nil {
		b = &traced{Backend: b, tracer: o.Tracer}
	}
	db := &DB{b: b, scrubber: scrubber, settler: settler, keys: o.Keys, now: o.Now, check: o.Check, log: o.Log.With("service", o.Service), first: o.Fill, pools: map[int64]*pool{},
		ranges: map[sequence]*leased{}, bound: map[string]bool{}, scrub: make(chan struct{}, 1)}
	db.stop, db.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return db, nil
}

// Close waits for background work and closes the backend.
func (db *DB) Close() error {
	db.cancel()
	db.wg.Wait()
	return db.b.Close()
}

// Ready returns nil when the store answers, ErrUnavailable otherwise.
func (db *DB) Ready(ctx context.Context) error { return db.b.Ready(ctx) }

// Stats returns the counts since the start.
func (db *DB) Stats() Stats {
	return Stats{Reads: db.reads.Load(), Writes: db.writes.Load(), Commits: db.b.Commits(),
		Opened: db.opened.Load(), Sealed: db.sealed.Load(), Scrubs: db.scrubs.Load()}
}

// Scrubber is a backend that can clear the bytes deletion leaves behind.
type Scrubber interface {
	// Scrub zeroes freed bytes in the store's files and empties its journal. It
	// returns how many pages it looked at and how many it rewrote.
	Scrub(ctx context.Context) (looked, rewritten int64, err error)
}

func (db *DB) stripe(s ring.Subject) *sync.Mutex {
	return &db.subjects[(uint64(s.ID)*0x9e3779b97f4a7c15^uint64(s.Account))>>58]
}

// leaseSize is how many numbers a process sets aside at once; what it does not
// use before it ends is a gap.
const leaseSize = 64

type sequence struct {
	account int64
	name    string
}

type leased struct {
	mu        sync.Mutex
	next, end int64
}

// Next returns the next number of an account's sequence: 1, 2, 3 and so on. It
// is never given twice; a restart leaves a gap.
func (db *DB) Next(ctx context.Context, account int64, name string) (int64, error) {
	db.mu.Lock()
	r := db.ranges[sequence{account, name}]
	if r == nil {
		r = &leased{}
		db.ranges[sequence{account, name}] = r
	}
	db.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next == r.end {
		db.writes.Add(1)
		first, err := db.b.Lease(ctx, account, name, leaseSize)
		if err != nil {
			return 0, err
		}
		r.next, r.end = first, first+leaseSize
	}
	r.next++
	return r.next - 1, nil
}
