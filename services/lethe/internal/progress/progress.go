// Package progress shows how far work has come: a bar that redraws itself on a
// terminal, a plain line at each tenth otherwise, a JSON object a line for
// programs. What is drawn depends on counts alone, never on the clock.
package progress

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
)

// Mode is how progress is shown.
type Mode int

const (
	// Silent shows nothing.
	Silent Mode = iota
	// Lines prints a line at each tenth, or at each thousand when the end is not known.
	Lines
	// Bars redraws one line.
	Bars
	// JSON prints an object at each tenth.
	JSON
)

// defaultWidth is that of a terminal which does not say.
const defaultWidth = 80

// Detect chooses the mode for a file: JSON when asked for, bars on a terminal.
func Detect(f *os.File, asJSON bool) Mode {
	switch {
	case asJSON:
		return JSON
	case term.IsTerminal(int(f.Fd())):
		return Bars
	}
	return Lines
}

// Printer writes progress. It may be used by many goroutines.
type Printer struct {
	mu    sync.Mutex
	w     io.Writer
	mode  Mode
	width func() int
	// drawn is the bar on the terminal's last line, or empty.
	drawn string
}

// New returns a printer. Failures of w are ignored: work goes on when nobody looks.
func New(w io.Writer, mode Mode) *Printer {
	p := &Printer{w: w, mode: mode, width: func() int { return defaultWidth }}
	if f, ok := w.(*os.File); ok && mode == Bars {
		p.width = func() int {
			if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
				return width
			}
			return defaultWidth
		}
	}
	return p
}

// Line prints a line of text; in JSON mode {"message": text}.
func (p *Printer) Line(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	switch p.mode {
	case Silent:
	case JSON:
		p.object(map[string]any{"message": text})
	default:
		drawn := p.drawn
		p.clear()
		_, _ = fmt.Fprintln(p.w, text)
		p.draw(drawn)
	}
}

func (p *Printer) object(v map[string]any) {
	raw, err := json.Marshal(v)
	if err == nil {
		_, _ = p.w.Write(append(raw, '\n'))
	}
}

func (p *Printer) clear() {
	if p.drawn != "" {
		_, _ = io.WriteString(p.w, "\r\x1b[K")
		p.drawn = ""
	}
}

func (p *Printer) draw(line string) {
	if line == p.drawn {
		return
	}
	p.clear()
	_, _ = io.WriteString(p.w, line)
	p.drawn = line
}

// Task is one piece of work that is counted.
type Task struct {
	p           *Printer
	name        string
	done, total int64
	// shown is the tenth (or thousand) printed last.
	shown int64
	ended bool
}

// Task begins one; total is 0 when it is not known.
func (p *Printer) Task(name string, total int64) *Task {
	return &Task{p: p, name: name, total: total, shown: -1}
}

// Add counts n more.
func (t *Task) Add(n int64) {
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	t.done += n
	t.show()
}

// Set replaces both counts.
func (t *Task) Set(done, total int64) {
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	t.done, t.total = done, total
	t.show()
}

// End shows the final count; the bar gives way to a plain line. Ending twice
// does nothing.
func (t *Task) End() {
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	if t.ended {
		return
	}
	t.ended = true
	switch t.p.mode {
	case Bars:
		t.p.clear()
		_, _ = fmt.Fprintln(t.p.w, t.text())
	case Lines, JSON:
		if t.shown != t.step() || t.step() != 10 {
			t.print()
		}
	}
}

func (t *Task) show() {
	if t.ended {
		return
	}
	switch t.p.mode {
	case Bars:
		t.p.draw(t.bar())
	case Lines, JSON:
		if step := t.step(); step > t.shown {
			t.shown = step
			t.print()
		}
	}
}

// step numbers the lines to print.
func (t *Task) step() int64 {
	if t.total > 0 {
		return min(t.done, t.total) * 10 / t.total
	}
	return t.done / 1000
}

func (t *Task) print() {
	if t.p.mode == JSON {
		t.p.object(map[string]any{"task": t.name, "done": t.done, "total": t.total})
		return
	}
	_, _ = fmt.Fprintln(t.p.w, t.text())
}

func (t *Task) text() string {
	if t.total <= 0 {
		return fmt.Sprintf("%s: %d", t.name, t.done)
	}
	return fmt.Sprintf("%s: %d of %d (%d %%)", t.name, t.done, t.total, min(t.done, t.total)*100/t.total)
}

// bar fits the terminal's width; on a narrow one only the text is left.
func (t *Task) bar() string {
	text := t.text()
	room := min(t.p.width()-len(text)-4, 40)
	if t.total <= 0 || room < 10 {
		return text[:min(len(text), max(t.p.width()-1, 0))]
	}
	full := int(int64(room) * min(t.done, t.total) / t.total)
	return text + " [" + strings.Repeat("=", full) + strings.Repeat(" ", room-full) + "]"
}
