package keyring

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// run opens the desk's files without hooks first, so that only the act itself
// is interrupted, then runs the act with them.
func run(act func(context.Context, *File) error) func(*desk, *Hooks) error {
	return func(d *desk, h *Hooks) error {
		f := d.open(nil)
		f.disk.hooks = h
		err := act(context.Background(), f)
		return errors.Join(err, f.Close())
	}
}

// want fails the test when a step that must be part of an act was not met.
func want(t *testing.T, met map[string]int, names ...string) {
	t.Helper()
	for _, n := range names {
		if met[n] == 0 {
			t.Errorf("no crash at step %s; met %v", n, met)
		}
	}
}

func TestCrashInFill(t *testing.T) {
	d := newDesk(t)
	fill := func(ctx context.Context, f *File) error {
		_, err := f.Fill(ctx, 3, []int64{9, 50, 45, 210})
		return err
	}
	met := enumerate(t, d, run(fill), func(d *desk, err error) {
		f := d.open(nil)
		defer d.close(f)
		if err := d.check(f); err != nil {
			t.Error(err)
		}
		d.fill(f, 3, []int64{9, 50, 45, 210})
		if err := d.check(f); err != nil {
			t.Errorf("after filling again: %v", err)
		}
	})
	want(t, met, "account.main.write", "account.mirror.sync", "extend.main.write", "fill.main.write", "fill.main.sync", "fill.mirror.write", "fill.mirror.sync")
}

func TestCrashInDestroy(t *testing.T) {
	d := newDesk(t)
	victim := d.living(11)
	destroy := func(ctx context.Context, f *File) error { return f.Destroy(ctx, victim.Index, victim.ID) }
	met := enumerate(t, d, run(destroy), func(d *desk, err error) {
		f := d.open(nil)
		defer d.close(f)
		d.bury(victim)
		gone := d.gone
		d.gone = gone[:len(gone)-1] // it may or may not be destroyed: neither is wrong
		if err := d.check(f); err != nil {
			t.Error(err)
		}
		if k, err := f.Key(1, victim.Index, victim.ID); err == nil && k.raw != victim.raw {
			t.Error("half a key")
		} else if err != nil && !errors.Is(err, ErrGone) {
			t.Error(err)
		}
		d.gone = gone
		if err := f.Destroy(context.Background(), victim.Index, victim.ID); err != nil {
			t.Error(err)
		}
		if err := d.check(f); err != nil {
			t.Errorf("after destroying again: %v", err)
		}
	})
	want(t, met, "destroy.main.write", "destroy.main.sync", "destroy.mirror.write", "destroy.mirror.sync")
}

// A key whose Destroy returned nil stays gone, whatever crash follows.
func TestCrashAfterDestroy(t *testing.T) {
	d := newDesk(t)
	neighbours := func(ctx context.Context, f *File) error {
		_, err := f.Fill(ctx, 1, []int64{9})
		return err
	}
	enumerate(t, d, run(neighbours), func(d *desk, err error) {
		f := d.open(nil)
		defer d.close(f)
		if err := d.check(f); err != nil {
			t.Error(err)
		}
	})
}

func TestCrashInRotate(t *testing.T) {
	d := newDesk(t)
	if err := RotateMaster(d.master); err != nil {
		t.Fatal(err)
	}
	rotate := func(ctx context.Context, f *File) error { return f.Rotate(ctx) }
	met := enumerate(t, d, run(rotate), func(d *desk, err error) {
		f := d.open(nil)
		if err := d.check(f); err != nil {
			t.Error(err)
		}
		if left := leftovers(d); left != "" {
			t.Errorf("%s was left behind", left)
		}
		// A key destroyed after the crash is in no file the rotation left.
		d.destroy(f, 20)
		if err := d.check(f); err != nil {
			t.Errorf("destroying after the crash: %v", err)
		}
		if err := f.Rotate(context.Background()); err != nil {
			t.Error(err)
		}
		d.close(f)
		if err := FinishRotation(d.master); err != nil {
			t.Error(err)
		}
		f = d.open(nil)
		defer d.close(f)
		if f.Epoch() != 2 {
			t.Errorf("epoch %d after rotating", f.Epoch())
		}
		if err := d.check(f); err != nil {
			t.Errorf("after rotating again: %v", err)
		}
	})
	want(t, met, "rotate.main.create", "rotate.main.write", "rotate.mirror.write", "rotate.main.sync", "rotate.mirror.sync",
		"rotate.main.rename", "rotate.mirror.rename", "rotate.main.syncdir", "rotate.mirror.syncdir", "rotate.old.write", "rotate.old.sync")
}

// Healing is interrupted as well: half-made files of a crashed rotation and a
// destroy that reached one file only.
func TestCrashInOpen(t *testing.T) {
	d := newDesk(t)
	if err := RotateMaster(d.master); err != nil {
		t.Fatal(err)
	}
	f := d.open(nil)
	stopAt(f, "rotate.mirror.rename")
	if err := f.Rotate(context.Background()); !errors.Is(err, errCrash) {
		t.Fatal(err)
	}
	d.close(f)
	open := func(d *desk, h *Hooks) error {
		o := d.options(h)
		f, err := Open(context.Background(), o)
		if err != nil {
			return err
		}
		return f.Close()
	}
	met := enumerate(t, d, open, func(d *desk, err error) {
		f := d.open(nil)
		defer d.close(f)
		if err := d.check(f); err != nil {
			t.Error(err)
		}
		if f.Epoch() != 2 {
			t.Errorf("epoch %d", f.Epoch())
		}
	})
	want(t, met, "settle.write", "settle.sync", "settle.remove", "settle.create", "settle.rename", "settle.old.write", "reconcile.sync")

	d = newDesk(t)
	f = d.open(nil)
	victim := d.living(30)
	stopAt(f, "destroy.mirror.write")
	if err := f.Destroy(context.Background(), 30, victim.ID); !errors.Is(err, errCrash) {
		t.Fatal(err)
	}
	d.close(f)
	d.bury(victim)
	met = enumerate(t, d, open, func(d *desk, err error) {
		f := d.open(nil)
		defer d.close(f)
		if err := d.check(f); err != nil {
			t.Error(err)
		}
	})
	want(t, met, "reconcile.mirror.write", "reconcile.mirror.sync")
}

// Making the files for the first time is interrupted.
func TestCrashInCreate(t *testing.T) {
	d := &desk{t: t, dir: t.TempDir(), master: t.TempDir() + "/master"}
	_ = d.options(nil)
	create := func(d *desk, h *Hooks) error {
		f, err := Open(context.Background(), d.options(h))
		if err != nil {
			return err
		}
		return f.Close()
	}
	enumerate(t, d, create, func(d *desk, err error) {
		f := d.open(nil)
		defer d.close(f)
		d.fill(f, 1, []int64{0})
		if err := d.check(f); err != nil {
			t.Error(err)
		}
	})
}

// After a failed write nothing is changed, and nothing is reported as done,
// until the files are opened anew; keys can still be read.
func TestFailedWriteStops(t *testing.T) {
	ctx := context.Background()
	d := newDesk(t)
	f := d.open(nil)
	p := d.living(5)
	stopAt(f, "destroy.main.sync")
	if err := f.Destroy(ctx, 5, p.ID); !errors.Is(err, errCrash) {
		t.Fatal(err)
	}
	f.disk.hooks = nil
	// The overwrite has happened, but nobody knows whether it is on the disk.
	if err := f.Destroy(ctx, 5, p.ID); !errors.Is(err, ErrFailed) {
		t.Errorf("destroy after a failed sync: %v", err)
	}
	if _, err := f.Fill(ctx, 1, []int64{60}); !errors.Is(err, ErrFailed) {
		t.Errorf("fill after a failed sync: %v", err)
	}
	if err := f.Rotate(ctx); !errors.Is(err, ErrFailed) {
		t.Errorf("rotate after a failed sync: %v", err)
	}
	if _, err := f.Key(1, 6, d.living(6).ID); err != nil {
		t.Error(err)
	}
	d.close(f)
	f = d.open(nil)
	defer d.close(f)
	d.destroy(f, 5)
	if err := d.check(f); err != nil {
		t.Error(err)
	}
}

// The file system may bring the two renames of a rotation to the disk in any
// order: whichever file is of the newer epoch is the one that counts.
func TestRenamesInAnyOrder(t *testing.T) {
	for which := range 2 {
		d := newDesk(t)
		old := d.clone(t)
		must(t, 0, RotateMaster(d.master))
		f := d.open(nil)
		must(t, 0, f.Rotate(context.Background()))
		d.close(f)
		b, err := os.ReadFile(filepath.Join(old.dir, filepath.Base(f.path(which))))
		must(t, 0, os.WriteFile(f.path(which), must(t, b, err), 0o600))
		f = d.open(nil)
		if err := d.check(f); err != nil || f.Epoch() != 2 {
			t.Errorf("old %s: epoch %d, %v", copyNames[which], f.Epoch(), err)
		}
		d.close(f)
		must(t, 0, FinishRotation(d.master))
		d.close(d.open(nil))
	}
}
