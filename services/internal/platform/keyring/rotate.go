package keyring

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Rotate brings the files to the master's current epoch, when they are behind:
// every account gets a new wrapping key, every living key is wrapped anew, and
// whole new files are written, synced and read back before they take the old
// ones' names. Then the old files' blocks are overwritten. Copies of the old
// files die with the old master key (FinishRotation).
//
// Keys, ids and slot numbers stay. Readers go on meanwhile; Fill and Destroy
// wait. A crash at any point leaves files that Open brings to one epoch or the
// other. An unreadable slot stops it with ErrCorrupt and its number: destroy
// it or put back the files.
func (f *File) Rotate(ctx context.Context) error {
	f.writer.Lock()
	defer f.writer.Unlock()
	if err := f.usable(); err != nil {
		return err
	}
	epoch := f.o.Master.Epoch()
	if f.epoch >= epoch {
		return nil
	}
	fresh, err := f.writeRotated(ctx, epoch)
	if err != nil {
		// The files in use are untouched; what was written goes now or at the next Open.
		return errors.Join(fmt.Errorf("key files of %s were not rotated: %w", f.o.Service, err), f.dropRotated(fresh))
	}
	if err := f.adopt(fresh, epoch); err != nil {
		return f.fail(fmt.Errorf("key files of %s were not rotated: %w", f.o.Service, err))
	}
	return nil
}

// dropRotated closes and overwrites unfinished new files.
func (f *File) dropRotated(fresh [2]*os.File) error {
	var errs []error
	for i, out := range fresh {
		if out != nil {
			errs = append(errs, out.Close(), f.disk.discard("rotate", f.path(i)+newSuffix))
		}
	}
	return errors.Join(errs...)
}

// writeRotated writes and verifies both new files under their temporary names.
func (f *File) writeRotated(ctx context.Context, epoch uint32) (fresh [2]*os.File, err error) {
	h := header{epoch: epoch, service: f.o.Service, file: f.file}
	if err := h.seal(f.o.Master); err != nil {
		return fresh, err
	}
	for i := range fresh {
		// A file of this name is what an interrupted rotation could not remove.
		if err := f.disk.discard("rotate", f.path(i)+newSuffix); err != nil {
			return fresh, err
		}
		if fresh[i], err = f.disk.create("rotate."+copyNames[i], f.path(i)+newSuffix); err != nil {
			return fresh, err
		}
		if err := f.disk.write("rotate."+copyNames[i], fresh[i], h.encode(), 0); err != nil {
			return fresh, err
		}
	}
	wraps, err := f.freshWraps(epoch)
	if err != nil {
		return fresh, err
	}
	for group := range f.groups {
		if err := ctx.Err(); err != nil {
			return fresh, err
		}
		page, err := f.rewrapGroup(group, epoch, wraps)
		if err != nil {
			return fresh, err
		}
		for i, out := range fresh {
			if err := f.disk.write("rotate."+copyNames[i], out, page, offset(accountPosition(group))); err != nil {
				return fresh, err
			}
		}
	}
	for i, out := range fresh {
		if err := f.disk.sync("rotate."+copyNames[i], out); err != nil {
			return fresh, err
		}
		if err := f.verify(ctx, out, h); err != nil {
			return fresh, err
		}
	}
	return fresh, nil
}

// freshWraps draws a new wrapping key for every account.
func (f *File) freshWraps(epoch uint32) (map[int64]rotatedAccount, error) {
	wraps := make(map[int64]rotatedAccount, len(f.accounts))
	for account, group := range f.accounts {
		pos, k := accountPosition(group), randomKey()
		r, err := wrapAccount(f.o, pos, record{epoch: epoch, gen: 1, account: account}, k)
		if err != nil {
			return nil, err
		}
		wraps[account] = rotatedAccount{key: k, data: r.encode(pos)}
	}
	return wraps, nil
}

// rotatedAccount is an account's new wrapping key and its slot.
type rotatedAccount struct {
	key  *Key
	data []byte
}

// rewrapGroup makes the new page of a group.
func (f *File) rewrapGroup(group int64, epoch uint32, wraps map[int64]rotatedAccount) ([]byte, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	page := make([]byte, groupSize)
	for place := range int64(groupSlots) {
		pos := accountPosition(group) + place
		out := page[place*slotSize : (place+1)*slotSize]
		r, err := f.readSlot(pos)
		if err != nil {
			return nil, slotError(group, place, err)
		}
		switch r.kind {
		case kindAccount:
			copy(out, wraps[r.account].data)
		case kindPerson:
			k, err := f.unwrap(pos, r)
			if err != nil {
				return nil, slotError(group, place, err)
			}
			r.epoch = epoch
			copy(out, wrapPerson(wraps[r.account].key, f.o.Service, pos, r, k).encode(pos))
		case kindVoid:
			copy(out, r.encode(pos))
		}
	}
	return page, nil
}

// slotError names the slot an operator has to see to.
func slotError(group, place int64, err error) error {
	if place == 0 {
		return fmt.Errorf("account slot of group %d: %w", group, err)
	}
	return fmt.Errorf("slot %d: %w", group*perGroup+place-1, err)
}

// verify reads a new file back and compares every key with the one in use.
func (f *File) verify(ctx context.Context, out *os.File, h header) error {
	got, err := readHeader(out.Name())
	if err != nil {
		return err
	}
	if got != h {
		return errHeader
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	wraps := map[int64]*Key{}
	for account, group := range f.accounts {
		pos := accountPosition(group)
		r, err := readFrom(out, pos)
		if err != nil {
			return err
		}
		if wraps[account], err = openAccount(f.o, pos, r); err != nil || r.account != account {
			return errors.Join(ErrCorrupt, err)
		}
	}
	for index := range f.groups * perGroup {
		if index%perGroup == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := f.verifySlot(out, position(index), wraps); err != nil {
			return fmt.Errorf("slot %d read back: %w", index, err)
		}
	}
	return nil
}

// verifySlot compares a slot of a new file with the one in use.
func (f *File) verifySlot(out *os.File, pos int64, wraps map[int64]*Key) error {
	old, err := f.readSlot(pos)
	if err != nil {
		return err
	}
	r, err := readFrom(out, pos)
	if err != nil {
		return err
	}
	if r.kind != old.kind || r.id != old.id || r.account != old.account || r.gen != old.gen {
		return ErrCorrupt
	}
	if r.kind != kindPerson {
		return nil
	}
	was, err := f.unwrap(pos, old)
	if err != nil {
		return err
	}
	is, err := openRecord(wraps[r.account], f.o.Service, pos, r)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(was.raw[:], is.raw[:]) != 1 {
		return ErrCorrupt
	}
	return nil
}

// readFrom reads a slot of one file.
func readFrom(f *os.File, pos int64) (record, error) {
	var b [slotSize]byte
	if _, err := f.ReadAt(b[:], offset(pos)); err != nil && !errors.Is(err, io.EOF) {
		return record{}, err
	}
	r, ok := decode(pos, b[:])
	if !ok {
		return record{}, ErrCorrupt
	}
	return r, nil
}

// adopt gives the new files their names, reads from them from then on, and
// overwrites the old ones. The caller holds writer.
func (f *File) adopt(fresh [2]*os.File, epoch uint32) error {
	var named [2]*os.File
	for i := range fresh {
		name, path := "rotate."+copyNames[i], f.path(i)
		if err := f.disk.rename(name, path+newSuffix, path); err != nil {
			return err
		}
		if err := f.disk.syncDir(name, filepath.Dir(path)); err != nil {
			return err
		}
		var err error
		if named[i], err = os.OpenFile(path, os.O_RDWR, 0); err != nil {
			return err
		}
	}
	f.mu.Lock()
	old := f.copies
	f.copies, f.epoch = named, epoch
	f.wraps.clear()
	f.mu.Unlock()
	var errs []error
	for i, c := range old {
		errs = append(errs, fresh[i].Close(), f.disk.scrub("rotate.old", c), c.Close())
	}
	return errors.Join(errs...)
}
