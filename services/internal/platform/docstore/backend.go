package docstore

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// ErrOtherKey is a backend's answer to a write that was sealed with a key which
// is not, or no longer, the owner's. The port seals again; callers never see it.
var ErrOtherKey = errors.New("sealed with another key")

// ErrSlotTaken is a backend's answer when the slot to assign is not free: an
// earlier write took it whose answer was lost. The port takes another one.
var ErrSlotTaken = errors.New("slot is taken")

// Gone is a bit a backend sees beside the fence modes: the owner's key is destroyed.
const Gone ring.Mode = 1 << 7

// NoSlot is the slot of an entry that has no key yet, or none any more.
const NoSlot int64 = -1

// Backend is what an adapter does. All values are sealed or clear by design
// before they come here; a backend never sees a key. Each method is atomic in
// itself and none needs a transaction over more than one document, except that
// a write and the check of its Guard must not be torn apart (an adapter without
// transactions does it as DESIGN section 5 says: check, write, check again).
// What is written has reached the disk when the call returns. Errors are those
// of the port, ErrOtherKey, ErrSlotTaken, or a context's.
type Backend interface {
	// Bind makes the table and its indexes, or adds what is new in them.
	Bind(ctx context.Context, t *Table) error
	// Insert writes a new document. ErrExists for a taken id or unique key.
	Insert(ctx context.Context, t *Table, w *Write) error
	// Update replaces a document whose revision is w.Rev. The stored owner's
	// modes are checked as well as the new owner's. ErrNotFound, ErrStale, ErrExists.
	Update(ctx context.Context, t *Table, w *Write) error
	// Delete removes a document with this revision.
	Delete(ctx context.Context, t *Table, account, id, rev int64, forbidden ring.Mode) error
	// DeleteWhere removes at most f.Limit documents that f finds, in one step.
	DeleteWhere(ctx context.Context, t *Table, f *Find) (n int, more bool, err error)
	// UpdateWhere sets columns of at most f.Limit documents that f finds, in one
	// step: their revision rises, their index entries move along, their times, parts,
	// tags and owners stay. It needs no key. The port never sets a column of a unique index.
	UpdateWhere(ctx context.Context, t *Table, f *Find, set []Assign) (n int, more bool, err error)
	// Get returns the documents with these ids, in that order, missing ones left
	// out, fenced ones with Fenced set and without their parts. One snapshot.
	Get(ctx context.Context, t *Table, account int64, ids []int64, bodies bool, forbidden ring.Mode) ([]Found, error)
	// Find returns one page in the index's order.
	Find(ctx context.Context, t *Table, f *Find) (Hits, error)
	// Count counts what Find would find without its limit.
	Count(ctx context.Context, t *Table, f *Find) (int64, error)

	// Unbuilt returns the names of Derived that do not hold every document: new ones, or
	// ones of another form, bound while documents were there. after is behind
	// which document building goes on, nil for the first one.
	Unbuilt(ctx context.Context, t *Table) (names []string, after *Position, err error)
	// Walk returns documents of all accounts, with bodies, in the order of account and
	// id, fenced ones with Fenced set and without their parts. Positions have no Key.
	Walk(ctx context.Context, t *Table, after *Position, limit int, forbidden ring.Mode) (Hits, error)
	// Retag replaces tags and lists of documents that still have this revision, which
	// stays, and returns the indexes in docs of those that have another one or are gone.
	Retag(ctx context.Context, t *Table, docs []Retag) (late []int, err error)
	// Built records that these indexes hold every document up to a position; nil: all.
	Built(ctx context.Context, t *Table, names []string, upto *Position) error

	// Entry returns a ring entry, or ErrNotFound.
	Entry(ctx context.Context, s ring.Subject) (Entry, error)
	// PutEntry writes an entry whose stored version is e.Version (0: there is
	// none), ErrStale otherwise. A destroyed entry's slot becomes void not before the entry is durable.
	PutEntry(ctx context.Context, e Entry) error
	// AssignKey gives a subject this free slot unless it has one, and returns its
	// entry. ErrFenced when its key is destroyed, ErrSlotTaken when it is not free.
	AssignKey(ctx context.Context, s ring.Subject, slot keyring.Slot) (Entry, error)

	// ReserveSlots sets aside n slot numbers of the key file for an account: those of
	// its own that a crash left reserved, then void ones, then new ones. A reserved
	// one is never given to another account, for its key may be there already.
	ReserveSlots(ctx context.Context, account int64, n int) ([]int64, error)
	// OfferSlots declares reserved slots filled and free.
	OfferSlots(ctx context.Context, slots []keyring.Slot) error
	// FreeSlots returns the filled slots of an account which nobody has, to this process alone.
	FreeSlots(ctx context.Context, account int64) ([]keyring.Slot, error)

	// PutClaim takes a claim that is free, or held by the same subject, or whose
	// holder's entry has one of the modes of void; *Taken otherwise.
	PutClaim(ctx context.Context, c Claim, void ring.Mode) error
	// MoveClaim gives a claim held by from to c.Subject, ErrStale when from does not hold it.
	MoveClaim(ctx context.Context, c Claim, from int64) error
	// GetClaim returns a claim that is not void, or ErrNotFound.
	GetClaim(ctx context.Context, account int64, hash []byte, void ring.Mode) (Claim, error)
	// DropClaim removes a claim if the subject holds it.
	DropClaim(ctx context.Context, account int64, hash []byte, subject int64) error
	// DropClaims removes all claims of a subject and returns how many there were.
	DropClaims(ctx context.Context, s ring.Subject) (int64, error)
	// CountClaims returns how many claims a subject holds.
	CountClaims(ctx context.Context, s ring.Subject) (int64, error)

	// Lease sets n numbers of a named sequence aside and returns the first.
	Lease(ctx context.Context, account int64, name string, n int64) (int64, error)
	// Ready reports whether the store answers.
	Ready(ctx context.Context) error
	// Shared reports whether other processes write to the same store.
	Shared() bool
	// Commits returns how many durable commits were made since the start.
	Commits() int64
	// Close ends all work and frees the store.
	Close() error
}

// Table is what a backend knows of a collection.
type Table struct {
	Name    string
	Columns []Column
	// Lists are the slice fields that stand in an index.
	Lists   []Column
	Indexes []TableIndex
	// Blinds are the names of the blind indexes. Forms say what each is made of: one
	// that is stored in another form is to be built anew.
	Blinds, Forms []string
}

// ListPrefix begins the names of indexes over lists in Derived.
const ListPrefix = "list:"

// Derived returns the names and forms of what a backend cannot fill by itself when
// it is declared while documents are there: blind indexes, and under ListPrefix
// those over lists, whose documents have to be decoded.
func (t *Table) Derived() (names, forms []string) {
	names, forms = slices.Clone(t.Blinds), slices.Clone(t.Forms)
	for i := range t.Indexes {
		if ix := &t.Indexes[i]; ix.List >= 0 {
			names, forms = append(names, ListPrefix+ix.Name), append(forms, strings.Join(ix.Fields, " "))
		}
	}
	return names, forms
}

// Column is a clear field with a column of its own.
type Column struct {
	Name     string
	Kind     Kind
	Nullable bool
}

// TableIndex is a declared index. Fields name columns, at most one list, or
// "owner", "created_at", "updated_at"; "id" ends every order.
type TableIndex struct {
	Name           string
	Fields         []string
	Unique, Global bool
	// List is the position in Fields of a list, or -1.
	List int
}

// Row is a stored document.
type Row struct {
	Account, ID, Owner, Rev int64
	// Created and Updated are in milliseconds since 1970.
	Created, Updated int64
	// Kid names the key that sealed the parts; SealVer and BodyVer rise with each sealing.
	Kid              keyring.KeyID
	SealVer, BodyVer int64
	// Values are those of Table.Columns, Lists those of Table.Lists.
	Values []Value
	Lists  [][]Value
	// Clear holds clear fields without a column.
	Clear, Sealed, Body []byte
	// Tags are the hashes per blind index. In an Update nil keeps what is there, and
	// so does a nil element for its index; an empty one leaves no tag.
	Tags [][][]byte
}

// Assign is a value for a column.
type Assign struct {
	Column string
	Value  Value
}

// Retag is what indexes hold of a revision of a document.
type Retag struct {
	Row
	// SetLists says that Row.Lists are to be written; Row.Tags are as in an Update.
	SetLists bool
}

// Guard travels with a write and is checked in the same atomic step.
type Guard struct {
	// Forbidden are the modes of the owner that refuse the write with ErrFenced.
	Forbidden ring.Mode
	// Kid is the key the parts are sealed with, if NeedKey: ErrOtherKey unless it is the owner's.
	NeedKey bool
	Kid     keyring.KeyID
	// Assign is a free slot to give to the owner in this step; ErrOtherKey when
	// the owner has one already, ErrSlotTaken when it is not free.
	Assign *keyring.Slot
}

// Write is a document with its guard.
type Write struct {
	Row
	Guard
	// SetSealed and SetBody say which parts an Update replaces.
	SetSealed, SetBody bool
}

// Found is a document as read, with what the same snapshot says of its owner.
type Found struct {
	Row
	// Slot and OwnerKid are where the owner's key lies now.
	Slot     int64
	OwnerKid keyring.KeyID
	Fenced   bool
}

// Find is a query with names resolved.
type Find struct {
	Account int64
	// All leaves the account out (global indexes only).
	All bool
	// Index is the index walked. It is nil with Blinds set: then the documents that
	// have one of Tags in one of these blind indexes, each once, in id order.
	Index    *TableIndex
	Blinds   []string
	Tags     [][]byte
	Eq       []Value
	From, To *Value
	Where    *Test
	Desc     bool
	After    *Position
	Skip     int
	Limit    int
	Bodies   bool
	// Forbidden filters owners with one of these modes out; Only keeps owners with all of these.
	Forbidden, Only ring.Mode
}

// Test is a condition with names resolved. Ops are those of Cond; a test on a
// list or blind index has Op "in" and is true when one of the values is among List.
type Test struct {
	Op     string
	Column string
	List   []Value
	// Blind says that Column is a blind index, Multi that it is a list.
	Blind, Multi bool
	Tests        []Test
}

// Position is where a page ended.
type Position struct {
	Key         []Value
	Account, ID int64
}

// Hits is one page of a Find.
type Hits struct {
	Rows []Found
	// Last is the position of the last row, nil at the end.
	Last *Position
}

// Entry is a ring entry with the place of its key.
type Entry struct {
	ring.Entry
	// Slot and Kid are where the key lies; NoSlot when there is none.
	Slot int64
	Kid  keyring.KeyID
	// Dying is set before the key is touched where several processes share a store.
	Dying bool
	// Version rises with each write; 0 is an entry not yet stored.
	Version int64
}

// Modes returns the entry's modes, with Gone once the key is destroyed.
func (e Entry) Modes() ring.Mode {
	m := e.Entry.Modes()
	if e.Destroyed {
		m |= Gone
	}
	return m
}

// Claim is a unique value of an account, by hash, and who holds it.
type Claim struct {
	Account int64
	Hash    []byte
	Subject int64
	// At is in milliseconds since 1970.
	At int64
}
