package main

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

var catCommand = command{
	name:     "cat",
	short:    "print files",
	synopsis: []string{"[OPTION...] IMAGE:PATH..."},
	brief:    "IMAGE:PATH...",
	long: `Writes files to standard output, one after the other. Symbolic links are followed
inside the image.
`,
	args:    []kind{kindPath},
	options: noOptions(runCat),
	examples: []string{
		"unboot cat disk.img:/etc/os-release",
		"unboot cat disk.img:/var/log/syslog.1.gz | zcat | less",
	},
	image: true,
}

func runCat(a *app, args []string) error {
	if len(args) == 0 {
		return badUsage("no IMAGE:PATH given")
	}
	for _, arg := range args {
		o, t, err := a.target(arg, false)
		if err != nil {
			return err
		}
		// The root directory, which other commands take then, is nothing to print.
		if t.path == "" {
			return badUsage("%s: no path after the image (expected IMAGE:PATH)", quote(arg))
		}
		path, err := o.existing(t)
		if err == nil {
			err = a.cat(o, path)
		}
		// The next file would not get through either.
		var out *outputError
		if errors.As(err, &out) {
			return err
		}
		a.fail(o.aboutTarget(t, err))
	}
	return nil
}

func (a *app) cat(o *opened, path string) error {
	f, err := o.fs.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	// Open succeeds for a directory, as open(2) does.
	if st, err := f.Stat(); err == nil && st.IsDir() {
		return unix.EISDIR
	}
	w, err := a.stdout()
	if err != nil {
		return &outputError{err}
	}
	// io.Copy uses the file's WriteTo, which can write without copying the data through
	// our memory.
	_, err = io.Copy(w, f)
	// One call both reads and writes: the path in the error distinguishes the two.
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) && pe.Path == os.Stdout.Name() {
		return &outputError{err}
	}
	return err
}

// An outputError is an error of writing to standard output. The command ends with it:
// whatever follows could not be written either.
type outputError struct{ err error }

func (e *outputError) Error() string { return e.err.Error() }
func (e *outputError) Unwrap() error { return e.err }
