package store

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
)

// sagaDoc is one saga. It has no sealed part: references, states, times and codes only.
type sagaDoc struct {
	docstore.Meta
	Kind    string     `doc:"kind" field:"lethe.privacy.v1.Saga.kind"`
	State   string     `doc:"state" field:"lethe.privacy.v1.Saga.state"`
	Subject int64      `doc:"subject" field:"lethe.privacy.v1.Saga.subject"`
	DueAt   *time.Time `doc:"due_at" why:"when the engine has to look, in no contract field"`
	Run     saga.Row   `doc:"run" why:"the engine's row: ids, states, times and codes"`
}

// The indexes of sagas.
const (
	sagasDue       = "due"
	sagasByState   = "by_state"
	sagasByTime    = "by_time"
	sagasBySubject = "by_subject"
)

// Sagas is the engine's store on a docstore collection. A saga's id is the one
// saga.NewID makes: it names the account whose document the saga is.
type Sagas struct {
	docs *docstore.Collection[sagaDoc]
}

var _ saga.Store = (*Sagas)(nil)

// NewSagas binds the collection. It fails where docstore.Bind does.
func NewSagas(ctx context.Context, db *docstore.DB) (*Sagas, error) {
	docs, err := docstore.Bind[sagaDoc](ctx, db, docstore.Spec{
		Name: "sagas",
		Indexes: []docstore.Index{
			{Name: sagasDue, Fields: []string{"due_at"}, Global: true},
			{Name: sagasByState, Fields: []string{"state"}, Global: true},
			{Name: sagasByTime, Fields: []string{"created_at"}},
			{Name: sagasBySubject, Fields: []string{"subject", "created_at"}},
		},
	})
	if err != nil {
		return nil, err
	}
	return &Sagas{docs: docs}, nil
}

// sagaDocOf returns the document of a row; the row's handle spares a read.
func sagaDocOf(row *saga.Row) (*sagaDoc, error) {
	account, id, err := saga.SplitID(row.ID)
	if err != nil || account != row.Account {
		return nil, saga.ErrNotFound
	}
	d := &sagaDoc{Kind: row.Kind, State: string(row.State), Subject: row.Subject, Run: *row}
	if m, ok := row.Handle.(docstore.Meta); ok && m.ID == id && m.Account == account {
		d.Meta = m
	}
	d.Account, d.ID, d.Rev = account, id, row.Rev
	d.CreatedAt, d.UpdatedAt = row.CreatedAt, row.UpdatedAt
	if !row.DueAt.IsZero() {
		d.DueAt = &row.DueAt
	}
	d.Run.Handle = nil
	return d, nil
}

// rowOf returns the row of a document.
func (d *sagaDoc) rowOf() *saga.Row {
	row := d.Run
	row.Rev, row.Handle = d.Rev, d.Meta
	return &row
}

// Create stores a new row durably.
func (s *Sagas) Create(ctx context.Context, row *saga.Row) error {
	d, err := sagaDocOf(row)
	if err != nil {
		return err
	}
	d.Rev = 0
	if err := s.docs.Insert(ctx, ring.Write, d); err != nil {
		return sagaError(err)
	}
	row.Rev, row.Handle = d.Rev, d.Meta
	return nil
}

// Load returns a row.
func (s *Sagas) Load(ctx context.Context, id string) (*saga.Row, error) {
	account, n, err := saga.SplitID(id)
	if err != nil {
		return nil, err
	}
	d, err := s.docs.Get(ctx, ring.Read, account, n)
	if err != nil {
		return nil, sagaError(err)
	}
	return d.rowOf(), nil
}

// Save is a compare-and-swap on the revision, in one durable commit.
func (s *Sagas) Save(ctx context.Context, row *saga.Row) error {
	d, err := sagaDocOf(row)
	if err != nil {
		return err
	}
	if err := s.docs.Update(ctx, ring.Write, d); err != nil {
		return sagaError(err)
	}
	row.Rev, row.Handle = d.Rev, d.Meta
	return nil
}

// Due returns ids of rows that are due, of all accounts, earliest first.
func (s *Sagas) Due(ctx context.Context, now time.Time, limit int) ([]string, error) {
	page, err := s.docs.Find(ctx, ring.Read, 0, docstore.Query{
		Index: sagasDue, AllAccounts: true, Limit: limit,
		From: time.UnixMilli(0).UTC(), To: now.Add(time.Millisecond),
	})
	if err != nil {
		return nil, sagaError(err)
	}
	ids := make([]string, 0, len(page.Items))
	for _, d := range page.Items {
		ids = append(ids, d.Run.ID)
	}
	return ids, nil
}

// List returns a page of one account, newest first; without an account it goes
// through the states instead, in their order.
func (s *Sagas) List(ctx context.Context, f saga.Filter, cursor string, limit int) ([]*saga.Row, string, error) {
	if f.Account == 0 {
		return s.listAll(ctx, f, cursor, limit)
	}
	q := docstore.Query{Index: sagasByTime, Desc: true, Where: sagaTests(f), After: cursor, Limit: limit}
	if f.Subject != 0 {
		q.Index, q.Eq = sagasBySubject, []any{f.Subject}
	}
	page, err := s.docs.Find(ctx, ring.Read, f.Account, q)
	if err != nil {
		return nil, "", sagaError(err)
	}
	return sagaRows(page), page.Next, nil
}

// listAll walks the states; its cursor is the state's number and the cursor inside it.
func (s *Sagas) listAll(ctx context.Context, f saga.Filter, cursor string, limit int) ([]*saga.Row, string, error) {
	states := sagaStates(f)
	number, inside, _ := strings.Cut(cursor, ":")
	at := 0
	if cursor != "" {
		n, err := strconv.Atoi(number)
		if err != nil || n < 0 || n >= len(states) {
			return nil, "", docstore.ErrCursor
		}
		at = n
	}
	for ; at < len(states); at, inside = at+1, "" {
		page, err := s.docs.Find(ctx, ring.Read, 0, docstore.Query{
			Index: sagasByState, Eq: []any{string(states[at])}, AllAccounts: true,
			Where: sagaTests(saga.Filter{Subject: f.Subject, Kind: f.Kind}), After: inside, Limit: limit,
		})
		if err != nil {
			return nil, "", sagaError(err)
		}
		rows := sagaRows(page)
		if page.Next != "" {
			return rows, strconv.Itoa(at) + ":" + page.Next, nil
		}
		if len(rows) > 0 && at+1 < len(states) {
			return rows, strconv.Itoa(at+1) + ":", nil
		}
		if len(rows) > 0 {
			return rows, "", nil
		}
	}
	return nil, "", nil
}

// sagaStates returns the states a filter lets through.
func sagaStates(f saga.Filter) []saga.State {
	return slices.DeleteFunc(saga.States(), func(st saga.State) bool {
		return (f.State != "" && st != f.State) || (f.Active && st.Ended())
	})
}

// sagaTests returns what a filter leaves to test beside the index.
func sagaTests(f saga.Filter) docstore.Cond {
	all := docstore.Cond{Op: "and"}
	if f.Kind != "" {
		all.Conds = append(all.Conds, docstore.Cond{Op: "=", Field: "kind", Value: f.Kind})
	}
	if f.Subject != 0 && f.Account == 0 {
		all.Conds = append(all.Conds, docstore.Cond{Op: "=", Field: "subject", Value: f.Subject})
	}
	if f.State != "" || f.Active {
		in := docstore.Cond{Op: "in", Field: "state"}
		for _, st := range sagaStates(f) {
			in.List = append(in.List, string(st))
		}
		all.Conds = append(all.Conds, in)
	}
	if len(all.Conds) == 0 {
		return docstore.Cond{}
	}
	return all
}

func sagaRows(page docstore.Page[sagaDoc]) []*saga.Row {
	rows := make([]*saga.Row, 0, len(page.Items))
	for _, d := range page.Items {
		rows = append(rows, d.rowOf())
	}
	return rows
}

// sagaError turns the port's errors into the engine's.
func sagaError(err error) error {
	for _, pair := range [][2]error{
		{docstore.ErrNotFound, saga.ErrNotFound},
		{docstore.ErrExists, saga.ErrExists},
		{docstore.ErrStale, saga.ErrStale},
		{docstore.ErrUnavailable, saga.ErrUnavailable},
	} {
		if errors.Is(err, pair[0]) {
			return pair[1]
		}
	}
	return err
}
