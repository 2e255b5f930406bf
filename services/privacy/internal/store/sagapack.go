package store

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
)

// A saga is written five times in its life, so its row is packed: varints, each
// name once, times as milliseconds. One function walks the row for writing and
// for reading, so that the two cannot differ.

// packFormat is the first byte of a packed row. A later format adds fields
// behind a test of packer.format, so that older rows stay readable.
const packFormat = 1

// errPacked says that a stored row cannot be read.
var errPacked = errors.New("a stored saga cannot be decoded")

// packSaga returns what of a row has no field of its own in the document.
func packSaga(r *saga.Row) []byte {
	p := &packer{format: packFormat, names: make([]string, 0, 32), buf: append(make([]byte, 0, 1024), packFormat)}
	p.row(r)
	return p.buf
}

// unpackSaga fills a row from what packSaga made; errPacked if it did not.
func unpackSaga(data []byte, r *saga.Row) error {
	if len(data) == 0 || data[0] == 0 || data[0] > packFormat {
		return errPacked
	}
	p := &packer{format: data[0], reading: true, buf: data[1:]}
	p.row(r)
	if p.bad || len(p.buf) != 0 {
		return errPacked
	}
	return nil
}

// packer writes to buf, or reads from it.
type packer struct {
	format  byte
	reading bool
	bad     bool
	buf     []byte
	names   []string
}

func (p *packer) row(r *saga.Row) {
	integer(p, &r.Version)
	p.text(&r.DefHash)
	name(p, &r.Phase)
	integer(p, &r.Stage)
	name(p, &r.StageName)
	p.text(&r.Owner)
	integer(p, &r.Epoch)
	integer(p, &r.Turn)
	p.time(&r.LeaseUntil)
	integer(p, &r.Claims)
	integer(p, &r.Sequence)
	integer(p, &r.Reruns)
	p.text(&r.Trace.TraceID)
	p.text(&r.Trace.Creator)
	p.text(&r.Trace.LastSegment)
	p.truth(&r.Trace.Sampled)
	integer(p, &r.Seq)
	name(p, &r.Reason)
	integer(p, &r.RequestedBy)
	p.time(&r.FinishedAt)
	p.refs(&r.Refs)
	list(p, &r.Signals, p.text)
	list(p, &r.Steps, p.step)
	list(p, &r.Log, p.entry)
	if p.reading {
		for i := range r.Log { // the log has no gaps and ends at Seq
			r.Log[i].Seq = r.Seq - int64(len(r.Log)-1-i)
		}
	}
}

func (p *packer) step(s *saga.StepRow) {
	name(p, &s.Name)
	name(p, &s.Stage)
	name(p, &s.State)
	integer(p, &s.Attempts)
	integer(p, &s.Round)
	name(p, &s.Code)
	p.time(&s.Until)
	name(p, &s.Signal)
	integer(p, &s.Seen)
	p.time(&s.At)
	p.refs(&s.Refs)
	list(p, &s.Outcomes, p.outcome)
}

func (p *packer) outcome(o *saga.Outcome) {
	name(p, &o.Participant)
	name(p, &o.Category)
	name(p, &o.Kind)
	integer(p, &o.Count)
	name(p, &o.Ground)
	p.time(&o.Until)
}

func (p *packer) entry(l *saga.LogEntry) {
	p.time(&l.At)
	name(p, &l.State)
	name(p, &l.Stage)
	name(p, &l.Step)
	name(p, &l.StepState)
	name(p, &l.Code)
}

func (p *packer) varint(n int64) int64 {
	if !p.reading {
		p.buf = binary.AppendVarint(p.buf, n)
		return n
	}
	n, size := binary.Varint(p.buf)
	if size <= 0 {
		p.bad, p.buf = true, nil
		return 0
	}
	p.buf = p.buf[size:]
	return n
}

func integer[T int | int32 | int64](p *packer, n *T) { *n = T(p.varint(int64(*n))) }

func (p *packer) truth(b *bool) {
	var n int64
	if *b {
		n = 1
	}
	*b = p.varint(n) == 1
}

func (p *packer) time(t *time.Time) {
	var ms int64
	if !t.IsZero() {
		ms = docstore.Millis(*t)
	}
	if ms = p.varint(ms); p.reading {
		if *t = (time.Time{}); ms != 0 {
			*t = docstore.FromMillis(ms)
		}
	}
}

// length is a count of things that take at least a byte each.
func (p *packer) length(n int) int {
	got := p.varint(int64(n))
	if p.reading && (got < 0 || got > int64(len(p.buf))) {
		p.bad, p.buf = true, nil
		return 0
	}
	return int(got)
}

func (p *packer) text(s *string) {
	n := p.length(len(*s))
	if !p.reading {
		p.buf = append(p.buf, *s...)
		return
	}
	*s, p.buf = string(p.buf[:n]), p.buf[n:]
}

// name is a text that comes more than once: the first time with its letters, then as a number.
func name[T ~string](p *packer, s *T) {
	if !p.reading {
		i := slices.Index(p.names, string(*s))
		if i < 0 {
			i = len(p.names)
			p.names = append(p.names, string(*s))
			p.varint(int64(i))
			text := string(*s)
			p.text(&text)
			return
		}
		p.varint(int64(i))
		return
	}
	i := p.varint(0)
	switch {
	case i == int64(len(p.names)):
		var text string
		p.text(&text)
		p.names = append(p.names, text)
	case i < 0 || i > int64(len(p.names)):
		p.bad, p.buf = true, nil
		return
	}
	*s = T(p.names[i])
}

func (p *packer) refs(m *map[string]string) {
	n := p.length(len(*m))
	if !p.reading {
		for _, k := range slices.Sorted(maps.Keys(*m)) {
			v := (*m)[k]
			p.text(&k)
			p.text(&v)
		}
		return
	}
	if *m = nil; n > 0 {
		*m = make(map[string]string, n)
	}
	for range n {
		var k, v string
		p.text(&k)
		p.text(&v)
		(*m)[k] = v
	}
}

func list[T any](p *packer, items *[]T, one func(*T)) {
	n := p.length(len(*items))
	if p.reading {
		if *items = nil; n > 0 {
			*items = make([]T, n)
		}
	}
	for i := range *items {
		one(&(*items)[i])
	}
}
