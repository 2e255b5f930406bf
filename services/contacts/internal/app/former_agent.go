package app

import (
	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	"github.com/lethe-desk/lethe/services/contacts/internal/person"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/ids"
)

// formerAgent is who stands behind the contributions of all agents an account
// has erased. There is one for all of them, so that no two contributions can be
// told to be of the same person; it is made anew with each answer and never stored.
func formerAgent(account int64) *person.Person {
	name, language, zone := "Former agent", person.DefaultLanguage, person.DefaultTimeZone
	return &person.Person{
		Account: account, ID: ids.FormerAgent, Kind: person.Agent, Type: person.TypeContact,
		Details:   person.Details{Name: &name, Language: &language, TimeZone: &zone},
		Seat:      person.Seat{Scope: scopeRestricted, Type: person.SeatSupport, RoleIDs: []int64{person.RoleAgent}},
		CreatedAt: ids.Epoch, UpdatedAt: ids.Epoch,
	}
}

// scopeRestricted is the ticket scope that sees least.
const scopeRestricted = 3

func errFormerAgent() error {
	return fault.State(faultv1.Reason_REASON_METHOD_NOT_ALLOWED, "the former agent stands for everybody who was erased and cannot be changed")
}
