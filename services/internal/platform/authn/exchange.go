package authn

import (
	"context"
	"sync"
	"time"
)

// exchangeTimeout bounds an exchange, which outlives the call that began it;
// stillGood is what must be left of a token that is used because no newer one can be had.
const (
	exchangeTimeout = 10 * time.Second
	stillGood       = 30 * time.Second
)

// Exchange asks the issuer for a token and returns when it ends, such as with an API key.
type Exchange func(ctx context.Context) (token string, expires time.Time, err error)

// ExchangeSource is the source of a client outside of the suite: it exchanges
// what the client holds for a token and does so again before the token ends.
// Calls that come while it asks wait for the one answer. Safe for concurrent use.
type ExchangeSource struct {
	exchange Exchange
	clock    func() time.Time

	mu       sync.Mutex
	token    string
	expires  time.Time
	underway *answer
}

// answer is an exchange under way.
type answer struct {
	done  chan struct{}
	token string
	err   error
}

// NewExchangeSource returns a source over an exchange; clock is the time of now.
func NewExchangeSource(exchange Exchange, clock func() time.Time) *ExchangeSource {
	return &ExchangeSource{exchange: exchange, clock: clock}
}

// Token returns the token, whatever the account: it belongs to one already. An
// error is the issuer's, or the context's own.
func (s *ExchangeSource) Token(ctx context.Context, _ int64) (string, error) {
	s.mu.Lock()
	if s.token != "" && s.clock().Before(s.expires.Add(-renewBefore)) {
		defer s.mu.Unlock()
		return s.token, nil
	}
	a := s.underway
	if a == nil {
		a = &answer{done: make(chan struct{})}
		s.underway = a
		go s.ask(context.WithoutCancel(ctx), a)
	}
	s.mu.Unlock()
	select {
	case <-a.done:
		return a.token, a.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// ask carries one exchange out. While the old token still opens things, an
// issuer that is away is nobody's trouble.
func (s *ExchangeSource) ask(ctx context.Context, a *answer) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	token, expires, err := s.exchange(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(a.done)
	s.underway = nil
	switch {
	case err == nil:
		s.token, s.expires = token, expires
	case s.token != "" && s.clock().Before(s.expires.Add(-stillGood)):
	default:
		s.token, a.err = "", err
		return
	}
	a.token = s.token
}
