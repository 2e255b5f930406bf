package app

import (
	"context"
	"crypto/ed25519"
	"errors"
	"time"

	"github.com/lethe-desk/lethe/services/contacts/internal/person"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/obs"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// signInEvery is how often an agent's last sign-in is written at most: a token
// lasts minutes, and the record need not follow each.
const signInEvery = time.Hour

// Token is a signed identity.
type Token struct {
	// Text is what a caller shows, Expires when it ends.
	Text    string
	Expires time.Time
	// Who it names.
	Account, Actor int64
	Role           authn.Role
}

// roles are the words for the numbers.
var roles = map[int64]authn.Role{
	person.RoleAccountAdmin:   authn.RoleAdmin,
	person.RoleAdmin:          authn.RoleAdmin,
	person.RoleSupervisor:     authn.RoleSupervisor,
	person.RoleAgent:          authn.RoleAgent,
	person.RolePrivacyOfficer: authn.RolePrivacyOfficer,
	person.RoleManagement:     authn.RoleManagement,
}

var errKey = errors.New("no agent to this api key")

// IssueToken exchanges an API key for a token. A key that is unknown, or whose
// agent is fenced or no longer an agent, is UNAUTHENTICATED, all in the same words.
func (a *App) IssueToken(ctx context.Context, apiKey string) (Token, error) {
	l, err := a.store.Lookup(ctx, authn.HashAPIKey(a.pepper, apiKey))
	var p *person.Person
	if err == nil {
		p, err = a.store.Person(ctx, ring.Read, l.Account, l.AgentID)
	}
	if errors.Is(err, docstore.ErrNotFound) || errors.Is(err, docstore.ErrFenced) || err == nil && p.Kind != person.Agent {
		return Token{}, fault.Unauthenticated(errKey)
	}
	if err != nil {
		return Token{}, storeFault(err, "api key", 0)
	}
	who := authn.Identity{Account: p.Account, Actor: p.ID, Role: roles[person.Strongest(p.Seat.RoleIDs)]}
	text, expires, err := a.signer.Sign(who)
	if err != nil {
		return Token{}, err
	}
	a.noteSignIn(ctx, p)
	return Token{Text: text, Expires: expires, Account: who.Account, Actor: who.Actor, Role: who.Role}, nil
}

// noteSignIn writes when an agent last signed in. Somebody else may be faster
// or a fence may fall; neither matters to the token.
func (a *App) noteSignIn(ctx context.Context, p *person.Person) {
	now := a.now()
	if last := p.Seat.LastLoginAt; last != nil && now.Sub(*last) < signInEvery {
		return
	}
	p.Active, p.Seat.LastLoginAt = true, &now
	err := a.store.Update(ctx, p)
	if err != nil && !errors.Is(err, docstore.ErrStale) && !errors.Is(err, docstore.ErrFenced) {
		a.log.WarnContext(ctx, "a sign-in could not be noted", obs.KeyCause, err.Error())
	}
}

// VerificationKeys returns what verifies the tokens.
func (a *App) VerificationKeys() []ed25519.PublicKey { return []ed25519.PublicKey{a.signer.Public()} }
