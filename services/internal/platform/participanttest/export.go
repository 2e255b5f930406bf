package participanttest

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"google.golang.org/protobuf/proto"

	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
)

// Behind every cursor comes exactly the rest, also after a restart.
func resumption(w *world) {
	w.each(3, func(p Person) {
		whole := w.mustExport(p)
		check := func(i int) {
			rest, err := w.export(p, whole[i].cursor)
			w.ok(err)
			if !rest.equal(whole[i+1:]) {
				w.errorf("%v: behind record %d of %d come %d", p.Kind, i+1, len(whole), len(rest))
			}
		}
		for i, r := range whole {
			if r.cursor == "" {
				w.errorf("%v: record %d has no cursor", p.Kind, i+1)
				return
			}
			check(i)
		}
		w.k.Restart(w.Service)
		check(0)
		for _, bad := range []string{"x", "999:1", "-1:"} {
			if _, err := w.export(p, bad); err == nil {
				w.errorf("cursor %q is taken", bad)
			}
		}
		// A record twice, or one that only the marks tell apart, is somebody's mistake.
		for i := range whole {
			same := func(r record) bool { return r.resource == whole[i].resource && bytes.Equal(r.wire, whole[i].wire) }
			if slices.ContainsFunc(whole[i+1:], same) {
				w.errorf("%v: a record of %s is exported twice", p.Kind, whole[i].resource)
			}
		}
	})
}

// Hiding and restricting leave people their own export; an erasure ends it.
func exportUnderFences(w *world) {
	w.each(1, func(p Person) {
		before := w.mustExport(p)
		for _, r := range before {
			if r.resource == "" {
				w.errorf("%v: a record of no resource is exported: %s", p.Kind, r.message.ProtoReflect().Descriptor().FullName())
			}
		}
		for _, mode := range []participantv1.Mode{hidden, restricted} {
			w.ok(w.fence(p, mode, "a", w.token()))
			if now, err := w.export(p, ""); err != nil || !now.equal(before) {
				w.errorf("%v: %v takes the person's own export: %v", p.Kind, mode, err)
			}
		}
		w.ok(w.fence(p, erasing, "b", w.token()))
		_, err := w.export(p, "")
		w.refused("export of somebody being erased", err, fenced)
		w.ok(w.unfence(p, "b", w.token()))
		if now, err := w.export(p, ""); err != nil || !now.equal(before) {
			w.errorf("%v: an erasure that was called off takes the export: %v", p.Kind, err)
		}
		_, err = all(w.api.Export(w.as(p), &participantv1.ExportRequest{Subject: p.subject()}))
		w.refused("export without a scope", err, invalid, missing)
		_, err = all(w.api.Export(w.as(p), &participantv1.ExportRequest{Scope: participantv1.ExportScope_EXPORT_SCOPE_ACCESS.Enum()}))
		w.refused("export of nobody", err, invalid, missing)
	})
	empty, err := w.export(w.nobody(), "")
	if err != nil || len(empty) != 0 {
		w.errorf("export of somebody never met: %d records, %v", len(empty), err)
	}
}

// Whoever is not erased keeps everything, byte by byte.
func bystanders(w *world) {
	w.each(2, func(p Person) {
		var others []Person
		for _, kind := range w.Kinds {
			others = append(others, w.seed(kind, 2), w.Seed(2, kind, 1, mark()))
		}
		before := map[int64]exported{}
		counted := map[int64]*participantv1.CountHoldingsResponse{}
		for _, o := range others {
			before[o.ID], counted[o.ID] = w.mustExport(o), w.counts(o)
		}
		w.erase(p, "erase")
		for _, o := range others {
			if !w.mustExport(o).equal(before[o.ID]) {
				w.errorf("the erasure of %v changes a bystander's data (%v)", p.Kind, o.Kind)
			}
			if now := w.counts(o); !proto.Equal(now, counted[o.ID]) {
				w.errorf("the erasure of %v changes a bystander's counts from %v to %v", p.Kind, counted[o.ID], now)
			}
			for _, m := range w.asked(o) {
				if !m.reads() {
					continue
				}
				got, err := w.call(m, o.Account)
				if wrong := gives(Shown, o.shown(), got, err); wrong != "" {
					w.errorf("a bystander's %s gives %s", m.Name, wrong)
				}
			}
		}
	})
}

// writerRounds is how often each writer writes before and after the erasure has begun.
const writerRounds = 4

// Whatever writes while a person is erased lands before the fence or is refused:
// nothing is left when all have ended.
func writers(w *world) {
	w.each(1, func(p Person) {
		var ms []Method
		for _, m := range w.asked(p) {
			if !m.reads() && !m.Ends && m.Kind != Free {
				ms = append(ms, m)
			}
		}
		var wg sync.WaitGroup
		var began, late atomic.Int64
		fencedNow := make(chan struct{})
		for _, m := range ms {
			wg.Go(func() {
				for range writerRounds {
					_, _ = w.call(m, 1) // before, or refused: both are fine
					began.Add(1)
				}
				<-fencedNow
				for range writerRounds {
					if _, err := w.call(m, 1); err == nil {
						late.Add(1)
					}
				}
			})
		}
		for began.Load() < int64(len(ms)) {
			if len(ms) == 0 {
				break
			}
			w.counts(p) // in the middle of the first round
		}
		w.ok(w.fence(p, erasing, "erase", w.token()))
		for _, m := range ms {
			if _, err := w.call(m, 1); err == nil {
				w.errorf("%v: %s writes behind the fence", p.Kind, m.Name)
			}
		}
		close(fencedNow)
		w.ok(w.destroy(p, "erase", w.token()))
		_, err := w.sweep(p, "erase", w.token())
		w.ok(err)
		wg.Wait()
		if n := late.Load(); n != 0 {
			w.errorf("%v: %d writes succeed behind the fence", p.Kind, n)
		}
		if now := w.counts(p); !same(owned(now), nil) || now.GetKeyPresent() {
			w.errorf("%v: writers leave %v", p.Kind, now)
		}
	})
}

// Nothing of a person lies readable in a file of the service, at any time.
func atRest(w *world) {
	w.each(2, func(p Person) {
		search := func(when string) {
			w.k.Stop(w.Service)
			defer w.k.Restart(w.Service)
			found, err := w.k.AtRest(w.Service, p.Mark)
			w.ok(err)
			for _, name := range found {
				w.errorf("%v: %s the mark lies in %s", p.Kind, when, name)
			}
		}
		planted := filepath.Join(w.k.Store(w.Service).Dir, "planted")
		w.ok(os.WriteFile(planted, []byte("x"+p.Mark+"x"), 0o600))
		if found, err := w.k.AtRest(w.Service, p.Mark); err != nil || !slices.Contains(found, "planted") {
			w.errorf("the search does not find what was planted: %v, %v", found, err)
		}
		w.ok(os.Remove(planted))
		search("while the person is here")
		w.erase(p, "erase")
		search("behind the erasure")
	})
}
