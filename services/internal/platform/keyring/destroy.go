package keyring

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// destroyQueue gathers calls of Destroy, so that those that wait while the
// disk syncs share the next pair of syncs.
type destroyQueue struct {
	mu      sync.Mutex
	waiting []*destroyCall
	running bool
	done    *sync.Cond
}

type destroyCall struct {
	slot int64
	id   KeyID
	done chan error
}

// wait returns when no call is under way.
func (q *destroyQueue) wait() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.running {
		if q.done == nil {
			q.done = sync.NewCond(&q.mu)
		}
		q.done.Wait()
	}
}

// Destroy overwrites the key with this id in a slot, in the key file, then in
// the mirror, each synced, and drops it from memory. When it returns nil the
// key is gone for good. A slot that holds another key or none is not touched:
// this key was destroyed before, and the answer is nil. An unreadable slot is
// overwritten: nothing says that it holds another key.
//
// Concurrent calls are grouped. When the context ends first its error is
// returned and the outcome is unknown: call again.
func (f *File) Destroy(ctx context.Context, slot int64, id KeyID) error {
	if slot < 0 {
		return ErrIndex
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	c := &destroyCall{slot: slot, id: id, done: make(chan error, 1)}
	f.queue.mu.Lock()
	f.queue.waiting = append(f.queue.waiting, c)
	if !f.queue.running {
		f.queue.running = true
		go f.drain()
	}
	f.queue.mu.Unlock()
	select {
	case err := <-c.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// drain destroys in groups until nobody waits.
func (f *File) drain() {
	q := &f.queue
	for {
		f.writer.Lock() // calls that come while another change runs join this group
		q.mu.Lock()
		calls := q.waiting
		q.waiting = nil
		if len(calls) == 0 {
			q.running = false
			if q.done != nil {
				q.done.Broadcast()
			}
			q.mu.Unlock()
			f.writer.Unlock()
			return
		}
		q.mu.Unlock()
		err := f.destroyGroup(calls)
		f.writer.Unlock()
		for _, c := range calls {
			c.done <- err
		}
	}
}

// destroyGroup carries out a group. The caller holds writer.
func (f *File) destroyGroup(calls []*destroyCall) error {
	if err := f.usable(); err != nil {
		return err
	}
	var fixes []fix
	planned := map[int64]bool{}
	f.mu.RLock()
	for _, c := range calls {
		x, hit, err := f.planDestroy(c)
		if err != nil {
			f.mu.RUnlock()
			return err
		}
		if hit && !planned[x.pos] {
			planned[x.pos] = true
			fixes = append(fixes, x)
		}
	}
	f.mu.RUnlock()
	err := f.writeBoth("destroy", fixes)
	for _, c := range calls {
		f.cache.drop(c.id) // after the overwrite no reader can bring it back
	}
	if err != nil {
		return f.fail(fmt.Errorf("keys were not destroyed: %w", err))
	}
	return nil
}

// planDestroy says what is to be written for a call, if anything. The caller holds mu.
func (f *File) planDestroy(c *destroyCall) (fix, bool, error) {
	if c.slot >= f.groups*perGroup {
		return fix{}, false, nil
	}
	pos := position(c.slot)
	r, err := f.readSlot(pos)
	if err != nil && !errors.Is(err, ErrCorrupt) {
		return fix{}, false, err
	}
	if err == nil && (r.kind != kindPerson || r.id != c.id) {
		return fix{}, false, nil
	}
	void := record{kind: kindVoid, gen: r.gen + 1}
	return fix{pos: pos, data: void.encode(pos)}, true, nil
}
