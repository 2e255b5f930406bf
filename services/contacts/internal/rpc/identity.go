package rpc

import (
	"context"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	"github.com/lethe-desk/lethe/services/contacts/internal/app"
	"github.com/lethe-desk/lethe/services/internal/platform/idem"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Identity implements contactsv1.IdentityServiceServer.
type Identity struct {
	contactsv1.UnimplementedIdentityServiceServer
	app *app.App
}

// NewIdentity returns the methods over the use cases.
func NewIdentity(a *app.App) *Identity { return &Identity{app: a} }

// IssueToken exchanges an API key for a token.
func (s *Identity) IssueToken(ctx context.Context, in *contactsv1.IssueTokenRequest) (*contactsv1.IssueTokenResponse, error) {
	t, err := s.app.IssueToken(ctx, in.GetApiKey())
	if err != nil {
		return nil, err
	}
	return &contactsv1.IssueTokenResponse{Token: &t.Text, ExpiresAt: timestamppb.New(t.Expires),
		Account: &t.Account, Actor: &t.Actor, Role: proto.String(string(t.Role))}, nil
}

// GetVerificationKeys returns what verifies a token.
func (s *Identity) GetVerificationKeys(context.Context, *contactsv1.GetVerificationKeysRequest) (*contactsv1.GetVerificationKeysResponse, error) {
	out := &contactsv1.GetVerificationKeysResponse{}
	for _, k := range s.app.VerificationKeys() {
		out.Keys = append(out.Keys, k)
	}
	return out, nil
}

// CreateApiKey makes a key for an agent.
func (s *Identity) CreateApiKey(ctx context.Context, in *contactsv1.CreateApiKeyRequest) (*contactsv1.CreateApiKeyResponse, error) {
	k, secret, err := s.app.CreateKey(ctx, account(ctx), in.GetAgentId())
	if err != nil {
		return nil, err
	}
	return &contactsv1.CreateApiKeyResponse{Key: apiKey(k), Secret: &secret}, nil
}

// RevokeApiKey takes a key away.
func (s *Identity) RevokeApiKey(ctx context.Context, in *contactsv1.RevokeApiKeyRequest) (*contactsv1.RevokeApiKeyResponse, error) {
	if err := s.app.RevokeKey(ctx, account(ctx), in.GetAgentId(), in.GetId()); err != nil {
		return nil, err
	}
	return &contactsv1.RevokeApiKeyResponse{}, nil
}

// CreateAccount makes a further account.
func (s *Identity) CreateAccount(ctx context.Context, in *contactsv1.CreateAccountRequest) (*contactsv1.CreateAccountResponse, error) {
	asked := proto.CloneOf(in)
	asked.IdempotencyKey = nil
	body, err := idem.Body(asked)
	if err != nil {
		return nil, err
	}
	made, err := s.app.CreateAccount(ctx, in.GetName(), in.GetAdminEmail(), in.GetAdminName(), in.GetIdempotencyKey(), body)
	if err != nil {
		return nil, err
	}
	return &contactsv1.CreateAccountResponse{
		Account: &contactsv1.Account{Id: &made.Account.ID, Name: &made.Account.Name, CreatedAt: timestamppb.New(made.Account.CreatedAt)},
		AdminId: &made.AdminID, Secret: &made.Secret,
	}, nil
}
