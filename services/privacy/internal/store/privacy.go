// Package store keeps privacy's documents: the subjects' mutexes, requests,
// exports and sagas. Only exports hold anything of a person, and are owned and
// sealed by it; the rest holds ids, states, times and codes.
package store

import (
	"context"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
)

// Subject is the one document per person that orders what sagas do to it: the
// mutex of mutating sagas and the source of their sequence. Meta.ID is the person.
type Subject struct {
	docstore.Meta
	Sequence int64 `doc:"sequence" why:"order of the subject's sagas, in no contract field"`
	// Active is the last mutating saga; its row may not exist yet, then this is the intent to create it.
	Active      string            `doc:"active" why:"reference to a run, in no contract field"`
	ActiveKind  string            `doc:"active_kind" why:"kind of that run, in no contract field"`
	ActiveRefs  map[string]string `doc:"active_refs" why:"references of that run, in no contract field"`
	RequestedBy int64             `doc:"requested_by" field:"lethe.privacy.v1.Request.requested_by"`
	// HiddenBy is the soft delete whose fences stand, or are about to.
	HiddenBy string `doc:"hidden_by" why:"reference to a run, in no contract field"`
}

// Export is a stored export. Owner is the person.
type Export struct {
	docstore.Meta
	State   string `doc:"state" field:"lethe.privacy.v1.Export.state"`
	Size    int64  `doc:"size" field:"lethe.privacy.v1.Export.size"`
	SHA256  string `doc:"sha256" field:"lethe.privacy.v1.Export.sha256"`
	Records int64  `doc:"records" field:"lethe.privacy.v1.Export.records"`
	Files   int64  `doc:"files" field:"lethe.privacy.v1.Export.files"`
	SagaID  string `doc:"saga_id" field:"lethe.privacy.v1.Export.saga_id"`
	// ExpiresAt is zero until the archive is ready.
	ExpiresAt time.Time `doc:"expires_at" field:"lethe.privacy.v1.Export.expires_at"`
	// Archive and Parts are opaque names of sealed blobs, Parts by participant.
	Archive string            `doc:"archive" why:"opaque name of a sealed blob"`
	Parts   map[string]string `doc:"parts" why:"opaque names of sealed blobs by participant"`
	// Key opens the archive and the parts; it goes with the person's key.
	Key []byte `doc:"key,seal" why:"key of the blobs, in no contract field"`
}

// Privacy is the set of collections besides the sagas.
type Privacy struct {
	db       *docstore.DB
	Subjects *docstore.Collection[Subject]
	Requests *Requests
	Exports  *docstore.Collection[Export]
}

// Bind declares the collections.
func Bind(ctx context.Context, db *docstore.DB) (*Privacy, error) {
	p := Privacy{db: db}
	var err error
	if p.Subjects, err = docstore.Bind[Subject](ctx, db, docstore.Spec{Name: "subjects"}); err != nil {
		return nil, err
	}
	if p.Requests, err = bindRequests(ctx, db); err != nil {
		return nil, err
	}
	p.Exports, err = docstore.Bind[Export](ctx, db, docstore.Spec{Name: "exports", Indexes: []docstore.Index{
		{Name: "expiry", Fields: []string{"state", "expires_at"}, Global: true},
	}})
	return &p, err
}
