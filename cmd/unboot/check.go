package main

import (
	"errors"
	"fmt"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/source"
)

var checkCommand = command{
	name:     "check",
	short:    "look for errors in an image's tables",
	synopsis: []string{"[OPTION...] IMAGE"},
	brief:    "IMAGE",
	long: `Looks through the tables by which an image stores its disk. Errors may make reading or
writing go wrong; leaks only take up room. What is on the disk is not looked at, nor are
the files that the image names. Of an image of EWF, the hash sums are compared with what is
on the disk, for which --backing-files lets it have several segments.

It fails if there are errors and they are not repaired.
`,
	args: []kind{kindImage},
	options: func(f *flagSet) runFunc {
		c := &checker{}
		f.string(&c.format, "f", "format", "FORMAT", "format of the image, if it should not be detected").among(source.Names()...)
		f.value("r", "repair", "WHAT", "repair leaks, or all", func(v string) error {
			switch v {
			case "leaks":
				c.repair = disk.RepairLeaks
			case "all":
				c.repair = disk.RepairAll
			default:
				return errors.New("not leaks or all")
			}
			return nil
		}).among("leaks", "all")
		f.bool(&c.backing, "", "backing-files", "let an image name other files: if you trust it")
		f.bool(&c.json, "", "json", "print one JSON object")
		return c.run
	},
	examples: []string{"unboot check disk.qcow2", "unboot check --repair all disk.qcow2"},
}

type checker struct {
	format string
	repair disk.Repair
	json   bool

	backing bool
}

// A jsonCheck is what check prints.
type jsonCheck struct {
	Image       string   `json:"image"`
	Format      string   `json:"format"`
	Checked     bool     `json:"checked"`
	Errors      int64    `json:"errors"`
	Leaks       int64    `json:"leaks"`
	ErrorsFixed int64    `json:"errors_fixed"`
	LeaksFixed  int64    `json:"leaks_fixed"`
	Problems    []string `json:"problems"`
}

func (c *checker) run(a *app, args []string) error {
	if len(args) != 1 {
		return badUsage("expected one IMAGE")
	}
	name := disk.Display(args[0])
	if c.repair != disk.RepairNothing {
		a.willWrite()
	}
	o := source.Options{Format: c.format}
	if c.backing {
		o.Allow = func(disk.Reference) error { return nil }
	}
	format, res, err := sources().Check(a.life, args[0], o, c.repair)
	unchecked := errors.Is(err, source.ErrNoCheck)
	if err != nil && !unchecked {
		return openError(name, err)
	}
	j := &jsonCheck{name, format, !unchecked, res.Errors, res.Leaks, res.ErrorsFixed, res.LeaksFixed, append([]string{}, res.Problems...)}
	if c.json {
		if err := a.printJSON(j); err != nil {
			return err
		}
	} else {
		j.print(a)
	}
	if res.Errors > res.ErrorsFixed {
		return fmt.Errorf("%s: %s", quote(name), count(res.Errors-res.ErrorsFixed, "error"))
	}
	return nil
}

func (j *jsonCheck) print(a *app) {
	for _, p := range j.Problems {
		fmt.Fprintln(a.out, printable(p))
	}
	if !j.Checked {
		fmt.Fprintf(a.out, "%s: %s has nothing to check\n", quote(j.Image), j.Format)
		return
	}
	fmt.Fprintf(a.out, "%s: %s, %s, %s", quote(j.Image), j.Format, count(j.Errors, "error"), count(j.Leaks, "leak"))
	if j.ErrorsFixed+j.LeaksFixed > 0 {
		fmt.Fprintf(a.out, "; %d and %d of them repaired", j.ErrorsFixed, j.LeaksFixed)
	}
	fmt.Fprintln(a.out)
}

// count returns a number of things in words: "1 error", "2 errors".
func count(n int64, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}
