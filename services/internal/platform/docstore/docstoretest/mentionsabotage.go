package docstoretest

import (
	"context"
	"slices"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
)

// mentionSabotages break bulk changes, the mention index and its building.
func mentionSabotages() []Sabotage {
	wrap := func(name string, f func(docstore.Backend) docstore.Backend, red ...string) Sabotage {
		return Sabotage{Name: name, Red: red, Backend: f}
	}
	const found, parts, built = "mentions/found in every part", "mentions/each part keeps its own", "mentions/built from documents that were there"
	return []Sabotage{
		wrap("bulk change without limit", func(b docstore.Backend) docstore.Backend {
			return &bulk{b, func(f *docstore.Find, _ *[]docstore.Assign) { f.Limit = docstore.MaxLimit }}
		}, "queries/update where", "queries/update where moves index entries"),
		wrap("bulk change past fences", func(b docstore.Backend) docstore.Backend {
			return &bulk{b, func(f *docstore.Find, _ *[]docstore.Assign) { f.Forbidden = 0 }}
		}, "queries/update where reaches the fenced"),
		wrap("bulk change forgets a column", func(b docstore.Backend) docstore.Backend {
			return &bulk{b, func(_ *docstore.Find, set *[]docstore.Assign) { *set = (*set)[1:] }}
		}, "queries/update where"),
		wrap("bulk change does nothing", func(b docstore.Backend) docstore.Backend { return &idle{b} },
			"queries/update where", "queries/update where moves index entries", "cost/relinking costs by the hits"),
		wrap("tags never replaced", func(b docstore.Backend) docstore.Backend { return &tagsKept{b} }, parts, "mentions/redact"),
		wrap("tags of a part that stays are dropped", func(b docstore.Backend) docstore.Backend { return &tagsDropped{b} }, parts, "ring/a new owner has all of it"),
		wrap("one mention index not asked", func(b docstore.Backend) docstore.Backend {
			return &search{b, func(f *docstore.Find) { f.Blinds = f.Blinds[:1] }}
		}, found, "mentions/redact"),
		wrap("one tag asked", func(b docstore.Backend) docstore.Backend {
			return &search{b, func(f *docstore.Find) { f.Tags = f.Tags[:1] }}
		}, found),
		wrap("new index not built", func(b docstore.Backend) docstore.Backend { return &unbuilt{b} }, built),
		wrap("place of a building lost", func(b docstore.Backend) docstore.Backend { return &placeLost{b} }, "mentions/building goes on where it was"),
		wrap("late documents lost", func(b docstore.Backend) docstore.Backend { return &lateLost{b} }, "mentions/building among writers"),
		wrap("new owner in name only", func(b docstore.Backend) docstore.Backend { return &ownerKept{b} }, "ring/a new owner has all of it"),
	}
}

// bulk alters what is asked of UpdateWhere.
type bulk struct {
	docstore.Backend
	alter func(*docstore.Find, *[]docstore.Assign)
}

func (s *bulk) UpdateWhere(ctx context.Context, t *docstore.Table, f *docstore.Find, set []docstore.Assign) (int, bool, error) {
	lie := *f
	set = slices.Clone(set)
	if s.alter(&lie, &set); len(set) == 0 {
		return 0, false, nil
	}
	return s.Backend.UpdateWhere(ctx, t, &lie, set)
}

type idle struct{ docstore.Backend }

func (*idle) UpdateWhere(_ context.Context, _ *docstore.Table, f *docstore.Find, _ []docstore.Assign) (int, bool, error) {
	return f.Limit, true, nil
}

type tagsKept struct{ docstore.Backend }

func (s *tagsKept) Update(ctx context.Context, t *docstore.Table, w *docstore.Write) error {
	lie := *w
	lie.Tags = nil
	return s.Backend.Update(ctx, t, &lie)
}

type tagsDropped struct{ docstore.Backend }

func (s *tagsDropped) Update(ctx context.Context, t *docstore.Table, w *docstore.Write) error {
	lie := *w
	lie.Tags = make([][][]byte, len(t.Blinds))
	for i := range lie.Tags {
		lie.Tags[i] = [][]byte{}
		if w.Tags != nil && w.Tags[i] != nil {
			lie.Tags[i] = w.Tags[i]
		}
	}
	return s.Backend.Update(ctx, t, &lie)
}

// search alters searches over several tags.
type search struct {
	docstore.Backend
	alter func(*docstore.Find)
}

func (s *search) Find(ctx context.Context, t *docstore.Table, f *docstore.Find) (docstore.Hits, error) {
	lie := *f
	if len(f.Blinds) > 1 {
		s.alter(&lie)
	}
	return s.Backend.Find(ctx, t, &lie)
}

type unbuilt struct{ docstore.Backend }

func (*unbuilt) Unbuilt(context.Context, *docstore.Table) ([]string, *docstore.Position, error) {
	return nil, nil, nil
}

type placeLost struct{ docstore.Backend }

func (s *placeLost) Built(ctx context.Context, t *docstore.Table, blinds []string, upto *docstore.Position) error {
	if upto != nil {
		return nil
	}
	return s.Backend.Built(ctx, t, blinds, upto)
}

type lateLost struct{ docstore.Backend }

func (s *lateLost) Retag(ctx context.Context, t *docstore.Table, docs []docstore.Retag) ([]int, error) {
	_, err := s.Backend.Retag(ctx, t, docs)
	return nil, err
}

// ownerKept leaves a document that moves with its old owner.
type ownerKept struct{ docstore.Backend }

func (s *ownerKept) Update(ctx context.Context, t *docstore.Table, w *docstore.Write) error {
	found, err := s.Get(ctx, t, w.Account, []int64{w.ID}, false, 0)
	lie := *w
	if err == nil && len(found) == 1 && found[0].Owner != w.Owner {
		lie.Owner, lie.NeedKey, lie.Assign = found[0].Owner, false, nil
	}
	return s.Backend.Update(ctx, t, &lie)
}
