package keyring

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrUnfit means that key files are damaged beyond use, missing, or sealed with another master key.
var ErrUnfit = errors.New("the key files cannot be used")

// ErrInUse means that another process has the key files open.
var ErrInUse = errors.New("the key files are open in another process: stop that one first")

// Held is what a slot holds, in the key file and in its mirror.
type Held struct {
	// Index is the slot's number.
	Index int64
	// Keys are the ids of the persons' keys in it; zero where there is none.
	Keys [2]KeyID
	// Unreadable says which copy is damaged, Differs that the two do not agree.
	Unreadable [2]bool
	Differs    bool
}

// Condition is the state in which OpenToCheck found a pair of key files.
type Condition struct {
	// Lost says which file is missing or has a damaged header.
	Lost [2]bool
	// Behind says that one file is of an earlier epoch than the other.
	Behind bool
	// Epoch is that of the newer file.
	Epoch uint32
}

// errChecking is why a file that is only looked at takes no change.
var errChecking = errors.New("it is open to be checked only")

// OpenToCheck opens key files without healing them: not a byte is written, Fill,
// Destroy and Rotate are refused. A file whose fellow is lost or behind stands for
// both. ErrUnfit, with a sentence, when there is nothing to open, and ErrInUse.
func OpenToCheck(ctx context.Context, o Options) (*File, Condition, error) {
	if err := checkOptions(&o); err != nil {
		return nil, Condition{}, err
	}
	f := &File{o: o, accounts: map[int64]int64{}, cache: newKeyCache(o.Cache), wraps: wrapCache{keys: map[int64]*Key{}}, failed: errChecking}
	c, err := f.openToCheck(ctx)
	if err != nil {
		return nil, c, errors.Join(err, f.closeFiles())
	}
	return f, c, nil
}

func (f *File) openToCheck(ctx context.Context) (c Condition, err error) {
	lock, err := os.Open(filepath.Join(f.o.Dir, f.o.Service+lockSuffix))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return c, fmt.Errorf("key files of %s cannot be locked: %w", f.o.Service, err)
	}
	if f.lock = lock; err == nil && lockFile(f.lock) != nil {
		return c, ErrInUse
	}
	good, c, err := f.choose()
	if err != nil {
		return c, err
	}
	for i := range f.copies {
		path := f.path(i)
		if c.Lost[i] || c.Behind {
			path = f.path(good)
		}
		if f.copies[i], err = os.Open(path); err != nil {
			return c, fmt.Errorf("key file %s cannot be opened: %w", path, err)
		}
	}
	return c, f.survey(ctx)
}

// choose looks at both headers and says which file counts where they disagree.
func (f *File) choose() (good int, c Condition, err error) {
	var heads [2]header
	for i := range heads {
		heads[i], err = readHeader(f.path(i))
		if c.Lost[i] = err != nil; err != nil && !errors.Is(err, errHeader) && !errors.Is(err, fs.ErrNotExist) {
			return 0, c, err
		}
	}
	switch {
	case c.Lost[0] && c.Lost[1]:
		return 0, c, fmt.Errorf("%w: those of %s are missing or damaged in %s", ErrUnfit, f.o.Service, f.o.Dir)
	case c.Lost[0], !c.Lost[1] && heads[1].epoch > heads[0].epoch:
		good = 1
	}
	other := heads[1-good]
	if err := heads[good].fits(f.path(good), f.o.Service, f.o.Master); err != nil {
		return good, c, fmt.Errorf("%w: %w", ErrUnfit, err)
	}
	f.epoch, f.file, c.Epoch = heads[good].epoch, heads[good].file, heads[good].epoch
	if c.Lost[1-good] {
		return good, c, nil
	}
	if other.file != f.file || other.service != f.o.Service {
		return good, c, fmt.Errorf("%w: %s and %s are not of one installation", ErrUnfit, f.path(0), f.path(1))
	}
	c.Behind = other.epoch != f.epoch
	return good, c, nil
}

// survey learns how long the files are and where the accounts' keys lie.
func (f *File) survey(ctx context.Context) error {
	for _, c := range f.copies {
		info, err := c.Stat()
		if err != nil {
			return err
		}
		f.groups = max(f.groups, (info.Size()-headerSize)/groupSize)
	}
	f.taken = make([]bool, f.groups)
	for group := range f.groups {
		if err := ctx.Err(); err != nil {
			return err
		}
		r, err := f.readSlot(accountPosition(group))
		if f.taken[group] = err != nil; err != nil && !errors.Is(err, ErrCorrupt) {
			return err
		}
		if err == nil && r.kind == kindAccount {
			f.accounts[r.account], f.taken[group] = group, true
		}
	}
	return nil
}

// Each calls f with what the slots hold, in their order: those with a key or a
// fault in either file. An account's own key that is damaged, or differs between
// the files, is told as a Held with the index of its first slot. An error of f ends it and is returned.
func (f *File) Each(ctx context.Context, visit func(Held) error) error {
	f.mu.RLock()
	groups := f.groups
	f.mu.RUnlock()
	for group := range groups {
		if err := ctx.Err(); err != nil {
			return err
		}
		pages, err := f.pages(group)
		if err != nil {
			return err
		}
		whole := heldIn(accountPosition(group), 0, pages)
		for place := int64(1); place < groupSlots; place++ {
			h := heldIn(accountPosition(group)+place, place, pages)
			h.Index = group*perGroup + place - 1
			if place == 1 {
				h.Differs = h.Differs || whole.Differs
			}
			if h == (Held{Index: h.Index}) {
				continue
			}
			if err := visit(h); err != nil {
				return err
			}
		}
	}
	return nil
}

// pages reads a group from both files; what is behind the end of a file is empty.
func (f *File) pages(group int64) (pages [2][groupSize]byte, err error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.closed {
		return pages, os.ErrClosed
	}
	for i, c := range f.copies {
		if _, err := c.ReadAt(pages[i][:], offset(accountPosition(group))); err != nil && !errors.Is(err, io.EOF) {
			return pages, fmt.Errorf("key file cannot be read: %w", err)
		}
	}
	return pages, nil
}

// heldIn reads a slot in both pages.
func heldIn(pos, place int64, pages [2][groupSize]byte) (h Held) {
	var raw [2]string
	for i := range pages {
		b := pages[i][place*slotSize : (place+1)*slotSize]
		raw[i] = string(b)
		r, ok := decode(pos, b)
		h.Unreadable[i] = !ok
		if ok && r.kind == kindPerson {
			h.Keys[i] = r.id
		}
	}
	h.Differs = raw[0] != raw[1] || h.Unreadable[0]
	return h
}
