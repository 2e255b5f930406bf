package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// programs are the six of the separate form, each with what it needs to be told of its folder.
var programs = []string{"contacts", "tickets", "forums", "ratings", "privacy", "gateway"}

var builtPrograms = struct {
	once sync.Once
	dir  string
	err  error
}{}

// binaries builds the six programs once, into a folder that outlives the test that asked first.
func binaries(t *testing.T) string {
	t.Helper()
	b := &builtPrograms
	b.once.Do(func() {
		if b.dir = os.Getenv("LETHE_TEST_BIN"); b.dir != "" {
			return
		}
		if b.dir, b.err = os.MkdirTemp("", "lethe-programs-"); b.err != nil {
			return
		}
		for _, name := range programs {
			cmd := exec.Command("go", "build", "-o", filepath.Join(b.dir, name+"d"), "./cmd/"+name+"d") //nolint:noctx // for all tests of the run
			cmd.Dir = filepath.Join("..", "..", name)
			if out, err := cmd.CombinedOutput(); err != nil {
				b.err = fmt.Errorf("build %sd: %w\n%s", name, err, out)
				return
			}
		}
	})
	if b.err != nil {
		t.Fatal(b.err)
	}
	return b.dir
}

func TestMain(m *testing.M) {
	code := m.Run()
	if contactsAddr != "" {
		guide()()
	}
	if os.Getenv("LETHE_TEST_BIN") == "" && builtPrograms.dir != "" {
		_ = os.RemoveAll(builtPrograms.dir)
	}
	os.Exit(code)
}

// ports returns a base above which the ports of gRPC and health are free, and a free port for REST.
func ports(t *testing.T) (base int, rest string) {
	t.Helper()
	for range 100 {
		base = 20000 + rand.IntN(10000)
		taken := false
		for place := range 106 {
			if place > 5 && place < 100 {
				continue
			}
			l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:"+strconv.Itoa(base+place))
			if err != nil {
				taken = true
				break
			}
			l.Close()
		}
		if !taken {
			return base, "127.0.0.1:" + strconv.Itoa(base)
		}
	}
	t.Fatal("no free ports")
	return 0, ""
}

// fleet is the six programs, each in a process of its own.
type fleet struct {
	t    *testing.T
	bin  string
	dir  string
	base int
	rest string
	// env are settings for all of them.
	env  []string
	cmds map[string]*exec.Cmd
	desk *desk
}

// launch starts the programs in an order, without waiting for any of them.
func launch(t *testing.T, dir string, order []string, env ...string) *fleet {
	t.Helper()
	f := &fleet{t: t, bin: binaries(t), dir: dir, env: env, cmds: map[string]*exec.Cmd{}}
	f.base, f.rest = ports(t)
	f.desk = &desk{t: t, dir: dir, base: "http://" + f.rest}
	t.Cleanup(func() {
		for _, name := range programs {
			f.kill(name)
		}
	})
	for _, name := range order {
		f.start(name)
	}
	return f
}

func place(name string) int {
	for i, n := range programs {
		if n == name {
			return i + 1
		}
	}
	return 0
}

func (f *fleet) start(name string) {
	f.t.Helper()
	args := []string{"--log-file", filepath.Join(filepath.Dir(f.dir), name+".log")}
	if name == "gateway" {
		args = append(args, "--http", f.rest, "--identity", filepath.Join(f.dir, "identity"))
	} else {
		args = append(args, "--data", f.dir, "--listen", "127.0.0.1:"+strconv.Itoa(f.base+place(name)), "--health", "127.0.0.1:"+strconv.Itoa(f.base+100+place(name)))
	}
	cmd := exec.CommandContext(f.t.Context(), filepath.Join(f.bin, name+"d"), args...)
	cmd.Env = append(append(os.Environ(), f.env...), "LETHE_ADMIN_KEY="+adminKey)
	for _, n := range programs[:5] {
		cmd.Env = append(cmd.Env, fmt.Sprintf("LETHE_%s_ADDR=127.0.0.1:%d", strings.ToUpper(n), f.base+place(n)))
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.cmds[name] = cmd
}

// kill ends a program with SIGKILL; it may be called twice.
func (f *fleet) kill(name string) {
	if cmd := f.cmds[name]; cmd != nil && cmd.ProcessState == nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}

// ready waits until a program says so; all of them for the gateway, which asks for the others.
func (f *fleet) ready(name string) {
	f.t.Helper()
	at := "127.0.0.1:" + strconv.Itoa(f.base+100+place(name))
	if name == "gateway" {
		at = f.rest
	}
	status := ""
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		req, err := http.NewRequestWithContext(f.t.Context(), http.MethodGet, "http://"+at+"/readyz", nil)
		if err != nil {
			f.t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			status = err.Error()
			continue
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if status = string(body); res.StatusCode == http.StatusOK {
			return
		}
	}
	f.t.Fatalf("%s does not become ready: %s", name, status)
}

// allReady waits until every program has found those it calls.
func (f *fleet) allReady() {
	f.t.Helper()
	for _, name := range programs {
		f.ready(name)
	}
}

// outage is for how long a killed program is away: short in every test run, 10s in `make prove`.
func outage(t *testing.T) time.Duration {
	if text := os.Getenv("LETHE_PROVE_OUTAGE"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	return 300 * time.Millisecond
}

// Any of the six may be killed in the middle of an erasure and be away for a
// while: that delays the erasure and changes nothing else. They start in an
// order that is no order.
func TestAnyProcessMayDie(t *testing.T) {
	order := append([]string{}, programs...)
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, seed))
	random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	t.Logf("seed %d, started as %v", seed, order)
	root := t.TempDir()
	f := launch(t, filepath.Join(root, "desk"), order)
	f.allReady()
	bystander := f.desk.populate("ben", 2)
	want := f.desk.snapshot(bystander)
	calm := f.desk.populate("calm", 4)
	began := time.Now()
	f.desk.request("erasure", calm.contact)
	whole := time.Since(began)
	t.Logf("an erasure takes %s", whole)
	for _, name := range programs {
		who := f.desk.populate("anna"+name, 4)
		saga := fmt.Sprint(f.desk.create("/api/v2/privacy/requests", object{"kind": "erasure", "contact_id": json.Number(who.contact), "direct": true})["saga_id"])
		<-time.After(time.Duration(random.Int64N(int64(whole)))) // the random moment itself
		f.kill(name)
		<-time.After(outage(t)) // and for how long it is away
		f.start(name)
		f.allReady() // whoever calls the killed one has to have found it again
		end := f.desk.await(saga)
		if end["state"] != "completed" {
			t.Fatalf("%s was killed: the saga ended as %v", name, end)
		}
		f.desk.gone(who)
		same(t, "bystander after "+name+" was killed", want, f.desk.snapshot(bystander))
	}
	f.exits(programs)
}

// exits ends programs with SIGTERM, callers first; each has to end well.
func (f *fleet) exits(names []string) {
	f.t.Helper()
	for i := len(names) - 1; i >= 0; i-- {
		cmd := f.cmds[names[i]]
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			f.t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			f.t.Errorf("%sd: %v", names[i], err)
		}
	}
}

// deploy/local.sh runs a whole desk, on the folder of an all-in-one desk of before as well, and stops it cleanly.
func TestLocalScript(t *testing.T) {
	bin, dir := binaries(t), filepath.Join(t.TempDir(), "desk")
	before := open(t, dir)
	ben := before.populate("ben", 1)
	want := before.snapshot(ben)
	before.stop()
	base, rest := ports(t)
	cmd := exec.CommandContext(t.Context(), "../../../deploy/local.sh", "--bin", bin, "--data", dir, "--port-base", strconv.Itoa(base), "--http", rest)
	cmd.Env = append(os.Environ(), "LETHE_ADMIN_KEY="+adminKey)
	var logs strings.Builder
	cmd.Stderr = &logs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.Contains(line, "REST at http://"+rest) {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		t.Fatalf("%q %v\n%s", line, err, logs.String())
	}
	d := &desk{t: t, dir: dir, base: "http://" + rest}
	same(t, "ben, from one process to six", want, d.snapshot(ben))
	anna := d.populate("anna", 2)
	d.request("erasure", anna.contact)
	d.gone(anna)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("it did not end well: %v\n%s", err, logs.String())
	}
	for _, name := range programs {
		if !strings.Contains(logs.String(), name+" | ") {
			t.Errorf("nothing of %s in the log", name)
		}
	}
}
