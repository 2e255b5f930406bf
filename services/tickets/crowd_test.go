package tickets

import (
	"context"
	"fmt"
	"sync"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"google.golang.org/protobuf/proto"
)

// crowd is a contacts service in memory: the part tickets asks.
type crowd struct {
	contactsv1.UnimplementedContactsServiceServer
	mu      sync.Mutex
	next    int64
	known   map[int64]map[int64]*contactsv1.Person // by account and id
	refuse  error
	creates int
	calls   int
}

const (
	firstAgent int64 = 9001
	otherAgent int64 = 9002
)

func newCrowd() *crowd {
	p := &crowd{next: 100, known: map[int64]map[int64]*contactsv1.Person{1: {}, 2: {}}}
	for account := range p.known {
		for _, id := range []int64{firstAgent, otherAgent} {
			p.known[account][id] = &contactsv1.Person{Id: proto.Int64(id), Name: proto.String("Agent"), Email: proto.String(fmt.Sprintf("agent%d@desk.example", id)), Agent: proto.Bool(true)}
		}
	}
	return p
}

func (p *crowd) find(account int64, r *contactsv1.PersonRef) *contactsv1.Person {
	for _, one := range p.known[account] {
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
func (p *crowd) ResolvePeople(ctx context.Context, in *contactsv1.ResolvePeopleRequest) (*contactsv1.ResolvePeopleResponse, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	if p.refuse != nil {
		return nil, p.refuse
	}
	account := authn.Caller(ctx).Account
	out := &contactsv1.ResolvePeopleResponse{}
	for _, r := range in.GetRefs() {
		one := p.find(account, r)
		created := false
		if one == nil && in.GetCreateMissing() && r.Id == nil {
			p.next++
			one = &contactsv1.Person{Id: proto.Int64(p.next), Name: r.Name, Email: r.Email, Phone: r.Phone}
			p.known[account][p.next] = one
			p.creates++
			created = true
		}
		out.People = append(out.People, &contactsv1.Resolved{Person: one, Created: &created})
	}
	return out, nil
}

// BatchGetPeople reads people who are not hidden.
func (p *crowd) BatchGetPeople(ctx context.Context, in *contactsv1.BatchGetPeopleRequest) (*contactsv1.BatchGetPeopleResponse, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	out := &contactsv1.BatchGetPeopleResponse{}
	for _, id := range in.GetIds() {
		if one := p.known[authn.Caller(ctx).Account][id]; one != nil && !one.GetHidden() {
			out.People = append(out.People, one)
		}
	}
	return out, nil
}

func (p *crowd) set(account, id int64, change func(*contactsv1.Person)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	one, _ := proto.Clone(p.known[account][id]).(*contactsv1.Person)
	change(one)
	p.known[account][id] = one
}

func (p *crowd) forget(account, id int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.known[account], id)
}
