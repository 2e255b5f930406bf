package docstoretest

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// Sabotages lists the broken stores the suite must notice.
func Sabotages() []Sabotage {
	return slices.Concat([]Sabotage{
		{Name: "revision ignored", Red: []string{"documents/update compares the revision", "mentions/redact"},
			Backend: func(b docstore.Backend) docstore.Backend { return &revisionIgnored{b} }},
		{Name: "order unstable", Red: []string{"queries/order is total", "queries/model"},
			Backend: func(b docstore.Backend) docstore.Backend { return &orderUnstable{Backend: b} }},
		{Name: "case folded", Red: []string{"queries/order is bytewise", "documents/round trip"},
			Backend: func(b docstore.Backend) docstore.Backend { return &caseFolded{b} }},
		{Name: "time rounded", Red: []string{"documents/times are UTC milliseconds"},
			Backend: func(b docstore.Backend) docstore.Backend { return &timeRounded{b} }},
		{Name: "fence dropped on writes", Red: []string{"ring/mode by purpose", "ring/no write gets past a fence"},
			Backend: func(b docstore.Backend) docstore.Backend { return &writeUnfenced{b} }},
		{Name: "fence dropped on reads", Red: []string{"ring/mode by purpose", "cost/lists open no bodies and skip the fenced"},
			Backend: func(b docstore.Backend) docstore.Backend { return &readUnfenced{b} }},
		{Name: "sealed part left in the clear", Red: []string{"ring/nothing personal at rest in the clear"},
			Backend: func(b docstore.Backend) docstore.Backend { return &leaking{b} }},
		{Name: "destroyed not recorded", Red: []string{"ring/destroy", "claims/void with the key"},
			Backend: func(b docstore.Backend) docstore.Backend { return &forgetful{b} }},
		{Name: "two keys for one owner", Red: []string{"ring/one key for many first documents"},
			Backend: func(b docstore.Backend) docstore.Backend { return &twoKeys{b} }},
		{Name: "key not destroyed", Red: []string{"ring/destroy takes only one key"},
			Keys: func(k docstore.Keys) docstore.Keys { return keyKept{k} }},
	}, mentionSabotages())
}

type revisionIgnored struct{ docstore.Backend }

func (s *revisionIgnored) Update(ctx context.Context, t *docstore.Table, w *docstore.Write) error {
	found, err := s.Get(ctx, t, w.Account, []int64{w.ID}, false, 0)
	if err != nil || len(found) == 0 {
		return s.Backend.Update(ctx, t, w)
	}
	lie := *w
	lie.Rev = found[0].Rev
	return s.Backend.Update(ctx, t, &lie)
}

type orderUnstable struct {
	docstore.Backend
	n atomic.Int64
}

func (s *orderUnstable) Find(ctx context.Context, t *docstore.Table, f *docstore.Find) (docstore.Hits, error) {
	hits, err := s.Backend.Find(ctx, t, f)
	if s.n.Add(1)%2 == 0 {
		slices.Reverse(hits.Rows)
	}
	return hits, err
}

type caseFolded struct{ docstore.Backend }

func (s *caseFolded) Insert(ctx context.Context, t *docstore.Table, w *docstore.Write) error {
	lie := *w
	lie.Values = slices.Clone(w.Values)
	for i := range lie.Values {
		if lie.Values[i].Kind == docstore.Text {
			lie.Values[i].Text = strings.ToLower(lie.Values[i].Text)
		}
	}
	return s.Backend.Insert(ctx, t, &lie)
}

type timeRounded struct{ docstore.Backend }

func (s *timeRounded) Insert(ctx context.Context, t *docstore.Table, w *docstore.Write) error {
	lie := *w
	lie.Created -= lie.Created % 1000
	return s.Backend.Insert(ctx, t, &lie)
}

type writeUnfenced struct{ docstore.Backend }

func (s *writeUnfenced) Insert(ctx context.Context, t *docstore.Table, w *docstore.Write) error {
	lie := *w
	lie.Forbidden = 0
	return s.Backend.Insert(ctx, t, &lie)
}

func (s *writeUnfenced) Update(ctx context.Context, t *docstore.Table, w *docstore.Write) error {
	lie := *w
	lie.Forbidden = 0
	return s.Backend.Update(ctx, t, &lie)
}

type readUnfenced struct{ docstore.Backend }

func (s *readUnfenced) Get(ctx context.Context, t *docstore.Table, account int64, ids []int64, bodies bool, _ ring.Mode) ([]docstore.Found, error) {
	return s.Backend.Get(ctx, t, account, ids, bodies, 0)
}

func (s *readUnfenced) Find(ctx context.Context, t *docstore.Table, f *docstore.Find) (docstore.Hits, error) {
	lie := *f
	lie.Forbidden = 0
	return s.Backend.Find(ctx, t, &lie)
}

// leaking keeps a plain copy where no decoder looks.
type leaking struct{ docstore.Backend }

func (s *leaking) Insert(ctx context.Context, t *docstore.Table, w *docstore.Write) error {
	lie := *w
	if len(lie.Sealed) > 0 {
		lie.Lists = append([][]docstore.Value{append([]docstore.Value{{Kind: docstore.Text, Text: canary}}, lie.Lists[0]...)}, lie.Lists[1:]...)
	}
	return s.Backend.Insert(ctx, t, &lie)
}

// forgetful destroys keys and does not say so in the entry.
type forgetful struct{ docstore.Backend }

func (s *forgetful) PutEntry(ctx context.Context, e docstore.Entry) error {
	e.Destroyed = false
	return s.Backend.PutEntry(ctx, e)
}

// twoKeys gives every document of a person a key of its own, and no guard sees it.
type twoKeys struct{ docstore.Backend }

func (s *twoKeys) Entry(ctx context.Context, sub ring.Subject) (docstore.Entry, error) {
	e, err := s.Backend.Entry(ctx, sub)
	if sub.ID != 0 && err == nil {
		e.Slot = docstore.NoSlot
	}
	return e, err
}

func (s *twoKeys) Insert(ctx context.Context, t *docstore.Table, w *docstore.Write) error {
	err := s.Backend.Insert(ctx, t, w)
	if isError(err, docstore.ErrOtherKey) {
		lie := *w
		lie.NeedKey, lie.Assign = false, nil
		err = s.Backend.Insert(ctx, t, &lie)
	}
	return err
}

type keyKept struct{ docstore.Keys }

func (keyKept) Destroy(context.Context, int64, keyring.KeyID) error { return nil }
