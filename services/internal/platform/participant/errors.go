package participant

import (
	"errors"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
)

// storeFault turns an error of the document port into what privacy acts on: a
// refusal for what will not change by asking again, unavailable for the rest.
func storeFault(err error) error {
	switch {
	case errors.Is(err, docstore.ErrStale):
		return fault.New(fault.KindPrecondition, faultv1.Reason_REASON_STALE_TOKEN, "").Because(err)
	case errors.Is(err, docstore.ErrFenced):
		return fault.Fenced(err)
	case errors.Is(err, docstore.ErrUnavailable):
		return fault.Unavailable(err)
	case errors.Is(err, docstore.ErrCursor):
		return fault.New(fault.KindInvalid, faultv1.Reason_REASON_BAD_CURSOR, "").Because(err)
	}
	return err
}

// resourceFault turns an error of a resource into what privacy acts on. A stale
// revision is no stale token: somebody else has changed the record, so ask again.
func resourceFault(err error) error {
	if errors.Is(err, docstore.ErrStale) {
		return fault.Unavailable(err)
	}
	return storeFault(err)
}

func missing(field string) error { return fault.Missing(field) }
