package unboot

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// A CmdMount is something that a command sees in its tree, such as a directory of the host.
type CmdMount struct {
	// Target is the directory, or the file, that it is mounted on, a path in the tree.
	Target string
	// Optional mounts are left out where there is no such path.
	Optional bool
	// Open makes the mount in the image's kernel when the command is started, and
	// returns a descriptor of it, which is closed once the mount is made: of
	// [lkl.View.Fsmount] or of [lkl.View.OpenTree] with OPEN_TREE_CLONE. release, if it
	// is not nil, is called when the command has ended, or could not be started.
	// Its error is one of Wait.
	Open func(k *lkl.Kernel) (fd int, release func() error, err error)
}

// cmdMounts are the mounts of a command in the making.
type cmdMounts struct {
	k       *lkl.Kernel
	list    []lkl.ExecMount
	release []func() error
	pts     int // descriptor of the devpts file system
}

// add takes a mount that was made, or the error of making it.
func (m *cmdMounts) add(target string, optional bool, fd int, err error) error {
	if err != nil {
		return &os.PathError{Op: "mount", Path: target, Err: err}
	}
	m.list = append(m.list, lkl.ExecMount{Fd: fd, Target: target, Optional: optional})
	return nil
}

// close closes the descriptors: the program has what it needs by now.
func (m *cmdMounts) close() {
	for _, e := range m.list {
		if e.Fd >= 0 {
			m.k.CloseFd(e.Fd)
		}
	}
}

// mounts makes everything that the command sees, in the order in which it is mounted.
func (c *Cmd) mounts(m *cmdMounts) error {
	var err error
	if c.f != nil {
		err = m.tree(c.f.view)
	} else {
		err = m.toolRoot(c)
	}
	if err == nil {
		err = m.system(c.img)
	}
	run := -1
	if err == nil && !c.mountsOn("run") {
		if err = m.fresh("/run", "tmpfs", privateDir, "mode=0755"); err == nil {
			run = m.list[len(m.list)-1].Fd
		}
	}
	if err == nil {
		err = c.network(m, run)
	}
	for _, o := range c.Mounts {
		if err == nil {
			err = c.checkTarget(o)
		}
		if err != nil {
			return err
		}
		err = m.extra(o)
	}
	return err
}

// mountsOn reports whether the tree has something mounted on a directory.
func (c *Cmd) mountsOn(dir string) bool {
	if c.f == nil {
		return false
	}
	if c.f.sub {
		dir = join(c.f.name, dir)
	}
	for _, mounted := range c.f.t.mounts { // held by hold
		if mounted.Dir == dir {
			return true
		}
	}
	return false
}

// Attributes of mounts, as of fsmount(2).
const (
	privateDir = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV
	systemDir  = privateDir | unix.MOUNT_ATTR_NOEXEC
)

// tree mounts a copy of a tree with all that is mounted in it as the root. Programs can be
// executed there, which they cannot where this side sees it, and devices cannot be used.
func (m *cmdMounts) tree(v *lkl.View) error {
	fd, err := v.OpenTree(unix.AT_FDCWD, "/", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err := m.add("/", false, fd, err); err != nil {
		return err
	}
	allow := &unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_NOEXEC | unix.MOUNT_ATTR_NOSUID}
	err = m.k.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, allow)
	return os.NewSyscallError("mount_setattr", err)
}

// system mounts what a running system has, where there are directories for it.
func (m *cmdMounts) system(img *Image) error {
	m.list = append(m.list, lkl.ExecMount{Fd: lkl.MOUNT_PROC, Target: "/proc", Optional: true})
	if err := m.fresh("/sys", "sysfs", systemDir|unix.MOUNT_ATTR_RDONLY); err != nil {
		return err
	}
	if err := img.furnishDev(); err != nil {
		return err
	}
	fd, err := m.k.OpenTree(unix.AT_FDCWD, "/dev", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err := m.add("/dev", true, fd, err); err != nil {
		return err
	}
	const noExec = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC
	if err := m.fresh("/dev/pts", "devpts", noExec, "mode=0620", "gid=5", "ptmxmode=0666"); err != nil {
		return err
	}
	m.pts = m.list[len(m.list)-1].Fd
	return m.fresh("/dev/shm", "tmpfs", privateDir, "mode=1777")
}

// fresh mounts a file system of its own, with options "KEY=VALUE", where there is the target.
func (m *cmdMounts) fresh(target, fstype string, attrs int, options ...string) error {
	fd, err := newFileSystem(m.k, fstype, attrs, options...)
	return m.add(target, true, fd, err)
}

// newFileSystem makes a file system that needs no device, and returns a descriptor of a mount
// of it that is attached nowhere.
func newFileSystem(k *lkl.Kernel, fstype string, attrs int, options ...string) (int, error) {
	fs, err := k.Fsopen(fstype, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("%s: %w", fstype, err)
	}
	defer k.CloseFd(fs)
	for _, o := range options {
		key, value, _ := strings.Cut(o, "=")
		if err := k.FsconfigSetString(fs, key, value); err != nil {
			return -1, fmt.Errorf("%s: option %s: %w", fstype, o, err)
		}
	}
	if err := k.FsconfigCreate(fs); err != nil {
		return -1, fmt.Errorf("%s: %w", fstype, err)
	}
	return k.Fsmount(fs, unix.FSMOUNT_CLOEXEC, attrs)
}

// checkTarget reports a target that is not in the tree: the kernel could not say which it is.
func (c *Cmd) checkTarget(o CmdMount) error {
	if c.f == nil || o.Optional {
		return nil
	}
	target := absolute(CleanPath(o.Target))
	var st unix.Statx_t
	if err := c.f.view.Statx(unix.AT_FDCWD, target, 0, unix.STATX_TYPE, &st); err != nil {
		return &os.PathError{Op: "mount", Path: target, Err: err}
	}
	return nil
}

// extra mounts what the caller has asked for.
func (m *cmdMounts) extra(o CmdMount) error {
	target := absolute(CleanPath(o.Target))
	fd, release, err := o.Open(m.k)
	if release != nil {
		m.release = append(m.release, release)
	}
	return m.add(target, o.Optional, fd, err)
}

// absolute returns a clean path as the kernel takes it.
func absolute(name string) string {
	if name == "." {
		return "/"
	}
	return "/" + name
}
