package client

import (
	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
)

// Reason returns the contract's reason of an error that a call returned, and
// REASON_UNSPECIFIED for nil and for errors that are not of a call.
func Reason(err error) faultv1.Reason {
	if f, ok := fault.As(err); ok {
		return f.Reason
	}
	return faultv1.Reason_REASON_UNSPECIFIED
}

// Violation is one field of a request that is wrong.
type Violation struct {
	// Field is its name as the contract spells it.
	Field string
	// Reason says what is wrong with it.
	Reason faultv1.Reason
	// Message says it to people; it never holds the value.
	Message string
}

// Violations returns all fields that are wrong, none when that is not what failed.
func Violations(err error) []Violation {
	f, ok := fault.As(err)
	if !ok {
		return nil
	}
	var all []Violation
	for _, v := range f.Violations {
		all = append(all, Violation{Field: v.Field, Reason: v.Code, Message: v.Message})
	}
	return all
}

// Incident returns the number under which the service's log has the cause of
// an internal error, "" when there is none.
func Incident(err error) string {
	if f, ok := fault.As(err); ok {
		return f.Meta[fault.MetaIncident]
	}
	return ""
}

// IsNotFound reports that there is no such thing for this caller: it never was,
// is hidden or erased, or is another account's.
func IsNotFound(err error) bool { return fault.Is(err, fault.KindNotFound) }

// IsInvalid reports that the request is wrong; Violations says where.
func IsInvalid(err error) bool { return fault.Is(err, fault.KindInvalid) }

// IsExists reports that a unique value is taken.
func IsExists(err error) bool { return fault.Is(err, fault.KindExists) }

// IsConflict reports that somebody else was faster: read and try again.
func IsConflict(err error) bool { return fault.Is(err, fault.KindConflict) }

// IsPrecondition reports that the state of the thing does not allow it.
func IsPrecondition(err error) bool { return fault.Is(err, fault.KindPrecondition) }

// IsDenied reports that the caller may not do it.
func IsDenied(err error) bool { return fault.Is(err, fault.KindDenied) }

// IsUnauthenticated reports that nobody knows the caller: the key is wrong or revoked.
func IsUnauthenticated(err error) bool { return fault.Is(err, fault.KindUnauthenticated) }

// IsUnavailable reports that asking again may help. Whether a call that writes
// has happened is then not known: repeat it with the same idempotency key.
func IsUnavailable(err error) bool {
	return fault.Is(err, fault.KindUnavailable) || fault.Is(err, fault.KindDeadline)
}
