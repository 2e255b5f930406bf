// Package fault is the one error type that crosses the borders of the suite:
// a kind, a reason of the contract, the fields that are wrong, and metadata
// that is safe to show. Services make it in their use cases, the server turns
// it into a gRPC status, the client builder turns that back into it, so a
// caller asks "is it not found?" and never looks at text.
//
// What is inside stays inside: the cause of an internal fault is never sent.
// The caller gets an incident number, under which the log has the cause.
package fault

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	"google.golang.org/grpc/codes"
)

// Kind is the family of a fault. Each stands for one gRPC code.
type Kind uint8

// The kinds there are.
const (
	// KindInternal is a mistake of the program or something broken below it.
	KindInternal Kind = iota
	// KindInvalid means the call itself is wrong.
	KindInvalid
	// KindNotFound means there is no such thing for this caller.
	KindNotFound
	// KindExists means a unique value is taken.
	KindExists
	// KindConflict means somebody else was faster: read and try again.
	KindConflict
	// KindPrecondition means the state of the thing does not allow it.
	KindPrecondition
	// KindDenied means the caller may not do it.
	KindDenied
	// KindUnauthenticated means nobody knows the caller.
	KindUnauthenticated
	// KindExhausted means a limit is reached.
	KindExhausted
	// KindUnavailable means asking again may help.
	KindUnavailable
	// KindDeadline means the time was up; whether it happened is not known.
	KindDeadline
	// KindCancelled means the caller gave up.
	KindCancelled
	// KindUnimplemented means this server does not have the method.
	KindUnimplemented
)

// kinds is the whole mapping between kinds and codes; the reason is what a
// status without one is taken for.
var kinds = []struct {
	kind   Kind
	code   codes.Code
	reason faultv1.Reason
	name   string
	text   string
}{
	{KindInternal, codes.Internal, faultv1.Reason_REASON_INTERNAL, "internal", "something went wrong on our side"},
	{KindInvalid, codes.InvalidArgument, faultv1.Reason_REASON_INVALID_VALUE, "invalid", "validation failed"},
	{KindNotFound, codes.NotFound, faultv1.Reason_REASON_NOT_FOUND, "not found", "there is no such thing"},
	{KindExists, codes.AlreadyExists, faultv1.Reason_REASON_ALREADY_EXISTS, "exists", "it exists already"},
	{KindConflict, codes.Aborted, faultv1.Reason_REASON_STALE, "conflict", "it has changed meanwhile; read it and try again"},
	{KindPrecondition, codes.FailedPrecondition, faultv1.Reason_REASON_INCONSISTENT_STATE, "precondition", "its state does not allow this"},
	{KindDenied, codes.PermissionDenied, faultv1.Reason_REASON_ACCESS_DENIED, "denied", "you are not authorized to perform this action"},
	{KindUnauthenticated, codes.Unauthenticated, faultv1.Reason_REASON_INVALID_CREDENTIALS, "unauthenticated", "you have to be logged in to perform this action"},
	{KindExhausted, codes.ResourceExhausted, faultv1.Reason_REASON_TOO_LARGE, "exhausted", "a limit is reached"},
	{KindUnavailable, codes.Unavailable, faultv1.Reason_REASON_UNAVAILABLE, "unavailable", "not available now; try again"},
	{KindDeadline, codes.DeadlineExceeded, faultv1.Reason_REASON_DEADLINE, "deadline", "the time was up"},
	{KindCancelled, codes.Canceled, faultv1.Reason_REASON_CANCELLED, "cancelled", "the caller gave up"},
	{KindUnimplemented, codes.Unimplemented, faultv1.Reason_REASON_UNIMPLEMENTED, "unimplemented", "there is no such method here"},
}

// String returns the kind in words.
func (k Kind) String() string {
	if int(k) < len(kinds) {
		return kinds[k].name
	}
	return "unknown"
}

// Code returns the gRPC code the kind stands for.
func (k Kind) Code() codes.Code {
	if int(k) < len(kinds) {
		return kinds[k].code
	}
	return codes.Unknown
}

// KindOf returns the kind of a gRPC code; codes nobody here sends are internal.
func KindOf(c codes.Code) Kind {
	for _, k := range kinds {
		if k.code == c {
			return k.kind
		}
	}
	if c == codes.OutOfRange {
		return KindInvalid
	}
	return KindInternal
}

// Violation is one field of a request that is wrong.
type Violation struct {
	// Field is the field's name as the contract spells it.
	Field string
	// Code says what is wrong with it.
	Code faultv1.Reason
	// Message is a constant sentence for people; never the value.
	Message string
	// Info holds ids that help the caller, such as user_id of who has the value.
	Info map[string]int64
}

// Error is a fault. Make one with a constructor; do not change one that has
// been returned.
type Error struct {
	// Kind is the family.
	Kind Kind
	// Reason is the contract's reason.
	Reason faultv1.Reason
	// Message is a constant sentence for people; never a value of somebody.
	Message string
	// Violations are the fields that are wrong, in the order of the request.
	Violations []Violation
	// Meta holds ids and names of fields, safe to show.
	Meta map[string]string
	// Remote is set when the fault came over a client connection.
	Remote bool

	cause error
}

// Error returns kind, reason and metadata; and the cause, for the log alone.
// ToStatus, not this text, is what a caller may see.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Kind.String())
	b.WriteString(": ")
	b.WriteString(ReasonName(e.Reason))
	for _, v := range e.Violations {
		fmt.Fprintf(&b, " %s=%s", v.Field, ReasonName(v.Code))
	}
	if e.cause != nil {
		b.WriteString(": ")
		b.WriteString(e.cause.Error())
	}
	return b.String()
}

// Unwrap returns the cause, or nil.
func (e *Error) Unwrap() error { return e.cause }

// Cause returns what lies below the fault, for the log alone.
func (e *Error) Cause() error { return e.cause }

// Is makes errors.Is true for two faults of the same kind and reason, so a
// fault may serve as a sentinel.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Kind == e.Kind && t.Reason == e.Reason
}

// With returns a copy with one more pair of metadata. The value must be an id,
// a number or the name of a field.
func (e *Error) With(key, value string) *Error {
	c := *e
	c.Meta = maps.Clone(e.Meta)
	if c.Meta == nil {
		c.Meta = map[string]string{}
	}
	c.Meta[key] = value
	return &c
}

// Because returns a copy with a cause.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// ReasonName returns a reason without its prefix, in lower case, as REST
// clients see it: "not_found".
func ReasonName(r faultv1.Reason) string {
	return strings.ToLower(strings.TrimPrefix(r.String(), "REASON_"))
}

// As finds the fault in an error's chain.
func As(err error) (*Error, bool) {
	var f *Error
	ok := errors.As(err, &f)
	return f, ok
}

// Has reports whether the chain holds a fault with this reason.
func Has(err error, r faultv1.Reason) bool {
	f, ok := As(err)
	return ok && f.Reason == r
}

// Is reports whether the chain holds a fault of this kind.
func Is(err error, k Kind) bool {
	f, ok := As(err)
	return ok && f.Kind == k
}

// From makes a fault of any error: the fault in its chain, a context's end, a
// status of gRPC; everything else is internal with the error as its cause.
// nil gives a nil *Error, which must not be returned as an error: ask first.
func From(err error) *Error {
	if err == nil {
		return nil
	}
	if f, ok := As(err); ok {
		return f
	}
	switch {
	case errors.Is(err, context.Canceled):
		return New(KindCancelled, faultv1.Reason_REASON_CANCELLED, "").Because(err)
	case errors.Is(err, context.DeadlineExceeded):
		return New(KindDeadline, faultv1.Reason_REASON_DEADLINE, "").Because(err)
	}
	if f, ok := fromStatus(err); ok {
		return f
	}
	return Internal(err)
}
