package app

import (
	"context"
	"errors"
	"io"
	"strconv"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/blob"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/privacy/internal/archive"
	"github.com/lethe-desk/lethe/services/privacy/internal/flow"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
	"github.com/lethe-desk/lethe/services/privacy/internal/store"
)

// startExport stores the export's document, owned by the person, and its saga.
func (a *App) startExport(ctx context.Context, req *store.Request, refs map[string]string) error {
	now := a.Now()
	doc := &store.Export{
		Meta:  docstore.Meta{Account: req.Account, ID: req.ExportID, Owner: req.ContactID, CreatedAt: now, UpdatedAt: now},
		State: archive.Collecting, SagaID: req.SagaID,
		Archive: blob.NewName(), Parts: map[string]string{}, Key: blob.NewKey(),
	}
	for _, p := range a.Participants {
		doc.Parts[p.Name] = blob.NewName()
	}
	err := a.Store.Exports.Insert(ctx, ring.Export, doc)
	if errors.Is(err, docstore.ErrFenced) {
		return errWithheld
	}
	if err != nil && !errors.Is(err, docstore.ErrExists) {
		return err
	}
	refs[flow.RefExport] = strconv.FormatInt(req.ExportID, 10)
	_, err = a.Engine.Create(ctx, saga.Spec{
		ID: req.SagaID, Kind: flow.Export, Account: req.Account, Subject: req.ContactID,
		RequestedBy: req.RequestedBy, Refs: refs,
	})
	if errors.Is(err, saga.ErrExists) {
		return nil
	}
	return sagaFault(err)
}

// GetExport reads an export; one of an erased person is not found.
func (a *App) GetExport(ctx context.Context, id int64) (*store.Export, error) {
	doc, err := a.Store.Exports.Get(ctx, ring.Export, caller(ctx).Account, id)
	return doc, storeFault("export", id, err)
}

// recheck is after how many bytes a download asks again whether it may go on.
const recheck = 1 << 20

// piece is the size of a download's pieces in bytes.
const piece = 64 << 10

// Download hands out the archive of a ready export piece by piece. It asks the
// ring again every megabyte, so that an erasure ends a download that is under way.
func (a *App) Download(ctx context.Context, id int64, head func(*store.Export) error, data func([]byte) error) error {
	doc, err := a.GetExport(ctx, id)
	if err != nil {
		return err
	}
	if doc.State != archive.Ready || !a.Now().Before(doc.ExpiresAt) {
		return fault.State(faultv1.Reason_REASON_INCONSISTENT_STATE, "the export is not ready, or no longer").With("state", doc.State)
	}
	r, err := a.Exporter.Blobs.Open(ctx, doc.Archive, doc.Key)
	if errors.Is(err, blob.ErrNotFound) {
		return fault.NotFound("export", id)
	}
	if err != nil {
		return err
	}
	defer r.Close()
	if err := head(doc); err != nil {
		return err
	}
	buf := make([]byte, piece)
	for sent := 0; ; {
		n, err := io.ReadFull(r, buf)
		if n > 0 {
			if err := data(buf[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if sent += n; sent >= recheck {
			sent = 0
			if _, err := a.GetExport(ctx, id); err != nil {
				return err
			}
		}
	}
}
