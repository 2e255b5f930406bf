package keyring

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// settle makes sure that both files stand and are of one kind: it overwrites
// what crashed rotations left, makes new files when there are none, and copies
// one whole file when the other is missing, unreadable or of an older epoch.
func (f *File) settle() error {
	for i := range f.copies {
		if err := f.disk.discard("settle", f.path(i)+newSuffix); err != nil {
			return fmt.Errorf("left-over key file %s cannot be removed: %w", f.path(i)+newSuffix, err)
		}
	}
	var heads [2]header
	var errs [2]error
	for i := range heads {
		heads[i], errs[i] = readHeader(f.path(i))
		known := errs[i] == nil || errors.Is(errs[i], errHeader) || errors.Is(errs[i], fs.ErrNotExist)
		if !known {
			return errs[i]
		}
	}
	if errors.Is(errs[0], fs.ErrNotExist) && errors.Is(errs[1], fs.ErrNotExist) {
		return f.createPair()
	}
	if errs[0] != nil && errs[1] != nil {
		return fmt.Errorf("key files of %s are missing or damaged in %s: put back both from one backup", f.o.Service, f.o.Dir)
	}
	good := 0
	if errs[0] != nil || (errs[1] == nil && heads[1].epoch > heads[0].epoch) {
		good = 1
	}
	if err := heads[good].fits(f.path(good), f.o.Service, f.o.Master); err != nil {
		return err
	}
	f.epoch, f.file = heads[good].epoch, heads[good].file
	other := 1 - good
	if errs[other] != nil {
		return f.copyWhole(good, other)
	}
	if heads[other].file != f.file || heads[other].service != f.o.Service {
		return fmt.Errorf("key files %s and %s are not of one installation: put back both from one backup", f.path(0), f.path(1))
	}
	if heads[other].epoch != f.epoch {
		return f.copyWhole(good, other)
	}
	return nil
}

// createPair makes both files, without slots.
func (f *File) createPair() error {
	if f.o.MustExist {
		return fmt.Errorf("key files of %s are missing in %s: put them back from a backup; without them nothing that was sealed can be read", f.o.Service, f.o.Dir)
	}
	h := header{epoch: f.o.Master.Epoch(), service: f.o.Service}
	_, _ = rand.Read(h.file[:])
	if err := h.seal(f.o.Master); err != nil {
		return err
	}
	f.epoch, f.file = h.epoch, h.file
	for i := range f.copies {
		err := f.replace("create", i, func(out *os.File) error {
			return f.disk.write("create", out, h.encode(), 0)
		})
		if err != nil {
			return fmt.Errorf("key file %s cannot be made: %w", f.path(i), err)
		}
	}
	return nil
}

// copyWhole makes one file anew from the other.
func (f *File) copyWhole(from, to int) error {
	in, err := os.Open(f.path(from))
	if err != nil {
		return err
	}
	defer in.Close()
	err = f.replace("settle", to, func(out *os.File) error {
		b := make([]byte, 1<<18)
		for off := int64(0); ; {
			n, err := in.ReadAt(b, off)
			if n > 0 {
				if err := f.disk.write("settle", out, b[:n], off); err != nil {
					return err
				}
				off += int64(n)
			}
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
		}
	})
	if err != nil {
		return fmt.Errorf("key file %s cannot be made from %s: %w", f.path(to), f.path(from), err)
	}
	return nil
}

// replace writes a file under a temporary name, syncs it, gives it its name
// and overwrites the file that had the name before.
func (f *File) replace(name string, i int, fill func(*os.File) error) error {
	path := f.path(i)
	out, err := f.disk.create(name, path+newSuffix)
	if err != nil {
		return err
	}
	defer out.Close()
	if err := fill(out); err != nil {
		return err
	}
	if err := f.disk.sync(name, out); err != nil {
		return err
	}
	return f.swap(name, i)
}

// swap gives a finished new file its name and overwrites the one it replaces,
// whose blocks would hold wrapped keys otherwise.
func (f *File) swap(name string, i int) error {
	path := f.path(i)
	old, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if old != nil {
		defer old.Close()
	}
	if err := f.disk.rename(name, path+newSuffix, path); err != nil {
		return err
	}
	if err := f.disk.syncDir(name, filepath.Dir(path)); err != nil {
		return err
	}
	if old == nil {
		return nil
	}
	return f.disk.scrub(name+".old", old)
}

// reconcile brings both files to the same content, slot by slot: the readable
// copy with the higher generation wins. It also learns where the accounts'
// keys lie. Both files are synced first: what an earlier process wrote and did
// not sync must be on the disk before anybody concludes something from it.
func (f *File) reconcile(ctx context.Context) error {
	for _, c := range f.copies {
		if err := f.disk.sync("reconcile", c); err != nil {
			return err
		}
		info, err := c.Stat()
		if err != nil {
			return err
		}
		f.groups = max(f.groups, (info.Size()-headerSize)/groupSize)
	}
	if err := f.extendTo(f.groups); err != nil {
		return err
	}
	f.taken = make([]bool, f.groups)
	var fixes [2][]fix
	var pages [2][groupSize]byte
	for group := range f.groups {
		if err := ctx.Err(); err != nil {
			return err
		}
		for i, c := range f.copies {
			if _, err := c.ReadAt(pages[i][:], offset(accountPosition(group))); err != nil {
				return err
			}
		}
		f.compare(group, pages[0][:], pages[1][:], &fixes)
	}
	for i := range fixes {
		if err := f.writeCopy("reconcile", i, fixes[i]); err != nil {
			return err
		}
	}
	return nil
}

// compare looks at a group in both files and notes what has to be healed.
func (f *File) compare(group int64, a, b []byte, fixes *[2][]fix) {
	first := accountPosition(group)
	same := string(a) == string(b)
	for place := range int64(groupSlots) {
		if same && place > 0 {
			return // only the account's slot is looked at in pages that agree
		}
		pos, at := first+place, place*slotSize
		sa, sb := a[at:at+slotSize], b[at:at+slotSize]
		r, winner := newest(pos, sa, sb)
		if winner < 0 {
			f.taken[group] = f.taken[group] || place == 0 // unreadable: not for use
			continue
		}
		if string(sa) != string(sb) {
			loser := 1 - winner
			fixes[loser] = append(fixes[loser], fix{pos: pos, data: append([]byte(nil), [][]byte{sa, sb}[winner]...)})
		}
		if place == 0 && r.kind == kindAccount {
			f.accounts[r.account], f.taken[group] = group, true
		}
	}
}
