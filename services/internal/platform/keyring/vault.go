package keyring

import (
	"bytes"
	"crypto/subtle"
	"errors"
	"fmt"
)

// Vault makes and opens the records of one service's keys for a store that is
// not a key file. A record is what a slot of a key file is: a fixed number of
// bytes with a checksum, a key wrapped by its account's, or an account's
// wrapped by the master key, bound to its service, place, account and epoch. It
// is safe for concurrent use.
type Vault struct {
	o Options
}

// Record says what stands in a record besides its key.
type Record struct {
	// Living is false for what Void made.
	Living bool
	// ID is the key's id, Account whose it is, Epoch the master epoch it is wrapped for.
	ID      KeyID
	Account int64
	Epoch   uint32
}

// NewVault returns a vault of a service. The name is bound as in Options.
func NewVault(service string, m *Master) (*Vault, error) {
	v := &Vault{o: Options{Service: service, Master: m}}
	return v, checkOptions(&v.o)
}

// NewAccount draws an account's wrapping key under a master epoch and returns it with its record.
func (v *Vault) NewAccount(account int64, epoch uint32) (*Key, []byte, error) {
	k := randomKey()
	r, err := wrapAccount(v.o, account, record{epoch: epoch, gen: 1, account: account}, k)
	return k, r.encode(account), err
}

// Account opens an account's record. ErrCorrupt when it is damaged or not that account's.
func (v *Vault) Account(account int64, stored []byte) (*Key, error) {
	r, ok := decode(account, padded(stored))
	if !ok || r.account != account {
		return nil, ErrCorrupt
	}
	return openAccount(v.o, account, r)
}

// NewKey draws a key for a slot and returns its id and its record, wrapped by the account's key.
func (v *Vault) NewKey(w *Key, account, slot int64, epoch uint32) (KeyID, []byte) {
	k := randomKey()
	return k.id, wrapPerson(w, v.o.Service, slot, record{epoch: epoch, gen: 1, account: account}, k).encode(slot)
}

// Key opens a slot's record with the account's key. ErrCorrupt when it is damaged.
func (v *Vault) Key(w *Key, slot int64, stored []byte) (*Key, error) {
	r, ok := decode(slot, padded(stored))
	if !ok || r.kind != kindPerson {
		return nil, ErrCorrupt
	}
	return openRecord(w, v.o.Service, slot, r)
}

// Rewrap moves a slot's record from one wrapping of its account to another.
func (v *Vault) Rewrap(from, to *Key, slot int64, stored []byte, epoch uint32) ([]byte, error) {
	k, err := v.Key(from, slot, stored)
	if err != nil {
		return nil, err
	}
	r, _ := decode(slot, padded(stored))
	r.epoch = epoch
	return wrapPerson(to, v.o.Service, slot, r, k).encode(slot), nil
}

// Void is the record of a destroyed key.
func (v *Vault) Void(slot int64) []byte { return record{kind: kindVoid, gen: 1}.encode(slot) }

// Read tells what a slot's record says. ErrCorrupt when it is damaged.
func (v *Vault) Read(slot int64, stored []byte) (Record, error) {
	r, ok := decode(slot, padded(stored))
	if !ok {
		return Record{}, ErrCorrupt
	}
	return Record{Living: r.kind == kindPerson, ID: r.id, Account: r.account, Epoch: r.epoch}, nil
}

// padded makes a slot's length of what was stored, so that nothing shorter is read beyond its end.
func padded(stored []byte) []byte {
	if len(stored) == slotSize && !bytes.Equal(stored, zeroSlot[:]) {
		return stored
	}
	return bytes.Repeat([]byte{0xff}, slotSize)
}

// Stamp seals an installation's id with the master key of an epoch, so that Fits
// can tell whose keys these are.
func (v *Vault) Stamp(installation [16]byte, epoch uint32) ([]byte, error) {
	h := header{epoch: epoch, service: v.o.Service, file: installation}
	err := h.seal(v.o.Master)
	return h.check[:], err
}

// Fits returns a sentence when a stamp was not made for this service, by this master key.
func (v *Vault) Fits(installation [16]byte, epoch uint32, stamp []byte) error {
	h := header{epoch: epoch, service: v.o.Service, file: installation}
	m := v.o.Master
	a, ok := m.aead(epoch)
	switch {
	case !ok && epoch > m.Epoch():
		return fmt.Errorf("the keys of %s need the master key of epoch %d, and the master key file ends at %d: give the newest master key file with --master-key", v.o.Service, epoch, m.Epoch())
	case !ok:
		return fmt.Errorf("the keys of %s were left behind by a rotation: they need the master key of epoch %d, which is forgotten: restore the newest keys", v.o.Service, epoch)
	case copy(h.check[:], stamp) != len(stamp) || len(stamp) != checkLen:
		return errors.New("the stamp of the keys has an unknown length")
	}
	file, err := a.Decrypt(h.check[:], h.binding())
	if err != nil || subtle.ConstantTimeCompare(file, h.file[:]) != 1 {
		return fmt.Errorf("the keys of %s were sealed with another master key: give the one that belongs to this store with --master-key, or name a database of their own for this desk", v.o.Service)
	}
	return nil
}
