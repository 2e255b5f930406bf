package scan

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
)

const (
	// nesting is how many archives inside each other are opened.
	nesting = 4
	// held is the size up to which a ZIP inside an archive is opened; it has to
	// lie in memory, because a temporary file would be one more copy of what may
	// be personal.
	held = 64 << 20
)

var (
	gzipMagic = []byte{0x1f, 0x8b, 0x08}
	zipMagic  = []byte("PK\x03\x04")
)

// sink receives what the search of one file meets.
type sink struct {
	set    *Set
	found  func(member string, name bool, f Find)
	unread func(member, reason string)
}

// name searches the name of a file or member.
func (k sink) name(member, name string) {
	st := k.set.NewStream(func(f Find) { k.found(member, true, f) })
	_, _ = io.WriteString(st, name)
	_ = st.Close()
}

// stream searches r raw and, if it is compressed, what is inside. The error is
// of reading r.
func (k sink) stream(member string, r io.Reader, depth int) error {
	raw := k.set.NewStream(func(f Find) { k.found(member, false, f) })
	br := bufio.NewReaderSize(r, 1<<16)
	head, err := br.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	src := &teeReader{r: br, w: raw}
	switch {
	case bytes.HasPrefix(head, gzipMagic):
		k.gzip(member, src, depth)
	case bytes.HasPrefix(head, zipMagic) && depth > 0:
		k.heldZip(member, src, depth)
	}
	if _, err := io.Copy(io.Discard, src); err != nil && src.err == nil {
		src.err = err
	}
	_ = raw.Close()
	return src.err
}

// teeReader copies what is read and remembers why reading failed, so that a
// broken disk is told from a broken archive.
type teeReader struct {
	r   io.Reader
	w   io.Writer
	err error
}

func (t *teeReader) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	_, _ = t.w.Write(p[:n])
	if err != nil && !errors.Is(err, io.EOF) {
		t.err = err
	}
	return n, err
}

func (k sink) gzip(member string, r io.Reader, depth int) {
	inside := member + "!gzip"
	if depth >= nesting {
		k.unread(inside, "too many archives inside each other")
		return
	}
	zr, err := gzip.NewReader(r)
	if err != nil {
		k.unread(inside, "begins like gzip and is not")
		return
	}
	if zr.Name != "" {
		k.name(inside, zr.Name)
	}
	if err := k.stream(inside, zr, depth+1); err != nil {
		k.unread(inside, "gzip stream is damaged")
	}
}

func (k sink) heldZip(member string, r io.Reader, depth int) {
	data, err := io.ReadAll(io.LimitReader(r, held+1))
	if err != nil {
		return // the caller reports it
	}
	if len(data) > held {
		k.unread(member, fmt.Sprintf("ZIP inside an archive is above %d MiB; only its raw bytes were searched", held>>20))
		return
	}
	k.zip(member, bytes.NewReader(data), int64(len(data)), depth)
}

// zip searches the members of a ZIP; its raw bytes are searched elsewhere.
func (k sink) zip(member string, r io.ReaderAt, size int64, depth int) {
	if depth >= nesting {
		k.unread(member, "too many archives inside each other")
		return
	}
	zr, err := zip.NewReader(r, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		k.unread(member, "begins like ZIP and is not, or is damaged")
		return
	}
	for _, f := range zr.File {
		inside := path.Join(member+"!", f.Name)
		k.name(inside, f.Name)
		if f.Mode().IsDir() {
			continue
		}
		if f.Flags&1 != 0 {
			k.unread(inside, "member is encrypted")
			continue
		}
		rc, err := f.Open()
		if err != nil {
			k.unread(inside, "member cannot be opened")
			continue
		}
		if err := k.stream(inside, rc, depth+1); err != nil {
			k.unread(inside, "member is damaged")
		}
		_ = rc.Close()
	}
}
