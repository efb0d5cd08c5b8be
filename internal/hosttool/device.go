package hosttool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// A Device is what a tool works on a copy of.
type Device interface {
	io.ReaderAt
	io.WriterAt
	Name() string // for messages
	Size() int64  // bytes

	// NextData returns the first place from off on that may have something other than
	// zeros, or the size of the device.
	NextData(off int64) int64
	// Clear makes all of the device zeros if that takes no writing, and returns an error
	// otherwise.
	Clear() error
	// Sync makes stable what was written.
	Sync() error
}

// Arg is the argument of a command that stands for the i-th device.
func Arg(i int) string { return fmt.Sprintf("\x00%d\x00", i) }

// OnDevices runs a tool on copies of devices and returns the beginning of its output and its
// exit status, of which ok are not errors, besides 0. What it has changed is written to the
// devices if it has ended by itself, as what a tool has changed before it failed is what it
// wanted, as on a disk. A tool that was killed, or that fails to make something, changes
// nothing.
//
// Errors are those of [Workshop.Run], or an *[fs.PathError] that names the device.
//
// Preconditions: nothing else writes to the devices.
func OnDevices(ctx context.Context, c Command, devices []Device, ok []int) (out string, status int, err error) {
	if _, err := Find(c.Name); err != nil {
		return "", 0, err
	}
	w, err := New()
	if err != nil {
		return "", 0, err
	}
	defer w.Close()
	var copies []*deviceCopy
	c.Names, c.Args = map[string]string{}, slices.Clone(c.Args)
	for i, d := range devices {
		file := fmt.Sprint("device", i)
		f, err := w.File(file, d.Size())
		if err != nil {
			return "", 0, err
		}
		cp := &deviceCopy{d: d, f: f}
		if c.Use != Makes {
			if err := cp.fill(ctx); err != nil {
				return "", 0, &fs.PathError{Op: "copy to " + filepath.Dir(w.dir), Path: d.Name(), Err: err}
			}
		}
		copies = append(copies, cp)
		c.Names[file] = d.Name()
		for j := range c.Args {
			c.Args[j] = strings.ReplaceAll(c.Args[j], Arg(i), filepath.Join(w.dir, file))
		}
	}
	out, err = w.Run(ctx, c)
	var failed *Error
	if errors.As(err, &failed) {
		if status = failed.Status; slices.Contains(ok, status) {
			err = nil
		}
	}
	if c.Use == Reads || err != nil && (c.Use == Makes || failed == nil || status < 0) {
		return out, status, err
	}
	for _, cp := range copies {
		werr := cp.writeBack(c.Use == Makes)
		if err == nil && werr != nil {
			err = &fs.PathError{Op: "write", Path: cp.d.Name(), Err: werr}
		}
	}
	return out, status, err
}
