package scan

import (
	"sort"
	"strings"
)

// mix spreads a gram over the filter (the golden ratio in 64 bits).
const mix = 0x9E3779B97F4A7C15

// hit is one spelling found in a buffer: the bytes from start up to end.
type hit func(start, end int, p *pattern)

// match calls found for every spelling in buf, overlapping ones too.
func (s *Set) match(buf []byte, found hit) {
	for _, c := range s.classes {
		c.match(buf, found)
	}
}

func (c *class) match(buf []byte, found hit) {
	if len(buf) < c.n {
		return
	}
	var reg uint64
	for _, b := range buf[:c.n-1] {
		reg = reg<<8 | uint64(fold[b])
	}
	filter, mask, shift, n := c.filter, c.mask, c.shift, c.n
	for i, b := range buf[n-1:] {
		reg = reg<<8 | uint64(fold[b])
		h := (reg & mask) * mix >> (shift & 63)
		if filter[h>>6]&(1<<(h&63)) != 0 {
			c.follow(buf, i, reg&mask, found)
		}
	}
}

// follow walks the sorted spellings that begin with the gram at start, letter by
// letter, so a thousand needles with a common beginning cost one walk.
func (c *class) follow(buf []byte, start int, gram uint64, found hit) {
	at, ok := c.first[gram]
	if !ok {
		return
	}
	lo, hi := int(at.lo), int(at.hi)
	for depth := c.n; ; depth++ {
		for lo < hi && len(c.sorted[lo].bytes) == depth {
			if p := &c.sorted[lo]; p.verify(buf[start : start+depth]) {
				found(start, start+depth, p)
			}
			lo++
		}
		if lo >= hi || start+depth >= len(buf) {
			return
		}
		b := fold[buf[start+depth]]
		rest := c.sorted[lo:hi]
		from := sort.Search(len(rest), func(i int) bool { return rest[i].bytes[depth] >= b })
		to := sort.Search(len(rest), func(i int) bool { return rest[i].bytes[depth] > b })
		lo, hi = lo+from, lo+to
	}
}

// verify undoes the one mistake of folding bytes: in UTF-16 a byte that looks
// like a capital may be half of another letter.
func (p *pattern) verify(raw []byte) bool {
	switch p.set {
	case utf16LE, utf16BE:
		return strings.EqualFold(decode16(raw, p.set == utf16BE), p.text)
	default:
		return true
	}
}
