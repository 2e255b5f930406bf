package blob

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestSealedSize compares the computed length with that of blobs as they are
// written, around the ends of segments.
func TestSealedSize(t *testing.T) {
	b, err := OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	const first, further = segmentSize - headSize - tagSize, segmentSize - tagSize
	for _, n := range []int{0, 1, first - 1, first, first + 1, first + further - 1, first + further, first + further + 1, first + 3*further + 5} {
		name, key := NewName(), NewKey()
		w, err := b.Create(t.Context(), name, key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(bytes.Repeat([]byte{1}, n)); err != nil {
			t.Fatal(err)
		}
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
		item, err := b.Stat(t.Context(), name)
		if err != nil || item.Size != SealedSize(int64(n)) || item.Name != name || item.Written.IsZero() {
			t.Errorf("%d bytes: %+v, %v, want %d", n, item, err, SealedSize(int64(n)))
		}
		if err := os.Truncate(filepath.Join(b.dir, name), item.Size-1); err != nil {
			t.Fatal(err)
		}
		if cut, err := b.Stat(t.Context(), name); err != nil || cut.Size == SealedSize(int64(n)) {
			t.Errorf("one that is cut: %+v, %v", cut, err)
		}
	}
	if _, err := b.Stat(t.Context(), NewName()); !errors.Is(err, ErrNotFound) {
		t.Errorf("one that is not there: %v", err)
	}
	if _, err := b.Stat(t.Context(), "../x"); !errors.Is(err, ErrName) {
		t.Errorf("a bad name: %v", err)
	}
	name := NewName()
	if Stray(name) || !Stray(name+".1f.tmp") {
		t.Error("what a killed upload leaves is not told from a blob")
	}
}
