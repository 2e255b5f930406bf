package sagatest

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
)

// Golden compares the hashes of definitions with a committed file. A published
// line must neither change nor vanish as long as rows may pin it; a definition
// that is not in the file fails the test too, unless LETHE_UPDATE_GOLDEN=1 adds
// it. Nothing ever rewrites a line that is there.
func Golden(t testing.TB, file string, defs ...saga.Definition) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	published := strings.FieldsFunc(string(raw), func(r rune) bool { return r == '\n' })
	now := map[string]string{}
	var added []string
	for _, line := range saga.Hashes(defs...) {
		now[name(line)] = line
		if !slices.ContainsFunc(published, func(p string) bool { return name(p) == name(line) }) {
			added = append(added, line)
		}
	}
	for _, p := range published {
		switch line, there := now[name(p)]; {
		case !there:
			t.Errorf("definition %q was published and is gone", name(p))
		case line != p:
			t.Errorf("definition %q has changed after it was published: make a new version", name(p))
		}
	}
	if len(added) == 0 || t.Failed() {
		return
	}
	if os.Getenv("LETHE_UPDATE_GOLDEN") != "1" {
		t.Errorf("definitions not published yet, run with LETHE_UPDATE_GOLDEN=1: %q", added)
		return
	}
	lines := append(published, added...)
	slices.Sort(lines)
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// name is a line without its hash: kind and version.
func name(line string) string { return line[:max(0, strings.LastIndexByte(line, ' '))] }
