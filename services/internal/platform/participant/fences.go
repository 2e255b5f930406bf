package participant

import (
	"context"
	"errors"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

var modes = map[participantv1.Mode]ring.Mode{
	participantv1.Mode_MODE_HIDDEN:     ring.Hidden,
	participantv1.Mode_MODE_RESTRICTED: ring.Restricted,
	participantv1.Mode_MODE_ERASING:    ring.Erasing,
	participantv1.Mode_MODE_ERASED:     ring.Erased,
}

// order keeps answers that list modes in one order.
var order = []participantv1.Mode{
	participantv1.Mode_MODE_HIDDEN, participantv1.Mode_MODE_RESTRICTED,
	participantv1.Mode_MODE_ERASING, participantv1.Mode_MODE_ERASED,
}

// subject reads the subject of a call and refuses one of another account.
func subject(ctx context.Context, s *participantv1.Subject) (ring.Subject, error) {
	if s.GetAccount() <= 0 || s.GetId() <= 0 {
		return ring.Subject{}, missing("subject")
	}
	if id, ok := authn.FromContext(ctx); !ok || id.Account != s.GetAccount() {
		return ring.Subject{}, fault.Denied(faultv1.Reason_REASON_ACCESS_DENIED)
	}
	return ring.Subject{Account: s.GetAccount(), ID: s.GetId()}, nil
}

func token(t *participantv1.Token) ring.Token {
	return ring.Token{Sequence: t.GetSequence(), Epoch: t.GetEpoch(), Stage: t.GetStage()}
}

// sagaCall is what every call of a saga that changes something says.
type sagaCall interface {
	GetSubject() *participantv1.Subject
	GetSaga() string
	GetToken() *participantv1.Token
}

// asked reads whom a saga's call is about, and under which token it comes.
func asked(ctx context.Context, in sagaCall) (ring.Subject, ring.Token, error) {
	who, err := subject(ctx, in.GetSubject())
	if err == nil && (in.GetSaga() == "" || in.GetToken() == nil) {
		err = missing("saga")
	}
	return who, token(in.GetToken()), err
}

// Fence adds a fence; it stands on disk when the call returns. Repeating it changes nothing.
func (s *Server) Fence(ctx context.Context, in *participantv1.FenceRequest) (*participantv1.FenceResponse, error) {
	who, tok, err := asked(ctx, in)
	if err != nil {
		return nil, err
	}
	mode, known := modes[in.GetMode()]
	if !known {
		return nil, fault.InvalidValue("mode", "one of hidden, restricted, erasing, erased")
	}
	if err := s.db.Fence(ctx, who, ring.Fence{Mode: mode, Saga: in.GetSaga(), Token: tok}); err != nil {
		return nil, storeFault(err)
	}
	return &participantv1.FenceResponse{}, nil
}

// Unfence removes the fences of one saga; removing what is not there is fine.
func (s *Server) Unfence(ctx context.Context, in *participantv1.UnfenceRequest) (*participantv1.UnfenceResponse, error) {
	who, tok, err := asked(ctx, in)
	if err != nil {
		return nil, err
	}
	if err := s.db.Unfence(ctx, who, in.GetSaga(), tok); err != nil && !errors.Is(err, docstore.ErrNotFound) {
		return nil, storeFault(err)
	}
	return &participantv1.UnfenceResponse{}, nil
}

// Destroy overwrites the person's key here. It needs the saga's own ERASING fence.
func (s *Server) Destroy(ctx context.Context, in *participantv1.DestroyRequest) (*participantv1.DestroyResponse, error) {
	who, tok, err := asked(ctx, in)
	if err != nil {
		return nil, err
	}
	if err := s.db.Destroy(ctx, who, in.GetSaga(), tok); err != nil {
		return nil, storeFault(err)
	}
	return &participantv1.DestroyResponse{}, nil
}

// CountHoldings recounts by each resource's own query. Links are counted where a
// resource has them, mentions where identifiers are given as well.
func (s *Server) CountHoldings(ctx context.Context, in *participantv1.CountHoldingsRequest) (*participantv1.CountHoldingsResponse, error) {
	who, err := subject(ctx, in.GetSubject())
	if err != nil {
		return nil, err
	}
	out := &participantv1.CountHoldingsResponse{}
	for _, r := range s.resources {
		n, err := count(ctx, r, who, in.GetIdentifiers())
		if err != nil {
			return nil, resourceFault(err)
		}
		out.Counts = append(out.Counts, n)
	}
	entry, err := s.entry(ctx, who)
	if err != nil {
		return nil, err
	}
	present := entry.HasKey && !entry.Destroyed
	out.KeyPresent = &present
	for _, m := range order {
		if entry.Modes().Has(modes[m]) {
			out.Modes = append(out.Modes, m)
		}
	}
	return out, nil
}

// count is what a resource holds of a person. What cannot be there is absent, not zero.
func count(ctx context.Context, r Resource, who ring.Subject, given *participantv1.Identifiers) (*participantv1.Count, error) {
	owned, err := r.Count(ctx, who)
	if err != nil {
		return nil, err
	}
	name := r.name()
	out := &participantv1.Count{Resource: &name, Category: r.Category.Enum(), Owned: &owned}
	if r.Links != nil {
		n, err := r.Links.Count(ctx, who)
		if err != nil {
			return nil, err
		}
		out.Linked = &n
	}
	if r.Mentions != nil && given != nil {
		n, err := r.Mentions.Count(ctx, who, identifiers(given))
		if err != nil {
			return nil, err
		}
		out.Mentioned = &n
	}
	return out, nil
}

// entry reads a person's ring entry; the zero entry is that of somebody never met.
func (s *Server) entry(ctx context.Context, who ring.Subject) (ring.Entry, error) {
	entry, err := s.db.Entry(ctx, who)
	if errors.Is(err, docstore.ErrNotFound) {
		return ring.Entry{}, nil
	}
	if err != nil {
		return ring.Entry{}, storeFault(err)
	}
	return entry, nil
}
