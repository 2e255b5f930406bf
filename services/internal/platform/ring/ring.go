// Package ring holds the rules of the ring: which fences a subject may carry,
// for which purposes a key is still handed out while they stand, and how the
// tokens of sagas are ordered. It is pure: stores keep the entries, this
// package only says what they mean.
package ring

import (
	"cmp"
	"errors"
)

// ErrFenced means that a fence on the owner forbids the purpose, so its key is withheld.
var ErrFenced = errors.New("fenced")

// Mode is a set of fence modes.
type Mode uint8

// The modes a fence can have; they combine, and the strictest wins.
const (
	// Hidden is soft delete: invisible until restored.
	Hidden Mode = 1 << iota
	// Restricted is GDPR Article 18: stored, and used for nothing else.
	Restricted
	// Erasing is set from an erasure's first stage on.
	Erasing
	// Erased is the tombstone: the key is gone for good.
	Erased
)

// Has reports whether all modes of other are in m.
func (m Mode) Has(other Mode) bool { return m&other == other }

// Strictest returns the one mode of m that wins, or 0.
func (m Mode) Strictest() Mode {
	for _, one := range []Mode{Erased, Erasing, Restricted, Hidden} {
		if m&one != 0 {
			return one
		}
	}
	return 0
}

// String returns the mode's name in the contract's spelling.
func (m Mode) String() string {
	switch m.Strictest() {
	case Erased:
		return "erased"
	case Erasing:
		return "erasing"
	case Restricted:
		return "restricted"
	case Hidden:
		return "hidden"
	}
	return "none"
}

// Purpose is what somebody wants a subject's key for.
type Purpose uint8

// The purposes a key can be asked for.
const (
	// Read is an ordinary read by somebody of the desk.
	Read Purpose = iota + 1
	// DeletedView shows a soft-deleted contact as such: its own record, nothing else.
	DeletedView
	// Write creates or changes a document.
	Write
	// FileSpam stores mail of a soft-deleted person as spam.
	FileSpam
	// Export collects for the person's own export.
	Export
	// Rectify corrects copies of the person's data.
	Rectify
	// Redact removes a person's identifiers from somebody else's document.
	Redact
	// Reseal moves documents under another key.
	Reseal
	// Restore takes a soft delete back.
	Restore
	// Sweep deletes or recounts on behalf of the saga that erases.
	Sweep
	// Rebuild makes derived indexes anew; nobody sees what it opens.
	Rebuild
)

// forbidden names, per purpose, the modes that withhold the key.
// It is the table of DESIGN section 5 and the only place where it stands.
var forbidden = map[Purpose]Mode{
	Read:        Hidden | Restricted | Erasing | Erased,
	DeletedView: Restricted | Erasing | Erased,
	Write:       Hidden | Restricted | Erasing | Erased,
	FileSpam:    Restricted | Erasing | Erased,
	Export:      Erasing | Erased,
	Rectify:     Erasing | Erased,
	Redact:      Erased,
	Reseal:      Erased,
	Restore:     Erasing | Erased,
	Sweep:       0,
	Rebuild:     Erased,
}

// Forbidden returns the modes that withhold the key for a purpose; an unknown
// purpose is refused under every mode, and without any.
func Forbidden(p Purpose) (Mode, bool) {
	m, known := forbidden[p]
	return m, known
}

// Allow reports whether the key may be used for a purpose while the modes stand.
func Allow(modes Mode, p Purpose) bool {
	m, known := forbidden[p]
	return known && modes&m == 0
}

// Purposes returns all purposes, for tables over them.
func Purposes() []Purpose {
	return []Purpose{Read, DeletedView, Write, FileSpam, Export, Rectify, Redact, Reseal, Restore, Sweep, Rebuild}
}

// Token orders what sagas do to one subject: a participant remembers the
// highest it has seen and refuses a lower one. Sequence rises with each
// mutating saga of the subject, Epoch with each claim of the saga, Stage with
// its progress.
type Token struct {
	Sequence int64
	Epoch    int32
	Stage    int32
}

// Compare returns -1, 0 or 1 as t is lower than, equal to or higher than u.
func (t Token) Compare(u Token) int {
	return cmp.Or(cmp.Compare(t.Sequence, u.Sequence), cmp.Compare(t.Epoch, u.Epoch), cmp.Compare(t.Stage, u.Stage))
}

// Subject is the person a request is about.
type Subject struct {
	Account int64
	ID      int64
}

// Fence withholds a subject's key for the purposes its mode forbids.
type Fence struct {
	Mode  Mode
	Saga  string
	Token Token
}

// Entry is what a service keeps per subject it has met.
type Entry struct {
	Subject Subject
	Fences  []Fence
	Highest Token
	// HasKey is set once a key was given to the subject here.
	HasKey bool
	// Destroyed is set once that key is gone for good.
	Destroyed bool
}

// Modes returns all modes of the entry's fences, and Erasing once the key is destroyed.
func (e Entry) Modes() Mode {
	var m Mode
	for _, f := range e.Fences {
		m |= f.Mode
	}
	if e.Destroyed {
		m |= Erasing
	}
	return m
}
