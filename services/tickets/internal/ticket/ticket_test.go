package ticket

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

// The times of the workflow fit the status, whatever happened before.
func TestStatusTimesFit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := noon
		k := New(&Input{}, now)
		for range rapid.IntRange(1, 20).Draw(t, "changes") {
			now = now.Add(time.Minute)
			before := *k
			k.SetStatus(rapid.Int32Range(2, 8).Draw(t, "status"), now)
			s := k.Stats
			switch {
			case (s.PendingSince != nil) != (k.Status == Pending):
				t.Fatal("pending_since stands while pending, and only then")
			case (s.Resolved != nil) != done(k.Status):
				t.Fatal("resolved_at stands while resolved or closed")
			case (s.Closed != nil) != (k.Status == Closed):
				t.Fatal("closed_at stands while closed")
			case before.Status == k.Status && !reflect.DeepEqual(before.Stats, s):
				t.Fatal("the same status changed a time")
			case before.Status != k.Status && !s.StatusUpdated.Equal(now):
				t.Fatal("status_updated_at is old")
			case done(before.Status) && !done(k.Status) && !s.Reopened.Equal(now):
				t.Fatal("reopened_at is old")
			}
		}
	})
}

// What a mask does not name stays; what it names and is unset is cleared.
func TestApplyHeedsTheMask(t *testing.T) {
	clearable := []string{"subject", "type", "responder_id", "group_id", "company_id", "product_id", "email_config_id", "cc_emails", "tags", "custom_fields", "due_by", "fr_due_by"}
	where := map[string]func(*Ticket) any{
		"subject": func(k *Ticket) any { return k.Subject }, "type": func(k *Ticket) any { return k.Type },
		"responder_id": func(k *Ticket) any { return k.Responder }, "group_id": func(k *Ticket) any { return k.Group },
		"company_id": func(k *Ticket) any { return k.Company }, "product_id": func(k *Ticket) any { return k.Product },
		"email_config_id": func(k *Ticket) any { return k.EmailConfig }, "cc_emails": func(k *Ticket) any { return k.CC },
		"tags": func(k *Ticket) any { return k.Tags }, "custom_fields": func(k *Ticket) any { return k.Custom },
		"due_by": func(k *Ticket) any { return k.DueBy }, "fr_due_by": func(k *Ticket) any { return k.FirstDueBy },
	}
	s, n, at := "x", int64(5), noon.Add(time.Hour)
	rapid.Check(t, func(t *rapid.T) {
		k := New(&Input{Subject: &s, Type: &s, Responder: &n, Group: &n, Company: &n, Product: &n, EmailConfig: &n,
			CC: []string{"a@b.c"}, Tags: []string{s}, Custom: map[string]any{"a": 1.0}, DueBy: &at, FirstDueBy: &at}, noon)
		before := *k
		mask := rapid.SliceOfDistinct(rapid.SampledFrom(clearable), func(s string) string { return s }).Draw(t, "mask")
		if p := k.Apply(&Input{}, mask, noon.Add(time.Minute)); len(p) > 0 {
			t.Fatal(p)
		}
		for name, get := range where {
			now, old := get(k), get(&before)
			if slices.Contains(mask, name) && !reflect.ValueOf(now).IsNil() {
				t.Fatalf("%s was not cleared", name)
			}
			if !slices.Contains(mask, name) && !reflect.DeepEqual(now, old) {
				t.Fatalf("%s changed", name)
			}
		}
	})
}

func TestApplyChangesNothingWhenSomethingIsWrong(t *testing.T) {
	s, bad := "new", int32(99)
	k := New(&Input{}, noon)
	before := *k
	if p := k.Apply(&Input{Subject: &s, Priority: &bad}, []string{"subject", "priority"}, noon.Add(time.Hour)); len(p) != 1 || p[0].Field != "priority" {
		t.Fatal(p)
	}
	if !reflect.DeepEqual(before, *k) {
		t.Fatal("changed")
	}
}

func TestEmail(t *testing.T) {
	for _, ok := range []string{"a@b", "a.b+c@d-e.example", "ä@example.org", strings.Repeat("a", 60) + "@example.org", "o'neil@example.org"} {
		if !Email(ok) {
			t.Errorf("%q is refused", ok)
		}
	}
	for _, bad := range []string{"", "a", "@", "a@", "@b", "a b@c", "a@b c", "A <a@b>", "<a@b>", "a@b,c@d", "a@.b", "a@b.", "a@@b", "a@b\n", "a@" + strings.Repeat("b", 260), `"a b"@c`} {
		if Email(bad) {
			t.Errorf("%q is taken", bad)
		}
	}
}

func FuzzEmail(f *testing.F) {
	f.Add("a@b.c")
	f.Fuzz(func(t *testing.T, s string) {
		if Email(s) && (!strings.Contains(s, "@") || strings.ContainsAny(s, " \r\n\t<>,;") || len(s) > MaxEmail) {
			t.Errorf("%q is taken", s)
		}
	})
}

func TestRepliesOnlyMoveTimesForward(t *testing.T) {
	k := New(&Input{}, noon)
	late, early := noon.Add(2*time.Hour), noon.Add(time.Hour)
	k.Replied(late, []string{"late@example.org"})
	k.Replied(early, []string{"early@example.org"})
	if !k.Stats.AgentResponded.Equal(late) || !k.Stats.FirstResponded.Equal(early) || k.ReplyCC[0] != "late@example.org" || !k.UpdatedAt.Equal(late) {
		t.Errorf("%+v", k)
	}
	k.Answered(late)
	k.Answered(early)
	if !k.Stats.RequesterResponded.Equal(late) {
		t.Errorf("%+v", k.Stats)
	}
}

func TestLateness(t *testing.T) {
	due := noon.Add(time.Hour)
	k := New(&Input{DueBy: &due, FirstDueBy: &due}, noon)
	if k.Escalated(due) || k.FirstEscalated(due) || !k.Escalated(due.Add(1)) || !k.FirstEscalated(due.Add(1)) {
		t.Error("late before its time, or not after it")
	}
	k.Replied(noon, nil)
	if k.FirstEscalated(due.Add(1)) {
		t.Error("answered in time and called late")
	}
	k.SetStatus(Closed, noon)
	if k.Escalated(due.Add(1)) {
		t.Error("closed and called late")
	}
}

func TestFoldAll(t *testing.T) {
	if got := FoldAll([]string{" B@x ", "b@x", "", "a@x"}); !slices.Equal(got, []string{"b@x", "a@x"}) {
		t.Error(got)
	}
	if FoldAll(nil) != nil {
		t.Error("nothing became something")
	}
}
