package lkl

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// Mount mounts a file system, as mount(2). data is at most 4095 bytes.
func (v *View) Mount(source, target, fstype string, flags uintptr, data string) error {
	c, err := v.begin()
	if err != nil {
		return err
	}
	defer c.end()
	// The kernel takes a copy of the whole page that holds data.
	if err := c.reserve(len(source) + len(target) + len(fstype) + pathMax + 64); err != nil {
		return err
	}
	var a [4]uint64
	for i, s := range []string{source, target, fstype, data} {
		if i == 0 && s == "" || i == 2 && s == "" || i == 3 && s == "" {
			continue // NULL
		}
		if a[i], err = c.path(s); err != nil {
			return err
		}
	}
	_, err = c.do(sysMount, a[0], a[1], a[2], uint64(flags), a[3])
	return err
}

// Unmount detaches a file system, as umount2(2). When it returns nil without
// MNT_DETACH, the file system has been written and closed.
func (v *View) Unmount(target string, flags int) error {
	return errorOf(v.callPath(sysUmount2, target, uint64(flags)))
}

// Fsopen starts the configuration of a file system, as fsopen(2).
func (v *View) Fsopen(fsName string, flags int) (fd int, err error) {
	return v.callPath(sysFsopen, fsName, uint64(flags))
}

// FsconfigSetFlag sets an option without a value, as fsconfig(2).
func (v *View) FsconfigSetFlag(fd int, key string) error {
	return v.fsconfig(fd, unix.FSCONFIG_SET_FLAG, key, "", 0)
}

// FsconfigSetString sets an option to a string, as fsconfig(2).
func (v *View) FsconfigSetString(fd int, key, value string) error {
	return v.fsconfig(fd, unix.FSCONFIG_SET_STRING, key, value, 0)
}

// FsconfigCreate makes the superblock, as fsconfig(2). Messages on failure
// can be read from fd.
func (v *View) FsconfigCreate(fd int) error {
	return v.fsconfig(fd, unix.FSCONFIG_CMD_CREATE, "", "", 0)
}

// FsconfigReconfigure changes a mounted superblock, as fsconfig(2).
func (v *View) FsconfigReconfigure(fd int) error {
	return v.fsconfig(fd, unix.FSCONFIG_CMD_RECONFIGURE, "", "", 0)
}

func (v *View) fsconfig(fd int, cmd uint64, key, value string, aux int) error {
	c, err := v.begin()
	if err != nil {
		return err
	}
	defer c.end()
	var k, val uint64
	if key != "" {
		if k, err = c.path(key); err != nil {
			return err
		}
	}
	if cmd == unix.FSCONFIG_SET_STRING {
		if val, err = c.path(value); err != nil {
			return err
		}
	}
	_, err = c.do(sysFsconfig, uint64(fd), cmd, k, val, uint64(aux))
	return err
}

// Fsmount makes a mount of a configured file system, as fsmount(2). The
// descriptor is its root: it serves for Openat and [Kernel.Chroot] without
// MoveMount.
func (v *View) Fsmount(fd int, flags int, mountAttrs int) (fsfd int, err error) {
	return v.call(sysFsmount, uint64(fd), uint64(flags), uint64(mountAttrs))
}

// MoveMount puts a mount at a place, as move_mount(2).
func (v *View) MoveMount(fromDirfd int, fromPath string, toDirfd int, toPath string, flags int) error {
	return v.callTwo(sysMoveMount, fromDirfd, fromPath, toDirfd, toPath, uint64(flags))
}

// OpenTree opens or copies a mount, as open_tree(2).
func (v *View) OpenTree(dirfd int, path string, flags uint) (fd int, err error) {
	return v.callAt(sysOpenTree, dirfd, path, uint64(flags))
}

// MountSetattr changes the attributes of a mount, or of all in a tree, as
// mount_setattr(2).
func (v *View) MountSetattr(dirfd int, path string, flags uint, attr *unix.MountAttr) error {
	c, p, err := v.beginPath(path)
	if err != nil {
		return err
	}
	defer c.end()
	b, a := c.room(mountAttrSize)
	for i, word := range []uint64{attr.Attr_set, attr.Attr_clr, attr.Propagation, attr.Userns_fd} {
		binary.LittleEndian.PutUint64(b[8*i:], word)
	}
	_, err = c.do(sysMountSetattr, uint64(dirfd), p, uint64(flags), a, mountAttrSize)
	return err
}

// mountAttrSize is that of struct mount_attr, of linux/mount.h.
const mountAttrSize = 32

// Syslog reads or controls the kernel's log, as syslog(2). [Kernel.Dmesg]
// returns all of it.
func (v *View) Syslog(typ int, buf []byte) (n int, err error) {
	c, err := v.begin()
	if err != nil {
		return -1, err
	}
	defer c.end()
	if err := c.reserve(min(len(buf), maxPiece)); err != nil {
		return -1, err
	}
	mem, addr := c.room(min(len(buf), maxPiece))
	n, err = c.do(sysSyslog, uint64(typ), addr, uint64(len(mem)))
	if err != nil || len(mem) == 0 {
		return n, err
	}
	if n > len(mem) { // a size, not data
		return n, nil
	}
	copy(buf, mem[:n])
	return n, nil
}
