package contacts

import (
	"fmt"
	"sync"
	"testing"
	"time"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

func number(n float64) *structpb.Value { return structpb.NewNumberValue(n) }

func TestUpdateChangesWhatTheMaskNamesAndNothingElse(t *testing.T) {
	d := open(t)
	before := d.create(fullInput())
	id := before.GetId()
	cases := []struct {
		name  string
		paths []string
		in    *contactsv1.ContactInput
		want  func(c *contactsv1.Contact)
	}{
		{"nothing", nil, &contactsv1.ContactInput{Name: proto.String("Ignored")}, func(*contactsv1.Contact) {}},
		{"one text", []string{"name"}, &contactsv1.ContactInput{Name: proto.String("New"), Phone: proto.String("ignored")},
			func(c *contactsv1.Contact) { c.Name = proto.String("New") }},
		{"null clears", []string{"phone", "company_id", "description", "tags", "other_companies", "view_all_tickets"}, &contactsv1.ContactInput{},
			func(c *contactsv1.Contact) {
				c.Phone, c.CompanyId, c.Description, c.Tags, c.OtherCompanies, c.ViewAllTickets = nil, nil, nil, nil, nil, proto.Bool(false)
			}},
		{"null brings defaults back", []string{"language", "time_zone"}, &contactsv1.ContactInput{},
			func(c *contactsv1.Contact) { c.Language, c.TimeZone = proto.String("en"), proto.String("UTC") }},
		{"a list is replaced", []string{"tags"}, &contactsv1.ContactInput{Tags: []string{"new"}},
			func(c *contactsv1.Contact) { c.Tags = []string{"new"} }},
		{"one custom field", []string{"custom_fields.room"}, &contactsv1.ContactInput{CustomFields: &structpb.Struct{Fields: map[string]*structpb.Value{"room": number(7), "other": number(1)}}},
			func(c *contactsv1.Contact) { c.CustomFields.Fields["room"] = number(7) }},
		{"one custom field cleared", []string{"custom_fields.floor"}, &contactsv1.ContactInput{},
			func(c *contactsv1.Contact) { delete(c.CustomFields.Fields, "floor") }},
		{"all custom fields", []string{"custom_fields"}, &contactsv1.ContactInput{CustomFields: &structpb.Struct{Fields: map[string]*structpb.Value{"only": structpb.NewStringValue("x")}}},
			func(c *contactsv1.Contact) {
				c.CustomFields = &structpb.Struct{Fields: map[string]*structpb.Value{"only": structpb.NewStringValue("x")}}
			}},
		{"the address moves", []string{"email", "other_emails"}, &contactsv1.ContactInput{Email: proto.String("m.quell@example.org"), OtherEmails: []string{"mara@example.org"}},
			func(c *contactsv1.Contact) {
				c.Email, c.OtherEmails = proto.String("m.quell@example.org"), []string{"mara@example.org"}
			}},
	}
	want := proto.Clone(before).(*contactsv1.Contact)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := d.update(id, c.in, c.paths...)
			must(t, err)
			c.want(want)
			want.UpdatedAt = got.UpdatedAt
			if !proto.Equal(got, want) {
				t.Fatalf("got  %v\nwant %v", got, want)
			}
			read, err := d.get(id)
			must(t, err)
			if !proto.Equal(read, want) {
				t.Fatalf("read %v\nwant %v", read, want)
			}
		})
	}
}

func TestUpdateWithoutAMaskChangesWhatIsSet(t *testing.T) {
	d := open(t)
	c := d.mail("Old", "old@example.org")
	out, err := d.contacts.UpdateContact(d.admin, &contactsv1.UpdateContactRequest{Id: c.GetId(), Contact: &contactsv1.ContactInput{Name: proto.String("New")}})
	must(t, err)
	if out.GetContact().GetName() != "New" || out.GetContact().GetEmail() != "old@example.org" {
		t.Fatal(out)
	}
	_, err = d.contacts.UpdateContact(d.admin, &contactsv1.UpdateContactRequest{Id: c.GetId()})
	must(t, err)
}

func TestUpdateRefuses(t *testing.T) {
	d := open(t)
	other := d.mail("Other", "other@example.org")
	c := d.mail("Me", "me@example.org")
	cases := []struct {
		name  string
		paths []string
		in    *contactsv1.ContactInput
		want  string
	}{
		{"unknown field", []string{"shoe_size"}, &contactsv1.ContactInput{}, "shoe_size=invalid_field"},
		{"readonly field", []string{"active"}, &contactsv1.ContactInput{}, "active=invalid_field"},
		{"custom field name", []string{"custom_fields.a b"}, &contactsv1.ContactInput{}, "custom_fields=invalid_field"},
		{"name cleared", []string{"name"}, &contactsv1.ContactInput{}, "name=invalid_value"},
		{"the last way to reach", []string{"email"}, &contactsv1.ContactInput{}, "email=missing_field"},
		{"taken", []string{"email"}, &contactsv1.ContactInput{Email: proto.String("other@example.org")}, "email=duplicate_value"},
	}
	for _, k := range cases {
		t.Run(k.name, func(t *testing.T) {
			_, err := d.update(c.GetId(), k.in, k.paths...)
			if violations(err) != k.want {
				t.Fatalf("got %q (%v), want %q", violations(err), err, k.want)
			}
		})
	}
	_, err := d.update(c.GetId(), &contactsv1.ContactInput{Email: proto.String("other@example.org")}, "email")
	if holder(err) != other.GetId() {
		t.Fatal(err)
	}
	_, err = d.update(c.GetId()+1, &contactsv1.ContactInput{}, "phone")
	refused(t, err, faultv1.Reason_REASON_NOT_FOUND)
	_, err = d.update(d.adminID, &contactsv1.ContactInput{Name: proto.String("x")}, "name")
	refused(t, err, faultv1.Reason_REASON_NOT_FOUND)
	if now, err := d.get(c.GetId()); err != nil || !proto.Equal(now, c) {
		t.Fatalf("%v %v", now, err)
	}
}

func TestUpdateFreesWhatIsNoLongerUsed(t *testing.T) {
	d := open(t)
	c := d.mail("Me", "old@example.org")
	_, err := d.update(c.GetId(), &contactsv1.ContactInput{Email: proto.String("new@example.org")}, "email")
	must(t, err)
	d.mail("Next", "old@example.org")
	refused(t, d.tryCreate(&contactsv1.ContactInput{Name: proto.String("x"), Email: proto.String("new@example.org")}), faultv1.Reason_REASON_DUPLICATE_VALUE)
	// what a refused update had claimed is free again
	_, err = d.update(c.GetId(), &contactsv1.ContactInput{Email: proto.String("fresh@example.org"), OtherEmails: []string{"old@example.org"}}, "email", "other_emails")
	refused(t, err, faultv1.Reason_REASON_DUPLICATE_VALUE)
	d.mail("Fresh", "fresh@example.org")
}

func TestConcurrentUpdatesAllStand(t *testing.T) {
	d := open(t)
	c := d.mail("Me", "me@example.org")
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			f := fmt.Sprintf("f%d", i)
			_, err := d.update(c.GetId(), &contactsv1.ContactInput{CustomFields: &structpb.Struct{Fields: map[string]*structpb.Value{f: number(1)}}}, "custom_fields."+f)
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got, err := d.get(c.GetId())
	must(t, err)
	if n := len(got.GetCustomFields().GetFields()); n != 16 {
		t.Fatalf("%d of 16 stand", n)
	}
}

func TestUpdateAppliesAnewWhenAnotherProcessWasFaster(t *testing.T) {
	d := open(t)
	c := d.mail("Me", "me@example.org")
	race := func() {
		p, err := d.faults.Store.Person(t.Context(), ring.Write, 1, c.GetId())
		if err == nil {
			p.Details.JobTitle = proto.String("Buyer")
			err = d.faults.Store.Update(t.Context(), p)
		}
		if err != nil {
			t.Error(err)
		}
	}
	d.faults.race.Store(&race)
	got, err := d.update(c.GetId(), &contactsv1.ContactInput{Email: proto.String("moved@example.org")}, "email")
	must(t, err)
	if got.GetJobTitle() != "Buyer" || got.GetEmail() != "moved@example.org" {
		t.Fatal(got)
	}
	refused(t, d.tryCreate(&contactsv1.ContactInput{Name: proto.String("x"), Email: proto.String("moved@example.org")}), faultv1.Reason_REASON_DUPLICATE_VALUE)
	d.mail("Next", "me@example.org")
}

// A crash leaves a claim without a document, or a document whose old value is
// still claimed. Both are void after a minute and not before.
func TestClaimsLeftByACrashAreVoidAfterAMinute(t *testing.T) {
	in := func(email string) *contactsv1.ContactInput {
		return &contactsv1.ContactInput{Name: proto.String("N"), Email: &email}
	}
	cases := []struct {
		name string
		// crash leaves the address left@example.org claimed by somebody who does not use it.
		crash func(d *desk)
	}{
		{"create, before the write", func(d *desk) {
			d.faults.before.Store(true)
			if d.tryCreate(in("left@example.org")) == nil {
				d.t.Fatal("no crash")
			}
		}},
		{"update, before the write", func(d *desk) {
			c := d.mail("Me", "me@example.org")
			d.faults.before.Store(true)
			if _, err := d.update(c.GetId(), in("left@example.org"), "email"); err == nil {
				d.t.Fatal("no crash")
			}
		}},
		{"update, after the write", func(d *desk) {
			c := d.mail("Me", "left@example.org")
			d.faults.after.Store(true)
			if _, err := d.update(c.GetId(), in("me@example.org"), "email"); err == nil {
				d.t.Fatal("no crash")
			}
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := open(t)
			c.crash(d)
			d.faults.revive()
			d.Clock.Advance(30 * time.Second)
			refused(t, d.tryCreate(in("left@example.org")), faultv1.Reason_REASON_DUPLICATE_VALUE)
			d.Clock.Advance(31 * time.Second)
			d.mail("Next", "left@example.org")
			refused(t, d.tryCreate(in("left@example.org")), faultv1.Reason_REASON_DUPLICATE_VALUE)
		})
	}
	t.Run("create, after the write", func(t *testing.T) {
		d := open(t)
		d.faults.after.Store(true)
		if d.tryCreate(in("kept@example.org")) == nil {
			t.Fatal("no crash")
		}
		d.faults.revive()
		d.Clock.Advance(time.Hour)
		d.admin = d.As(identityOf(d))
		refused(t, d.tryCreate(in("kept@example.org")), faultv1.Reason_REASON_DUPLICATE_VALUE)
	})
}
