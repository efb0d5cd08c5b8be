// Command bench measures whole commands and library calls against what else can
// do the work on the same machine: the host kernel's loop mount, and go-diskfs.
//
// Both sides of a line run in turns in one process, so that a change of the
// machine's speed meets both. Each run of a side starts with nothing of the image's
// file system cached by its kernel, and with the image in the host's page cache.
// Preparation (mounting, copying an empty image) is not counted, except
// for unboot, whose time is that of the whole process.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"time"
)

// A benchmark measures one or more lines of the table.
type benchmark struct {
	name string
	run  func(*env) ([]row, error)
}

var benchmarks = []benchmark{
	{"ls", benchLs},
	{"info", benchInfo},
	{"open", benchOpen},
	{"volumes", benchVolumes},
	{"call", benchCall},
	{"list", benchList},
	{"diskfs", benchDiskfs},
	{"cat", benchCat},
	{"tar", benchTar},
	{"write", benchWrite},
	{"convert", benchConvert},
	{"unpack", benchUnpack},
	{"guestfs", benchGuestfs},
	{"package", benchGuestfsGo},
	{"download", benchDownload},
	{"inspect", benchInspect},
	{"exec", benchExec},
	{"costs", benchProgramCosts},
	{"tools", benchVolumeTools},
	{"memory", benchMemory},
	{"program-memory", benchProgramMemory},
	{"leaks", benchLeaks},
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "child" {
		if err := child(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "bench child:", err)
			os.Exit(1)
		}
		return
	}
	only := flag.String("only", ".", "measure the benchmarks whose name matches the `regexp`")
	runs := flag.Float64("n", 1, "multiply the number of runs of each line by this `factor`")
	binary := flag.String("unboot", "../bin/unboot", "the `program` to measure")
	before := flag.String("before", "", "compare with the programs unboot and bench of an earlier version, in this `directory`")
	update := flag.Bool("update", false, "write the table into ../docs/benchmarks.md")
	appliance := flag.Bool("appliance", false, "also time libguestfs's own appliance")
	flag.Parse()

	if *update && *before != "" {
		fatal(errors.New("-update and -before exclude each other"))
	}
	match, err := regexp.Compile(*only)
	if err != nil {
		fatal(err)
	}
	e, err := newEnv(*binary, *before, *runs, *appliance)
	if err != nil {
		fatal(err)
	}
	rows, failed := measure(e, match)
	text := e.machine() + "\n"
	if e.before != nil {
		text += changes(rows)
	} else {
		text += table(rows)
	}
	e.close()
	fmt.Print("\n", text)
	if *update {
		if err := updateDoc("../docs/benchmarks.md", text); err != nil {
			fatal(err)
		}
	}
	if failed {
		os.Exit(1)
	}
}

func measure(e *env, match *regexp.Regexp) (rows []row, failed bool) {
	for _, b := range append(benchmarks, mountBenchmarks...) {
		if !match.MatchString(b.name) {
			continue
		}
		start := time.Now()
		fmt.Fprintf(os.Stderr, "%s… ", b.name)
		r, err := b.run(e)
		fmt.Fprintf(os.Stderr, "%.1f s\n", time.Since(start).Seconds())
		if err != nil {
			fmt.Fprintf(os.Stderr, "bench: %s: %v\n", b.name, err)
			failed = true
		}
		rows = append(rows, r...)
	}
	return rows, failed
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(1)
}
