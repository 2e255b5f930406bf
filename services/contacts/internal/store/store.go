package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/lethe-desk/lethe/services/contacts/internal/person"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// Store is what the service keeps. It is safe for concurrent use. Its errors
// are those of docstore.
type Store struct {
	db       *docstore.DB
	people   *docstore.Collection[personDoc]
	keys     *docstore.Collection[keyDoc]
	lookups  *docstore.Collection[lookupDoc]
	accounts *docstore.Collection[accountDoc]
	install  *docstore.Collection[installationDoc]
}

// The names of the indexes over people.
const (
	byKind     = "kind"
	byUpdated  = "kind_updated"
	byEmail    = "by_email"
	byPhone    = "by_phone"
	byMobile   = "by_mobile"
	byExternal = "by_external_id"
	byTwitter  = "by_twitter_id"
	byCompany  = "by_company"
)

// New declares the collections on a store of documents, which stays the caller's to close.
func New(ctx context.Context, db *docstore.DB) (*Store, error) {
	s := &Store{db: db}
	var errs [5]error
	s.people, errs[0] = docstore.Bind[personDoc](ctx, db, docstore.Spec{
		Name: "people",
		Indexes: []docstore.Index{
			{Name: byKind, Fields: []string{"kind"}},
			{Name: byUpdated, Fields: []string{"kind", "updated_at"}},
		},
		Blind: []docstore.Blind{
			{Name: byEmail, Field: "addresses"},
			{Name: byPhone, Field: "phone", Fold: person.FoldPhone},
			{Name: byMobile, Field: "mobile", Fold: person.FoldPhone},
			{Name: byExternal, Field: "unique_external_id"},
			{Name: byTwitter, Field: "twitter_id", Fold: person.FoldHandle},
			{Name: byCompany, Field: "companies"},
		},
		// What may be about somebody else. Names, addresses, numbers, handles and
		// ids say who the person is; time zone and language are words of a list.
		Mentions: []string{"address", "description", "job_title", "tags", "custom_fields", "signature"},
	})
	s.keys, errs[1] = docstore.Bind[keyDoc](ctx, db, docstore.Spec{Name: "api_keys"})
	s.lookups, errs[2] = docstore.Bind[lookupDoc](ctx, db, docstore.Spec{
		Name: "api_key_lookups", Installation: true,
		Indexes: []docstore.Index{
			{Name: "hash", Fields: []string{"hash"}, Unique: true},
			{Name: "agent", Fields: []string{"tenant", "agent_id", "key_id"}},
		},
	})
	s.accounts, errs[3] = docstore.Bind[accountDoc](ctx, db, docstore.Spec{Name: "accounts", Installation: true})
	s.install, errs[4] = docstore.Bind[installationDoc](ctx, db, docstore.Spec{Name: "installation", Installation: true})
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("open the store of contacts: %w", err)
	}
	return s, nil
}

// DB returns the store of documents below, for the participant contract.
func (s *Store) DB() *docstore.DB { return s.db }

// Modes returns the fences that stand on a person, none for one never met.
func (s *Store) Modes(ctx context.Context, account, id int64) (ring.Mode, error) {
	e, err := s.db.Entry(ctx, ring.Subject{Account: account, ID: id})
	if errors.Is(err, docstore.ErrNotFound) {
		return 0, nil
	}
	return e.Modes(), err
}
