package docstore

import (
	"context"
	"sync"

	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
)

// The sizes of refills: small for an account nobody uses, large for one that grows.
const (
	firstFill = 64
	mostFill  = 1024
)

// pool holds an account's filled slots that nobody has, so that giving a key to
// a person costs no write to the key file.
type pool struct {
	mu      sync.Mutex
	free    []keyring.Slot
	size    int
	loaded  bool
	filling bool
}

func (db *DB) pool(account int64) *pool {
	db.mu.Lock()
	defer db.mu.Unlock()
	p := db.pools[account]
	if p == nil {
		p = &pool{size: db.first}
		db.pools[account] = p
	}
	return p
}

// takeSlot returns a filled slot for a new owner; the caller gives it back
// unless it was assigned. It waits for the key file only when the pool is empty.
func (db *DB) takeSlot(ctx context.Context, account int64) (keyring.Slot, error) {
	p := db.pool(account)
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.loaded {
		free, err := db.b.FreeSlots(ctx, account)
		if err != nil {
			return keyring.Slot{}, err
		}
		p.free, p.loaded = append(p.free, free...), true
	}
	if len(p.free) == 0 {
		slots, err := db.fill(ctx, account, p.size)
		if err != nil {
			return keyring.Slot{}, err
		}
		p.free = append(p.free, slots...)
	}
	s := p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	if len(p.free) < p.size/4 && !p.filling && db.stop.Err() == nil {
		p.filling = true
		p.size = min(2*p.size, mostFill)
		db.wg.Add(1)
		go db.refill(account, p, p.size)
	}
	return s, nil
}

// giveBack returns a slot that was not assigned.
func (db *DB) giveBack(account int64, s keyring.Slot) {
	p := db.pool(account)
	p.mu.Lock()
	p.free = append(p.free, s)
	p.mu.Unlock()
}

// refill runs ahead of need. Its failure is not reported: whoever finds the pool
// empty fills it himself and gets the error.
func (db *DB) refill(account int64, p *pool, n int) {
	defer db.wg.Done()
	slots, err := db.fill(db.stop, account, n)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.filling = false
	if err == nil {
		p.free = append(p.free, slots...)
	}
}

// fill makes n new keys. A crash between its steps leaves slot numbers set
// aside, which the backend takes back at its next start; no key is lost, for nobody has it.
func (db *DB) fill(ctx context.Context, account int64, n int) ([]keyring.Slot, error) {
	indexes, err := db.b.ReserveSlots(ctx, account, n)
	if err != nil {
		return nil, err
	}
	slots, err := db.keys.Fill(ctx, account, indexes)
	if err != nil {
		return nil, unavailable(err)
	}
	if err := db.b.OfferSlots(ctx, slots); err != nil {
		return nil, err
	}
	return slots, nil
}
