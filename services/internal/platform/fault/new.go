package fault

import (
	"strconv"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
)

// New makes a fault; an empty message becomes the kind's own sentence.
func New(k Kind, r faultv1.Reason, message string) *Error {
	if message == "" && int(k) < len(kinds) {
		message = kinds[k].text
	}
	return &Error{Kind: k, Reason: r, Message: message}
}

// NotFound says that there is no such thing; what names its type ("contact"), id which one, 0 for none.
func NotFound(what string, id int64) *Error {
	e := New(KindNotFound, faultv1.Reason_REASON_NOT_FOUND, "").With("resource", what)
	if id != 0 {
		e = e.With("id", strconv.FormatInt(id, 10))
	}
	return e
}

// Invalid says that the request is wrong. Its reason is that of the first violation.
func Invalid(violations ...Violation) *Error {
	e := New(KindInvalid, faultv1.Reason_REASON_INVALID_VALUE, "")
	if len(violations) > 0 {
		e.Reason = violations[0].Code
	}
	e.Violations = violations
	return e
}

// InvalidValue is Invalid for one field with a value outside what is allowed.
func InvalidValue(field, message string) *Error {
	return Invalid(Violation{Field: field, Code: faultv1.Reason_REASON_INVALID_VALUE, Message: message})
}

// Missing is Invalid for mandatory fields that are absent.
func Missing(fields ...string) *Error {
	var v []Violation
	for _, f := range fields {
		v = append(v, Violation{Field: f, Code: faultv1.Reason_REASON_MISSING_FIELD, Message: "It should not be blank"})
	}
	return Invalid(v...)
}

// Duplicate says that the value of a field is taken; holder is the contact or
// agent that has it, 0 when the caller may not know.
func Duplicate(field string, holder int64) *Error {
	v := Violation{Field: field, Code: faultv1.Reason_REASON_DUPLICATE_VALUE, Message: "It should be a unique value"}
	if holder != 0 {
		v.Info = map[string]int64{"user_id": holder}
	}
	e := New(KindExists, faultv1.Reason_REASON_DUPLICATE_VALUE, "validation failed")
	e.Violations = []Violation{v}
	return e
}

// Exists says that an id or unique value is taken.
func Exists(what string) *Error {
	return New(KindExists, faultv1.Reason_REASON_ALREADY_EXISTS, "").With("resource", what)
}

// Conflict says that somebody else was faster, or has a newer token.
func Conflict(r faultv1.Reason) *Error { return New(KindConflict, r, "") }

// State says that the thing's state does not allow the call; the sentence is constant.
func State(r faultv1.Reason, message string) *Error { return New(KindPrecondition, r, message) }

// Fenced says that a fence on the subject withholds its key.
func Fenced(cause error) *Error {
	return New(KindPrecondition, faultv1.Reason_REASON_FENCED, "this person's data is locked").Because(cause)
}

// Denied says that the caller may not do it.
func Denied(r faultv1.Reason) *Error { return New(KindDenied, r, "") }

// Unauthenticated says that nobody knows the caller; the cause goes to the log.
func Unauthenticated(cause error) *Error {
	return New(KindUnauthenticated, faultv1.Reason_REASON_INVALID_CREDENTIALS, "").Because(cause)
}

// TooLarge says that something is above its limit, a number with its unit spelled by the limit's name.
func TooLarge(what string, limit int64) *Error {
	return New(KindExhausted, faultv1.Reason_REASON_TOO_LARGE, "").With("what", what).With("limit", strconv.FormatInt(limit, 10))
}

// RateLimited says that the account has used up its calls; seconds until the next is taken.
func RateLimited(seconds int) *Error {
	return New(KindExhausted, faultv1.Reason_REASON_RATE_LIMITED, "").With("retry_after", strconv.Itoa(seconds))
}

// Unavailable says that asking again may help; the cause goes to the log.
func Unavailable(cause error) *Error {
	return New(KindUnavailable, faultv1.Reason_REASON_UNAVAILABLE, "").Because(cause)
}

// Internal hides a cause; the server gives it an incident number.
func Internal(cause error) *Error {
	return New(KindInternal, faultv1.Reason_REASON_INTERNAL, "").Because(cause)
}
