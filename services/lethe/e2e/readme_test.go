package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The README's examples work as they are printed.
func TestReadmeExamples(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	bin := build(t, "")
	p := start(t, bin, filepath.Join(t.TempDir(), "desk"))
	ran := 0
	for _, block := range blocks(string(readme)) {
		if !strings.Contains(block, "curl") && !strings.Contains(block, "bin/lethe") || strings.Contains(block, "make ") {
			continue
		}
		cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", block)
		cmd.Dir = "../../.."
		// The block says bin/lethe; the one that was built for this test stands in for it.
		cmd.Env = append(os.Environ(), "LETHE_URL="+p.desk.base, "LETHE_KEY="+adminKey)
		cmd.Args[len(cmd.Args)-1] = strings.ReplaceAll(block, "bin/lethe", bin)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v:\n%s\n%s", err, block, out)
		}
		ran++
	}
	if ran < 3 {
		t.Errorf("only %d of the README's examples were run", ran)
	}
}

// blocks returns the shell blocks of a Markdown text.
func blocks(markdown string) []string {
	var out []string
	for {
		_, rest, found := strings.Cut(markdown, "```sh\n")
		if !found {
			return out
		}
		block, after, _ := strings.Cut(rest, "```")
		out, markdown = append(out, block), after
	}
}
