package unboot

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// EmptyTree returns a tree whose root is an empty directory in the kernel's memory,
// for file systems that are to be mounted beside each other, with [FS.MountAt], rather
// than one in another. In [FS.Mounts] it is a device "none" of the type "ramfs".
func (img *Image) EmptyTree() (*FS, error) {
	if err := img.err(); err != nil {
		return nil, err
	}
	img.mountMu.Lock()
	defer img.mountMu.Unlock()
	img.mounted++
	dir := "/mnt/" + strconv.Itoa(img.mounted)
	m := Mount{Device: "none", Dir: ".", Type: "ramfs"}
	if err := img.k.Mkdirat(unix.AT_FDCWD, dir, 0o755); err != nil {
		return nil, &MountError{Device: m.Device, Type: m.Type, Err: err}
	}
	if err := img.k.Mount(m.Device, dir, m.Type, mountFlags(false), "mode=0755"); err != nil {
		img.k.Unlinkat(unix.AT_FDCWD, dir, unix.AT_REMOVEDIR)
		return nil, &MountError{Device: m.Device, Type: m.Type, Err: err}
	}
	return img.newTree(m, dir)
}

// UnmountAt writes and unmounts what is mounted on the directory dir of the tree, the
// last of several. flags are those of umount2(2): unix.MNT_DETACH makes it go away
// although it is in use. For the root, [FS.Unmount] is to be called. Errors are
// *fs.PathError: unix.EINVAL where nothing is mounted, unix.EBUSY for what is in use or
// has others mounted in it.
func (f *FS) UnmountAt(dir string, flags int) error {
	img, t := f.t.img, f.t
	img.mountMu.Lock()
	defer img.mountMu.Unlock()
	defer img.dropLoops()
	t.life.Lock()
	defer t.life.Unlock()
	for _, fd := range t.takeIdleSubs(math.MaxInt) {
		img.k.CloseFd(fd)
	}
	i, err := f.mountOn(dir)
	if err == nil && i == 0 {
		err = unix.EBUSY
	}
	if err != nil {
		return &fs.PathError{Op: "unmount", Path: dir, Err: err}
	}
	mark := img.mark()
	var errs []error
	m := t.mounts[i]
	root := img.k.Chroot(t.root)
	if !m.ReadOnly && flags&unix.MNT_DETACH == 0 {
		errs = append(errs, syncDir(root, m.Dir))
	}
	err = root.Unmount("/"+m.Dir, unix.UMOUNT_NOFOLLOW|flags)
	if err == nil {
		t.mounts = slices.Delete(t.mounts, i, i+1)
	}
	if err = errors.Join(append(errs, err)...); err != nil {
		return &fs.PathError{Op: "unmount", Path: dir, Err: img.explain(err, mark, noInode)}
	}
	return nil
}

// Remount makes what is mounted on the directory dir of the tree writable or
// read-only. Errors are *fs.PathError: unix.EINVAL where nothing is mounted, unix.EROFS
// for what cannot be written to.
func (f *FS) Remount(dir string, readOnly bool) error {
	img, t := f.t.img, f.t
	img.mountMu.Lock()
	defer img.mountMu.Unlock()
	t.life.Lock()
	defer t.life.Unlock()
	mark := img.mark()
	i, err := f.mountOn(dir)
	if err == nil && !readOnly && (!img.writable || readOnlyTypes[t.mounts[i].Type]) {
		err = unix.EROFS
	}
	if err == nil {
		err = img.k.Chroot(t.root).Mount("", "/"+t.mounts[i].Dir, "", unix.MS_REMOUNT|mountFlags(readOnly), "")
	}
	if err != nil {
		return &fs.PathError{Op: "remount", Path: dir, Err: img.explain(err, mark, noInode)}
	}
	t.mounts[i].ReadOnly = readOnly
	return nil
}

// mountOn returns the index of the last mount on a directory.
//
// Preconditions: life is held for writing.
func (f *FS) mountOn(dir string) (int, error) {
	if f.t.dead {
		return 0, fs.ErrClosed
	}
	for i, m := range slices.Backward(f.t.mounts) {
		if !f.sub && m.Dir == dir {
			return i, nil
		}
	}
	return 0, fmt.Errorf("nothing is mounted there: %w", unix.EINVAL)
}
