package scan

import (
	"fmt"
	"sort"
	"unicode/utf8"
)

// MinNeedle and MaxNeedle bound a needle's length in bytes. A shorter one would
// be found by chance in any large file.
const (
	MinNeedle = 3
	MaxNeedle = 4096
)

// spread is by how much an encoded needle may be longer than the needle itself
// and still surely be found; the worst common case, a JSON escape for each
// letter inside base64, takes eight bytes a letter.
const spread = 16

// Set is a compiled list of needles. It may be used by many goroutines.
type Set struct {
	classes []*class
	// shortest is the length in bytes of the shortest spelling, longest that of
	// the longest needle.
	shortest, longest int
	// reach is how many bytes of a file an encoded needle may take.
	reach int
	// window is how many bytes are looked at together, overlap included.
	window int
}

// class holds the spellings that are long enough for grams of n bytes.
type class struct {
	n      int
	mask   uint64
	shift  uint
	filter []uint64
	first  map[uint64]span
	sorted []pattern
}

type span struct{ lo, hi int32 }

type pattern struct {
	spelling
	needle int32
}

// fold lowers ASCII letters and leaves every other byte alone.
var fold = func() (t [256]byte) {
	for i := range t {
		t[i] = byte(i)
		if i >= 'A' && i <= 'Z' {
			t[i] = byte(i) + 'a' - 'A'
		}
	}
	return t
}()

func foldString(s string) string {
	b := []byte(s)
	for i := range b {
		b[i] = fold[b[i]]
	}
	return string(b)
}

// Compile prepares needles for a search. Needle numbers count from 1 in the
// order given; an empty needle keeps its number and is not sought. The error
// names the number of a needle that is too short, too long or not UTF-8.
func Compile(needles []string) (*Set, error) {
	byLength := map[int][]pattern{}
	s := &Set{shortest: MaxNeedle + 1}
	for i, needle := range needles {
		if needle == "" {
			continue
		}
		if err := check(needle); err != nil {
			return nil, fmt.Errorf("needle %d: %w", i+1, err)
		}
		s.longest = max(s.longest, len(needle))
		for _, sp := range spellings(needle) {
			s.shortest = min(s.shortest, len(sp.bytes))
			n := gramLength(len(sp.bytes))
			byLength[n] = append(byLength[n], pattern{spelling: sp, needle: int32(i + 1)})
		}
	}
	if len(byLength) == 0 {
		return nil, fmt.Errorf("there is no needle to look for")
	}
	for n, patterns := range byLength {
		s.classes = append(s.classes, newClass(n, patterns))
	}
	s.reach = s.longest*spread + 64
	s.window = max(1<<20, 4*s.reach)
	return s, nil
}

func check(needle string) error {
	switch {
	case len(needle) < MinNeedle:
		return fmt.Errorf("shorter than %d bytes, it would be found by chance", MinNeedle)
	case len(needle) > MaxNeedle:
		return fmt.Errorf("longer than %d bytes", MaxNeedle)
	case !utf8.ValidString(needle):
		return fmt.Errorf("not valid UTF-8")
	}
	return nil
}

func gramLength(n int) int {
	switch {
	case n >= 8:
		return 8
	case n >= 4:
		return 4
	}
	return n
}

func newClass(n int, patterns []pattern) *class {
	sort.Slice(patterns, func(i, j int) bool {
		a, b := &patterns[i], &patterns[j]
		if a.bytes != b.bytes {
			return a.bytes < b.bytes
		}
		return a.needle < b.needle
	})
	bits := uint(14)
	for bits < 24 && 1<<bits < 32*len(patterns) {
		bits++
	}
	c := &class{
		n: n, mask: ^uint64(0) >> (64 - 8*n), shift: 64 - bits,
		filter: make([]uint64, 1<<bits/64), first: map[uint64]span{}, sorted: patterns,
	}
	for i := range patterns {
		var gram uint64
		for _, b := range []byte(patterns[i].bytes[:n]) {
			gram = gram<<8 | uint64(b)
		}
		at, ok := c.first[gram]
		if !ok {
			at.lo = int32(i)
		}
		at.hi = int32(i + 1)
		c.first[gram] = at
		h := gram * mix >> c.shift
		c.filter[h>>6] |= 1 << (h & 63)
	}
	return c
}
