package servicetest

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
)

// Must ends the test when there is an error.
func Must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Refused ends the test unless the error is a fault with that reason.
func Refused(t *testing.T, err error, want faultv1.Reason) {
	t.Helper()
	_ = Fault(t, err, want)
}

// Fault is Refused for those who look at the fault as well.
func Fault(t *testing.T, err error, want faultv1.Reason) *fault.Error {
	t.Helper()
	f, ok := fault.As(err)
	if !ok || !fault.Has(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
	return f
}

// NotFound ends the test unless the error says that there is no such thing.
func NotFound(t *testing.T, err error) {
	t.Helper()
	if !fault.Is(err, fault.KindNotFound) {
		t.Fatalf("got %v, want not found", err)
	}
}

// Violations returns what an error says is wrong, as "field code" sorted and
// joined by commas; of an error that is no fault about input, its text.
func Violations(err error) string {
	f, ok := fault.As(err)
	if !ok || f.Kind != fault.KindInvalid {
		return fmt.Sprint(err)
	}
	var out []string
	for _, v := range f.Violations {
		out = append(out, v.Field+" "+fault.ReasonName(v.Code))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// Equal fails unless two values are the same, and goes on.
func Equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// All receives a stream to its end.
func All[T any](stream grpc.ServerStreamingClient[T], err error) ([]*T, error) {
	var all []*T
	for err == nil {
		var m *T
		if m, err = stream.Recv(); err == nil {
			all = append(all, m)
		}
	}
	if errors.Is(err, io.EOF) {
		return all, nil
	}
	return all, err
}
