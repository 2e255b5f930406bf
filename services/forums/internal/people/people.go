// Package people asks the contacts service who somebody is.
package people

import (
	"context"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	"github.com/lethe-desk/lethe/services/forums/internal/app"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"google.golang.org/grpc"
)

// Client is a client of contacts.
type Client struct {
	c contactsv1.ContactsServiceClient
}

// New returns a client over a connection whose token source knows accounts (platform/dial).
func New(cc grpc.ClientConnInterface) *Client {
	return &Client{contactsv1.NewContactsServiceClient(cc)}
}

// Resolve answers in the order asked, nil for nobody.
func (c *Client) Resolve(ctx context.Context, account int64, ids []int64) ([]*app.Person, error) {
	in := &contactsv1.ResolvePeopleRequest{}
	for _, id := range ids {
		in.Refs = append(in.Refs, &contactsv1.PersonRef{Id: &id})
	}
	out, err := c.c.ResolvePeople(authn.WithAccount(ctx, account), in)
	if err != nil {
		return nil, fault.FromStatus(err)
	}
	people := make([]*app.Person, len(ids))
	for i, r := range out.GetPeople() {
		if p := r.GetPerson(); i < len(people) && p != nil {
			people[i] = &app.Person{ID: p.GetId(), Agent: p.GetAgent(), Hidden: p.GetHidden()}
		}
	}
	return people, nil
}
