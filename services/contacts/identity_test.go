package contacts

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	"github.com/lethe-desk/lethe/services/contacts/internal/person"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/internal/platform/servicetest"
	"google.golang.org/protobuf/proto"
)

func TestKeysAndTokens(t *testing.T) {
	d := open(t)
	roles := map[int64]string{1: "admin", 2: "admin", 3: "supervisor", 4: "agent", 5: "privacy_officer", 6: "management"}
	for role, want := range roles {
		id := d.agent("r"+want+string(rune('0'+role))+"@example.org", role)
		made, err := d.identity.CreateApiKey(d.admin, &contactsv1.CreateApiKeyRequest{AgentId: id})
		must(t, err)
		if len(made.GetSecret()) < 32 || made.GetKey().GetAgentId() != id {
			t.Fatal(made)
		}
		token, err := d.identity.IssueToken(t.Context(), &contactsv1.IssueTokenRequest{ApiKey: made.Secret})
		must(t, err)
		if token.GetRole() != want || token.GetActor() != id || token.GetAccount() != 1 {
			t.Errorf("role %d: %v", role, token)
		}
		if left := token.GetExpiresAt().AsTime().Sub(d.Clock.Now()); left > authn.Lifetime || left < authn.Lifetime-2*time.Second {
			t.Errorf("ends in %v", left)
		}
		keys, err := d.identity.GetVerificationKeys(t.Context(), &contactsv1.GetVerificationKeysRequest{})
		must(t, err)
		if len(keys.GetKeys()) != 1 || !bytes.Equal(keys.GetKeys()[0], d.config.Signer.Public()) {
			t.Fatal(keys)
		}
		who, err := authn.NewVerifier(d.Clock.Now, keys.GetKeys()[0]).Verify(token.GetToken())
		must(t, err)
		if string(who.Role) != want || who.Actor != id || who.Account != 1 {
			t.Fatal(who)
		}
		_, err = d.identity.RevokeApiKey(d.admin, &contactsv1.RevokeApiKeyRequest{AgentId: id + 1, Id: made.GetKey().GetId()})
		refused(t, err, faultv1.Reason_REASON_NOT_FOUND)
		_, err = d.identity.RevokeApiKey(d.admin, &contactsv1.RevokeApiKeyRequest{AgentId: id, Id: made.GetKey().GetId()})
		must(t, err)
		_, err = d.issue(made.GetSecret())
		refused(t, err, faultv1.Reason_REASON_INVALID_CREDENTIALS)
		if got, _ := counts(d, id); got != "agents=1 api_keys=0 contacts=0" {
			t.Fatal(got)
		}
	}
	for _, wrong := range []string{"", "x", strings.Repeat("a", 5000), adminKey + "x"} {
		_, err := d.issue(wrong)
		refused(t, err, faultv1.Reason_REASON_INVALID_CREDENTIALS)
	}
	c := d.mail("C", "c@example.org")
	_, err := d.identity.CreateApiKey(d.admin, &contactsv1.CreateApiKeyRequest{AgentId: c.GetId()})
	refused(t, err, faultv1.Reason_REASON_NOT_FOUND)
}

func TestSignInIsNotedOnceAnHour(t *testing.T) {
	d := open(t)
	read := func() time.Time {
		me, err := d.agents.GetMe(d.As(identityOf(d)), &contactsv1.GetMeRequest{})
		must(t, err)
		return me.GetAgent().GetContact().GetLastLoginAt().AsTime()
	}
	first := read()
	_, err := d.issue(adminKey)
	must(t, err)
	if !read().Equal(first) {
		t.Fatal("noted twice")
	}
	d.Clock.Advance(time.Hour)
	_, err = d.issue(adminKey)
	must(t, err)
	if !read().After(first) {
		t.Fatal("not noted again")
	}
}

func TestCreateAccountRefuses(t *testing.T) {
	d := open(t)
	operator := d.As(authn.Identity{Role: authn.RoleInstallation})
	_, err := d.identity.CreateAccount(operator, &contactsv1.CreateAccountRequest{AdminEmail: proto.String("x")})
	if violations(err) != "admin_email=invalid_value name=missing_field" {
		t.Fatal(err)
	}
	_, err = d.identity.CreateAccount(operator, &contactsv1.CreateAccountRequest{Name: proto.String("N")})
	if violations(err) != "admin_email=missing_field" {
		t.Fatal(err)
	}
}

func TestCreateAccountIsMadeOncePerKey(t *testing.T) {
	d := open(t)
	in := &contactsv1.CreateAccountRequest{
		Name: proto.String("Second"), AdminEmail: proto.String("boss@example.org"), AdminName: proto.String("Boss"), IdempotencyKey: proto.String("k"),
	}
	made, err := d.identity.CreateAccount(d.admin, in)
	must(t, err)
	_, err = d.identity.CreateAccount(d.admin, in)
	refused(t, err, faultv1.Reason_REASON_ALREADY_DONE)
	in.Name = proto.String("Third")
	_, err = d.identity.CreateAccount(d.admin, in)
	refused(t, err, faultv1.Reason_REASON_KEY_REUSED)
	in.IdempotencyKey = proto.String("l")
	third, err := d.identity.CreateAccount(d.admin, in)
	must(t, err)
	if third.GetAccount().GetId() == made.GetAccount().GetId() || third.GetSecret() == made.GetSecret() {
		t.Error("two accounts are one")
	}
	// Another account's administrator makes no accounts.
	token, err := d.identity.IssueToken(t.Context(), &contactsv1.IssueTokenRequest{ApiKey: made.Secret})
	must(t, err)
	in.IdempotencyKey = nil
	_, err = d.identity.CreateAccount(authn.WithOutgoingToken(t.Context(), token.GetToken()), in)
	refused(t, err, faultv1.Reason_REASON_ACCESS_DENIED)
}

// start opens the service as production does and closes it again.
func start(t *testing.T, c Config) error {
	t.Helper()
	s, err := New(t.Context(), c)
	if err != nil {
		return err
	}
	must(t, s.Ready(t.Context()))
	return s.Close(t.Context())
}

func startConfig(t *testing.T) (*servicetest.Kit, Config) {
	k := servicetest.New(t, servicetest.Options{})
	c := config(k)
	c.AdminKeyFile = filepath.Join(k.Dir, "data.admin-key")
	return k, c
}

func TestFirstStartMakesAKeyAndKeepsIt(t *testing.T) {
	k, c := startConfig(t)
	must(t, start(t, c))
	info, err := os.Stat(c.AdminKeyFile)
	must(t, err)
	text, err := os.ReadFile(c.AdminKeyFile)
	must(t, err)
	key := strings.TrimSpace(string(text))
	if info.Mode().Perm() != 0o600 || len(key) < 32 {
		t.Fatalf("mode %v, %d characters", info.Mode(), len(key))
	}
	must(t, start(t, c))
	again, err := os.ReadFile(c.AdminKeyFile)
	must(t, err)
	if !bytes.Equal(text, again) {
		t.Fatal("a later start wrote another key")
	}
	c.AdminKey = key
	must(t, start(t, c))
	d := openWith(k, c)
	if d.adminID == 0 {
		t.Fatal("the key opens nothing")
	}
	for _, e := range []string{"contacts.db", "contacts.keys"} {
		raw, err := os.ReadFile(filepath.Join(c.Store.Dir, e))
		must(t, err)
		if bytes.Contains(raw, []byte(key)) {
			t.Fatalf("the key lies in %s", e)
		}
	}
}

func TestStartRefusesInSentences(t *testing.T) {
	says := func(err error, want string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want a sentence with %q", err, want)
		}
	}
	_, c := startConfig(t)
	c.AdminKey = "short"
	says(start(t, c), "at least 20 characters")
	c.AdminKey, c.AdminKeyFile = "", ""
	says(start(t, c), "neither LETHE_ADMIN_KEY nor a file")
	c.AdminKey = adminKey
	must(t, start(t, c))
	c.AdminKey = "another-key-of-twenty-letters"
	says(start(t, c), "not the key this installation was first started with")
	c.AdminKey = ""
	must(t, start(t, c))
	c.Store.Master = nil
	says(start(t, c), "master key")
}

// A first start that breaks off is continued by the next one, also with another key.
func TestFirstStartContinuesAfterACrash(t *testing.T) {
	for name, arm := range map[string]func(*faulty){
		"before the admin": func(f *faulty) { f.before.Store(true) },
		"after the admin":  func(f *faulty) { f.after.Store(true) },
		"before the end":   func(f *faulty) { f.late.Store(true) },
	} {
		t.Run(name, func(t *testing.T) {
			k, c := startConfig(t)
			s := &Service{}
			must(t, s.openFiles(t.Context(), c))
			kept := s.store(t)
			f := &faulty{Store: kept}
			arm(f)
			c.AdminKey = "the-key-of-the-first-attempt"
			if err := s.assemble(t.Context(), c, f, kept); err == nil {
				t.Fatal("the crash was not noticed")
			}
			must(t, s.Close(t.Context()))
			c.AdminKey = adminKey
			k.Clock.Advance(time.Second)
			d := openWith(k, c)
			me, err := d.agents.GetMe(d.admin, &contactsv1.GetMeRequest{})
			must(t, err)
			if me.GetAgent().GetRoleIds()[0] != 1 {
				t.Fatal(me)
			}
			_, err = d.issue("the-key-of-the-first-attempt")
			refused(t, err, faultv1.Reason_REASON_INVALID_CREDENTIALS)
			if got, _ := counts(d, d.adminID); got != "agents=1 api_keys=1 contacts=0" {
				t.Fatal(got)
			}
		})
	}
}

func TestWhoIsNoAgentAnyMoreGetsNoToken(t *testing.T) {
	d := open(t)
	id := d.agent("was@example.org", 4)
	made, err := d.identity.CreateApiKey(d.admin, &contactsv1.CreateApiKeyRequest{AgentId: id})
	must(t, err)
	p, err := d.faults.Store.Person(t.Context(), ring.Write, 1, id)
	must(t, err)
	p.Kind = person.Contact
	must(t, d.faults.Store.Update(t.Context(), p))
	_, err = d.issue(made.GetSecret())
	refused(t, err, faultv1.Reason_REASON_INVALID_CREDENTIALS)
}

func TestAKeyMadeWhileItsAgentIsErasedLeavesNothing(t *testing.T) {
	d := open(t)
	id := d.agent("leaver@example.org", 4)
	race := func() { d.erase(id) }
	d.faults.race.Store(&race)
	_, err := d.identity.CreateApiKey(d.admin, &contactsv1.CreateApiKeyRequest{AgentId: id})
	refused(t, err, faultv1.Reason_REASON_NOT_FOUND)
	if got, key := counts(d, id); got != "agents=0 api_keys=0 contacts=0" || key {
		t.Fatal(got, key)
	}
}
