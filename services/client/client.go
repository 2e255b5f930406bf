// Package client calls Lethe's services with the generated stubs: connections
// with deadlines and tokens that renew themselves, faults as reasons of the
// contract, pages and the events of a saga as loops. README.md is the guide.
package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/dial"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/proto"
)

// TokenSource gives identity tokens. Safe for concurrent use.
type TokenSource interface {
	// Token returns a token that is good for at least a minute. account is 0
	// and may be left alone: a token belongs to one account.
	Token(ctx context.Context, account int64) (string, error)
}

// Options say how to call. Give APIKey with ContactsAddr, or Tokens; without
// either only public methods answer.
type Options struct {
	// APIKey is an agent's key. It is exchanged for a token of ten minutes, which is renewed before it ends.
	APIKey string
	// ContactsAddr is where the contacts service exchanges the key, as host:port.
	ContactsAddr string
	// Tokens is where tokens come from when there is no key, such as Key of another connection.
	Tokens TokenSource
	// TLS secures the connections; nil is plain TCP, which only loopback addresses take.
	TLS *tls.Config
	// InsecurePlaintext lets every address take plain TCP, where something else encrypts the network.
	InsecurePlaintext bool
	// Timeout bounds a call whose context has no deadline, StreamTimeout a
	// stream; 0 are 15 seconds and 15 minutes.
	Timeout, StreamTimeout time.Duration
}

// Conn is a connection for the stubs of one service. Safe for concurrent use.
type Conn struct {
	grpc.ClientConnInterface

	// Tokens is where the connection's tokens come from, for further
	// connections with the same identity; nil without one.
	Tokens TokenSource

	closers []func() error
}

// Dial returns a connection to a target such as "127.0.0.1:7101" or
// "dns:///contacts:7101". It connects with the first call; a call that finds no
// server fails at once (IsUnavailable), and nothing is retried. Close it.
func Dial(target string, o Options) (*Conn, error) {
	c := &Conn{Tokens: o.Tokens}
	if err := c.login(o); err != nil {
		return nil, err
	}
	conn, err := connect(target, o, c.Tokens)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	c.ClientConnInterface = conn
	c.closers = append(c.closers, conn.Close)
	return c, nil
}

// login makes the source of tokens out of an API key.
func (c *Conn) login(o Options) error {
	switch {
	case o.APIKey == "":
		return nil
	case o.Tokens != nil:
		return errors.New("an API key and a source of tokens are two identities: give one")
	case o.ContactsAddr == "":
		return errors.New("an API key is exchanged at the contacts service: give its address")
	}
	conn, err := connect(o.ContactsAddr, o, nil)
	if err != nil {
		return err
	}
	c.closers = append(c.closers, conn.Close)
	issuer, key := contactsv1.NewIdentityServiceClient(conn), o.APIKey
	c.Tokens = authn.NewExchangeSource(func(ctx context.Context) (string, time.Time, error) {
		issued, err := issuer.IssueToken(ctx, &contactsv1.IssueTokenRequest{ApiKey: proto.String(key)})
		if err != nil {
			return "", time.Time{}, err
		}
		return issued.GetToken(), issued.GetExpiresAt().AsTime(), nil
	}, time.Now)
	return nil
}

// connect makes one connection. A token over a network that others read is a token given away.
func connect(target string, o Options, tokens TokenSource) (*dial.Conn, error) {
	d := dial.Options{Timeout: o.Timeout, StreamTimeout: o.StreamTimeout}
	if tokens != nil {
		d.Source = tokens
	}
	switch {
	case o.TLS != nil:
		d.Credentials = credentials.NewTLS(o.TLS)
	case !o.InsecurePlaintext && !local(target):
		return nil, fmt.Errorf("%s is another machine, and calls carry personal data: give TLS, or InsecurePlaintext when something else encrypts the network", target)
	}
	return dial.New(target, d)
}

// local says whether a target is this machine.
func local(target string) bool {
	host := target[strings.LastIndex(target, "/")+1:]
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Close ends the connection and its calls. It may be called twice.
func (c *Conn) Close() error {
	var errs []error
	for _, end := range c.closers {
		errs = append(errs, end())
	}
	c.closers = nil
	return errors.Join(errs...)
}
