package progress

import (
	"os"
	"strings"
	"sync"
	"testing"
)

func show(mode Mode, total int64, work func(p *Printer, t *Task)) string {
	var out strings.Builder
	p := New(&out, mode)
	task := p.Task("rows", total)
	work(p, task)
	task.End()
	task.End()
	return out.String()
}

func count(n int) func(*Printer, *Task) {
	return func(_ *Printer, t *Task) {
		for range n {
			t.Add(1)
		}
	}
}

func TestLines(t *testing.T) {
	got := show(Lines, 40, count(40))
	if n := strings.Count(got, "\n"); n != 11 || !strings.HasSuffix(got, "rows: 36 of 40 (90 %)\nrows: 40 of 40 (100 %)\n") {
		t.Errorf("%d lines:\n%s", n, got)
	}
	if got := show(Lines, 40, count(7)); !strings.HasSuffix(got, "rows: 4 of 40 (10 %)\nrows: 7 of 40 (17 %)\n") {
		t.Errorf("stopped early:\n%s", got)
	}
	if got := show(Lines, 0, count(2500)); got != "rows: 1\nrows: 1000\nrows: 2000\nrows: 2500\n" {
		t.Errorf("no total:\n%s", got)
	}
	if got := show(Lines, 10, func(_ *Printer, t *Task) { t.Set(11, 10) }); got != "rows: 11 of 10 (100 %)\n" {
		t.Errorf("beyond the total:\n%s", got)
	}
}

func TestJSON(t *testing.T) {
	got := show(JSON, 2, func(p *Printer, t *Task) {
		p.Line("%d \"left\"", 2)
		t.Set(2, 2)
	})
	if got != "{\"message\":\"2 \\\"left\\\"\"}\n{\"done\":2,\"task\":\"rows\",\"total\":2}\n" {
		t.Error(got)
	}
}

func TestBars(t *testing.T) {
	got := show(Bars, 4, func(p *Printer, t *Task) {
		t.Set(2, 4)
		p.Line("a word in between")
		t.Set(4, 4)
	})
	half := "rows: 2 of 4 (50 %) [" + strings.Repeat("=", 20) + strings.Repeat(" ", 20) + "]"
	full := "rows: 4 of 4 (100 %) [" + strings.Repeat("=", 40) + "]"
	want := half + "\r\x1b[K" + "a word in between\n" + half + "\r\x1b[K" + full + "\r\x1b[K" + "rows: 4 of 4 (100 %)\n"
	if got != want {
		t.Errorf("%q\nwant %q", got, want)
	}
}

func TestBarFitsTheTerminal(t *testing.T) {
	for _, width := range []int{0, 1, 12, 30, 40, 79, 300} {
		p := New(&strings.Builder{}, Bars)
		p.width = func() int { return width }
		if bar := (&Task{p: p, name: "rows", done: 123456, total: 999999}).bar(); len(bar) > max(width-1, 0) {
			t.Errorf("width %d: bar of %d", width, len(bar))
		}
	}
}

func TestSilent(t *testing.T) {
	if got := show(Silent, 4, func(p *Printer, t *Task) { p.Line("x"); t.Add(4) }); got != "" {
		t.Errorf("%q", got)
	}
}

func TestDetect(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if Detect(f, false) != Lines || Detect(f, true) != JSON {
		t.Error("a file is no terminal")
	}
}

func TestManyAtOnce(t *testing.T) {
	var out strings.Builder
	p := New(&out, Lines)
	task := p.Task("rows", 1000)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() { count(125)(p, task) })
	}
	group.Wait()
	task.End()
	if !strings.HasSuffix(out.String(), "rows: 1000 of 1000 (100 %)\n") {
		t.Error(out.String())
	}
}
