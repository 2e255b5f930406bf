// Package identity turns what a client shows into an identity token: an API
// key is exchanged at contacts and the token kept until shortly before its end,
// a bearer token is passed through. Keys are remembered only as keyed hashes.
package identity

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"google.golang.org/protobuf/proto"
)

const (
	// renewBefore is how long before its end a token is not used any more.
	renewBefore = time.Minute
	// failureFor is how long a wrong key is remembered, so that trying it again and again costs contacts nothing.
	failureFor = time.Second
	// maxTokens and maxFailures bound what is remembered.
	maxTokens, maxFailures = 10_000, 1_000
	// maxKey and maxToken bound what is looked at.
	maxKey, maxToken = 256, 8 << 10
	// exchangeTimeout bounds an exchange, which outlives the call that began it.
	exchangeTimeout = 10 * time.Second
)

// Caller is who calls, as far as the gateway must know.
type Caller struct {
	// Token is what services are shown.
	Token string
	// Bucket is whose calls are counted together: the account's, or the token's own when nobody here can read it.
	Bucket string
	// Exempt says that calls are not counted.
	Exempt bool
	// Operator says that calls are not counted when they say they are an operator's.
	Operator bool
}

type mac [sha256.Size]byte

type entry struct {
	caller Caller
	until  time.Time
}

// exchange is a key on its way; those who show the same key wait for it.
type exchange struct {
	done   chan struct{}
	caller Caller
	err    error
}

// Keys exchanges what clients show. Safe for concurrent use.
type Keys struct {
	client   contactsv1.IdentityServiceClient
	verifier *authn.Verifier
	now      func() time.Time
	secret   [32]byte

	mu       sync.Mutex
	tokens   map[mac]entry
	failures map[mac]time.Time
	underway map[mac]*exchange
}

// New returns an exchange that asks client. verifier checks bearer tokens;
// without one they are passed on unseen and the services alone check them.
func New(client contactsv1.IdentityServiceClient, verifier *authn.Verifier, now func() time.Time) *Keys {
	k := &Keys{
		client: client, verifier: verifier, now: now,
		tokens: map[mac]entry{}, failures: map[mac]time.Time{}, underway: map[mac]*exchange{},
	}
	_, _ = rand.Read(k.secret[:]) // it never fails: the program would have crashed
	return k
}

// Caller returns who an Authorization header names. Wrong or missing is a
// fault of kind unauthenticated; that contacts cannot be asked is its own fault.
func (k *Keys) Caller(ctx context.Context, header string) (Caller, error) {
	key, bearer, ok := read(header)
	switch {
	case !ok:
		return Caller{}, fault.Unauthenticated(errors.New("no usable credentials"))
	case bearer:
		return k.bearer(key)
	}
	return k.key(ctx, key)
}

// read takes a header apart: Bearer with a token, Basic with key and any or
// no password, or the bare base64 of that, which some clients send.
func read(header string) (value string, bearer, ok bool) {
	scheme, rest, two := strings.Cut(strings.TrimSpace(header), " ")
	rest = strings.TrimSpace(rest)
	switch {
	case two && strings.EqualFold(scheme, "Bearer"):
		return rest, true, rest != "" && len(rest) <= maxToken
	case two && strings.EqualFold(scheme, "Basic"):
	case !two:
		rest = scheme
	default:
		return "", false, false
	}
	if len(rest) > maxToken {
		return "", false, false
	}
	decoded, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(rest, "="))
	if err != nil {
		return "", false, false
	}
	key, _, _ := strings.Cut(string(decoded), ":")
	return key, false, isKey(key)
}

// isKey says that a text may be a key: what else decodes to is noise no service should be asked about.
func isKey(s string) bool {
	for _, b := range []byte(s) {
		if b <= 0x20 || b > 0x7E {
			return false
		}
	}
	return s != "" && len(s) <= maxKey
}

func (k *Keys) bearer(token string) (Caller, error) {
	if k.verifier == nil {
		sum := k.sum(token)
		return Caller{Token: token, Bucket: "token " + string(sum[:])}, nil
	}
	who, err := k.verifier.Verify(token)
	if err != nil {
		return Caller{}, fault.Unauthenticated(err)
	}
	return callerOf(token, who.Account, who.Role), nil
}

func callerOf(token string, account int64, role authn.Role) Caller {
	exempt := role == authn.RoleService || role == authn.RoleInstallation
	return Caller{
		Token: token, Bucket: strconv.FormatInt(account, 10), Exempt: exempt, Operator: role == authn.RoleAdmin,
	}
}

func (k *Keys) sum(s string) (m mac) {
	h := hmac.New(sha256.New, k.secret[:])
	h.Write([]byte(s))
	copy(m[:], h.Sum(nil))
	return m
}

func (k *Keys) key(ctx context.Context, key string) (Caller, error) {
	sum, now := k.sum(key), k.now()
	k.mu.Lock()
	if e, ok := k.tokens[sum]; ok && now.Before(e.until) {
		k.mu.Unlock()
		return e.caller, nil
	}
	if until, ok := k.failures[sum]; ok && now.Before(until) {
		k.mu.Unlock()
		return Caller{}, fault.Unauthenticated(errors.New("key is known to be wrong"))
	}
	x := k.underway[sum]
	if x == nil {
		x = &exchange{done: make(chan struct{})}
		k.underway[sum] = x
		// The exchange serves all who wait, so it must not end with one of them.
		go k.exchange(context.WithoutCancel(ctx), key, sum, x)
	}
	k.mu.Unlock()
	select {
	case <-x.done:
		return x.caller, x.err
	case <-ctx.Done():
		return Caller{}, fault.From(ctx.Err())
	}
}

func (k *Keys) exchange(ctx context.Context, key string, sum mac, x *exchange) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	resp, err := k.client.IssueToken(ctx, &contactsv1.IssueTokenRequest{ApiKey: proto.String(key)})
	k.mu.Lock()
	defer k.mu.Unlock()
	defer close(x.done)
	delete(k.underway, sum)
	now := k.now()
	if err != nil {
		x.err = k.refused(err, sum, now)
		return
	}
	x.caller = callerOf(resp.GetToken(), resp.GetAccount(), authn.Role(resp.GetRole()))
	if until := resp.GetExpiresAt().AsTime().Add(-renewBefore); now.Before(until) {
		bound(k.tokens, maxTokens, func(e entry) bool { return !now.Before(e.until) })
		k.tokens[sum] = entry{x.caller, until}
	}
}

// refused remembers a wrong key; anything else that went wrong is not the key's fault.
func (k *Keys) refused(err error, sum mac, now time.Time) error {
	f := fault.FromStatus(err)
	switch f.Kind {
	case fault.KindUnauthenticated, fault.KindNotFound, fault.KindInvalid, fault.KindDenied:
		bound(k.failures, maxFailures, func(until time.Time) bool { return !now.Before(until) })
		k.failures[sum] = now.Add(failureFor)
		delete(k.tokens, sum)
		return fault.Unauthenticated(fmt.Errorf("exchange key: %w", f))
	}
	return f
}

// bound makes room in a map that is full: first what is over, then anything.
func bound[K comparable, V any](m map[K]V, limit int, over func(V) bool) {
	if len(m) < limit {
		return
	}
	for key, v := range m {
		if over(v) {
			delete(m, key)
		}
	}
	for key := range m {
		if len(m) < limit {
			return
		}
		delete(m, key)
	}
}
