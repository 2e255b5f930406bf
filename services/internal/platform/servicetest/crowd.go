package servicetest

import (
	"context"
	"fmt"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
)

// Crowd is a contacts service in memory: the part the other services ask. It
// knows accounts 1 and 2, each with the agents FirstAgent, OtherAgent and
// Admin. Safe for concurrent use.
type Crowd struct {
	contactsv1.UnimplementedContactsServiceServer
	mu      sync.Mutex
	next    int64
	known   map[int64]map[int64]*contactsv1.Person // by account and id
	refuse  error
	creates int
	calls   int
}

// NewCrowd returns a crowd of agents alone.
func NewCrowd() *Crowd {
	c := &Crowd{next: 100, known: map[int64]map[int64]*contactsv1.Person{1: {}, 2: {}}}
	for account := range c.known {
		for _, id := range []int64{FirstAgent, OtherAgent, Admin} {
			c.known[account][id] = &contactsv1.Person{Id: &id, Name: proto.String("Agent"), Email: proto.String(fmt.Sprintf("agent%d@desk.example", id)), Agent: proto.Bool(true)}
		}
	}
	return c
}

// Service returns the crowd as the service contacts, for Kit.Run.
func (c *Crowd) Service() Service {
	return Service{
		Name: "contacts", Declared: []string{contactsv1.ContactsService_ServiceDesc.ServiceName},
		Open: func(context.Context) (Running, error) {
			return Stub(func(r grpc.ServiceRegistrar) { contactsv1.RegisterContactsServiceServer(r, c) }), nil
		},
	}
}

// Person adds a contact to an account and returns the id.
func (c *Crowd) Person(account int64, email string) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.add(account, &contactsv1.Person{Name: proto.String("Mara Quell"), Email: &email}).GetId()
}

func (c *Crowd) add(account int64, p *contactsv1.Person) *contactsv1.Person {
	c.next++
	p.Id = proto.Int64(c.next)
	c.known[account][c.next] = p
	return p
}

// Set changes somebody who is known.
func (c *Crowd) Set(account, id int64, change func(*contactsv1.Person)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	one, _ := proto.Clone(c.known[account][id]).(*contactsv1.Person)
	change(one)
	c.known[account][id] = one
}

// Forget makes nobody of somebody.
func (c *Crowd) Forget(account, id int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known[account], id)
}

// Refuse makes ResolvePeople answer err; nil ends it.
func (c *Crowd) Refuse(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refuse = err
}

// Calls returns how often the crowd was asked.
func (c *Crowd) Calls() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls
}

// Created returns how many contacts it made because somebody asked for them.
func (c *Crowd) Created() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.creates
}

func (c *Crowd) find(account int64, r *contactsv1.PersonRef) *contactsv1.Person {
	for _, one := range c.known[account] {
		switch {
		case r.Id != nil:
			if one.GetId() == r.GetId() {
				return one
			}
		case r.Email != nil && one.GetEmail() == r.GetEmail(), r.Email == nil && r.Phone != nil && one.GetPhone() == r.GetPhone():
			return one
		}
	}
	return nil
}

// ResolvePeople finds by id, email or phone, and makes contacts when asked to.
func (c *Crowd) ResolvePeople(ctx context.Context, in *contactsv1.ResolvePeopleRequest) (*contactsv1.ResolvePeopleResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	if c.refuse != nil {
		return nil, c.refuse
	}
	account := authn.Caller(ctx).Account
	out := &contactsv1.ResolvePeopleResponse{}
	for _, r := range in.GetRefs() {
		one := c.find(account, r)
		created := one == nil && in.GetCreateMissing() && r.Id == nil
		if created {
			one = c.add(account, &contactsv1.Person{Name: r.Name, Email: r.Email, Phone: r.Phone})
			c.creates++
		}
		out.People = append(out.People, &contactsv1.Resolved{Person: one, Created: &created})
	}
	return out, nil
}

// BatchGetPeople reads people who are not hidden.
func (c *Crowd) BatchGetPeople(ctx context.Context, in *contactsv1.BatchGetPeopleRequest) (*contactsv1.BatchGetPeopleResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	out := &contactsv1.BatchGetPeopleResponse{}
	for _, id := range in.GetIds() {
		if one := c.known[authn.Caller(ctx).Account][id]; one != nil && !one.GetHidden() {
			out.People = append(out.People, one)
		}
	}
	return out, nil
}
