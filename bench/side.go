package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A side is one of the things that a line compares. Its run does the work once, with the
// preparation it needs, and returns the time of the work alone.
type side struct {
	name string
	run  func() (sample, error)
	// before is run with the programs of an earlier version, or nil.
	before func() (sample, error)
}

// programs are those of one version: unboot, and this one, which is the parent of the
// processes that measure a library.
type programs struct {
	unboot, bench string // host paths
}

func findPrograms(unboot, bench string) (p programs, err error) {
	for _, x := range []struct {
		name string
		to   *string
	}{{unboot, &p.unboot}, {bench, &p.bench}} {
		if *x.to, err = filepath.Abs(x.name); err != nil {
			return p, err
		}
		if _, err = os.Stat(*x.to); err != nil {
			return p, err
		}
	}
	return p, nil
}

// ours is a side that measures this project: now, and before if there is an earlier
// version to compare with.
func (e *env) ours(name string, work func(p programs) (sample, error)) *side {
	s := &side{name: name, run: func() (sample, error) { return work(e.programs) }}
	if e.before != nil {
		s.before = func() (sample, error) { return work(*e.before) }
	}
	return s
}

// unbootDoes is a side that is one command of unboot.
func (e *env) unbootDoes(args ...string) *side {
	return e.ours("unboot", func(p programs) (sample, error) { return timed(exec.Command(p.unboot, args...)) })
}

// program is a side that is a process of its own.
func program(argv ...string) *side {
	return &side{name: argv[0], run: func() (sample, error) { return timed(exec.Command(argv[0], argv[1:]...)) }}
}

// library is a side that is a new process of this program, which measures something by
// itself.
func (e *env) library(args ...string) *side {
	return e.ours("child "+args[0], func(p programs) (s sample, err error) {
		cmd := exec.Command(p.bench, append([]string{"child"}, args...)...)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return s, fmt.Errorf("child %v: %w", args, err)
		}
		ns, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
		s.wall = time.Duration(ns)
		s.user, s.sys = cmd.ProcessState.UserTime(), cmd.ProcessState.SystemTime()
		return s, err
	})
}

// alone returns the side without its earlier version, which measures something else.
func (s *side) alone() *side { return &side{name: s.name, run: s.run} }

// child is the main function of the new process.
func child(args []string) error {
	var d time.Duration
	var err error
	switch args[0] {
	case "open":
		d, err = openFirst(args[1], args[2], args[3])
	case "walk":
		d, err = walkUnboot(args[1])
	case "walk-diskfs":
		d, err = walkDiskfs(args[1])
	case "guestfs":
		d, err = launchFirst(args[1], args[2], args[3])
	case "futex":
		return futexChild()
	case "inspect":
		return inspectFleet(args[1], args[2])
	default:
		return fmt.Errorf("child %s?", args[0])
	}
	if err != nil {
		return err
	}
	_, err = fmt.Println(d.Nanoseconds())
	return err
}
