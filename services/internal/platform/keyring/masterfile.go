package keyring

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/tink-crypto/tink-go/v2/tink"
)

// A master key file has four pages: two pointers, of which the newer readable
// one says which key page is current, and two key pages. A rotation writes
// the page that is not current and then the older pointer, so no write can
// hurt the key in use. Then both pointers are brought up to date. Forgetting a key overwrites its page in place.
const (
	masterPage    = 4096
	masterFile    = 4 * masterPage
	masterVersion = 1
	masterSum     = masterPage - sha256.Size
	maxSealedKey  = 2048
)

var (
	pointerMagic = []byte("LETHEMST")
	keyMagic     = []byte("LETHEMKY")
)

// pointer says which key page is current.
type pointer struct {
	seq     uint64
	current int
	epoch   uint32
}

// keyPage holds a master key, itself sealed when a KMS is used.
type keyPage struct {
	epoch  uint32
	sealed bool
	data   []byte
}

// masterState is what a master key file says.
type masterState struct {
	pointers [2]*pointer
	keys     [2]*keyPage
	raw      [masterFile]byte
}

// now returns the newest pointer.
func (s *masterState) now() *pointer {
	a, b := s.pointers[0], s.pointers[1]
	if a == nil || (b != nil && b.seq > a.seq) {
		return b
	}
	return a
}

// previous returns the key page of the epoch before, or nil.
func (s *masterState) previous() *keyPage {
	p := s.now()
	if k := s.keys[1-p.current]; k != nil && k.epoch < p.epoch {
		return k
	}
	return nil
}

// started returns the key page of the next epoch, which a rotation wrote before
// it ended early, or nil.
func (s *masterState) started() *keyPage {
	p := s.now()
	if k := s.keys[1-p.current]; k != nil && k.epoch > p.epoch {
		return k
	}
	return nil
}

// page returns the bytes of a key page.
func (s *masterState) page(i int) []byte { return s.raw[(2+i)*masterPage : (3+i)*masterPage] }

// sealPage puts the checksum behind a page.
func sealPage(b []byte) []byte {
	sum := sha256.Sum256(b[:masterSum])
	copy(b[masterSum:], sum[:])
	return b
}

// pageOK reports whether a page is what was written.
func pageOK(b, magic []byte) bool {
	sum := sha256.Sum256(b[:masterSum])
	return bytes.HasPrefix(b, magic) && bytes.Equal(b[masterSum:], sum[:])
}

func (p pointer) encode() []byte {
	b := make([]byte, masterPage)
	copy(b, pointerMagic)
	binary.BigEndian.PutUint32(b[8:], masterVersion)
	binary.BigEndian.PutUint64(b[12:], p.seq)
	binary.BigEndian.PutUint32(b[20:], uint32(p.current))
	binary.BigEndian.PutUint32(b[24:], p.epoch)
	return sealPage(b)
}

func decodePointer(b []byte) *pointer {
	if !pageOK(b, pointerMagic) {
		return nil
	}
	p := &pointer{
		seq:     binary.BigEndian.Uint64(b[12:]),
		current: int(binary.BigEndian.Uint32(b[20:])),
		epoch:   binary.BigEndian.Uint32(b[24:]),
	}
	if p.current > 1 {
		return nil
	}
	return p
}

func (k keyPage) encode() []byte {
	b := make([]byte, masterPage)
	copy(b, keyMagic)
	binary.BigEndian.PutUint32(b[8:], k.epoch)
	if k.sealed {
		b[12] = 1
	}
	binary.BigEndian.PutUint16(b[14:], uint16(len(k.data)))
	copy(b[16:], k.data)
	return sealPage(b)
}

func decodeKeyPage(b []byte) *keyPage {
	if !pageOK(b, keyMagic) {
		return nil
	}
	n := int(binary.BigEndian.Uint16(b[14:]))
	if n > maxSealedKey {
		return nil
	}
	return &keyPage{epoch: binary.BigEndian.Uint32(b[8:]), sealed: b[12] == 1, data: bytes.Clone(b[16 : 16+n])}
}

// readMaster reads and judges a master key file.
func readMaster(f *os.File) (*masterState, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("master key file %s cannot be read: %w", f.Name(), err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("master key file %s can be read by others: run chmod 600 on it", f.Name())
	}
	s := &masterState{}
	if n, err := f.ReadAt(s.raw[:], 0); n < masterFile {
		if !bytes.HasPrefix(s.raw[:], pointerMagic) {
			return nil, fmt.Errorf("%s is no master key file: name the right file with --master-key", f.Name())
		}
		return nil, fmt.Errorf("master key file %s is cut short (%w): put back a copy of it", f.Name(), err)
	}
	for i := range 2 {
		b := s.raw[i*masterPage : (i+1)*masterPage]
		// The version is looked at before the checksum, which a newer version may keep elsewhere.
		if v := binary.BigEndian.Uint32(b[8:]); bytes.HasPrefix(b, pointerMagic) && v > masterVersion && v < 1<<16 {
			return nil, fmt.Errorf("master key file %s was written by a newer version of Lethe (format %d, known here: %d): use that version or a later one", f.Name(), v, masterVersion)
		}
		s.pointers[i] = decodePointer(b)
		s.keys[i] = decodeKeyPage(s.page(i))
	}
	p := s.now()
	if p == nil {
		return nil, fmt.Errorf("%s is damaged or no master key file: put back a copy of it, or name the right file with --master-key", f.Name())
	}
	if k := s.keys[p.current]; k == nil || k.epoch != p.epoch {
		return nil, fmt.Errorf("master key file %s is damaged: put back a copy of it; without its key nothing that was sealed can be read", f.Name())
	}
	return s, nil
}

// kmsBinding is the additional data under which a KMS seals a master key.
func kmsBinding(epoch uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte("lethe/keyring/master/v1"), epoch)
}

// sealMasterKey makes the key page of an epoch.
func sealMasterKey(kms tink.AEAD, epoch uint32, raw []byte) (keyPage, error) {
	if kms == nil {
		return keyPage{epoch: epoch, data: raw}, nil
	}
	data, err := kms.Encrypt(raw, kmsBinding(epoch))
	if err != nil {
		return keyPage{}, fmt.Errorf("the key management service did not seal the master key: %w", err)
	}
	if len(data) > maxSealedKey {
		return keyPage{}, errors.New("the key management service answered with more bytes than a master key file holds")
	}
	return keyPage{epoch: epoch, sealed: true, data: data}, nil
}

// openMasterKey returns the key of a page.
func openMasterKey(kms tink.AEAD, path string, k *keyPage) ([]byte, error) {
	if k.sealed != (kms != nil) {
		if k.sealed {
			return nil, fmt.Errorf("master key file %s is sealed by a key management service: configure it", path)
		}
		return nil, fmt.Errorf("master key file %s is not sealed by a key management service: start without one", path)
	}
	raw := k.data
	if k.sealed {
		var err error
		if raw, err = kms.Decrypt(k.data, kmsBinding(k.epoch)); err != nil {
			return nil, fmt.Errorf("the key management service did not open master key file %s: %w", path, err)
		}
	}
	if len(raw) != keySize {
		return nil, fmt.Errorf("master key file %s is damaged: put back a copy of it", path)
	}
	return raw, nil
}
