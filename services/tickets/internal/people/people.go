// Package people asks the contacts service who somebody is.
package people

import (
	"context"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/tickets/internal/app"
	"github.com/lethe-desk/lethe/services/tickets/internal/ticket"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// Client is a client of contacts.
type Client struct {
	c contactsv1.ContactsServiceClient
}

// New returns a client over a connection whose token source knows accounts (platform/dial).
func New(cc grpc.ClientConnInterface) *Client {
	return &Client{contactsv1.NewContactsServiceClient(cc)}
}

// Resolve answers in the order asked, nil for nobody. With create an unknown
// address becomes a contact.
func (c *Client) Resolve(ctx context.Context, account int64, refs []ticket.Who, create bool) ([]*app.Person, error) {
	in := &contactsv1.ResolvePeopleRequest{CreateMissing: proto.Bool(create)}
	for _, r := range refs {
		in.Refs = append(in.Refs, &contactsv1.PersonRef{
			Id: r.ID, Email: r.Email, Phone: r.Phone, TwitterId: r.Twitter, UniqueExternalId: r.External, Name: r.Name,
		})
	}
	out, err := c.c.ResolvePeople(authn.WithAccount(ctx, account), in)
	if err != nil {
		return nil, fault.FromStatus(err)
	}
	people := make([]*app.Person, len(refs))
	for i, r := range out.GetPeople() {
		if i < len(people) && r.GetPerson() != nil {
			people[i] = person(r.GetPerson())
		}
	}
	return people, nil
}

// Batch reads people who exist and are withheld from nobody, by id.
func (c *Client) Batch(ctx context.Context, account int64, ids []int64) (map[int64]*app.Person, error) {
	out, err := c.c.BatchGetPeople(authn.WithAccount(ctx, account), &contactsv1.BatchGetPeopleRequest{Ids: ids})
	if err != nil {
		return nil, fault.FromStatus(err)
	}
	people := map[int64]*app.Person{}
	for _, p := range out.GetPeople() {
		people[p.GetId()] = person(p)
	}
	return people, nil
}

func person(p *contactsv1.Person) *app.Person {
	return &app.Person{
		ID: p.GetId(), Name: p.Name, Email: p.Email, Mobile: p.Mobile, Phone: p.Phone, Agent: p.GetAgent(), Hidden: p.GetHidden(),
	}
}
