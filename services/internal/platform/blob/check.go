package blob

import (
	"context"
	"fmt"

	"gocloud.dev/gcerrors"
)

// tagSize and headSize are what the stream encryption adds to each segment, and
// once before the first: its own length, the salt and the prefix of the nonces.
const (
	tagSize  = 16
	headSize = 1 + KeySize + 7
)

// SealedSize returns the encrypted length of a blob of that many bytes.
func SealedSize(plain int64) int64 {
	const first, further = segmentSize - headSize - tagSize, segmentSize - tagSize
	segments := int64(1)
	if plain > first {
		segments += (plain - first + further - 1) / further
	}
	return headSize + plain + segments*tagSize
}

// Stat returns what List tells of one blob. ErrNotFound when there is none.
func (b *Bucket) Stat(ctx context.Context, name string) (Item, error) {
	if !validName.MatchString(name) {
		return Item{}, ErrName
	}
	a, err := b.bucket.Attributes(ctx, name)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return Item{}, ErrNotFound
	}
	if err != nil {
		return Item{}, fmt.Errorf("blob cannot be looked at: %w", err)
	}
	return Item{Name: name, Size: a.Size, Written: a.ModTime}, nil
}

// Stray reports whether a name that List yields is of what a killed upload left.
func Stray(name string) bool { return strayName.MatchString(name) }
