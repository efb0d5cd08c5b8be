package unboot

import (
	"context"
	"errors"
	"os"
	"path"

	"github.com/unboot/unboot/lkl"
)

// ErrNoTools is wrapped by the error of starting a command of [Image.Tool] where there is
// nothing that it could be taken from.
var ErrNoTools = errors.New("unboot: no tools of the host")

// Tool returns the command that runs a program of the host, such as lvcreate(8) or
// mkfs.ext4(8), on the image's devices: it is a [Cmd] whose root is not that of a guest. It
// is made for the command, and has /dev with the image's devices, /proc, /sys, empty
// directories /tmp and /run, and what the program needs of the host, which it can only read.
//
// What it changes of disks, partitions and volumes is known to the image after [Image.Rescan].
func (img *Image) Tool(name string, arg ...string) *Cmd {
	return &Cmd{Path: name, Args: append([]string{name}, arg...), img: img}
}

// ToolContext is [Image.Tool] with a context, as [FS.CommandContext].
func (img *Image) ToolContext(ctx context.Context, name string, arg ...string) *Cmd {
	return img.Tool(name, arg...).with(ctx)
}

// toolEnv is the environment of tools besides what all commands have: there is no udev that
// would make the nodes of volumes.
var toolEnv = []string{"DM_DISABLE_UDEV=1", "LANG=C.UTF-8"}

// A toolRoot says what of the host is seen by tools.
type toolRoot interface {
	// Furnish makes, in the new and empty root that dir is a descriptor of, the links and
	// files that a tool needs, and returns what is to be mounted there.
	Furnish(k *lkl.Kernel, dir int) ([]CmdMount, error)
	// LookPath returns where in that root a tool is.
	LookPath(name, dirs string) (string, error)
}

// hostTools is the toolRoot of tools, or nil if there is none.
var hostTools toolRoot

// toolRoot mounts the root of a tool.
func (m *cmdMounts) toolRoot(c *Cmd) error {
	if hostTools == nil {
		return ErrNoTools
	}
	fd, err := newFileSystem(m.k, "tmpfs", privateDir, "mode=0755")
	if err := m.add("/", false, fd, err); err != nil {
		return err
	}
	for _, dir := range []string{"dev", "proc", "sys", "run", "tmp"} {
		mode := uint32(0o755)
		if dir == "tmp" {
			mode = 0o1777
		}
		if err := m.k.Mkdirat(fd, dir, mode); err != nil {
			return &os.PathError{Op: "mkdir", Path: path.Join("/", dir), Err: err}
		}
	}
	extra, err := hostTools.Furnish(m.k, fd)
	if err != nil {
		return err
	}
	for _, o := range extra {
		if err := m.extra(o); err != nil {
			return err
		}
	}
	return nil
}

// lookTool returns the path of a tool in its root.
func (c *Cmd) lookTool(name, dirs string) (string, error) {
	if hostTools == nil {
		return "", ErrNoTools
	}
	return hostTools.LookPath(name, dirs)
}
