// Package ahead starts the kernel of a command before the program is ready to run the command.
//
// A program of this size needs two milliseconds to initialize its packages and to read its
// arguments, and the kernel needs one to start: on two processors they do it at the same
// time. Go initializes a package as soon as those that it imports are initialized, in the
// order of their names, so this one imports next to nothing. What it knows of the command
// line is a guess: a wrong one costs a kernel that is killed, or one that comes later.
package ahead

import (
	"os"
	"slices"
	"strings"

	"github.com/unboot/unboot/lkl"
)

func init() {
	if memory, ok := guess(os.Args[1:]); ok {
		lkl.Prepare(&lkl.Config{Memory: memory, Programs: programMemory})
	}
}

// The memory of the kernels that commands boot, in bytes: of those who read, of those who
// write, and the memory for programs. They are the defaults of package unboot, which
// cannot be imported here.
const (
	readMemory    = lkl.DefaultMemory
	writeMemory   = 512 << 20
	programMemory = 4 << 30
)

// guess returns how much memory the kernel will have that a command line boots, and whether
// it is likely to boot one at once.
func guess(args []string) (memory int64, ok bool) {
	if len(args) < 2 || os.Getenv("SOURCE_DATE_EPOCH") != "" || slices.Contains(args, "--help") {
		return 0, false
	}
	writes := false
	switch rest := args[1:]; args[0] {
	case "cat", "df", "find", "info", "ls", "stat", "sum":
	case "customize", "mkdir", "mv", "rm", "sysprep", "write":
		writes = true
	case "cp":
		writes = strings.Contains(args[len(args)-1], ":")
	case "exec", "shell", "tool":
		writes = !slices.ContainsFunc(rest[:until(rest, "--")], func(a string) bool { return a == "-r" || a == "--read-only" })
	case "tar":
		writes = slices.ContainsFunc(rest, func(a string) bool { return a == "--extract" || isExtract(a) })
	default:
		return 0, false
	}
	if writes {
		return writeMemory, true
	}
	return readMemory, true
}

// until returns the index of a word, or the number of them.
func until(args []string, word string) int {
	if i := slices.Index(args, word); i >= 0 {
		return i
	}
	return len(args)
}

// isExtract reports whether an argument has short options of tar(1) with x among them.
func isExtract(a string) bool {
	return len(a) > 1 && a[0] == '-' && a[1] != '-' && strings.Contains(a, "x")
}
