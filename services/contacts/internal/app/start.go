package app

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/lethe-desk/lethe/services/contacts/internal/person"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
)

// The first administrator of the first account, until somebody changes it.
const (
	firstAdminEmail = "admin@lethe.invalid"
	firstAdminName  = "Administrator"
	firstAccount    = "Lethe"
)

// pepperSize is the size of the secret under which API keys are hashed, in bytes.
const pepperSize = 32

// The sentences an operator reads when the settings and the store disagree.
var (
	errShortKey = fmt.Errorf("LETHE_ADMIN_KEY is too short: choose at least %d characters, or leave it out and one will be made", authn.MinAPIKey)
	errOtherKey = errors.New("LETHE_ADMIN_KEY is not the key this installation was first started with: " +
		"start with that key or without the setting, and make further keys with it")
	errNoKeyFile = errors.New("this is the first start and there is neither LETHE_ADMIN_KEY nor a file to write a new key to: set one of them")
)

// Start makes the first account, its administrator and their key if they are
// not there, continuing where an earlier start broke off, and reads what API
// keys are hashed with. key is the operator's choice, "" for none: then one is
// made and written to keyFile, mode 0600. A key other than the first one is
// refused with a sentence.
func (a *App) Start(ctx context.Context, key, keyFile string) error {
	if key != "" && len(key) < authn.MinAPIKey {
		return errShortKey
	}
	inst, err := a.installation(ctx)
	if err != nil {
		return err
	}
	a.pepper = inst.Pepper
	if inst.AdminKeyHash != "" {
		if key != "" && subtle.ConstantTimeCompare([]byte(authn.HashAPIKey(a.pepper, key)), []byte(inst.AdminKeyHash)) != 1 {
			return errOtherKey
		}
		return nil
	}
	if key == "" {
		if key, err = keyFromFile(keyFile); err != nil {
			return err
		}
	}
	return a.firstStart(ctx, inst, authn.HashAPIKey(a.pepper, key))
}

// installation reads the installation's document or makes it.
func (a *App) installation(ctx context.Context) (*person.Installation, error) {
	inst, err := a.store.Installation(ctx)
	if !errors.Is(err, docstore.ErrNotFound) {
		return inst, err
	}
	inst = &person.Installation{Pepper: make([]byte, pepperSize), AdminID: a.newID(), KeyID: a.newID(), LookupID: a.newID()}
	_, _ = rand.Read(inst.Pepper) // the runtime ends the program when there is no randomness
	err = a.store.PutInstallation(ctx, inst)
	if errors.Is(err, docstore.ErrExists) { // another replica was faster
		return a.store.Installation(ctx)
	}
	return inst, err
}

// firstStart writes the account, the administrator and the key under the ids
// drawn before, so that each step may be repeated, and last that all is done.
func (a *App) firstStart(ctx context.Context, inst *person.Installation, hash string) error {
	there := func(err error) error {
		if errors.Is(err, docstore.ErrExists) {
			return nil
		}
		return err
	}
	now := a.now()
	err := there(a.store.InsertAccount(ctx, person.Account{ID: person.FirstAccount, Name: firstAccount, CreatedAt: now}))
	if err != nil {
		return err
	}
	if err := there(a.insert(ctx, a.newAgent(person.FirstAccount, inst.AdminID, adminInput(firstAdminEmail, firstAdminName)))); err != nil {
		return err
	}
	k := person.Key{Account: person.FirstAccount, ID: inst.KeyID, AgentID: inst.AdminID, CreatedAt: now}
	if err := there(a.store.InsertKey(ctx, k)); err != nil {
		return err
	}
	// a start that broke off may have been given another key
	if err := a.store.DeleteLookups(ctx, k.Account, k.AgentID, k.ID); err != nil {
		return err
	}
	l := person.Lookup{ID: inst.LookupID, Hash: hash, Account: k.Account, AgentID: k.AgentID, KeyID: k.ID}
	if err := there(a.store.InsertLookup(ctx, l)); err != nil {
		return err
	}
	inst.AdminKeyHash = hash
	err = a.store.PutInstallation(ctx, inst)
	if errors.Is(err, docstore.ErrStale) {
		return fmt.Errorf("another process is starting on this store for the first time; start again: %w", err)
	}
	return err
}

// keyFromFile returns the key of an earlier start that broke off, or makes one
// and writes it, so that it is on the disk and only its owner can read it.
func keyFromFile(path string) (string, error) {
	if path == "" {
		return "", errNoKeyFile
	}
	text, err := os.ReadFile(path)
	if key := strings.TrimSpace(string(text)); err == nil && len(key) >= authn.MinAPIKey {
		return key, os.Chmod(path, 0o600)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the admin key: %w", err)
	}
	key := authn.NewAPIKey()
	if err := writeKey(path, key); err != nil {
		return "", fmt.Errorf("write the admin key: %w", err)
	}
	return key, nil
}

// writeKey writes a whole new file and moves it into place.
func writeKey(path, key string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".tmp-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, werr := f.WriteString(key + "\n")
	if err := errors.Join(werr, f.Chmod(0o600), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil // the file is there; whether its name survives a crash is all that is open
	}
	return errors.Join(dir.Sync(), dir.Close())
}
