package request

import (
	"testing"
	"time"
)

func TestDue(t *testing.T) {
	for in, want := range map[string]string{
		"2026-01-31T10:00:00Z":      "2026-02-28T10:00:00Z",
		"2028-01-30T10:00:00Z":      "2028-02-29T10:00:00Z",
		"2026-03-31T00:00:00Z":      "2026-04-30T00:00:00Z",
		"2026-12-31T23:59:59Z":      "2027-01-31T23:59:59Z",
		"2026-02-28T12:00:00Z":      "2026-03-28T12:00:00Z",
		"2026-01-31T23:30:00-05:00": "2026-03-01T04:30:00Z", // received on 1 February in UTC
	} {
		at, err := time.Parse(time.RFC3339, in)
		if err != nil {
			t.Fatal(err)
		}
		if got := Due(at).Format(time.RFC3339); got != want {
			t.Errorf("Due(%s) = %s, want %s", in, got, want)
		}
	}
}

// A month is never more than 31 days, so no request gets longer than the law gives.
func TestDueIsWithinAMonth(t *testing.T) {
	for at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() < 2030; at = at.AddDate(0, 0, 1) {
		due := Due(at)
		if d := due.Sub(at); d < 28*24*time.Hour || d > 31*24*time.Hour {
			t.Fatalf("Due(%s) = %s", at, due)
		}
		if due.Month() != (at.Month()%12)+1 {
			t.Fatalf("Due(%s) = %s, not in the month after", at, due)
		}
	}
}

func TestStateOfKnowsEverySagaState(t *testing.T) {
	want := map[string]string{
		"": Approved, "pending": Running, "running": Running, "waiting": Running, "undoing": Running,
		"parked": Attention, "completed": Completed, "refused": Refused, "cancelled": Cancelled,
	}
	for s, w := range want {
		if got := StateOf(s); got != w {
			t.Errorf("StateOf(%q) = %q, want %q", s, got, w)
		}
	}
}
