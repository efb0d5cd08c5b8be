package unboot

import (
	"context"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/toolroot"
	"github.com/unboot/unboot/lkl"
)

// Tool returns the command that runs a program of the host, such as lvcreate(8) or
// mkfs.ext4(8), on the image's devices: it is a [Cmd] whose root is not that of a guest. It
// is made for the command, and has /dev with the image's devices, /proc, /sys, empty
// directories /mnt, /tmp and /run, and what the program needs of the host, which it can only read.
//
// What it changes of disks, partitions and volumes is known to the image after [Image.Rescan].
// Devices that it sets up and leaves are taken away by [Image.Close].
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

// hostTools returns what tools see of the host.
func (img *Image) hostTools() *toolroot.Host {
	img.toolsOnce.Do(func() { img.tools = toolroot.New(img.k) })
	return img.tools
}

// toolRoot mounts the root of a tool.
func (m *cmdMounts) toolRoot(c *Cmd) error {
	fd, err := newFileSystem(m.k, "tmpfs", privateDir, "mode=0755")
	if err := m.add("/", false, fd, err); err != nil {
		return err
	}
	for _, dir := range []string{"dev", "mnt", "proc", "sys", "run", "tmp"} {
		mode := uint32(0o755)
		if dir == "tmp" {
			mode = 0o1777
		}
		if err := m.k.Mkdirat(fd, dir, mode); err != nil {
			return &os.PathError{Op: "mkdir", Path: path.Join("/", dir), Err: err}
		}
	}
	var resolvConf []byte
	if n := c.img.network; n != nil {
		resolvConf = n.ResolvConf()
	}
	list, err := c.img.hostTools().Furnish(fd, resolvConf)
	for _, o := range list {
		if err := m.add(o.Target, false, o.Fd, nil); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	for _, o := range c.Mounts {
		if err := makePlace(m.k, fd, CleanPath(o.Target)); err != nil {
			return err
		}
	}
	return nil
}

// makePlace makes the directories of a path in a root that is new.
func makePlace(k *lkl.Kernel, root int, dir string) error {
	for i := 1; i <= len(dir); i++ {
		if i < len(dir) && dir[i] != '/' || dir == "." {
			continue
		}
		if err := k.Mkdirat(root, dir[:i], 0o755); err != nil && err != unix.EEXIST {
			return &os.PathError{Op: "mkdir", Path: "/" + dir[:i], Err: err}
		}
	}
	return nil
}

// lookTool returns the path of a tool in its root.
func (c *Cmd) lookTool(name, dirs string) (string, error) {
	return c.img.hostTools().LookPath(name, dirs)
}
