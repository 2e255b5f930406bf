package keyring

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// Key returns the key with this id from a slot. It returns ErrGone when the
// slot holds another key or none, or the key is another account's, and
// ErrCorrupt when it or its account's wrapping key is unreadable in both files.
func (f *File) Key(account, slot int64, id KeyID) (*Key, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.closed {
		return nil, os.ErrClosed
	}
	if slot < 0 || slot >= f.groups*perGroup {
		return nil, ErrGone
	}
	place := keyPlace{account: account, slot: slot}
	if k, ok := f.cache.get(id, place); ok {
		return k, nil
	}
	pos := position(slot)
	r, err := f.readSlot(pos)
	if err != nil {
		return nil, err
	}
	if r.kind != kindPerson || r.id != id || r.account != account {
		return nil, ErrGone
	}
	k, err := f.unwrap(pos, r)
	if err != nil {
		return nil, err
	}
	f.cache.put(k, place)
	return k, nil
}

// readSlot reads a slot, from the mirror when the key file's copy is torn. The
// caller holds mu.
func (f *File) readSlot(pos int64) (record, error) {
	var b [2][slotSize]byte
	for i, c := range f.copies {
		if _, err := c.ReadAt(b[i][:], offset(pos)); err != nil && !errors.Is(err, io.EOF) {
			return record{}, fmt.Errorf("key file cannot be read: %w", err)
		}
		if i == 0 {
			if r, ok := decode(pos, b[0][:]); ok {
				return r, nil
			}
		}
	}
	r, ok := decode(pos, b[1][:])
	if !ok {
		return record{}, ErrCorrupt
	}
	return r, nil
}

// unwrap opens a person's key with its account's. The caller holds mu.
func (f *File) unwrap(pos int64, r record) (*Key, error) {
	w, err := f.wrapping(r.account)
	if err != nil {
		return nil, err
	}
	return openRecord(w, f.o.Service, pos, r)
}

// openRecord opens a person's slot with an account's key.
func openRecord(w *Key, service string, pos int64, r record) (*Key, error) {
	raw, err := w.Open(nil, r.wrapped[:], r.binding(service, pos))
	if err != nil {
		return nil, ErrCorrupt
	}
	defer clear(raw)
	return newKey(r.id, raw), nil
}

// wrapping returns an account's wrapping key. The caller holds mu.
func (f *File) wrapping(account int64) (*Key, error) {
	if k, ok := f.wraps.get(account); ok {
		return k, nil
	}
	group, ok := f.accounts[account]
	if !ok {
		return nil, ErrCorrupt
	}
	pos := accountPosition(group)
	r, err := f.readSlot(pos)
	if err != nil {
		return nil, err
	}
	k, err := openAccount(f.o, pos, r)
	if err != nil {
		return nil, err
	}
	f.wraps.put(account, k)
	return k, nil
}

// openAccount opens an account's slot with the master key of its epoch.
func openAccount(o Options, pos int64, r record) (*Key, error) {
	a, ok := o.Master.aead(r.epoch)
	if !ok || r.kind != kindAccount {
		return nil, ErrCorrupt
	}
	raw, err := a.Decrypt(r.wrapped[:], r.binding(o.Service, pos))
	if err != nil || len(raw) != keySize {
		return nil, ErrCorrupt
	}
	defer clear(raw)
	return newKey(r.id, raw), nil
}

// wrapPerson makes the slot of a person's key.
func wrapPerson(w *Key, service string, pos int64, r record, k *Key) record {
	r.kind, r.id = kindPerson, k.id
	sealed := w.Seal(nil, k.raw[:], r.binding(service, pos))
	copy(r.wrapped[:], sealed)
	return r
}

// wrapAccount makes the slot of an account's key.
func wrapAccount(o Options, pos int64, r record, k *Key) (record, error) {
	r.kind, r.id = kindAccount, k.id
	a, ok := o.Master.aead(r.epoch)
	if !ok {
		return record{}, fmt.Errorf("master key of epoch %d is not held", r.epoch)
	}
	sealed, err := a.Encrypt(k.raw[:], r.binding(o.Service, pos))
	if err != nil {
		return record{}, err
	}
	if len(sealed) != wrappedLen {
		return record{}, errors.New("master wrapping has an unknown length")
	}
	copy(r.wrapped[:], sealed)
	return r, nil
}

// wrapCache holds the unwrapped account keys.
type wrapCache struct {
	mu   sync.Mutex
	keys map[int64]*Key
}

func (c *wrapCache) get(account int64) (*Key, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.keys[account]
	return k, ok
}

func (c *wrapCache) put(account int64, k *Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys[account] = k
}

func (c *wrapCache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.keys)
}

// keyPlace is where a cached key came from; a key asked for elsewhere is not
// answered from the cache.
type keyPlace struct{ account, slot int64 }

// keyCache holds unwrapped keys by id, never whether they may be used.
type keyCache struct {
	mu    sync.Mutex
	limit int
	keys  map[KeyID]cachedKey
}

type cachedKey struct {
	key   *Key
	place keyPlace
}

func newKeyCache(limit int) *keyCache {
	return &keyCache{limit: limit, keys: map[KeyID]cachedKey{}}
}

func (c *keyCache) get(id KeyID, p keyPlace) (*Key, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.keys[id]
	if !ok || k.place != p {
		return nil, false
	}
	return k.key, true
}

// put adds a key; when the cache is full, whichever key the map yields goes.
func (c *keyCache) put(k *Key, p keyPlace) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.keys) >= c.limit {
		for id := range c.keys {
			delete(c.keys, id)
			break
		}
	}
	c.keys[k.id] = cachedKey{key: k, place: p}
}

func (c *keyCache) drop(id KeyID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.keys, id)
}

func (c *keyCache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.keys)
}
