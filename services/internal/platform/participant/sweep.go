package participant

import (
	"context"

	"google.golang.org/grpc"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// Sweep deletes what the destroyed key has made unreadable, page by page, takes
// the person out of the links of other people's records, and answers an outcome
// per resource, one more where records were blanked and one where it has links. It is refused while the key still
// exists, and under a token lower than one seen.
func (s *Server) Sweep(in *participantv1.SweepRequest, stream grpc.ServerStreamingServer[participantv1.SweepResponse]) error {
	ctx := stream.Context()
	who, tok, err := asked(ctx, in)
	if err != nil {
		return err
	}
	to, err := s.heir(in.GetKind())
	if err != nil {
		return err
	}
	entry, err := s.entry(ctx, who)
	if err != nil {
		return err
	}
	// Nothing is deleted that could still be read: deleted bytes may be found, a destroyed key may not.
	if !entry.Destroyed {
		return fault.State(faultv1.Reason_REASON_INCONSISTENT_STATE, "the key has to be destroyed before the sweep")
	}
	// Destroy again: it refuses a stale token and a missing fence, and does nothing else the second time.
	if err := s.db.Destroy(ctx, who, in.GetSaga(), tok); err != nil {
		return storeFault(err)
	}
	w := &work{send: func(done int64, outcomes []*participantv1.Outcome) error {
		return stream.Send(&participantv1.SweepResponse{Done: &done, Outcomes: outcomes})
	}}
	for _, r := range s.resources {
		if err := sweepOne(ctx, w, r, who, to); err != nil {
			return err
		}
	}
	return w.end()
}

// sweepOne blanks what must stay, deletes the rest, then empties links to the person.
func sweepOne(ctx context.Context, w *work, r Resource, who ring.Subject, to int64) error {
	if r.Blank != nil {
		err := w.pages(r, r.Category, anonymised, func(limit int) (int, bool, error) { return r.Blank(ctx, who, limit) })
		if err != nil {
			return err
		}
	}
	err := w.pages(r, r.Category, erased, func(limit int) (int, bool, error) { return r.Sweep(ctx, who, limit) })
	if err != nil || r.Links == nil {
		return err
	}
	return w.pages(r, optionsv1.Category_CATEGORY_LINKS, anonymised, func(limit int) (int, bool, error) {
		return r.Links.Relink(ctx, who, to, limit)
	})
}

// heir is who gets the links to a person of that kind: nobody, or the account's
// former agent. What the person was has to be said where there are links.
func (s *Server) heir(kind participantv1.SubjectKind) (int64, error) {
	switch kind {
	case participantv1.SubjectKind_SUBJECT_KIND_AGENT:
		return FormerAgent, nil
	case participantv1.SubjectKind_SUBJECT_KIND_CONTACT:
		return 0, nil
	}
	for _, r := range s.resources {
		if r.Links != nil {
			return 0, fault.InvalidValue("kind", "contact or agent")
		}
	}
	return 0, nil
}
