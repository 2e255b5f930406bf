package rpc

import (
	"context"

	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	privacyv1 "github.com/lethe-desk/lethe/gen/go/lethe/privacy/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/participant"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/privacy/internal/archive"
	"github.com/lethe-desk/lethe/services/privacy/internal/store"
)

// exportPage is how many export documents one query reads.
const exportPage = 100

// Holdings lists what privacy itself keeps of a person: the exports made of their data.
func Holdings(exports *docstore.Collection[store.Export], x *archive.Exporter) []participant.Resource {
	return []participant.Resource{{
		Message:  &privacyv1.Export{},
		Category: optionsv1.Category_CATEGORY_FILES,
		Count: func(ctx context.Context, s ring.Subject) (int64, error) {
			return exports.Count(ctx, ring.Sweep, s.Account, docstore.Query{Index: "owner", Eq: []any{s.ID}, Limit: 1})
		},
		Sweep: func(ctx context.Context, s ring.Subject, limit int) (int, bool, error) {
			return sweepExports(ctx, exports, x, s, limit)
		},
		Export: func(ctx context.Context, s ring.Subject, after string, emit participant.Emit) error {
			return emitExports(ctx, exports, s, after, emit)
		},
	}}
}

// sweepExports drops the archives before the documents that name them.
func sweepExports(ctx context.Context, exports *docstore.Collection[store.Export], x *archive.Exporter, s ring.Subject, limit int) (int, bool, error) {
	q := docstore.Query{Index: "owner", Eq: []any{s.ID}, Limit: limit}
	page, err := exports.Find(ctx, ring.Sweep, s.Account, q)
	if err != nil {
		return 0, false, err
	}
	for _, doc := range page.Items {
		if err := x.Drop(ctx, doc); err != nil {
			return 0, false, err
		}
	}
	n := 0
	for _, doc := range page.Items {
		if err := exports.Delete(ctx, ring.Sweep, s.Account, doc.ID, doc.Rev); err != nil {
			return n, true, err
		}
		n++
	}
	return n, page.Next != "", nil
}

func emitExports(ctx context.Context, exports *docstore.Collection[store.Export], s ring.Subject, after string, emit participant.Emit) error {
	for {
		page, err := exports.Find(ctx, ring.Export, s.Account, docstore.Query{Index: "owner", Eq: []any{s.ID}, After: after, Limit: exportPage})
		if err != nil {
			return err
		}
		for _, doc := range page.Items {
			if err := emit(page.Next, exportOf(doc)); err != nil {
				return err
			}
		}
		if after = page.Next; after == "" {
			return nil
		}
	}
}
