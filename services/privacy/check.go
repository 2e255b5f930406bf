package privacy

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/storage"
	"github.com/lethe-desk/lethe/services/privacy/internal/archive"
	"github.com/lethe-desk/lethe/services/privacy/internal/flow"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
	"github.com/lethe-desk/lethe/services/privacy/internal/store"
)

// Check looks through what the stopped service keeps and changes nothing:
// beside the store, whether every saga can go on, every started request has its saga and
// every archive that is offered is there. participants are the names of the
// services that hold personal data. Errors are those of storage.OpenToCheck and
// docstore.DB.Check; what is wrong is a finding.
func Check(ctx context.Context, c storage.Config, participants []string, w docstore.Watch) (err error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	s, err := storage.OpenToCheck(ctx, Name, c, w)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	docs, err := store.Bind(ctx, s.DB)
	if err != nil {
		return err
	}
	sagas, err := store.NewSagas(ctx, s.DB)
	if err != nil {
		return err
	}
	if err := s.DB.Check(ctx, w); err != nil {
		return err
	}
	engine, err := definitions(sagas, participants)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, engine.Close(ctx)) }()
	blobs, err := storage.BlobsToCheck(filepath.Join(c.Dir, "blobs"), w)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, blobs.Close()) }()
	return store.Check(ctx, w, docs, sagas, engine.Knows, blobs, c.Now())
}

// definitions returns an engine that knows all flows and is never started: no
// participant is called, only the shape of what would be done is compared.
func definitions(sagas *store.Sagas, participants []string) (*saga.Engine, error) {
	var ps []flow.Participant
	for _, name := range participants {
		ps = append(ps, flow.Participant{Name: name})
	}
	defs, err := flow.Definitions(ps, flow.Directory{}, &archive.Exporter{})
	if err != nil {
		return nil, err
	}
	engine := saga.New(sagas, saga.Options{Embedded: true})
	return engine, engine.Register(defs...)
}
