package keyring

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// desk is a key file with people in it, and what a test knows about them.
type desk struct {
	t      *testing.T
	dir    string // data folder
	master string // master key file, elsewhere
	people []person
	// gone holds keys whose Destroy returned nil, with the bytes that held them.
	gone []person
}

type person struct {
	Slot
	raw   [keySize]byte
	bytes []byte // the slot as it lay on the disk
}

// newDesk fills 40 slots of account 1 and 5 of account 2, and destroys and
// refills one of account 1.
func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, dir: filepath.Join(t.TempDir(), "data"), master: filepath.Join(t.TempDir(), "master")}
	f := d.open(nil)
	d.fill(f, 1, numbers(0, 40))
	d.fill(f, 2, numbers(40, 45))
	d.destroy(f, 7)
	d.fill(f, 1, []int64{7})
	d.destroy(f, 9)
	d.close(f)
	return d
}

func numbers(from, to int64) (n []int64) {
	for i := from; i < to; i++ {
		n = append(n, i)
	}
	return n
}

func must[T any](t *testing.T, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (d *desk) options(h *Hooks) Options {
	d.t.Helper()
	m, err := OpenMaster(d.master)
	return Options{Dir: d.dir, Service: "contacts", Master: must(d.t, m, err), Hooks: h}
}

func (d *desk) open(h *Hooks) *File {
	d.t.Helper()
	f, err := Open(context.Background(), d.options(h))
	return must(d.t, f, err)
}

func (d *desk) close(f *File) {
	d.t.Helper()
	if err := f.Close(); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) fill(f *File, account int64, indexes []int64) {
	d.t.Helper()
	slots, err := f.Fill(context.Background(), account, indexes)
	must(d.t, slots, err)
	for i, s := range slots {
		if s.Index != indexes[i] || s.Account != account {
			d.t.Fatalf("asked for slot %d of account %d, got %+v", indexes[i], account, s)
		}
		k, err := f.Key(account, s.Index, s.ID)
		must(d.t, k, err)
		b := make([]byte, slotSize)
		_, err = f.copies[0].ReadAt(b, offset(position(s.Index)))
		must(d.t, 0, err)
		d.people = append(d.people, person{Slot: s, raw: k.raw, bytes: b})
	}
}

// destroy destroys the living key in a slot and notes that it is gone.
func (d *desk) destroy(f *File, slot int64) {
	d.t.Helper()
	p := d.living(slot)
	if err := f.Destroy(context.Background(), slot, p.ID); err != nil {
		d.t.Fatal(err)
	}
	d.bury(p)
}

func (d *desk) bury(p person) {
	d.gone = append(d.gone, p)
	for i, q := range d.people {
		if q.ID == p.ID {
			d.people = append(d.people[:i:i], d.people[i+1:]...)
			return
		}
	}
}

func (d *desk) living(slot int64) person {
	d.t.Helper()
	for _, p := range d.people {
		if p.Index == slot {
			return p
		}
	}
	d.t.Fatalf("nobody lives in slot %d", slot)
	return person{}
}

// check is the invariant: everybody living has the key they had, nobody gone has one.
func (d *desk) check(f *File) error {
	for _, p := range d.people {
		k, err := f.Key(p.Account, p.Index, p.ID)
		if err != nil {
			return errors.Join(errors.New("a living person's key is lost"), err)
		}
		if k.raw != p.raw {
			return errors.New("a living person's key has changed")
		}
	}
	for _, p := range d.gone {
		if _, err := f.Key(p.Account, p.Index, p.ID); !errors.Is(err, ErrGone) {
			return errors.New("a destroyed key is handed out")
		}
	}
	return unreadable(d.dir, d.gone)
}

// unreadable looks for what destroyed keys were made of in every byte of every
// file of a folder.
func unreadable(dir string, gone []person) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		if remains(b, gone) {
			return errors.New("destroyed key still readable in " + e.Name())
		}
	}
	return nil
}

func remains(b []byte, gone []person) bool {
	for _, p := range gone {
		id, wrapped := p.bytes[atID:atWrapped], p.bytes[atWrapped:atWrapped+wrappedLen]
		for _, needle := range [][]byte{id, wrapped[:16], wrapped[12:28], wrapped[28:44], wrapped[44:], p.raw[:16], p.raw[16:]} {
			if bytes.Contains(b, needle) {
				return true
			}
		}
	}
	return false
}

// clone copies the desk's files and knowledge, so that each crash starts alike.
func (d *desk) clone(t *testing.T) *desk {
	t.Helper()
	c := &desk{
		t: t, dir: filepath.Join(t.TempDir(), "data"), master: filepath.Join(t.TempDir(), "master"),
		people: append([]person(nil), d.people...), gone: append([]person(nil), d.gone...),
	}
	if err := os.CopyFS(c.dir, os.DirFS(d.dir)); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(d.master)
	must(t, b, err)
	if err := os.WriteFile(c.master, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

var errCrash = errors.New("crash")

// The ways in which a crash leaves the files.
const (
	beforeStep = "before the step"
	afterStep  = "after the step"
	tornWrite  = "half of the write done"
	tornPage   = "half of the written pages damaged"
	powerLoss  = "nothing that was not synced is there"
	powerHalf  = "every second write that was not synced is there"
	powerTorn  = "every page written and not synced is damaged"
)

var ways = []string{beforeStep, afterStep, tornWrite, tornPage, powerLoss, powerHalf, powerTorn}

// crash is a process that dies at a given step, in one of the ways. Nothing it
// does afterwards reaches the disk.
type crash struct {
	t    *testing.T
	at   int
	way  string
	step int
	dead bool
	name string // of the step it died at
	undo []undo
}

// undo is a write that is not synced yet.
type undo struct {
	path string
	off  int64
	old  []byte
	size int64
	// length is how much was written.
	length int
}

func (c *crash) hooks() *Hooks { return &Hooks{Before: c.before, After: c.after} }

func (c *crash) before(s Step) error {
	if c.dead {
		return errCrash
	}
	c.step++
	if c.step != c.at || c.way == afterStep {
		c.remember(s)
		return nil
	}
	c.name = s.Name
	isWrite := strings.HasSuffix(s.Name, ".write")
	switch {
	case c.way == tornWrite && isWrite:
		c.dead = true
		return &Torn{Bytes: len(s.Data) / 2}
	case c.way == tornPage && isWrite && named(s):
		c.damage(s.Path, s.Offset, len(s.Data))
	case c.way == powerLoss || c.way == powerHalf:
		c.lose()
	case c.way == powerTorn:
		for _, u := range c.undo {
			c.damage(u.path, u.off, u.length)
		}
	}
	c.dead = true
	return errCrash
}

func (c *crash) after(s Step) error {
	if strings.HasSuffix(s.Name, ".sync") {
		kept := c.undo[:0]
		for _, u := range c.undo {
			if u.path != s.Path {
				kept = append(kept, u)
			}
		}
		c.undo = kept
	}
	if c.step == c.at && c.way == afterStep {
		c.name, c.dead = s.Name, true
		return errCrash
	}
	return nil
}

// named reports whether the step's path still leads to its file: the old file
// of a rotation has lost its name.
func named(s Step) bool { return !strings.Contains(s.Name, ".old") }

// remember notes what a write overwrites.
func (c *crash) remember(s Step) {
	if !strings.HasSuffix(s.Name, ".write") || !named(s) {
		return
	}
	f, err := os.Open(s.Path)
	must(c.t, 0, err)
	defer f.Close()
	info, err := f.Stat()
	must(c.t, 0, err)
	old := make([]byte, len(s.Data))
	n, _ := f.ReadAt(old, s.Offset)
	c.undo = append(c.undo, undo{path: s.Path, off: s.Offset, old: old[:n], size: info.Size(), length: len(s.Data)})
}

// lose takes back writes that were not synced.
func (c *crash) lose() {
	for i := len(c.undo) - 1; i >= 0; i-- {
		if c.way == powerHalf && i%2 == 0 {
			continue
		}
		u := c.undo[i]
		f, err := os.OpenFile(u.path, os.O_RDWR, 0)
		must(c.t, 0, err)
		_, err = f.WriteAt(u.old, u.off)
		must(c.t, 0, err)
		if c.way == powerLoss {
			must(c.t, 0, f.Truncate(u.size))
		}
		must(c.t, 0, f.Close())
	}
}

// damage fills the second half of every page of a write with noise.
func (c *crash) damage(path string, off int64, length int) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(c.t, 0, err)
	defer f.Close()
	info, err := f.Stat()
	must(c.t, 0, err)
	noise := bytes.Repeat([]byte{0xA5}, 2048)
	for page := off / 4096 * 4096; page < min(off+int64(length), info.Size()); page += 4096 {
		_, err := f.WriteAt(noise, page+2048)
		must(c.t, 0, err)
	}
}

// enumerate runs act with a crash at every step in every way, each time on a
// copy of the desk, and calls then with what is left. It returns the names of
// the steps it met.
func enumerate(t *testing.T, d *desk, act func(*desk, *Hooks) error, then func(*desk, error)) map[string]int {
	t.Helper()
	names := map[string]int{}
	for at := 1; ; at++ {
		for _, way := range ways {
			c := &crash{t: t, at: at, way: way}
			copied := d.clone(t)
			err := act(copied, c.hooks())
			if !c.dead {
				if err != nil {
					t.Fatal(err)
				}
				return names
			}
			if err == nil {
				t.Fatalf("crash at step %d (%s, %s) went unnoticed", at, c.name, way)
			}
			names[c.name]++
			then(copied, err)
			if t.Failed() {
				t.Fatalf("after a crash at step %d, %s, %s", at, c.name, way)
			}
		}
	}
}
