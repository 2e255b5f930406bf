package app

import (
	"context"
	"strings"
	"unicode/utf8"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	"github.com/lethe-desk/lethe/services/contacts/internal/person"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/idem"
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

// createAccount names the method among idempotency keys.
const createAccount = "contacts.CreateAccount"

// CreateAccount makes a further account with a first administrator and a key. A
// call that broke off is carried through when it is repeated under its key; one
// that was answered is refused then as ALREADY_DONE, because the secret is kept nowhere.
func (a *App) CreateAccount(ctx context.Context, name, email, admin, key string, body []byte) (NewAccount, error) {
	name = strings.TrimSpace(nfc(name))
	in := adminInput(email, admin)
	in.Clean(nfc)
	if err := checkAccount(name, in); err != nil {
		return NewAccount{}, err
	}
	made, err := idem.Do(ctx, a.idem, idem.Call{Account: person.FirstAccount, Method: createAccount, Key: key, Body: body}, idem.Work[NewAccount]{
		NewID: a.store.NextAccount,
		Create: func(ctx context.Context, s idem.Slot) (NewAccount, error) {
			account := person.Account{ID: s.ID, Name: name, Mark: s.Mark, CreatedAt: a.now()}
			return NewAccount{Account: account}, a.store.InsertAccount(ctx, account)
		},
		Mark: func(ctx context.Context, id int64) (string, error) {
			account, err := a.store.Account(ctx, id)
			return account.Mark, err
		},
		Read: func(ctx context.Context, id int64) (NewAccount, error) {
			account, err := a.store.Account(ctx, id)
			return NewAccount{Account: account}, err
		},
		Complete: func(ctx context.Context, n NewAccount) (NewAccount, error) { return a.enter(ctx, n, in) },
	})
	if err == nil && made.Secret == "" {
		err = idem.AlreadyDone(made.Account.ID)
	}
	return made, storeFault(err, "account", 0)
}

// enter gives a new account its administrator, unless an earlier try did, and a key.
func (a *App) enter(ctx context.Context, n NewAccount, in person.AgentInput) (NewAccount, error) {
	there, _, err := a.ListAgents(ctx, person.Filter{Account: n.Account.ID, Limit: 1}, "")
	if err != nil {
		return n, err
	}
	if len(there) > 0 {
		n.AdminID = there[0].ID
	} else {
		p, err := a.CreateAgent(ctx, n.Account.ID, in)
		if err != nil {
			return n, err
		}
		n.AdminID = p.ID
	}
	_, n.Secret, err = a.CreateKey(ctx, n.Account.ID, n.AdminID)
	return n, err
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
