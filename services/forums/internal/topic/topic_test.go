package topic

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lethe-desk/lethe/services/forums/internal/check"
	"pgregory.net/rapid"
)

func ptr[T any](v T) *T { return &v }

// said writes problems as "field code" in their order.
func said(p check.Problems) string {
	var out []string
	for _, one := range p {
		out = append(out, fmt.Sprintf("%s %d", one.Field, one.Code))
	}
	return strings.Join(out, ", ")
}

func TestForumInput(t *testing.T) {
	long := strings.Repeat("é", check.MaxName+1)
	for want, in := range map[string]ForumInput{
		"":       {Name: ptr("a"), Type: ptr(Question), Visibility: ptr[int32](1)},
		"name 1": {Type: ptr(Question), Visibility: ptr[int32](1)},
		"name 2": {Name: ptr("  "), Type: ptr(Question), Visibility: ptr[int32](1)},
		"name 2, forum_type 2, forum_visibility 2": {Name: &long, Type: ptr[int32](5), Visibility: ptr[int32](0)},
		"forum_type 1, forum_visibility 1":         {Name: ptr("a")},
		"company_ids 2":                            {Name: ptr("a"), Type: ptr(Idea), Visibility: ptr[int32](3), Companies: []int64{1}},
		"company_ids 2, company_ids 2":             {Name: ptr("a"), Type: ptr(Idea), Visibility: ptr[int32](1), Companies: []int64{-1}},
		"forum_category_id 4":                      {Name: ptr("a"), Type: ptr(Idea), Visibility: ptr(ForCompanies), Companies: []int64{1}, CategoryID: ptr[int64](1)},
	} {
		if got := said(in.Check()); got != want {
			t.Errorf("%v: got %q, want %q", in, got, want)
		}
	}
}

func TestForumApply(t *testing.T) {
	for _, tc := range []struct {
		in     ForumInput
		mask   string
		topics bool
		want   string
	}{
		{ForumInput{Name: ptr("new")}, "name", true, ""},
		{ForumInput{}, "name", false, "name 2"},
		{ForumInput{}, "description", false, ""},
		{ForumInput{Type: ptr(Idea)}, "forum_type", false, ""},
		{ForumInput{Type: ptr(Question)}, "forum_type", true, "forum_type 3"},
		{ForumInput{Companies: []int64{5}}, "company_ids", false, "company_ids 2"},
		{ForumInput{Companies: []int64{5}, Visibility: ptr(ForCompanies)}, "company_ids,forum_visibility", false, ""},
		{ForumInput{}, "forum_category_id", false, "forum_category_id 2"},
		{ForumInput{}, "nothing", false, "nothing 4"},
	} {
		f := &Forum{Name: "old", Type: Question, Visibility: 1}
		before := fmt.Sprint(f)
		if got := said(f.Apply(&tc.in, strings.Split(tc.mask, ","), tc.topics)); got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.mask, got, tc.want)
		}
		if tc.want != "" && fmt.Sprint(f) != before {
			t.Errorf("%s: a refused change has changed %v", tc.mask, f)
		}
	}
	f := &Forum{Visibility: ForCompanies, Companies: []int64{1, 2}}
	if p := f.Apply(&ForumInput{Visibility: ptr[int32](2)}, []string{"forum_visibility"}, true); len(p) > 0 || f.Companies != nil {
		t.Errorf("companies outlive their visibility: %v %v", f, p)
	}
}

// The table of stamps, written down by hand: forum type, allowed ones (0 is none), first one.
func TestStamps(t *testing.T) {
	for kind, want := range map[int32]struct {
		allowed []int32
		first   int32
	}{Question: {[]int32{6, 7}, 7}, Idea: {[]int32{0, 1, 2, 3, 4, 5}, 0}, Issue: {[]int32{8, 9}, 9}, Announcement: {[]int32{0}, 0}} {
		f := &Forum{Type: kind}
		for stamp := range int32(11) {
			given := &stamp
			if stamp == 0 {
				given = nil
			}
			if got := f.Stamped(given); got != slices.Contains(want.allowed, stamp) {
				t.Errorf("forum type %d, stamp %d: allowed is %v", kind, stamp, got)
			}
		}
		if got := f.Initial(); (got == nil) != (want.first == 0) || got != nil && *got != want.first {
			t.Errorf("forum type %d begins with %v", kind, got)
		}
	}
}

func TestTopicInput(t *testing.T) {
	for want, in := range map[string]Input{
		"":                              {Title: ptr("a"), Message: ptr("b"), Stamp: ptr[int32](6), UserID: ptr[int64](3)},
		"title 1, message 1":            {},
		"title 2, message 2, user_id 2": {Title: ptr(" "), Message: ptr(""), UserID: ptr[int64](0)},
		"forum_id 4, stamp_type 2":      {Title: ptr("a"), Message: ptr("b"), ForumID: ptr[int64](1), Stamp: ptr[int32](10)},
	} {
		if got := said(in.Check()); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	in := &Input{UserID: ptr[int64](1)}
	if got := said(in.CheckChange([]string{"user_id", "title", "locked", "stamp_type", "hits"})); got != "user_id 3, title 2, locked 2, hits 4" {
		t.Error(got)
	}
}

// Whatever is written of a topic and wherever it moves, its stamp is one its forum has.
func TestStampsFitTheForum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stamp := rapid.Ptr(rapid.Int32Range(1, 9), true)
		forum := func(id int64) *Forum {
			f := &Forum{Type: rapid.Int32Range(1, 4).Draw(t, "type")}
			f.ID = id
			return f
		}
		here := forum(1)
		topic, p := New(&Input{Title: ptr("a"), Message: ptr("b"), Stamp: stamp.Draw(t, "first")}, here)
		if len(p) > 0 {
			return
		}
		for i := range rapid.IntRange(1, 5).Draw(t, "changes") {
			in, mask := &Input{Stamp: stamp.Draw(t, "stamp")}, []string{}
			if rapid.Bool().Draw(t, "stamped") {
				mask = append(mask, "stamp_type")
			}
			next := here
			if rapid.Bool().Draw(t, "moves") {
				next = forum(int64(i) + 2)
			}
			before := *topic
			if p := topic.Apply(in, mask, next); len(p) > 0 {
				if !next.Stamped(in.Stamp) && *topic == before {
					continue
				}
				t.Fatalf("refused %v in forum type %d, leaves %v of %v", in.Stamp, next.Type, topic, before)
			}
			here = next
			if !here.Stamped(topic.Stamp) || topic.ForumID != here.ID {
				t.Fatalf("stamp %v in forum type %d", topic.Stamp, here.Type)
			}
		}
	})
}

func TestBlankKeepsStateAndNothingElse(t *testing.T) {
	topic := &Topic{Title: "secret", ForumID: 4, UserID: ptr[int64](9), Locked: true, Sticky: true, Published: true, Stamp: ptr[int32](6), First: 3, Hits: 2, Votes: 1}
	topic.Owner = 9
	want := *topic
	topic.Blank()
	want.Title, want.UserID, want.Owner = "", nil, 0
	if *topic != want {
		t.Errorf("%+v", topic)
	}
}
