package obs

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/lethe-desk/lethe/services/internal/platform/redact"
)

// Personal holds a value of a person on its way through the program and prints
// a placeholder wherever somebody prints it: fmt with any verb, slog, JSON, text.
type Personal[T any] struct{ value T }

// Hide wraps a value.
func Hide[T any](v T) Personal[T] { return Personal[T]{v} }

// Reveal returns the value; the call is what a reviewer looks for.
func (p Personal[T]) Reveal() T { return p.value }

// String returns the placeholder.
func (Personal[T]) String() string { return redact.Placeholder }

// Format writes the placeholder for every verb, %#v and %x included.
func (Personal[T]) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redact.Placeholder) }

// LogValue is the placeholder.
func (Personal[T]) LogValue() slog.Value { return slog.StringValue(redact.Placeholder) }

// MarshalText is the placeholder; JSON uses it too.
func (Personal[T]) MarshalText() ([]byte, error) { return []byte(redact.Placeholder), nil }
