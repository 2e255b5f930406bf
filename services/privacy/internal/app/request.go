package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/privacy/internal/flow"
	"github.com/lethe-desk/lethe/services/privacy/internal/request"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
	"github.com/lethe-desk/lethe/services/privacy/internal/store"
)

// Raise is what is needed to raise a request.
type Raise struct {
	Kind string
	// Contact is the person; with a Ticket it may be 0 and is the ticket's requester.
	Contact int64
	// Ticket is the one ticket to erase; 0 means the person.
	Ticket int64
	// Direct approves the request on the caller's own authority.
	Direct bool
	// Key makes raising repeatable; "" does not.
	Key string
	// onlyHidden makes an erasure one that is refused unless the person is soft deleted.
	onlyHidden bool
}

// Request is a request with the state its saga gives it.
type Request struct {
	*store.Request
	State    string
	ClosedAt time.Time
	// Holdings are what somebody who decides has to know; nil but for one request that waits.
	Holdings []flow.Holding
}

// CreateRequest raises a request. It waits for a decision, or with Direct is
// approved on the caller's own authority and started: once stored such a one is
// never lost, and answered as approved when it cannot be started now. The same
// key answers the request it was first used for, and KEY_REUSED when that was another one.
func (a *App) CreateRequest(ctx context.Context, in Raise) (*Request, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	if in.Direct {
		if err := a.mayDirect(ctx); err != nil {
			return nil, err
		}
	}
	doc, err := a.byKey(ctx, in)
	if err == nil && doc == nil {
		if in, err = a.known(ctx, in); err == nil {
			doc, err = a.raise(ctx, in)
		}
	}
	if err != nil {
		return nil, err
	}
	a.startNow(ctx, doc)
	return a.state(ctx, doc)
}

func (in Raise) check() error {
	switch {
	case in.Kind == "":
		return fault.Missing("kind")
	case !slices.Contains(request.Kinds(), in.Kind):
		return fault.InvalidValue("kind", "It should be one of these values: 'erasure,export'")
	case in.Ticket != 0 && in.Kind != request.Erasure:
		return fault.InvalidValue("ticket_id", "It should be given with the kind erasure only")
	case in.Contact == 0 && in.Ticket == 0:
		return fault.Missing("contact_id")
	}
	return nil
}

// mayDirect refuses a caller who may not decide alone.
func (a *App) mayDirect(ctx context.Context) error {
	if !caller(ctx).May(optionsv1.Permission_PERMISSION_ERASURE_DIRECT) {
		return fault.Denied(faultv1.Reason_REASON_ACCESS_DENIED).With("permission", "erasure_direct")
	}
	return a.twoDecide()
}

// twoDecide refuses what one person would do alone while four eyes are on.
func (a *App) twoDecide() error {
	if !a.FourEyes {
		return nil
	}
	return fault.New(fault.KindDenied, faultv1.Reason_REASON_FOUR_EYES,
		"two people decide here: raise a request at /api/v2/privacy/requests without direct, and let somebody else approve it")
}

// known refuses a request about nobody, and fills in whose ticket is meant. A
// person who is being erased is nobody to contacts; a further erasure joins the
// one that is under way.
func (a *App) known(ctx context.Context, in Raise) (Raise, error) {
	if in.Ticket != 0 {
		owner, err := a.requester(ctx, caller(ctx).Account, in.Ticket)
		switch {
		case fault.Is(err, fault.KindNotFound):
			return in, fault.InvalidValue("ticket_id", "There is no ticket matching the given ticket_id")
		case err != nil:
			return in, err
		case in.Contact != 0 && in.Contact != owner:
			return in, fault.InvalidValue("contact_id", "It should be the requester of the ticket, or left out")
		}
		in.Contact = owner
	} else if err := a.someone(ctx, in); err != nil {
		return in, err
	}
	if in.Direct && in.Kind == request.Erasure && in.Ticket == 0 {
		return in, a.replaceable(ctx, caller(ctx).Account, in.Contact)
	}
	return in, nil
}

func (a *App) someone(ctx context.Context, in Raise) error {
	if in.Kind == request.Erasure {
		if running, err := a.erasing(ctx, in.Contact); err == nil && running != "" {
			return nil
		} else if err != nil && !fault.Is(err, fault.KindNotFound) {
			return err
		}
	}
	_, err := a.anybody(ctx, in.Contact)
	if fault.Is(err, fault.KindNotFound) {
		return fault.InvalidValue("contact_id", "There is no contact matching the given contact_id")
	}
	return err
}

// byKey finds the request that was raised with the same idempotency key; nil when there is none.
func (a *App) byKey(ctx context.Context, in Raise) (*store.Request, error) {
	hash := keyHash(in.Key)
	if hash == nil {
		return nil, nil
	}
	page, err := a.Store.Requests.Find(ctx, caller(ctx).Account, docstore.Query{Index: "key", Eq: []any{*hash}, Limit: 1})
	if err != nil || len(page.Items) == 0 {
		return nil, storeFault("request", 0, err)
	}
	old := page.Items[0]
	samePerson := old.ContactID == in.Contact || in.Contact == 0 && in.Ticket != 0
	if old.Kind != in.Kind || old.TicketID != in.Ticket || !samePerson || old.Direct != in.Direct {
		return nil, fault.Conflict(faultv1.Reason_REASON_KEY_REUSED)
	}
	return old, nil
}

func keyHash(key string) *string {
	if key == "" {
		return nil
	}
	sum := sha256.Sum256([]byte("request/" + key))
	s := hex.EncodeToString(sum[:])
	return &s
}

// raise stores the request, or finds the equal one that somebody else has just
// stored with the same key.
func (a *App) raise(ctx context.Context, in Raise) (*store.Request, error) {
	for {
		doc := a.newRequest(ctx, in)
		err := a.Store.Requests.Insert(ctx, doc)
		if !errors.Is(err, docstore.ErrExists) {
			return doc, decisionFault(err)
		}
		if old, err := a.byKey(ctx, in); err != nil || old != nil {
			return old, err
		}
		// The id was taken: ids are drawn again.
	}
}

func (a *App) newRequest(ctx context.Context, in Raise) *store.Request {
	who, now := caller(ctx), a.Now()
	doc := &store.Request{
		Meta:  docstore.Meta{Account: who.Account, ID: a.NewID(), CreatedAt: now, UpdatedAt: now},
		State: store.Received, Kind: in.Kind, ContactID: in.Contact, TicketID: in.Ticket, RequestedBy: who.Actor,
		SagaID: saga.NewID(who.Account), DueBy: request.Due(now), KeyHash: keyHash(in.Key),
		FourEyes: a.FourEyes, Direct: in.Direct, OnlyHidden: in.onlyHidden,
	}
	if in.Kind == request.Export {
		doc.ExportID = a.NewID()
	}
	if in.Direct {
		doc.State, doc.ApprovedBy, doc.DecidedAt = store.Approved, who.Actor, now
	}
	return doc
}
