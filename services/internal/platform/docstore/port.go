// Package docstore is the one document port of the suite. Every write passes
// the owner's fence, names whose data it is, seals it and can be erased
// provably; that lives here and nowhere else.
//
// A service opens a backend (docstore/sqlite), wraps it with New and binds its
// collections with Bind. All order is total: index fields, then id. Strings
// compare bytewise. Times are UTC in milliseconds. A write has reached the
// disk when the call returns.
package docstore

import (
	"errors"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// The errors of the port. Nothing else comes out of it, except a context's error.
var (
	// ErrNotFound means there is no such document.
	ErrNotFound = errors.New("not found")
	// ErrExists means that the id, a unique key or a claim is taken.
	ErrExists = errors.New("already exists")
	// ErrStale means that the document's revision, or a saga's token, is no longer the newest.
	ErrStale = errors.New("stale")
	// ErrFenced means that a fence on the owner forbids the purpose.
	ErrFenced = ring.ErrFenced
	// ErrCursor means that a cursor was not made by this query.
	ErrCursor = errors.New("bad cursor")
	// ErrTooLarge means that a document is above the limit of 8 MiB, or a skip or limit above its bound.
	ErrTooLarge = errors.New("too large")
	// ErrUnavailable means that the store cannot answer now; asking again may help.
	ErrUnavailable = errors.New("unavailable")
	// ErrBadQuery means that no declared index serves the query; it is a mistake of the program.
	ErrBadQuery = errors.New("no index serves this query")
)

// Meta is embedded first in every stored document.
type Meta struct {
	// Account is the tenant; 0 only in installation-wide collections.
	Account int64
	// ID is the document's id in its collection and account.
	ID int64
	// Owner is the subject whose key seals the document; 0 is the account itself.
	Owner int64
	// Rev is the revision last read; the store raises it with each write. 0 before Insert.
	Rev int64
	// CreatedAt and UpdatedAt are set by the caller.
	CreatedAt, UpdatedAt time.Time

	// stored remembers what the store last saw of the document; nil for one made by hand.
	stored *stored
}

// Spec declares a collection.
type Spec struct {
	// Name is the collection's name in the store, for ever.
	Name string
	// Indexes are over clear fields. Besides these every collection has the indexes
	// "id" (id) and "owner" (owner).
	Indexes []Index
	// Blind are equality indexes over sealed fields.
	Blind []Blind
	// Mentions are sealed fields, body fields too, whose text is searched for people's
	// identifiers when it is written: strings, and lists and maps of what they hold.
	// See Mentioning and Redact. A collection may gain them, and Blind, while documents are there.
	Mentions []string
	// Installation marks a collection whose documents belong to no account (Account 0).
	Installation bool
}

// Index is a declared order over clear fields. The account stands before the
// fields and the id after them, unless Global.
type Index struct {
	Name string
	// Fields are stored names of clear fields, or "created_at", "updated_at", "owner".
	// One of them may be a slice ([]string, []int64): then the document is found under each of its values.
	Fields []string
	// Unique forbids two documents of an account with equal fields. Documents in which the last field is absent are left out.
	Unique bool
	// Global leaves the account out: for workers that look for due work in all accounts.
	Global bool
}

// Blind is an equality index over one sealed field (string, *string or []string) by keyed hashes.
type Blind struct {
	Name  string
	Field string
	// Fold brings a value into the form that is hashed; nil takes it as it is. Values that fold to "" are not indexed.
	Fold func(string) string
}

// Query names an index and says what of it is wanted.
type Query struct {
	// Index is the name of a declared or blind index, or "id" or "owner".
	Index string
	// Eq are values for a prefix of the index's fields. For a blind index: exactly one string.
	Eq []any
	// From (inclusive) and To (exclusive) bound the field after the prefix; nil is open. Not for blind indexes.
	From, To any
	// Where holds tests on clear fields (indexed or not), evaluated in the store.
	Where Cond
	// Desc turns the order round.
	Desc bool
	// After continues behind a cursor of an earlier page of the same query.
	After string
	// Skip leaves out that many hits, at most MaxSkip. It costs what it skips.
	Skip int
	// Limit is the page size, 1 to MaxLimit.
	Limit int
	// Bodies decodes body parts too; without it body fields are absent and Update of such a document keeps the stored body.
	Bodies bool
	// OnlyModes, when set, turns the fences' filter round: only documents whose owner carries this mode (state=deleted).
	OnlyModes ring.Mode
	// AllAccounts is for Global indexes only: the account argument is ignored.
	AllAccounts bool
}

// Bounds of a query.
const (
	MaxLimit = 1000
	MaxSkip  = 30000
)

// Cond is a test on clear fields. The zero Cond is always true.
type Cond struct {
	// Op is "", "=", "in", "<", "<=", ">", ">=", "null", "notnull", "and", "or".
	Op    string
	Field string
	Value any   // for the comparisons
	List  []any // for in
	Conds []Cond
}

// Page is a piece of an answer.
type Page[T any] struct {
	Items []*T
	// Next is the cursor behind the last item; "" at the end.
	Next string
}

// Taken is the ErrExists of a claim that somebody else holds.
type Taken struct {
	// Subject is who holds it.
	Subject int64
}

// Error returns the text of ErrExists.
func (t *Taken) Error() string { return ErrExists.Error() }

// Is makes errors.Is(err, ErrExists) true.
func (t *Taken) Is(target error) bool { return target == ErrExists }
