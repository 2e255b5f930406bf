package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"
)

// buckets runs a test on files and in memory.
func buckets(t *testing.T, test func(t *testing.T, b *Bucket)) {
	for _, scheme := range []string{"file", "mem"} {
		t.Run(scheme, func(t *testing.T) {
			address := "mem://"
			if scheme == "file" {
				address = "file://" + filepath.ToSlash(filepath.Join(t.TempDir(), "blobs"))
			}
			b, err := OpenURL(t.Context(), address)
			ok(t, err)
			test(t, b)
			ok(t, b.Close())
		})
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// put writes a blob and returns its name and key.
func put(t *testing.T, b *Bucket, name string, content []byte) (string, []byte) {
	t.Helper()
	key := NewKey()
	w, err := b.Create(t.Context(), name, key)
	ok(t, err)
	for rest := content; len(rest) > 0; {
		n := min(len(rest), 50_000)
		_, err := w.Write(rest[:n])
		ok(t, err)
		rest = rest[n:]
	}
	if w.Size() != int64(len(content)) {
		t.Errorf("size %d of %d bytes", w.Size(), len(content))
	}
	ok(t, w.Commit())
	return name, key
}

func get(t *testing.T, b *Bucket, name string, key []byte) ([]byte, error) {
	t.Helper()
	r, err := b.Open(t.Context(), name, key)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(r)
	ok(t, r.Close())
	return content, err
}

func names(t *testing.T, b *Bucket, prefix string, before time.Time) (all []string) {
	t.Helper()
	for item, err := range b.List(t.Context(), prefix, before) {
		ok(t, err)
		all = append(all, item.Name)
	}
	return all
}

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

func TestRoundTrip(t *testing.T) {
	buckets(t, func(t *testing.T, b *Bucket) {
		for _, size := range []int{0, 1, 100, segmentSize - 56, segmentSize - 16, segmentSize, 3*segmentSize + 7} {
			content := noise(size)
			name, key := put(t, b, NewName(), content)
			got, err := get(t, b, name, key)
			if err != nil || !bytes.Equal(got, content) {
				t.Fatalf("%d bytes came back as %d: %v", size, len(got), err)
			}
			r, err := b.Open(t.Context(), name, key)
			ok(t, err)
			ok(t, iotest.TestReader(r, content))
			ok(t, r.Close())
			if _, err := get(t, b, name, NewKey()); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%d bytes with a wrong key: %v", size, err)
			}
			ok(t, b.Delete(t.Context(), name))
			ok(t, b.Delete(t.Context(), name))
			if _, err := get(t, b, name, key); !errors.Is(err, ErrNotFound) {
				t.Errorf("deleted blob: %v", err)
			}
		}
	})
}

func TestBadNamesAndKeys(t *testing.T) {
	ctx := context.Background()
	buckets(t, func(t *testing.T, b *Bucket) {
		good := NewName()
		for _, name := range []string{"", "x", "../" + good, good + "/x", "/" + good, strings.ToUpper(good) + "G", "staged", good + ".attrs", "staged/staged/" + good} {
			_, err := b.Create(ctx, name, NewKey())
			_, err2 := b.Open(ctx, name, NewKey())
			_, err3 := b.Adopt(ctx, name)
			for _, err := range []error{err, err2, err3, b.Delete(ctx, name)} {
				if !errors.Is(err, ErrName) {
					t.Errorf("name %q: %v", name, err)
				}
			}
		}
		for _, n := range []int{0, 16, 31, 33} {
			_, err := b.Create(ctx, good, make([]byte, n))
			_, err2 := b.Open(ctx, good, make([]byte, n))
			if !errors.Is(err, ErrKey) || !errors.Is(err2, ErrKey) {
				t.Errorf("key of %d bytes: %v, %v", n, err, err2)
			}
		}
		name, key := put(t, b, good, []byte("first"))
		w, err := b.Create(ctx, name, NewKey())
		ok(t, err)
		if err := w.Commit(); !errors.Is(err, ErrExists) {
			t.Errorf("taken name: %v", err)
		}
		if got, err := get(t, b, name, key); err != nil || string(got) != "first" {
			t.Errorf("the blob that was there: %q, %v", got, err)
		}
	})
	for _, address := range []string{"s3://bucket", "file://host/x", "file:///x?metadata=", "file://", "::"} {
		if b, err := OpenURL(ctx, address); err == nil {
			t.Errorf("%s was opened", address)
			ok(t, b.Close())
		}
	}
}

func TestAbortLeavesNothing(t *testing.T) {
	buckets(t, func(t *testing.T, b *Bucket) {
		w, err := b.Create(t.Context(), NewName(), NewKey())
		ok(t, err)
		_, err = w.Write(noise(3 * segmentSize))
		ok(t, err)
		ok(t, w.Abort())
		ok(t, w.Abort())
		if _, err := w.Write([]byte("x")); err == nil {
			t.Error("written after Abort")
		}
		if err := w.Commit(); err == nil {
			t.Error("committed after Abort")
		}

		ctx, cancel := context.WithCancel(t.Context())
		w, err = b.Create(ctx, NewName(), NewKey())
		ok(t, err)
		_, err = w.Write(noise(segmentSize))
		ok(t, err)
		cancel()
		if err := w.Commit(); !errors.Is(err, context.Canceled) {
			t.Errorf("commit after the context ended: %v", err)
		}

		w, err = b.Create(t.Context(), NewName(), NewKey())
		ok(t, err)
		ok(t, w.Commit())
		ok(t, w.Abort()) // deferred: does nothing
		if all := names(t, b, "", time.Time{}); len(all) != 1 {
			t.Errorf("left: %v", all)
		}
		if files := filesIn(t, b.dir); b.dir != "" && len(files) != 1 {
			t.Errorf("files left: %v", files)
		}
	})
}

// filesIn returns the files below a folder.
func filesIn(t *testing.T, dir string) (files []string) {
	t.Helper()
	if dir == "" {
		return nil
	}
	ok(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			files = append(files, path)
		}
		return err
	}))
	return files
}

// What lies on the disk: one file per blob, for its owner only, without a
// trace of its content, and nothing in the system's folder for temporary files.
func TestOnDisk(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	dir := filepath.Join(t.TempDir(), "blobs")
	b, err := OpenDir(dir)
	ok(t, err)
	defer b.Close()
	key := NewKey()
	w, err := b.Create(t.Context(), NewStagedName(), key)
	ok(t, err)
	_, err = w.Write(bytes.Repeat([]byte("CANARY@example.test "), 20_000))
	ok(t, err)
	check := func(when string) {
		t.Helper()
		if left := filesIn(t, temp); len(left) != 0 {
			t.Errorf("%s: outside the folder: %v", when, left)
		}
		files := filesIn(t, dir)
		if len(files) != 1 {
			t.Fatalf("%s: files %v", when, files)
		}
		info, err := os.Stat(files[0])
		ok(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v", when, info.Mode())
		}
		content, err := os.ReadFile(files[0])
		ok(t, err)
		if bytes.Contains(content, []byte("CANARY")) || bytes.Contains(content, key[:16]) {
			t.Errorf("%s: content in the clear", when)
		}
	}
	check("while writing")
	ok(t, w.Commit())
	check("after the commit")
	ok(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() {
			return err
		}
		if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("folder of mode %v: %v", info.Mode(), err)
		}
		return nil
	}))
}

// Every truncation at a telling length and every kind of flipped bit is found.
func TestDamageIsFound(t *testing.T) {
	b, err := OpenDir(t.TempDir())
	ok(t, err)
	defer b.Close()
	content := noise(2*segmentSize + 500)
	name, key := put(t, b, NewName(), content)
	path := b.path(name)
	sealed, err := os.ReadFile(path)
	ok(t, err)
	try := func(what string, damaged []byte) {
		t.Helper()
		ok(t, os.WriteFile(path, damaged, 0o600))
		got, err := get(t, b, name, key)
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", what, err)
		}
		if !bytes.HasPrefix(content, got) {
			t.Errorf("%s: bytes that were never written came out", what)
		}
	}
	for _, n := range []int{0, 1, 20, 40, 56, segmentSize - 1, segmentSize, segmentSize + 1, 2 * segmentSize, len(sealed) - 1} {
		try("cut short", sealed[:n])
	}
	for _, at := range []int{0, 1, 33, 39, 40, 100, segmentSize - 1, segmentSize, 2*segmentSize + 3, len(sealed) - 1} {
		damaged := bytes.Clone(sealed)
		damaged[at] ^= 1 << (at % 8)
		try("flipped bit", damaged)
	}
	try("longer", append(bytes.Clone(sealed), 0))
	swapped := bytes.Clone(sealed)
	copy(swapped[segmentSize:], sealed[:segmentSize])
	try("repeated segment", swapped)
	other, _ := put(t, b, NewName(), content)
	foreign, err := os.ReadFile(b.path(other))
	ok(t, err)
	try("another blob", foreign)
	ok(t, os.WriteFile(path, sealed, 0o600))
	if got, err := get(t, b, name, key); err != nil || !bytes.Equal(got, content) {
		t.Errorf("undamaged again: %v", err)
	}
}

// A storage that stops answering is not reported as damage.
func TestInterruptedReadIsNotDamage(t *testing.T) {
	b, err := OpenDir(t.TempDir())
	ok(t, err)
	defer b.Close()
	name, key := put(t, b, NewName(), noise(5*segmentSize))
	ctx, cancel := context.WithCancel(t.Context())
	r, err := b.Open(ctx, name, key)
	ok(t, err)
	_, err = io.ReadFull(r, make([]byte, 10))
	ok(t, err)
	cancel()
	if _, err := io.ReadAll(r); !errors.Is(err, context.Canceled) || errors.Is(err, ErrCorrupt) {
		t.Errorf("after the context ended: %v", err)
	}
	ok(t, r.Close())
}

// hashing is a reader of n pseudo-random bytes that keeps their hash.
type hashing struct {
	source *rand.ChaCha8
	left   int
	sum    hash.Hash
}

func (h *hashing) Read(p []byte) (int, error) {
	if h.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), h.left)
	_, _ = h.source.Read(p[:n])
	h.sum.Write(p[:n])
	h.left -= n
	return n, nil
}

// 50 MB go in and out with what is allocated staying below 4 MB.
func TestLargeInBoundedMemory(t *testing.T) {
	b, err := OpenDir(t.TempDir())
	ok(t, err)
	defer b.Close()
	const size = 50 << 20
	name, key := NewName(), NewKey()
	in := &hashing{source: rand.NewChaCha8([32]byte{2}), left: size, sum: sha256.New()}
	out := sha256.New()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	w, err := b.Create(t.Context(), name, key)
	ok(t, err)
	_, err = io.Copy(w, in)
	ok(t, err)
	ok(t, w.Commit())
	r, err := b.Open(t.Context(), name, key)
	ok(t, err)
	n, err := io.Copy(out, r)
	ok(t, err)
	ok(t, r.Close())
	runtime.ReadMemStats(&after)
	if n != size || w.Size() != size || !bytes.Equal(in.sum.Sum(nil), out.Sum(nil)) {
		t.Errorf("%d bytes in, %d out, or others", w.Size(), n)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20 {
		t.Errorf("%d bytes allocated for a blob of %d", used, size)
	}
}

func TestStagedAndAdopted(t *testing.T) {
	buckets(t, func(t *testing.T, b *Bucket) {
		ctx := t.Context()
		kept, key := put(t, b, NewStagedName(), []byte("kept"))
		put(t, b, NewStagedName(), []byte("forgotten"))
		direct, _ := put(t, b, NewName(), []byte("direct"))
		name, err := b.Adopt(ctx, kept)
		ok(t, err)
		again, err := b.Adopt(ctx, kept)
		ok(t, err)
		if name != again || strings.HasPrefix(name, Staged) {
			t.Errorf("adopted as %s, then as %s", name, again)
		}
		if _, err := b.Adopt(ctx, NewStagedName()); !errors.Is(err, ErrNotFound) {
			t.Errorf("adopted nothing: %v", err)
		}
		if staged := names(t, b, Staged, time.Time{}); len(staged) != 1 {
			t.Fatalf("staged: %v", staged)
		}
		long := time.Now().Add(-time.Hour)
		if n, err := b.SweepStaged(ctx, long); n != 0 || err != nil {
			t.Errorf("swept %d that are young: %v", n, err)
		}
		if n, err := b.SweepStaged(ctx, time.Now().Add(time.Hour)); n != 1 || err != nil {
			t.Errorf("swept %d: %v", n, err)
		}
		if left := names(t, b, "", time.Time{}); len(left) != 2 || !strings.Contains(strings.Join(left, " "), direct) {
			t.Errorf("left: %v", left)
		}
		if got, err := get(t, b, name, key); err != nil || string(got) != "kept" {
			t.Errorf("adopted blob: %q, %v", got, err)
		}
	})
}

// A killed upload leaves a file under a temporary name; the sweeper finds it.
func TestSweepFindsKilledUploads(t *testing.T) {
	b, err := OpenDir(t.TempDir())
	ok(t, err)
	defer b.Close()
	w, err := b.Create(t.Context(), NewStagedName(), NewKey())
	ok(t, err)
	_, err = w.Write(noise(segmentSize))
	ok(t, err)
	ok(t, w.file.Close()) // what a killed process leaves
	w.cancel()
	ok(t, os.WriteFile(filepath.Join(b.dir, "staged", "README"), []byte("not ours"), 0o600))
	if left := names(t, b, Staged, time.Time{}); len(left) != 2 {
		t.Fatalf("left by the killed upload: %v", left)
	}
	if n, err := b.SweepStaged(t.Context(), time.Now().Add(time.Hour)); n != 1 || err != nil {
		t.Errorf("swept %d: %v", n, err)
	}
	if files := filesIn(t, b.dir); len(files) != 1 {
		t.Errorf("left: %v", files)
	}
}

func TestManyAtOnce(t *testing.T) {
	b, err := OpenDir(t.TempDir())
	ok(t, err)
	defer b.Close()
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			content, key, name := noise(1000*i), NewKey(), NewStagedName()
			w, err := b.Create(t.Context(), name, key)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { ok(t, w.Abort()) }()
			if _, err := w.Write(content); err != nil {
				t.Error(err)
			}
			if err := w.Commit(); err != nil {
				t.Error(err)
			}
			if name, err = b.Adopt(t.Context(), name); err != nil {
				t.Error(err)
			}
			r, err := b.Open(t.Context(), name, key)
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Close()
			if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, content) {
				t.Errorf("blob %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if left := names(t, b, "", time.Time{}); len(left) != 16 {
		t.Errorf("%d blobs", len(left))
	}
}
