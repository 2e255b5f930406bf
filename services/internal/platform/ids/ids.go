// Package ids makes the ids of the suite: numbers for REST resources, sortable
// strings for sagas, and the opaque numbers under which logs speak of a call
// or an incident. Uniqueness of numbers is the store's job: a caller draws
// again when the store says that one is taken.
package ids

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// Epoch is the moment from which New counts milliseconds.
var Epoch = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

const (
	millisecondBits = 40
	randomBits      = 13
)

// Max is the largest id New can return; it is below 2^53, so a JSON number holds it exactly.
const Max = 1<<(millisecondBits+randomBits) - 1

// FormerAgent is the id under which every account keeps the contributions of
// agents it has erased: one for all, so that two of them cannot be linked.
const FormerAgent int64 = 1

// New returns an id above FormerAgent: 40 bits of milliseconds since Epoch and 13 random
// bits. Two calls in one millisecond may return the same number; the caller
// draws again when the store refuses it. A clock before Epoch counts as Epoch.
func New(clock func() time.Time) int64 {
	ms := max(clock().Sub(Epoch).Milliseconds(), 0) & (1<<millisecondBits - 1)
	var b [2]byte
	fill(b[:])
	id := ms<<randomBits | int64(binary.BigEndian.Uint16(b[:])&(1<<randomBits-1))
	return max(id, FormerAgent+1)
}

// Time returns the moment an id of New was made, exact to the millisecond.
func Time(id int64) time.Time {
	return Epoch.Add(time.Duration(id>>randomBits) * time.Millisecond)
}

// crockford leaves out letters that are easily misread; its order is the order of bytes.
var crockford = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// Saga returns a new saga id: 26 characters, of which later ones sort behind
// earlier ones to the millisecond, and 80 bits are random.
func Saga() string { return SagaAt(time.Now()) }

// SagaAt is Saga with the caller's clock.
func SagaAt(t time.Time) string {
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[:8], uint64(max(t.UnixMilli(), 0))<<16)
	fill(raw[6:])
	return crockford.EncodeToString(raw[:])
}

// Request returns a new request id: 32 characters of lower-case hex.
func Request() string {
	var b [16]byte
	fill(b[:])
	return hex.EncodeToString(b[:])
}

// IsRequest reports whether s has the form of a request id. Anything else that
// a caller sends as one is dropped, for it could be a person's address.
func IsRequest(s string) bool {
	if len(s) != 32 {
		return false
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// Incident returns the number a caller is told in place of an internal error;
// the log has the cause under the same number. 16 characters, easily read out.
func Incident() string {
	var b [10]byte
	fill(b[:])
	return crockford.EncodeToString(b[:])
}

// fill reads random bytes; the runtime ends the program when there are none.
func fill(b []byte) { _, _ = rand.Read(b) }
