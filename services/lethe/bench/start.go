package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// settle is for how long a started suite is left alone before its memory is read.
const settle = 2 * time.Second

// starts builds lethe and starts it three times, each on an empty folder.
func starts(ctx context.Context, t *table, dir string) error {
	bin := filepath.Join(dir, "lethe")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", bin, "./cmd/lethe")
	build.Env, build.Stderr = append(os.Environ(), "CGO_ENABLED=0"), os.Stderr
	if err := build.Run(); err != nil {
		return err
	}
	var took []time.Duration
	var memory float64
	for i := range 3 {
		d, mib, err := startOnce(ctx, bin, filepath.Join(dir, fmt.Sprint("data", i)))
		if err != nil {
			return err
		}
		took, memory = append(took, d), max(memory, mib)
	}
	t.atMost("start of the suite on an empty folder, until /readyz", 1, median(took).Seconds(), " s", "median of 3")
	t.atMost("memory of the idle suite (RSS)", 100, memory, " MiB", "highest of 3")
	return nil
}

func startOnce(ctx context.Context, bin, data string) (time.Duration, float64, error) {
	cmd := exec.CommandContext(ctx, bin, "up", "--json", "--data", data, "--http", "127.0.0.1:0", "--grpc-port-base", "0")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	var log bytes.Buffer
	cmd.Stderr = &log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	defer func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	}()
	var at struct {
		HTTP string `json:"http"`
	}
	if err := json.NewDecoder(bufio.NewReader(stdout)).Decode(&at); err != nil {
		return 0, 0, fmt.Errorf("lethe did not say where it listens: %w\n%s", err, log.String())
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.HTTP+"/readyz", nil)
	if err != nil {
		return 0, 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, 0, err
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return 0, 0, fmt.Errorf("lethe said it is ready, and /readyz answered %d", res.StatusCode)
	}
	took := time.Since(began)
	select {
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	case <-time.After(settle):
	}
	mib, err := residentMiB(cmd.Process.Pid)
	return took, mib, err
}
