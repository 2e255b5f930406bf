package storage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/config"
	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
	"go.opentelemetry.io/otel/trace"
)

// Place is where the services of a process keep what they keep: one master
// key, and one connection to MongoDB unless they use files.
type Place struct {
	dir    string
	master *keyring.Master
	mongo  *Mongo
	log    *slog.Logger
	tracer trace.Tracer
}

// Setup opens what the settings name. Its errors are sentences for the
// operator. Close it after every store that lies there.
func Setup(ctx context.Context, s config.Storage, log *slog.Logger, tracer trace.TracerProvider) (*Place, error) {
	if err := os.MkdirAll(s.Data, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	master, err := keyring.OpenMaster(s.MasterKeyFile())
	if err != nil {
		return nil, err
	}
	p := &Place{dir: s.Data, master: master, log: log, tracer: tracer.Tracer("lethe/storage")}
	switch {
	case s.MongoURI != "":
		p.mongo, err = Connect(ctx, MongoOptions{
			URI: s.MongoURI.Reveal(), KeysURI: s.MongoKeysURI.Reveal(), UnsafeStandalone: s.MongoUnsafeStandalone,
			Grace: time.Duration(s.MongoGrace), Prefix: s.MongoPrefix, Log: log, Tracer: p.tracer,
		})
	case s.MongoKeysURI != "" || s.MongoUnsafeStandalone:
		err = errors.New("--mongo-keys-uri and --mongo-unsafe-standalone say how MongoDB is used: give --mongo-uri too")
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Master returns the installation's master keys.
func (p *Place) Master() *keyring.Master { return p.master }

// Shared reports whether other replicas of a service may use the same store.
func (p *Place) Shared() bool { return p.mongo != nil }

// Of returns where a service's store lies: in a folder of its own.
func (p *Place) Of(service string) Config {
	return Config{Dir: filepath.Join(p.dir, service), Master: p.master, Mongo: p.mongo, Log: p.log, Tracer: p.tracer}
}

// RotateKeys brings a service's keys on MongoDB to the master's current epoch and
// returns that epoch. It is for programs that run beside no service.
func (p *Place) RotateKeys(ctx context.Context, service string) (uint32, error) {
	if p.mongo == nil {
		return 0, errors.New("these keys lie in files")
	}
	return p.mongo.RotateKeys(ctx, service, p.Of(service))
}

// Close ends the connection to MongoDB, if there is one. A nil Place closes too.
func (p *Place) Close(ctx context.Context) error {
	if p == nil {
		return nil
	}
	return p.mongo.Close(ctx)
}
