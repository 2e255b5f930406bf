package person

import (
	"net/mail"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestValidEmail(t *testing.T) {
	good := []string{"a@b.org", "first.last+tag@sub.example.org", "o'neil@example.org", "jörg@exämple.de", "a_b-c@x-y.example", "1@2.30", strings.Repeat("l", 64) + "@example.org"}
	bad := []string{"", "a", "a@", "@b.org", "a@b", "a@@b.org", "a@b..org", "a@-b.org", "a@b-.org", "a.@b.org", ".a@b.org", "a..b@c.org", "a b@c.org",
		"\"a\"@b.org", "A <a@b.org>", "<a@b.org>", "a@b.org,", "a@b.org;c@d.org", "a@[1.2.3.4]", "a@b.org\n", "a\x00@b.org", "a(c)@b.org", "a@b_c.org",
		strings.Repeat("l", 65) + "@example.org", "a@" + strings.Repeat("d", 64) + ".org", "a@" + strings.Repeat("d.", 130) + "org", "a\xff@b.org"}
	for _, s := range good {
		if !ValidEmail(s) {
			t.Errorf("%q is refused", s)
		}
	}
	for _, s := range bad {
		if ValidEmail(s) {
			t.Errorf("%q is accepted", s)
		}
	}
}

func FuzzValidEmail(f *testing.F) {
	for _, s := range []string{"a@b.org", "A <a@b.org>", "jörg@exämple.de", "\"x y\"@z.org"} {
		f.Add(s)
	}
	same := func(s string) string { return s }
	f.Fuzz(func(t *testing.T, s string) {
		folded := FoldEmail(s, same)
		if FoldEmail(folded, same) != folded {
			t.Fatalf("folding %q twice differs", s)
		}
		if !ValidEmail(folded) {
			return
		}
		if a, err := mail.ParseAddress(folded); err != nil || a.Address != folded {
			t.Fatalf("%q is no address", folded)
		}
		if LocalPart(folded) == "" || strings.Count(folded, "@") != 1 || strings.ContainsAny(folded, " \t\r\n,;<>\"") {
			t.Fatalf("%q", folded)
		}
	})
}

func TestFolds(t *testing.T) {
	for in, want := range map[string]string{"+49 (30) 12-3": "+4930123", "0049 30": "004930", "abc": "abc", "+": "+", " 5+5 ": "55", "": ""} {
		if got := FoldPhone(in); got != want {
			t.Errorf("phone %q: %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{" @MaraQ ": "maraq", "x": "x", "@": ""} {
		if got := FoldHandle(in); got != want {
			t.Errorf("handle %q: %q, want %q", in, got, want)
		}
	}
}

func TestCleanIsDoneOnce(t *testing.T) {
	d := Details{Name: ptr("  N "), Email: ptr(" A@B.org"), Phone: ptr("  "), OtherEmails: []string{"X@y.org "}, Tags: []string{"a ", "a"},
		Social: []SocialHandle{{" X", "v "}}, Description: ptr("\n "), Custom: map[string]any{"a": nil, "b": 1.0}}
	same := func(s string) string { return s }
	d.Clean(same)
	once := d
	d.Clean(same)
	if !reflect.DeepEqual(d, once) {
		t.Fatalf("got %+v, want %+v", d, once)
	}
	want := Details{Name: ptr("N"), Email: ptr("a@b.org"), OtherEmails: []string{"x@y.org"}, Tags: []string{"a"},
		Social: []SocialHandle{{"x", "v"}}, Custom: map[string]any{"a": nil, "b": 1.0}}
	if !reflect.DeepEqual(d, want) {
		t.Fatalf("got %+v, want %+v", d, want)
	}
	d.DropNulls()
	if !reflect.DeepEqual(d.Custom, map[string]any{"b": 1.0}) {
		t.Fatal(d.Custom)
	}
}

func TestApplyTouchesNothingItWasNotTold(t *testing.T) {
	full := func() Details {
		return Details{Name: ptr("n"), Email: ptr("e@x.org"), Phone: ptr("1"), Mobile: ptr("2"), TwitterID: ptr("t"), ExternalID: ptr("x"),
			OtherEmails: []string{"o@x.org"}, CompanyID: ptr(int64(1)), ViewAllTickets: ptr(true), OtherCompanies: []CompanyLink{{2, true}},
			Address: ptr("a"), Description: ptr("d"), JobTitle: ptr("j"), Language: ptr("en"), TimeZone: ptr("UTC"), Tags: []string{"t"},
			Custom: map[string]any{"k": 1.0}, Social: []SocialHandle{{"s", "v"}}}
	}
	v := reflect.ValueOf(full())
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Fatalf("the test leaves %s out", v.Type().Field(i).Name)
		}
	}
	if v.NumField() != len(ContactFields()) {
		t.Fatalf("%d fields, %d of them can be written", v.NumField(), len(ContactFields()))
	}
	cleared := map[string]bool{}
	for _, path := range ContactFields() {
		d := full()
		d.Apply(&Details{}, []string{path})
		changed := 0
		was, is := reflect.ValueOf(full()), reflect.ValueOf(d)
		for i := range was.NumField() {
			if !reflect.DeepEqual(was.Field(i).Interface(), is.Field(i).Interface()) {
				changed++
				cleared[was.Type().Field(i).Name] = true
			}
		}
		if changed != 1 {
			t.Errorf("%s changes %d fields", path, changed)
		}
	}
	if len(cleared) != v.NumField() {
		t.Errorf("only %d fields can be cleared", len(cleared))
	}
	d := full()
	d.Apply(&Details{Custom: map[string]any{"new": true}}, []string{"custom_fields.new"})
	if !reflect.DeepEqual(d.Custom, map[string]any{"k": 1.0, "new": true}) || len(full().Custom) != 1 {
		t.Error(d.Custom)
	}
}

func TestStrongestRole(t *testing.T) {
	for _, c := range []struct {
		roles []int64
		want  int64
	}{{nil, 4}, {[]int64{99}, 4}, {[]int64{4, 1}, 1}, {[]int64{2, 1}, 1}, {[]int64{3, 5}, 5}, {[]int64{6, 4}, 4}, {[]int64{6}, 6}} {
		if got := Strongest(c.roles); got != c.want {
			t.Errorf("%v: %d, want %d", c.roles, got, c.want)
		}
	}
}

func TestWithoutKeepsWhatMovedBetweenFields(t *testing.T) {
	a := Details{Email: ptr("a@x.org"), OtherEmails: []string{"b@x.org"}, TwitterID: ptr("@T")}
	b := Details{Email: ptr("b@x.org"), OtherEmails: []string{"c@x.org"}, TwitterID: ptr("t")}
	got := Without(b.Values(), &a)
	if !slices.Equal(got, []Value{{UniqueEmail, "other_emails", "c@x.org"}}) {
		t.Fatal(got)
	}
}
