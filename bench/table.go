package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// A row is a line of the table.
type row struct {
	work    string
	ours    string // "min / median"
	against string // what it is compared with
	theirs  string
	ratio   string
	target  string
	met     verdict
	// hint says where the time goes; it is printed if the target is missed.
	hint string
	// before is the median of an earlier version, and change the ratio to it.
	before, change string
}

type verdict int

const (
	noTarget verdict = iota
	ok
	missed
)

func (v verdict) String() string { return [...]string{"", "ok", "**missed**"}[v] }

func judge(met bool) verdict {
	if met {
		return ok
	}
	return missed
}

// compare makes a row of two sides. The target is the most that the median of ours may
// be (most), or the ratio of the medians (ratio); 0 means that there is no target.
func compare(work string, ours samples, against string, theirs samples, most time.Duration, ratio float64, hint string) row {
	r := row{work: work, ours: show(ours.min()) + " / " + show(ours.median()), against: against}
	r.hint = "ours " + ours.split()
	if len(theirs) > 0 {
		q := float64(ours.median()) / float64(theirs.median())
		r.theirs = show(theirs.min()) + " / " + show(theirs.median())
		r.ratio = fmt.Sprintf("%.2f", q)
		r.hint += ", " + against + " " + theirs.split()
		if ratio > 0 {
			r.target = fmt.Sprintf("ratio ≤ %.2f", ratio)
			r.met = judge(q <= ratio)
		}
	} else if ratio > 0 {
		r.target = fmt.Sprintf("ratio ≤ %.2f", ratio)
		r.theirs = "not measured"
	}
	if most > 0 {
		r.target = "≤ " + show(most)
		r.met = judge(ours.median() <= most)
	}
	if old := ours.middle(before); old > 0 {
		r.before, r.change = show(old), fmt.Sprintf("%.2f", float64(ours.median())/float64(old))
	}
	if hint != "" {
		r.hint += ". To look closer: `" + hint + "`"
	}
	return r
}

// changes prints how rows compare with an earlier version, as Markdown.
func changes(rows []row) string {
	var b strings.Builder
	b.WriteString("| work | now, min / median | before, median | ratio of medians |\n|---|---|---|---|\n")
	for _, r := range rows {
		if r.before != "" {
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.work, r.ours, r.before, r.change)
		}
	}
	return b.String()
}

// table prints rows as Markdown, and the hints of those that missed their target.
func table(rows []row) string {
	var b strings.Builder
	b.WriteString("| work | unboot, min / median | against | its min / median | ratio | target | |\n")
	b.WriteString("|---|---|---|---|---|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %v |\n", r.work, r.ours, r.against, r.theirs, r.ratio, r.target, r.met)
	}
	first := true
	for _, r := range rows {
		if r.met != missed {
			continue
		}
		if first {
			b.WriteString("\nMissed, and where the time goes:\n\n")
			first = false
		}
		fmt.Fprintf(&b, "- %s: %s\n", r.work, r.hint)
	}
	return b.String()
}

const (
	docBegin = "<!-- written by bench/run -update -->\n"
	docEnd   = "<!-- end -->\n"
)

// updateDoc replaces what is between the marks of a file.
func updateDoc(path, text string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(data), docBegin)
	_, after, closed := strings.Cut(rest, docEnd)
	if !found || !closed {
		return fmt.Errorf("%s has no marks to write between", path)
	}
	return os.WriteFile(path, []byte(before+docBegin+text+docEnd+after), 0o644)
}
