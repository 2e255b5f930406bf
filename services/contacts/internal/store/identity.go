package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/lethe-desk/lethe/services/contacts/internal/person"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// installationID is the id of the one installation document.
const installationID = 1

// Installation reads what is remembered of the first start, docstore.ErrNotFound before it.
func (s *Store) Installation(ctx context.Context) (*person.Installation, error) {
	doc, err := s.install.Get(ctx, ring.Read, 0, installationID)
	if err != nil {
		return nil, fmt.Errorf("read installation: %w", err)
	}
	return &person.Installation{Pepper: doc.Pepper, AdminID: doc.AdminID, KeyID: doc.KeyID, LookupID: doc.LookupID,
		AdminKeyHash: doc.AdminKeyHash, Origin: doc}, nil
}

// PutInstallation writes what is remembered: anew, or over what was read here.
// docstore.ErrExists or ErrStale when another start was faster.
func (s *Store) PutInstallation(ctx context.Context, i *person.Installation) error {
	doc := &installationDoc{Pepper: i.Pepper, AdminID: i.AdminID, KeyID: i.KeyID, LookupID: i.LookupID, AdminKeyHash: i.AdminKeyHash}
	old, ok := i.Origin.(*installationDoc)
	if ok {
		doc.Meta = old.Meta
		if err := s.install.Update(ctx, ring.Write, doc); err != nil {
			return fmt.Errorf("update installation: %w", err)
		}
	} else {
		doc.ID = installationID
		if err := s.install.Insert(ctx, ring.Write, doc); err != nil {
			return fmt.Errorf("insert installation: %w", err)
		}
	}
	i.Origin = doc
	return nil
}

// InsertAccount writes a new account.
func (s *Store) InsertAccount(ctx context.Context, a person.Account) error {
	doc := &accountDoc{Name: a.Name, Mark: a.Mark}
	doc.ID, doc.CreatedAt, doc.UpdatedAt = a.ID, a.CreatedAt, a.CreatedAt
	if err := s.accounts.Insert(ctx, ring.Write, doc); err != nil {
		return fmt.Errorf("insert account: %w", err)
	}
	return nil
}

// Account reads an account.
func (s *Store) Account(ctx context.Context, id int64) (person.Account, error) {
	doc, err := s.accounts.Get(ctx, ring.Read, 0, id)
	if err != nil {
		return person.Account{}, fmt.Errorf("read account: %w", err)
	}
	return person.Account{ID: doc.ID, Name: doc.Name, Mark: doc.Mark, CreatedAt: doc.CreatedAt}, nil
}

// accountSequence names the sequence of accounts' numbers.
const accountSequence = "account"

// NextAccount draws the number of a further account.
func (s *Store) NextAccount(ctx context.Context) (int64, error) {
	n, err := s.db.Next(ctx, 0, accountSequence)
	if err != nil {
		return 0, fmt.Errorf("draw account: %w", err)
	}
	return n, nil
}

// InsertKey writes the record of a key, if its agent's fences allow it.
func (s *Store) InsertKey(ctx context.Context, k person.Key) error {
	doc := &keyDoc{}
	doc.Account, doc.ID, doc.Owner, doc.CreatedAt, doc.UpdatedAt = k.Account, k.ID, k.AgentID, k.CreatedAt, k.CreatedAt
	if err := s.keys.Insert(ctx, ring.Write, doc); err != nil {
		return fmt.Errorf("insert api key: %w", err)
	}
	return nil
}

// Key reads the record of a key.
func (s *Store) Key(ctx context.Context, p ring.Purpose, account, id int64) (person.Key, error) {
	doc, err := s.keys.Get(ctx, p, account, id)
	if err != nil {
		return person.Key{}, fmt.Errorf("read api key: %w", err)
	}
	return keyOf(doc), nil
}

func keyOf(doc *keyDoc) person.Key {
	return person.Key{Account: doc.Account, ID: doc.ID, AgentID: doc.Owner, CreatedAt: doc.CreatedAt}
}

// DeleteKey removes the record of a key; one that is not there is fine.
func (s *Store) DeleteKey(ctx context.Context, account, id int64) error {
	if err := s.keys.Delete(ctx, ring.Sweep, account, id, 0); err != nil && !errors.Is(err, docstore.ErrNotFound) {
		return fmt.Errorf("delete api key: %w", err)
	}
	return nil
}

// InsertLookup writes what leads from a key to its agent.
func (s *Store) InsertLookup(ctx context.Context, l person.Lookup) error {
	doc := &lookupDoc{Hash: l.Hash, Tenant: l.Account, AgentID: l.AgentID, KeyID: l.KeyID}
	doc.ID = l.ID
	if err := s.lookups.Insert(ctx, ring.Write, doc); err != nil {
		return fmt.Errorf("insert lookup: %w", err)
	}
	return nil
}

// Lookup finds whose a key is by its hash; docstore.ErrNotFound.
func (s *Store) Lookup(ctx context.Context, hash string) (person.Lookup, error) {
	page, err := s.lookups.Find(ctx, ring.Read, 0, docstore.Query{Index: "hash", Eq: []any{hash}, Limit: 1})
	if err != nil {
		return person.Lookup{}, fmt.Errorf("find lookup: %w", err)
	}
	if len(page.Items) == 0 {
		return person.Lookup{}, fmt.Errorf("find lookup: %w", docstore.ErrNotFound)
	}
	d := page.Items[0]
	return person.Lookup{ID: d.ID, Hash: d.Hash, Account: d.Tenant, AgentID: d.AgentID, KeyID: d.KeyID}, nil
}

// DeleteLookups removes what leads to one key of an agent, or with key 0 to any.
func (s *Store) DeleteLookups(ctx context.Context, account, agent, key int64) error {
	for more := true; more; {
		q := lookupsOf(account, agent)
		q.Limit = docstore.MaxLimit
		if key != 0 {
			q.Eq = append(q.Eq, key)
		}
		var err error
		if _, more, err = s.lookups.DeleteWhere(ctx, ring.Sweep, 0, q); err != nil {
			return fmt.Errorf("delete lookups: %w", err)
		}
	}
	return nil
}

func lookupsOf(account, agent int64) docstore.Query {
	return docstore.Query{Index: "agent", Eq: []any{account, agent}}
}
