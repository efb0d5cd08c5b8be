package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// toolUse is what a tool does with a device.
type toolUse int

const (
	toolReads   toolUse = iota
	toolChanges         // something of what is there
	toolMakes           // all anew: it need not see what is there
)

// A tool is a program of the host and what it is to work on.
type tool struct {
	use     toolUse
	devices []string
	name    string
	args    []string  // deviceArg(i) in them stands for devices[i]
	ok      []int     // exit statuses that are no errors, besides 0
	in      io.Reader // may be nil
	out     io.Writer // gets standard output, if not nil
	mounts  bool      // it is a script that mounts or unmounts, which Landlock forbids
}

// deviceArg is the argument of tools that stands for the i-th device.
func deviceArg(i int) string { return fmt.Sprintf("\x00%d\x00", i) }

// onDevice runs a tool on a device, for which deviceArg(0) stands in the arguments.
func (s *Server) onDevice(ctx context.Context, use toolUse, device string, ok []int, name string, args ...string) (string, error) {
	out, _, err := s.runTool(ctx, tool{use: use, devices: []string{device}, ok: ok, name: name, args: args})
	return out, err
}

// inUse is the error of what is not done to a device that somebody uses. In the appliance
// it comes from a program, without an errno.
func inUse(device string) error {
	return programError(unix.EBUSY, "open: %s", device)
}

// statusInUse is that of fsck(8) where it does not begin.
const statusInUse = 8

// runTool runs a tool on copies of devices, which must not be in use if it changes them,
// and returns what it says and its exit status. What it has changed is written to the
// devices. A tool that was killed, or is not there, changes nothing.
func (s *Server) runTool(ctx context.Context, t tool) (out string, status int, err error) {
	if _, err := findTool(t.name); err != nil {
		return "", 0, err
	}
	w, err := newWorkshop()
	if err != nil {
		return "", 0, err
	}
	defer w.close()
	// What is written has to be on the disks, for holes to be found there, and since the
	// device of a tool that reads may be mounted.
	if err := s.store.sync(); err != nil {
		return "", 0, err
	}
	names := map[string]string{}
	var copies []*toolCopy
	t.args = slices.Clone(t.args)
	for i, device := range t.devices {
		flags := unix.O_RDONLY
		if t.use != toolReads {
			// Mounted devices are busy.
			flags = unix.O_RDWR | unix.O_EXCL
		}
		n, err := s.openNode(device, flags)
		if errors.Is(err, unix.EBUSY) {
			return "", statusInUse, inUse(device)
		}
		if err != nil {
			return "", 0, err
		}
		defer n.close()
		file := fmt.Sprint("device", i)
		f, err := w.file(file, n.size)
		if err != nil {
			return "", 0, err
		}
		c := &toolCopy{n: n, f: f, holes: s.holes(n)}
		if t.use != toolMakes {
			if err := c.fill(ctx); err != nil {
				return "", 0, perror(err, "copy of %s in %s", device, filepath.Dir(w.dir))
			}
		}
		copies = append(copies, c)
		names[file] = device
		for j := range t.args {
			t.args[j] = strings.ReplaceAll(t.args[j], deviceArg(i), filepath.Join(w.dir, file))
		}
	}
	out, err = w.run(ctx, names, t)
	var failed *toolError
	if errors.As(err, &failed) {
		if status = failed.code; slices.Contains(t.ok, status) {
			err = nil
		}
	}
	// What a tool has changed before it failed is what it wanted, as on a disk.
	if t.use == toolReads || err != nil && (t.use == toolMakes || failed == nil || status < 0) {
		return out, status, err
	}
	s.devicesChanged()
	for _, c := range copies {
		werr := c.writeBack(t.use == toolMakes)
		if err == nil && werr != nil {
			err = perror(werr, "write: %s", c.n.name)
		}
	}
	return out, status, err
}
