package authn

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// IssuerService is the name of the one service whose key signs the tokens of users.
const IssuerService = "contacts"

// OperatorIdentity is the name of the key that signs tokens of RoleInstallation.
const OperatorIdentity = "operator"

const (
	privateSuffix = ".key"
	publicSuffix  = ".pub"
)

// rereadEvery bounds how often unknown keys make a verifier read its folder,
// refreshEvery is after how long it looks on its own for keys that were taken away.
const (
	rereadEvery  = 100 * time.Millisecond
	refreshEvery = time.Minute
)

// identityName is what a service may be called: the name is part of a path.
var identityName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

// OpenIdentity returns the signer of a service whose keys lie in a folder:
// NAME.key, private and of mode 0600, is made at the first start, and
// NAME.pub beside it tells the others what the service's tokens are verified
// with. keyFile is where the private key lies instead, so that a folder which
// others can read holds public keys alone; "" for the folder. Several replicas
// of a service share one key. A NAME.pub that belongs to another key is
// refused, for it would stand for an impostor.
func OpenIdentity(dir, name, keyFile string, clock func() time.Time) (*Signer, error) {
	if !identityName.MatchString(name) {
		return nil, fmt.Errorf("%q is no name of a service", name)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the folder of identities: %w", err)
	}
	if keyFile == "" {
		keyFile = filepath.Join(dir, name+privateSuffix)
	}
	key, err := LoadOrCreateKey(keyFile)
	if err != nil {
		return nil, err
	}
	signer := NewSigner(key, clock)
	public := filepath.Join(dir, name+publicSuffix)
	known, err := LoadPublic(public)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return signer, WritePublic(public, signer.Public())
	case err != nil:
		return nil, err
	case !known.Equal(signer.Public()):
		return nil, fmt.Errorf("%s belongs to another key than %s: if the key was renewed on purpose, remove the public file and start again", public, keyFile)
	}
	return signer, nil
}

// anchor is a public key and whose it is. Without owners it is trusted for
// every identity, which only fixed keys are.
type anchor struct {
	key    ed25519.PublicKey
	owners []string
}

// vouches reports whether the key may sign tokens of that identity: services
// speak for themselves, the issuer for users and links, the operator for itself.
func (a anchor) vouches(i Identity) bool {
	if a.owners == nil {
		return true
	}
	signer := IssuerService
	switch i.Role {
	case RoleService:
		signer = i.Service
	case RoleInstallation:
		signer = OperatorIdentity
	}
	return slices.Contains(a.owners, signer)
}

// trust knows the keys: fixed ones, or those of a folder, which it reads again
// when a key is unknown, so that the order in which services start does not
// matter. Safe for concurrent use.
type trust struct {
	dir   string // "" for fixed keys
	clock func() time.Time
	log   *slog.Logger

	mu      sync.RWMutex
	anchors map[string]anchor
	read    time.Time
	// reads and version count the readings and those that found a change.
	reads, version int
}

// find returns the key of an id, reading the folder when it is not known.
func (t *trust) find(kid string) (anchor, bool) {
	t.mu.RLock()
	a, ok := t.anchors[kid]
	t.mu.RUnlock()
	if ok || t.dir == "" {
		return a, ok
	}
	t.refresh(rereadEvery)
	t.mu.RLock()
	defer t.mu.RUnlock()
	a, ok = t.anchors[kid]
	return a, ok
}

// current returns a number that changes whenever the trusted keys do. It reads
// the folder when that was long ago: a key that was taken away is not unknown to anybody.
func (t *trust) current() int {
	if t.dir != "" {
		t.refresh(refreshEvery)
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.version
}

// refresh reads the folder unless that was less than a while ago.
func (t *trust) refresh(after time.Duration) {
	now := t.clock()
	t.mu.RLock()
	fresh := t.reads > 0 && now.Before(t.read.Add(after))
	t.mu.RUnlock()
	if fresh {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.reads > 0 && now.Before(t.read.Add(after)) { // somebody else was faster
		return
	}
	found := t.load()
	t.read = now
	t.reads++
	if !sameAnchors(t.anchors, found) {
		t.anchors = found
		t.version++
	}
}

// load reads all public keys of the folder. One that cannot be read is told to
// the log and trusted for nothing; the others count.
func (t *trust) load() map[string]anchor {
	found := map[string]anchor{}
	entries, err := os.ReadDir(t.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.log.Warn("the folder of identities cannot be read", "file", t.dir, "error", err)
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), publicSuffix)
		if !ok || !identityName.MatchString(name) {
			continue
		}
		key, err := LoadPublic(filepath.Join(t.dir, e.Name()))
		if err != nil {
			t.log.Warn("a public key cannot be read", "file", e.Name(), "error", err)
			continue
		}
		kid := keyID(key)
		found[kid] = anchor{key: key, owners: append(found[kid].owners, name)}
	}
	return found
}

func sameAnchors(a, b map[string]anchor) bool {
	if len(a) != len(b) {
		return false
	}
	for kid, x := range a {
		if y, ok := b[kid]; !ok || !slices.Equal(x.owners, y.owners) {
			return false
		}
	}
	return true
}

// NewFolderVerifier returns a verifier that trusts the public keys of a folder
// of identities, each for its own: a service's token must be signed by the key
// of that very service, a user's by that of IssuerService. The folder is read
// when it is needed, and may be empty or missing at first. log gets what cannot be read; nil is slog's default.
func NewFolderVerifier(dir string, clock func() time.Time, log *slog.Logger) *Verifier {
	if log == nil {
		log = slog.Default()
	}
	return newVerifier(&trust{dir: dir, clock: clock, log: log, anchors: map[string]anchor{}})
}
