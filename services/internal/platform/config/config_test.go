package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

type settings struct {
	Base
	Telemetry
	Listen Address       `help:"Where to listen." default:"127.0.0.1:8080"`
	Wait   Duration      `help:"How long to wait." default:"10s"`
	Max    Size          `help:"Largest body." default:"8MiB"`
	Names  []string      `help:"Some names."`
	Fast   bool          `help:"Be fast."`
	Key    Secret        `help:"The key."`
	Plain  time.Duration `help:"A plain one." default:"1s"`
}

func parse(t *testing.T, args ...string) (*settings, string, error) {
	t.Helper()
	var s settings
	var out bytes.Buffer
	_, err := Parse(&s, Info{Name: "testd", Description: "A test.", Version: "v1", Stdout: &out, Stderr: &out, Exit: func(int) {}}, args)
	return &s, out.String(), err
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRankOfSources(t *testing.T) {
	s, _, err := parse(t)
	if err != nil || s.Listen != "127.0.0.1:8080" || s.Wait != Duration(10*time.Second) || s.Max != 8<<20 || s.TraceFileMax != 64<<20 || s.LogLevel != slog.LevelInfo {
		t.Fatalf("%+v %v", s, err)
	}
	for _, path := range []string{
		write(t, "c.yaml", "listen: ':1'\nmax: 1KiB\nwait: 2d\nnames: [a, b]\nfast: true\ntrace: {file_max: 5}\nlog_level: WARN\n"),
		write(t, "c.json", `{"listen": ":1", "max": "1KiB", "wait": "2d", "names": ["a", "b"], "fast": true, "trace-file-max": 5, "log-level": "WARN"}`),
	} {
		if s, _, err = parse(t, "--config", path); err != nil || s.Listen != ":1" || s.Max != 1024 || s.Wait != Duration(48*time.Hour) ||
			!slices.Equal(s.Names, []string{"a", "b"}) || !s.Fast || s.TraceFileMax != 5 || s.LogLevel != slog.LevelWarn {
			t.Fatalf("file: %+v %v", s, err)
		}
		t.Setenv("LETHE_LISTEN", ":2")
		t.Setenv("LETHE_MAX", "2KiB")
		if s, _, err = parse(t, "--config="+path); err != nil || s.Listen != ":2" || s.Max != 2048 {
			t.Fatalf("environment: %+v %v", s, err)
		}
		if s, _, err = parse(t, "--config="+path, "--listen", ":3"); err != nil || s.Listen != ":3" || s.Max != 2048 {
			t.Fatalf("flag: %+v %v", s, err)
		}
		_ = os.Unsetenv("LETHE_LISTEN")
		_ = os.Unsetenv("LETHE_MAX")
		t.Setenv("LETHE_CONFIG", path)
		if s, _, err = parse(t); err != nil || s.Listen != ":1" {
			t.Fatalf("file by environment: %+v %v", s, err)
		}
		_ = os.Unsetenv("LETHE_CONFIG")
	}
}

func TestMistakesAreNamed(t *testing.T) {
	cases := map[string][]string{
		"--wait":                  {"--wait", "-3s"},
		"length of time":          {"--wait=0s"},
		"--max":                   {"--max", "lots"},
		"size such as":            {"--max=-1"},
		"--listen":                {"--listen", "nowhere"},
		"address such as":         {"--listen=host:99999"},
		"unknown flag --nothing":  {"--nothing"},
		"unknown setting: lissen": {"--config", write(t, "a.yaml", "lissen: ':1'")},
		"has no value":            {"--config", write(t, "b.yaml", "listen:")},
		"no such file":            {"--config", "/does/not/exist"},
		"read settings":           {"--config", write(t, "c.yaml", "{")},
	}
	for want, args := range cases {
		if _, _, err := parse(t, args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", args, err, want)
		}
	}
	if _, _, err := parse(t, "--config", write(t, "a.yaml", "x: 1")); !errors.Is(err, errKey) {
		t.Errorf("%v", err)
	}
	if _, err := Parse(5, Info{}, nil); err == nil {
		t.Error("settings that are no struct")
	}
}

func TestHelpExplainsDefaultsAndEnvironment(t *testing.T) {
	_, out, _ := parse(t, "--help")
	flat := strings.Join(strings.Fields(out), " ")
	for _, want := range []string{"A test.", "Where to listen (default 127.0.0.1:8080; $LETHE_LISTEN).", "$LETHE_TRACE_FILE_MAX", "$LETHE_OTLP_ENDPOINT", "--config=FILE"} {
		if !strings.Contains(flat, want) {
			t.Errorf("%q is missing in %s", want, out)
		}
	}
	if _, out, _ = parse(t, "--version"); out != "v1\n" {
		t.Errorf("%q", out)
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]Size{"0": 0, "512": 512, "5B": 5, "64KiB": 65536, "1MB": 1000000, "3GiB": 3 << 30, "2 TiB": 2 << 40} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%s: %d %v", text, s, err)
		}
		var again Size
		if err := again.UnmarshalText([]byte(s.String())); err != nil || again != s {
			t.Errorf("%s is written as %s", text, s)
		}
	}
	for _, bad := range []string{"", "-1", "x", "9223372036854775807KiB", "1.5MiB", "KiB"} {
		var s Size
		if s.UnmarshalText([]byte(bad)) == nil {
			t.Errorf("%q accepted", bad)
		}
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	const secret = "Zorro-Canary-7731"
	s, _, err := parse(t, "--key", secret)
	if err != nil || s.Key.Reveal() != secret {
		t.Fatal(err)
	}
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%s %v %+v %#v", b, s.Key, s, s.Key); strings.Contains(text, secret) {
		t.Fatal(text)
	}
}

func TestTelemetrySetup(t *testing.T) {
	path, log := filepath.Join(t.TempDir(), "trace"), filepath.Join(t.TempDir(), "log")
	tel, end, err := Telemetry{TraceFile: path, LogFile: log}.Setup(t.Context(), "x", "v")
	if err != nil {
		t.Fatal(err)
	}
	tel.Logger.Info("hello")
	if err := errors.Join(end(t.Context()), end(t.Context())); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(log); err != nil || !strings.Contains(string(text), "hello") {
		t.Fatalf("%s %v", text, err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []Telemetry{{TraceFile: filepath.Join(path, "x"), LogFile: log}, {LogFile: filepath.Join(path, "x")}} {
		if _, _, err := bad.Setup(t.Context(), "x", "v"); err == nil {
			t.Fatal("a file that cannot be")
		}
	}
}

// The folders that are not named lie in the data folder.
func TestPlacesInTheDataFolder(t *testing.T) {
	var s struct {
		Base
		Storage
		Network
	}
	if _, err := Parse(&s, Info{Name: "x"}, []string{"--data", "/d", "--mongo-uri", "mongodb://user:Zorro-Canary@h"}); err != nil {
		t.Fatal(err)
	}
	if s.MasterKeyFile() != "/d/master.key" || s.IdentityFolder(s.Data) != "/d/identity" || strings.Contains(fmt.Sprintf("%+v", s), "Zorro") {
		t.Errorf("%+v", s)
	}
	s.MasterKey, s.Identity = "/m", "/i"
	if s.MasterKeyFile() != "/m" || s.IdentityFolder(s.Data) != "/i" {
		t.Errorf("%+v", s)
	}
}
