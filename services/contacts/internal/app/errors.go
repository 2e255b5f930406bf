package app

import (
	"context"
	"errors"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	"github.com/lethe-desk/lethe/services/contacts/internal/person"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// codes brings the domain's codes into the contract's.
var codes = map[person.Code]faultv1.Reason{
	person.MissingField:     faultv1.Reason_REASON_MISSING_FIELD,
	person.InvalidValue:     faultv1.Reason_REASON_INVALID_VALUE,
	person.DatatypeMismatch: faultv1.Reason_REASON_DATATYPE_MISMATCH,
	person.InvalidField:     faultv1.Reason_REASON_INVALID_FIELD,
	person.ReadonlyField:    faultv1.Reason_REASON_READONLY_FIELD,
}

// invalid makes a fault of problems, nil of none.
func invalid(problems []person.Problem) error {
	if len(problems) == 0 {
		return nil
	}
	var v []fault.Violation
	for _, p := range problems {
		v = append(v, fault.Violation{Field: p.Field, Code: codes[p.Code], Message: p.Message})
	}
	return fault.Invalid(v...)
}

// storeFault brings an error of the store into what a caller may know. What it
// cannot name becomes internal at the border.
func storeFault(err error, what string, id int64) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, docstore.ErrNotFound):
		return fault.NotFound(what, id)
	case errors.Is(err, docstore.ErrFenced):
		return fault.NotFound(what, id).Because(err)
	case errors.Is(err, docstore.ErrUnavailable):
		return fault.Unavailable(err)
	case errors.Is(err, docstore.ErrStale):
		return fault.Conflict(faultv1.Reason_REASON_STALE).Because(err)
	case errors.Is(err, docstore.ErrTooLarge):
		return fault.TooLarge("document", 8<<20)
	}
	return err
}

// withheld says why a fenced person is not given out or changed, as the table
// of DESIGN section 5 has it: not to be found while an erasure runs, refused
// while restricted, and not to be changed while soft deleted.
func (a *App) withheld(ctx context.Context, what string, account, id int64) error {
	modes, err := a.store.Modes(ctx, account, id)
	if err != nil {
		return storeFault(err, what, id)
	}
	switch modes.Strictest() {
	case ring.Restricted:
		return fault.Denied(faultv1.Reason_REASON_RESTRICTED)
	case ring.Hidden:
		return fault.State(faultv1.Reason_REASON_METHOD_NOT_ALLOWED, "a deleted contact can be restored, not changed")
	case 0:
		// the fence went away between the read and this look
		return fault.Unavailable(docstore.ErrFenced)
	}
	return fault.NotFound(what, id)
}
