package keyring

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// disk does what the package does to files, with the hooks around it.
type disk struct{ hooks *Hooks }

// do runs one step.
func (d disk) do(s Step, act func() error) error {
	if d.hooks != nil && d.hooks.Before != nil {
		if err := d.hooks.Before(s); errors.Is(err, ErrSkip) {
			return nil
		} else if err != nil {
			return err
		}
	}
	if err := act(); err != nil {
		return err
	}
	if d.hooks != nil && d.hooks.After != nil {
		return d.hooks.After(s)
	}
	return nil
}

// write writes b at off.
func (d disk) write(name string, f *os.File, b []byte, off int64) error {
	err := d.do(Step{Name: name + ".write", Path: f.Name(), Offset: off, Data: b}, func() error {
		_, err := f.WriteAt(b, off)
		return err
	})
	if torn := (*Torn)(nil); errors.As(err, &torn) {
		_, _ = f.WriteAt(b[:min(torn.Bytes, len(b))], off) // the crash itself is the error
	}
	return err
}

// sync brings a file's content to the disk.
func (d disk) sync(name string, f *os.File) error {
	return d.do(Step{Name: name + ".sync", Path: f.Name()}, f.Sync)
}

// syncDir brings a folder's names to the disk.
func (d disk) syncDir(name, dir string) error {
	return d.do(Step{Name: name + ".syncdir", Path: dir}, func() error {
		f, err := os.Open(dir)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
}

// create makes a new file that only its owner can read.
func (d disk) create(name, path string) (f *os.File, err error) {
	err = d.do(Step{Name: name + ".create", Path: path}, func() error {
		f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		return err
	})
	if err == nil && f == nil {
		err = ErrSkip // a file cannot be left out
	}
	return f, err
}

// rename replaces to by from.
func (d disk) rename(name, from, to string) error {
	return d.do(Step{Name: name + ".rename", Path: to}, func() error { return os.Rename(from, to) })
}

// scrub overwrites an open file with zeros to its end and syncs it, so that
// the blocks of a file that has no name any more hold no keys.
func (d disk) scrub(name string, f *os.File) error {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	zeros := make([]byte, 1<<16)
	for off := int64(0); off < size; off += int64(len(zeros)) {
		if err := d.write(name, f, zeros[:min(int64(len(zeros)), size-off)], off); err != nil {
			return err
		}
	}
	return d.sync(name, f)
}

// discard overwrites a file and removes it. A missing file is no error.
func (d disk) discard(name, path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := errors.Join(d.scrub(name, f), f.Close()); err != nil {
		return err
	}
	if err := d.do(Step{Name: name + ".remove", Path: path}, func() error { return os.Remove(path) }); err != nil {
		return err
	}
	return d.syncDir(name, filepath.Dir(path))
}
