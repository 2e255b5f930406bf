package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/dial"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
)

// Over the open listeners nobody but privacy is obeyed by participants: the key
// of tickets, which whoever breaks into tickets has, does not make it privacy.
func TestTicketsCannotPassForPrivacy(t *testing.T) {
	d := newDesk(t)
	folder := filepath.Join(d.dir, "identity")
	ask := func(key, as string) error {
		t.Helper()
		signer, err := authn.OpenIdentity(folder, key, "", time.Now)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := dial.New(d.addrs.GRPC["contacts"], dial.Options{Source: authn.NewServiceSource(signer, as)})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, err = participantv1.NewPersonalDataServiceClient(conn).DescribeHoldings(authn.WithAccount(t.Context(), 1), &participantv1.DescribeHoldingsRequest{})
		return err
	}
	if err := ask("privacy", "privacy"); err != nil {
		t.Fatalf("the control: %v", err)
	}
	if err := ask("tickets", "privacy"); !fault.Is(err, fault.KindUnauthenticated) {
		t.Errorf("tickets passed for privacy: %v", err)
	}
	if err := ask("tickets", "tickets"); !fault.Is(err, fault.KindDenied) {
		t.Errorf("tickets as itself: %v", err)
	}
}

// A desk of before has one key for all services: it becomes that of contacts, and tokens that are out stay good.
func TestDeskWithOneIdentityStarts(t *testing.T) {
	d := newDesk(t)
	ben := d.populate("ben", 1)
	d.stop()
	folder := filepath.Join(d.dir, "identity")
	old := filepath.Join(d.dir, "identity.key")
	if err := os.Rename(filepath.Join(folder, "contacts.key"), old); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	key, err := authn.LoadOrCreateKey(old)
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := authn.NewSigner(key, time.Now).Sign(authn.Identity{Account: 1, Actor: 1, Role: authn.RoleAdmin})
	if err != nil {
		t.Fatal(err)
	}
	d = open(t, d.dir)
	if _, err := os.Stat(old); err == nil {
		t.Error("the old key is still there")
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.base+"/api/v2/contacts/"+ben.contact, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("a token of before: status %d", res.StatusCode)
	}
	d.request("erasure", ben.contact)
	d.gone(ben)
}
