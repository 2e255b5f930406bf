package authn

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// TokenSource gives tokens for calls on behalf of an account.
type TokenSource interface {
	// Token returns a token that is good for at least a minute. Account 0 means
	// that the context of the call names none; "" then lets the call go out bare.
	Token(ctx context.Context, account int64) (string, error)
}

// renewBefore is how long before its end a token is no longer handed out.
const renewBefore = 2 * time.Minute

type cached struct {
	token string
	until time.Time
}

// ServiceSource signs tokens for a service of the suite and keeps them until
// shortly before they end. Safe for concurrent use.
type ServiceSource struct {
	signer  *Signer
	service string

	mu     sync.Mutex
	tokens map[int64]cached
}

// maxCached bounds the accounts remembered; above it the cache starts anew.
const maxCached = 4096

// NewServiceSource returns a source for the service of that name.
func NewServiceSource(signer *Signer, service string) *ServiceSource {
	return &ServiceSource{signer: signer, service: service, tokens: map[int64]cached{}}
}

// Token returns the service's token for an account, and none for no account.
func (s *ServiceSource) Token(_ context.Context, account int64) (string, error) {
	if account == 0 {
		return "", nil
	}
	now := s.signer.clock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.tokens[account]; ok && now.Before(c.until) {
		return c.token, nil
	}
	token, expires, err := s.signer.Sign(Identity{Account: account, Role: RoleService, Service: s.service})
	if err != nil {
		return "", err
	}
	if len(s.tokens) >= maxCached {
		clear(s.tokens)
	}
	s.tokens[account] = cached{token, expires.Add(-renewBefore)}
	return token, nil
}

type (
	outgoingKey struct{}
	accountKey  struct{}
)

// WithOutgoingToken makes calls with this context show that token instead of
// the client's own identity. Only the gateway uses it, to pass the end user on.
func WithOutgoingToken(ctx context.Context, token string) context.Context {
	return context.WithValue(ctx, outgoingKey{}, token)
}

// WithAccount says for which account calls with this context are made, where
// no caller's identity says it: workers, sagas.
func WithAccount(ctx context.Context, account int64) context.Context {
	return context.WithValue(ctx, accountKey{}, account)
}

// AccountOf returns the account calls of this context are made for: that of
// WithAccount, else the caller's, else 0.
func AccountOf(ctx context.Context) int64 {
	if a, ok := ctx.Value(accountKey{}).(int64); ok {
		return a
	}
	i, _ := FromContext(ctx)
	return i.Account
}

// header is the metadata key of a token.
const header = "authorization"

// show puts the token a call goes out with into its metadata. Without a token
// the call goes out bare, which only public methods take.
func show(ctx context.Context, src TokenSource) (context.Context, error) {
	token, ok := ctx.Value(outgoingKey{}).(string)
	if !ok && src != nil {
		var err error
		if token, err = src.Token(ctx, AccountOf(ctx)); err != nil {
			return nil, err
		}
	}
	if token == "" {
		return ctx, nil
	}
	md, _ := metadata.FromOutgoingContext(ctx)
	md = md.Copy()
	md.Set(header, "Bearer "+token)
	return metadata.NewOutgoingContext(ctx, md), nil
}

// UnaryClient shows a token with every call; src may be nil when only WithOutgoingToken is used.
func UnaryClient(src TokenSource) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		ctx, err := show(ctx, src)
		if err != nil {
			return err
		}
		return invoker(ctx, method, req, reply, cc, opts...)
	}
}

// StreamClient is UnaryClient for streams.
func StreamClient(src TokenSource) grpc.StreamClientInterceptor {
	return func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
		ctx, err := show(ctx, src)
		if err != nil {
			return nil, err
		}
		return streamer(ctx, desc, cc, method, opts...)
	}
}
