package keyring

import "slices"

// fix is a slot to be written.
type fix struct {
	pos  int64
	data []byte
}

// copyNames are the names of the two files in hook steps.
var copyNames = [2]string{"main", "mirror"}

// writeCopy writes slots into one of the files and syncs it. Neighbouring
// slots go in one write. Readers wait while bytes change, not while they sync.
func (f *File) writeCopy(name string, i int, fixes []fix) error {
	if len(fixes) == 0 {
		return nil
	}
	name += "." + copyNames[i]
	if err := f.writeSlots(name, i, fixes); err != nil {
		return err
	}
	return f.disk.sync(name, f.copies[i])
}

func (f *File) writeSlots(name string, i int, fixes []fix) error {
	fixes = slices.Clone(fixes)
	slices.SortFunc(fixes, func(a, b fix) int { return int(a.pos - b.pos) })
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(fixes) > 0 {
		n := 1
		for n < len(fixes) && fixes[n].pos == fixes[0].pos+int64(n) {
			n++
		}
		run := make([]byte, 0, n*slotSize)
		for _, x := range fixes[:n] {
			run = append(run, x.data...)
		}
		if err := f.disk.write(name, f.copies[i], run, offset(fixes[0].pos)); err != nil {
			return err
		}
		fixes = fixes[n:]
	}
	return nil
}

// writeBoth writes slots into the key file, syncs it, and then does the same
// with the mirror: at any moment at most one of them is in the middle of a write.
func (f *File) writeBoth(name string, fixes []fix) error {
	for i := range f.copies {
		if err := f.writeCopy(name, i, fixes); err != nil {
			return err
		}
	}
	return nil
}

// extendTo makes both files at least that many groups long, with zeros, which
// are free slots. It does nothing to what is there, so it may fail harmlessly.
// The key file is synced before the mirror grows, so that a crash cannot leave
// the same new page unreadable in both; the mirror's turn comes with its next write.
func (f *File) extendTo(groups int64) error {
	want := headerSize + groups*groupSize
	zeros := make([]byte, 64*groupSize)
	for i, c := range f.copies {
		info, err := c.Stat()
		if err != nil {
			return err
		}
		// A cut-off last group, of an earlier crash in here, is written anew.
		from := headerSize + (info.Size()-headerSize)/groupSize*groupSize
		if from >= want {
			continue
		}
		name := "extend." + copyNames[i]
		for off := from; off < want; off += int64(len(zeros)) {
			if err := f.disk.write(name, c, zeros[:min(int64(len(zeros)), want-off)], off); err != nil {
				return err
			}
		}
		if i == 0 {
			if err := f.disk.sync(name, c); err != nil {
				return err
			}
		}
	}
	return nil
}
