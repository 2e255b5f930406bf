package keyring

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// Master holds the master keys of an installation: the current one and, while
// a rotation is under way, the one before. It is safe for concurrent use and
// never prints a key.
type Master struct {
	path string
	o    masterOptions

	mu    sync.RWMutex
	epoch uint32
	keys  map[uint32]tink.AEAD
}

type masterOptions struct {
	kms  tink.AEAD
	disk disk
}

// MasterOption changes how a master key file is used.
type MasterOption func(*masterOptions)

// WithKMS has the keys in the master key file sealed by a key management
// service: one unwrap per key and start.
func WithKMS(kms tink.AEAD) MasterOption { return func(o *masterOptions) { o.kms = kms } }

// WithHooks puts hooks around the writes of the master key file, for tests.
func WithHooks(h *Hooks) MasterOption { return func(o *masterOptions) { o.disk.hooks = h } }

func applyMaster(opts []MasterOption) (o masterOptions) {
	for _, set := range opts {
		set(&o)
	}
	return o
}

// OpenMaster reads the master key file, and makes one with a random key when
// there is none. When several processes do so at once, one file wins and all
// read it. The file must be readable by its owner only. Errors are sentences
// that say what to do.
func OpenMaster(path string, opts ...MasterOption) (*Master, error) {
	m := &Master{path: path, o: applyMaster(opts)}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := m.create(); err != nil {
			return nil, err
		}
	}
	if err := m.Reload(); err != nil {
		return nil, err
	}
	return m, nil
}

// create makes the file under another name and links it, which fails when
// somebody else was faster: then theirs counts.
func (m *Master) create() error {
	var suffix [8]byte
	var raw [keySize]byte
	_, _ = rand.Read(suffix[:])
	_, _ = rand.Read(raw[:])
	page, err := sealMasterKey(m.o.kms, 1, raw[:])
	if err != nil {
		return err
	}
	content := make([]byte, masterFile)
	copy(content, pointer{seq: 1, epoch: 1}.encode())
	copy(content[masterPage:], pointer{seq: 2, epoch: 1}.encode())
	copy(content[2*masterPage:], page.encode())

	d, temp := m.o.disk, m.path+".new-"+hex.EncodeToString(suffix[:])
	f, err := d.create("master", temp)
	if err != nil {
		return fmt.Errorf("master key file %s cannot be made: %w", m.path, err)
	}
	err = errors.Join(d.write("master", f, content, 0), d.sync("master", f), f.Close())
	if err == nil {
		err = d.do(Step{Name: "master.link", Path: m.path}, func() error { return os.Link(temp, m.path) })
	}
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("master key file %s cannot be made: %w", m.path, err)
	}
	// Only the name goes: it may be the same file as the master key's by now.
	if err = os.Remove(temp); err == nil {
		err = d.syncDir("master", filepath.Dir(m.path))
	}
	if err != nil {
		return fmt.Errorf("master key file %s cannot be made: %w", m.path, err)
	}
	return nil
}

// Reload reads the file again, so that a running service learns of a rotation
// without a restart. On an error what was known stays.
func (m *Master) Reload() error {
	f, err := os.Open(m.path)
	if err != nil {
		return fmt.Errorf("master key file %s cannot be opened: %w", m.path, err)
	}
	defer f.Close()
	s, err := readMaster(f)
	if err != nil {
		return err
	}
	pages := []*keyPage{s.keys[s.now().current]}
	if k := s.previous(); k != nil {
		pages = append(pages, k)
	}
	keys := map[uint32]tink.AEAD{}
	for _, k := range pages {
		raw, err := openMasterKey(m.o.kms, m.path, k)
		if err != nil {
			return err
		}
		if keys[k.epoch], err = subtle.NewAESGCM(raw); err != nil {
			return fmt.Errorf("master key file %s is unusable: %w", m.path, err)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.epoch, m.keys = s.now().epoch, keys
	return nil
}

// Epoch returns the number of the current master key; it rises by one with
// each rotation.
func (m *Master) Epoch() uint32 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.epoch
}

// Rotating reports whether the key before is still held, so that services can
// move to the current one.
func (m *Master) Rotating() bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return len(m.keys) > 1
}

// aead returns the wrapping of an epoch, if its key is still held.
func (m *Master) aead(epoch uint32) (tink.AEAD, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	a, ok := m.keys[epoch]
	return a, ok
}

// String returns a placeholder.
func (m *Master) String() string { return "[master key]" }

// GoString returns a placeholder.
func (m *Master) GoString() string { return m.String() }

// LogValue returns a placeholder.
func (m *Master) LogValue() slog.Value { return slog.StringValue(m.String()) }

// change runs fn on an open, locked master key file.
func changeMaster(path string, o masterOptions, fn func(*os.File, *masterState) error) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("master key file %s cannot be opened: %w", path, err)
	}
	defer f.Close()
	if err := lockFile(f); err != nil {
		return fmt.Errorf("master key file %s is being changed by another process: wait for it", path)
	}
	s, err := readMaster(f)
	if err != nil {
		return err
	}
	return fn(f, s)
}

// RotateMaster adds a new current master key and keeps the one before, until
// FinishRotation. Each service then calls File.Rotate (at its next start, or
// after Master.Reload). It refuses while an earlier rotation is unfinished. A
// crash leaves the file as it was or rotated.
func RotateMaster(path string, opts ...MasterOption) error {
	o := applyMaster(opts)
	return changeMaster(path, o, func(f *os.File, s *masterState) error {
		p := s.now()
		if s.previous() != nil {
			return fmt.Errorf("master key file %s is already being rotated: start every service once, then finish that rotation", path)
		}
		if _, err := openMasterKey(o.kms, path, s.keys[p.current]); err != nil {
			return err // a key sealed otherwise than the current one could not be opened with it
		}
		if s.started() == nil { // else a rotation crashed half-way: its key is used
			if err := writeNextKey(f, s, o); err != nil {
				return err
			}
		}
		if err := writePointers(f, s, o.disk); err != nil {
			return fmt.Errorf("master key file %s was not rotated: %w", path, err)
		}
		return nil
	})
}

// writeNextKey writes a new key into the page that is not current.
func writeNextKey(f *os.File, s *masterState, o masterOptions) error {
	p := s.now()
	var raw [keySize]byte
	_, _ = rand.Read(raw[:])
	page, err := sealMasterKey(o.kms, p.epoch+1, raw[:])
	if err != nil {
		return err
	}
	if err = o.disk.write("master.key", f, page.encode(), int64(3-p.current)*masterPage); err == nil {
		err = o.disk.sync("master.key", f)
	}
	if err != nil {
		return fmt.Errorf("master key file %s was not rotated: %w", f.Name(), err)
	}
	return nil
}

// writePointers makes the next key the current one: first in the older
// pointer, which cannot hurt, then in the other one.
func writePointers(f *os.File, s *masterState, d disk) error {
	p := s.now()
	order := []int64{1, 0}
	if p == s.pointers[1] {
		order = []int64{0, 1}
	}
	for i, place := range order {
		next := pointer{seq: p.seq + 1 + uint64(i), current: 1 - p.current, epoch: p.epoch + 1}
		if err := d.write("master.pointer", f, next.encode(), place*masterPage); err != nil {
			return err
		}
		if err := d.sync("master.pointer", f); err != nil {
			return err
		}
	}
	return nil
}

// FinishRotation overwrites the master key before the current one. Call it
// when the key files of all services have moved (see Epochs): what was wrapped
// by the old key, in whatever copy, can then never be opened again. Repeating
// it is harmless.
func FinishRotation(path string, opts ...MasterOption) error {
	o := applyMaster(opts)
	return changeMaster(path, o, func(f *os.File, s *masterState) error {
		if s.started() != nil {
			return fmt.Errorf("master key file %s holds a rotation that ended early: rotate it again first", path)
		}
		other := 1 - s.now().current
		zeros := make([]byte, masterPage)
		// A page torn by a crash in here is overwritten as well, readable or not;
		// and one that looks empty too, since nobody knows whether that reached the disk.
		err := o.disk.write("master.forget", f, zeros, int64(2+other)*masterPage)
		if err == nil {
			err = o.disk.sync("master.forget", f)
		}
		if err != nil {
			return fmt.Errorf("the old master key in %s was not overwritten: %w", path, err)
		}
		return nil
	})
}
