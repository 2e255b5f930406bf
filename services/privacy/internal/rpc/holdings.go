package rpc

import (
	"context"
	"errors"
	"strconv"

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
		// Any revision: the run that made the export may still be writing down that it was cancelled.
		err := exports.Delete(ctx, ring.Sweep, s.Account, doc.ID, 0)
		if err != nil && !errors.Is(err, docstore.ErrNotFound) {
			return n, true, err
		}
		n++
	}
	return n, page.Next != "", nil
}

// emitExports walks the person's exports in the order of their ids; the cursor is the id.
func emitExports(ctx context.Context, exports *docstore.Collection[store.Export], s ring.Subject, after string, emit participant.Emit) error {
	var last int64
	if after != "" {
		var err error
		if last, err = strconv.ParseInt(after, 10, 64); err != nil {
			return docstore.ErrCursor
		}
	}
	for {
		page, err := exports.Find(ctx, ring.Export, s.Account, docstore.Query{
			Index: "owner", Eq: []any{s.ID}, Limit: exportPage,
			Where: docstore.Cond{Op: ">", Field: "id", Value: last},
		})
		if err != nil {
			return err
		}
		for _, doc := range page.Items {
			last = doc.ID
			if err := emit(strconv.FormatInt(last, 10), exportOf(doc)); err != nil {
				return err
			}
		}
		if page.Next == "" {
			return nil
		}
	}
}
