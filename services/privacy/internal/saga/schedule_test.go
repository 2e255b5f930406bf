package saga_test

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga/sagamodel"
)

// schedules is how many random schedules are run: LETHE_PROVE_SCHEDULES, or few.
func schedules() int {
	if n, err := strconv.Atoi(os.Getenv("LETHE_PROVE_SCHEDULES")); err == nil && n > 0 {
		return n
	}
	return 400
}

// drawn returns the schedule of a seed: mostly calm, and longer than the saga is without faults.
func drawn(seed uint64) sagamodel.Schedule {
	rng := rand.New(rand.NewPCG(seed, 1))
	s := make(sagamodel.Schedule, 20+rng.IntN(60))
	wild := 1 + rng.IntN(5)
	for i := range s {
		if rng.IntN(10) < wild {
			s[i] = byte(1 + rng.IntN(255))
		}
	}
	return s
}

// hunt runs at most n schedules until one that breaks an invariant has shrunk to
// three faults, or two have been found, and returns the smaller with its seed.
func hunt(t *testing.T, n int, o sagamodel.Options) (best sagamodel.Report, from int) {
	t.Helper()
	try := func(s sagamodel.Schedule) sagamodel.Report { return sagamodel.Run(t, s, o) }
	found := 0
	for seed := 0; seed < n && found < 2 && (found == 0 || best.Used.Faults() > 3) && !t.Failed(); seed++ {
		rep := try(drawn(uint64(seed)))
		if rep.Broken == "" {
			continue
		}
		found++
		if rep = sagamodel.Shrink(rep, try); found == 1 || rep.Used.Faults() < best.Used.Faults() {
			best, from = rep, seed
		}
	}
	return best, from
}

// faults are what schedules must have met, in the words of their lines.
var faults = []string{
	"dies", "stands still", "is closed", "a new replica starts", "pass", "the store is away", "the answer is lost", "arriving late",
	"who is away", "who is busy", "who refuses", "who finds something left", "cancels", "signals", "retries", "takes back", "parked",
}

// TestSchedules lets two and three replicas work through random schedules of
// crashes, lost answers, delays, stops and cancels; a broken one is printed small.
func TestSchedules(t *testing.T) {
	ends := map[saga.State]int{}
	met := map[string]bool{}
	for seed := range schedules() {
		o := sagamodel.Options{Replicas: 2 + seed%2, Grace: seed%3 == 0}
		rep := sagamodel.Run(t, drawn(uint64(seed)), o)
		ends[rep.End]++
		for _, f := range faults {
			met[f] = met[f] || strings.Contains(strings.Join(rep.Lines, "\n"), f)
		}
		if rep.Broken == "" {
			continue
		}
		try := func(s sagamodel.Schedule) sagamodel.Report { return sagamodel.Run(t, s, o) }
		t.Fatalf("seed %d\n%s", seed, sagamodel.Shrink(rep, try))
	}
	t.Log("ended", ends)
	for _, end := range []saga.State{saga.StateCompleted, saga.StateRefused, saga.StateCancelled} {
		if ends[end] == 0 {
			t.Errorf("no schedule ended %s: the faults are not what they were", end)
		}
	}
	for _, f := range faults {
		if !met[f] {
			t.Errorf("no schedule has met %q", f)
		}
	}
}

// TestLeaseOfALostAnswer runs the schedule that once showed an owner acting
// behind its lease: a record is written, its answer lost, and the second try
// comes back late. The owner must date its lease by the first.
func TestLeaseOfALostAnswer(t *testing.T) {
	s := sagamodel.Schedule{0, 0, 0, 0, 3, 1, 0, 3}
	if rep := sagamodel.Run(t, s, sagamodel.Options{}); rep.Broken != "" {
		t.Errorf("%s", rep)
	}
	rep := sagamodel.Run(t, s, sagamodel.Options{Prepare: (*saga.Engine).BelieveLastTry})
	if rep.Broken != sagamodel.ActedLate {
		t.Errorf("an owner that believes its last try goes unnoticed\n%s", rep)
	}
}

// TestSchedulesRepeat runs schedules twice: the same choices are the same run, line by line.
func TestSchedulesRepeat(t *testing.T) {
	for seed := range uint64(20) {
		a := sagamodel.Run(t, drawn(seed), sagamodel.Options{})
		b := sagamodel.Run(t, drawn(seed), sagamodel.Options{})
		if !slices.Equal(a.Lines, b.Lines) {
			t.Fatalf("seed %d goes in two ways:\n%s\n--\n%s", seed, a, b)
		}
	}
}

// TestSchedulesFindPlantedBugs breaks a rule at a time, of the engine or of
// participants: random schedules must find it, by an invariant that is meant,
// and shrink the way there to a few faults.
func TestSchedulesFindPlantedBugs(t *testing.T) {
	breaks := func(name string) sagamodel.Options {
		return sagamodel.Options{Prepare: func(e *saga.Engine) { e.Break(name) }}
	}
	for _, c := range []struct {
		bug           string
		opts          sagamodel.Options
		broken        []string
		faults, lines int
	}{
		{"skip the lease check", sagamodel.Options{Prepare: (*saga.Engine).IgnoreLease}, []string{sagamodel.LeaseBroken}, 5, 12},
		{"skip the epoch check", sagamodel.Options{Prepare: (*saga.Engine).IgnoreEpoch}, []string{sagamodel.StaleRecord, sagamodel.SameStage}, 3, 18},
		{"skip the token check", sagamodel.Options{Trusting: true}, []string{sagamodel.LowerToken, sagamodel.BeforeTime, sagamodel.AfterEnd}, 3, 12},
		{"take a lost answer for a lost write", sagamodel.Options{Prepare: (*saga.Engine).IgnoreLanded}, []string{sagamodel.SameStage}, 1, 12},
		{"complete without an outcome", breaks("complete over a failure"), []string{sagamodel.Unanswered}, 3, 14},
		{"undo behind the pivot", breaks("undo behind the pivot"), []string{sagamodel.BehindPivot}, 1, 16},
		{"forget a retry", breaks("forget a retry"), []string{sagamodel.NeverEnds}, 1, 8},
		{"undo what nobody has refused", breaks("undo what nobody has refused"), []string{sagamodel.NoCause}, 3, 14},
		{"end without undoing", breaks("end without undoing"), []string{sagamodel.LeftInEffect}, 1, 8},
		{"undo in the order of doing", breaks("undo in the order of doing"), []string{sagamodel.OutOfOrder}, 3, 18},
		{"do late what was refused", sagamodel.Options{Forgetful: true}, []string{sagamodel.AfterEnd, sagamodel.LeftInEffect, sagamodel.BeforeTime, sagamodel.BehindPivot}, 4, 14},
	} {
		t.Run(c.bug, func(t *testing.T) {
			rep, seed := hunt(t, 800, c.opts)
			if rep.Broken == "" {
				t.Fatal("goes unnoticed")
			}
			t.Logf("found by schedule %d, %d faults, %d lines\n%s", seed, rep.Used.Faults(), len(rep.Lines), rep)
			if !slices.Contains(c.broken, rep.Broken) {
				t.Errorf("found as %q, want one of %q", rep.Broken, c.broken)
			}
			if rep.Used.Faults() > c.faults || len(rep.Lines) > c.lines {
				t.Errorf("%d faults in %d lines, want at most %d in %d", rep.Used.Faults(), len(rep.Lines), c.faults, c.lines)
			}
		})
	}
}
