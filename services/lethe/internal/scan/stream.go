package scan

import (
	"sort"
)

// layers is how many encodings around each other are undone.
const layers = 2

// Find is one needle found.
type Find struct {
	// Offset is where its first byte lies in the stream.
	Offset int64
	// Needle is its number, counted from 1.
	Needle int
	// Encoding names what was undone to see it, outermost first.
	Encoding string
}

// Stream searches one stream of bytes that is written to it. It is not for use
// by several goroutines at once.
type Stream struct {
	set   *Set
	found func(Find)
	buf   []byte
	// base is the offset of buf[0] in the stream.
	base int64
	// fresh is how much of buf has not been searched yet.
	fresh   int
	viewers [layers]viewer
	here    map[place]string
	before  map[place]string
}

// place is what makes a find the same one, whichever way it was seen.
type place struct {
	offset int64
	needle int32
}

// NewStream returns a stream that calls found for each needle, in order of
// offset within what is searched at a time. Close must be called at the end.
func (s *Set) NewStream(found func(Find)) *Stream {
	st := &Stream{set: s, found: found, here: map[place]string{}, before: map[place]string{}}
	for i := range st.viewers {
		st.viewers[i].set = s
	}
	return st
}

// Write searches p together with what came before. It never fails.
func (st *Stream) Write(p []byte) (int, error) {
	total := len(p)
	if st.buf == nil {
		st.buf = make([]byte, 0, st.set.window)
	}
	for len(p) > 0 {
		n := min(len(p), st.set.window-len(st.buf))
		st.buf = append(st.buf, p[:n]...)
		st.fresh += n
		p = p[n:]
		if len(st.buf) == st.set.window {
			st.search()
			keep := st.set.reach
			st.base += int64(len(st.buf) - keep)
			st.buf = st.buf[:copy(st.buf, st.buf[len(st.buf)-keep:])]
		}
	}
	return total, nil
}

// Close searches what is left.
func (st *Stream) Close() error {
	if st.fresh > 0 {
		st.search()
	}
	return nil
}

func (st *Stream) search() {
	st.fresh = 0
	st.before, st.here = st.here, st.before
	clear(st.here)
	st.look(st.buf, nil, 0, "")
	finds := make([]Find, 0, len(st.here))
	for at, encoding := range st.here {
		// The overlap has been searched before.
		if _, seen := st.before[at]; !seen {
			finds = append(finds, Find{Offset: at.offset, Needle: int(at.needle), Encoding: encoding})
		}
	}
	sort.Slice(finds, func(i, j int) bool {
		if finds[i].Offset != finds[j].Offset {
			return finds[i].Offset < finds[j].Offset
		}
		return finds[i].Needle < finds[j].Needle
	})
	for _, f := range finds {
		st.found(f)
	}
}

// look searches a buffer, then everything that can be decoded in it. pos says
// where in the window each byte begins; nil means it is the window.
func (st *Stream) look(buf []byte, pos []int32, depth int, chain string) {
	st.set.match(buf, func(start, _ int, p *pattern) {
		if pos != nil {
			start = int(pos[start])
		}
		st.note(place{offset: st.base + int64(start), needle: p.needle}, chain, p.set)
	})
	if depth == layers {
		return
	}
	v := &st.viewers[depth]
	for i := range views {
		name := views[i].name
		if chain != "" {
			name = chain + " > " + name
		}
		v.emit = func(out []byte, outPos []int32) {
			if pos != nil {
				for j, at := range outPos {
					outPos[j] = pos[at]
				}
			}
			st.look(out, outPos, depth+1, name)
		}
		views[i].each(v, buf)
		v.flush()
	}
}

// note keeps the shortest explanation of each find.
func (st *Stream) note(at place, chain string, set charset) {
	encoding := chain
	if chain == "" {
		encoding = charsetNames[set]
	} else if set != utf8Set {
		encoding = chain + " > " + charsetNames[set]
	}
	if have, ok := st.here[at]; !ok || len(encoding) < len(have) {
		st.here[at] = encoding
	}
}
