package authn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// house is a folder of identities with the signers of services.
type house struct {
	t     *testing.T
	dir   string
	clock *clock
}

func (h house) signer(name string) *Signer {
	h.t.Helper()
	s, err := OpenIdentity(h.dir, name, "", h.clock.Now)
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

func (h house) verifier() *Verifier {
	return NewFolderVerifier(h.dir, h.clock.Now, slog.New(slog.DiscardHandler))
}

func (h house) token(s *Signer, i Identity) string {
	h.t.Helper()
	tok, _, err := s.Sign(i)
	if err != nil {
		h.t.Fatal(err)
	}
	return tok
}

func service(name string) Identity { return Identity{Account: 3, Role: RoleService, Service: name} }

// Each key speaks for its own service and for nobody else: tickets cannot pass
// for privacy, nor for an administrator.
func TestKeysVouchForTheirOwnOnly(t *testing.T) {
	h := house{t, filepath.Join(t.TempDir(), "identity"), newClock()}
	v := h.verifier() // before there is any folder
	signers := map[string]*Signer{}
	for _, name := range []string{IssuerService, "tickets", PrivacyService, OperatorIdentity} {
		signers[name] = h.signer(name)
	}
	user, link, operator := admin, Identity{Account: 3, Role: RoleLink, Object: "export:5"}, Identity{Role: RoleInstallation}
	for _, c := range []struct {
		signer string
		who    Identity
		good   bool
	}{
		{IssuerService, user, true}, {IssuerService, link, true}, {IssuerService, service(IssuerService), true},
		{"tickets", service("tickets"), true}, {PrivacyService, service(PrivacyService), true}, {OperatorIdentity, operator, true},
		{"tickets", service(PrivacyService), false}, {"tickets", user, false}, {"tickets", link, false}, {"tickets", operator, false},
		{IssuerService, service(PrivacyService), false}, {IssuerService, operator, false}, {PrivacyService, user, false},
		{OperatorIdentity, service(OperatorIdentity), true}, {OperatorIdentity, user, false},
	} {
		tok := h.token(signers[c.signer], c.who)
		h.clock.add(rereadEvery)
		_, err := v.Verify(tok)
		if good := err == nil; good != c.good {
			t.Errorf("%s signed %+v: %v", c.signer, c.who, err)
		}
		if !c.good && (!errors.Is(err, ErrToken) || !strings.Contains(err.Error(), "signed by somebody else")) {
			t.Errorf("%v", err)
		}
		// The control: keys that are trusted for everything let all of it in.
		if _, err := NewVerifier(h.clock.Now, signers[c.signer].Public()).Verify(tok); err != nil {
			t.Errorf("the control refused %+v: %v", c.who, err)
		}
	}
}

// The order in which services start does not matter, and strangers cannot make a verifier read its folder all the time.
func TestUnknownKeysAreLookedFor(t *testing.T) {
	h := house{t, t.TempDir(), newClock()}
	v := h.verifier()
	elsewhere := house{t, t.TempDir(), h.clock}
	stranger := h.token(elsewhere.signer("tickets"), service("tickets"))
	for range 100 {
		if _, err := v.Verify(stranger); !errors.Is(err, ErrToken) || !strings.Contains(err.Error(), "unknown key") {
			t.Fatalf("a stranger: %v", err)
		}
	}
	if v.trust.reads != 1 {
		t.Errorf("%d readings in one instant", v.trust.reads)
	}
	tok := h.token(h.signer("tickets"), service("tickets"))
	h.clock.add(rereadEvery)
	if _, err := v.Verify(tok); err != nil {
		t.Fatalf("a service that came later: %v", err)
	}
	if _, err := v.Verify(stranger); err == nil {
		t.Fatal("the stranger got in")
	}
}

// A key that is taken away counts for another minute at most, for tokens seen before too.
func TestRemovedKeysEnd(t *testing.T) {
	h := house{t, t.TempDir(), newClock()}
	v := h.verifier()
	tok := h.token(h.signer("tickets"), service("tickets"))
	if _, err := v.Verify(tok); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(h.dir, "tickets.pub")); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(tok); err != nil {
		t.Fatalf("the folder is read at every call: %v", err)
	}
	h.clock.add(refreshEvery)
	if _, err := v.Verify(tok); !errors.Is(err, ErrToken) {
		t.Fatalf("a removed key: %v", err)
	}
}

func TestIdentityFolders(t *testing.T) {
	h := house{t, filepath.Join(t.TempDir(), "a", "b"), newClock()}
	var wg sync.WaitGroup
	replicas := make([]*Signer, 6)
	for i := range replicas {
		wg.Go(func() { replicas[i], _ = OpenIdentity(h.dir, "tickets", "", h.clock.Now) })
	}
	wg.Wait()
	for _, s := range replicas {
		if s == nil || s.kid != replicas[0].kid {
			t.Fatal("replicas that start at once have different keys")
		}
	}
	info, err := os.Stat(filepath.Join(h.dir, "tickets.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info, err)
	}
	// The private key elsewhere: the folder holds the public one alone.
	private := filepath.Join(t.TempDir(), "secret")
	apart, err := OpenIdentity(h.dir, "privacy", private, h.clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(h.dir, "privacy.key")); err == nil {
		t.Error("the private key lies in the folder")
	}
	if _, err := h.verifier().Verify(h.token(apart, service("privacy"))); err != nil {
		t.Error(err)
	}
	// Somebody else under a name that is taken is told so.
	if _, err := OpenIdentity(h.dir, "privacy", "", h.clock.Now); err == nil || !strings.Contains(err.Error(), "belongs to another key") {
		t.Errorf("%v", err)
	}
	for _, name := range []string{"", "../x", "Tickets", "a.b"} {
		if _, err := OpenIdentity(h.dir, name, "", h.clock.Now); err == nil {
			t.Errorf("%q is a name", name)
		}
	}
	// What cannot be read is trusted for nothing, and the rest still counts.
	if err := os.WriteFile(filepath.Join(h.dir, "broken.pub"), []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	v := NewFolderVerifier(h.dir, h.clock.Now, slog.New(slog.NewTextHandler(&log, nil)))
	if _, err := v.Verify(h.token(replicas[0], service("tickets"))); err != nil || !strings.Contains(log.String(), "broken.pub") {
		t.Errorf("%v %s", err, log.String())
	}
	if _, err := OpenIdentity(h.dir, "broken", "", h.clock.Now); err == nil {
		t.Error("a public key that cannot be read was passed over")
	}
}

// A client's token is exchanged once for all who wait, again before it ends,
// and kept while the issuer is away and it is still good.
func TestExchangeSource(t *testing.T) {
	c := newClock()
	var asked atomic.Int32
	var fail atomic.Bool
	gate := make(chan struct{})
	src := NewExchangeSource(func(context.Context) (string, time.Time, error) {
		n := asked.Add(1)
		<-gate
		if fail.Load() {
			return "", time.Time{}, errors.New("away")
		}
		return fmt.Sprint("token", n), c.Now().Add(Lifetime), nil
	}, c.Now)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := src.Token(ctx, 0); !errors.Is(err, context.Canceled) {
		t.Fatalf("one who gave up: %v", err)
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if tok, err := src.Token(t.Context(), 0); err != nil || tok != "token1" {
				t.Errorf("%q %v", tok, err)
			}
		})
	}
	close(gate)
	wg.Wait()
	step := func(d time.Duration, broken bool, want string, calls int32) {
		t.Helper()
		c.add(d)
		fail.Store(broken)
		tok, err := src.Token(t.Context(), 7)
		if tok != want || (err == nil) != (want != "") || asked.Load() != calls {
			t.Fatalf("%q %v after %d exchanges, want %q after %d", tok, err, asked.Load(), want, calls)
		}
	}
	step(Lifetime-renewBefore-time.Second, false, "token1", 1)
	step(time.Second, true, "token1", 2)                        // the issuer is away, the token still good
	step(renewBefore-stillGood-time.Second, false, "token3", 3) // it is back
	step(Lifetime-stillGood, true, "", 4)                       // away for too long
	step(0, false, "token5", 5)
}
