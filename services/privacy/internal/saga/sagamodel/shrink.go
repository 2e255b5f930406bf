package sagamodel

import "slices"

// Shrink returns a schedule that breaks what rep has broken with as few and as
// early choices as it can find, and how it went. try runs a schedule.
func Shrink(rep Report, try func(Schedule) Report) Report {
	best := rep
	better := func(s Schedule) bool {
		r := try(s)
		if r.Broken != rep.Broken || !less(r, best) {
			return false
		}
		best = r
		return true
	}
	for again := true; again; {
		again = false
		for size := max(len(best.Used)/2, 1); size > 0; size /= 2 {
			for at := 0; at+size <= len(best.Used); {
				if better(slices.Delete(slices.Clone(best.Used), at, at+size)) || better(calmed(best.Used, at, size)) {
					again = true
					continue
				}
				at += size
			}
		}
		for at := range best.Used {
			for v := byte(1); at < len(best.Used) && v < best.Used[at]; v++ {
				s := slices.Clone(best.Used)
				s[at] = v
				if better(s) {
					again = true
					break
				}
			}
		}
	}
	return best
}

// calmed returns the schedule with a part of it made calm; the schedule itself when it is calm already.
func calmed(s Schedule, at, size int) Schedule {
	c := slices.Clone(s)
	for i := at; i < at+size; i++ {
		c[i] = 0
	}
	return c
}

// less orders reports: fewer faults, then fewer lines, then shorter, then lower choices.
func less(a, b Report) bool {
	for _, d := range []int{a.Used.Faults() - b.Used.Faults(), len(a.Lines) - len(b.Lines), len(a.Used) - len(b.Used)} {
		if d != 0 {
			return d < 0
		}
	}
	return slices.Compare(a.Used, b.Used) < 0
}
