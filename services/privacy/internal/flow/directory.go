package flow

import (
	"context"
	"slices"

	"golang.org/x/sync/singleflight"
	"google.golang.org/protobuf/proto"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
)

// Directory is what contacts says about people beyond the participant contract.
type Directory struct {
	Contacts contactsv1.ContactsServiceClient
	Agents   contactsv1.AgentsServiceClient
	// asking lets the steps of a stage, which all ask at the same moment, share one answer.
	asking *singleflight.Group
}

// NewDirectory asks contacts over these clients.
func NewDirectory(contacts contactsv1.ContactsServiceClient, agents contactsv1.AgentsServiceClient) Directory {
	return Directory{Contacts: contacts, Agents: agents, asking: &singleflight.Group{}}
}

// Identify reads what a person is recognised by, and what they are. The answer
// is for the call it is made for: it is neither kept nor written anywhere. Not
// found once contacts has destroyed the person's key.
func (d Directory) Identify(ctx context.Context, account, id int64) (*participantv1.Identifiers, participantv1.SubjectKind, error) {
	r, err := d.Contacts.GetIdentifiers(authn.WithAccount(ctx, account), &contactsv1.GetIdentifiersRequest{Id: &id})
	if err != nil {
		return nil, 0, err
	}
	ids := r.GetIdentifiers()
	if ids == nil {
		ids = &participantv1.Identifiers{}
	}
	return ids, r.GetKind(), nil
}

// identified is an answer of Identify.
type identified struct {
	ids  *participantv1.Identifiers
	kind participantv1.SubjectKind
}

// identify is Identify for a step. Steps of one saga that ask while somebody
// asks already share the answer, for reading; it is gone with the last of them.
func (d Directory) identify(ctx context.Context, call saga.Call) (*participantv1.Identifiers, participantv1.SubjectKind, error) {
	v, err, _ := d.asking.Do(call.Saga, func() (any, error) {
		ids, kind, err := d.Identify(ctx, call.Account, call.Subject)
		return identified{ids, kind}, err
	})
	who, _ := v.(identified)
	return who.ids, who.kind, err
}

// administrators are the roles without which nobody could run an account.
var administrators = []int64{1, 2}

// agentPage is how many agents one question reads.
const agentPage = 100

// Administrated reports whether an account has an administrator besides this
// person whom no fence keeps from work.
func (d Directory) Administrated(ctx context.Context, account, besides int64) (bool, error) {
	for page := int32(1); ; page++ {
		r, err := d.Agents.ListAgents(authn.WithAccount(ctx, account), &contactsv1.ListAgentsRequest{Page: &page, PerPage: proto.Int32(agentPage)})
		if err != nil {
			return false, err
		}
		for _, a := range r.GetAgents() {
			if a.GetId() != besides && slices.ContainsFunc(a.GetRoleIds(), func(role int64) bool { return slices.Contains(administrators, role) }) {
				return true, nil
			}
		}
		if !r.GetMore() {
			return false, nil
		}
	}
}

// keepAdministrator refuses to erase the last one. It looks when the agent's
// own fence stands: of two administrators who are erased at once both see
// nobody, or one sees the other, and never does the account lose both.
func (d Directory) keepAdministrator(ctx context.Context, call saga.Call) saga.Result {
	kept, err := d.Administrated(ctx, call.Account, call.Subject)
	if err != nil {
		return answer(err)
	}
	if !kept {
		return saga.Refused("last_administrator")
	}
	return saga.Done()
}

// notFound reports whether nobody is there to be asked about.
func notFound(err error) bool { return fault.Is(err, fault.KindNotFound) }
