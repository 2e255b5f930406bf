package keyring

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
)

// Geometry of a key file: a header page, then groups of one page. The first
// place of a group is for an account's wrapping key, the others are the slots
// that callers number from 0.
const (
	slotSize   = 128
	groupSlots = 32
	groupSize  = groupSlots * slotSize
	perGroup   = groupSlots - 1
	headerSize = 4096
	// maxIndex bounds slot numbers, so that a wrong one cannot make a file of petabytes.
	maxIndex = 1 << 32
)

// kind says what lies in a slot.
type kind uint8

const (
	kindFree    kind = iota // never used: all zero
	kindPerson              // a key wrapped by its account's key
	kindAccount             // an account's key wrapped by the master key
	kindVoid                // destroyed
)

// Where the parts of a slot lie.
const (
	atKind     = 0
	atEpoch    = 4
	atGen      = 8
	atAccount  = 16
	atID       = 24
	atWrapped  = 40
	wrappedLen = keySize + Overhead
	atSum      = 112
)

// record is the content of a slot.
type record struct {
	kind kind
	// epoch is the master epoch the wrapping belongs to.
	epoch uint32
	// gen rises with each write of the slot; of two readable copies the higher wins.
	gen     uint64
	account int64
	id      KeyID
	wrapped [wrappedLen]byte
}

// position returns where a caller's slot lies, counted in slots behind the header.
func position(index int64) int64 { return index/perGroup*groupSlots + 1 + index%perGroup }

// accountPosition returns where a group's account key lies.
func accountPosition(group int64) int64 { return group * groupSlots }

// offset returns where a position lies in the file.
func offset(pos int64) int64 { return headerSize + pos*slotSize }

// slotSum is the checksum of a slot. The position is in it, so a write that
// landed elsewhere is noticed.
func slotSum(pos int64, b []byte) [sha256.Size]byte {
	var in [atSum + 8]byte
	copy(in[:], b[:atSum])
	binary.BigEndian.PutUint64(in[atSum:], uint64(pos))
	return sha256.Sum256(in[:])
}

// encode returns the slot's bytes.
func (r record) encode(pos int64) []byte {
	b := make([]byte, slotSize)
	b[atKind] = byte(r.kind)
	binary.BigEndian.PutUint32(b[atEpoch:], r.epoch)
	binary.BigEndian.PutUint64(b[atGen:], r.gen)
	binary.BigEndian.PutUint64(b[atAccount:], uint64(r.account))
	copy(b[atID:], r.id[:])
	copy(b[atWrapped:], r.wrapped[:])
	sum := slotSum(pos, b)
	copy(b[atSum:], sum[:slotSize-atSum])
	return b
}

// zeroSlot is a slot that was never written.
var zeroSlot [slotSize]byte

// decode reads a slot; ok is false when it is torn or damaged.
func decode(pos int64, b []byte) (r record, ok bool) {
	if bytes.Equal(b, zeroSlot[:]) {
		return record{}, true
	}
	sum := slotSum(pos, b)
	if !bytes.Equal(b[atSum:slotSize], sum[:slotSize-atSum]) {
		return record{}, false
	}
	r.kind = kind(b[atKind])
	r.epoch = binary.BigEndian.Uint32(b[atEpoch:])
	r.gen = binary.BigEndian.Uint64(b[atGen:])
	r.account = int64(binary.BigEndian.Uint64(b[atAccount:]))
	copy(r.id[:], b[atID:])
	copy(r.wrapped[:], b[atWrapped:])
	return r, r.kind <= kindVoid
}

// newest returns the better one of the two copies of a slot: 0 or 1, or -1
// when neither can be read.
func newest(pos int64, a, b []byte) (record, int) {
	ra, oka := decode(pos, a)
	rb, okb := decode(pos, b)
	switch {
	case oka && (!okb || ra.gen >= rb.gen):
		return ra, 0
	case okb:
		return rb, 1
	}
	return record{}, -1
}

// binding is the additional data of a wrapping: a wrapped key opens only as
// what it is, in its slot, file, account and epoch.
func (r record) binding(service string, pos int64) []byte {
	b := make([]byte, 0, 64+len(service))
	b = append(b, "lethe/keyring/slot/v1"...)
	b = append(b, byte(r.kind), byte(len(service)))
	b = append(b, service...)
	b = binary.BigEndian.AppendUint64(b, uint64(pos))
	b = append(b, r.id[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(r.account))
	return binary.BigEndian.AppendUint32(b, r.epoch)
}
