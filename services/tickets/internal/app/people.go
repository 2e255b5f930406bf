package app

import (
	"context"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/tickets/internal/ticket"
)

const noPerson = "There is no contact matching the given requester"

// asker is the requester of a new ticket.
type asker struct {
	id int64
	// spam says that the ticket is filed as spam, because its sender is soft deleted.
	spam    bool
	purpose ring.Purpose
}

// requester finds who asks, makes a contact of a new address, and checks the agent in
// charge in the same call.
func (a *App) requester(ctx context.Context, c Caller, in *ticket.Input) (asker, error) {
	refs := []ticket.Who{in.Requester}
	if in.Responder != nil {
		refs = append(refs, ticket.Who{ID: in.Responder})
	}
	people, err := a.People.Resolve(ctx, c.Account, refs, in.Requester.ID == nil)
	if err != nil {
		return asker{}, contactsFault(err, in.Requester.Field())
	}
	field := in.Requester.Field()
	p := people[0]
	if p == nil {
		return asker{}, fault.InvalidValue(field, noPerson)
	}
	if in.Responder != nil {
		if err := isAgent(people[1]); err != nil {
			return asker{}, err
		}
	}
	modes, err := a.Ring.Modes(ctx, ring.Subject{Account: c.Account, ID: p.ID})
	if err != nil {
		return asker{}, storeFault(err)
	}
	if p.Hidden {
		modes |= ring.Hidden
	}
	switch modes.Strictest() {
	case 0:
		return asker{id: p.ID, purpose: ring.Write}, nil
	case ring.Restricted:
		return asker{}, fault.Denied(faultv1.Reason_REASON_RESTRICTED)
	case ring.Hidden:
		if in.Requester.ID == nil {
			return asker{id: p.ID, spam: true, purpose: ring.FileSpam}, nil
		}
	}
	return asker{}, fault.InvalidValue(field, noPerson)
}

func isAgent(p *Person) error {
	if p == nil || !p.Agent || p.Hidden {
		return fault.InvalidValue("responder_id", "There is no agent matching the given responder_id")
	}
	return nil
}

// checkAgent checks an agent in charge who is newly named.
func (a *App) checkAgent(ctx context.Context, c Caller, id *int64) error {
	if id == nil {
		return nil
	}
	people, err := a.People.Resolve(ctx, c.Account, []ticket.Who{{ID: id}}, false)
	if err != nil {
		return contactsFault(err, "responder_id")
	}
	return isAgent(people[0])
}

// author returns who writes: the caller unless somebody else is named, who must exist.
func (a *App) author(ctx context.Context, c Caller, id *int64) (int64, error) {
	if id == nil || *id == c.Actor {
		return c.Actor, nil
	}
	people, err := a.People.Resolve(ctx, c.Account, []ticket.Who{{ID: id}}, false)
	if err != nil {
		return 0, contactsFault(err, "user_id")
	}
	if people[0] == nil || people[0].Hidden {
		return 0, fault.InvalidValue("user_id", "There is no contact or agent matching the given user_id")
	}
	return *id, nil
}

// findPerson finds whose tickets a list is asked for; 0 when nobody has the address.
func (a *App) findPerson(ctx context.Context, c Caller, who ticket.Who) (int64, error) {
	people, err := a.People.Resolve(ctx, c.Account, []ticket.Who{who}, false)
	if err != nil {
		return 0, contactsFault(err, who.Field())
	}
	if people[0] == nil {
		return 0, nil
	}
	return people[0].ID, nil
}

// contactsFault makes our answer of a refusal of contacts: what it found wrong with a
// value is wrong with ours, and it speaks the same field names; what is down is down.
func contactsFault(err error, field string) error {
	f, ok := fault.As(err)
	switch {
	case !ok:
		return err
	case f.Kind == fault.KindInvalid || f.Kind == fault.KindExists:
		known := map[string]bool{"email": true, "phone": true, "twitter_id": true, "unique_external_id": true, "name": true}
		var bad []fault.Violation
		for _, v := range f.Violations {
			if !known[v.Field] {
				v.Field = field
			}
			bad = append(bad, v)
		}
		if len(bad) == 0 {
			return fault.InvalidValue(field, noPerson)
		}
		return fault.Invalid(bad...)
	case f.Reason == faultv1.Reason_REASON_RESTRICTED:
		return fault.Denied(faultv1.Reason_REASON_RESTRICTED)
	case f.Kind == fault.KindNotFound, f.Reason == faultv1.Reason_REASON_FENCED:
		return fault.InvalidValue(field, noPerson)
	}
	return err
}
