// Package servicetest is what the tests of every service start from: master
// keys, a clock, identities, and services that run behind the interceptors of
// production, so that a test asks what a client would ask. A service's own kit
// adds its clients and its data, and nothing of this.
//
//	k := servicetest.New(t, servicetest.Options{})
//	people := servicetest.NewCrowd()
//	k.Run(people.Service())
//	k.Run(servicetest.Service{
//		Name: Name, Declared: Services(),
//		Open: func(ctx context.Context) (servicetest.Running, error) {
//			return New(ctx, Config{Store: k.Store(Name), Contacts: k.ConnAs("contacts", Name), Now: k.Clock.Now, Log: k.Log})
//		},
//	})
//	api := ticketsv1.NewTicketsServiceClient(k.Conn(Name))
//	_, err := api.GetTicket(k.Agent(1), …)
package servicetest

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
	"github.com/lethe-desk/lethe/services/internal/platform/storage"
)

// The people every desk of a test has: who asks, by role.
const (
	// FirstAgent and OtherAgent are agents of every account.
	FirstAgent int64 = 9001
	OtherAgent int64 = 9002
	// Admin is the administrator of every account.
	Admin int64 = 9003
)

// Options say what a kit is made of; the zero value is SQLite, real listeners and no log.
type Options struct {
	// Mongo connects to databases of one kit alone, in which its stores lie; nil: SQLite in the kit's folder.
	Mongo func(t *testing.T) *storage.Mongo
	// AtRest searches what lies outside of the kit's folder, such as the files of
	// a database server, and names what holds a text; nil when nothing does.
	AtRest func(text string) ([]string, error)
	// InProcess leaves out the sockets: calls pass the same interceptors in
	// process. For tests that start many services.
	InProcess bool
	// Log gets what services log; nil: nobody.
	Log *slog.Logger
	// Start is what the clock shows first; noon of a day in 2031 when zero.
	Start time.Time
	// Runs makes the clock that of the machine, which Advance puts forward: for
	// services that wait for a time.
	Runs bool
}

// Kit holds what the services of one test share. It is safe for concurrent
// use, and everything it started ends with the test.
type Kit struct {
	// T is the test that all failures go to.
	T *testing.T
	// Dir is a folder of the test alone: the stores' folders lie in it.
	Dir string
	// Clock is the time of all services.
	Clock *Clock
	// Master holds the master keys of all services.
	Master *keyring.Master
	// Signer makes the tokens every service accepts.
	Signer *authn.Signer
	// Log is where services log.
	Log *slog.Logger

	o       Options
	mongo   *storage.Mongo
	mu      sync.Mutex
	running map[string]*host
	order   []string
}

// New returns a kit without services.
func New(t *testing.T, o Options) *Kit {
	t.Helper()
	if o.Start.IsZero() {
		o.Start = time.Date(2031, 6, 1, 12, 0, 0, 0, time.UTC)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	k := &Kit{T: t, Dir: t.TempDir(), Clock: newClock(o), Log: o.Log, o: o, running: map[string]*host{}}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	Must(t, err)
	k.Signer = authn.NewSigner(key, k.Clock.Now)
	k.Master, err = keyring.OpenMaster(filepath.Join(k.Dir, "master.key"))
	Must(t, err)
	if o.Mongo != nil {
		k.mongo = o.Mongo(t)
	}
	t.Cleanup(k.stopAll)
	return k
}

// Store says where the store of a service lies; the same each time it is asked.
func (k *Kit) Store(service string) storage.Config {
	return storage.Config{Dir: filepath.Join(k.Dir, service), Master: k.Master, Mongo: k.mongo, Now: k.Clock.Now}
}

// As returns a context whose calls show a token of this identity. The token
// ends ten minutes of the clock later.
func (k *Kit) As(i authn.Identity) context.Context {
	k.T.Helper()
	token, _, err := k.Signer.Sign(i)
	Must(k.T, err)
	return authn.WithOutgoingToken(k.T.Context(), token)
}

// Agent returns the context of FirstAgent of an account.
func (k *Kit) Agent(account int64) context.Context {
	k.T.Helper()
	return k.As(authn.Identity{Account: account, Actor: FirstAgent, Role: authn.RoleAgent})
}

// Admin returns the context of an account's administrator.
func (k *Kit) Admin(account int64) context.Context {
	k.T.Helper()
	return k.As(authn.Identity{Account: account, Actor: Admin, Role: authn.RoleAdmin})
}

// Service returns the context of a service that acts for an account.
func (k *Kit) Service(account int64, name string) context.Context {
	k.T.Helper()
	return k.As(authn.Identity{Account: account, Role: authn.RoleService, Service: name})
}

// Privacy returns the context of the one service that participants obey.
func (k *Kit) Privacy(account int64) context.Context {
	k.T.Helper()
	return k.Service(account, authn.PrivacyService)
}

// AtRest returns the names of the files of a service that hold a text, blobs
// and keys included. The service should have been stopped.
func (k *Kit) AtRest(service, text string) ([]string, error) {
	found, err := filesWith(k.Store(service).Dir, text)
	if err != nil || k.o.AtRest == nil {
		return found, err
	}
	elsewhere, err := k.o.AtRest(text)
	return append(found, elsewhere...), err
}

func (k *Kit) stopAll() {
	ctx := context.WithoutCancel(k.T.Context())
	k.mu.Lock()
	order := slices.Clone(k.order)
	k.mu.Unlock()
	var errs []error
	for _, name := range slices.Backward(order) {
		errs = append(errs, k.host(name).stop(ctx))
	}
	if err := errors.Join(errs...); err != nil {
		k.T.Error(err)
	}
}

// Clock is a clock that a test moves. It goes on by a millisecond with each
// look, so that what happened later shows a later time. Safe for concurrent use.
type Clock struct {
	ms atomic.Int64
	// runs makes ms the distance to the machine's clock.
	runs bool
}

// NewClock returns a clock that shows start, in whole milliseconds.
func NewClock(start time.Time) *Clock {
	c := &Clock{}
	c.ms.Store(start.UnixMilli())
	return c
}

func newClock(o Options) *Clock {
	if o.Runs {
		return &Clock{runs: true}
	}
	return NewClock(o.Start)
}

// Now returns the time, in UTC, and moves on by a millisecond.
func (c *Clock) Now() time.Time {
	if c.runs {
		return time.Now().Add(time.Duration(c.ms.Load()) * time.Millisecond).UTC()
	}
	return time.UnixMilli(c.ms.Add(1)).UTC()
}

// Advance moves the clock on. Tokens issued before may have ended then.
func (c *Clock) Advance(d time.Duration) { c.ms.Add(d.Milliseconds()) }
