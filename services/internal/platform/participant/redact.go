package participant

import (
	"context"
	"slices"

	"google.golang.org/grpc"

	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/mention"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// Redact removes a person's identifiers from records of others, page by page,
// and answers one outcome per resource with such text. It needs the saga's own
// ERASING fence, and is refused under a token lower than one seen.
func (s *Server) Redact(in *participantv1.RedactRequest, stream grpc.ServerStreamingServer[participantv1.RedactResponse]) error {
	ctx := stream.Context()
	who, tok, err := asked(ctx, in)
	if err == nil && in.GetIdentifiers() == nil {
		err = missing("identifiers")
	}
	if err == nil {
		err = s.erasing(ctx, who, in.GetSaga(), tok)
	}
	if err != nil {
		return err
	}
	ids := identifiers(in.GetIdentifiers())
	w := &work{send: func(done int64, outcomes []*participantv1.Outcome) error {
		return stream.Send(&participantv1.RedactResponse{Done: &done, Outcomes: outcomes})
	}}
	for _, r := range s.resources {
		if r.Mentions == nil {
			continue
		}
		err := w.pages(r, r.Category, anonymised, func(limit int) (int, bool, error) {
			return r.Mentions.Redact(ctx, who, ids, limit)
		})
		if err != nil {
			return err
		}
	}
	return w.end()
}

// erasing makes sure that the saga has its ERASING fence on the person, and
// that its token is not too low. The ring is left as it is: who comes late under
// an older token would take away no more than what has to go.
func (s *Server) erasing(ctx context.Context, who ring.Subject, saga string, tok ring.Token) error {
	entry, err := s.entry(ctx, who)
	if err != nil {
		return err
	}
	own := func(f ring.Fence) bool { return f.Saga == saga && f.Mode.Has(ring.Erasing) }
	switch {
	case tok.Compare(entry.Highest) < 0:
		return storeFault(docstore.ErrStale)
	case !slices.ContainsFunc(entry.Fences, own):
		return storeFault(docstore.ErrFenced)
	}
	return nil
}

func identifiers(in *participantv1.Identifiers) mention.Identifiers {
	return mention.Identifiers{Emails: in.GetEmails(), Phones: in.GetPhones(), ExternalIDs: in.GetExternalIds(), Names: in.GetNames()}
}
