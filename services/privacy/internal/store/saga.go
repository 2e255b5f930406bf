package store

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
)

// sagaDoc is one saga. It has no sealed part: references, states, times and codes only.
type sagaDoc struct {
	docstore.Meta
	Kind    string `doc:"kind" field:"lethe.privacy.v1.Saga.kind"`
	State   string `doc:"state" field:"lethe.privacy.v1.Saga.state"`
	Subject int64  `doc:"subject" field:"lethe.privacy.v1.Saga.subject"`
	// DueAt is absent in ended sagas alone: one that waits for a person is due at never.
	DueAt *time.Time `doc:"due_at" why:"when the engine has to look, in no contract field"`
	Run   []byte     `doc:"run" why:"the rest of the engine's row, packed: ids, states, times and codes"`
}

// The indexes of sagas. Each write of a saga pays for each of them, so there
// are two: newest first is the order of ids, which begin with the time.
const (
	sagasActive    = "active"
	sagasBySubject = "by_subject"
)

// never is the due time of a saga that only a person or a signal wakes.
var never = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

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
			{Name: sagasActive, Fields: []string{"due_at"}, Global: true},
			{Name: sagasBySubject, Fields: []string{"subject"}},
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
	d := &sagaDoc{Kind: row.Kind, State: string(row.State), Subject: row.Subject, Run: packSaga(row)}
	if m, ok := row.Handle.(docstore.Meta); ok && m.ID == id && m.Account == account {
		d.Meta = m
	}
	d.Account, d.ID, d.Rev = account, id, row.Rev
	d.CreatedAt, d.UpdatedAt = row.CreatedAt, row.UpdatedAt
	switch {
	case !row.DueAt.IsZero():
		d.DueAt = &row.DueAt
	case !row.State.Ended():
		d.DueAt = &never
	}
	return d, nil
}

// row returns the row of a document.
func (d *sagaDoc) row() (*saga.Row, error) {
	r := &saga.Row{
		ID: d.sagaID(), Account: d.Account, Subject: d.Subject, Kind: d.Kind, State: saga.State(d.State),
		Rev: d.Rev, Handle: d.Meta, CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt,
	}
	if d.DueAt != nil && d.DueAt.Before(never) {
		r.DueAt = *d.DueAt
	}
	return r, unpackSaga(d.Run, r)
}

func (d *sagaDoc) sagaID() string {
	return strconv.FormatInt(d.Account, 10) + "-" + strconv.FormatInt(d.ID, 10)
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
	return d.row()
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
		Index: sagasActive, AllAccounts: true, Limit: limit,
		From: time.UnixMilli(0).UTC(), To: now.Add(time.Millisecond),
	})
	if err != nil {
		return nil, sagaError(err)
	}
	ids := make([]string, 0, len(page.Items))
	for _, d := range page.Items {
		ids = append(ids, d.sagaID())
	}
	return ids, nil
}

// List returns a page of one account, newest first. Without an account it
// lists active sagas of all accounts in the order in which they are due, and
// answers saga.ErrArgument for a filter that does not ask for active ones.
func (s *Sagas) List(ctx context.Context, f saga.Filter, cursor string, limit int) ([]*saga.Row, string, error) {
	q := docstore.Query{Index: "id", Desc: true, Where: sagaTests(f), After: cursor, Limit: limit}
	switch {
	case f.Account == 0 && !f.Active:
		return nil, "", saga.ErrArgument
	case f.Account == 0:
		q.Index, q.Desc, q.AllAccounts, q.From = sagasActive, false, true, time.UnixMilli(0).UTC()
	case f.Subject != 0:
		q.Index, q.Eq = sagasBySubject, []any{f.Subject}
	}
	page, err := s.docs.Find(ctx, ring.Read, f.Account, q)
	if err != nil {
		return nil, "", sagaError(err)
	}
	rows := make([]*saga.Row, 0, len(page.Items))
	for _, d := range page.Items {
		row, err := d.row()
		if err != nil {
			return nil, "", err
		}
		rows = append(rows, row)
	}
	return rows, page.Next, nil
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
