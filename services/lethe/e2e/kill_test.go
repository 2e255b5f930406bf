package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// process is bin/lethe up in a process of its own, to be killed.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	desk *desk
}

// start runs `lethe up` and waits for the line that says it is ready.
func start(t *testing.T, bin, dir string) *process {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), bin, "up", "--data", dir, "--http", "127.0.0.1:0", "--grpc-port-base", "0",
		"--log-file", filepath.Join(filepath.Dir(dir), "log"), "--json")
	cmd.Env = append(os.Environ(), "LETHE_ADMIN_KEY="+adminKey)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: cmd, desk: &desk{t: t, dir: dir}}
	t.Cleanup(p.kill)
	var ready struct{ HTTP string }
	if err := json.NewDecoder(out).Decode(&ready); err != nil || ready.HTTP == "" {
		p.kill()
		t.Fatalf("lethe up did not say where it listens: %v", err)
	}
	p.desk.base = ready.HTTP
	return p
}

// kill ends the process with SIGKILL; it may be called twice.
func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
}

// rounds is how many erasures are killed: few in every test run, many in `make prove`.
func rounds() int {
	if n, err := strconv.Atoi(os.Getenv("LETHE_PROVE_KILLS")); err == nil && n > 0 {
		return n
	}
	return 4
}

// kill -9 at a random moment of an erasure changes nothing about its end: the
// next start carries it through, and nobody else's answers change.
func TestKilledErasure(t *testing.T) {
	bin := build(t, "")
	dir := filepath.Join(t.TempDir(), "desk")
	p := start(t, bin, dir)
	bystander := p.desk.populate("ben", 2)
	want := p.desk.snapshot(bystander)
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, seed))
	t.Logf("seed %d", seed)
	// One that is left alone says how long an erasure takes here, so that the moments fall into it.
	first := p.desk.populate("calm", 8)
	began := time.Now()
	p.desk.request("erasure", first.contact)
	whole := time.Since(began)
	t.Logf("an erasure takes %s", whole)
	for i := range rounds() {
		who := p.desk.populate("anna"+strconv.Itoa(i), 8)
		saga, ok := eraseAndKill(t, p, who, time.Duration(random.Int64N(int64(whole*5/4))))
		p = start(t, bin, dir)
		if !ok { // killed before the answer: ask again, it is one erasure all the same
			saga = fmt.Sprint(p.desk.create("/api/v2/privacy/requests", object{"kind": "erasure", "contact_id": json.Number(who.contact), "direct": true})["saga_id"])
		}
		end := p.desk.await(saga)
		if end["state"] != "completed" {
			t.Fatalf("round %d: the saga ended as %v", i, end)
		}
		p.desk.gone(who)
		same(t, "bystander", want, p.desk.snapshot(bystander))
		if hits := found(t, who.canaries, filepath.Dir(dir)); len(hits) > 0 {
			t.Errorf("round %d: in the clear after the erasure: %v", i, hits)
		}
	}
}

// eraseAndKill asks for an erasure and kills the process a moment after the
// call began; it returns the saga's id if the answer came first.
func eraseAndKill(t *testing.T, p *process, who *person, after time.Duration) (string, bool) {
	t.Helper()
	answer := make(chan string, 1)
	go func() {
		defer close(answer)
		body := strings.NewReader(`{"kind":"erasure","direct":true,"contact_id":` + who.contact + `}`)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.desk.base+"/api/v2/privacy/requests", body)
		if err != nil {
			return
		}
		req.SetBasicAuth(adminKey, "X")
		req.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return
		}
		defer res.Body.Close()
		var created struct {
			SagaID string `json:"saga_id"`
		}
		if res.StatusCode == http.StatusCreated && json.NewDecoder(res.Body).Decode(&created) == nil {
			answer <- created.SagaID
		}
	}()
	<-time.After(after) // the random moment itself, not a wait for anything
	p.kill()
	saga, ok := <-answer
	return saga, ok
}
