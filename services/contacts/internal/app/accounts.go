package app

import (
	"context"
	"errors"
	"strings"
	"unicode/utf8"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	"github.com/lethe-desk/lethe/services/contacts/internal/person"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
)

// maxAccountName is how long a company's name may be, in characters.
const maxAccountName = 255

// NewAccount is a further account with its first administrator.
type NewAccount struct {
	Account person.Account
	AdminID int64
	// Secret is the administrator's API key, which is kept nowhere.
	Secret string
}

// CreateAccount makes a further account with a first administrator and a key. A
// call that breaks off may leave an account nobody can enter; repeating makes another.
func (a *App) CreateAccount(ctx context.Context, name, email, admin string) (NewAccount, error) {
	name = strings.TrimSpace(nfc(name))
	in := adminInput(email, admin)
	in.Clean(nfc)
	if err := checkAccount(name, in); err != nil {
		return NewAccount{}, err
	}
	var out NewAccount
	for {
		id, err := a.store.NextAccount(ctx)
		if err != nil {
			return NewAccount{}, storeFault(err, "account", 0)
		}
		out.Account = person.Account{ID: id, Name: name, CreatedAt: a.now()}
		err = a.store.InsertAccount(ctx, out.Account)
		if err == nil {
			break
		}
		// the first account was not drawn from the sequence
		if !errors.Is(err, docstore.ErrExists) {
			return NewAccount{}, storeFault(err, "account", id)
		}
	}
	p, err := a.CreateAgent(ctx, out.Account.ID, in)
	if err != nil {
		return NewAccount{}, err
	}
	out.AdminID = p.ID
	_, out.Secret, err = a.CreateKey(ctx, out.Account.ID, p.ID)
	return out, err
}

func checkAccount(name string, in person.AgentInput) error {
	var bad []fault.Violation
	invalid := func(field string, code faultv1.Reason, message string) {
		bad = append(bad, fault.Violation{Field: field, Code: code, Message: message})
	}
	if name == "" {
		invalid("name", faultv1.Reason_REASON_MISSING_FIELD, "It should not be blank")
	} else if utf8.RuneCountInString(name) > maxAccountName {
		invalid("name", faultv1.Reason_REASON_INVALID_VALUE, "It should have at most 255 characters")
	}
	for _, p := range in.CheckNew() {
		field := "admin_" + p.Field
		invalid(field, codes[p.Code], p.Message)
	}
	if len(bad) > 0 {
		return fault.Invalid(bad...)
	}
	return nil
}

// adminInput is what an account's first administrator begins with.
func adminInput(email, name string) person.AgentInput {
	scope := int32(1)
	in := person.AgentInput{Email: &email, Scope: &scope, RoleIDs: []int64{person.RoleAccountAdmin}}
	if strings.TrimSpace(name) != "" {
		in.Name = &name
	}
	return in
}
