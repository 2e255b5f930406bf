// Package authn says who calls and what they may do. A caller shows a token of
// ten minutes, signed with Ed25519, that names account, actor and role. Every
// method of the contract names the permission it needs; the interceptors look
// it up there and refuse whatever they cannot find.
package authn

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/lethe-desk/lethe/services/internal/platform/ids"
)

// The constants of a token.
const (
	// Audience is who tokens are for.
	Audience = "lethe"
	// Lifetime is how long a token opens anything.
	Lifetime = 10 * time.Minute
	// leeway is how far two machines' clocks may be apart.
	leeway = 30 * time.Second
)

// ErrToken means that a token is malformed, forged, ended, or not for Lethe.
// The error never holds the token.
var ErrToken = errors.New("invalid token")

// Identity is who calls.
type Identity struct {
	// Account is the desk every answer is limited to; 0 only for the installation's operator.
	Account int64
	// Actor is the person's id; 0 for services and the operator.
	Actor int64
	// Role is what the caller is.
	Role Role
	// Service is the name of a service, with RoleService.
	Service string
	// Object is the one thing a link opens, with RoleLink.
	Object string
	// TokenID is the token's own id, for the log.
	TokenID string
}

type claims struct {
	jwt.RegisteredClaims
	Account int64  `json:"account"`
	Actor   int64  `json:"actor,omitempty"`
	Role    Role   `json:"role"`
	Service string `json:"service,omitempty"`
	Object  string `json:"object,omitempty"`
}

// valid says what must be in a token besides a good signature.
func (c *claims) valid() bool {
	if !c.Role.Known() || c.ID == "" || c.Account < 0 || c.Actor < 0 || c.ExpiresAt == nil || c.IssuedAt == nil {
		return false
	}
	if c.ExpiresAt.Sub(c.IssuedAt.Time) > Lifetime {
		return false
	}
	switch c.Role {
	case RoleInstallation:
		return c.Account == 0
	case RoleService:
		return c.Service != "" && c.Account > 0
	case RoleLink:
		return c.Object != "" && c.Account > 0
	}
	return c.Account > 0 && c.Actor > 0
}

// Signer makes tokens. Safe for concurrent use.
type Signer struct {
	key   ed25519.PrivateKey
	kid   string
	clock func() time.Time
}

// NewSigner returns a signer with a private key; clock is the time of now.
func NewSigner(key ed25519.PrivateKey, clock func() time.Time) *Signer {
	pub, _ := key.Public().(ed25519.PublicKey)
	return &Signer{key: key, kid: keyID(pub), clock: clock}
}

// Public returns the key that verifies the signer's tokens.
func (s *Signer) Public() ed25519.PublicKey {
	pub, _ := s.key.Public().(ed25519.PublicKey)
	return pub
}

// Sign returns a token for an identity and the time at which it ends. TokenID
// is drawn, whatever the identity says. An identity that no verifier would
// accept is refused with ErrToken.
func (s *Signer) Sign(i Identity) (token string, expires time.Time, err error) {
	now := s.clock().UTC().Truncate(time.Second)
	expires = now.Add(Lifetime)
	c := &claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Audience: jwt.ClaimStrings{Audience}, ID: ids.Request(),
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(expires),
		},
		Account: i.Account, Actor: i.Actor, Role: i.Role, Service: i.Service, Object: i.Object,
	}
	if !c.valid() {
		return "", time.Time{}, fmt.Errorf("sign for role %q: %w", i.Role, ErrToken)
	}
	t := jwt.NewWithClaims(jwt.SigningMethodEdDSA, c)
	t.Header["kid"] = s.kid
	token, err = t.SignedString(s.key)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("sign token: %w", err)
	}
	return token, expires, nil
}

// Verifier checks tokens against public keys. Safe for concurrent use.
type Verifier struct {
	trust  *trust
	parser *jwt.Parser
	clock  func() time.Time

	// seen remembers good tokens by their hash, because checking a signature
	// costs more than all else a small call does.
	mu   sync.RWMutex
	seen map[[sha256.Size]byte]verified
	// version is that of the trusted keys by which seen was verified.
	version int
}

type verified struct {
	who   Identity
	until time.Time
}

// maxSeen bounds the tokens remembered; above it remembering starts anew.
const maxSeen = 8192

// NewVerifier returns a verifier that accepts whatever any of the keys has
// signed. Services of one installation use NewFolderVerifier instead.
func NewVerifier(clock func() time.Time, keys ...ed25519.PublicKey) *Verifier {
	anchors := map[string]anchor{}
	for _, k := range keys {
		anchors[keyID(k)] = anchor{key: k}
	}
	return newVerifier(&trust{clock: clock, anchors: anchors})
}

func newVerifier(t *trust) *Verifier {
	return &Verifier{
		trust: t, clock: t.clock, seen: map[[sha256.Size]byte]verified{},
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}), jwt.WithAudience(Audience), jwt.WithExpirationRequired(),
			jwt.WithIssuedAt(), jwt.WithLeeway(leeway), jwt.WithTimeFunc(t.clock), jwt.WithStrictDecoding()),
	}
}

// Verify returns who a token names, or ErrToken with a reason for the log. That
// a token has ended, and that its key is still trusted, is looked at each time;
// its signature once.
func (v *Verifier) Verify(token string) (Identity, error) {
	hash := sha256.Sum256([]byte(token))
	version := v.trust.current()
	v.mu.RLock()
	known, ok := v.seen[hash]
	ok = ok && v.version == version
	v.mu.RUnlock()
	if ok && v.clock().Before(known.until) {
		return known.who, nil
	}
	who, until, err := v.check(token)
	if err != nil {
		return Identity{}, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.seen) >= maxSeen || v.version != version {
		clear(v.seen)
		v.version = version
	}
	v.seen[hash] = verified{who, until}
	return who, nil
}

// check reads a token and verifies all there is to it.
func (v *Verifier) check(token string) (Identity, time.Time, error) {
	var c claims
	var signer anchor
	_, err := v.parser.ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) {
		kid, _ := t.Header["kid"].(string)
		a, ok := v.trust.find(kid)
		if !ok {
			return nil, errKey
		}
		signer = a
		return a.key, nil
	})
	switch {
	case err != nil:
		return Identity{}, time.Time{}, fmt.Errorf("%w: %s", ErrToken, why(err))
	case !c.valid():
		return Identity{}, time.Time{}, fmt.Errorf("%w: incomplete claims", ErrToken)
	}
	who := Identity{Account: c.Account, Actor: c.Actor, Role: c.Role, Service: c.Service, Object: c.Object, TokenID: c.ID}
	if !signer.vouches(who) {
		return Identity{}, time.Time{}, fmt.Errorf("%w: signed by somebody else", ErrToken)
	}
	return who, c.ExpiresAt.Time, nil
}

// errKey means that nobody here knows the key a token names.
var errKey = errors.New("unknown key")

// why names a parser's error in constant words, for its text may quote the token.
func why(err error) string {
	switch {
	case errors.Is(err, errKey):
		return "unknown key"
	case errors.Is(err, jwt.ErrTokenExpired):
		return "expired"
	case errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return "issued in the future"
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return "for somebody else"
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return "bad signature"
	case errors.Is(err, jwt.ErrTokenMalformed):
		return "malformed"
	}
	return "not acceptable"
}

// keyID names a public key in a token's header.
func keyID(k ed25519.PublicKey) string {
	sum := sha256.Sum256(k)
	return hex.EncodeToString(sum[:8])
}

type identityKey struct{}

// WithIdentity puts the caller into the context; the interceptors do it.
func WithIdentity(ctx context.Context, i Identity) context.Context {
	return context.WithValue(ctx, identityKey{}, i)
}

// FromContext returns who calls; false in a public method without a token.
func FromContext(ctx context.Context) (Identity, bool) {
	i, ok := ctx.Value(identityKey{}).(Identity)
	return i, ok
}

// Caller returns who calls, or the zero Identity, which belongs to no account and may do nothing.
func Caller(ctx context.Context) Identity {
	i, _ := FromContext(ctx)
	return i
}
