package main

import (
	"fmt"

	"github.com/unboot/unboot/disk"
)

var diffCommand = command{
	name:     "diff",
	short:    "compare two disks",
	synopsis: []string{"[OPTION...] IMAGE OTHER"},
	brief:    "IMAGE OTHER",
	long: `Compares what is on two disks, byte by byte and whatever format each is in. A smaller disk
counts as if zeros followed it, unless --strict is given. What neither image stores is not
read.

The status is 0 if they are the same, 1 if they differ, and 2 if that cannot be said.
`,
	args: []kind{kindImage, kindImage},
	options: func(f *flagSet) runFunc {
		d := &differ{}
		d.a.formatOption(f)
		f.string(&d.b.format, "F", "other-format", "FORMAT", "format of OTHER, if it should not be detected")
		f.bool(&d.ranges, "", "map", "list what differs: offset and size in bytes")
		f.bool(&d.brief, "q", "brief", "print nothing, and stop at the first difference")
		f.bool(&d.strict, "s", "strict", "disks of different sizes differ")
		f.bool(&d.json, "", "json", "print one JSON object, with what differs")
		return d.run
	},
	examples: []string{"unboot diff disk.img disk.qcow2", "unboot diff --map before.qcow2 after.qcow2"},
	image:    true,
}

type differ struct {
	a, b                        diskOpener
	ranges, brief, strict, json bool
}

// A jsonDiff is what diff prints.
type jsonDiff struct {
	Same   bool        `json:"same"`
	Sizes  [2]int64    `json:"sizes"`
	Bytes  int64       `json:"bytes"`
	Ranges []jsonRange `json:"ranges"`
	// Truncated says that there are more ranges.
	Truncated bool `json:"truncated,omitempty"`
}

// A jsonRange is a part of a disk.
type jsonRange struct {
	Start int64 `json:"start"`
	Size  int64 `json:"size"`
}

// mostRanges is how many ranges --json lists.
const mostRanges = 1 << 20

// exitTrouble is the exit code of diff when it cannot say, as of diff(1) and cmp(1).
const exitTrouble = 2

func (d *differ) run(a *app, args []string) error {
	if len(args) != 2 {
		return badUsage("expected IMAGE and OTHER")
	}
	if err := d.a.check(a); err != nil {
		return err
	}
	j, err := d.compare(a, args)
	switch {
	case err != nil && a.interrupted():
		return err
	case err != nil:
		return &programError{exitTrouble, err}
	case d.json:
		err = a.printJSON(j)
	case !j.Same && !d.brief && !d.ranges:
		err = d.print(a, j, args)
	}
	if err == nil && !j.Same {
		return &statusError{exitFailure}
	}
	return err
}

func (d *differ) compare(a *app, args []string) (*jsonDiff, error) {
	x, err := d.a.open(a, args[0])
	if err != nil {
		return nil, err
	}
	defer x.Close()
	y, err := d.b.open(a, args[1])
	if err != nil {
		return nil, err
	}
	defer y.Close()
	p := a.startProgress(max(x.Size(), y.Size()), d.ranges)
	defer p.end()
	j := &jsonDiff{Same: true, Sizes: [2]int64{x.Size(), y.Size()}, Ranges: []jsonRange{}}
	if d.strict && x.Size() != y.Size() {
		j.Same = false
		if d.brief {
			return j, nil
		}
	}
	for r, err := range disk.Compare(a.ctx, x, y, func(n int64) { p.bytes.Add(n) }) {
		if err != nil {
			return nil, fmt.Errorf("%s and %s: %w", quote(disk.Display(args[0])), quote(disk.Display(args[1])), err)
		}
		j.Same = false
		j.Bytes += r.Size
		switch {
		case d.brief:
			return j, nil
		case d.ranges && !d.json:
			fmt.Fprintf(a.out, "%d\t%d\n", r.Start, r.Size)
		case len(j.Ranges) == mostRanges:
			j.Truncated = true
		case d.json || len(j.Ranges) == 0:
			j.Ranges = append(j.Ranges, jsonRange{r.Start, r.Size})
		}
	}
	return j, nil
}

func (d *differ) print(a *app, j *jsonDiff, args []string) error {
	fmt.Fprintf(a.out, "%s and %s differ", quote(disk.Display(args[0])), quote(disk.Display(args[1])))
	if len(j.Ranges) > 0 {
		fmt.Fprintf(a.out, " in %d bytes, first at %d", j.Bytes, j.Ranges[0].Start)
	}
	if j.Sizes[0] != j.Sizes[1] {
		fmt.Fprintf(a.out, "; they have %d and %d bytes", j.Sizes[0], j.Sizes[1])
	}
	_, err := fmt.Fprintln(a.out)
	return err
}
