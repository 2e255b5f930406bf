package saga_test

import (
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga/sagamodel"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga/sagatest"
	"github.com/lethe-desk/lethe/services/privacy/internal/store"
)

// onDisk opens the service's own store on a SQLite file. Inside a bubble it
// belongs to the bubble, so each run has one of its own.
func onDisk(t *testing.T) *store.Sagas {
	t.Helper()
	dir := t.TempDir()
	master, err := keyring.OpenMaster(filepath.Join(dir, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.NewSagas(t.Context(), benchDB(t, dir, "privacy", master))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestCrashPointsOnDisk kills a process that works on a SQLite file before and
// after every write and every call of each scenario; the next one goes on with
// the file, by turns at once and when the lease has ended.
func TestCrashPointsOnDisk(t *testing.T) {
	for _, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) {
			for k, all := 0, 1; k <= all && !t.Failed(); k++ {
				synctest.Test(t, func(t *testing.T) {
					passed, wrong := sc.playOn(t, sagatest.NewKeeper(onDisk(t)), k%2 == 0, k)
					if k == 0 { // nobody dies: how many points there are
						all = passed[0]
					}
					for _, w := range wrong {
						t.Error(w)
					}
				})
			}
		})
	}
}

// TestStaleOwnerOnDisk is TestStaleOwner over the SQLite store, with its control.
func TestStaleOwnerOnDisk(t *testing.T) {
	for _, sabotage := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			wrong, _ := frozen(t, sagatest.NewKeeper(onDisk(t)), sabotage)
			if sabotage == (len(wrong) == 0) {
				t.Errorf("sabotage %t, noticed: %s", sabotage, strings.Join(wrong, "; "))
			}
		})
	}
}

// TestSchedulesOnDisk lets two replicas share a SQLite file through random schedules.
func TestSchedulesOnDisk(t *testing.T) {
	o := sagamodel.Options{Store: func(t *testing.T) saga.Store { return onDisk(t) }}
	for seed := range max(schedules()/20, 20) {
		if rep := sagamodel.Run(t, drawn(uint64(seed)), o); rep.Broken != "" {
			t.Fatalf("seed %d\n%s", seed, rep)
		}
	}
	o.Prepare = (*saga.Engine).IgnoreLanded
	for seed := range 100 {
		if sagamodel.Run(t, drawn(uint64(seed)), o).Broken != "" {
			return
		}
	}
	t.Error("replicas that record twice go unnoticed")
}
