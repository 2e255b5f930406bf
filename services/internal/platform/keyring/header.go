package keyring

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// formatVersion is the version of key files this program writes.
const formatVersion = 1

var fileMagic = []byte("LETHEKEY")

const (
	maxService = 48
	checkLen   = 16 + Overhead
	headerSum  = headerSize - sha256.Size
)

// header is the first page of a key file. It is written with the file and
// never changed.
type header struct {
	epoch   uint32
	service string
	// file is random and the same in both files and over all rotations, so that
	// files of two installations are never healed from each other.
	file [16]byte
	// check is the file id sealed by the master key: it tells whether the master key fits.
	check [checkLen]byte
}

// binding is the additional data of the check.
func (h header) binding() []byte {
	b := append([]byte("lethe/keyring/file/v1"), byte(len(h.service)))
	b = append(b, h.service...)
	return binary.BigEndian.AppendUint32(b, h.epoch)
}

// seal fills in the check.
func (h *header) seal(m *Master) error {
	a, ok := m.aead(h.epoch)
	if !ok {
		return fmt.Errorf("master key of epoch %d is not held", h.epoch)
	}
	sealed, err := a.Encrypt(h.file[:], h.binding())
	if err != nil {
		return err
	}
	if copy(h.check[:], sealed) != len(sealed) {
		return errors.New("master wrapping has an unknown length")
	}
	return nil
}

func (h header) encode() []byte {
	b := make([]byte, headerSize)
	copy(b, fileMagic)
	binary.BigEndian.PutUint32(b[8:], formatVersion)
	binary.BigEndian.PutUint32(b[12:], h.epoch)
	copy(b[16:], h.file[:])
	copy(b[32:], h.check[:])
	b[32+checkLen] = byte(len(h.service))
	copy(b[33+checkLen:], h.service)
	sum := sha256.Sum256(b[:headerSum])
	copy(b[headerSum:], sum[:])
	return b
}

// errHeader means that a header is missing or damaged.
var errHeader = errors.New("damaged header")

// readHeader reads the header of a key file.
func readHeader(path string) (header, error) {
	f, err := os.Open(path)
	if err != nil {
		return header{}, err
	}
	defer f.Close()
	b := make([]byte, headerSize)
	if _, err := io.ReadFull(f, b); err != nil {
		return header{}, errHeader
	}
	// The version is looked at before the checksum, which a newer version may keep elsewhere.
	if v := binary.BigEndian.Uint32(b[8:]); bytes.HasPrefix(b, fileMagic) && v > formatVersion && v < 1<<16 {
		return header{}, fmt.Errorf("key file %s was written by a newer version of Lethe (format %d, known here: %d): use that version or a later one", path, v, formatVersion)
	}
	sum := sha256.Sum256(b[:headerSum])
	n := int(b[32+checkLen])
	if !bytes.HasPrefix(b, fileMagic) || !bytes.Equal(sum[:], b[headerSum:]) || n > maxService {
		return header{}, errHeader
	}
	h := header{epoch: binary.BigEndian.Uint32(b[12:]), service: string(b[33+checkLen : 33+checkLen+n])}
	copy(h.file[:], b[16:])
	copy(h.check[:], b[32:])
	return h, nil
}

// fits tells whether a key file belongs to this service and this master key.
func (h header) fits(path, service string, m *Master) error {
	if h.service != service {
		return fmt.Errorf("key file %s belongs to the service %s, not to %s: put the right file in its place", path, h.service, service)
	}
	a, ok := m.aead(h.epoch)
	if !ok && h.epoch > m.Epoch() {
		return fmt.Errorf("key file %s needs the master key of epoch %d, and the master key file ends at %d: give the newest master key file with --master-key", path, h.epoch, m.Epoch())
	}
	if !ok {
		return fmt.Errorf("key file %s was left behind by a rotation: it needs the master key of epoch %d, which is forgotten: put back the newest key file", path, h.epoch)
	}
	if file, err := a.Decrypt(h.check[:], h.binding()); err != nil || !bytes.Equal(file, h.file[:]) {
		return fmt.Errorf("key file %s was sealed with another master key: give the one that belongs to this data folder with --master-key", path)
	}
	return nil
}

// Epochs returns, for each service with key files in a folder, the lower epoch
// of its two files: FinishRotation is safe when all are the master's.
func Epochs(dir string) (map[string]uint32, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	epochs := map[string]uint32{}
	for _, e := range entries {
		name, isMain := strings.CutSuffix(e.Name(), mainSuffix)
		mirrored, isMirror := strings.CutSuffix(e.Name(), mirrorSuffix)
		if !isMain && !isMirror {
			continue
		}
		if isMirror {
			name = mirrored
		}
		h, err := readHeader(filepath.Join(dir, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("key file %s cannot be read: start its service once, which heals it: %w", e.Name(), err)
		}
		if old, seen := epochs[name]; !seen || h.epoch < old {
			epochs[name] = h.epoch
		}
	}
	return epochs, nil
}
