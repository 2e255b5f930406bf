// Package app holds the use cases of the contacts service. They check, ask the
// store for a person with a purpose, and answer with faults of the contract.
package app

import (
	"context"
	"hash/maphash"
	"log/slog"
	"sync"
	"time"

	"github.com/lethe-desk/lethe/services/contacts/internal/person"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/idem"
	"github.com/lethe-desk/lethe/services/internal/platform/ids"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"golang.org/x/text/unicode/norm"
)

// People is what the use cases need of the store for people. Errors are those of docstore.
type People interface {
	Person(ctx context.Context, p ring.Purpose, account, id int64) (*person.Person, error)
	People(ctx context.Context, p ring.Purpose, account int64, ids []int64) ([]*person.Person, error)
	Find(ctx context.Context, f person.Filter) (people []*person.Person, more bool, err error)
	Who(ctx context.Context, account int64, r person.Ref) (*person.Person, error)
	Locked(ctx context.Context, account int64, r person.Ref) (bool, error)
	Insert(ctx context.Context, p *person.Person) error
	Update(ctx context.Context, p *person.Person) error
	Modes(ctx context.Context, account, id int64) (ring.Mode, error)
}

// Claims is what they need of it for unique values.
type Claims interface {
	Claim(ctx context.Context, account int64, v person.Value, id int64) error
	Steal(ctx context.Context, account int64, v person.Value, from, to int64) error
	Unclaim(ctx context.Context, account int64, v person.Value, id int64) error
	Claimed(ctx context.Context, account int64, v person.Value) (id int64, at time.Time, err error)
	Uses(ctx context.Context, account, id int64, v person.Value) (bool, error)
}

// Identities is what they need of it for accounts and keys.
type Identities interface {
	Installation(ctx context.Context) (*person.Installation, error)
	PutInstallation(ctx context.Context, i *person.Installation) error
	InsertAccount(ctx context.Context, a person.Account) error
	Account(ctx context.Context, id int64) (person.Account, error)
	NextAccount(ctx context.Context) (int64, error)
	InsertKey(ctx context.Context, k person.Key) error
	Key(ctx context.Context, p ring.Purpose, account, id int64) (person.Key, error)
	DeleteKey(ctx context.Context, account, id int64) error
	InsertLookup(ctx context.Context, l person.Lookup) error
	Lookup(ctx context.Context, hash string) (person.Lookup, error)
	DeleteLookups(ctx context.Context, account, agent, key int64) error
}

// Store is all of it.
type Store interface {
	People
	Claims
	Identities
}

// Options are what the use cases work with. All are mandatory.
type Options struct {
	Store  Store
	Idem   *idem.Keys
	Signer *authn.Signer
	Now    func() time.Time
	Log    *slog.Logger
}

// App runs the use cases. It is safe for concurrent use.
type App struct {
	store  Store
	idem   *idem.Keys
	signer *authn.Signer
	clock  func() time.Time
	log    *slog.Logger

	// pepper is the secret under which API keys are hashed; Start sets it.
	pepper []byte

	// stripes serialise, in this process, what one person or one unique value is about.
	stripes [256]sync.Mutex
	seed    maphash.Seed
}

// New returns the use cases; Start must be called before any other.
func New(o Options) *App {
	return &App{store: o.Store, idem: o.Idem, signer: o.Signer, clock: o.Now, log: o.Log, seed: maphash.MakeSeed()}
}

// now is the present in the form in which times are stored.
func (a *App) now() time.Time { return a.clock().UTC().Truncate(time.Millisecond) }

// newID draws an id; the store says when it is taken.
func (a *App) newID() int64 { return ids.New(a.clock) }

// subject names what lock serialises for one person.
type subject struct{ account, id int64 }

// lock serialises callers with equal names within this process and returns the
// unlocking. It spares conflicts; nothing that must hold rests on it alone, for
// other processes do not see it.
func (a *App) lock(name any) (unlock func()) {
	m := &a.stripes[maphash.Comparable(a.seed, name)%uint64(len(a.stripes))]
	m.Lock()
	return m.Unlock
}

// nfc composes characters, so that what looks equal is equal.
func nfc(s string) string { return norm.NFC.String(s) }
