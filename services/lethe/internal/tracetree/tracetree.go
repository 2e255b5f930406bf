// Package tracetree shows one trace of a trace file as a tree for a terminal.
package tracetree

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/obs"
)

// Read returns the spans of a trace from a trace file, in the order of their start.
func Read(path, traceID string) ([]obs.SpanLine, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var spans []obs.SpanLine
	r := bufio.NewReader(f)
	for {
		line, err := r.ReadBytes('\n')
		if len(line) > 0 && strings.Contains(string(line), traceID) {
			var s obs.SpanLine
			if err := json.Unmarshal(line, &s); err != nil {
				return nil, fmt.Errorf("a line of the trace file is no span: %w", err)
			}
			if s.TraceID == traceID {
				spans = append(spans, s)
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(spans, func(a, b obs.SpanLine) int { return a.Start.Compare(b.Start) })
	return spans, nil
}

// Print writes spans as a tree: when each began after the first, how long it
// took, and what it was. The client's side of a call is left out, its server's
// side stands in its place.
func Print(w io.Writer, spans []obs.SpanLine) error {
	if len(spans) == 0 {
		_, err := fmt.Fprintln(w, "no spans")
		return err
	}
	parent := map[string]string{}
	skipped := map[string]bool{}
	for _, s := range spans {
		parent[s.SpanID] = s.ParentID
		skipped[s.SpanID] = s.Kind == "client"
	}
	children := map[string][]obs.SpanLine{}
	for _, s := range spans {
		if skipped[s.SpanID] {
			continue
		}
		above := s.ParentID
		for skipped[above] {
			above = parent[above]
		}
		if _, known := parent[above]; !known {
			above = ""
		}
		children[above] = append(children[above], s)
	}
	t := tree{w: w, children: children, from: spans[0].Start}
	t.below("", "")
	return t.err
}

type tree struct {
	w        io.Writer
	children map[string][]obs.SpanLine
	from     time.Time
	err      error
}

func (t *tree) below(id, indent string) {
	for _, s := range t.children[id] {
		if _, err := fmt.Fprintf(t.w, "%7.1f ms %7.1f ms  %s%s\n", ms(s.Start.Sub(t.from)), ms(s.End.Sub(s.Start)), indent, label(s)); err != nil {
			t.err = err
			return
		}
		t.below(s.SpanID, indent+"  ")
	}
}

// label is the span's name with what tells it from its siblings.
func label(s obs.SpanLine) string {
	name := s.Name
	if step, ok := s.Attributes["saga.step"]; ok {
		name += fmt.Sprintf(" %v", step)
	}
	if len(s.Links) > 0 {
		name += " (continues an earlier run)"
	}
	return name
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// serviceKey is the attribute by which a server's span says which service answered.
const serviceKey = "service"

// Participants returns the services that answered calls in a trace, sorted by name.
func Participants(spans []obs.SpanLine) []string {
	var names []string
	for _, s := range spans {
		if name, ok := s.Attributes[serviceKey].(string); ok && s.Kind == "server" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
