package scan

import "slices"

// A view reads a buffer through one encoding. It hands over only the stretches
// in which that encoding changes something, with enough around each that no
// needle is cut.
type view struct {
	name string
	each func(v *viewer, buf []byte)
}

// batch is how many decoded bytes are searched together. Most stretches are
// short words, and a search each would cost more than the searching.
const batch = 256 << 10

// viewer collects decoded stretches and gives them to emit, many at a time.
type viewer struct {
	set *Set
	// out holds the decoded stretches, pos the index in the buffer at which each
	// of their bytes begins.
	out     []byte
	pos     []int32
	scratch [40]byte
	emit    func(out []byte, pos []int32)
}

func (v *viewer) put(b byte, at int) {
	v.out = append(v.out, b)
	v.pos = append(v.pos, int32(at))
}

// copy puts the bytes from lo up to hi as they are.
func (v *viewer) copy(buf []byte, lo, hi int) {
	v.out = append(v.out, buf[lo:hi]...)
	n := len(v.pos)
	v.pos = slices.Grow(v.pos, hi-lo)[:n+hi-lo]
	for i := range v.pos[n:] {
		v.pos[n+i] = int32(lo + i)
	}
}

// cut ends a stretch. The byte between two of them exists in no UTF-8 text, so
// no needle is seen across.
func (v *viewer) cut(at int) {
	v.put(0xff, at)
	v.put(0xff, at)
	if len(v.out) >= batch {
		v.flush()
	}
}

func (v *viewer) flush() {
	if len(v.out) > 0 {
		v.emit(v.out, v.pos)
	}
	v.out, v.pos = v.out[:0], v.pos[:0]
}

// finder returns the index of the first byte from i on that it looks for, or -1.
type finder func(buf []byte, i int) int

// escape describes an encoding in which most bytes stand for themselves.
type escape struct {
	// trigger finds where a stretch is worth decoding; nil means at every escape.
	trigger finder
	// next finds what may begin an escape.
	next finder
	// read decodes the escape at i: how many bytes it takes (0 for none) and
	// what it stands for, appended to dst.
	read func(dst, buf []byte, i int) ([]byte, int)
}

// eachStretch decodes the neighbourhood of every escape in buf.
func (e escape) eachStretch(v *viewer, buf []byte) {
	reach := v.set.reach
	at := e.find(v, buf, 0)
	for at >= 0 {
		lo, hi := max(0, at-reach), at+reach
		for at >= 0 && at-reach <= hi {
			hi = at + reach
			at = e.find(v, buf, at+1)
		}
		e.decode(v, buf, lo, min(hi, len(buf)))
	}
}

// find returns where the next stretch is triggered, or -1.
func (e escape) find(v *viewer, buf []byte, i int) int {
	if e.trigger != nil {
		return e.trigger(buf, i)
	}
	for i < len(buf) {
		at := e.next(buf, i)
		if at < 0 {
			return -1
		}
		if _, n := e.read(v.scratch[:0], buf, at); n > 0 {
			return at
		}
		i = at + 1
	}
	return -1
}

func (e escape) decode(v *viewer, buf []byte, lo, hi int) {
	for i := lo; i < hi; {
		at := e.next(buf[:hi], i)
		if at < 0 {
			at = hi
		}
		v.copy(buf, i, at)
		i = at
		if i == hi {
			break
		}
		plain, n := e.read(v.scratch[:0], buf, i)
		if n == 0 {
			v.put(buf[i], i)
			i++
			continue
		}
		for _, b := range plain {
			v.put(b, i)
		}
		i += n
	}
	v.cut(hi - 1)
}

// views lists every encoding that is read through.
var views = []view{
	{name: "base64", each: eachBase64},
	{name: "hex", each: eachHex},
	{name: "percent", each: percent.eachStretch},
	{name: "form", each: form.eachStretch},
	{name: "quoted-printable", each: quotedPrintable.eachStretch},
	{name: "q-word", each: encodedWord.eachStretch},
	{name: "b-word", each: eachWord64},
	{name: "json", each: backslash.eachStretch},
	{name: "html", each: entity.eachStretch},
}
