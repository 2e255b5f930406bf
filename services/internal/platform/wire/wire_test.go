package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	forumsv1 "github.com/lethe-desk/lethe/gen/go/lethe/forums/v1"
	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	privacyv1 "github.com/lethe-desk/lethe/gen/go/lethe/privacy/v1"
	ratingsv1 "github.com/lethe-desk/lethe/gen/go/lethe/ratings/v1"
	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"
)

func str(t *testing.T, m proto.Message, o Options) string {
	t.Helper()
	b, err := Marshal(m, o)
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(b) {
		t.Fatalf("not json: %s", b)
	}
	return string(b)
}

func TestMarshalShapes(t *testing.T) {
	at := timestamppb.New(time.Date(2026, 2, 3, 10, 11, 12, 999_000_000, time.UTC))
	cases := []struct {
		name string
		m    proto.Message
		o    Options
		want string
	}{
		{"numbers, nulls, whole seconds, base url", &contactsv1.Avatar{Id: proto.Int64(43001122334), AvatarUrl: proto.String("/a/1"), CreatedAt: at}, Options{BaseURL: "https://x.example"},
			`{"id":43001122334,"name":null,"content_type":null,"size":null,"avatar_url":"https://x.example/a/1","created_at":"2026-02-03T10:11:12Z","updated_at":null}`},
		{"absolute urls stay", &contactsv1.Avatar{AvatarUrl: proto.String("https://y/1")}, Options{BaseURL: "https://x.example", Omit: []string{"id", "name", "content_type", "size", "created_at", "updated_at"}},
			`{"avatar_url":"https://y/1"}`},
		{"enums by name", &participantv1.Outcome{Category: optionsv1.Category_CATEGORY_FILES.Enum(), Count: proto.Int64(0)}, Options{},
			`{"resource":null,"category":"CATEGORY_FILES","kind":null,"count":0,"ground":null,"until":null}`},
		{"unknown enum by number", &participantv1.Outcome{Category: optionsv1.Category(99).Enum()}, Options{Omit: []string{"resource", "kind", "count", "ground", "until"}},
			`{"category":99}`},
		{"bytes", &contactsv1.GetVerificationKeysResponse{Keys: [][]byte{{1, 2, 3}, {}}}, Options{}, `{"keys":["AQID",""]}`},
		{"oneof writes the set one", &ticketsv1.UploadAttachmentRequest{Part: &ticketsv1.UploadAttachmentRequest_Data{Data: []byte("x")}}, Options{}, `{"data":"eA=="}`},
		{"no presence", &contactsv1.GetContactRequest{}, Options{}, `{"id":0}`},
		{"text", &contactsv1.SocialHandle{Type: proto.String("a\"\\\n\x01<ü\u2028"), Value: proto.String("b\xffc")}, Options{}, `{"type":"a\"\\\n\u0001<ü\u2028","value":"b` + "\uFFFD" + `c"}`},
	}
	for _, c := range cases {
		if got := str(t, c.m, c.o); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestMarshalOptionsOfTheContract(t *testing.T) {
	got := str(t, &ticketsv1.Ticket{}, Options{})
	for _, part := range []string{`"to_emails":null`, `"cc_emails":[]`, `"custom_fields":{}`, `"subject":null`} {
		if !strings.Contains(got, part) {
			t.Errorf("%s is not in %s", part, got)
		}
	}
	for _, name := range []string{`"deleted"`, `"description"`, `"requester"`, `"conversations"`} {
		if strings.Contains(got, name+":") {
			t.Errorf("%s is in %s", name, got)
		}
	}
	list := &contactsv1.ListContactsResponse{Contacts: []*contactsv1.Contact{{Id: proto.Int64(1), Tags: []string{"x"}}}}
	b, err := AppendField(nil, list, list.ProtoReflect().Descriptor().Fields().ByName("contacts"), Options{Omit: []string{"tags"}})
	if err != nil || !strings.HasPrefix(string(b), `[{"id":1,`) || strings.Contains(string(b), `"tags"`) {
		t.Errorf("%s %v", b, err)
	}
	b, err = AppendField(nil, &contactsv1.ListContactsResponse{}, list.ProtoReflect().Descriptor().Fields().ByName("contacts"), Options{})
	if err != nil || string(b) != "[]" {
		t.Errorf("%s %v", b, err)
	}
	if _, err = AppendField(nil, &contactsv1.Contact{}, list.ProtoReflect().Descriptor().Fields().ByName("contacts"), Options{}); err == nil {
		t.Error("a field of another message was taken")
	}
}

func TestMarshalCustomFields(t *testing.T) {
	s, err := structpb.NewStruct(map[string]any{"z": 4.0, "a": 0.1, "big": 1e21, "small": 1e-9, "n": nil, "l": []any{true, "x"}, "o": map[string]any{"k": -0.5}, "zero": math.Copysign(0, -1)})
	if err != nil {
		t.Fatal(err)
	}
	got := str(t, &contactsv1.Contact{CustomFields: s}, Options{})
	if want := `"custom_fields":{"a":0.1,"big":1e+21,"l":[true,"x"],"n":null,"o":{"k":-0.5},"small":1e-09,"z":4,"zero":0}`; !strings.Contains(got, want) {
		t.Errorf("%s is not in %s", want, got)
	}
	for _, v := range []float64{math.NaN(), math.Inf(1)} {
		bad := &contactsv1.Contact{CustomFields: &structpb.Struct{Fields: map[string]*structpb.Value{"x": structpb.NewNumberValue(v)}}}
		if _, err := Marshal(bad, Options{}); err == nil {
			t.Error("a number that is none was written")
		}
	}
	if _, err := Marshal(&contactsv1.Contact{CreatedAt: &timestamppb.Timestamp{Seconds: 1 << 60}}, Options{}); err == nil {
		t.Error("a time out of range was written")
	}
}

func TestMarshalWorksTheTypeOutOnce(t *testing.T) {
	m := &contactsv1.Contact{Id: proto.Int64(7)}
	str(t, m, Options{})
	first := planOf(m.ProtoReflect().Descriptor())
	str(t, m, Options{})
	if planOf(m.ProtoReflect().Descriptor()) != first {
		t.Error("the plan was made again")
	}
	b := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { _, _ = Append(b, m, Options{}) }); n > 60 {
		t.Errorf("%v allocations for a contact", n)
	}
}

func TestUnmarshalPathsAndValues(t *testing.T) {
	m := &contactsv1.ContactInput{}
	paths, err := Unmarshal([]byte(` {"name":"Mara","company_id":"43001122334","phone":null,"tags":[],"other_companies":[{"company_id":5}],
		"custom_fields":{"floor":4,"cf_x":null}} `), m)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"name", "company_id", "phone", "tags", "other_companies", "custom_fields.floor", "custom_fields.cf_x"}; !reflect.DeepEqual(paths, want) {
		t.Errorf("paths %v", paths)
	}
	if m.GetName() != "Mara" || m.GetCompanyId() != 43001122334 || m.Phone != nil || m.GetOtherCompanies()[0].GetCompanyId() != 5 {
		t.Errorf("%v", m)
	}
	if f := m.GetCustomFields().GetFields(); f["floor"].GetNumberValue() != 4 || f["cf_x"] == nil {
		t.Errorf("%v", f)
	}
	if paths, err = Unmarshal([]byte(`{"custom_fields":null}`), &contactsv1.ContactInput{}); err != nil || !reflect.DeepEqual(paths, []string{"custom_fields"}) {
		t.Errorf("%v %v", paths, err)
	}
	if paths, err = Unmarshal([]byte(`{"custom_fields":{}}`), &contactsv1.ContactInput{}); err != nil || len(paths) != 0 {
		t.Errorf("%v %v", paths, err)
	}
}

func TestUnmarshalMapsAndJoinedTexts(t *testing.T) {
	m := &ratingsv1.SatisfactionRatingInput{}
	paths, err := Unmarshal([]byte(`{"ratings":{"default_question":103,"question_2":-102}}`), m)
	if err != nil || !reflect.DeepEqual(paths, []string{"ratings"}) || !reflect.DeepEqual(m.GetRatings(), map[string]int32{"default_question": 103, "question_2": -102}) {
		t.Errorf("%v %v %v", paths, m, err)
	}
	if got := str(t, m, Options{}); !strings.Contains(got, `"ratings":{"default_question":103,"question_2":-102}`) {
		t.Error(got)
	}
	_, err = Unmarshal([]byte(`{"ratings":{"a":"x","a":1,"b c":2,"d":1.5,"e":{}}}`), &ratingsv1.SatisfactionRatingInput{})
	var f *fault.Error
	if !errors.As(err, &f) || len(f.Violations) != 5 {
		t.Errorf("%v", err)
	}
	if _, err = Unmarshal([]byte(`{"ratings":[1]}`), &ratingsv1.SatisfactionRatingInput{}); err == nil {
		t.Error("a list is taken for a map")
	}
	for in, want := range map[string]string{`["a","b"]`: "a,b", `"a,b"`: "a,b", `[]`: ""} {
		seo := &forumsv1.SeoData{}
		if _, err := Unmarshal([]byte(`{"meta_keywords":`+in+`}`), seo); err != nil || seo.GetMetaKeywords() != want {
			t.Errorf("%s: %q %v", in, seo.GetMetaKeywords(), err)
		}
	}
	for _, bad := range []string{`{"meta_keywords":[1]}`, `{"meta_title":["a"]}`} {
		if _, err := Unmarshal([]byte(bad), &forumsv1.SeoData{}); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

func TestUnmarshalGathersEverything(t *testing.T) {
	body := `{"name":5,"status":"2","due_by":"soon","tags":"x","cc_emails":[null],"requester_id":1.5,"nope":1,"subject":"a","subject":"b",
		"custom_fields":{"cf_a":12345678901234567890,"Mara Quell":1},"anna@example.org":1}`
	_, err := Unmarshal([]byte(body), &ticketsv1.TicketInput{})
	f, ok := fault.As(err)
	if !ok {
		t.Fatal(err)
	}
	var got []string
	for _, v := range f.Violations {
		got = append(got, v.Field+" "+fault.ReasonName(v.Code)+" "+v.Message)
	}
	want := []string{
		"name datatype_mismatch It should be a/an String",
		"status datatype_mismatch It should be a/an Integer",
		"due_by datatype_mismatch It should be a/an Date/Time in the format yyyy-mm-ddThh:mm:ss+hh:mm",
		"tags datatype_mismatch It should be a/an Array",
		"cc_emails datatype_mismatch It should be a/an String",
		"requester_id datatype_mismatch It should be a/an Integer",
		"nope invalid_field Unexpected/invalid field in request",
		"subject invalid_value It should be sent only once",
		"custom_fields.cf_a invalid_value It has more digits than can be kept",
		"custom_fields invalid_field Field names have letters, digits and underscores only",
		"unknown invalid_field Unexpected/invalid field in request",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if strings.Contains(err.Error(), "anna") || strings.Contains(err.Error(), "Mara") {
		t.Error("a personal value stands in the error")
	}
}

func TestUnmarshalRefusesWhatIsNoJSON(t *testing.T) {
	deep := func(n int) string {
		return `{"custom_fields":` + strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) + "}"
	}
	bad := []string{``, `{`, `[]`, `1`, `null`, `{"a":}`, `{"a":1,}`, `{"a":01}`, `{"a":1}x`, `{"a":"` + "\xff" + `"}`, "{\"a\":\"\n\"}", `{'a':1}`, `{"a":+1}`, `{"a":.5}`, `{"a":"\x"}`,
		`{"a":"\`, `{"a" 1}`, `{"a":tru}`, `{"a":[1 2]}`, `{a:1}`, deep(MaxDepth + 1), `{"name":"` + strings.Repeat("x", MaxBytes) + `"}`, `{"tags":[` + strings.Repeat("1,", MaxValues) + `1]}`}
	for _, body := range bad {
		_, err := Unmarshal([]byte(body), &contactsv1.ContactInput{})
		if !fault.Has(err, faultv1.Reason_REASON_INVALID_JSON) {
			t.Errorf("%.40q: %v", body, err)
		}
	}
	if _, err := Unmarshal([]byte(deep(MaxDepth-2)), &contactsv1.ContactInput{}); err != nil {
		t.Error(err)
	}
}

func TestParseTime(t *testing.T) {
	base := time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC)
	cases := map[string]time.Time{
		"2026-01-02":                time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC),
		"2026-01-02T03:04":          base,
		"2026-01-02T03:04Z":         base,
		"2026-01-02T03:04:05":       base.Add(5 * time.Second),
		"2026-01-02T03:04:05Z":      base.Add(5 * time.Second),
		"2026-01-02T03:04:05.250Z":  base.Add(5250 * time.Millisecond),
		"2026-01-02T08:34:00+05:30": base,
		"2026-01-02T08:34:00+0530":  base,
		"2026-01-02T05:04+02":       base,
		"2026-01-01T23:04:00-04:00": base,
		"2026-01-02T03:04:05.1":     base.Add(5100 * time.Millisecond),
	}
	for text, want := range cases {
		if got, ok := ParseTime(text); !ok || !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("%s: %v %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "2026", "2026-13-01", "2026-01-02 03:04", "2026-01-02T", "2026-01-02T03", "2026-01-02T03:04:05z", "2026-01-02T03:04:05+5", "2026-01-02T03:04:05,5Z",
		"20260102", "2026-02-30", "0000-01-01", "2026-01-02T25:00", "2026-01-02T03:04:05Z+01"} {
		if got, ok := ParseTime(text); ok {
			t.Errorf("%q was read as %v", text, got)
		}
	}
}

func TestExact(t *testing.T) {
	for text, want := range map[string]bool{
		"0": true, "-0.0": true, "4": true, "4.00": true, "0.1": true, "1e3": true, "1000": true, "9007199254740992": true, "9007199254740993": false, "12345678901234567890": false,
		"0.1000000000000000055511151231257827": false, "1e400": false, "1e-400": false, "1.5e-7": true, "123e99999999999999999999": false,
	} {
		if _, got := exact(text); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.Float64Range(-math.MaxFloat64, math.MaxFloat64).Draw(t, "f")
		b, err := json.Marshal(f)
		if got, ok := exact(string(b)); err != nil || !ok || got != f {
			t.Fatalf("%s: %v %v %v", b, got, ok, err)
		}
	})
}

func TestSetText(t *testing.T) {
	m := (&ticketsv1.ListTicketsRequest{}).ProtoReflect()
	fields := m.Descriptor().Fields()
	set := func(name, text string) faultv1.Reason {
		v, _ := SetText(m, fields.ByName(protoreflect.Name(name)), text)
		return v.Code
	}
	if set("email", "a b") != 0 || set("requester_id", "17") != 0 || set("updated_since", "2026-01-02T03:04:05 01:00") != 0 || set("page", "3") != 0 {
		t.Error("a good value was refused")
	}
	got := m.Interface().(*ticketsv1.ListTicketsRequest)
	if got.GetEmail() != "a b" || got.GetRequesterId() != 17 || got.GetPage() != 3 || got.GetUpdatedSince().AsTime().Hour() != 2 {
		t.Errorf("%v", got)
	}
	for _, c := range [][2]string{{"requester_id", "x"}, {"requester_id", ""}, {"page", "1.5"}, {"page", "+1"}, {"updated_since", "never"}} {
		if set(c[0], c[1]) != faultv1.Reason_REASON_DATATYPE_MISMATCH {
			t.Errorf("%v was taken", c)
		}
	}
	hard := (&privacyv1.HardDeleteContactRequest{}).ProtoReflect()
	force := hard.Descriptor().Fields().ByName("force")
	for text, ok := range map[string]bool{"True": true, "true": true, "1": true, "FALSE": true, "yes": false, "": false} {
		if _, got := SetText(hard, force, text); got != ok {
			t.Errorf("force=%s: %v", text, got)
		}
	}
	mask := (&contactsv1.UpdateContactRequest{}).ProtoReflect()
	if v, ok := SetText(mask, mask.Descriptor().Fields().ByName("update_mask"), "name"); ok || v.Code != faultv1.Reason_REASON_INVALID_FIELD {
		t.Errorf("%v %v", v, ok)
	}
	ids := (&contactsv1.BatchGetPeopleRequest{}).ProtoReflect()
	for _, text := range []string{"1", "2"} {
		if _, ok := SetText(ids, ids.Descriptor().Fields().ByName("ids"), text); !ok {
			t.Error("a list's element was refused")
		}
	}
	if n := ids.Interface().(*contactsv1.BatchGetPeopleRequest).GetIds(); len(n) != 2 {
		t.Error(n)
	}
}

// FuzzUnmarshal: whatever comes, it does not panic; what is taken is valid
// JSON for the standard library too, and writing it reaches a fixed point.
func FuzzUnmarshal(f *testing.F) {
	for _, s := range []string{`{}`, `{"subject":"a","custom_fields":{"cf_a":1.5,"b":[1,{"c":null}]}}`, `{"due_by":"2026-01-02T03:04+02"}`, `{"requester_id":"5","tags":["a","b"],"attachment_ids":[1]}`,
		`{"a":"\ud800"}`, `[{}]`, `{"status":1e2}`, "{\"subject\":\"\\u0000\"}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m := &ticketsv1.TicketInput{}
		paths, err := Unmarshal(data, m)
		if err != nil {
			if _, ok := fault.As(err); !ok {
				t.Fatalf("%v is no fault", err)
			}
			return
		}
		if !json.Valid(data) {
			t.Fatalf("%q was taken", data)
		}
		for _, p := range paths {
			if name, _, _ := strings.Cut(p, "."); planOf(m.ProtoReflect().Descriptor()).byName[name] == nil {
				t.Fatalf("path %q", p)
			}
		}
		first, err := Marshal(m, Options{})
		if err != nil || !json.Valid(first) {
			t.Fatalf("%s %v", first, err)
		}
		again := &ticketsv1.TicketInput{}
		if _, err = Unmarshal(first, again); err != nil {
			t.Fatalf("%s: %v", first, err)
		}
		if second, err := Marshal(again, Options{}); err != nil || !bytes.Equal(first, second) {
			t.Fatalf("%s\n%s %v", first, second, err)
		}
	})
}
