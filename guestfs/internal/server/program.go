package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/xdr"
	"github.com/unboot/unboot/internal/hosttool"
	"github.com/unboot/unboot/lkl"
)

// # Programs
//
// Programs run on the image's kernel: those of the guest in what is mounted, and tools of
// the host on the image's devices. A tool that works on the mounted tree finds it in
// [treePlace]. What package hosttool has a tool do on a copy, these do on the device itself.

// treePlace is where tools see the mounted tree.
const treePlace = "/sysroot"

// inTree returns a path of the guest as tools see it. Symbolic links in it are followed in
// the guest, as far as it is there.
func (s *Server) inTree(name string) string {
	if real, err := s.realpath(name); err == nil {
		name = real
	}
	return treePlace + guestPath(unboot.CleanPath(name))
}

// A program is a tool of the host and what it works on.
type program struct {
	name string
	args []string
	tree bool      // it sees the tree in treePlace
	dir  string    // of the host: its /tmp, if not ""
	in   io.Reader // may be nil
	out  io.Writer // gets standard output, if not nil
	ok   []int     // exit statuses that are not errors, besides 0
	// quiet are lines of standard error that say nothing to the user.
	quiet []string
}

// runProgram runs a tool and returns what it writes to standard output, and its exit status.
func (s *Server) runProgram(ctx context.Context, p program) (out string, status int, err error) {
	if _, err := hosttool.Find(p.name); err != nil {
		return "", 0, missingTool(err)
	}
	img, err := s.image()
	if err != nil {
		return "", 0, err
	}
	c := img.ToolContext(ctx, p.name, p.args...)
	if p.tree {
		c.Mounts = append(c.Mounts, unboot.CmdMount{Target: treePlace, Open: s.openTree})
	}
	if p.dir != "" {
		c.Mounts = append(c.Mounts, unboot.Bind(p.dir, "/tmp", true))
	}
	c.Stdin = p.in
	defer s.devicesChanged()
	return s.run(c, p)
}

// openTree is the Open of an [unboot.CmdMount] of what is mounted.
func (s *Server) openTree(*lkl.Kernel) (fd int, release func() error, err error) {
	fd, err = s.view().OpenTree(cwd, "/", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	return fd, nil, err
}

// run runs a command, of which p says what becomes of its output. The error of one that fails is what it writes to standard error, as it
// is with the daemon, or how it has ended if it writes nothing.
func (s *Server) run(c *unboot.Cmd, p program) (out string, status int, err error) {
	var stdout, stderr output
	c.Stdout, c.Stderr = &stdout, &stderr
	if p.out != nil {
		c.Stdout = p.out
	}
	s.logf("command: %s", c)
	s.cpu.pause()
	err = c.Run()
	if text := stderr.String(); text != "" {
		s.logf("%s: %s", c.Path, text)
	}
	if c.ProcessState != nil {
		status = c.ProcessState.ExitCode()
	}
	var exit *unboot.ExitError
	switch {
	case err == nil:
	case errors.As(err, &exit) && slices.Contains(p.ok, status):
		err = nil
	case errors.As(err, &exit):
		if text := strings.TrimRight(stderr.without(p.quiet), "\n"); text != "" {
			return stdout.String(), status, errorf("%s", text)
		}
		return stdout.String(), status, errorf("%s: %v", c.Path, exit.ProcessState)
	default:
		return "", status, s.startError(c, err)
	}
	if err == nil && stdout.cut {
		err = errTooLong
	}
	return stdout.String(), status, err
}

// startError words the error of a program that was not started, in the daemon's words, whose
// child says it.
func (s *Server) startError(c *unboot.Cmd, err error) error {
	var path *fs.PathError
	var find *exec.Error
	switch {
	case errors.Is(err, lkl.ErrNoPrograms):
		s.tellNoPrograms(c.Path, err)
		return &protocol.Error{Name: "ENOTSUP", Message: err.Error()}
	case errors.As(err, &find) && errors.Is(err, exec.ErrNotFound):
		return programError(unix.ENOENT, "%s", find.Name)
	case errors.As(err, &path) && path.Op == "exec":
		return programError(err, "%s", path.Path)
	}
	return programError(err, "%s", c.Path)
}

// tellNoPrograms says once what virt-customize keeps to itself: of an error of these
// procedures it says that the command exited with an error.
func (s *Server) tellNoPrograms(name string, err error) {
	if s.config.Tell != nil && !s.told {
		s.config.Tell(fmt.Sprintf("%s: %v (with UNBOOT_HV_FALLBACK=1, libguestfs's own appliance runs in its place)", name, err))
	}
	s.told = true
}

// An output keeps the beginning of what is written to it, as much as a message holds.
type output struct {
	bytes.Buffer
	cut bool
}

func (o *output) Write(p []byte) (int, error) {
	n := min(len(p), max(0, xdr.Limit-1024-o.Len()))
	o.Buffer.Write(p[:n])
	o.cut = o.cut || n < len(p)
	return len(p), nil
}

// without returns what was written without some lines.
func (o *output) without(lines []string) string {
	text := o.String()
	for _, line := range lines {
		text = strings.ReplaceAll(text, line+"\n", "")
	}
	return text
}

// needTools returns the error of the first tool that the host does not have.
func needTools(names ...string) error {
	for _, name := range names {
		if _, err := hosttool.Find(name); err != nil {
			return missingTool(err)
		}
	}
	return nil
}
