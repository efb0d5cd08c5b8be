package lsfmt

import "time"

// halfYear is what ls(1) has for six months: half of a Gregorian year of average length.
const halfYear = 31556952 / 2 * time.Second

// Time returns a time as ls -l writes it in the C locale: with its hour if it is within the
// half year before now, else with its year. Both have 12 characters.
func Time(t, now time.Time) string {
	if t.Before(now) && t.After(now.Add(-halfYear)) {
		return t.Format("Jan _2 15:04")
	}
	return t.Format("Jan _2  2006")
}
