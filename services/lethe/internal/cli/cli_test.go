package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// said is what one run of the command line came to.
type said struct {
	code     int
	out, err string
}

func lethe(t *testing.T, env Env, args ...string) said {
	t.Helper()
	var out, errs bytes.Buffer
	env.Stdout, env.Stderr, env.Version = &out, &errs, "v-test"
	code := Main(t.Context(), args, env)
	return said{code, out.String(), errs.String()}
}

// privacy is a server that answers what the commands about people ask.
type privacy struct {
	state    string
	reason   string
	outcomes string
	archive  []byte
	sum      string
	runs     string
	gone     bool
	asked    []string
}

func (p *privacy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.asked = append(p.asked, r.Method+" "+r.URL.Path)
	if user, _, _ := r.BasicAuth(); user != "the-right-key-of-an-agent" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	saga := fmt.Sprintf(`{"id":"s1","kind":"erase_contact","state":%q,"stage":"attest","subject":42,"trace_id":"abc","reason":%q,
		"steps":[{"stage":"sweep","name":"contacts","state":"done","attempts":1,"code":null}],"outcomes":%s,
		"created_at":"2026-05-04T03:02:01Z","updated_at":"2026-05-04T03:02:05Z"}`, p.state, p.reason, p.outcomes)
	switch r.Method + " " + r.URL.Path {
	case "GET /api/v2/contacts":
		if r.URL.Query().Get("email") == "ada@example.com" && !p.gone {
			fmt.Fprint(w, `[{"id":42}]`)
			return
		}
		fmt.Fprint(w, `[]`)
	case "GET /api/v2/contacts/42":
		if p.gone {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		fmt.Fprint(w, `{"id":42}`)
	case "POST /api/v2/privacy/requests":
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, `{"id":7,"saga_id":"s1","export_id":9,"kind":"erasure","state":"running"}`)
	case "GET /api/v2/privacy/sagas":
		fmt.Fprint(w, p.runs)
	case "GET /api/v2/privacy/sagas/s1", "POST /api/v2/privacy/sagas/s1/retry":
		fmt.Fprint(w, saga)
	case "GET /api/v2/privacy/sagas/s1/events":
		fmt.Fprint(w, "id: 1\ndata: {\"sequence\":1,\"state\":\"running\",\"stage\":\"fence\"}\n\n"+
			"id: 2\ndata: {\"sequence\":2,\"state\":\"running\",\"stage\":\"sweep\",\"step\":\"tickets\",\"step_state\":\"running\",\"done\":5,\"total\":10}\n\n"+
			"id: 3\ndata: {\"sequence\":3,\"state\":\"running\",\"stage\":\"sweep\",\"step\":\"tickets\",\"step_state\":\"done\"}\n\n"+
			fmt.Sprintf("id: 4\ndata: {\"sequence\":4,\"state\":%q,\"stage\":\"attest\"}\n\n", p.state))
	case "GET /api/v2/privacy/exports/9":
		fmt.Fprintf(w, `{"id":9,"state":"ready","size":%d,"sha256":%q,"records":3,"files":1}`, len(p.archive), p.sum)
	case "GET /api/v2/privacy/exports/9/download":
		_, _ = w.Write(p.archive)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

const goodOutcomes = `[{"participant":"contacts","outcome":{"resource":"contacts","category":"CATEGORY_IDENTITY","kind":"OUTCOME_KIND_ERASED","count":1}},
	{"participant":"tickets","outcome":{"resource":"calls","category":"CATEGORY_CONTENT","kind":"OUTCOME_KIND_NONE_FOUND","count":null}}]`

func serve(t *testing.T) (*privacy, func(args ...string) said) {
	t.Helper()
	archive := []byte("PK archive")
	p := &privacy{state: "completed", outcomes: goodOutcomes, archive: archive, sum: fmt.Sprintf("%x", sha256.Sum256(archive)), runs: "[]"}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	t.Setenv("LETHE_URL", server.URL)
	t.Setenv("LETHE_KEY", "the-right-key-of-an-agent")
	return p, func(args ...string) said { return lethe(t, Env{}, args...) }
}

func TestErase(t *testing.T) {
	p, run := serve(t)
	for _, who := range [][]string{{"--email", "ada@example.com"}, {"--contact", "42"}} {
		got := run(append([]string{"erase", "--yes"}, who...)...)
		if got.code != ExitDone || !strings.Contains(got.out, "saga s1: erase_contact, completed") ||
			!strings.Contains(got.out, "contacts  contacts  identity  erased      1") {
			t.Errorf("%v: %+v", who, got)
		}
		for _, want := range []string{"running    fence", "sweep tickets: 5 of 10 (50 %)", "done       sweep tickets", "completed  attest"} {
			if !strings.Contains(got.err, want+"\n") {
				t.Errorf("progress lacks %q:\n%s", want, got.err)
			}
		}
		if strings.Contains(got.out+got.err, "ada@") {
			t.Errorf("output shows the address: %+v", got)
		}
	}
	var saga struct{ ID, State string }
	got := run("erase", "--yes", "--json", "--contact", "42")
	if err := json.Unmarshal([]byte(got.out), &saga); err != nil || saga.ID != "s1" || got.code != ExitDone {
		t.Errorf("%+v, %v", got, err)
	}
	for line := range strings.Lines(got.err) {
		if !json.Valid([]byte(line)) {
			t.Errorf("progress is not JSON: %s", line)
		}
	}
	_ = p
}

// TestEraseIsNotCalledDone names what must not count as an erasure.
func TestEraseIsNotCalledDone(t *testing.T) {
	for name, change := range map[string]func(*privacy){
		"parked":           func(p *privacy) { p.state, p.reason = "parked", "tries_used_up" },
		"refused":          func(p *privacy) { p.state = "refused" },
		"cancelled":        func(p *privacy) { p.state = "cancelled" },
		"no outcome":       func(p *privacy) { p.outcomes = "[]" },
		"failed outcome":   func(p *privacy) { p.outcomes = strings.Replace(goodOutcomes, "KIND_NONE_FOUND", "KIND_FAILED", 1) },
		"outcome unknown":  func(p *privacy) { p.outcomes = strings.Replace(goodOutcomes, "KIND_NONE_FOUND", "KIND_UNSPECIFIED", 1) },
		"outcome not said": func(p *privacy) { p.outcomes = strings.Replace(goodOutcomes, `"OUTCOME_KIND_ERASED"`, "null", 1) },
	} {
		p, run := serve(t)
		change(p)
		if got := run("erase", "--yes", "--contact", "42"); got.code != ExitIncomplete {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestEraseTakesUpWhatIsUnderWay(t *testing.T) {
	p, run := serve(t)
	p.runs = `[{"id":"s0","kind":"export","state":"running"},{"id":"s1","kind":"erase_contact","state":"running"}]`
	p.gone = true
	got := run("erase", "--yes", "--contact", "42")
	if got.code != ExitDone || !strings.Contains(got.err, "an erasure of this person already") {
		t.Errorf("%+v", got)
	}
	for _, call := range p.asked {
		if strings.HasPrefix(call, "POST") {
			t.Errorf("asked again: %s", call)
		}
	}
}

func TestEraseAsksToBeMeant(t *testing.T) {
	p, run := serve(t)
	t.Setenv("LETHE_YES", "true")
	for _, args := range [][]string{{"erase", "--contact", "42"}, {"erase", "--yes"}, {"erase", "--yes", "--contact", "42", "--email", "a@example.com"}} {
		if got := run(args...); got.code != ExitUsage {
			t.Errorf("%v: %+v", args, got)
		}
	}
	if len(p.asked) != 0 {
		t.Errorf("asked the server: %v", p.asked)
	}
}

func TestNobody(t *testing.T) {
	_, run := serve(t)
	for _, args := range [][]string{
		{"erase", "--yes", "--email", "nobody@example.com"}, {"erase", "--yes", "--contact", "43"},
		{"export", "--no-wait", "--email", "nobody@example.com"}, {"saga", "show", "s2"}, {"saga", "watch", "s2"}, {"saga", "retry", "s2"},
		{"import", "tickets", filepath.Join(t.TempDir(), "no.csv")},
	} {
		if got := run(args...); got.code != ExitNotFound || strings.Contains(got.err, "nobody@") || got.err == "" {
			t.Errorf("%v: %+v", args, got)
		}
	}
}

func TestExport(t *testing.T) {
	p, run := serve(t)
	out := filepath.Join(t.TempDir(), "ada.zip")
	got := run("export", "--email", "ada@example.com", "--out", out)
	if raw, err := os.ReadFile(out); got.code != ExitDone || err != nil || string(raw) != "PK archive" {
		t.Fatalf("%+v, %v", got, err)
	}
	if info, err := os.Stat(out); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read the archive: %v, %v", info.Mode(), err)
	}
	p.sum = strings.Repeat("0", 64)
	bad := filepath.Join(t.TempDir(), "bad.zip")
	if got := run("export", "--contact", "42", "--out", bad); got.code != ExitFailed {
		t.Errorf("wrong hash: %+v", got)
	}
	if left, _ := os.ReadDir(filepath.Dir(bad)); len(left) != 0 {
		t.Errorf("a broken archive was left behind: %v", left)
	}
	if got := run("export", "--contact", "42", "--no-wait", "--json"); got.code != ExitDone || !strings.Contains(got.out, `"export_id": 9`) {
		t.Errorf("no wait: %+v", got)
	}
	if got := run("export", "--contact", "42"); got.code != ExitUsage {
		t.Errorf("no file: %+v", got)
	}
}

func TestSagas(t *testing.T) {
	p, run := serve(t)
	p.runs = `[{"id":"s1","kind":"export","state":"completed","stage":"offer","subject":42,"trace_id":"abc","reason":"x",
		"created_at":"2026-05-04T03:02:01Z","updated_at":"2026-05-04T03:02:05Z"}]`
	got := run("saga", "list", "--json")
	var rows []map[string]any
	if err := json.Unmarshal([]byte(got.out), &rows); err != nil || len(rows) != 1 || len(rows[0]) != 8 || rows[0]["created_at"] != "2026-05-04T03:02:01Z" {
		t.Errorf("%+v, %v", got, err)
	}
	p.runs = "[]"
	if got := run("saga", "list", "--json"); strings.TrimSpace(got.out) != "[]" {
		t.Errorf("an empty list is %q", got.out)
	}
	if got := run("saga", "show", "s1", "--json"); !strings.Contains(got.out, `"trace_id": "abc"`) {
		t.Errorf("%+v", got)
	}
	if got := run("saga", "watch", "s1", "--json"); got.code != ExitDone || strings.Count(got.out, "\n") != 4 {
		t.Errorf("%+v", got)
	}
	if got := run("saga", "retry", "s1"); got.code != ExitDone {
		t.Errorf("%+v", got)
	}
}

// TestErrorsNameTheNextStep checks code and advice of what commonly goes wrong.
func TestErrorsNameTheNextStep(t *testing.T) {
	_, run := serve(t)
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	for name, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"key refused":   {[]string{"saga", "list", "--key", "another-key"}, ExitDenied, "--key-file"},
		"no such flag":  {[]string{"saga", "list", "--colour"}, ExitUsage, "--help"},
		"no command":    {[]string{}, ExitUsage, "--help"},
		"bad address":   {[]string{"saga", "list", "--url", "localhost"}, ExitUsage, "--url"},
		"nobody there":  {[]string{"saga", "retry", "s1", "--url", closed.URL}, ExitUnreachable, "lethe up --data DIR"},
		"no paths":      {[]string{"scan", "needle"}, ExitUsage, "-- PATH..."},
		"no key file":   {[]string{"saga", "list", "--key", "", "--key-file", "/nowhere/key"}, ExitNotFound, "key file"},
		"short needle":  {[]string{"scan", "ab", "--", "."}, ExitUsage, "needle 1"},
		"not a folder":  {[]string{"keys", "rotate", "--data", "/nowhere/data"}, ExitUsage, "data"},
		"negative seed": {[]string{"seed", "--people", "-1"}, ExitUsage, "--people"},
	} {
		if got := run(test.args...); got.code != test.code || !strings.Contains(got.err, test.want) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	t.Setenv("LETHE_KEY", "")
	if got := run("saga", "list"); got.code != ExitDenied || !strings.Contains(got.err, "LETHE_KEY") {
		t.Errorf("no key: %+v", got)
	}
}

func TestKeyFile(t *testing.T) {
	_, run := serve(t)
	t.Setenv("LETHE_KEY", "")
	file := filepath.Join(t.TempDir(), "data.admin-key")
	if err := os.WriteFile(file, []byte("the-right-key-of-an-agent\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := run("saga", "list", "--key-file", file); got.code != ExitDone {
		t.Errorf("%+v", got)
	}
}

func TestScan(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	needles := write("needles", "\nnot there\nada@example.com\n")
	dirty := write("data/x.db", "....QWRhQEV4YW1wbGUuY29t....")
	clean := write("clean/y.db", "nobody")
	write("named/ada@example.com.txt", "nobody")
	run := func(args ...string) said { return lethe(t, Env{}, args...) }

	got := run("scan", "first one", "--needles-file", needles, "--", filepath.Dir(dirty), clean)
	if got.code != ExitFailed || !strings.Contains(got.out, dirty+":4: needle 4 (base64)\n") || strings.Contains(got.out+got.err, "ada@") {
		t.Errorf("%+v", got)
	}
	if got := run("scan", "--show", "ada@example.com", "--", dirty); !strings.Contains(got.out, `needle 1 (base64) "ada@example.com"`) {
		t.Errorf("%+v", got)
	}
	got = run("scan", "ada@example.com", "--", filepath.Join(dir, "named"))
	if got.code != ExitFailed || !strings.Contains(got.out, "(its name)") || strings.Contains(got.out, "ada@") {
		t.Errorf("%+v", got)
	}
	if got := run("scan", "ada@example.com", "--", clean); got.code != ExitDone {
		t.Errorf("%+v", got)
	}
	if got := run("scan", "ada@example.com", "--", filepath.Join(dir, "missing")); got.code != ExitUsage || !strings.Contains(got.err, "nothing is proven") {
		t.Errorf("%+v", got)
	}
	var result scanResult
	got = run("scan", "--json", "ada@example.com", "--", dir)
	if err := json.Unmarshal([]byte(got.out), &result); err != nil || got.code != ExitFailed || result.Finds != 3 || result.Files != 4 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestUpAndRotate(t *testing.T) {
	var up Up
	env := Env{
		Up: func(_ context.Context, u Up, ready func(Ready)) error {
			up = u
			ready(Ready{HTTP: "http://127.0.0.1:1", GRPC: map[string]string{"tickets": "127.0.0.1:3", "contacts": "127.0.0.1:2"}, AdminKeyFile: "k"})
			return nil
		},
		RotateKeys: func(_ context.Context, _ Rotate, step func(string)) error {
			step("made a new master key")
			return errors.New("the suite runs on it")
		},
	}
	t.Setenv("LETHE_ADMIN_KEY", "a-key-from-the-environment")
	got := lethe(t, env, "up", "--data", "d", "--rate-limit", "0")
	want := "lethe is ready: REST at http://127.0.0.1:1; gRPC: contacts 127.0.0.1:2, tickets 127.0.0.1:3\nthe first admin's API key is in k; use it with --key-file\n"
	if got.code != ExitDone || got.out != want || up.AdminKey != "a-key-from-the-environment" || up.RateLimit != 0 || up.GRPCPortBase != 7100 {
		t.Errorf("%+v %+v", got, up)
	}
	if got := lethe(t, env, "keys", "rotate", "--data", t.TempDir()); got.code != ExitFailed || !strings.Contains(got.err, "the suite runs on it") {
		t.Errorf("%+v", got)
	}
}

func TestHelp(t *testing.T) {
	got := lethe(t, Env{}, "--help")
	for _, want := range []string{"Exit codes:", "130", "import tickets", "keys rotate", "$LETHE_KEY"} {
		if !strings.Contains(got.out, want) {
			t.Errorf("help lacks %q:\n%s", want, got.out)
		}
	}
	if got.code != ExitDone || strings.Contains(got.out, "$-") {
		t.Errorf("%d:\n%s", got.code, got.out)
	}
	if got := lethe(t, Env{}, "scan", "--help"); !strings.Contains(got.out, "lethe scan NEEDLE... -- PATH...") {
		t.Error(got.out)
	}
	if got := lethe(t, Env{}, "--version"); strings.TrimSpace(got.out) != "v-test" {
		t.Errorf("%+v", got)
	}
}
