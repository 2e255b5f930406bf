package contacts

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

func fullInput() *contactsv1.ContactInput {
	return &contactsv1.ContactInput{
		Name: proto.String("Mara Quell"), Email: proto.String("  Mara@Example.ORG "), Phone: proto.String("+49 30 123-45"),
		Mobile: proto.String("0170 99"), TwitterId: proto.String("@MaraQ"), UniqueExternalId: proto.String("ext-7"),
		OtherEmails: []string{"m.quell@example.org"}, CompanyId: proto.Int64(11), ViewAllTickets: proto.Bool(true),
		OtherCompanies: []*contactsv1.CompanyLink{{CompanyId: proto.Int64(12), ViewAllTickets: proto.Bool(true)}},
		Address:        proto.String("1 Lane\nTown"), Description: proto.String("likes lamps"), JobTitle: proto.String("Buyer"),
		Language: proto.String("de"), TimeZone: proto.String("Berlin"), Tags: []string{"vip", "vip", "lamp"},
		CustomFields:  &structpb.Struct{Fields: map[string]*structpb.Value{"floor": structpb.NewNumberValue(4), "gone": structpb.NewNullValue()}},
		SocialHandler: []*contactsv1.SocialHandle{{Type: proto.String("Mastodon"), Value: proto.String("mara@example")}},
	}
}

func TestContactKeepsWhatItWasGiven(t *testing.T) {
	d := open(t)
	c := d.create(fullInput())
	want := &contactsv1.Contact{
		Id: c.Id, Name: proto.String("Mara Quell"), Email: proto.String("mara@example.org"), Phone: proto.String("+49 30 123-45"),
		Mobile: proto.String("0170 99"), TwitterId: proto.String("@MaraQ"), UniqueExternalId: proto.String("ext-7"),
		OtherEmails: []string{"m.quell@example.org"}, CompanyId: proto.Int64(11), ViewAllTickets: proto.Bool(true),
		OtherCompanies: []*contactsv1.CompanyLink{{CompanyId: proto.Int64(12), ViewAllTickets: proto.Bool(true)}},
		Address:        proto.String("1 Lane\nTown"), Description: proto.String("likes lamps"), JobTitle: proto.String("Buyer"),
		Language: proto.String("de"), TimeZone: proto.String("Berlin"), Tags: []string{"vip", "lamp"},
		CustomFields:  &structpb.Struct{Fields: map[string]*structpb.Value{"floor": structpb.NewNumberValue(4)}},
		SocialHandler: []*contactsv1.SocialHandle{{Type: proto.String("mastodon"), Value: proto.String("mara@example")}},
		Active:        proto.Bool(false), ContactType: proto.String("contact"), CreatedAt: c.CreatedAt, UpdatedAt: c.CreatedAt,
	}
	if !proto.Equal(c, want) {
		t.Fatalf("got  %v\nwant %v", c, want)
	}
	read, err := d.get(c.GetId())
	must(t, err)
	if !proto.Equal(read, want) {
		t.Fatalf("read %v\nwant %v", read, want)
	}
	bare := d.mail("Al", "al@example.org")
	if bare.GetLanguage() != "en" || bare.GetTimeZone() != "UTC" || bare.Phone != nil || bare.CustomFields == nil || bare.Deleted != nil || bare.ViewAllTickets == nil {
		t.Fatalf("defaults: %v", bare)
	}
}

func TestNothingPersonalIsAtRestInTheClear(t *testing.T) {
	d := open(t)
	d.create(fullInput())
	planted := []string{"Mara", "mara@example", "m.quell", "123-45", "ext-7", "Buyer", "Berlin", "likes lamps", "mastodon", "1 Lane", "vip"}
	control := 0
	must(t, filepath.WalkDir(d.config.Store.Dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		for _, p := range planted {
			if bytes.Contains(bytes.ToLower(raw), []byte(strings.ToLower(p))) {
				t.Errorf("%q lies in %s", p, filepath.Base(path))
			}
		}
		if bytes.Contains(raw, []byte("support_agent")) {
			control++
		}
		return err
	}))
	if control == 0 {
		t.Fatal("the search finds nothing at all, not even what is clear")
	}
}

func TestCreateRefusesBadInput(t *testing.T) {
	d := open(t)
	long := strings.Repeat("x", 256)
	custom := func(name string, v *structpb.Value) func(*contactsv1.ContactInput) {
		return func(c *contactsv1.ContactInput) {
			c.CustomFields = &structpb.Struct{Fields: map[string]*structpb.Value{name: v}}
		}
	}
	cases := []struct {
		name   string
		change func(c *contactsv1.ContactInput)
		want   string
	}{
		{"no name", func(c *contactsv1.ContactInput) { c.Name = nil }, "name=missing_field"},
		{"blank name", func(c *contactsv1.ContactInput) { c.Name = proto.String("  ") }, "name=invalid_value"},
		{"long name", func(c *contactsv1.ContactInput) { c.Name = &long }, "name=invalid_value"},
		{"name over lines", func(c *contactsv1.ContactInput) { c.Name = proto.String("a\nb") }, "name=invalid_value"},
		{"no way to reach", func(c *contactsv1.ContactInput) { c.Email = nil }, "email=missing_field"},
		{"blank email alone", func(c *contactsv1.ContactInput) { c.Email = proto.String(" ") }, "email=missing_field"},
		{"email without at", func(c *contactsv1.ContactInput) { c.Email = proto.String("mara") }, "email=invalid_value"},
		{"email without dot", func(c *contactsv1.ContactInput) { c.Email = proto.String("a@b") }, "email=invalid_value"},
		{"email with name", func(c *contactsv1.ContactInput) { c.Email = proto.String("A <a@b.org>") }, "email=invalid_value"},
		{"long phone", func(c *contactsv1.ContactInput) { c.Phone = &long }, "phone=invalid_value"},
		{"blank handle", func(c *contactsv1.ContactInput) { c.TwitterId = proto.String("@") }, "twitter_id=invalid_value"},
		{"bad language", func(c *contactsv1.ContactInput) { c.Language = proto.String("English") }, "language=invalid_value"},
		{"company", func(c *contactsv1.ContactInput) { c.CompanyId = proto.Int64(0) }, "company_id=invalid_value"},
		{"company twice", func(c *contactsv1.ContactInput) {
			c.CompanyId, c.OtherCompanies = proto.Int64(3), []*contactsv1.CompanyLink{{CompanyId: proto.Int64(3)}}
		}, "other_companies=invalid_value"},
		{"other email bad", func(c *contactsv1.ContactInput) { c.OtherEmails = []string{"x"} }, "other_emails=invalid_value"},
		{"other email main", func(c *contactsv1.ContactInput) { c.OtherEmails = []string{"OK@example.org"} }, "other_emails=invalid_value"},
		{"many other emails", func(c *contactsv1.ContactInput) {
			for i := range 11 {
				c.OtherEmails = append(c.OtherEmails, fmt.Sprintf("o%d@example.org", i))
			}
		}, "other_emails=invalid_value"},
		{"tag with comma", func(c *contactsv1.ContactInput) { c.Tags = []string{"a,b"} }, "tags=invalid_value"},
		{"long tag", func(c *contactsv1.ContactInput) { c.Tags = []string{strings.Repeat("t", 33)} }, "tags=invalid_value"},
		{"many handles", func(c *contactsv1.ContactInput) {
			for range 11 {
				c.SocialHandler = append(c.SocialHandler, &contactsv1.SocialHandle{Type: proto.String("x"), Value: proto.String("y")})
			}
		}, "social_handler=invalid_value"},
		{"nested custom field", custom("deep", structpb.NewStructValue(&structpb.Struct{})), "custom_fields.deep=datatype_mismatch"},
		{"list custom field", custom("list", structpb.NewListValue(&structpb.ListValue{})), "custom_fields.list=datatype_mismatch"},
		{"custom field name", custom("a b", structpb.NewBoolValue(true)), "custom_fields=invalid_field"},
		{"all at once", func(c *contactsv1.ContactInput) {
			c.Name, c.Email, c.Language = nil, proto.String("x"), proto.String("!")
		},
			"email=invalid_value language=invalid_value name=missing_field"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			in := &contactsv1.ContactInput{Name: proto.String("Ok"), Email: proto.String("ok@example.org")}
			c.change(in)
			if got := violations(d.tryCreate(in)); got != c.want {
				t.Fatalf("got %q, want %q", got, c.want)
			}
		})
	}
	if ids := d.ids(&contactsv1.ListContactsRequest{}); len(ids) != 0 {
		t.Fatalf("refused calls left %v", ids)
	}
	d.mail("Ok", "ok@example.org") // no refused call has claimed the address
}

func TestUniqueValues(t *testing.T) {
	d := open(t)
	first := d.create(fullInput())
	cases := []struct {
		name, field string
		in          *contactsv1.ContactInput
	}{
		{"same address in another case", "email", &contactsv1.ContactInput{Email: proto.String("MARA@example.org")}},
		{"another's further address", "email", &contactsv1.ContactInput{Email: proto.String("M.Quell@example.org")}},
		{"further address that is another's main one", "other_emails", &contactsv1.ContactInput{Phone: proto.String("1"), OtherEmails: []string{"mara@example.org"}}},
		{"handle without @", "twitter_id", &contactsv1.ContactInput{TwitterId: proto.String("maraq")}},
		{"external id", "unique_external_id", &contactsv1.ContactInput{UniqueExternalId: proto.String("ext-7")}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.in.Name = proto.String("Other")
			err := d.tryCreate(c.in)
			refused(t, err, faultv1.Reason_REASON_DUPLICATE_VALUE)
			if violations(err) != c.field+"=duplicate_value" || holder(err) != first.GetId() {
				t.Fatalf("%v names %d", violations(err), holder(err))
			}
		})
	}
	t.Run("a refused create frees what it had claimed", func(t *testing.T) {
		err := d.tryCreate(&contactsv1.ContactInput{Name: proto.String("Half"), Email: proto.String("half@example.org"), TwitterId: proto.String("maraq")})
		refused(t, err, faultv1.Reason_REASON_DUPLICATE_VALUE)
		d.mail("Half", "half@example.org")
	})
	t.Run("an agent's address is taken too", func(t *testing.T) {
		err := d.tryCreate(&contactsv1.ContactInput{Name: proto.String("X"), Email: proto.String("admin@lethe.invalid")})
		if holder(err) != d.adminID {
			t.Fatal(err)
		}
	})
	t.Run("a hidden person's address stays taken", func(t *testing.T) {
		d.fence(first.GetId(), participantv1.Mode_MODE_HIDDEN, "hide")
		err := d.tryCreate(&contactsv1.ContactInput{Name: proto.String("X"), Email: proto.String("mara@example.org")})
		if holder(err) != first.GetId() {
			t.Fatal(err)
		}
	})
	t.Run("an erased person's address is free", func(t *testing.T) {
		d.erase(first.GetId())
		if again := d.create(fullInput()); again.GetId() == first.GetId() {
			t.Fatal("the erased person came back")
		}
	})
}

func TestSixteenCreatesOfOneAddressMakeOneContact(t *testing.T) {
	d := open(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	made, told := map[int64]bool{}, map[int64]bool{}
	for i := range 16 {
		wg.Go(func() {
			out, err := d.contacts.CreateContact(d.admin, &contactsv1.CreateContactRequest{Contact: &contactsv1.ContactInput{
				Name: proto.String(fmt.Sprint("Racer ", i)), Email: proto.String("one@example.org"), OtherEmails: []string{"two@example.org"}}})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				told[holder(err)] = true
				return
			}
			made[out.GetContact().GetId()] = true
		})
	}
	wg.Wait()
	ids := d.ids(&contactsv1.ListContactsRequest{Email: proto.String("one@example.org")})
	if len(made) != 1 || len(ids) != 1 || !made[ids[0]] || len(told) != 1 || !told[ids[0]] {
		t.Fatalf("made %v, told %v, found %v", made, told, ids)
	}
}

func TestCreateUnderAnIdempotencyKey(t *testing.T) {
	d := open(t)
	call := func(name string) (*contactsv1.Contact, error) {
		out, err := d.contacts.CreateContact(d.admin, &contactsv1.CreateContactRequest{
			Contact: &contactsv1.ContactInput{Name: &name, Email: proto.String("key@example.org")}, IdempotencyKey: proto.String("row-1")})
		return out.GetContact(), err
	}
	first, err := call("Key")
	must(t, err)
	again, err := call("Key")
	must(t, err)
	if !proto.Equal(first, again) {
		t.Fatalf("got  %v\nwant %v", again, first)
	}
	_, err = call("Other")
	refused(t, err, faultv1.Reason_REASON_KEY_REUSED)
	d.erase(first.GetId())
	_, err = call("Key")
	refused(t, err, faultv1.Reason_REASON_ALREADY_DONE)
	if ids := d.ids(&contactsv1.ListContactsRequest{}); len(ids) != 0 {
		t.Fatalf("somebody came back: %v", ids)
	}
}

func TestCreateUnderAKeyContinuesAfterACrash(t *testing.T) {
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprint("after the write ", after), func(t *testing.T) {
			d := open(t)
			call := func() (*contactsv1.Contact, error) {
				out, err := d.contacts.CreateContact(d.admin, &contactsv1.CreateContactRequest{
					Contact: &contactsv1.ContactInput{Name: proto.String("Key"), Email: proto.String("key@example.org")}, IdempotencyKey: proto.String("row-1")})
				return out.GetContact(), err
			}
			if after {
				d.faults.after.Store(true)
			} else {
				d.faults.before.Store(true)
			}
			if _, err := call(); err == nil {
				t.Fatal("the crash was not noticed")
			}
			d.faults.revive()
			c, err := call()
			must(t, err)
			if ids := d.ids(&contactsv1.ListContactsRequest{}); len(ids) != 1 || ids[0] != c.GetId() {
				t.Fatalf("%v, want one", ids)
			}
			// continuing has not given the address away
			refused(t, d.tryCreate(&contactsv1.ContactInput{Name: proto.String("x"), Email: proto.String("key@example.org")}), faultv1.Reason_REASON_DUPLICATE_VALUE)
		})
	}
}
