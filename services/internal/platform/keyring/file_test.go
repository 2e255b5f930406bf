package keyring

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// stopAt crashes the file at the first step of a name.
func stopAt(f *File, name string) {
	f.disk.hooks = &Hooks{Before: func(s Step) error {
		if s.Name == name {
			return errCrash
		}
		return nil
	}}
}

// leftovers names a temporary file in the desk's folder.
func leftovers(d *desk) string {
	left, err := filepath.Glob(filepath.Join(d.dir, "*"+newSuffix))
	if err != nil || len(left) == 0 {
		return ""
	}
	return left[0]
}

func TestKeysComeBack(t *testing.T) {
	d := newDesk(t)
	f := d.open(nil)
	defer d.close(f)
	if err := d.check(f); err != nil {
		t.Fatal(err)
	}
	if f.Slots() != 62 {
		t.Errorf("45 slots fill two groups, got room for %d", f.Slots())
	}
	p := d.living(3)
	for name, ask := range map[string][2]int64{
		"another account": {2, 3}, "another slot": {1, 4}, "no slot": {1, 5000}, "a negative slot": {1, -1}, "no account": {9, 3},
	} {
		if _, err := f.Key(ask[0], ask[1], p.ID); !errors.Is(err, ErrGone) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOldIDTouchesNothing(t *testing.T) {
	d := newDesk(t) // slot 7 was destroyed and filled again
	f := d.open(nil)
	defer d.close(f)
	writes := 0
	f.disk.hooks = &Hooks{Before: func(s Step) error { writes++; return nil }}
	for _, slot := range []int64{7, 9, 60, 100000} {
		if err := f.Destroy(context.Background(), slot, d.gone[0].ID); err != nil {
			t.Fatal(err)
		}
	}
	if writes != 0 {
		t.Errorf("%d steps for keys that are gone", writes)
	}
	if err := d.check(f); err != nil {
		t.Error(err)
	}
}

func TestFillRefuses(t *testing.T) {
	ctx := context.Background()
	d := newDesk(t)
	f := d.open(nil)
	defer d.close(f)
	for _, bad := range [][]int64{{-1}, {50, 50}, {maxIndex}} {
		if _, err := f.Fill(ctx, 1, bad); !errors.Is(err, ErrIndex) {
			t.Errorf("fill %v: %v", bad, err)
		}
	}
	if _, err := f.Fill(ctx, 2, []int64{50, 3}); !errors.Is(err, ErrOccupied) {
		t.Errorf("slot of another account: %v", err)
	}
	again, err := f.Fill(ctx, 1, []int64{3, 51})
	if must(t, again, err)[0].ID != d.living(3).ID {
		t.Error("a repeated fill replaced a key")
	}
	if none, err := f.Fill(ctx, 1, nil); err != nil || len(none) != 0 {
		t.Errorf("filling nothing: %v, %v", none, err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := f.Fill(ended, 1, []int64{52}); !errors.Is(err, context.Canceled) {
		t.Errorf("ended context: %v", err)
	}
	if err := d.check(f); err != nil {
		t.Error(err)
	}
}

// The sabotages that the check "a destroyed key is unreadable" must notice.
func TestUnreadableCheckNotices(t *testing.T) {
	for _, skipped := range []string{"destroy.mirror.write", "destroy.main.write"} {
		d := newDesk(t)
		f := d.open(nil)
		f.disk.hooks = &Hooks{Before: func(s Step) error {
			if s.Name == skipped {
				return ErrSkip
			}
			return nil
		}}
		d.destroy(f, 15)
		if err := unreadable(d.dir, d.gone); err == nil || !strings.Contains(err.Error(), "still readable") {
			t.Errorf("without %s the check says %v", skipped, err)
		}
		d.close(f)
	}
}

// A destroy leaves nothing in the blocks of files that a rotation replaced.
func TestRotationScrubsOldBlocks(t *testing.T) {
	for _, sabotage := range []bool{false, true} {
		d := newDesk(t)
		f := d.open(nil)
		var old [2]*os.File
		for i := range old {
			o, err := os.Open(f.path(i))
			old[i] = must(t, o, err)
		}
		must(t, 0, RotateMaster(d.master))
		must(t, 0, f.o.Master.Reload())
		if sabotage {
			f.disk.hooks = &Hooks{Before: func(s Step) error {
				if s.Name == "rotate.old.write" {
					return ErrSkip
				}
				return nil
			}}
		}
		must(t, 0, f.Rotate(context.Background()))
		for i, o := range old {
			b, err := io.ReadAll(o)
			if remains(must(t, b, err), d.people) != sabotage {
				t.Errorf("sabotage %v: old %s holds keys: %v", sabotage, copyNames[i], !sabotage)
			}
			must(t, 0, o.Close())
		}
		if err := d.check(f); err != nil {
			t.Error(err)
		}
		d.close(f)
	}
}

func TestMirrorRepair(t *testing.T) {
	damage := map[string]func(path string) error{
		"missing":        os.Remove,
		"empty":          func(p string) error { return os.Truncate(p, 0) },
		"cut short":      func(p string) error { return os.Truncate(p, headerSize+groupSize+100) },
		"damaged header": func(p string) error { return overwrite(p, 200, []byte("noise")) },
		"damaged page":   func(p string) error { return overwrite(p, headerSize, bytes.Repeat([]byte{7}, groupSize)) },
		"lost page":      func(p string) error { return overwrite(p, headerSize, make([]byte, groupSize)) },
		"flipped byte":   func(p string) error { return overwrite(p, offset(position(4))+atWrapped+3, []byte{0xFF, 0xFE}) },
	}
	for name, hurt := range damage {
		for which := range 2 {
			d := newDesk(t)
			path := filepath.Join(d.dir, "contacts"+[]string{mainSuffix, mirrorSuffix}[which])
			must(t, 0, hurt(path))
			f := d.open(nil)
			if err := d.check(f); err != nil {
				t.Errorf("%s %s: %v", name, copyNames[which], err)
			}
			d.close(f)
			a, err := os.ReadFile(f.path(0))
			must(t, 0, err)
			b, err := os.ReadFile(f.path(1))
			must(t, 0, err)
			if !bytes.Equal(a, b) {
				t.Errorf("%s %s: the files still differ", name, copyNames[which])
			}
		}
	}
}

func overwrite(path string, off int64, b []byte) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, off)
	return errors.Join(err, f.Close())
}

func TestBothCopiesDamaged(t *testing.T) {
	ctx := context.Background()
	d := newDesk(t)
	f := d.open(nil)
	p := d.living(12)
	for i := range f.copies {
		must(t, 0, overwrite(f.path(i), offset(position(12))+atWrapped, []byte("noise")))
	}
	d.close(f)
	f = d.open(nil)
	defer d.close(f)
	if _, err := f.Key(1, 12, p.ID); !errors.Is(err, ErrCorrupt) {
		t.Errorf("key of a damaged slot: %v", err)
	}
	if _, err := f.Fill(ctx, 1, []int64{12}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("fill of a damaged slot: %v", err)
	}
	must(t, 0, RotateMaster(d.master))
	must(t, 0, f.o.Master.Reload())
	if err := f.Rotate(ctx); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "slot 12") {
		t.Errorf("rotation over a damaged slot: %v", err)
	}
	if left := leftovers(d); left != "" {
		t.Errorf("%s was left behind", left)
	}
	if err := f.Destroy(ctx, 12, p.ID); err != nil {
		t.Fatal(err)
	}
	d.bury(p)
	must(t, 0, f.Rotate(ctx))
	if err := d.check(f); err != nil {
		t.Error(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	ctx := context.Background()
	refused := func(d *desk, service, says string) {
		t.Helper()
		o := d.options(nil)
		o.Service = service
		f, err := Open(ctx, o)
		if err == nil {
			_ = f.Close()
			t.Errorf("opened; want a refusal that says %q", says)
		} else if !strings.Contains(err.Error(), says) {
			t.Errorf("refusal %q does not say %q", err, says)
		}
	}
	d := newDesk(t)
	must(t, 0, os.Remove(d.master))
	refused(d, "contacts", "give the one that belongs to this data folder with --master-key")

	d = newDesk(t)
	must(t, 0, overwrite(filepath.Join(d.dir, "contacts.keys"), 8, []byte{0, 0, 0, 2}))
	refused(d, "contacts", "use that version or a later one")

	d = newDesk(t)
	for _, s := range []string{mainSuffix, mirrorSuffix} {
		must(t, 0, os.Rename(filepath.Join(d.dir, "contacts"+s), filepath.Join(d.dir, "tickets"+s)))
	}
	refused(d, "tickets", "belongs to the service contacts, not to tickets")

	d, other := newDesk(t), newDesk(t)
	b, err := os.ReadFile(filepath.Join(other.dir, "contacts.keys.mirror"))
	must(t, 0, os.WriteFile(filepath.Join(d.dir, "contacts.keys.mirror"), must(t, b, err), 0o600))
	refused(d, "contacts", "put back both from one backup")

	d = newDesk(t)
	for _, s := range []string{mainSuffix, mirrorSuffix} {
		must(t, 0, os.Truncate(filepath.Join(d.dir, "contacts"+s), 10))
	}
	refused(d, "contacts", "put back both from one backup")

	d = newDesk(t)
	f := d.open(nil)
	refused(d, "contacts", "open in another process")
	d.close(f)
	refused(d, "Contacts", "lower-case letters")
	refused(d, "", "1 to 48 characters")

	o := d.options(nil)
	o.Dir, o.MustExist = t.TempDir(), true
	if _, err := Open(ctx, o); err == nil || !strings.Contains(err.Error(), "put them back from a backup") {
		t.Errorf("missing files: %v", err)
	}
	o.Master = nil
	if _, err := Open(ctx, o); err == nil {
		t.Error("opened without a master key")
	}
}

func TestClosed(t *testing.T) {
	ctx := context.Background()
	d := newDesk(t)
	f := d.open(nil)
	d.close(f)
	d.close(f)
	if _, err := f.Key(1, 0, d.living(0).ID); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
	if err := f.Destroy(ctx, 0, d.living(0).ID); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
	if _, err := f.Fill(ctx, 0, []int64{70}); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}
