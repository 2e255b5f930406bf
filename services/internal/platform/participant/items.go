package participant

import (
	"context"
	"errors"
	"slices"

	"google.golang.org/grpc"

	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
)

// itemRounds is how often what hangs on an item is looked for again: a writer
// that has read the item before it went may add one thing, not one each time.
const itemRounds = 5

// errBusy means that things were hung on an item as fast as they were erased.
var errBusy = errors.New("the item is still written to")

// EraseItem erases one record and what hangs on it, page by page, and answers
// one outcome per resource that can hang on such a record. The person's key and
// other records stay. It is refused under a token lower than one seen, and once
// the person's key is destroyed.
func (s *Server) EraseItem(in *participantv1.EraseItemRequest, stream grpc.ServerStreamingServer[participantv1.EraseItemResponse]) error {
	ctx := stream.Context()
	who, tok, err := asked(ctx, in)
	if err != nil {
		return err
	}
	what, err := item(in.GetItem())
	if err != nil {
		return err
	}
	// Taking away the fences this saga does not have looks at and keeps the token.
	if err := s.db.Unfence(ctx, who, in.GetSaga(), tok); err != nil {
		return storeFault(err)
	}
	w := &work{send: func(done int64, outcomes []*participantv1.Outcome) error {
		return stream.Send(&participantv1.EraseItemResponse{Done: &done, Outcomes: outcomes})
	}}
	for range itemRounds {
		before := w.done
		for _, r := range s.hanging(what) {
			err := w.pages(r, r.Category, erased, func(limit int) (int, bool, error) { return r.Items.Erase(ctx, who, what, limit) })
			if err != nil {
				return err
			}
		}
		if w.done == before {
			return w.end()
		}
	}
	return fault.Unavailable(errBusy)
}

// CountItem counts what is left of a record and of what hangs on it.
func (s *Server) CountItem(ctx context.Context, in *participantv1.CountItemRequest) (*participantv1.CountItemResponse, error) {
	who, err := subject(ctx, in.GetSubject())
	if err != nil {
		return nil, err
	}
	what, err := item(in.GetItem())
	if err != nil {
		return nil, err
	}
	out := &participantv1.CountItemResponse{}
	for _, r := range s.hanging(what) {
		n, err := r.Items.Count(ctx, who, what)
		if err != nil {
			return nil, resourceFault(err)
		}
		name := r.name()
		out.Counts = append(out.Counts, &participantv1.Count{Resource: &name, Category: r.Category.Enum(), Owned: &n})
	}
	return out, nil
}

// hanging returns the resources whose records hang on such an item.
func (s *Server) hanging(what Item) []Resource {
	var on []Resource
	for _, r := range s.resources {
		if r.Items != nil && slices.Contains(r.Items.On, what.Resource) {
			on = append(on, r)
		}
	}
	return on
}

func item(in *participantv1.Item) (Item, error) {
	if in.GetResource() == "" || in.GetId() <= 0 {
		return Item{}, missing("item")
	}
	return Item{Resource: in.GetResource(), ID: in.GetId()}, nil
}
