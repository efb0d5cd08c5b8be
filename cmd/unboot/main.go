// Unboot lists, reads, writes and archives files inside disk images and block
// devices, in milliseconds, without root and without a virtual machine.
//
// # Files in images
//
// A file in an image is named IMAGE:PATH, as a file on another machine is for
// scp(1). Without -m the file system is found: the only one there is, or the
// one with an operating system, whose fstab(5) then says what else to mount.
// Otherwise the error lists what there is.
//
// # What changes an image
//
// Only the commands that say so in their usage text open an image for writing.
// All others do not change a byte of it, not even to replay a journal.
//
// # Compatibility
//
// What scripts rely on stays: the commands and their options, the exit codes (0
// for success, 1 for failure, 2 for wrong usage), the fields of --json, the names
// and formats that are those of ls(1), find(1), stat(1), df(1), tar(1) and
// sha256sum(1). Texts for people (info, error messages, progress) may change.
//
// # The source
//
// A command is a file of the command's name, with its usage text and one line in
// the table below. What commands share: target.go (IMAGE:PATH), resolve.go (what the
// end of a path demands), mount.go, flags.go, the format files; item.go, source_*.go and sink_*.go for all that
// moves trees of files.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/unboot/unboot/guestfs/hv"
	"github.com/unboot/unboot/lkl"
)

// A command is one word behind unboot.
type command struct {
	name  string
	run   func(a *app, args []string) error
	usage string
	image bool // wants an image, and with it a kernel
}

// commands returns the table. It is a function, and not a variable, since help
// is in the table and reads it.
func commands() []command {
	return []command{
		{"info", runInfo, usageInfo, true},
		{"ls", runLs, usageLs, true},
		{"cat", runCat, usageCat, true},
		{"cp", runCp, usageCp, true},
		{"tar", runTar, usageTar, true},
		{"find", runFind, usageFind, true},
		{"stat", runStat, usageStat, true},
		{"df", runDf, usageDf, true},
		{"sum", runSum, usageSum, true},
		{"write", runWrite, usageWrite, true},
		{"mkdir", runMkdir, usageMkdir, true},
		{"rm", runRm, usageRm, true},
		{"mv", runMv, usageMv, true},
		{"run", runRun, usageRun, false},
		{"env", runEnv, usageEnv, false},
		{"hv", runHV, usageHV, false},
		{"help", runHelp, usageHelp, false},
		{"version", runVersion, usageVersion, false},
	}
}

func main() {
	if args, ok := hvArgs(os.Args); ok {
		os.Exit(hv.Main(args))
	}
	os.Exit(run(os.Args[1:]))
}

// The exit codes.
const (
	exitFailure = 1
	exitUsage   = 2
	exitSignal  = 130
)

func run(args []string) int {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return exitUsage
	}
	switch args[0] {
	case "-h", "--help":
		args[0] = "help"
	case "-V", "--version":
		args[0] = "version"
	}
	table := commands()
	i := slices.IndexFunc(table, func(c command) bool { return c.name == args[0] })
	if i < 0 {
		names := make([]string, len(table))
		for i := range table {
			names[i] = table[i].name
		}
		fmt.Fprintf(os.Stderr, "unboot: no command %s%s (try \"unboot help\")\n", quote(args[0]), didYouMean(nearest(args[0], names)))
		return exitUsage
	}
	cmd := &table[i]
	if cmd.image && len(args) > 1 {
		lkl.Preload()
		// What is moved is garbage at once, and the rest is small: to
		// collect it less often costs some megabytes.
		debug.SetGCPercent(400)
	}
	a := newApp(cmd.name)
	err := cmd.run(a, args[1:])
	err = errors.Join(err, a.close())
	return a.exitCode(cmd, err)
}

// exitCode reports an error and returns the code to leave with.
func (a *app) exitCode(cmd *command, err error) int {
	defer func() {
		a.mu.Lock()
		a.sayAgain()
		a.mu.Unlock()
	}()
	var bad *usageError
	switch {
	case errors.Is(err, errHelp):
		io.WriteString(os.Stdout, cmd.usage)
		return 0
	case errors.As(err, &bad):
		fmt.Fprintf(os.Stderr, "unboot: %s: %v (try \"unboot help %s\")\n", a.cmd, err, a.cmd)
		return exitUsage
	case a.interrupted():
		return exitSignal
	case errors.Is(err, syscall.EPIPE):
		return exitFailure // whoever read our output has enough
	case err != nil && err != errReported:
		for _, e := range flatten(err) {
			a.tell(e)
		}
		return exitFailure
	case a.failed.Load() || err != nil:
		return exitFailure
	}
	return 0
}

// flatten returns the errors that errors.Join has joined.
func flatten(err error) []error {
	if j, ok := err.(interface{ Unwrap() []error }); ok && strings.Contains(err.Error(), "\n") {
		return j.Unwrap()
	}
	return []error{err}
}
