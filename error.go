package unboot

import (
	"errors"
	"fmt"
	"strings"
)

// ErrNotFound is wrapped by the error of a search for a device that is not in
// the image.
var ErrNotFound = errors.New("no such device in the image")

// ErrNoFileSystem is wrapped by the error of [Image.MountAuto] and
// [Image.MountOS] when nothing in the image can be mounted.
var ErrNoFileSystem = errors.New("no file system found")

// A MountError reports that a device could not be mounted. Printed with %v it
// gives the kernel's most telling line, with %+v all of them.
type MountError struct {
	Device string // "/dev/sda1"
	Type   string // the kernel's driver, "" if none was found
	Err    error  // why: a unix.Errno, if the kernel said no
	// Log holds what the kernel logged while it tried, oldest first.
	Log []string
}

func (e *MountError) Error() string {
	s := "mount " + e.Device
	if e.Type != "" {
		s += " (" + e.Type + ")"
	}
	s += ": " + e.Err.Error()
	if line := tellingLine(e.Log); line != "" {
		s += ": " + line
	}
	if o := withoutJournal(e.Type, e.Log); o != "" {
		s += ": its journal cannot be loaded; the mount option " + o + " reads it without, as it was before the last changes"
	}
	return s
}

// Unwrap returns e.Err.
func (e *MountError) Unwrap() error { return e.Err }

// Format implements fmt.Formatter.
func (e *MountError) Format(s fmt.State, verb rune) {
	formatWithLog(s, verb, e, e.Log)
}

// A LogError is an I/O error with what the kernel logged around it. It stands
// in the Err of a *fs.PathError. %+v prints all lines.
type LogError struct {
	Err error // a unix.Errno
	// Log holds what the kernel has logged since the call began, oldest first.
	Log []string

	line string // of Log, the one that says most
}

func (e *LogError) Error() string {
	s := e.Err.Error()
	if e.line != "" {
		s += ": " + e.line
	}
	return s
}

// Unwrap returns e.Err.
func (e *LogError) Unwrap() error { return e.Err }

// Format implements fmt.Formatter.
func (e *LogError) Format(s fmt.State, verb rune) {
	formatWithLog(s, verb, e, e.Log)
}

// formatWithLog prints an error, and with %+v the lines of the log below it.
func formatWithLog(s fmt.State, verb rune, err error, log []string) {
	switch {
	case verb == 'q':
		fmt.Fprintf(s, "%q", err.Error())
		return
	case verb != 'v' && verb != 's':
		fmt.Fprintf(s, "%%!%c(%T)", verb, err)
		return
	}
	fmt.Fprint(s, err.Error())
	if verb == 'v' && s.Flag('+') {
		for _, line := range log {
			fmt.Fprint(s, "\n\t", line)
		}
	}
}

// An AmbiguousError reports that an image has several file systems and nothing
// says which is meant.
type AmbiguousError struct {
	Image string // host path of the first disk
	// Devices are those that could be mounted.
	Devices []*Device
}

func (e *AmbiguousError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d file systems and no single operating system:", e.Image, len(e.Devices))
	for i, d := range e.Devices {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte(' ')
		b.WriteString(d.String())
	}
	return b.String()
}
