// Package mongotest gives tests a server that speaks MongoDB's wire protocol:
// the one named by LETHE_TEST_MONGO_URI, which must then be reachable, or one of
// our own (services/internal/mongotest), built once per machine and started
// once per test binary.
package mongotest

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Env names the variable with the URI of a server to test against.
const Env = "LETHE_TEST_MONGO_URI"

// Server is a running server.
type Server struct {
	// URI is how clients reach it. That of our own server allows one connection:
	// it loses updates when there are two, so all of a test's stores share one client.
	URI string
	// Standalone says that the server is no replica set, as our own.
	Standalone bool
	// Dir is where its files lie, "" when it is not our own.
	Dir string

	// lifeline is held, or the collector would close it and end the server.
	lifeline io.Closer
}

var (
	once   sync.Once
	shared *Server
	failed error
)

// Start returns the test binary's server, and fails the test when there is none.
func Start(t testing.TB) *Server {
	t.Helper()
	once.Do(func() { shared, failed = start() })
	if failed != nil {
		t.Fatal(failed)
	}
	return shared
}

// Fresh returns a server of the test's own, so that tests that run beside each
// other do not wait for one connection; that of LETHE_TEST_MONGO_URI if there is one.
func Fresh(t testing.TB) *Server {
	t.Helper()
	s, err := start()
	if err != nil {
		t.Fatal(err)
	}
	if s.lifeline != nil {
		t.Cleanup(func() {
			if err := s.lifeline.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	return s
}

func start() (*Server, error) {
	if uri := os.Getenv(Env); uri != "" {
		return &Server{URI: uri}, nil
	}
	binary, err := build()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "lethe-mongotest-")
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(context.Background(), binary, "--remove", dir)
	cmd.Stderr = os.Stderr
	// The server ends, and removes its folder, when this pipe closes: with this process at the latest.
	lifeline, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the MongoDB-wire server: %w", err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the MongoDB-wire server did not come up: %w", err), cmd.Wait())
	}
	return &Server{URI: strings.TrimRight(strings.TrimSpace(line), "/") + "/?maxPoolSize=1", Standalone: true, Dir: dir, lifeline: lifeline}, nil
}

// build returns the path of the server's binary, made when its sources have not
// been built on this machine yet. Test binaries that do so at once end up with the same file.
func build() (string, error) {
	_, here, _, ok := runtime.Caller(0)
	module := filepath.Join(filepath.Dir(here), "../../../../mongotest")
	if _, err := os.Stat(filepath.Join(module, "go.mod")); !ok || err != nil {
		return "", errors.New("the sources of the MongoDB-wire server are not beside those of this test: run it in the source tree")
	}
	sum, err := digest(module)
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir := filepath.Join(cache, "lethe", "mongotest")
	binary := filepath.Join(dir, sum)
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	fresh, err := os.MkdirTemp(dir, "build-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(fresh)
	made := filepath.Join(fresh, "mongotest")
	cmd := exec.CommandContext(context.Background(), "go", "build", "-o", made, ".")
	cmd.Dir, cmd.Env = module, append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the MongoDB-wire server: %w\n%s", err, out)
	}
	return binary, os.Rename(made, binary)
}

// digest names the sources and the compiler.
func digest(module string) (string, error) {
	files, err := filepath.Glob(filepath.Join(module, "*"))
	if err != nil {
		return "", err
	}
	slices.Sort(files)
	h := sha256.New()
	fmt.Fprintln(h, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			return "", err
		}
		fmt.Fprintln(h, filepath.Base(f), len(data))
		h.Write(data)
	}
	return hex.EncodeToString(h.Sum(nil)[:12]), nil
}
