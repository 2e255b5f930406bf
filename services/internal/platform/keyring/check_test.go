package keyring

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestOpenToCheck opens files in every state a crash, a rotation or a hand can
// leave them in, tells it, and changes nothing.
func TestOpenToCheck(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "master")
	master, err := OpenMaster(path)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Dir: dir, Service: "s", Master: master}
	f, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	slots, err := f.Fill(t.Context(), 1, []int64{0, 40, 2})
	if err == nil {
		err = f.Destroy(t.Context(), 2, slots[2].ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := OpenToCheck(t.Context(), o); !errors.Is(err, ErrInUse) {
		t.Errorf("in use: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	old := [2][]byte{read(t, f.path(0)), read(t, f.path(1))}
	for _, c := range []struct {
		name  string
		files [2][]byte // nil: not there
		want  Condition
		err   error
		odd   int // how many of the keys are told to differ
	}{
		{"whole", old, Condition{Epoch: 1}, nil, 0},
		{"no mirror", [2][]byte{old[0], nil}, Condition{Epoch: 1, Lost: [2]bool{false, true}}, nil, 0},
		{"a bad head", [2][]byte{old[0][1:], old[1]}, Condition{Epoch: 1, Lost: [2]bool{true, false}}, nil, 0},
		{"none", [2][]byte{}, Condition{Lost: [2]bool{true, true}}, ErrUnfit, 0},
		{"a short mirror", [2][]byte{old[0], old[1][:headerSize+groupSize]}, Condition{Epoch: 1}, nil, 1},
	} {
		for i := range c.files {
			put(t, f.path(i), c.files[i])
		}
		checked, got, err := OpenToCheck(t.Context(), o)
		if !errors.Is(err, c.err) || (err == nil) != (c.err == nil) || got != c.want {
			t.Errorf("%s: %+v, %v", c.name, got, err)
			continue
		}
		if err == nil {
			look(t, c.name, checked, slots, c.odd)
		}
		for i := range c.files {
			if !bytes.Equal(read(t, f.path(i)), c.files[i]) {
				t.Errorf("%s: the check has changed a file", c.name)
			}
		}
	}
	rotated(t, path, o, old)
}

// look compares what a file says with the slots filled; the last was destroyed again.
func look(t *testing.T, name string, f *File, slots []Slot, odd int) {
	t.Helper()
	told := map[int64]Held{}
	if err := f.Each(t.Context(), func(h Held) error { told[h.Index] = h; return nil }); err != nil {
		t.Fatal(err)
	}
	for _, s := range slots[:2] {
		if h := told[s.Index]; !slices.Contains(h.Keys[:], s.ID) {
			t.Errorf("%s: slot %d holds %+v", name, s.Index, h)
		}
		if _, err := f.Key(1, s.Index, s.ID); err != nil {
			t.Errorf("%s: key of slot %d: %v", name, s.Index, err)
		}
	}
	for _, h := range told {
		if h.Differs {
			odd--
		}
	}
	if len(told) != 2 || odd != 0 {
		t.Errorf("%s: told %+v", name, told)
	}
	if _, err := f.Fill(t.Context(), 1, []int64{5}); !errors.Is(err, ErrFailed) {
		t.Errorf("%s: filled: %v", name, err)
	}
	if err := f.Destroy(t.Context(), slots[0].Index, slots[0].ID); !errors.Is(err, ErrFailed) {
		t.Errorf("%s: destroyed: %v", name, err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// rotated looks at files around a rotation of the master key.
func rotated(t *testing.T, path string, o Options, old [2][]byte) {
	t.Helper()
	for i, name := range []string{"s.keys", "s.keys.mirror"} {
		put(t, filepath.Join(o.Dir, name), old[i])
	}
	if err := errors.Join(RotateMaster(path), o.Master.Reload()); err != nil {
		t.Fatal(err)
	}
	f, got, err := OpenToCheck(t.Context(), o)
	if err != nil || got.Epoch != 1 || o.Master.Epoch() != 2 {
		t.Fatalf("before its keys are wrapped anew: %+v, %v", got, err)
	}
	if err := errors.Join(f.Rotate(t.Context()), f.Close()); !errors.Is(err, ErrFailed) {
		t.Errorf("rotated: %v", err)
	}
	if f, err = Open(t.Context(), o); err == nil {
		err = errors.Join(f.Rotate(t.Context()), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	put(t, f.path(1), old[1])
	f, got, err = OpenToCheck(t.Context(), o)
	if err != nil || !got.Behind || got.Epoch != 2 {
		t.Fatalf("a mirror that was not wrapped anew: %+v, %v", got, err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	put(t, f.path(0), old[0])
	if err := errors.Join(FinishRotation(path), o.Master.Reload()); err != nil {
		t.Fatal(err)
	}
	if _, _, err = OpenToCheck(t.Context(), o); !errors.Is(err, ErrUnfit) {
		t.Errorf("files whose master key is forgotten: %v", err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return b
}

// put writes a file, or removes it.
func put(t *testing.T, path string, b []byte) {
	t.Helper()
	err := os.WriteFile(path, b, 0o600)
	if b == nil {
		err = os.Remove(path)
	}
	if err != nil {
		t.Fatal(err)
	}
}
