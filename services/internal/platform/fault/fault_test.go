package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"pgregory.net/rapid"
)

func TestEveryKindHasItsOwnCode(t *testing.T) {
	seen := map[codes.Code]Kind{}
	for i, k := range kinds {
		if int(k.kind) != i {
			t.Errorf("kind %v stands in row %d", k.kind, i)
		}
		if other, twice := seen[k.code]; twice {
			t.Errorf("%v and %v share code %v", k.kind, other, k.code)
		}
		seen[k.code] = k.kind
		if KindOf(k.kind.Code()) != k.kind {
			t.Errorf("%v does not come back from %v", k.kind, k.code)
		}
		if k.text == "" || k.reason == 0 {
			t.Errorf("%v has no sentence or reason", k.kind)
		}
	}
	for c := codes.Code(1); c <= codes.Unauthenticated; c++ {
		if _, ours := seen[c]; !ours && c != codes.OutOfRange && KindOf(c) != KindInternal {
			t.Errorf("foreign code %v is %v", c, KindOf(c))
		}
	}
}

func TestRoundTripKeepsEverythingButTheCause(t *testing.T) {
	word := rapid.StringMatching(`[a-z_]{1,12}`)
	rapid.Check(t, func(t *rapid.T) {
		e := New(
			Kind(rapid.IntRange(0, len(kinds)-1).Draw(t, "kind")),
			rapid.SampledFrom(Reasons()).Draw(t, "reason"), rapid.String().Filter(func(s string) bool { return s != "" && s == strings.ToValidUTF8(s, "") }).Draw(t, "message"))
		for range rapid.IntRange(0, 3).Draw(t, "metas") {
			e = e.With(word.Draw(t, "key"), word.Draw(t, "value"))
		}
		for range rapid.IntRange(0, 3).Draw(t, "violations") {
			v := Violation{Field: word.Draw(t, "field"), Code: rapid.SampledFrom(Reasons()).Draw(t, "code"), Message: word.Draw(t, "text")}
			if rapid.Bool().Draw(t, "info") {
				v.Info = map[string]int64{word.Draw(t, "info key"): rapid.Int64().Draw(t, "info value")}
			}
			e.Violations = append(e.Violations, v)
		}
		e = e.Because(errors.New("secret"))
		s := ToStatus(e)
		if strings.Contains(fmt.Sprint(s.Proto()), "secret") {
			t.Fatal("the cause was sent")
		}
		got := FromStatus(s.Err())
		if !got.Remote || got.Cause() != nil {
			t.Fatalf("remote %v cause %v", got.Remote, got.Cause())
		}
		got.Remote = false
		if fmt.Sprintf("%+v", *got) != fmt.Sprintf("%+v", *e.Because(nil)) {
			t.Fatalf("got  %+v\nwant %+v", *got, *e)
		}
	})
}

func TestForeignStatusKeepsItsTextAsCauseOnly(t *testing.T) {
	f := FromStatus(status.Error(codes.Unavailable, "dial anna@example.com"))
	if f.Kind != KindUnavailable || f.Reason != faultv1.Reason_REASON_UNAVAILABLE || strings.Contains(f.Message, "anna") {
		t.Fatalf("%+v", f)
	}
	if strings.Contains(ToStatus(f).Message(), "anna") {
		t.Fatal("foreign text was passed on")
	}
	if f = FromStatus(status.Error(codes.DataLoss, "x")); f.Kind != KindInternal {
		t.Fatalf("%+v", f)
	}
}

func TestFrom(t *testing.T) {
	if From(nil) != nil || FromStatus(nil) != nil {
		t.Fatal("nil is a fault")
	}
	cases := []struct {
		err  error
		kind Kind
	}{
		{fmt.Errorf("read contact: %w", NotFound("contact", 7)), KindNotFound},
		{fmt.Errorf("wait: %w", context.Canceled), KindCancelled},
		{context.DeadlineExceeded, KindDeadline},
		{errors.New("boom"), KindInternal},
		{status.Error(codes.Aborted, ""), KindConflict},
	}
	for _, c := range cases {
		if got := From(c.err); got.Kind != c.kind {
			t.Errorf("%v is %v, want %v", c.err, got.Kind, c.kind)
		}
	}
}

func TestInMemoryFaultLosesItsCauseAtTheBorder(t *testing.T) {
	f := FromStatus(Internal(errors.New("secret")).With(MetaIncident, "X"))
	if f.Cause() != nil || f.Meta[MetaIncident] != "X" {
		t.Fatalf("%+v", f)
	}
}

func TestWithDoesNotChangeTheOriginal(t *testing.T) {
	a := NotFound("contact", 7)
	b := a.With("more", "1")
	if len(a.Meta) != 2 || len(b.Meta) != 3 {
		t.Fatalf("%v %v", a.Meta, b.Meta)
	}
	if !errors.Is(fmt.Errorf("x: %w", b), a) {
		t.Fatal("kind and reason do not make a sentinel")
	}
}

func TestConstructors(t *testing.T) {
	cases := []struct {
		e      *Error
		kind   Kind
		reason faultv1.Reason
	}{
		{Duplicate("email", 5), KindExists, faultv1.Reason_REASON_DUPLICATE_VALUE},
		{Missing("name", "email"), KindInvalid, faultv1.Reason_REASON_MISSING_FIELD},
		{InvalidValue("status", "x"), KindInvalid, faultv1.Reason_REASON_INVALID_VALUE},
		{Invalid(), KindInvalid, faultv1.Reason_REASON_INVALID_VALUE},
		{Exists("agent"), KindExists, faultv1.Reason_REASON_ALREADY_EXISTS},
		{Conflict(faultv1.Reason_REASON_STALE_TOKEN), KindConflict, faultv1.Reason_REASON_STALE_TOKEN},
		{State(faultv1.Reason_REASON_HELD, ""), KindPrecondition, faultv1.Reason_REASON_HELD},
		{Denied(faultv1.Reason_REASON_FOUR_EYES), KindDenied, faultv1.Reason_REASON_FOUR_EYES},
		{Unauthenticated(nil), KindUnauthenticated, faultv1.Reason_REASON_INVALID_CREDENTIALS},
		{TooLarge("body", 8), KindExhausted, faultv1.Reason_REASON_TOO_LARGE},
		{RateLimited(30), KindExhausted, faultv1.Reason_REASON_RATE_LIMITED},
		{Unavailable(nil), KindUnavailable, faultv1.Reason_REASON_UNAVAILABLE},
	}
	for _, c := range cases {
		if c.e.Kind != c.kind || c.e.Reason != c.reason || c.e.Message == "" {
			t.Errorf("%+v", c.e)
		}
	}
	if v := Duplicate("email", 5).Violations[0]; v.Info["user_id"] != 5 {
		t.Errorf("%+v", v)
	}
}
