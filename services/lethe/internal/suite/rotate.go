package suite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"go.opentelemetry.io/otel/trace/noop"

	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
	"github.com/lethe-desk/lethe/services/internal/platform/storage"
)

// RotateKeys begins a new epoch of the master key while the suite is stopped:
// every living key is wrapped anew, read back, and the old master key is
// overwritten, so that copies of the key files made before open nothing. It
// tells each step; a rotation that was broken off is carried through.
func RotateKeys(ctx context.Context, c Config, step func(string)) error {
	c, err := c.withDefaults()
	if err != nil {
		return err
	}
	master, err := keyring.OpenMaster(c.MasterKey)
	if err != nil {
		return err
	}
	names, rotate, err := c.rewrapping(ctx, master)
	if err != nil {
		return err
	}
	if !master.Rotating() {
		if err := keyring.RotateMaster(c.MasterKey); err != nil {
			return err
		}
		if err := master.Reload(); err != nil {
			return err
		}
		step("made a new master key")
	}
	for _, name := range names {
		if err := rotate(name); err != nil {
			return err
		}
		step("wrapped the keys of " + name + " anew")
	}
	if err := keyring.FinishRotation(c.MasterKey); err != nil {
		return err
	}
	step(fmt.Sprintf("forgot the old master key; epoch %d has begun", master.Epoch()))
	return nil
}

// rewrapping returns the services that have keys, and what wraps those of one
// anew, wherever they lie.
func (c Config) rewrapping(ctx context.Context, master *keyring.Master) ([]string, func(name string) error, error) {
	if c.Storage.MongoURI != "" {
		return c.onMongo(ctx, master)
	}
	// Nothing is changed while a suite runs on the folder.
	names := c.keepers()
	for _, name := range names {
		keys, err := openKeys(ctx, filepath.Join(c.Dir, name), name, master)
		if err != nil {
			return nil, nil, err
		}
		if err := keys.Close(); err != nil {
			return nil, nil, err
		}
	}
	return names, func(name string) error { return rotateService(ctx, filepath.Join(c.Dir, name), name, master) }, nil
}

// onMongo is rewrapping for keys in a database. Nothing shows there whether
// services run: they have to be stopped, for they know the old master key alone.
func (c Config) onMongo(ctx context.Context, master *keyring.Master) ([]string, func(name string) error, error) {
	settings := c.Storage
	settings.Data, settings.MasterKey = c.Dir, c.MasterKey
	var names []string
	for _, m := range members {
		names = append(names, m.name)
	}
	return names, func(name string) error {
		place, err := storage.Setup(ctx, settings, slog.Default(), noop.NewTracerProvider())
		if err != nil {
			return err
		}
		epoch, err := place.RotateKeys(ctx, name)
		if err = errors.Join(err, place.Close(ctx)); err != nil {
			return fmt.Errorf("rotate the keys of %s: %w", name, err)
		}
		if epoch != master.Epoch() {
			return fmt.Errorf("the keys of %s are still of epoch %d: run the rotation again", name, epoch)
		}
		return nil
	}, nil
}

// keepers are the services with a folder: a desk of before has none of those
// that came later.
func (c Config) keepers() []string {
	var names []string
	for _, m := range members {
		if _, err := os.Stat(filepath.Join(c.Dir, m.name)); !errors.Is(err, fs.ErrNotExist) {
			names = append(names, m.name)
		}
	}
	return names
}

// openKeys opens a service's key file, which fails while a suite has it.
func openKeys(ctx context.Context, dir, name string, master *keyring.Master) (*keyring.File, error) {
	keys, err := keyring.Open(ctx, keyring.Options{Dir: dir, Service: name, Master: master, MustExist: true})
	if err != nil {
		return nil, fmt.Errorf("open the keys of %s (is the suite stopped?): %w", name, err)
	}
	return keys, nil
}

// rotateService rewraps one service's key file, and does not believe it before it has looked.
func rotateService(ctx context.Context, dir, name string, master *keyring.Master) error {
	keys, err := openKeys(ctx, dir, name, master)
	if err != nil {
		return err
	}
	if err := errors.Join(keys.Rotate(ctx), keys.Close()); err != nil {
		return fmt.Errorf("rotate the keys of %s: %w", name, err)
	}
	epochs, err := keyring.Epochs(dir)
	if err != nil {
		return err
	}
	for _, service := range slices.Sorted(maps.Keys(epochs)) {
		if epochs[service] != master.Epoch() {
			return fmt.Errorf("the keys of %s are still of epoch %d: run the rotation again", service, epochs[service])
		}
	}
	return nil
}
