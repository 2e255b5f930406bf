package store

import (
	"context"
	"errors"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// The states of a stored request.
const (
	// Received requests wait for somebody's decision.
	Received = "received"
	// Approved requests have no saga yet; they are carried out as soon as that is possible.
	Approved = "approved"
	// Started requests have the state of their saga.
	Started = "started"
	// Refused requests are closed without a saga: somebody refused them, or they can never be carried out.
	Refused = "refused"
)

// Request is a stored request. Once it is started its state is that of its saga.
type Request struct {
	docstore.Meta
	State       string `doc:"state" field:"lethe.privacy.v1.Request.state"`
	Kind        string `doc:"kind" field:"lethe.privacy.v1.Request.kind"`
	ContactID   int64  `doc:"contact_id" field:"lethe.privacy.v1.Request.contact_id"`
	TicketID    int64  `doc:"ticket_id" field:"lethe.privacy.v1.Request.ticket_id"`
	RequestedBy int64  `doc:"requested_by" field:"lethe.privacy.v1.Request.requested_by"`
	ApprovedBy  int64  `doc:"approved_by" field:"lethe.privacy.v1.Request.approved_by"`
	RefusedBy   int64  `doc:"refused_by" field:"lethe.privacy.v1.Request.refused_by"`
	Ground      string `doc:"ground" field:"lethe.privacy.v1.Request.ground"`
	// SagaID is the saga it gets, drawn when it is raised, or the one it has joined.
	SagaID   string    `doc:"saga_id" field:"lethe.privacy.v1.Request.saga_id"`
	ExportID int64     `doc:"export_id" field:"lethe.privacy.v1.Request.export_id"`
	DueBy    time.Time `doc:"due_by" field:"lethe.privacy.v1.Request.due_by"`
	// DecidedAt is zero while nobody has approved or refused it.
	DecidedAt time.Time `doc:"decided_at" field:"lethe.privacy.v1.Request.decided_at"`
	// ClosedAt is set for a refused request; else it is when the saga ended.
	ClosedAt time.Time `doc:"closed_at" field:"lethe.privacy.v1.Request.closed_at"`
	// FourEyes requests are approved by somebody else than who raised them.
	FourEyes bool `doc:"four_eyes" why:"condition of the approval, in no contract field"`
	// Direct requests were approved by whoever raised them, in the same write.
	Direct bool `doc:"direct" why:"how it was raised, in no contract field"`
	// OnlyHidden erasures are refused when the person is not soft deleted at their start.
	OnlyHidden bool `doc:"only_hidden" why:"condition of an erasure, in no contract field"`
	// KeyHash is the hash of the idempotency key it was raised with, nil when there was none.
	KeyHash *string `doc:"key_hash" why:"hash of a request's key, which names no person"`
}

// ErrOwnApproval means that a request would be approved by the person it is about.
var ErrOwnApproval = errors.New("a request is never approved by whom it is about")

// ErrFourEyes means that a request would be approved by who raised it, where two people have to decide.
var ErrFourEyes = errors.New("a request has to be approved by somebody else than who raised it")

// errDecision means that a request would be stored with half a decision.
var errDecision = errors.New("a request is approved or refused by somebody")

// Requests is the collection of requests. Whoever writes one passes the rule of
// who may approve: it stands here, in the write, and not with the callers.
type Requests struct {
	docs *docstore.Collection[Request]
}

func bindRequests(ctx context.Context, db *docstore.DB) (*Requests, error) {
	docs, err := docstore.Bind[Request](ctx, db, docstore.Spec{Name: "requests", Indexes: []docstore.Index{
		{Name: "contact", Fields: []string{"contact_id"}},
		{Name: "state", Fields: []string{"state"}, Global: true},
		{Name: "key", Fields: []string{"key_hash"}, Unique: true},
	}})
	return &Requests{docs: docs}, err
}

// decided returns why a request may not be stored as it is.
func (r *Request) decided() error {
	switch r.State {
	case Received:
		if r.ApprovedBy != 0 || r.RefusedBy != 0 {
			return errDecision
		}
	case Approved, Started:
		return r.approved()
	}
	return nil
}

// approved returns why whoever has approved the request may not.
func (r *Request) approved() error {
	switch {
	case r.ApprovedBy == 0:
		return errDecision
	case r.ApprovedBy == r.ContactID:
		return ErrOwnApproval
	case r.FourEyes && r.ApprovedBy == r.RequestedBy:
		return ErrFourEyes
	}
	return nil
}

// Insert stores a new request: docstore.ErrExists when its id or key is taken,
// ErrOwnApproval or ErrFourEyes when it is approved by the wrong person.
func (r *Requests) Insert(ctx context.Context, doc *Request) error {
	if err := doc.decided(); err != nil {
		return err
	}
	return r.docs.Insert(ctx, ring.Write, doc)
}

// Update is a compare-and-swap on the revision: docstore.ErrStale when somebody
// was faster, ErrOwnApproval or ErrFourEyes when it is approved by the wrong person.
func (r *Requests) Update(ctx context.Context, doc *Request) error {
	if err := doc.decided(); err != nil {
		return err
	}
	return r.docs.Update(ctx, ring.Write, doc)
}

// Get reads one request; docstore.ErrNotFound.
func (r *Requests) Get(ctx context.Context, account, id int64) (*Request, error) {
	return r.docs.Get(ctx, ring.Read, account, id)
}

// Find reads a page of requests.
func (r *Requests) Find(ctx context.Context, account int64, q docstore.Query) (docstore.Page[Request], error) {
	return r.docs.Find(ctx, ring.Read, account, q)
}
