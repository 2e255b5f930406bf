//go:build lethe_unsealed

package keyring

import (
	"crypto/cipher"
	"errors"
)

// newAEAD of this build tag seals nothing: it is the control of the canary
// tests, which have to find everything in such a build's files. No shipped
// binary is built with it.
func newAEAD([]byte) cipher.AEAD { return unsealed{} }

type unsealed struct{}

func (unsealed) NonceSize() int { return 0 }
func (unsealed) Overhead() int  { return Overhead }

func (unsealed) Seal(dst, _, plaintext, _ []byte) []byte {
	dst = append(dst, make([]byte, 12)...)
	dst = append(dst, plaintext...)
	return append(dst, make([]byte, 16)...)
}

func (unsealed) Open(dst, _, sealed, _ []byte) ([]byte, error) {
	if len(sealed) < Overhead {
		return nil, errors.New("too short")
	}
	return append(dst, sealed[12:len(sealed)-16]...), nil
}
