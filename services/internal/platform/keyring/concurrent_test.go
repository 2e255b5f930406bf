package keyring

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// Destroys that wait while another one syncs share one pair of syncs.
func TestDestroysAreGrouped(t *testing.T) {
	d := newDesk(t)
	f := d.open(nil)
	defer d.close(f)
	var syncs atomic.Int64
	entered, release := make(chan struct{}), make(chan struct{})
	f.disk.hooks = &Hooks{Before: func(s Step) error {
		if strings.HasSuffix(s.Name, ".sync") && syncs.Add(1) == 1 {
			close(entered)
			<-release
		}
		return nil
	}}
	victims := append([]person(nil), d.people[:20]...)
	errs := make(chan error, len(victims))
	destroy := func(p person) { errs <- f.Destroy(context.Background(), p.Index, p.ID) }
	go destroy(victims[0])
	<-entered
	for _, p := range victims[1:] {
		go destroy(p)
	}
	for waiting := 0; waiting < len(victims)-1; runtime.Gosched() {
		f.queue.mu.Lock()
		waiting = len(f.queue.waiting)
		f.queue.mu.Unlock()
	}
	close(release)
	for _, p := range victims {
		must(t, 0, <-errs)
		d.bury(p)
	}
	if syncs.Load() != 4 {
		t.Errorf("%d syncs for one destroy and a group of 19, want 4", syncs.Load())
	}
	if err := d.check(f); err != nil {
		t.Error(err)
	}
}

// A caller that leaves does not hurt the group, and its key goes all the same.
func TestDestroyContextEnds(t *testing.T) {
	d := newDesk(t)
	f := d.open(nil)
	ctx, cancel := context.WithCancel(context.Background())
	entered, release := make(chan struct{}), make(chan struct{})
	f.disk.hooks = &Hooks{Before: func(s Step) error {
		if s.Name == "destroy.main.sync" {
			close(entered)
			<-release
		}
		return nil
	}}
	p := d.living(1)
	got := make(chan error)
	go func() { got <- f.Destroy(ctx, p.Index, p.ID) }()
	<-entered
	cancel()
	if err := <-got; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(release)
	d.close(f) // waits for the group
	d.bury(p)
	f = d.open(nil)
	defer d.close(f)
	if err := d.check(f); err != nil {
		t.Error(err)
	}
	if err := f.Destroy(ctx, 2, d.living(2).ID); !errors.Is(err, context.Canceled) {
		t.Errorf("destroy with an ended context: %v", err)
	}
}

// Readers, fills, destroys and a rotation at once; for the race detector too.
func TestAllAtOnce(t *testing.T) {
	ctx := context.Background()
	d := newDesk(t)
	must(t, 0, RotateMaster(d.master))
	o := d.options(nil)
	o.Cache = 8 // so that keys are thrown out and read again
	f, err := Open(ctx, o)
	must(t, f, err)
	victims, kept := append([]person(nil), d.people[:15]...), append([]person(nil), d.people[15:]...)
	var wg sync.WaitGroup
	var over atomic.Bool
	for range 2 {
		wg.Go(func() {
			for !over.Load() {
				for _, p := range kept {
					if k, err := f.Key(p.Account, p.Index, p.ID); err != nil || k.raw != p.raw {
						t.Errorf("a bystander's key: %v", err)
						return
					}
				}
			}
		})
	}
	var done sync.WaitGroup
	for _, p := range victims {
		wg.Go(func() { // reads the key that is being destroyed
			for !over.Load() {
				if _, err := f.Key(p.Account, p.Index, p.ID); err != nil && !errors.Is(err, ErrGone) {
					t.Error(err)
				}
				runtime.Gosched()
			}
		})
		done.Go(func() {
			if err := f.Destroy(ctx, p.Index, p.ID); err != nil {
				t.Error(err)
			}
			if _, err := f.Key(p.Account, p.Index, p.ID); !errors.Is(err, ErrGone) {
				t.Errorf("a destroyed key is handed out: %v", err)
			}
		})
	}
	done.Go(func() {
		if err := f.Rotate(ctx); err != nil {
			t.Error(err)
		}
	})
	for account := range int64(4) {
		done.Go(func() {
			if _, err := f.Fill(ctx, 10+account, numbers(100+account*40, 140+account*40)); err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	over.Store(true)
	wg.Wait()
	for _, p := range victims {
		d.bury(p)
	}
	if err := d.check(f); err != nil {
		t.Error(err)
	}
	d.close(f)
	f = d.open(nil)
	defer d.close(f)
	if err := d.check(f); err != nil {
		t.Error(err)
	}
}
