package gateway

import (
	"crypto/ed25519"
	"encoding/base64"
	"strings"
	"sync"
	"testing"
	"time"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"google.golang.org/protobuf/proto"
)

const unauthorized = `{"code":"invalid_credentials","message":"You have to be logged in to perform this action."}`

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func TestWaysToShowAKey(t *testing.T) {
	w := start(t, nil)
	w.on(contactsv1.ContactsService_GetContact_FullMethodName, contact(1, "A"), nil)
	for _, header := range []string{"Basic " + b64(goodKey+":X"), "basic " + b64(goodKey+":"), "Basic " + b64(goodKey), "BASIC " + b64(goodKey+":a:b"), b64(goodKey + ":X"), strings.TrimRight(b64(goodKey+":"), "=")} {
		w.do("GET", "/api/v2/contacts/1", "", "Authorization", header).want(t, 200, "*")
	}
	if w.issued != 1 {
		t.Errorf("%d tokens for one key", w.issued)
	}
	for _, header := range []string{"", "Basic", "Basic ", "Basic !!!", "Basic " + b64(":X"), "Basic " + b64("wrong-key:X"), "Digest abc", "wrong", "Bearer", "Bearer ", "Basic " + b64(strings.Repeat("k", 300)), strings.Repeat("A", 20_000)} {
		r := w.do("GET", "/api/v2/contacts/1", "", "Authorization", header)
		r.want(t, 401, unauthorized)
		if r.Header.Get("WWW-Authenticate") == "" {
			t.Error("no challenge")
		}
	}
}

func TestTokensAreKeptUntilAMinuteBeforeTheirEnd(t *testing.T) {
	w := start(t, nil)
	w.on(contactsv1.ContactsService_GetContact_FullMethodName, contact(1, "A"), nil)
	get := func(want int) {
		t.Helper()
		w.do("GET", "/api/v2/contacts/1", "").want(t, 200, "*")
		if w.issued != want {
			t.Errorf("%d tokens, want %d", w.issued, want)
		}
	}
	get(1)
	w.clock.add(9*time.Minute - time.Second)
	get(1)
	w.clock.add(time.Second)
	get(2)
}

func TestWrongKeysAreRememberedForASecond(t *testing.T) {
	w := start(t, nil)
	for range 5 {
		w.do("GET", "/api/v2/contacts/1", "", "Authorization", basic("wrong")).want(t, 401, unauthorized)
	}
	if w.issued != 1 {
		t.Errorf("contacts was asked %d times", w.issued)
	}
	w.clock.add(time.Second)
	w.do("GET", "/api/v2/contacts/1", "", "Authorization", basic("wrong")).want(t, 401, unauthorized)
	if w.issued != 2 {
		t.Errorf("contacts was asked %d times", w.issued)
	}
	for range 2 {
		r := w.do("GET", "/api/v2/contacts/1", "", "Authorization", basic(brokenKey))
		r.want(t, 503, `{"code":"unavailable","message":"not available now; try again"}`)
		if r.Header.Get("Retry-After") != "1" {
			t.Error("no Retry-After")
		}
	}
	if w.issued != 4 {
		t.Error("a failure of contacts was remembered as a wrong key")
	}
}

func TestManyAtOnceExchangeAKeyOnce(t *testing.T) {
	w := start(t, nil)
	w.on(contactsv1.ContactsService_GetContact_FullMethodName, contact(1, "A"), nil)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { w.do("GET", "/api/v2/contacts/1", "").want(t, 200, "*") })
	}
	wg.Wait()
	if w.issued != 1 {
		t.Errorf("%d tokens", w.issued)
	}
}

func TestBearerTokens(t *testing.T) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	var signer *authn.Signer
	w := start(t, func(c *Config) {
		signer = authn.NewSigner(key, c.Now)
		c.Verifier = authn.NewVerifier(c.Now, signer.Public())
		c.RateLimit = 2
	})
	w.on(contactsv1.ContactsService_GetContact_FullMethodName, contact(1, "A"), nil)
	token, _, err := signer.Sign(authn.Identity{Account: 7, Actor: 3, Role: authn.RoleAgent})
	if err != nil {
		t.Fatal(err)
	}
	w.do("GET", "/api/v2/contacts/1", "", "Authorization", "Bearer "+token).want(t, 200, "*")
	if got := w.last(t).md.Get("authorization"); got[0] != "Bearer "+token {
		t.Error(got)
	}
	// A bearer token and a key of one account share its calls.
	w.do("GET", "/api/v2/contacts/1", "").want(t, 200, "*")
	w.do("GET", "/api/v2/contacts/1", "", "Authorization", "Bearer "+token).want(t, 429, "*")
	w.do("GET", "/api/v2/contacts/1", "", "Authorization", "Bearer "+token+"x").want(t, 401, unauthorized)
	w.clock.add(11 * time.Minute)
	w.do("GET", "/api/v2/contacts/1", "", "Authorization", "Bearer "+token).want(t, 401, unauthorized)
}

func TestBearerTokensNobodyHereCanReadArePassedOn(t *testing.T) {
	w := start(t, func(c *Config) { c.RateLimit = 1 })
	w.on(contactsv1.ContactsService_GetContact_FullMethodName, contact(1, "A"), nil)
	w.do("GET", "/api/v2/contacts/1", "", "Authorization", "Bearer abc").want(t, 200, "*")
	w.do("GET", "/api/v2/contacts/1", "", "Authorization", "Bearer abc").want(t, 429, "*")
	w.do("GET", "/api/v2/contacts/1", "", "Authorization", "Bearer def").want(t, 200, "*")
}

func TestRateLimit(t *testing.T) {
	w := start(t, func(c *Config) { c.RateLimit = 60 })
	w.on(contactsv1.ContactsService_GetContact_FullMethodName, contact(1, "A"), nil)
	w.on(ticketsv1.TicketsService_GetTicket_FullMethodName, &ticketsv1.GetTicketResponse{Ticket: &ticketsv1.Ticket{Id: proto.Int64(1)}}, nil)
	w.on(ticketsv1.TicketsService_ListTickets_FullMethodName, &ticketsv1.ListTicketsResponse{}, nil)
	check := func(r reply, status int, total, left, used string) {
		t.Helper()
		r.want(t, status, "*")
		h := r.Header
		if h.Get("X-RateLimit-Total") != total || h.Get("X-RateLimit-Remaining") != left || h.Get("X-RateLimit-Used-CurrentRequest") != used {
			t.Errorf("%v", h)
		}
	}
	check(w.do("GET", "/api/v2/contacts/1", ""), 200, "60", "59", "1")
	check(w.do("POST", "/api/v2/contacts", "{"), 400, "60", "58", "1")
	check(w.do("GET", "/api/v2/tickets/1?include=stats,requester", ""), 200, "60", "55", "3")
	check(w.do("GET", "/api/v2/tickets?include=stats", ""), 200, "60", "52", "3")
	for range 52 {
		w.do("GET", "/api/v2/contacts/1", "").want(t, 200, "*")
	}
	r := w.do("GET", "/api/v2/contacts/1", "")
	check(r, 429, "60", "0", "0")
	r.want(t, 429, `{"code":"rate_limited","message":"You have used up your calls for now."}`)
	if r.Header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After %q", r.Header.Get("Retry-After"))
	}
	check(w.do("GET", "/api/v2/contacts/1", "", "Authorization", basic(otherKey)), 200, "60", "59", "1")
	check(w.do("GET", "/api/v2/contacts/1", "", "Authorization", basic(serviceKey)), 200, "", "", "")
	w.clock.add(time.Second)
	check(w.do("GET", "/api/v2/contacts/1", ""), 200, "60", "0", "1")
}
