package tickets

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestCreateFillsDefaultsAndMakesTheContact(t *testing.T) {
	d := open(t)
	got := d.ticket(&ticketsv1.TicketInput{Email: str(" Mara@Example.org "), Name: str("Mara"), Subject: str("Lamp is dark"), Description: str("It went <out>.")})
	equal(t, "id", got.GetId(), 1)
	equal(t, "requester", got.GetRequesterId(), 101)
	equal(t, "status", got.GetStatus(), 2)
	equal(t, "priority", got.GetPriority(), 1)
	equal(t, "source", got.GetSource(), 2)
	equal(t, "description", got.GetDescription(), "<div>It went <out>.</div>")
	equal(t, "creates", d.people.Created(), 1)
	if got.Type != nil || got.ResponderId != nil || got.DueBy != nil || got.Deleted != nil || got.Stats != nil || got.CustomFields == nil || got.GetSpam() {
		t.Errorf("defaults: %v", got)
	}
	again := d.ticket(&ticketsv1.TicketInput{Email: str("mara@example.org")})
	equal(t, "same requester", again.GetRequesterId(), 101)
	equal(t, "next number", again.GetId(), 2)
	if again.Subject != nil || again.Description == nil || again.GetDescription() != "" {
		t.Errorf("without subject and description: %v", again)
	}
	if read := d.mustGet(1, ""); !proto.Equal(read, got) {
		t.Errorf("read\n%v\nmade\n%v", read, got)
	}
}

func TestEveryFieldComesBack(t *testing.T) {
	d := open(t)
	due := timestamppb.New(d.Clock.Now().Add(72 * time.Hour))
	fields, err := structpb.NewStruct(map[string]any{"cf_shop": "north", "cf_age": 42.0, "cf_ok": true, "cf_none": nil})
	must(t, err)
	in := &ticketsv1.TicketInput{
		RequesterId: id(d.person("a@example.org")), Subject: str("S"), Description: str("<p>One</p><p>Two &amp; three</p>"), Type: str("Question"),
		Status: num(3), Priority: num(4), Source: num(1), ResponderId: id(otherAgent), GroupId: id(4), CompanyId: id(5), ProductId: id(6), EmailConfigId: id(7),
		CcEmails: []string{"B@example.org", "b@example.org", "c@example.org"}, Tags: []string{"vip", "vip", "lamp"}, CustomFields: fields, DueBy: due, FrDueBy: due,
	}
	got := d.mustGet(d.ticket(in).GetId(), "stats")
	delete(fields.Fields, "cf_none")
	equal(t, "text", got.GetDescriptionText(), "One\nTwo & three")
	equal(t, "type", got.GetType(), "Question")
	equal(t, "ids", fmt.Sprint(got.GetResponderId(), got.GetGroupId(), got.GetCompanyId(), got.GetProductId(), got.GetEmailConfigId()), "9002 4 5 6 7")
	equal(t, "cc", strings.Join(got.CcEmails, " "), "b@example.org c@example.org")
	equal(t, "ticket cc", strings.Join(got.TicketCcEmails, " "), "b@example.org c@example.org")
	equal(t, "tags", strings.Join(got.Tags, " "), "vip lamp")
	if !proto.Equal(got.CustomFields, fields) || !proto.Equal(got.DueBy, due) || got.GetStats().PendingSince == nil {
		t.Errorf("%v", got)
	}
	d.later(80 * time.Hour)
	late := d.mustGet(got.GetId(), "")
	if !late.GetIsEscalated() || !late.GetFrEscalated() || got.GetIsEscalated() {
		t.Error("lateness is not shown")
	}
}

func TestCreateRefusesWhatIsWrong(t *testing.T) {
	d := open(t)
	who := d.person("a@example.org")
	ok := func(change func(*ticketsv1.TicketInput)) *ticketsv1.TicketInput {
		in := &ticketsv1.TicketInput{RequesterId: &who}
		change(in)
		return in
	}
	list, err := structpb.NewStruct(map[string]any{"a": []any{1.0}, "b c": 1.0})
	must(t, err)
	cases := []struct {
		name string
		in   *ticketsv1.TicketInput
		want string
	}{
		{"nobody", &ticketsv1.TicketInput{Subject: str("x")}, "requester_id missing_field"},
		{"unknown id", &ticketsv1.TicketInput{RequesterId: id(77)}, "requester_id invalid_value"},
		{"bad id", &ticketsv1.TicketInput{RequesterId: id(-1)}, "requester_id invalid_value"},
		{"bad mail", &ticketsv1.TicketInput{Email: str("nobody")}, "email invalid_value"},
		{"mail with name", &ticketsv1.TicketInput{Email: str("A <a@example.org>")}, "email invalid_value"},
		{"blank phone", &ticketsv1.TicketInput{Phone: str(" ")}, "phone invalid_value"},
		{"numbers", ok(func(in *ticketsv1.TicketInput) { in.Status, in.Priority, in.Source = num(1), num(5), num(0) }), "priority invalid_value, source invalid_value, status invalid_value"},
		{"links", ok(func(in *ticketsv1.TicketInput) { in.GroupId, in.CompanyId = id(0), id(-4) }), "company_id invalid_value, group_id invalid_value"},
		{"subject", ok(func(in *ticketsv1.TicketInput) { in.Subject = str(strings.Repeat("ä", 256)) }), "subject invalid_value"},
		{"description", ok(func(in *ticketsv1.TicketInput) { in.Description = str(strings.Repeat("a", 1<<20+1)) }), "description invalid_value"},
		{"cc", ok(func(in *ticketsv1.TicketInput) { in.CcEmails = []string{"x"} }), "cc_emails invalid_value"},
		{"tags", ok(func(in *ticketsv1.TicketInput) { in.Tags = []string{strings.Repeat("a", 33)} }), "tags invalid_value"},
		{"custom", ok(func(in *ticketsv1.TicketInput) { in.CustomFields = list }), "custom_fields invalid_field, custom_fields.a datatype_mismatch"},
		{"agent", ok(func(in *ticketsv1.TicketInput) { in.ResponderId = &who }), "responder_id invalid_value"},
		{"due", ok(func(in *ticketsv1.TicketInput) {
			in.DueBy, in.FrDueBy = timestamppb.New(time.Unix(1e9, 0)), timestamppb.New(time.Unix(2e9, 0))
		}), "fr_due_by invalid_value"},
		{"no upload", ok(func(in *ticketsv1.TicketInput) { in.AttachmentIds = []int64{4} }), "attachment_ids invalid_value"},
	}
	for _, c := range cases {
		_, err := d.create(c.in, "")
		equal(t, c.name, violations(err), c.want)
	}
	_, err = d.tickets.CreateTicket(d.agent, &ticketsv1.CreateTicketRequest{})
	equal(t, "no input", violations(err), "requester_id missing_field")
	equal(t, "nothing was made", len(d.list(&ticketsv1.ListTicketsRequest{})), 0)
}

func TestContactsRefusalsAreTranslated(t *testing.T) {
	d := open(t)
	d.people.Refuse(fault.Invalid(fault.Violation{Field: "name", Code: faultv1.Reason_REASON_MISSING_FIELD, Message: "x"},
		fault.Violation{Field: "refs.phone", Code: faultv1.Reason_REASON_INVALID_VALUE, Message: "x"}))
	_, err := d.create(&ticketsv1.TicketInput{Phone: str("123")}, "")
	equal(t, "invalid", violations(err), "name missing_field, phone invalid_value")
	d.people.Refuse(fault.Unavailable(nil))
	if _, err = d.create(&ticketsv1.TicketInput{Phone: str("123")}, ""); !fault.Is(err, fault.KindUnavailable) {
		t.Errorf("got %v", err)
	}
}

func TestUpdateChangesWhatTheMaskNames(t *testing.T) {
	d := open(t)
	fields, err := structpb.NewStruct(map[string]any{"a": "1", "b": "2"})
	must(t, err)
	made := d.ticket(&ticketsv1.TicketInput{
		RequesterId: id(d.person("a@example.org")), Subject: str("old"), Description: str("text"), Type: str("Question"), ResponderId: id(firstAgent),
		Tags: []string{"x"}, CustomFields: fields, DueBy: timestamppb.New(d.Clock.Now().Add(time.Hour)),
	})
	set, err := structpb.NewStruct(map[string]any{"b": "3"})
	must(t, err)
	got, err := d.update(made.GetId(), &ticketsv1.TicketInput{Subject: str("new"), Status: num(5), CustomFields: set, Priority: num(3)},
		"subject", "type", "responder_id", "tags", "custom_fields.a", "custom_fields.b", "due_by", "status", "description")
	must(t, err)
	equal(t, "subject", got.GetSubject(), "new")
	equal(t, "priority stays, for the mask does not name it", got.GetPriority(), 1)
	equal(t, "fields", fmt.Sprint(got.CustomFields.AsMap()), "map[b:3]")
	equal(t, "description", got.GetDescription(), "")
	if got.Type != nil || got.ResponderId != nil || len(got.Tags) != 0 || got.DueBy != nil {
		t.Errorf("not cleared: %v", got)
	}
	if read := d.mustGet(made.GetId(), ""); !proto.Equal(read, got) {
		t.Errorf("read %v\nwrote %v", read, got)
	}
}

func TestUpdateRefusals(t *testing.T) {
	d := open(t)
	who := d.person("a@example.org")
	made := d.ticket(&ticketsv1.TicketInput{RequesterId: &who, Subject: str("s")}).GetId()
	cases := []struct {
		in   *ticketsv1.TicketInput
		path string
		want string
	}{
		{&ticketsv1.TicketInput{}, "nonsense", "nonsense invalid_field"},
		{&ticketsv1.TicketInput{}, "custom_fields.a-b", "custom_fields.a-b invalid_field"},
		{&ticketsv1.TicketInput{}, "status", "status invalid_value"},
		{&ticketsv1.TicketInput{Priority: num(9)}, "priority", "priority invalid_value"},
		{&ticketsv1.TicketInput{RequesterId: id(987654)}, "requester_id", "requester_id invalid_value"},
		{&ticketsv1.TicketInput{}, "email", "email invalid_value"},
		{&ticketsv1.TicketInput{Phone: str("123")}, "phone", "phone readonly_field"},
		{&ticketsv1.TicketInput{ResponderId: &who}, "responder_id", "responder_id invalid_value"},
		{&ticketsv1.TicketInput{AttachmentIds: []int64{9}}, "attachment_ids", "attachment_ids invalid_value"},
	}
	for _, c := range cases {
		_, err := d.update(made, c.in, c.path)
		equal(t, c.path, violations(err), c.want)
	}
	if _, err := d.update(made, &ticketsv1.TicketInput{RequesterId: &who, Priority: num(9)}, "requester_id"); err != nil {
		t.Errorf("the same requester, and a bad value outside of the mask: %v", err)
	}
	_, err := d.update(77, &ticketsv1.TicketInput{}, "subject")
	notFound(t, err)
	_, err = d.tickets.GetTicket(d.stranger, &ticketsv1.GetTicketRequest{Id: made})
	notFound(t, err)
}

func TestTrash(t *testing.T) {
	d := open(t)
	made := d.ticket(&ticketsv1.TicketInput{RequesterId: id(d.person("a@example.org")), Subject: str("s"), Description: str("d")})
	del := func() error {
		_, err := d.tickets.DeleteTicket(d.agent, &ticketsv1.DeleteTicketRequest{Id: made.GetId()})
		return err
	}
	must(t, del())
	if got := d.mustGet(made.GetId(), ""); !got.GetDeleted() {
		t.Error("not shown as deleted")
	}
	reason(t, del(), faultv1.Reason_REASON_METHOD_NOT_ALLOWED)
	_, err := d.update(made.GetId(), &ticketsv1.TicketInput{Subject: str("x")}, "subject")
	reason(t, err, faultv1.Reason_REASON_METHOD_NOT_ALLOWED)
	_, err = d.reply(made.GetId(), &ticketsv1.ReplyInput{Body: str("x")}, "")
	reason(t, err, faultv1.Reason_REASON_METHOD_NOT_ALLOWED)
	for range 2 { // repeating it is harmless
		_, err = d.tickets.RestoreTicket(d.agent, &ticketsv1.RestoreTicketRequest{Id: made.GetId()})
		must(t, err)
	}
	got := d.mustGet(made.GetId(), "")
	got.UpdatedAt = made.UpdatedAt
	if !proto.Equal(got, made) {
		t.Errorf("restored\n%v\nmade\n%v", got, made)
	}
	_, err = d.tickets.RestoreTicket(d.agent, &ticketsv1.RestoreTicketRequest{Id: 99})
	notFound(t, err)
}

func TestStatusChangeNeedsNoKey(t *testing.T) {
	d := open(t)
	made := d.ticket(&ticketsv1.TicketInput{RequesterId: id(d.person("a@example.org")), Subject: str("s"), Description: str("d"), CcEmails: []string{"b@example.org"}}).GetId()
	before := d.svc.Stats().Sealed
	_, err := d.update(made, &ticketsv1.TicketInput{Status: num(4)}, "status")
	must(t, err)
	equal(t, "sealed parts", d.svc.Stats().Sealed, before)
}

func TestConcurrentUpdatesLoseNothing(t *testing.T) {
	d := open(t)
	made := d.ticket(&ticketsv1.TicketInput{RequesterId: id(d.person("a@example.org"))}).GetId()
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			set, _ := structpb.NewStruct(map[string]any{fmt.Sprintf("f%d", i): "x"})
			if _, err := d.update(made, &ticketsv1.TicketInput{CustomFields: set}, fmt.Sprintf("custom_fields.f%d", i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	equal(t, "fields", len(d.mustGet(made, "").CustomFields.Fields), 6)
}

func TestHiddenSendersMailIsSpam(t *testing.T) {
	d := open(t)
	who := d.person("a@example.org")
	d.people.Set(1, who, func(p *contactsv1.Person) { p.Hidden = proto.Bool(true) })
	d.fence(who, participantv1.Mode_MODE_HIDDEN, "hide")
	got := d.ticket(&ticketsv1.TicketInput{Email: str("a@example.org"), AttachmentIds: []int64{d.staged("a.txt", "abc")}})
	if !got.GetSpam() || len(got.Attachments) != 1 {
		t.Errorf("not filed as spam: %v", got)
	}
	_, err := d.get(got.GetId(), "")
	notFound(t, err)
	_, err = d.create(&ticketsv1.TicketInput{RequesterId: &who}, "")
	equal(t, "by id", violations(err), "requester_id invalid_value")
	d.unfence(who, "hide")
	d.people.Set(1, who, func(p *contactsv1.Person) { p.Hidden = nil })
	if !slices.Equal(d.list(&ticketsv1.ListTicketsRequest{Filter: str("spam")}), []int64{got.GetId()}) {
		t.Error("not in spam after the restore")
	}
	equal(t, "in the default list", len(d.list(&ticketsv1.ListTicketsRequest{})), 0)
	_, err = d.update(got.GetId(), &ticketsv1.TicketInput{Subject: str("x")}, "subject")
	reason(t, err, faultv1.Reason_REASON_METHOD_NOT_ALLOWED)
}

// The participant may know of a fence before contacts does.
func TestFenceAtTheStoreAloneIsHeeded(t *testing.T) {
	d := open(t)
	who := d.person("a@example.org")
	d.fence(who, participantv1.Mode_MODE_RESTRICTED, "restrict")
	_, err := d.create(&ticketsv1.TicketInput{Email: str("a@example.org")}, "")
	reason(t, err, faultv1.Reason_REASON_RESTRICTED)
	d.fence(who, participantv1.Mode_MODE_ERASING, "erase")
	_, err = d.create(&ticketsv1.TicketInput{Email: str("a@example.org")}, "")
	equal(t, "erasing", violations(err), "email invalid_value")
}
