package ids

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestNewFitsJSONNumbersAndKeepsItsTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ms := rapid.Int64Range(0, 1<<40-1).Draw(t, "ms")
		at := Epoch.Add(time.Duration(ms) * time.Millisecond)
		id := New(func() time.Time { return at })
		if id <= FormerAgent || id > Max || id >= 1<<53 {
			t.Fatalf("id %d out of range", id)
		}
		if got := Time(id); !got.Equal(at) {
			t.Fatalf("time %v, want %v", got, at)
		}
	})
}

func TestNewBeforeEpochIsStillPositive(t *testing.T) {
	for range 1000 {
		if id := New(func() time.Time { return Epoch.Add(-time.Hour) }); id < 1 || id >= 1<<13 {
			t.Fatalf("id %d", id)
		}
	}
}

func TestSagaSortsByTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ms := rapid.Int64Range(0, 1<<47).Draw(t, "ms")
		later := ms + rapid.Int64Range(1, 1<<40).Draw(t, "gap")
		a, b := SagaAt(time.UnixMilli(ms)), SagaAt(time.UnixMilli(later))
		if len(a) != 26 || a >= b {
			t.Fatalf("%q is not before %q", a, b)
		}
	})
	if a, b := Saga(), Saga(); a == b {
		t.Fatal("two sagas with one id")
	}
}

func TestRequestRecognisesOnlyItsOwnForm(t *testing.T) {
	if r := Request(); !IsRequest(r) {
		t.Fatalf("%q not recognised", r)
	}
	for _, bad := range []string{"", "anna@example.com", "0123456789ABCDEF0123456789ABCDEF", Request() + "0"} {
		if IsRequest(bad) {
			t.Errorf("%q taken for a request id", bad)
		}
	}
	if n := len(Incident()); n != 16 {
		t.Fatalf("incident has %d characters", n)
	}
}
