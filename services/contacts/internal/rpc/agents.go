package rpc

import (
	"context"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	"github.com/lethe-desk/lethe/services/contacts/internal/app"
	"github.com/lethe-desk/lethe/services/contacts/internal/person"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/page"
)

// Agents implements contactsv1.AgentsServiceServer.
type Agents struct {
	contactsv1.UnimplementedAgentsServiceServer
	app *app.App
}

// NewAgents returns the methods over the use cases.
func NewAgents(a *app.App) *Agents { return &Agents{app: a} }

// CreateAgent makes an agent.
func (s *Agents) CreateAgent(ctx context.Context, in *contactsv1.CreateAgentRequest) (*contactsv1.CreateAgentResponse, error) {
	p, err := s.app.CreateAgent(ctx, account(ctx), agentInput(in.GetAgent()))
	if err != nil {
		return nil, err
	}
	return &contactsv1.CreateAgentResponse{Agent: agent(p)}, nil
}

// GetMe reads the caller's agent; a service and a contact are none. Whoever's
// token says agent and is none any more is unknown: their token has outlived them.
func (s *Agents) GetMe(ctx context.Context, _ *contactsv1.GetMeRequest) (*contactsv1.GetMeResponse, error) {
	who := authn.Caller(ctx)
	p, err := s.app.GetAgent(ctx, who.Account, who.Actor)
	if fault.Is(err, fault.KindNotFound) && who.Role != authn.RoleService && who.Role != authn.RoleContact {
		err = fault.Unauthenticated(err)
	}
	if err != nil {
		return nil, err
	}
	return &contactsv1.GetMeResponse{Agent: agent(p)}, nil
}

// GetAgent reads one agent.
func (s *Agents) GetAgent(ctx context.Context, in *contactsv1.GetAgentRequest) (*contactsv1.GetAgentResponse, error) {
	p, err := s.app.GetAgent(ctx, account(ctx), in.GetId())
	if err != nil {
		return nil, err
	}
	return &contactsv1.GetAgentResponse{Agent: agent(p)}, nil
}

// ListAgents reads a page.
func (s *Agents) ListAgents(ctx context.Context, in *contactsv1.ListAgentsRequest) (*contactsv1.ListAgentsResponse, error) {
	pg, err := page.Of(in.Page, in.PerPage)
	if err != nil {
		return nil, err
	}
	people, more, err := s.app.ListAgents(ctx, person.Filter{
		Account: account(ctx), Email: in.Email, Mobile: in.Mobile, Phone: in.Phone, Skip: pg.Skip(), Limit: pg.Size,
	}, in.GetState())
	if err != nil {
		return nil, err
	}
	out := &contactsv1.ListAgentsResponse{More: &more}
	for _, p := range people {
		out.Agents = append(out.Agents, agent(p))
	}
	return out, nil
}

// UpdateAgent changes one agent.
func (s *Agents) UpdateAgent(ctx context.Context, in *contactsv1.UpdateAgentRequest) (*contactsv1.UpdateAgentResponse, error) {
	who := authn.Caller(ctx)
	p, err := s.app.UpdateAgent(ctx, who.Account, who.Actor, in.GetId(), agentInput(in.GetAgent()), paths(in.GetUpdateMask(), in.GetAgent()))
	if err != nil {
		return nil, err
	}
	return &contactsv1.UpdateAgentResponse{Agent: agent(p)}, nil
}
