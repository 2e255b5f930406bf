package authn

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base32"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	privateBlock = "PRIVATE KEY"
	publicBlock  = "PUBLIC KEY"
)

// LoadOrCreateKey reads an Ed25519 private key (PKCS #8, PEM) or makes one,
// mode 0600, that is on the disk when the call returns. Two processes that
// start at once get the same key. A file others may read is refused.
func LoadOrCreateKey(path string) (ed25519.PrivateKey, error) {
	key, err := loadKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	_, key, err = ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make signing key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode signing key: %w", err)
	}
	err = createFile(path, pem.EncodeToMemory(&pem.Block{Type: privateBlock, Bytes: der}), 0o600)
	if errors.Is(err, fs.ErrExist) { // another process was faster, and its key counts
		return loadKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("write signing key: %w", err)
	}
	return key, nil
}

func loadKey(path string) (ed25519.PrivateKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read signing key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("signing key %s may be read by others; set its mode to 0600", path)
	}
	der, err := readBlock(path, privateBlock)
	if err != nil {
		return nil, err
	}
	any, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("parse signing key %s: %w", path, err)
	}
	key, ok := any.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("signing key %s is not Ed25519", path)
	}
	return key, nil
}

// WritePublic writes a public key (PKIX, PEM), mode 0644, replacing an older file in one step.
func WritePublic(path string, key ed25519.PublicKey) error {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return fmt.Errorf("encode public key: %w", err)
	}
	next := path + ".new"
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write public key: %w", err)
	}
	if err := createFile(next, pem.EncodeToMemory(&pem.Block{Type: publicBlock, Bytes: der}), 0o644); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("write public key: %w", err)
	}
	if err := os.Rename(next, path); err != nil {
		return fmt.Errorf("write public key: %w", err)
	}
	return nil
}

// LoadPublic reads a public key that WritePublic wrote.
func LoadPublic(path string) (ed25519.PublicKey, error) {
	der, err := readBlock(path, publicBlock)
	if err != nil {
		return nil, err
	}
	any, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("parse public key %s: %w", path, err)
	}
	key, ok := any.(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("public key %s is not Ed25519", path)
	}
	return key, nil
}

func readBlock(path, kind string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("%s holds no %s", path, strings.ToLower(kind))
	}
	return block.Bytes, nil
}

// createFile writes a whole new file under another name, flushes it and links
// it into place, so nobody ever reads half of it; fs.ErrExist when the name is taken.
func createFile(path string, content []byte, mode fs.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".tmp-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, werr := f.Write(content)
	if err := errors.Join(werr, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// MinAPIKey is the shortest API key an operator may choose, in characters.
const MinAPIKey = 20

// NewAPIKey returns a random API key: 160 bits in 32 lower-case letters and digits.
func NewAPIKey() string {
	var b [20]byte
	_, _ = rand.Read(b[:]) // the runtime ends the program when there is no randomness
	return strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
}

// HashAPIKey returns what is stored of an API key: HMAC-SHA-256 under the
// installation's secret, in hex. Without the secret nobody can try keys against a stolen store.
func HashAPIKey(secret []byte, key string) string {
	m := hmac.New(sha256.New, secret)
	_, _ = m.Write([]byte(key)) // a hash takes everything
	return hex.EncodeToString(m.Sum(nil))
}
