package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// row is one line of the table.
type row struct {
	work, goal, measured, floor, verdict string
}

// table is what is printed at the end.
type table struct{ rows []row }

// atLeast adds a number that must not be below its goal, beside its floor in words.
func (t *table) atLeast(work string, goal, got float64, unit, floor string) {
	t.goal(work, "at least ", goal, got, unit, floor, got >= goal, goal-got)
}

// atMost adds a number that must not be above its goal.
func (t *table) atMost(work string, goal, got float64, unit, floor string) {
	t.goal(work, "at most ", goal, got, unit, floor, got <= goal, got-goal)
}

// exactly adds a number that must be its goal.
func (t *table) exactly(work string, goal, got float64, unit, floor string) {
	t.goal(work, "", goal, got, unit, floor, got == goal, max(got-goal, goal-got))
}

func (t *table) goal(work, how string, goal, got float64, unit, floor string, met bool, by float64) {
	verdict := "met"
	if !met {
		verdict = fmt.Sprintf("missed by %.0f %%", 100*by/goal)
	}
	t.rows = append(t.rows, row{work, how + number(goal) + unit, number(got) + unit, floor, verdict})
}

// note adds a number without a goal.
func (t *table) note(work string, got float64, unit, floor string) {
	t.rows = append(t.rows, row{work, "-", number(got) + unit, floor, ""})
}

func number(x float64) string {
	switch {
	case x == float64(int64(x)):
		return fmt.Sprintf("%.0f", x)
	case x < 10:
		return fmt.Sprintf("%.2f", x)
	}
	return fmt.Sprintf("%.1f", x)
}

func (t *table) print(w io.Writer) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "work\tgoal\tmeasured\tabsolute numbers\tverdict")
	for _, r := range t.rows {
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\n", r.work, r.goal, r.measured, r.floor, r.verdict)
	}
	return out.Flush()
}

// median of some durations; it changes their order.
func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}
