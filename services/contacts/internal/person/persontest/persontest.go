// Package persontest draws people for property tests.
package persontest

import (
	"time"

	"github.com/lethe-desk/lethe/services/contacts/internal/person"
	"pgregory.net/rapid"
)

// Draw returns a person as a store might hold one: any field may be absent, and
// lists and maps that are empty are nil.
func Draw(t *rapid.T) *person.Person {
	moment := rapid.Custom(func(t *rapid.T) time.Time {
		return time.UnixMilli(rapid.Int64Range(0, 1<<41).Draw(t, "ms")).UTC()
	})
	text := rapid.Ptr(rapid.String(), true)
	ids := some(rapid.Int64Range(1, 1<<52))
	return &person.Person{
		Account: rapid.Int64Range(1, 9).Draw(t, "account"), ID: rapid.Int64Range(1, 1<<52).Draw(t, "id"),
		Kind:   rapid.SampledFrom([]person.Kind{person.Contact, person.Agent}).Draw(t, "kind"),
		Active: rapid.Bool().Draw(t, "active"), Type: person.TypeContact, Mark: rapid.String().Draw(t, "mark"),
		Details: Details(t),
		Seat: person.Seat{
			Available: rapid.Bool().Draw(t, "available"), AvailableSince: rapid.Ptr(moment, true).Draw(t, "since"),
			Occasional: rapid.Bool().Draw(t, "occasional"), Signature: text.Draw(t, "signature"), Scope: rapid.Int32Range(1, 3).Draw(t, "scope"),
			Type: rapid.String().Draw(t, "type"), GroupIDs: ids.Draw(t, "groups"), RoleIDs: ids.Draw(t, "roles"), SkillIDs: ids.Draw(t, "skills"),
			FocusMode: rapid.Bool().Draw(t, "focus"), LastLoginAt: rapid.Ptr(moment, true).Draw(t, "login"),
		},
		CreatedAt: moment.Draw(t, "created"), UpdatedAt: moment.Draw(t, "updated"),
	}
}

// Details returns details with any field absent but view_all_tickets, which a store always has.
func Details(t *rapid.T) person.Details {
	text := rapid.Ptr(rapid.String(), true)
	values := rapid.OneOf(rapid.String().AsAny(), rapid.Float64().AsAny(), rapid.Bool().AsAny())
	links := rapid.Custom(func(t *rapid.T) person.CompanyLink {
		return person.CompanyLink{CompanyID: rapid.Int64Range(1, 1<<52).Draw(t, "company"), ViewAllTickets: rapid.Bool().Draw(t, "all")}
	})
	handles := rapid.Custom(func(t *rapid.T) person.SocialHandle {
		return person.SocialHandle{Type: rapid.String().Draw(t, "type"), Value: rapid.String().Draw(t, "value")}
	})
	d := person.Details{
		Name: text.Draw(t, "name"), Email: text.Draw(t, "email"), Phone: text.Draw(t, "phone"), Mobile: text.Draw(t, "mobile"),
		TwitterID: text.Draw(t, "twitter"), ExternalID: text.Draw(t, "external"), OtherEmails: some(rapid.String()).Draw(t, "other emails"),
		CompanyID:      rapid.Ptr(rapid.Int64Range(1, 1<<52), true).Draw(t, "company"),
		ViewAllTickets: rapid.Ptr(rapid.Bool(), false).Draw(t, "view all"), OtherCompanies: some(links).Draw(t, "companies"),
		Address: text.Draw(t, "address"), Description: text.Draw(t, "description"), JobTitle: text.Draw(t, "job"),
		Language: text.Draw(t, "language"), TimeZone: text.Draw(t, "zone"), Tags: some(rapid.String()).Draw(t, "tags"),
		Social: some(handles).Draw(t, "social"),
	}
	if m := rapid.MapOfN(rapid.StringMatching(`[a-z_]{1,8}`), values, 0, 5).Draw(t, "custom"); len(m) > 0 {
		d.Custom = m
	}
	return d
}

// some draws short lists, nil when they are empty.
func some[T any](g *rapid.Generator[T]) *rapid.Generator[[]T] {
	return rapid.Map(rapid.SliceOfN(g, 0, 4), func(l []T) []T {
		if len(l) == 0 {
			return nil
		}
		return l
	})
}
