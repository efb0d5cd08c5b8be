package main

import (
	"io"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

var writeCommand = command{
	name:     "write",
	short:    "write standard input to a file",
	synopsis: []string{"[OPTION...] IMAGE:PATH"},
	brief:    "IMAGE:PATH",
	long: `Writes standard input to a file in the image, which is created or truncated. An
existing file keeps its owner and permissions. Changes the image.
`,
	args: []kind{kindPath, kindNone},
	options: func(f *flagSet) runFunc {
		w := &writer{}
		f.bool(&w.add, "a", "append", "append to the file")
		f.value("", "mode", "MODE", "permissions of the file in octal (those of a new one are 644)", func(v string) (err error) {
			w.mode, err = parseMode(v)
			w.hasMode = true
			return err
		})
		return w.run
	},
	examples: []string{"echo server1 | unboot write disk.img:/etc/hostname"},
	image:    true,
}

// A writer has the options of write.
type writer struct {
	add     bool
	mode    fs.FileMode
	hasMode bool
}

// run checks the name before it reads anything: the program that writes to the pipe is then
// ended by the error as early as possible.
func (w *writer) run(a *app, args []string) error {
	if len(args) != 1 {
		return badUsage("expected one IMAGE:PATH")
	}
	o, t, err := a.target(args[0], true)
	if err != nil {
		return err
	}
	if t.path == "" {
		return badUsage("%s: no path after the image (expected IMAGE:PATH)", quote(args[0]))
	}
	if err := o.makeFile(t); err != nil {
		return o.aboutTarget(t, err)
	}
	// Standard input has no size.
	p := a.startProgress(0, false)
	return o.about(t.clean(), a.write(o, t.clean(), a.stdin(), p, w.add, w.mode, w.hasMode))
}

// write writes to a file, which is created if it does not exist. With hasMode the mode is
// set in any case; otherwise an existing file keeps its own.
func (a *app) write(o *opened, path string, r io.Reader, p *progress, add bool, mode fs.FileMode, hasMode bool) error {
	flag := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	if add {
		flag = os.O_WRONLY | os.O_CREATE | os.O_APPEND
	}
	perm := fs.FileMode(0o644)
	if hasMode {
		perm = mode
	}
	w, err := o.fs.OpenFile(path, flag, perm)
	if err != nil {
		return err
	}
	if hasMode {
		// The permissions given to OpenFile are those of a new file only. Set before
		// anything is written, as the content may be secret.
		err = w.Chmod(mode)
	}
	if err == nil {
		_, err = w.ReadFrom(io.TeeReader(r, counter{p}))
	}
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	return err
}

// parseMode parses an octal mode, including setuid and the like: fs.FileMode has other bits
// for those than st_mode.
func parseMode(s string) (fs.FileMode, error) {
	v, err := strconv.ParseUint(s, 8, 32)
	if err != nil || v > 0o7777 {
		return 0, badUsage("not an octal mode such as 755")
	}
	m := fs.FileMode(v & 0o777)
	if v&unix.S_ISUID != 0 {
		m |= fs.ModeSetuid
	}
	if v&unix.S_ISGID != 0 {
		m |= fs.ModeSetgid
	}
	if v&unix.S_ISVTX != 0 {
		m |= fs.ModeSticky
	}
	return m, nil
}
