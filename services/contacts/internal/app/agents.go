package app

import (
	"context"
	"errors"
	"slices"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	"github.com/lethe-desk/lethe/services/contacts/internal/person"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/ids"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// idTries bounds how often an id that is taken is drawn again.
const idTries = 16

// CreateAgent makes an agent. A taken address is a DUPLICATE_VALUE.
func (a *App) CreateAgent(ctx context.Context, account int64, in person.AgentInput) (*person.Person, error) {
	in.Clean(nfc)
	if err := invalid(in.CheckNew()); err != nil {
		return nil, err
	}
	for range idTries {
		p := a.newAgent(account, a.newID(), in)
		err := a.insert(ctx, p)
		if err == nil {
			return p, nil
		}
		if !errors.Is(err, docstore.ErrExists) {
			return nil, storeFault(taker(err), "agent", 0)
		}
	}
	return nil, fault.Unavailable(errors.New("no free id could be drawn"))
}

func (a *App) newAgent(account, id int64, in person.AgentInput) *person.Person {
	now := a.now()
	p := &person.Person{Account: account, ID: id, CreatedAt: now, UpdatedAt: now}
	in.New(p)
	p.Seat.AvailableSince = &now
	return p
}

// GetAgent reads an agent; one who is fenced is not found, or refused while
// restricted. The account's former agent is always there.
func (a *App) GetAgent(ctx context.Context, account, id int64) (*person.Person, error) {
	if id == ids.FormerAgent {
		return formerAgent(account), nil
	}
	p, err := a.store.Person(ctx, ring.Read, account, id)
	if errors.Is(err, docstore.ErrFenced) {
		return nil, a.withheldAgent(ctx, account, id)
	}
	if err == nil && p.Kind != person.Agent {
		err = fault.NotFound("agent", id)
	}
	if err != nil {
		return nil, storeFault(err, "agent", id)
	}
	return p, nil
}

// withheldAgent is withheld for reads of an agent: there is no view of a deleted one.
func (a *App) withheldAgent(ctx context.Context, account, id int64) error {
	err := a.withheld(ctx, "agent", account, id)
	if fault.Has(err, faultv1.Reason_REASON_METHOD_NOT_ALLOWED) {
		return fault.NotFound("agent", id)
	}
	return err
}

// The states a list of agents can be limited to.
const (
	stateFulltime   = "fulltime"
	stateOccasional = "occasional"
)

// ListAgents returns one page and whether there is a next one.
func (a *App) ListAgents(ctx context.Context, f person.Filter, state string) ([]*person.Person, bool, error) {
	f.Kind = person.Agent
	yes, no := true, false
	switch state {
	case "":
	case stateFulltime:
		f.Occasional = &no
	case stateOccasional:
		f.Occasional = &yes
	default:
		return nil, false, fault.InvalidValue("state", "It should be one of these values: 'fulltime,occasional'")
	}
	return a.find(ctx, f)
}

// UpdateAgent changes the fields named by the paths. An agent cannot change
// their own scope or roles: naming them with another value than they have is denied. The
// former agent is METHOD_NOT_ALLOWED.
func (a *App) UpdateAgent(ctx context.Context, account, actor, id int64, in person.AgentInput, paths []string) (*person.Person, error) {
	if id == ids.FormerAgent {
		return nil, errFormerAgent()
	}
	in.Clean(nfc)
	if err := invalid(in.CheckChange(paths)); err != nil {
		return nil, err
	}
	return a.change(ctx, "agent", account, id, func(p *person.Person) error {
		if p.Kind != person.Agent {
			return fault.NotFound("agent", id)
		}
		scope, roles := p.Seat.Scope, slices.Sorted(slices.Values(p.Seat.RoleIDs))
		in.Change(p, paths)
		same := p.Seat.Scope == scope && slices.Equal(roles, slices.Sorted(slices.Values(p.Seat.RoleIDs)))
		if actor == id && !same {
			return fault.Denied(faultv1.Reason_REASON_ACCESS_DENIED)
		}
		return nil
	}, len(paths) > 0)
}
