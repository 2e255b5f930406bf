// Package sagatest is what tests of sagas stand on: a store in memory that can
// be told to fail, participants that keep books, and the check that published
// definitions never change.
package sagatest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
)

// Store is a saga.Store in memory. It remembers every row ever written.
type Store struct {
	mu      sync.Mutex
	rows    map[string]*saga.Row
	history map[string][]*saga.Row
	commits int
}

// NewStore returns an empty store.
func NewStore() *Store {
	return &Store{rows: map[string]*saga.Row{}, history: map[string][]*saga.Row{}}
}

func (s *Store) put(row *saga.Row) {
	s.rows[row.ID] = row.Clone()
	s.history[row.ID] = append(s.history[row.ID], row.Clone())
	s.commits++
}

// Create stores a new row.
func (s *Store) Create(_ context.Context, row *saga.Row) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rows[row.ID] != nil {
		return saga.ErrExists
	}
	row.Rev = 1
	s.put(row)
	return nil
}

// Load returns a copy of a row.
func (s *Store) Load(_ context.Context, id string) (*saga.Row, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rows[id] == nil {
		return nil, saga.ErrNotFound
	}
	return s.rows[id].Clone(), nil
}

// Save is a compare-and-swap on the revision.
func (s *Store) Save(_ context.Context, row *saga.Row) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.rows[row.ID]
	switch {
	case old == nil:
		return saga.ErrNotFound
	case old.Rev != row.Rev:
		return saga.ErrStale
	}
	row.Rev++
	s.put(row)
	return nil
}

// Due returns ids of due rows, earliest first.
func (s *Store) Due(_ context.Context, now time.Time, limit int) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var due []*saga.Row
	for _, r := range s.rows {
		if !r.DueAt.IsZero() && !r.DueAt.After(now) {
			due = append(due, r)
		}
	}
	slices.SortFunc(due, func(a, b *saga.Row) int {
		return cmp.Or(a.DueAt.Compare(b.DueAt), cmp.Compare(a.ID, b.ID))
	})
	var ids []string
	for _, r := range due[:min(limit, len(due))] {
		ids = append(ids, r.ID)
	}
	return ids, nil
}

// List returns a page, newest first.
func (s *Store) List(_ context.Context, f saga.Filter, cursor string, limit int) ([]*saga.Row, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*saga.Row
	for _, r := range s.rows {
		if f.Match(r) {
			all = append(all, r.Clone())
		}
	}
	slices.SortFunc(all, func(a, b *saga.Row) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID, a.ID))
	})
	from, _ := strconv.Atoi(cursor)
	from = min(from, len(all))
	to := min(from+limit, len(all))
	if to == len(all) {
		return all[from:], "", nil
	}
	return all[from:to], strconv.Itoa(to), nil
}

// Commits returns how many writes have succeeded.
func (s *Store) Commits() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.commits
}

// History returns every version of a row, oldest first.
func (s *Store) History(id string) []*saga.Row {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.history[id])
}

// Books is a store that remembers every version of its rows.
type Books interface {
	saga.Store
	// History returns every version of a row, oldest first.
	History(id string) []*saga.Row
}

// Keeper makes Books of any store: it remembers what it has seen written.
type Keeper struct {
	saga.Store
	mu      sync.Mutex
	history map[string][]*saga.Row
}

// NewKeeper returns a keeper of a store that nobody writes to otherwise.
func NewKeeper(s saga.Store) *Keeper { return &Keeper{Store: s, history: map[string][]*saga.Row{}} }

// write keeps the order of writes: one after the other.
func (k *Keeper) write(row *saga.Row, do func() error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	err := do()
	if err == nil {
		k.history[row.ID] = append(k.history[row.ID], row.Clone())
	}
	return err
}

// Create stores a new row.
func (k *Keeper) Create(ctx context.Context, row *saga.Row) error {
	return k.write(row, func() error { return k.Store.Create(ctx, row) })
}

// Save is a compare-and-swap on the revision.
func (k *Keeper) Save(ctx context.Context, row *saga.Row) error {
	return k.write(row, func() error { return k.Store.Save(ctx, row) })
}

// History returns every version of a row, oldest first.
func (k *Keeper) History(id string) []*saga.Row {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.history[id])
}

// Plant stores a row as it is, for tests that need one from another time.
func (s *Store) Plant(row *saga.Row) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(row)
}

// Faulty is one engine's way to a store: Before may refuse an operation, After
// may lose its answer. Either may be nil. Operations are "create", "load",
// "save", "due", "list".
type Faulty struct {
	saga.Store
	Before, After func(op string) error
}

// ErrLost stands for an answer that never came.
var ErrLost = errors.New("answer lost")

func (f *Faulty) around(op string, do func() error) error {
	if f.Before != nil {
		if err := f.Before(op); err != nil {
			return err
		}
	}
	err := do()
	if err == nil && f.After != nil {
		err = f.After(op)
	}
	return err
}

// Create passes the call on unless told otherwise.
func (f *Faulty) Create(ctx context.Context, row *saga.Row) error {
	c := row.Clone()
	err := f.around("create", func() error { return f.Store.Create(ctx, c) })
	if err == nil {
		row.Rev = c.Rev
	}
	return err
}

// Load passes the call on unless told otherwise.
func (f *Faulty) Load(ctx context.Context, id string) (row *saga.Row, err error) {
	err = f.around("load", func() (err error) { row, err = f.Store.Load(ctx, id); return err })
	return row, err
}

// Save passes the call on unless told otherwise.
func (f *Faulty) Save(ctx context.Context, row *saga.Row) error {
	c := row.Clone()
	err := f.around("save", func() error { return f.Store.Save(ctx, c) })
	if err == nil {
		row.Rev = c.Rev
	}
	return err
}

// Due passes the call on unless told otherwise.
func (f *Faulty) Due(ctx context.Context, now time.Time, limit int) (ids []string, err error) {
	err = f.around("due", func() (err error) { ids, err = f.Store.Due(ctx, now, limit); return err })
	return ids, err
}

// List passes the call on unless told otherwise.
func (f *Faulty) List(ctx context.Context, fl saga.Filter, cur string, n int) (rows []*saga.Row, next string, err error) {
	err = f.around("list", func() (err error) { rows, next, err = f.Store.List(ctx, fl, cur, n); return err })
	return rows, next, err
}
