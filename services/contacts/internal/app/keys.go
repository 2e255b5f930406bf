package app

import (
	"context"
	"errors"

	"github.com/lethe-desk/lethe/services/contacts/internal/person"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/ids"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// CreateKey makes an API key for an agent and returns its secret, which is kept
// nowhere. The former agent gets none: METHOD_NOT_ALLOWED.
func (a *App) CreateKey(ctx context.Context, account, agent int64) (person.Key, string, error) {
	if agent == ids.FormerAgent {
		return person.Key{}, "", errFormerAgent()
	}
	if _, err := a.GetAgent(ctx, account, agent); err != nil {
		return person.Key{}, "", err
	}
	secret := authn.NewAPIKey()
	for range idTries {
		k := person.Key{Account: account, ID: a.newID(), AgentID: agent, CreatedAt: a.now()}
		err := a.putKey(ctx, k, a.newID(), authn.HashAPIKey(a.pepper, secret))
		if err == nil {
			return k, secret, nil
		}
		if !errors.Is(err, docstore.ErrExists) {
			return person.Key{}, "", storeFault(err, "agent", agent)
		}
	}
	return person.Key{}, "", fault.Unavailable(errors.New("no free id could be drawn"))
}

// putKey writes a key's record, which the agent's fences may refuse, and then
// what leads to it, which they do not reach. An erasure may pass between the two,
// so the record is looked at again and the lookup taken back when it has gone.
func (a *App) putKey(ctx context.Context, k person.Key, lookup int64, hash string) error {
	if err := a.store.InsertKey(ctx, k); err != nil {
		return err
	}
	err := a.store.InsertLookup(ctx, person.Lookup{ID: lookup, Hash: hash, Account: k.Account, AgentID: k.AgentID, KeyID: k.ID})
	if err != nil {
		return errors.Join(err, a.store.DeleteKey(ctx, k.Account, k.ID))
	}
	if _, err := a.store.Key(ctx, ring.Read, k.Account, k.ID); err != nil {
		return errors.Join(err, a.store.DeleteLookups(ctx, k.Account, k.AgentID, k.ID))
	}
	return nil
}

// RevokeKey takes an agent's key away: it opens nothing when the call returns.
// It works behind the agent's fences, too, for a key can only lose by it.
func (a *App) RevokeKey(ctx context.Context, account, agent, id int64) error {
	k, err := a.store.Key(ctx, ring.Sweep, account, id)
	if err == nil && k.AgentID != agent {
		err = docstore.ErrNotFound
	}
	if err == nil {
		err = a.store.DeleteLookups(ctx, account, agent, id)
	}
	if err == nil {
		err = a.store.DeleteKey(ctx, account, id)
	}
	return storeFault(err, "api key", id)
}
