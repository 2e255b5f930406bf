package keyring

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"log/slog"
)

// The errors a caller can tell apart.
var (
	// ErrGone means that the slot holds another key or none: the key was destroyed.
	ErrGone = errors.New("key is gone")
	// ErrOpen means that sealed bytes do not belong to this key and additional data.
	ErrOpen = errors.New("sealed bytes do not open")
	// ErrCorrupt means that a slot is unreadable in the key file and in its mirror.
	ErrCorrupt = errors.New("key slot is unreadable in both files")
	// ErrOccupied means that a slot to be filled holds a key of another account.
	ErrOccupied = errors.New("key slot belongs to another account")
	// ErrFailed means that a write to a key file failed, so what is on the disk is
	// unknown; the file must be opened anew before it takes another change.
	ErrFailed = errors.New("a write to the key file failed: see to the disk and start the service again")
)

// placeholder is all that is ever printed of a key.
const placeholder = "[key]"

// keySize is the length of every key, in bytes.
const keySize = 32

// KeyID names a key. It is random and says nothing about whose key it is.
type KeyID [16]byte

// String returns the id in hexadecimal.
func (id KeyID) String() string { return hex.EncodeToString(id[:]) }

// Key is a 256-bit key. It never prints its bytes. It is safe for concurrent use.
type Key struct {
	id   KeyID
	raw  [keySize]byte
	aead cipher.AEAD
}

// newKey makes a key of these bytes.
func newKey(id KeyID, raw []byte) *Key {
	k := &Key{id: id}
	if copy(k.raw[:], raw) != keySize || len(raw) != keySize {
		panic("keyring: a key has 32 bytes")
	}
	k.aead = newAEAD(k.raw[:])
	return k
}

// randomKey draws a key and an id.
func randomKey() *Key {
	var id KeyID
	var raw [keySize]byte
	_, _ = rand.Read(id[:]) // crypto/rand.Read never fails
	_, _ = rand.Read(raw[:])
	return newKey(id, raw[:])
}

// ID returns the key's id; a derived key has the id of the key it came from.
func (k *Key) ID() KeyID { return k.id }

// Overhead is how many bytes Seal adds.
const Overhead = 12 + 16

// Seal encrypts plaintext with AES-256-GCM and a random nonce, binds the
// additional data to it, appends nonce, ciphertext and tag to dst and returns
// that. dst and plaintext must not overlap.
func (k *Key) Seal(dst, plaintext, additional []byte) []byte {
	return k.aead.Seal(dst, nil, plaintext, additional)
}

// Open is the reverse of Seal: it appends the plaintext to dst. It returns
// ErrOpen when key, additional data or sealed bytes are not those of Seal.
func (k *Key) Open(dst, sealed, additional []byte) ([]byte, error) {
	out, err := k.aead.Open(dst, nil, sealed, additional)
	if err != nil {
		return nil, ErrOpen
	}
	return out, nil
}

// Derive returns the key's child for one use, by HKDF-SHA-256. The same label
// always gives the same child; children of different labels have nothing in
// common that can be computed.
func (k *Key) Derive(label string) *Key {
	raw, err := hkdf.Key(sha256.New, k.raw[:], nil, "lethe/keyring/derive/v1/"+label, keySize)
	if err != nil {
		panic("keyring: " + err.Error()) // impossible with this length
	}
	return newKey(k.id, raw)
}

// MAC returns the HMAC-SHA-256 of the parts, each preceded by its length, so
// that no two lists of parts have the same input. Use it on a derived key.
func (k *Key) MAC(parts ...[]byte) [32]byte {
	h := hmac.New(sha256.New, k.raw[:])
	var length [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(length[:], uint64(len(p)))
		h.Write(length[:])
		h.Write(p)
	}
	var sum [32]byte
	h.Sum(sum[:0])
	return sum
}

// String returns a placeholder.
func (k *Key) String() string { return placeholder }

// GoString returns a placeholder.
func (k *Key) GoString() string { return placeholder }

// LogValue returns a placeholder.
func (k *Key) LogValue() slog.Value { return slog.StringValue(placeholder) }

// MarshalText returns a placeholder, which also covers JSON.
func (k *Key) MarshalText() ([]byte, error) { return []byte(placeholder), nil }
