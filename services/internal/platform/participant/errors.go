package participant

import (
	"errors"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/fault/storefault"
)

// storeFault turns an error of the document port into what privacy acts on. A
// stale ring entry means a stale token here; the rest means what it means everywhere.
func storeFault(err error) error {
	if errors.Is(err, docstore.ErrStale) {
		return fault.New(fault.KindPrecondition, faultv1.Reason_REASON_STALE_TOKEN, "").Because(err)
	}
	return storefault.From(err)
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
