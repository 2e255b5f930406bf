// Package fsck looks through the data folder of a suite that is stopped: every
// database, every key, every document, every blob, and whether they agree. It
// changes nothing. What it finds is named by place, never by value.
package fsck

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/lethe-desk/lethe/services/contacts"
	"github.com/lethe-desk/lethe/services/forums"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
	"github.com/lethe-desk/lethe/services/internal/platform/storage"
	"github.com/lethe-desk/lethe/services/privacy"
	"github.com/lethe-desk/lethe/services/ratings"
	"github.com/lethe-desk/lethe/services/tickets"
)

// Options say what is checked.
type Options struct {
	// Dir is the data folder, MasterKey the file with the master key; master.key in Dir when empty.
	Dir, MasterKey string
	// Now is the clock; that of the system when nil.
	Now func() time.Time
	// Progress is told how far a part of a service's check has come; total is 0
	// when it is not known. May be nil.
	Progress func(service, part string, done, total int64)
}

// Finding is a finding of a service.
type Finding struct {
	Service string
	docstore.Finding
	// Says is what it means and what to do.
	Says string
}

// Place returns the place in the key file, nil where it is none.
func (f Finding) Place() *int64 {
	if f.Slot == docstore.NoSlot {
		return nil
	}
	return &f.Slot
}

// Unchecked is a service that could not be looked at to its end.
type Unchecked struct{ Service, Reason string }

// Result is what a check came to.
type Result struct {
	// Services are those that were looked at.
	Services []string
	// Unchecked are those that could not be.
	Unchecked []Unchecked
}

// member is a service with its check.
type member struct {
	name  string
	check func(context.Context, storage.Config, docstore.Watch) error
}

// participants are all services that hold personal data: all there are.
var participants = []string{contacts.Name, tickets.Name, forums.Name, ratings.Name, privacy.Name}

var members = []member{
	{contacts.Name, contacts.Check},
	{tickets.Name, tickets.Check},
	{forums.Name, forums.Check},
	{ratings.Name, ratings.Check},
	{privacy.Name, func(ctx context.Context, c storage.Config, w docstore.Watch) error {
		return privacy.Check(ctx, c, participants, w)
	}},
}

// FlawLeftover is a file that a killed program was about to put in another's place.
const FlawLeftover docstore.Flaw = "file_left_behind"

// Run checks a data folder and calls found with each finding. Errors are
// sentences for the operator: it is no data folder, it is in use, its master key is
// missing. A service that is of another version stands in the result as unchecked; one without a folder came later than the desk and is left out.
func Run(ctx context.Context, o Options, found func(Finding)) (Result, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MasterKey == "" {
		o.MasterKey = filepath.Join(o.Dir, "master.key")
	}
	var here []member
	for _, m := range members {
		if info, err := os.Stat(filepath.Join(o.Dir, m.name)); err == nil && info.IsDir() {
			here = append(here, m)
		}
	}
	if len(here) == 0 {
		return Result{}, fmt.Errorf("%s is no data folder of Lethe: name the one that lethe up --data had", o.Dir)
	}
	// A missing one would be made anew, which is not what a check is for.
	if _, err := os.Stat(o.MasterKey); errors.Is(err, fs.ErrNotExist) {
		return Result{}, fmt.Errorf("there is no master key at %s: name the file with --master-key", o.MasterKey)
	}
	master, err := keyring.OpenMaster(o.MasterKey)
	if err != nil {
		return Result{}, err
	}
	var r Result
	for _, m := range here {
		err := m.run(ctx, o, master, found)
		switch {
		case ctx.Err() != nil:
			return r, ctx.Err()
		case errors.Is(err, keyring.ErrInUse):
			return r, fmt.Errorf("lethe runs on %s (%s): stop it first, then check again", o.Dir, m.name)
		case err != nil:
			r.Unchecked = append(r.Unchecked, Unchecked{m.name, err.Error()})
			continue
		}
		r.Services = append(r.Services, m.name)
	}
	return r, nil
}

// run checks one service.
func (m member) run(ctx context.Context, o Options, master *keyring.Master, found func(Finding)) error {
	w := docstore.Watch{
		Found: func(f docstore.Finding) { found(Finding{m.name, f, Says(f.Flaw)}) },
		Progress: func(part string, done, total int64) {
			if o.Progress != nil {
				o.Progress(m.name, part, done, total)
			}
		},
	}
	dir := filepath.Join(o.Dir, m.name)
	left, err := filepath.Glob(filepath.Join(dir, "*.new"))
	if err != nil {
		return err
	}
	for _, path := range left {
		f := docstore.NewFinding(FlawLeftover, "", 0, 0)
		f.Warning, f.Detail = true, filepath.Base(path)
		w.Found(f)
	}
	err = m.check(ctx, storage.Config{Dir: dir, Master: master, Now: o.Now}, w)
	if errors.Is(err, docstore.ErrDamaged) {
		return errors.New("what was found keeps the rest from being looked at")
	}
	return err
}
