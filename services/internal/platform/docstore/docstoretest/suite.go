// Package docstoretest is the suite that every docstore backend passes, whole:
// passing it is what being a backend means. Control runs the same cases on a
// backend or key file that was broken on purpose, and wants them to fail.
package docstoretest

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
)

// Harness makes what a case needs.
type Harness struct {
	// Backend opens the store of a folder: empty the first time, with what was
	// written when it is opened again after a Close.
	Backend func(ctx context.Context, dir string) (docstore.Backend, error)
	// Keys opens the keys beside the store in a folder; nil: a key file. hooks are
	// for the cases that crash, and nil in the others.
	Keys func(ctx context.Context, dir string, master *keyring.Master, hooks *keyring.Hooks) (Keys, error)
	// Fill is how many keys are made at once, for stores where many are slow; 0: as in production.
	Fill int
	// Slow says that a call costs milliseconds: then the play against the model is shorter.
	Slow bool
	// AtRest reports whether the raw bytes of the store hold the text; nil searches all files of the folder.
	AtRest func(dir string, text string) (bool, error)
	// Leave names cases the engine cannot pass, each with the reason.
	Leave map[string]string
}

// Keys are the keys of a store, with what cases look at.
type Keys interface {
	docstore.Keys
	// Slots is how many slots there is room for.
	Slots() int64
	Close() error
}

// Sabotage breaks one promise.
type Sabotage struct {
	Name string
	// Red are the cases that must notice.
	Red     []string
	Backend func(docstore.Backend) docstore.Backend
	Keys    func(docstore.Keys) docstore.Keys
}

// Case is one promise of the port.
type Case struct {
	Name string
	Run  func(*W)
	// Races says that it depends on chance whether the case sees what is broken.
	Races bool
}

// Run runs all cases, each in a store of its own.
func Run(t *testing.T, h Harness) {
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) {
			if why := h.Leave[c.Name]; why != "" {
				t.Log("left out:", why)
				return
			}
			for _, msg := range h.run(t, c, Sabotage{}) {
				t.Error(msg)
			}
		})
	}
}

// lucky is how often a case that races is given the chance to notice a
// sabotage: what slips through does so only if the moments fall together.
const lucky = 30

// notices reports whether a case turns red on a broken store.
func (h Harness) notices(t *testing.T, c Case, s Sabotage) bool {
	runs := 1
	if c.Races {
		runs = lucky
	}
	for range runs {
		if len(h.run(t, c, s)) > 0 {
			return true
		}
	}
	return false
}

// Control runs cases on broken stores: each sabotage must turn its cases red,
// else the suite is blind there.
func Control(t *testing.T, h Harness) {
	for _, s := range Sabotages() {
		t.Run(s.Name, func(t *testing.T) {
			ran := 0
			for _, c := range Cases() {
				if !slices.Contains(s.Red, c.Name) || h.Leave[c.Name] != "" {
					continue
				}
				ran++
				if !h.notices(t, c, s) {
					t.Errorf("%s did not notice", c.Name)
				}
			}
			if ran == 0 {
				t.Error("no case ran")
			}
		})
	}
}

// W is a case's world: a store of its own and a way to fail.
type W struct {
	context.Context
	h    Harness
	s    Sabotage
	dir  string
	file Keys
	// raw is the backend itself, for looks behind the port.
	raw docstore.Backend
	// DB is the store; Now is its clock.
	DB     *docstore.DB
	Now    time.Time
	closed bool
	msgs   []string
	// hooks and fill are for cases that crash.
	hooks *keyring.Hooks
	fill  int
}

// run runs a case in a goroutine that a failure can end.
func (h Harness) run(t *testing.T, c Case, s Sabotage) []string {
	return h.world(t, s).play(c.Run)
}

func (h Harness) world(t *testing.T, s Sabotage) *W {
	return &W{Context: t.Context(), h: h, s: s, fill: h.Fill, dir: t.TempDir(), Now: time.Date(2026, 2, 3, 4, 5, 6, 789e6, time.UTC)}
}

// play runs f in the world and returns what failed.
func (w *W) play(f func(*W)) []string {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer w.shut()
		defer func() {
			if r := recover(); r != nil { // a broken store may answer what no case expects
				w.msgs = append(w.msgs, fmt.Sprintf("panic: %v", r))
			}
		}()
		w.open()
		f(w)
	}()
	<-done
	return w.msgs
}

// Fatalf ends the case.
func (w *W) Fatalf(format string, args ...any) {
	_, file, line, _ := runtime.Caller(2)
	w.msgs = append(w.msgs, fmt.Sprintf("%s:%d: %s", filepath.Base(file), line, fmt.Sprintf(format, args...)))
	runtime.Goexit()
}

// ok wants no error.
func (w *W) ok(err error) {
	if err != nil {
		w.Fatalf("unexpected error: %v", err)
	}
}

// is wants this error.
func (w *W) is(err, target error) {
	if !isError(err, target) {
		w.Fatalf("error %v, want %v", err, target)
	}
}

// want wants a condition.
func (w *W) want(ok bool, format string, args ...any) {
	if !ok {
		w.Fatalf(format, args...)
	}
}

func (w *W) open() {
	master, err := keyring.OpenMaster(filepath.Join(w.dir, "master"))
	w.ok(err)
	w.ok(os.MkdirAll(filepath.Join(w.dir, "keys"), 0o700))
	w.ok(os.MkdirAll(filepath.Join(w.dir, "data"), 0o700))
	w.file, err = w.h.keys(w, filepath.Join(w.dir, "keys"), master, w.hooks)
	w.ok(err)
	b, err := w.h.Backend(w, filepath.Join(w.dir, "data"))
	w.ok(err)
	w.raw = b
	var keys docstore.Keys = w.file
	if w.s.Backend != nil {
		b = w.s.Backend(b)
	}
	if w.s.Keys != nil {
		keys = w.s.Keys(keys)
	}
	w.DB, err = docstore.New(w, b, docstore.Options{Service: "suite", Keys: keys, Fill: w.fill, Now: func() time.Time { return w.Now }})
	w.ok(err)
	w.closed = false
}

func (h Harness) keys(ctx context.Context, dir string, master *keyring.Master, hooks *keyring.Hooks) (Keys, error) {
	if h.Keys != nil {
		return h.Keys(ctx, dir, master, hooks)
	}
	f, err := keyring.Open(ctx, keyring.Options{Dir: dir, Service: "suite", Master: master, Hooks: hooks})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// shut closes what is open; a case that failed while opening has less.
func (w *W) shut() {
	if w.closed {
		return
	}
	w.closed = true
	if w.DB != nil {
		if err := w.DB.Close(); err != nil {
			w.msgs = append(w.msgs, err.Error())
		}
	}
	if w.file != nil {
		if err := w.file.Close(); err != nil {
			w.msgs = append(w.msgs, err.Error())
		}
	}
}

// reopen is a restart of the service. Collections must be bound again.
func (w *W) reopen() {
	w.shut()
	w.open()
}

// atRest searches what lies on the disk now.
func (w *W) atRest(text string) bool {
	if w.h.AtRest != nil {
		found, err := w.h.AtRest(filepath.Join(w.dir, "data"), text)
		w.ok(err)
		return found
	}
	found := false
	err := filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		found = found || bytes.Contains(data, []byte(text))
		return err
	})
	w.ok(err)
	return found
}
