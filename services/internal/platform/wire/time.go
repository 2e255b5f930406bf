package wire

import (
	"strings"
	"time"
)

// ParseTime reads a time in any form that Freshdesk takes: a date, a date with
// hours and minutes, with seconds, with a fraction, each with Z, with an offset
// +hh:mm, +hhmm or +hh, or with no zone, which means UTC. The result is in UTC
// and has a year from 1 to 9999.
func ParseTime(s string) (time.Time, bool) {
	layout := "2006-01-02"
	if len(s) > len(layout) {
		if s[len(layout)] != 'T' {
			return time.Time{}, false
		}
		clock, zone := s[len(layout)+1:], ""
		if i := strings.IndexAny(clock, "Z+-"); i >= 0 {
			clock, zone = clock[:i], clock[i:]
		}
		layout += "T15:04"
		if strings.Count(clock, ":") == 2 {
			layout += ":05"
		}
		switch {
		case zone == "":
		case zone == "Z":
			layout += "Z"
		case len(zone) == len("+hh"):
			layout += "-07"
		case len(zone) == len("+hhmm"):
			layout += "-0700"
		case len(zone) == len("+hh:mm"):
			layout += "-07:00"
		default:
			return time.Time{}, false
		}
		if strings.Contains(clock, ",") { // Go takes a comma for a point
			return time.Time{}, false
		}
	}
	t, err := time.Parse(layout, s)
	if err != nil {
		return time.Time{}, false
	}
	t = t.UTC()
	return t, t.Year() >= 1 && t.Year() <= 9999
}
