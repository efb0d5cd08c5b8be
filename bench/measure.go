package main

import (
	"fmt"
	"os/exec"
	"slices"
	"time"
)

// A sample is one run of one side. User and system time are those of the process
// and of the children it has waited for, where the side is a process.
type sample struct {
	wall, user, sys time.Duration
	// before is the wall time of an earlier version in the same turn, or 0.
	before time.Duration
}

// samples are the runs of one side, in the order in which they were made.
type samples []sample

// sorted returns one of the times of all samples, in ascending order.
func (s samples) sorted(of func(sample) time.Duration) []time.Duration {
	var d []time.Duration
	for _, x := range s {
		d = append(d, of(x))
	}
	slices.Sort(d)
	return d
}

// min returns the shortest run: the one that the rest of the machine disturbed least.
func (s samples) min() time.Duration { return s.sorted(wall)[0] }

func (s samples) median() time.Duration { return s.middle(wall) }

// middle returns the median of a time. Unlike the mean, a few runs that were disturbed do
// not change it; of an even number of runs it is the mean of the two in the middle.
func (s samples) middle(of func(sample) time.Duration) time.Duration {
	d := s.sorted(of)
	return (d[(len(d)-1)/2] + d[len(d)/2]) / 2
}

func wall(s sample) time.Duration { return s.wall }

func before(s sample) time.Duration { return s.before }

// split shows how the median divides into user and system time. Without a process of its
// own, a side has neither. The three medians are of different runs, so they need not add up.
func (s samples) split() string {
	user := s.middle(func(s sample) time.Duration { return s.user })
	sys := s.middle(func(s sample) time.Duration { return s.sys })
	if user+sys == 0 {
		return show(s.median())
	}
	return fmt.Sprintf("%s (user %s, system %s)", show(s.median()), show(user), show(sys))
}

// budget bounds the time of a benchmark, once each side had three runs.
const budget = 20 * time.Second

// turns runs the sides one after the other, n times, and begins with another one each
// time. The first turn, which fills caches, does not count. A nil side has no samples.
func (e *env) turns(n int, sides ...*side) ([]samples, error) {
	// The median of fewer runs may be an outlier.
	n = max(3, int(float64(n)*e.factor))
	all := make([]samples, len(sides))
	start := time.Now()
	for turn := range n + 1 {
		if turn > 3 && time.Since(start) > budget {
			break
		}
		for i := range sides {
			// What runs first would always meet the caches as the last one left them.
			i = (i + turn) % len(sides)
			if sides[i] == nil {
				continue
			}
			x, err := sides[i].turn(turn)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", sides[i].name, err)
			}
			if turn > 0 {
				all[i] = append(all[i], x)
			}
		}
	}
	return all, nil
}

// turn runs a side once, and its earlier version if there is one: which of the two comes
// first changes with each turn.
func (s *side) turn(n int) (x sample, err error) {
	var old sample
	versions := []func() error{
		func() (err error) { x, err = s.run(); return err },
		func() (err error) { old, err = s.before(); return err },
	}
	if s.before == nil {
		versions = versions[:1]
	} else if n%2 == 1 {
		slices.Reverse(versions)
	}
	for _, run := range versions {
		if err := run(); err != nil {
			return x, err
		}
	}
	x.before = old.wall
	return x, nil
}

// pairs is turns of two.
func (e *env) pairs(n int, a, b *side) (sa, sb samples, err error) {
	all, err := e.turns(n, a, b)
	if err != nil {
		return nil, nil, err
	}
	return all[0], all[1], nil
}

// timed runs a command.
func timed(cmd *exec.Cmd) (sample, error) {
	start := time.Now()
	err := cmd.Run()
	// Taken before anything else is done, and also if the command failed.
	s := sample{wall: time.Since(start)}
	if cmd.ProcessState != nil {
		s.user, s.sys = cmd.ProcessState.UserTime(), cmd.ProcessState.SystemTime()
	}
	if err != nil {
		err = fmt.Errorf("%v: %w", cmd.Args, err)
	}
	return s, err
}

// show prints a duration with three digits.
func show(d time.Duration) string {
	unit, name := time.Nanosecond, "ns"
	switch {
	case d >= time.Second:
		unit, name = time.Second, "s"
	case d >= time.Millisecond:
		unit, name = time.Millisecond, "ms"
	case d >= time.Microsecond:
		unit, name = time.Microsecond, "µs"
	}
	v := float64(d) / float64(unit)
	digits := 0
	if v < 10 {
		digits = 2
	} else if v < 100 {
		digits = 1
	}
	return fmt.Sprintf("%.*f %s", digits, v, name)
}
