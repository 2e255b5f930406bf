package tickets

import (
	"fmt"
	"slices"
	"testing"
	"time"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestListRules(t *testing.T) {
	d := open(t)
	anna, bert := d.person("anna@example.org"), d.person("bert@example.org")
	d.ticket(&ticketsv1.TicketInput{RequesterId: &anna, Subject: str("old")}) // 1, beyond the window
	d.later(31 * 24 * time.Hour)
	due := func(h int) *timestamppb.Timestamp {
		return timestamppb.New(d.Clock.Now().Add(time.Duration(h) * time.Hour))
	}
	d.ticket(&ticketsv1.TicketInput{RequesterId: &anna, Status: num(5), DueBy: due(3), CompanyId: id(7)})            // 2
	d.ticket(&ticketsv1.TicketInput{RequesterId: &bert, Status: num(2), DueBy: due(1), ResponderId: id(firstAgent)}) // 3
	d.ticket(&ticketsv1.TicketInput{RequesterId: &bert, Status: num(3), DueBy: due(2), CompanyId: id(7)})            // 4
	d.ticket(&ticketsv1.TicketInput{RequesterId: &anna, Status: num(2), ResponderId: id(otherAgent), DueBy: due(4)}) // 5
	d.ticket(&ticketsv1.TicketInput{RequesterId: &anna, Status: num(2), CompanyId: id(7), DueBy: due(5)})            // 6
	d.ticket(&ticketsv1.TicketInput{RequesterId: &bert, Status: num(2), DueBy: due(6)})                              // 7, to the trash
	_, err := d.tickets.DeleteTicket(d.agent, &ticketsv1.DeleteTicketRequest{Id: 7})
	must(t, err)
	middle := d.Clock.Now()
	_, err = d.update(3, &ticketsv1.TicketInput{Priority: num(2)}, "priority")
	must(t, err)
	since := timestamppb.New(d.Clock.Now().Add(-365 * 24 * time.Hour))
	cases := []struct {
		name string
		in   *ticketsv1.ListTicketsRequest
		want []int64
	}{
		{"default", &ticketsv1.ListTicketsRequest{}, []int64{6, 5, 4, 3, 2}},
		{"ascending", &ticketsv1.ListTicketsRequest{OrderType: str("asc")}, []int64{2, 3, 4, 5, 6}},
		{"since forever", &ticketsv1.ListTicketsRequest{UpdatedSince: since}, []int64{6, 5, 4, 3, 2, 1}},
		{"since the middle", &ticketsv1.ListTicketsRequest{UpdatedSince: timestamppb.New(middle)}, []int64{3}},
		{"by update", &ticketsv1.ListTicketsRequest{OrderBy: str("updated_at"), UpdatedSince: since}, []int64{3, 6, 5, 4, 2, 1}},
		{"by update in the window", &ticketsv1.ListTicketsRequest{OrderBy: str("updated_at")}, []int64{3, 6, 5, 4, 2}},
		{"by due", &ticketsv1.ListTicketsRequest{OrderBy: str("due_by"), OrderType: str("asc")}, []int64{3, 4, 2, 5, 6}},
		{"by status", &ticketsv1.ListTicketsRequest{OrderBy: str("status"), OrderType: str("asc")}, []int64{3, 5, 6, 4, 2}},
		{"requester", &ticketsv1.ListTicketsRequest{RequesterId: &anna}, []int64{6, 5, 2}},
		{"requester by status", &ticketsv1.ListTicketsRequest{RequesterId: &anna, OrderBy: str("status")}, []int64{2, 6, 5}},
		{"requester, all times", &ticketsv1.ListTicketsRequest{RequesterId: &anna, UpdatedSince: since}, []int64{6, 5, 2, 1}},
		{"email", &ticketsv1.ListTicketsRequest{Email: str("Bert@example.org")}, []int64{4, 3}},
		{"email and id agree", &ticketsv1.ListTicketsRequest{Email: str("bert@example.org"), RequesterId: &bert}, []int64{4, 3}},
		{"email and id differ", &ticketsv1.ListTicketsRequest{Email: str("bert@example.org"), RequesterId: &anna}, nil},
		{"unknown email", &ticketsv1.ListTicketsRequest{Email: str("nobody@example.org")}, nil},
		{"unknown external id", &ticketsv1.ListTicketsRequest{UniqueExternalId: str("x")}, nil},
		{"unknown requester", &ticketsv1.ListTicketsRequest{RequesterId: id(5555)}, nil},
		{"company", &ticketsv1.ListTicketsRequest{CompanyId: id(7)}, []int64{6, 4, 2}},
		{"company and requester", &ticketsv1.ListTicketsRequest{CompanyId: id(7), RequesterId: &anna}, []int64{6, 2}},
		{"no such company", &ticketsv1.ListTicketsRequest{CompanyId: id(8)}, nil},
		{"mine", &ticketsv1.ListTicketsRequest{Filter: str("new_and_my_open")}, []int64{6, 3}},
		{"watching", &ticketsv1.ListTicketsRequest{Filter: str("watching")}, nil},
		{"spam", &ticketsv1.ListTicketsRequest{Filter: str("spam")}, nil},
		{"trash", &ticketsv1.ListTicketsRequest{Filter: str("deleted")}, []int64{7}},
		{"page", &ticketsv1.ListTicketsRequest{Page: num(2), PerPage: num(2)}, []int64{4, 3}},
	}
	for _, c := range cases {
		if got := d.list(c.in); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
	if got, err := d.tickets.ListTickets(d.stranger, &ticketsv1.ListTicketsRequest{UpdatedSince: since}); err != nil || len(got.Tickets) != 0 {
		t.Errorf("another account sees %v, %v", got, err)
	}
}

func TestListRefusals(t *testing.T) {
	d := open(t)
	cases := []struct {
		in   *ticketsv1.ListTicketsRequest
		want string
	}{
		{&ticketsv1.ListTicketsRequest{Filter: str("mine")}, "filter invalid_value"},
		{&ticketsv1.ListTicketsRequest{OrderBy: str("id"), OrderType: str("up")}, "order_by invalid_value, order_type invalid_value"},
		{&ticketsv1.ListTicketsRequest{Include: str("stats,all")}, "include invalid_value"},
		{&ticketsv1.ListTicketsRequest{RequesterId: id(0), CompanyId: id(-1)}, "company_id invalid_value, requester_id invalid_value"},
		{&ticketsv1.ListTicketsRequest{Email: str("x")}, "email invalid_value"},
		{&ticketsv1.ListTicketsRequest{PerPage: num(101)}, "per_page invalid_value"},
		{&ticketsv1.ListTicketsRequest{Page: num(0)}, "page invalid_value"},
		{&ticketsv1.ListTicketsRequest{Page: num(301)}, "page invalid_value"},
	}
	for _, c := range cases {
		_, err := d.tickets.ListTickets(d.agent, c.in)
		equal(t, fmt.Sprint(c.in), violations(err), c.want)
	}
}

func TestPagingIsStableUnderInserts(t *testing.T) {
	d := open(t)
	who := d.person("a@example.org")
	for range 7 {
		d.ticket(&ticketsv1.TicketInput{RequesterId: &who})
	}
	var seen []int64
	for page := int32(1); ; page++ {
		out, err := d.tickets.ListTickets(d.agent, &ticketsv1.ListTicketsRequest{OrderType: str("asc"), Page: &page, PerPage: num(3)})
		must(t, err)
		for _, one := range out.Tickets {
			seen = append(seen, one.GetId())
		}
		if page == 1 {
			d.ticket(&ticketsv1.TicketInput{RequesterId: &who})
		}
		if !out.GetMore() {
			break
		}
	}
	if !slices.Equal(seen, []int64{1, 2, 3, 4, 5, 6, 7, 8}) {
		t.Errorf("got %v", seen)
	}
}

func TestListIncludesAndOpensNoBodies(t *testing.T) {
	d := open(t)
	anna, bert := d.person("anna@example.org"), d.person("bert@example.org")
	for i := range 5 {
		who := &anna
		if i%2 == 1 {
			who = &bert
		}
		d.ticket(&ticketsv1.TicketInput{RequesterId: who, Subject: str("s"), Description: str("text")})
	}
	d.people.Set(1, bert, func(p *contactsv1.Person) { p.Hidden = proto.Bool(true) })
	opened, calls := d.svc.Stats().Opened, d.people.Calls()
	out, err := d.tickets.ListTickets(d.agent, &ticketsv1.ListTicketsRequest{Include: str("requester,stats")})
	must(t, err)
	equal(t, "parts opened for five tickets", d.svc.Stats().Opened-opened, 5)
	equal(t, "calls of contacts for a page", d.people.Calls()-calls, 1)
	for _, one := range out.Tickets {
		if one.Description != nil || one.DescriptionText != nil || one.Stats == nil || one.GetSubject() != "s" {
			t.Errorf("%v", one)
		}
		if shown := one.Requester != nil; shown != (one.GetRequesterId() == anna) {
			t.Errorf("requester of %d shown: %v", one.GetRequesterId(), shown)
		}
	}
	out, err = d.tickets.ListTickets(d.agent, &ticketsv1.ListTicketsRequest{Include: str("description")})
	must(t, err)
	for _, one := range out.Tickets {
		if one.GetDescriptionText() != "text" || one.Stats != nil || one.Requester != nil {
			t.Errorf("%v", one)
		}
	}
}

func TestHiddenPeoplesTicketsAreInNoList(t *testing.T) {
	d := open(t)
	anna, bert := d.person("anna@example.org"), d.person("bert@example.org")
	for range 3 {
		d.ticket(&ticketsv1.TicketInput{RequesterId: &anna})
		d.ticket(&ticketsv1.TicketInput{RequesterId: &bert})
	}
	d.fence(anna, participantv1.Mode_MODE_HIDDEN, "hide")
	if got := d.list(&ticketsv1.ListTicketsRequest{PerPage: num(3)}); !slices.Equal(got, []int64{6, 4, 2}) {
		t.Errorf("got %v", got)
	}
	d.unfence(anna, "hide")
	equal(t, "restored", len(d.list(&ticketsv1.ListTicketsRequest{})), 6)
}
