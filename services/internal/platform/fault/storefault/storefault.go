// Package storefault turns the errors of the document port into faults. It is
// apart from fault so that a program without a store does not link one.
//
// Services map what means something to them in their use cases (a claim that
// is taken is a duplicate e-mail address); this is what the server falls back
// on for the rest.
package storefault

import (
	"errors"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
)

// From makes a fault of any error, as fault.From does, and knows the port's
// sentinels besides. A fault in the chain wins; nil stays nil.
func From(err error) *fault.Error {
	if _, ok := fault.As(err); ok {
		return fault.From(err)
	}
	for _, m := range mapping {
		if errors.Is(err, m.sentinel) {
			return fault.New(m.kind, m.reason, "").Because(err)
		}
	}
	return fault.From(err)
}

// mapping is every sentinel of the port but ErrBadQuery, which is a mistake of
// the program and therefore internal.
var mapping = []struct {
	sentinel error
	kind     fault.Kind
	reason   faultv1.Reason
}{
	{docstore.ErrNotFound, fault.KindNotFound, faultv1.Reason_REASON_NOT_FOUND},
	{docstore.ErrExists, fault.KindExists, faultv1.Reason_REASON_ALREADY_EXISTS},
	{docstore.ErrStale, fault.KindConflict, faultv1.Reason_REASON_STALE},
	{docstore.ErrFenced, fault.KindPrecondition, faultv1.Reason_REASON_FENCED},
	{docstore.ErrCursor, fault.KindInvalid, faultv1.Reason_REASON_BAD_CURSOR},
	{docstore.ErrTooLarge, fault.KindExhausted, faultv1.Reason_REASON_TOO_LARGE},
	{docstore.ErrUnavailable, fault.KindUnavailable, faultv1.Reason_REASON_UNAVAILABLE},
}
