package server

import (
	"context"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/dial"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/mtls"
	"github.com/lethe-desk/lethe/services/internal/platform/mtls/mtlstest"
)

func pair(t *testing.T, f mtls.Files) *mtls.Pair {
	t.Helper()
	p, err := mtls.Load(f)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Both sides check the other: only certificates of the one authority talk, and
// a good token does not make up for a missing one.
func TestBothSidesShowCertificates(t *testing.T) {
	house, stranger := mtlstest.New(t), mtlstest.New(t)
	files := house.Issue("tickets")
	f := newFixtureAt(t, "0.0.0.0:0", func(o *Options) { o.Credentials = pair(t, files).Server() })
	f.p.read = func(context.Context, string) (string, error) { return "", nil }
	_, port, _ := net.SplitHostPort(f.addr)
	f.addr = "127.0.0.1:" + port
	ask := func(o dial.Options, target string) error {
		o.Meter, o.Tracer = f.meter, f.tracer
		cc, err := dial.New(target, o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cc.Close() })
		_, err = read(f.agent(), cc, "Read", "")
		return err
	}
	good := pair(t, house.Issue("gateway"))
	if err := ask(dial.Options{Credentials: good.Client()}, f.addr); err != nil {
		t.Fatalf("the control: %v", err)
	}
	mixed := house.Issue("mixed")
	theirs := stranger.Issue("stranger")
	for name, c := range map[string]struct {
		o      dial.Options
		target string
	}{
		"plain TCP":                              {dial.Options{}, f.addr},
		"a certificate of another authority":     {dial.Options{Credentials: pair(t, mtls.Files{Cert: theirs.Cert, Key: theirs.Key, CA: mixed.CA}).Client()}, f.addr},
		"trust in another authority":             {dial.Options{Credentials: pair(t, mtls.Files{Cert: mixed.Cert, Key: mixed.Key, CA: theirs.CA}).Client()}, f.addr},
		"another address than the certificate's": {dial.Options{Credentials: good.Client()}, strings.Replace(f.addr, "127.0.0.1", "127.0.0.2", 1)},
	} {
		if err := ask(c.o, c.target); !fault.Is(err, fault.KindUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A certificate renewed in place is shown from the next connection on; half a renewal changes nothing.
	if err := os.WriteFile(files.Key, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := ask(dial.Options{Credentials: good.Client()}, f.addr); err != nil {
		t.Fatalf("in the middle of a renewal: %v", err)
	}
	house.Issue("tickets")
	if err := os.Chtimes(files.Cert, time.Time{}, time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := ask(dial.Options{Credentials: good.Client()}, f.addr); err != nil {
		t.Fatalf("after a renewal: %v", err)
	}
}

func TestFilesAreAllThereOrNone(t *testing.T) {
	files := mtlstest.New(t).Issue("tickets")
	if p := pair(t, mtls.Files{}); p != nil || p.Server() != nil || p.Client() != nil {
		t.Error("something is made of nothing")
	}
	for want, f := range map[string]mtls.Files{
		"all of --tls-cert":     {Cert: files.Cert},
		"authority's":           {Cert: files.Cert, Key: files.Key, CA: files.CA + ".gone"},
		"no certificate of an":  {Cert: files.Cert, Key: files.Key, CA: files.Key},
		"read the certificate:": {Cert: files.Key, Key: files.Key, CA: files.CA},
	} {
		if _, err := mtls.Load(f); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// Nobody listens in the clear where others can reach it, unless told to.
func TestPlainTextStaysAtHome(t *testing.T) {
	house := mtlstest.New(t).Issue("probe")
	start := func(address string, change func(*Options)) error {
		o := Options{Name: "x", Declared: []string{probeName}, Verifier: authn.NewVerifier(time.Now)}
		change(&o)
		s, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		s.RegisterService(desc(probeName), &probe{})
		_, err = s.Start(address)
		_ = s.Stop(t.Context())
		return err
	}
	same := func(*Options) {}
	for _, address := range []string{":0", "0.0.0.0:0", "[::]:0"} {
		if err := start(address, same); err == nil || !strings.Contains(err.Error(), "--insecure-plaintext") {
			t.Errorf("%s: %v", address, err)
		}
	}
	for name, err := range map[string]error{
		"loopback":  start("127.0.0.1:0", same),
		"localhost": start("localhost:0", same),
		"TLS":       start("0.0.0.0:0", func(o *Options) { o.Credentials = pair(t, house).Server() }),
		"told to":   start("0.0.0.0:0", func(o *Options) { o.InsecurePlaintext = true }),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := start("no such host.invalid:0", same); err == nil {
		t.Error("an address that is none")
	}
}
