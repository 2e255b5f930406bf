package contacts

import (
	"fmt"
	"slices"
	"testing"
	"time"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func identityOf(d *desk) authn.Identity {
	return authn.Identity{Account: 1, Actor: d.adminID, Role: authn.RoleAdmin}
}

func TestListFilters(t *testing.T) {
	d := open(t)
	mara := d.create(fullInput()).GetId()
	bo := d.create(&contactsv1.ContactInput{Name: proto.String("Bo"), Phone: proto.String("+49 (30) 12345"), CompanyId: proto.Int64(12)}).GetId()
	cy := d.mail("Cy", "cy@example.org").GetId()
	gone, locked, dying := d.mail("G", "g@example.org").GetId(), d.mail("L", "l@example.org").GetId(), d.mail("D", "d@example.org").GetId()
	d.fence(gone, participantv1.Mode_MODE_HIDDEN, "hide")
	d.fence(locked, participantv1.Mode_MODE_RESTRICTED, "lock")
	d.fence(dying, participantv1.Mode_MODE_ERASING, "erase")
	must(t, func() error { _, err := d.update(bo, &contactsv1.ContactInput{}, "job_title"); return err }())
	read, err := d.get(bo)
	must(t, err)
	changed := read.GetUpdatedAt()
	cases := []struct {
		name string
		in   *contactsv1.ListContactsRequest
		want []int64
	}{
		{"all that are not withheld", &contactsv1.ListContactsRequest{}, []int64{mara, bo, cy}},
		{"email", &contactsv1.ListContactsRequest{Email: proto.String(" MARA@example.org")}, []int64{mara}},
		{"further email", &contactsv1.ListContactsRequest{Email: proto.String("m.quell@example.org")}, []int64{mara}},
		{"agents are not contacts", &contactsv1.ListContactsRequest{Email: proto.String("admin@lethe.invalid")}, nil},
		{"phone in another spelling", &contactsv1.ListContactsRequest{Phone: proto.String("+493012345")}, []int64{mara, bo}},
		{"mobile", &contactsv1.ListContactsRequest{Mobile: proto.String("017099")}, []int64{mara}},
		{"external id", &contactsv1.ListContactsRequest{UniqueExternalId: proto.String("ext-7")}, []int64{mara}},
		{"company, primary or further", &contactsv1.ListContactsRequest{CompanyId: proto.Int64(12)}, []int64{mara, bo}},
		{"two filters", &contactsv1.ListContactsRequest{CompanyId: proto.Int64(12), Phone: proto.String("+493012345"), Mobile: proto.String("017099")}, []int64{mara}},
		{"two filters that exclude each other", &contactsv1.ListContactsRequest{Email: proto.String("cy@example.org"), CompanyId: proto.Int64(12)}, nil},
		{"nobody", &contactsv1.ListContactsRequest{Email: proto.String("x@example.org")}, nil},
		{"blank", &contactsv1.ListContactsRequest{Email: proto.String("")}, nil},
		{"deleted", &contactsv1.ListContactsRequest{State: proto.String("deleted")}, []int64{gone}},
		{"deleted and email", &contactsv1.ListContactsRequest{State: proto.String("deleted"), Email: proto.String("g@example.org")}, []int64{gone}},
		{"hidden by email", &contactsv1.ListContactsRequest{Email: proto.String("g@example.org")}, nil},
		{"restricted by email", &contactsv1.ListContactsRequest{Email: proto.String("l@example.org")}, nil},
		{"unverified", &contactsv1.ListContactsRequest{State: proto.String("unverified")}, []int64{mara, bo, cy}},
		{"verified", &contactsv1.ListContactsRequest{State: proto.String("verified")}, nil},
		{"blocked", &contactsv1.ListContactsRequest{State: proto.String("blocked")}, nil},
		{"type", &contactsv1.ListContactsRequest{ContactType: proto.String("contact")}, []int64{mara, bo, cy}},
		{"visitors", &contactsv1.ListContactsRequest{ContactType: proto.String("visitor")}, nil},
		{"changed since", &contactsv1.ListContactsRequest{UpdatedSince: changed}, []int64{bo}},
		{"changed since, with a filter", &contactsv1.ListContactsRequest{UpdatedSince: changed, CompanyId: proto.Int64(12)}, []int64{bo}},
		{"changed since ever", &contactsv1.ListContactsRequest{UpdatedSince: &timestamppb.Timestamp{Seconds: -62135596800}}, []int64{mara, cy, bo}},
		{"changed since tomorrow", &contactsv1.ListContactsRequest{UpdatedSince: timestamppb.New(d.Clock.Now().Add(24 * time.Hour))}, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := d.ids(c.in); !slices.Equal(got, c.want) {
				t.Fatalf("got %v, want %v", got, c.want)
			}
		})
	}
	out, err := d.contacts.ListContacts(d.admin, &contactsv1.ListContactsRequest{State: proto.String("deleted")})
	must(t, err)
	if !out.GetContacts()[0].GetDeleted() {
		t.Fatal("a deleted contact is not shown as such")
	}
}

func TestListRefuses(t *testing.T) {
	d := open(t)
	for want, in := range map[string]*contactsv1.ListContactsRequest{
		"state=invalid_value":         {State: proto.String("asleep")},
		"contact_type=invalid_value":  {ContactType: proto.String("robot")},
		"page=invalid_value":          {Page: proto.Int32(0)},
		"per_page=invalid_value":      {PerPage: proto.Int32(101)},
		"updated_since=invalid_value": {UpdatedSince: &timestamppb.Timestamp{Nanos: -1}},
	} {
		_, err := d.contacts.ListContacts(d.admin, in)
		if violations(err) != want {
			t.Errorf("got %q, want %q", violations(err), want)
		}
	}
}

func TestPagesCoverTheListOnceWhileOthersAreAdded(t *testing.T) {
	d := open(t)
	var want []int64
	for i := range 25 {
		want = append(want, d.mail("P", fmt.Sprintf("p%d@example.org", i)).GetId())
	}
	hidden := want[3]
	d.fence(hidden, participantv1.Mode_MODE_HIDDEN, "hide")
	want = slices.DeleteFunc(want, func(id int64) bool { return id == hidden })
	var got []int64
	for page := int32(1); ; page++ {
		out, err := d.contacts.ListContacts(d.admin, &contactsv1.ListContactsRequest{Page: &page, PerPage: proto.Int32(8)})
		must(t, err)
		for _, c := range out.GetContacts() {
			got = append(got, c.GetId())
		}
		d.mail("New", fmt.Sprintf("new%d@example.org", page)) // comes after all, by its id
		if page == 3 {
			if len(out.GetContacts()) != 8 || !out.GetMore() {
				t.Fatalf("page 3 has %d, more %v", len(out.GetContacts()), out.GetMore())
			}
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("got  %v\nwant %v", got, want)
	}
	out, err := d.contacts.ListContacts(d.admin, &contactsv1.ListContactsRequest{PerPage: proto.Int32(27)})
	must(t, err)
	if len(out.GetContacts()) != 27 || out.GetMore() {
		t.Fatalf("an exact page says there is more: %d %v", len(out.GetContacts()), out.GetMore())
	}
}

func TestAnotherAccountSeesNothing(t *testing.T) {
	d := open(t)
	c := d.create(fullInput())
	operator := d.As(authn.Identity{Role: authn.RoleInstallation})
	made, err := d.identity.CreateAccount(operator, &contactsv1.CreateAccountRequest{
		Name: proto.String("Second"), AdminEmail: proto.String("boss@example.org"), AdminName: proto.String("Boss")})
	must(t, err)
	if made.GetAccount().GetId() < 2 {
		t.Fatalf("account %d", made.GetAccount().GetId())
	}
	token, err := d.identity.IssueToken(t.Context(), &contactsv1.IssueTokenRequest{ApiKey: made.Secret})
	must(t, err)
	if token.GetAccount() != made.GetAccount().GetId() || token.GetActor() != made.GetAdminId() || token.GetRole() != "admin" {
		t.Fatal(token)
	}
	first := d.admin
	d.admin = authn.WithOutgoingToken(t.Context(), token.GetToken())
	_, err = d.get(c.GetId())
	refused(t, err, faultv1.Reason_REASON_NOT_FOUND)
	_, err = d.update(c.GetId(), &contactsv1.ContactInput{}, "phone")
	refused(t, err, faultv1.Reason_REASON_NOT_FOUND)
	if ids := d.ids(&contactsv1.ListContactsRequest{}); len(ids) != 0 {
		t.Fatal(ids)
	}
	if ids := d.ids(&contactsv1.ListContactsRequest{Email: proto.String("mara@example.org")}); len(ids) != 0 {
		t.Fatal(ids)
	}
	twin := d.create(fullInput()) // the same values are free here
	d.admin = first
	_, err = d.get(twin.GetId())
	refused(t, err, faultv1.Reason_REASON_NOT_FOUND)
	second := d.Service(made.GetAccount().GetId(), "privacy")
	_, err = d.participant.CountHoldings(second, &participantv1.CountHoldingsRequest{Subject: subject(c.GetId())})
	refused(t, err, faultv1.Reason_REASON_ACCESS_DENIED)
}
