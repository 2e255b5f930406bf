package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// listed is a help text with all that compose.yaml uses; the real ones are asked by the command.
func listed(string) (string, error) {
	return `--listen=HOST:PORT --health=HOST:PORT --http=HOST:PORT --insecure-plaintext --identity-key=FILE
		($LETHE_OTLP_ENDPOINT) ($LETHE_IDENTITY) ($LETHE_MONGO_URI; $LETHE_MASTER_KEY, $LETHE_DATA) $LETHE_ADMIN_KEY`, nil
}

func TestFilesAreSound(t *testing.T) {
	if problems := all("..", listed); len(problems) > 0 {
		t.Fatal(strings.Join(problems, "\n"))
	}
}

// Each mistake is noticed, and by its name.
func TestMistakesAreNoticed(t *testing.T) {
	for _, c := range []struct{ file, old, new, want string }{
		{"compose.yaml", "--insecure-plaintext, --identity-key", "--insecure-plaintex, --identity-key", "has no flag --insecure-plaintex"},
		{"compose.yaml", "LETHE_MONGO_URI:", "LETHE_MONGO_URL:", "does not look at LETHE_MONGO_URL"},
		{"compose.yaml", "restart: unless-stopped", "restrat: unless-stopped", "restrat"},
		{"compose.yaml", "mongo-init: {condition", "mongo-initt: {condition", "mongo-initt"},
		{"compose.yaml", "[ratingsd,", "[ratings,", "nobody runs ratingsd"},
		{"Dockerfile", "COPY . .", "COYP . .", "unknown instruction: COYP"},
		{"Dockerfile", "--from=build /etc", "--from=builder /etc", "no stage"},
		{"Dockerfile", "ratings privacy", "privacy", "does not build ratingsd"},
		{"otel-collector.yaml", "exporters: [debug]", "exporters: [debugg]", "which is not defined"},
		{"otel-collector.yaml", "processors:\n  memory", "procesors:\n  memory", "procesors"},
		{"otel-collector.yaml", "receivers: [otlp]", "receivers: []", "has no receiver"},
	} {
		dir := t.TempDir()
		changed := false
		for _, name := range []string{"compose.yaml", "Dockerfile", "otel-collector.yaml"} {
			raw, err := os.ReadFile(filepath.Join("..", name))
			if err != nil {
				t.Fatal(err)
			}
			text := string(raw)
			if name == c.file {
				text = strings.ReplaceAll(text, c.old, c.new)
				changed = text != string(raw)
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if problems := strings.Join(all(dir, listed), "\n"); !changed || !strings.Contains(problems, c.want) {
			t.Errorf("%s with %q: %v", c.file, c.new, problems)
		}
	}
}
