package authn

import (
	"context"
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	_ "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1" // its methods are asked for
	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"google.golang.org/grpc/metadata"
)

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newClock() *clock { return &clock{now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)} }

func newKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

var admin = Identity{Account: 3, Actor: 44, Role: RoleAdmin}

func TestTokensCarryIdentitiesUntilTheyEnd(t *testing.T) {
	c := newClock()
	s := NewSigner(newKey(t), c.Now)
	v := NewVerifier(c.Now, newKey(t).Public().(ed25519.PublicKey), s.Public())
	for _, want := range []Identity{
		admin, {Account: 1, Actor: 2, Role: RoleContact}, {Account: 1, Role: RoleService, Service: "tickets"},
		{Account: 1, Role: RoleLink, Object: "export:5"}, {Role: RoleInstallation},
	} {
		tok, expires, err := s.Sign(want)
		if err != nil || !expires.Equal(c.Now().Add(Lifetime)) {
			t.Fatalf("%v %v", expires, err)
		}
		got, err := v.Verify(tok)
		if err != nil || got.TokenID == "" {
			t.Fatalf("%v %v", got, err)
		}
		got.TokenID = ""
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	tok, _, _ := s.Sign(admin)
	c.add(Lifetime + leeway + time.Second)
	if _, err := v.Verify(tok); !errors.Is(err, ErrToken) || !strings.Contains(err.Error(), "expired") {
		t.Fatalf("an ended token: %v", err)
	}
	c.add(-2 * Lifetime)
	if _, err := v.Verify(tok); !errors.Is(err, ErrToken) {
		t.Fatalf("a token of the future: %v", err)
	}
}

func TestIncompleteIdentitiesAreNotSigned(t *testing.T) {
	s := NewSigner(newKey(t), newClock().Now)
	for _, i := range []Identity{
		{}, {Account: 1, Actor: 1, Role: "root"}, {Account: 1, Role: RoleAgent}, {Actor: 1, Role: RoleAgent}, {Account: 1, Role: RoleService},
		{Role: RoleService, Service: "x"}, {Account: 1, Role: RoleLink}, {Account: 1, Role: RoleInstallation}, {Account: -1, Actor: 1, Role: RoleAgent},
	} {
		if _, _, err := s.Sign(i); !errors.Is(err, ErrToken) {
			t.Errorf("%+v was signed: %v", i, err)
		}
	}
}

func TestForgedTokensAreRefused(t *testing.T) {
	c := newClock()
	key := newKey(t)
	s, v := NewSigner(key, c.Now), NewVerifier(c.Now, key.Public().(ed25519.PublicKey))
	good := func() *claims {
		return &claims{
			RegisteredClaims: jwt.RegisteredClaims{
				Audience: jwt.ClaimStrings{Audience}, ID: "x", IssuedAt: jwt.NewNumericDate(c.Now()), ExpiresAt: jwt.NewNumericDate(c.Now().Add(Lifetime)),
			},
			Account: 1, Actor: 1, Role: RoleAdmin,
		}
	}
	sign := func(m jwt.SigningMethod, with any, change func(*claims)) string {
		cl := good()
		change(cl)
		tok := jwt.NewWithClaims(m, cl)
		tok.Header["kid"] = s.kid
		text, err := tok.SignedString(with)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	same := func(*claims) {}
	if _, err := v.Verify(sign(jwt.SigningMethodEdDSA, key, same)); err != nil {
		t.Fatalf("the control is refused: %v", err)
	}
	bad := map[string]string{
		"empty":         "",
		"words":         "anna@example.com",
		"other key":     sign(jwt.SigningMethodEdDSA, newKey(t), same),
		"no signature":  sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, same),
		"hmac with pub": sign(jwt.SigningMethodHS256, []byte(s.Public()), same),
		"audience":      sign(jwt.SigningMethodEdDSA, key, func(c *claims) { c.Audience = jwt.ClaimStrings{"other"} }),
		"no end":        sign(jwt.SigningMethodEdDSA, key, func(c *claims) { c.ExpiresAt = nil }),
		"too long":      sign(jwt.SigningMethodEdDSA, key, func(cl *claims) { cl.ExpiresAt = jwt.NewNumericDate(c.Now().Add(time.Hour)) }),
		"no id":         sign(jwt.SigningMethodEdDSA, key, func(c *claims) { c.ID = "" }),
		"role":          sign(jwt.SigningMethodEdDSA, key, func(c *claims) { c.Role = "god" }),
	}
	for name, tok := range bad {
		_, err := v.Verify(tok)
		if !errors.Is(err, ErrToken) {
			t.Errorf("%s: accepted (%v)", name, err)
		} else if tok != "" && strings.Contains(err.Error(), tok) {
			t.Errorf("%s: the error quotes the token", name)
		}
	}
}

func TestKeyFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "signing.key")
	var wg sync.WaitGroup
	keys := make([]ed25519.PrivateKey, 8)
	for i := range keys {
		wg.Go(func() {
			var err error
			if keys[i], err = LoadOrCreateKey(path); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, k := range keys {
		if !k.Equal(keys[0]) {
			t.Fatal("processes that start at once got different keys")
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.tmp-*")); len(left) > 0 {
		t.Fatalf("left behind: %v", left)
	}
	pub := filepath.Join(dir, "signing.pub")
	for range 2 {
		if err := WritePublic(pub, keys[0].Public().(ed25519.PublicKey)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := LoadPublic(pub)
	if err != nil || !got.Equal(keys[0].Public()) {
		t.Fatalf("%v", err)
	}
	if _, err := LoadPublic(path); err == nil {
		t.Fatal("a private key was read as a public one")
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadOrCreateKey(path); err == nil {
		t.Fatal("a key everybody may read was accepted")
	}
}

func TestAPIKeys(t *testing.T) {
	a, b := NewAPIKey(), NewAPIKey()
	if a == b || len(a) < MinAPIKey || len(a) != 32 {
		t.Fatalf("%q %q", a, b)
	}
	hash, again := HashAPIKey([]byte("s"), a), HashAPIKey([]byte("s"), a)
	if hash != again || hash == HashAPIKey([]byte("t"), a) || len(HashAPIKey(nil, "")) != 64 {
		t.Fatal("hash")
	}
}

func TestServiceSourceRenewsInTime(t *testing.T) {
	c := newClock()
	s := NewSigner(newKey(t), c.Now)
	v := NewVerifier(c.Now, s.Public())
	src := NewServiceSource(s, "tickets")
	token := func(account int64) string {
		tok, err := src.Token(context.Background(), account)
		if err != nil {
			t.Fatal(err)
		}
		return tok
	}
	first := token(1)
	if token(1) != first || token(2) == first {
		t.Fatal("tokens are cached per account")
	}
	c.add(Lifetime - renewBefore + time.Second)
	second := token(1)
	if second == first {
		t.Fatal("a token about to end was handed out")
	}
	if who, err := v.Verify(second); err != nil || who.Service != "tickets" || who.Account != 1 {
		t.Fatalf("%+v %v", who, err)
	}
	if tok := token(0); tok != "" {
		t.Fatal("a token for no account")
	}
}

func TestRightsTable(t *testing.T) {
	p := func(name string) optionsv1.Permission {
		return optionsv1.Permission(optionsv1.Permission_value["PERMISSION_"+name])
	}
	want := map[Role]string{
		RoleContact:        "AUTHENTICATED",
		RoleLink:           "",
		RoleAgent:          "AUTHENTICATED CONTACTS_READ CONTACTS_WRITE AGENTS_READ TICKETS_READ TICKETS_WRITE FORUMS_READ FORUMS_WRITE SOLUTIONS_READ SOLUTIONS_WRITE RATINGS_READ RATINGS_WRITE REQUESTS_RAISE",
		RoleSupervisor:     "AUTHENTICATED CONTACTS_READ CONTACTS_WRITE AGENTS_READ TICKETS_READ TICKETS_WRITE PRIVACY_DELETE FORUMS_READ FORUMS_WRITE SOLUTIONS_READ SOLUTIONS_WRITE RATINGS_READ RATINGS_WRITE REQUESTS_RAISE",
		RoleAdmin:          "AUTHENTICATED CONTACTS_READ CONTACTS_WRITE AGENTS_READ AGENTS_WRITE TICKETS_READ TICKETS_WRITE PRIVACY_DELETE PRIVACY_EXPORT ERASURE_DIRECT PRIVACY_READ PRIVACY_OPERATE FORUMS_READ FORUMS_WRITE SOLUTIONS_READ SOLUTIONS_WRITE RATINGS_READ RATINGS_WRITE RATINGS_ADMIN REQUESTS_RAISE REQUESTS_DECIDE",
		RolePrivacyOfficer: "AUTHENTICATED CONTACTS_READ AGENTS_READ TICKETS_READ PRIVACY_DELETE PRIVACY_EXPORT ERASURE_DIRECT PRIVACY_READ PRIVACY_OPERATE FORUMS_READ SOLUTIONS_READ RATINGS_READ REQUESTS_RAISE REQUESTS_DECIDE",
		RoleManagement:     "AUTHENTICATED PRIVACY_READ",
		RoleService:        "AUTHENTICATED SERVICE CONTACTS_READ CONTACTS_WRITE AGENTS_READ TICKETS_READ FORUMS_READ RATINGS_READ",
		RoleInstallation:   "AUTHENTICATED INSTALLATION",
	}
	if len(want) != len(rights) {
		t.Fatalf("%d roles, table has %d", len(want), len(rights))
	}
	for role, list := range want {
		may := map[optionsv1.Permission]bool{p("PUBLIC"): true}
		for _, name := range strings.Fields(list) {
			if p(name) == 0 {
				t.Fatalf("no permission %s", name)
			}
			may[p(name)] = true
		}
		for n := range optionsv1.Permission_name {
			one := optionsv1.Permission(n)
			if got := (Identity{Role: role, Service: "tickets"}).May(one); got != may[one] {
				t.Errorf("%s may %v: %v", role, one, got)
			}
		}
	}
	if !(Identity{Role: RoleService, Service: PrivacyService}).May(p("PARTICIPANT")) || (Identity{Role: RoleAdmin, Service: PrivacyService}).May(p("PARTICIPANT")) {
		t.Error("participants obey the privacy service and nobody else")
	}
	if !(Identity{Role: RoleAdmin, Account: FirstAccount}).May(p("INSTALLATION")) || (Identity{Role: RoleAdmin, Account: 2}).May(p("INSTALLATION")) ||
		(Identity{Role: RoleSupervisor, Account: FirstAccount}).May(p("INSTALLATION")) {
		t.Error("accounts are made by the administrators of the first one, and by nobody else")
	}
	if (Identity{}).May(p("AUTHENTICATED")) {
		t.Error("nobody is somebody")
	}
}

func TestGuardDeniesByDefault(t *testing.T) {
	c := newClock()
	s := NewSigner(newKey(t), c.Now)
	g := NewGuard(NewVerifier(c.Now, s.Public()))
	tok := func(i Identity) string {
		text, _, err := s.Sign(i)
		if err != nil {
			t.Fatal(err)
		}
		return "Bearer " + text
	}
	const (
		get     = "/lethe.contacts.v1.ContactsService/GetContact"
		issue   = "/lethe.contacts.v1.IdentityService/IssueToken"
		account = "/lethe.contacts.v1.IdentityService/CreateAccount"
	)
	agent, contact := tok(Identity{Account: 1, Actor: 5, Role: RoleAgent}), tok(Identity{Account: 1, Actor: 6, Role: RoleContact})
	cases := []struct {
		name, method string
		auth         []string
		kind         fault.Kind
		ok           bool
	}{
		{"agent reads", get, []string{agent}, 0, true},
		{"contact reads", get, []string{contact}, fault.KindDenied, false},
		{"nobody reads", get, nil, fault.KindUnauthenticated, false},
		{"basic", get, []string{"Basic abc"}, fault.KindUnauthenticated, false},
		{"empty", get, []string{""}, fault.KindUnauthenticated, false},
		{"two tokens", get, []string{agent, agent}, fault.KindUnauthenticated, false},
		{"public", issue, nil, 0, true},
		{"public with a bad token", issue, []string{"Bearer x"}, fault.KindUnauthenticated, false},
		{"admin makes an account", account, []string{tok(admin)}, fault.KindDenied, false},
		{"operator makes an account", account, []string{tok(Identity{Role: RoleInstallation})}, 0, true},
		{"unknown method", "/lethe.contacts.v1.ContactsService/Nothing", []string{tok(admin)}, fault.KindDenied, false},
		{"a message for a method", "/lethe.contacts.v1/Contact", []string{tok(admin)}, fault.KindDenied, false},
		{"nonsense", "", []string{tok(admin)}, fault.KindDenied, false},
		{"health", "/grpc.health.v1.Health/Check", nil, 0, true},
		{"reflection", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", nil, 0, true},
	}
	for _, tc := range cases {
		ctx := metadata.NewIncomingContext(context.Background(), metadata.MD{"authorization": tc.auth})
		got, err := g.Admit(ctx, tc.method)
		if tc.ok != (err == nil) || (!tc.ok && !fault.Is(err, tc.kind)) {
			t.Errorf("%s: %v", tc.name, err)
		}
		if tc.ok && len(tc.auth) > 0 && Caller(got) == (Identity{}) {
			t.Errorf("%s: no identity in the context", tc.name)
		}
	}
}

func TestWhichTokenGoesOut(t *testing.T) {
	c := newClock()
	s := NewSigner(newKey(t), c.Now)
	src := NewServiceSource(s, "tickets")
	v := NewVerifier(c.Now, s.Public())
	sent := func(ctx context.Context, src TokenSource) string {
		out, err := show(ctx, src)
		if err != nil {
			t.Fatal(err)
		}
		md, _ := metadata.FromOutgoingContext(out)
		if got := md.Get(header); len(got) == 1 {
			return strings.TrimPrefix(got[0], "Bearer ")
		}
		return ""
	}
	bg := context.Background()
	if sent(bg, src) != "" || sent(WithAccount(bg, 1), nil) != "" {
		t.Error("a token out of nowhere")
	}
	if got := sent(WithOutgoingToken(WithIdentity(bg, admin), "user"), src); got != "user" {
		t.Errorf("%q", got)
	}
	for _, ctx := range []context.Context{WithIdentity(bg, admin), WithAccount(bg, 3), WithAccount(WithIdentity(bg, Identity{Account: 9}), 3)} {
		who, err := v.Verify(sent(ctx, src))
		if err != nil || who.Role != RoleService || who.Account != 3 {
			t.Errorf("%+v %v", who, err)
		}
	}
	failing := WithAccount(bg, -1)
	if _, err := show(failing, src); !errors.Is(err, ErrToken) {
		t.Errorf("%v", err)
	}
}

// What only reads is a short list; a permission whose name says that it writes is not on it.
func TestWhatWrites(t *testing.T) {
	values := optionsv1.Permission(0).Descriptor().Values()
	for i := range values.Len() {
		p, name := optionsv1.Permission(values.Get(i).Number()), string(values.Get(i).Name())
		reads := strings.HasSuffix(name, "_READ") || strings.HasSuffix(name, "_PUBLIC") || strings.HasSuffix(name, "_AUTHENTICATED")
		if Writes(p) == reads {
			t.Errorf("%s writes: %v", name, Writes(p))
		}
	}
}

// A bar keeps people from writing, and from nothing else; who cannot be asked about does not write.
func TestBar(t *testing.T) {
	c := newClock()
	s := NewSigner(newKey(t), c.Now)
	g := NewGuard(NewVerifier(c.Now, s.Public()))
	var asked [][2]int64
	answer := errors.New("the ring is away")
	g.Bar(func(_ context.Context, account, actor int64) (bool, error) {
		asked = append(asked, [2]int64{account, actor})
		return account == 3 && actor == 44, answer
	})
	const read, write, resolve = "/lethe.contacts.v1.ContactsService/GetContact", "/lethe.contacts.v1.ContactsService/CreateContact", "/lethe.contacts.v1.ContactsService/ResolvePeople"
	for _, x := range []struct {
		who    Identity
		method string
		asked  bool
		kind   fault.Kind
	}{
		{admin, write, true, fault.KindDenied},
		{admin, read, false, 0},
		{Identity{Account: 3, Actor: 45, Role: RoleAgent}, write, true, 0},
		{Identity{Account: 4, Actor: 44, Role: RoleAgent}, write, true, 0},
		{Identity{Account: 3, Actor: 44, Role: RoleContact}, write, false, fault.KindDenied}, // no permission: nothing is read for it
		{Identity{Account: 3, Role: RoleService, Service: "tickets"}, write, false, 0},
		{Identity{Account: 3, Role: RoleService, Service: "tickets"}, resolve, false, 0},
	} {
		for _, away := range []bool{false, true} {
			asked, answer = nil, nil
			want := x.kind
			if away {
				answer = errors.New("the ring is away")
				if x.asked {
					want = fault.KindUnavailable
				}
			}
			token, _, err := s.Sign(x.who)
			if err != nil {
				t.Fatal(err)
			}
			_, err = g.Admit(metadata.NewIncomingContext(t.Context(), metadata.Pairs("authorization", "Bearer "+token)), x.method)
			if want == 0 && err != nil || want != 0 && !fault.Is(err, want) {
				t.Errorf("%+v %s: %v", x.who, x.method, err)
			}
			if (len(asked) == 1 && asked[0] == [2]int64{x.who.Account, x.who.Actor}) != x.asked {
				t.Errorf("%+v %s: asked about %v", x.who, x.method, asked)
			}
		}
	}
}
