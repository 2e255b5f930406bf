package servicetest

import (
	"context"
	"errors"

	"google.golang.org/grpc"

	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/dial"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
)

// errStopped is why a call meets nobody.
var errStopped = errors.New("the service does not run")

// conn finds a service by name with each call, so it outlives restarts.
type conn struct {
	k            *Kit
	name, caller string
}

func (c conn) Invoke(ctx context.Context, method string, in, out any, opts ...grpc.CallOption) error {
	to, err := c.to()
	if err != nil {
		return err
	}
	return to.Invoke(ctx, method, in, out, opts...)
}

func (c conn) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	to, err := c.to()
	if err != nil {
		return nil, err
	}
	return to.NewStream(ctx, desc, method, opts...)
}

// to returns the connection to the service as it runs now.
func (c conn) to() (grpc.ClientConnInterface, error) {
	s := c.k.host(c.name)
	if s == nil {
		return nil, fault.Unavailable(errStopped)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.srv == nil {
		return nil, fault.Unavailable(errStopped)
	}
	if known := s.conns[c.caller]; known != nil {
		return known, nil
	}
	o := dial.Options{}
	if c.caller != "" {
		o.Source = authn.NewServiceSource(c.k.Signer, c.caller)
	}
	made, err := s.srv.dial(o)
	if err == nil {
		s.conns[c.caller] = made
	}
	return made, err
}

func (l *listening) dial(o dial.Options) (grpc.ClientConnInterface, error) {
	if l.address == "" {
		return dial.Wrap(l.InProcess(), o), nil
	}
	return dial.New(l.address, o)
}
