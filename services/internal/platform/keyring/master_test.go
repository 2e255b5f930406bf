package keyring

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
)

// masterBytes returns the keys that lie in a master key file.
func masterBytes(t *testing.T, path string) [][]byte {
	t.Helper()
	f, err := os.Open(path)
	must(t, f, err)
	defer f.Close()
	s, err := readMaster(f)
	must(t, s, err)
	var keys [][]byte
	for _, k := range s.keys {
		if k != nil {
			keys = append(keys, k.data)
		}
	}
	return keys
}

// opens counts the slots of copied key files that a master key can still open.
func opens(t *testing.T, dir string, m *Master) (n int) {
	t.Helper()
	for _, s := range []string{mainSuffix, mirrorSuffix} {
		b, err := os.ReadFile(filepath.Join(dir, "contacts"+s))
		must(t, b, err)
		for pos := int64(0); offset(pos) < int64(len(b)); pos++ {
			r, ok := decode(pos, b[offset(pos):offset(pos+1)])
			if !ok || r.kind != kindAccount {
				continue
			}
			for epoch := range m.Epoch() + 1 {
				if a, held := m.aead(epoch); held {
					if _, err := a.Decrypt(r.wrapped[:], r.binding("contacts", pos)); err == nil {
						n++
					}
				}
			}
		}
	}
	return n
}

// A copy of both key files taken before a rotation is dead after it.
func TestCopyDiesWithOldMaster(t *testing.T) {
	ctx := context.Background()
	d := newDesk(t)
	old := d.clone(t)
	must(t, 0, RotateMaster(d.master))
	f := d.open(nil)
	must(t, 0, f.Rotate(ctx))
	d.close(f)

	// Before the old master key is forgotten the copy still opens: the check can see.
	old.master = d.master
	m, err := OpenMaster(d.master)
	if n := opens(t, old.dir, must(t, m, err)); n != 4 {
		t.Fatalf("%d account keys of the copy open before the end of the rotation, want 4", n)
	}
	if !m.Rotating() {
		t.Error("the master does not say that it is rotating")
	}

	before := masterBytes(t, d.master)
	must(t, 0, FinishRotation(d.master))
	must(t, 0, FinishRotation(d.master))
	m, err = OpenMaster(d.master)
	if n := opens(t, old.dir, must(t, m, err)); n != 0 {
		t.Errorf("%d account keys of the copy still open", n)
	}
	if _, err := Open(ctx, old.options(nil)); err == nil || !strings.Contains(err.Error(), "left behind by a rotation") {
		t.Errorf("the copy was opened: %v", err)
	}
	b, err := os.ReadFile(d.master)
	must(t, b, err)
	if left := masterBytes(t, d.master); len(left) != 1 || !bytes.Contains(b, left[0]) {
		t.Fatal("the current master key is lost")
	}
	if bytes.Contains(b, before[0]) {
		t.Error("the old master key is still in the file")
	}
	f = d.open(nil)
	defer d.close(f)
	if err := d.check(f); err != nil {
		t.Error(err)
	}
	if m.Rotating() || f.Epoch() != 2 {
		t.Errorf("rotating %v, epoch %d", m.Rotating(), f.Epoch())
	}
}

func TestEpochs(t *testing.T) {
	d := newDesk(t)
	o := d.options(nil)
	o.Service = "tickets"
	other, err := Open(context.Background(), o)
	d.close(must(t, other, err))
	must(t, 0, RotateMaster(d.master))
	f := d.open(nil)
	must(t, 0, f.Rotate(context.Background()))
	d.close(f)
	got, err := Epochs(d.dir)
	if must(t, got, err); fmt.Sprint(got) != "map[contacts:2 tickets:1]" {
		t.Errorf("epochs %v", got)
	}
}

// Master keys survive a crash at any point of a rotation, and so do the files
// wrapped by them.
func TestCrashInRotateMaster(t *testing.T) {
	d := newDesk(t)
	act := func(d *desk, h *Hooks) error { return RotateMaster(d.master, WithHooks(h)) }
	met := enumerate(t, d, act, func(d *desk, err error) {
		f := d.open(nil)
		if err := d.check(f); err != nil {
			t.Error(err)
		}
		rotated := f.o.Master.Epoch() == 2
		if err := RotateMaster(d.master); rotated != (err != nil) {
			t.Errorf("rotated before: %v, again: %v", rotated, err)
		}
		must(t, 0, f.o.Master.Reload())
		must(t, 0, f.Rotate(context.Background()))
		d.close(f)
		must(t, 0, FinishRotation(d.master))
		f = d.open(nil)
		defer d.close(f)
		if err := d.check(f); err != nil {
			t.Error(err)
		}
		if f.Epoch() != 2 {
			t.Errorf("epoch %d", f.Epoch())
		}
	})
	want(t, met, "master.key.write", "master.key.sync", "master.pointer.write", "master.pointer.sync")
}

func TestCrashInFinishRotation(t *testing.T) {
	d := newDesk(t)
	must(t, 0, RotateMaster(d.master))
	f := d.open(nil)
	must(t, 0, f.Rotate(context.Background()))
	d.close(f)
	old := masterBytes(t, d.master)[0]
	act := func(d *desk, h *Hooks) error { return FinishRotation(d.master, WithHooks(h)) }
	met := enumerate(t, d, act, func(d *desk, _ error) {
		must(t, 0, FinishRotation(d.master))
		b, err := os.ReadFile(d.master)
		if bytes.Contains(must(t, b, err), old[16:]) {
			t.Error("the old master key is still in the file")
		}
		f := d.open(nil)
		defer d.close(f)
		if err := d.check(f); err != nil {
			t.Error(err)
		}
	})
	want(t, met, "master.forget.write", "master.forget.sync")
}

// FinishRotation over a rotation that ended early must not forget the key of
// the next epoch: if the newest pointer was damaged, it is the one in use.
func TestFinishRefusesHalfRotation(t *testing.T) {
	d := newDesk(t)
	c := &Hooks{Before: func(s Step) error {
		if s.Name == "master.pointer.write" {
			return errCrash
		}
		return nil
	}}
	if err := RotateMaster(d.master, WithHooks(c)); !errors.Is(err, errCrash) {
		t.Fatal(err)
	}
	if err := FinishRotation(d.master); err == nil || !strings.Contains(err.Error(), "rotate it again first") {
		t.Errorf("half a rotation was finished: %v", err)
	}
	keys := masterBytes(t, d.master)
	must(t, 0, RotateMaster(d.master))
	if again := masterBytes(t, d.master); !bytes.Equal(again[1], keys[1]) {
		t.Error("the key of the rotation that ended early was replaced")
	}
}

func TestOpenMasterRefuses(t *testing.T) {
	says := func(path, text string, opts ...MasterOption) {
		t.Helper()
		if _, err := OpenMaster(path, opts...); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("got %v, want an error that says %q", err, text)
		}
	}
	fresh := func() string {
		path := filepath.Join(t.TempDir(), "master")
		m, err := OpenMaster(path)
		must(t, m, err)
		return path
	}
	path := fresh()
	must(t, 0, os.Chmod(path, 0o644))
	says(path, "chmod 600")

	path = fresh()
	must(t, 0, os.WriteFile(path, []byte("hello"), 0o600))
	says(path, "no master key file")

	path = fresh()
	must(t, 0, os.Truncate(path, 9000))
	says(path, "cut short")

	path = fresh()
	must(t, 0, overwrite(path, 2*masterPage+20, []byte("noise")))
	says(path, "put back a copy of it")

	path = fresh()
	must(t, 0, overwrite(path, 8, []byte{0, 0, 0, 9}))
	says(path, "use that version or a later one")

	path = fresh() // one damaged pointer is no harm
	must(t, 0, overwrite(path, masterPage+100, []byte("noise")))
	m, err := OpenMaster(path)
	must(t, m, err)

	says(filepath.Join(path, "below"), "cannot be")
	must(t, 0, RotateMaster(path))
	if err := RotateMaster(path); err == nil || !strings.Contains(err.Error(), "finish that rotation") {
		t.Errorf("second rotation: %v", err)
	}
}

func TestCrashInOpenMaster(t *testing.T) {
	d := &desk{t: t, dir: t.TempDir(), master: filepath.Join(t.TempDir(), "m")}
	must(t, 0, os.WriteFile(d.master, nil, 0o600)) // for clone
	act := func(d *desk, h *Hooks) error {
		must(t, 0, os.Remove(d.master))
		_, err := OpenMaster(d.master, WithHooks(h))
		return err
	}
	met := enumerate(t, d, act, func(d *desk, _ error) {
		m, err := OpenMaster(d.master)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := OpenMaster(d.master); err != nil || again.Epoch() != m.Epoch() {
			t.Errorf("opened again: %v", err)
		}
	})
	want(t, met, "master.create", "master.write", "master.sync", "master.link", "master.syncdir")
}

// Services of one machine that start at once on no file agree on one key.
func TestOpenMasterTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master")
	var wg sync.WaitGroup
	sealed := make([][]byte, 8)
	masters := make([]*Master, len(sealed))
	for i := range sealed {
		wg.Go(func() {
			m, err := OpenMaster(path)
			if err != nil {
				t.Error(err)
				return
			}
			a, _ := m.aead(1)
			sealed[i], err = a.Encrypt([]byte("x"), nil)
			if err != nil {
				t.Error(err)
			}
			masters[i] = m
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	for i := range sealed {
		a, _ := masters[0].aead(1)
		if _, err := a.Decrypt(sealed[i], nil); err != nil {
			t.Errorf("process %d has another master key", i)
		}
	}
	if left, _ := filepath.Glob(path + ".*"); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestKMS(t *testing.T) {
	kms, err := subtle.NewAESGCM(bytes.Repeat([]byte{1}, 32))
	must(t, kms, err)
	wrong, err := subtle.NewAESGCM(bytes.Repeat([]byte{2}, 32))
	must(t, wrong, err)
	path := filepath.Join(t.TempDir(), "master")
	o := Options{Dir: t.TempDir(), Service: "contacts"}
	o.Master, err = OpenMaster(path, WithKMS(kms))
	must(t, 0, err)
	f, err := Open(context.Background(), o)
	slots, err := must(t, f, err).Fill(context.Background(), 1, []int64{0})
	must(t, slots, err)
	must(t, 0, f.Close())
	must(t, 0, RotateMaster(path, WithKMS(kms)))
	o.Master, err = OpenMaster(path, WithKMS(kms))
	must(t, 0, err)
	f, err = Open(context.Background(), o)
	must(t, 0, must(t, f, err).Rotate(context.Background()))
	k, err := f.Key(1, 0, slots[0].ID)
	must(t, k, err)
	must(t, 0, f.Close())
	if len(masterBytes(t, path)[0]) != keySize+Overhead {
		t.Error("the master key is not sealed")
	}
	for name, c := range map[string]struct {
		opts []MasterOption
		says string
	}{
		"without":   {nil, "is sealed by a key management service"},
		"wrong key": {[]MasterOption{WithKMS(wrong)}, "did not open"},
	} {
		if _, err := OpenMaster(path, c.opts...); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
		if err := RotateMaster(path, c.opts...); err == nil {
			t.Errorf("%s: rotated", name)
		}
	}
	plain := filepath.Join(t.TempDir(), "plain")
	_, err = OpenMaster(plain)
	must(t, 0, err)
	if _, err := OpenMaster(plain, WithKMS(kms)); err == nil || !strings.Contains(err.Error(), "start without one") {
		t.Errorf("plain file with a KMS: %v", err)
	}
}
