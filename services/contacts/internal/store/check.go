package store

import (
	"context"
	"errors"

	"github.com/lethe-desk/lethe/services/contacts/internal/person"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// Check tells claims and people that do not agree, and a sequence of accounts
// that would give a number twice.
func (s *Store) Check(ctx context.Context, w docstore.Watch) error {
	if err := s.people.Each(ctx, func(d *personDoc) error { return s.checkClaims(ctx, w, d) }); err != nil {
		return err
	}
	return s.checkAccounts(ctx, w)
}

// checkClaims compares what a person has with what it has claimed.
func (s *Store) checkClaims(ctx context.Context, w docstore.Watch, d *personDoc) error {
	e, err := s.db.Entry(ctx, ring.Subject{Account: d.Account, ID: d.Owner})
	if errors.Is(err, docstore.ErrNotFound) || err == nil && (e.Destroyed || e.Modes()&ring.Erased != 0) {
		return nil // what is wrong with it is told already
	}
	if err != nil {
		return err
	}
	mine := map[person.Value]bool{}
	for _, v := range fromDoc(d).Details.Values() {
		v.Field = "" // one address in two fields is one claim
		mine[v] = true
	}
	for v := range mine {
		holder, _, err := s.Claimed(ctx, d.Account, v)
		if err != nil && !errors.Is(err, docstore.ErrNotFound) {
			return err
		}
		if holder != d.ID {
			f := docstore.NewFinding(docstore.FlawClaimMissing, s.people.Name(), d.Account, d.ID)
			f.Detail = string(v.Unique)
			w.Found(f)
			delete(mine, v)
		}
	}
	claims, err := s.db.CountClaims(ctx, ring.Subject{Account: d.Account, ID: d.ID})
	if err == nil && claims > int64(len(mine)) {
		w.Found(docstore.NewFinding(docstore.FlawClaimIdle, s.people.Name(), d.Account, d.ID))
	}
	return err
}

// checkAccounts tells a sequence below an account made with it; the first one was made without.
func (s *Store) checkAccounts(ctx context.Context, w docstore.Watch) error {
	highest, next := person.FirstAccount, int64(0)
	err := s.accounts.Each(ctx, func(d *accountDoc) error {
		highest = max(highest, d.ID)
		return nil
	})
	if err != nil {
		return err
	}
	err = s.db.Sequences(ctx, func(account int64, name string, n int64) error {
		if account == 0 && name == accountSequence {
			next = n
		}
		return nil
	})
	if err == nil && highest > person.FirstAccount && next <= highest {
		f := docstore.NewFinding(docstore.FlawSequence, s.accounts.Name(), 0, highest)
		f.Detail = accountSequence
		w.Found(f)
	}
	return err
}
