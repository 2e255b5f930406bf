package flow

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
)

// slow answers for contacts when it is told to, and counts what it was asked.
type slow struct {
	people
	asked  *atomic.Int64
	answer chan struct{}
}

func (s slow) GetIdentifiers(ctx context.Context, in *contactsv1.GetIdentifiersRequest, o ...grpc.CallOption) (*contactsv1.GetIdentifiersResponse, error) {
	s.asked.Add(1)
	<-s.answer
	return s.people.GetIdentifiers(ctx, in, o...)
}

// The steps of a stage ask contacts once; another saga asks for itself, and
// nothing is kept for who asks later.
func TestStepsShareTheQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := slow{people: people{kind: contactKind}, asked: &atomic.Int64{}, answer: make(chan struct{})}
		d := NewDirectory(s, s)
		var known atomic.Int64
		ask := func(id string) {
			ids, kind, err := d.identify(t.Context(), saga.Call{Saga: id, Account: 1, Subject: 2})
			if err == nil && kind == contactKind && len(ids.GetNames()) == 1 {
				known.Add(1)
			}
		}
		for range 5 {
			go ask("1-7")
		}
		go ask("1-8")
		synctest.Wait()
		if n := s.asked.Load(); n != 2 {
			t.Errorf("contacts was asked %d times by two sagas, want 2", n)
		}
		close(s.answer)
		synctest.Wait()
		ask("1-7")
		if n := s.asked.Load(); n != 3 || known.Load() != 7 {
			t.Errorf("contacts was asked %d times and %d know, want 3 and 7", n, known.Load())
		}
	})
}
