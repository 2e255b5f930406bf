// Package mtls secures the connections between services: both sides show a
// certificate of the installation's own authority and check the other's.
package mtls

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc/credentials"
)

// Files name the certificate of this process, its private key, and the
// certificates of the authority that signs all of them, each in PEM.
type Files struct {
	Cert, Key, CA string
}

// Pair is a certificate and an authority, ready for both sides of a
// connection. A certificate that is renewed in place is shown from the next
// connection on; a new authority needs a new start. Safe for concurrent use.
type Pair struct {
	files Files
	roots *x509.CertPool

	mu       sync.Mutex
	current  *tls.Certificate
	modified [2]time.Time
}

// Load reads the files. Without any of them it returns nil: the connections
// are plain. Its errors are sentences for the operator.
func Load(f Files) (*Pair, error) {
	if f == (Files{}) {
		return nil, nil
	}
	if f.Cert == "" || f.Key == "" || f.CA == "" {
		return nil, errors.New("TLS between services needs all of --tls-cert, --tls-key and --tls-ca")
	}
	authority, err := os.ReadFile(f.CA)
	if err != nil {
		return nil, fmt.Errorf("read the authority's certificates: %w", err)
	}
	p := &Pair{files: f, roots: x509.NewCertPool()}
	if !p.roots.AppendCertsFromPEM(authority) {
		return nil, fmt.Errorf("%s holds no certificate of an authority", f.CA)
	}
	if _, err := p.certificate(); err != nil {
		return nil, err
	}
	return p, nil
}

// certificate returns the certificate as it is on the disk now. While it
// cannot be read, as in the middle of its renewal, the one before serves.
func (p *Pair) certificate() (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	modified := [2]time.Time{changed(p.files.Cert), changed(p.files.Key)}
	if p.current != nil && modified == p.modified {
		return p.current, nil
	}
	cert, err := tls.LoadX509KeyPair(p.files.Cert, p.files.Key)
	switch {
	case err == nil:
		p.current, p.modified = &cert, modified
	case p.current == nil:
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	return p.current, nil
}

func changed(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// Server returns what a listener is secured with: callers without a
// certificate of the authority are not let in. A nil Pair returns nil.
func (p *Pair) Server() credentials.TransportCredentials {
	if p == nil {
		return nil
	}
	return credentials.NewTLS(&tls.Config{
		MinVersion: tls.VersionTLS13, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: p.roots,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return p.certificate() },
	})
}

// Client returns what a connection is secured with: the other side must hold
// a certificate of the authority for the name or address that was called. A
// nil Pair returns nil.
func (p *Pair) Client() credentials.TransportCredentials {
	if p == nil {
		return nil
	}
	return credentials.NewTLS(&tls.Config{
		MinVersion: tls.VersionTLS13, RootCAs: p.roots,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return p.certificate() },
	})
}

// CheckListen refuses to listen in the clear where other machines can reach
// it. The error says what to do.
func CheckListen(address string) error {
	at, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return fmt.Errorf("find the address to listen on: %w", err)
	}
	if at.IP != nil && at.IP.IsLoopback() {
		return nil
	}
	return fmt.Errorf("%s can be reached from other machines, and calls carry personal data: give --tls-cert, --tls-key and --tls-ca, "+
		"or --insecure-plaintext when something else encrypts the network", address)
}
