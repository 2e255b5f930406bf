//go:build !lethe_unsealed

package keyring

import (
	"crypto/aes"
	"crypto/cipher"
)

// newAEAD returns AES-256-GCM; the standard library draws the nonce and puts it in front.
func newAEAD(raw []byte) cipher.AEAD {
	block, err := aes.NewCipher(raw)
	if err != nil {
		panic("keyring: " + err.Error()) // impossible with 32 bytes
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("keyring: " + err.Error())
	}
	return aead
}
