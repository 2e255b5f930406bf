package storefault

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
)

func TestFrom(t *testing.T) {
	if From(nil) != nil {
		t.Fatal("nil is a fault")
	}
	cases := map[error]fault.Kind{
		docstore.ErrNotFound:                    fault.KindNotFound,
		&docstore.Taken{Subject: 4}:             fault.KindExists,
		docstore.ErrExists:                      fault.KindExists,
		docstore.ErrStale:                       fault.KindConflict,
		docstore.ErrFenced:                      fault.KindPrecondition,
		docstore.ErrCursor:                      fault.KindInvalid,
		docstore.ErrTooLarge:                    fault.KindExhausted,
		docstore.ErrUnavailable:                 fault.KindUnavailable,
		docstore.ErrBadQuery:                    fault.KindInternal,
		context.Canceled:                        fault.KindCancelled,
		errors.New("x"):                         fault.KindInternal,
		fault.Fenced(docstore.ErrNotFound):      fault.KindPrecondition,
		fault.NotFound("contact", 1):            fault.KindNotFound,
		errors.Join(nil, docstore.ErrNotFound):  fault.KindNotFound,
		fault.Denied(0).Because(errors.New("")): fault.KindDenied,
	}
	for err, want := range cases {
		if got := From(fmt.Errorf("read: %w", err)); got.Kind != want || !errors.Is(got, err) {
			t.Errorf("%v: %v, want %v", err, got, want)
		}
	}
}
