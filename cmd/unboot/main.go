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
// The others do not change a byte of it, not even to replay a journal.
//
// # Compatibility
//
// Scripts can rely on the commands and their options, the exit codes (0 for success,
// 1 for failure, 2 for wrong usage), the fields of --json, and the names and formats
// of ls(1), find(1), stat(1), df(1), tar(1) and sha256sum(1). Texts for people (info,
// error messages, progress) may change.
//
// # The source
//
// A command is a file of the command's name, with an entry of the table in
// command.go: usage texts, manual pages and completion are made from that. What
// commands share: target.go (IMAGE:PATH), resolve.go (what the end of a path
// demands), mount.go, flags.go and the format files. Package internal/treecopy moves
// trees of files for cp and tar.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"

	_ "github.com/unboot/unboot/cmd/unboot/internal/ahead"
	"github.com/unboot/unboot/guestfs/hv"
	"github.com/unboot/unboot/lkl"
)

func main() {
	noCoreDumps()
	// Before anything of the command line is set up: libguestfs starts this many
	// times.
	if args, ok := hvArgs(os.Args); ok {
		os.Exit(hv.Main(args))
	}
	args := os.Args[1:]
	switch filepath.Base(os.Args[0]) {
	case mountHelper:
		if args = helperArgs(args); args == nil {
			return
		}
	case umountHelper:
		args = umountHelperArgs(args)
	}
	code := run(commands, args)
	lkl.Unprepare() // see package ahead
	os.Exit(code)
}

// The exit codes. That of a signal is 128 + SIGINT for all three signals, so that scripts
// have one number to compare with.
const (
	exitFailure = 1
	exitUsage   = 2
	exitSignal  = 130
)

// exitStatuses are the exit codes of every command, as documented.
var exitStatuses = []struct {
	code    int
	meaning string
}{
	{0, "success"},
	{exitFailure, "failure: at least one file or image could not be processed, and a message says why"},
	{exitUsage, "wrong usage: an unknown command or option, or a missing or surplus argument"},
	{exitNotExecuted, "exec, shell or tool could not execute the program"},
	{exitNoProgram, "exec or tool did not find the program"},
	{exitSignal, "stopped by SIGINT, SIGTERM or SIGHUP"},
	{128 + int(syscall.SIGPIPE), "the reader of standard output has gone"}, // the Go runtime ends the program
}

func run(table []*command, args []string) int {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, overview(table))
		return exitUsage
	}
	cmd := commandNamed(table, args[0])
	if cmd == nil {
		fmt.Fprintf(os.Stderr, "unboot: %v (try \"unboot help\")\n", noCommand(table, args[0]))
		return exitUsage
	}
	if cmd.image && !cmd.serves && len(args) > 1 {
		// Buffers of what is copied soon are garbage, and everything else is small:
		// collecting it less often costs a few megabytes.
		debug.SetGCPercent(400)
	}
	a := newApp(table, cmd.name)
	err := a.execute(cmd, args[1:])
	// Closed after an error, too: what was written before it must reach the disk.
	err = errors.Join(err, a.close())
	if a.atRecord != nil {
		why := err
		if o := a.ended(err); o != nil {
			why = o.endError()
		}
		a.atRecord(why)
	}
	return a.exitCode(cmd, err)
}

// execute parses a command's options and runs it. Options of images come last, so that a
// command can have an option of the same letter.
func (a *app) execute(cmd *command, args []string) error {
	f := &flagSet{}
	do := cmd.options(f)
	if cmd.image {
		f.image(&a.opts)
	}
	parse := cmd.parse
	if parse == nil {
		parse = (*flagSet).parse
	}
	args, err := parse(f, args)
	if err != nil {
		return err
	}
	return do(a, args)
}

// exitCode reports an error and returns the code to leave with.
func (a *app) exitCode(cmd *command, err error) int {
	defer func() {
		a.mu.Lock()
		a.sayAgain()
		a.mu.Unlock()
	}()
	var bad *usageError
	var status *statusError
	var program *programError
	switch {
	// Help that was asked for goes to standard output, so that it can be piped to a
	// pager.
	case errors.Is(err, errHelp):
		io.WriteString(os.Stdout, cmd.usageText())
		return 0
	case errors.As(err, &bad):
		fmt.Fprintf(os.Stderr, "unboot: %s: %v (try \"unboot help %s\")\n", a.cmd, err, a.cmd)
		return exitUsage
	case errors.As(err, &status):
		for _, e := range flatten(err) {
			if e != error(status) && !errors.As(e, &status) {
				a.tell(e)
			}
		}
		return status.code
	case errors.As(err, &program):
		for _, e := range flatten(err) {
			a.tell(e)
		}
		return program.code
	// Errors after a signal are its consequences.
	case a.interrupted():
		return exitSignal
	case errors.Is(err, syscall.EPIPE):
		return exitFailure // the reader of our output has ended, and needs no message
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

// flatten returns the errors that errors.Join has joined, each for a line of its own. An
// error of fmt.Errorf that wraps several is one message: it has no newline.
func flatten(err error) []error {
	if j, ok := err.(interface{ Unwrap() []error }); ok && strings.Contains(err.Error(), "\n") {
		return j.Unwrap()
	}
	return []error{err}
}
