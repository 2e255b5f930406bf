// Package request holds the rules of requests: their kinds, their states as
// their sagas go, and when the law wants them answered.
package request

import "time"

// The kinds of requests.
const (
	Erasure = "erasure"
	Export  = "export"
)

// The states of a request.
const (
	// Received requests wait for somebody's decision.
	Received  = "received"
	Approved  = "approved"
	Running   = "running"
	Completed = "completed"
	Attention = "attention"
	Refused   = "refused"
	Cancelled = "cancelled"
)

// Kinds returns all kinds.
func Kinds() []string { return []string{Erasure, Export} }

// Grounds returns why a request may be refused: that it is not shown who asks,
// GDPR Article 12(5) and 17(3), that somebody else is meant, or that it was taken back.
func Grounds() []string {
	return []string{
		"identity_unproven", "unfounded", "excessive", "legal_obligation", "legal_claims",
		"public_interest", "freedom_of_expression", "not_the_subject", "withdrawn",
	}
}

// StateOf returns a request's state while its saga is in the given state; ""
// is a saga that has not been created yet.
func StateOf(saga string) string {
	switch saga {
	case "":
		return Approved
	case "completed":
		return Completed
	case "parked":
		return Attention
	case "refused":
		return Refused
	case "cancelled":
		return Cancelled
	}
	return Running
}

// Due returns when a request received at t has to be answered: one month later
// by calendar (GDPR Article 12(3)), on the last day of a month that is too short.
func Due(t time.Time) time.Time {
	t = t.UTC()
	first := time.Date(t.Year(), t.Month()+1, 1, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(t.Day(), last)-1)
}
