// Package md has the kernel assemble arrays of Linux software RAID, as mdadm(8) does: by the
// ioctls of linux/raid/md_u.h and the files of sysfs that the kernel's
// Documentation/admin-guide/md.rst describes.
//
// Nothing is repaired: an array is neither resynced nor rebuilt while it is used, and as long
// as nothing is written to it, nothing is written to its members, not even superblocks. What
// the kernel cannot be kept from is to write bitmaps, partial parity logs and journals when it
// starts an array that has one: on disks that must not change, those need an overlay.
package md

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
	"github.com/unboot/unboot/volume"
)

// Requests of linux/raid/md_u.h.
const (
	setArrayInfo = 0x40480923
	addNewDisk   = 0x40140921
	stopArray    = 0x932

	arrayInfoLen = 72
	diskInfoLen  = 20
)

const parameters = "/sys/module/md_mod/parameters/"

// maxNumber bounds the numbers of arrays to those that mdadm(8) uses.
const maxNumber = 511

// Node returns the path of an array's device.
func Node(number int) string { return fmt.Sprintf("/dev/md%d", number) }

// Assemble makes the array with a number, and returns the path of its device. dev returns
// the numbers of a member's device as "major:minor". The kernel needs devtmpfs on /dev and
// sysfs on /sys.
//
// With readOnly the device refuses writes. Else the array becomes writable with the first
// write. Errors wrap those of the kernel, and repeat what it has logged.
func Assemble(k *lkl.Kernel, number int, a *volume.Array, dev func(volume.Base) string, readOnly bool) (node string, err error) {
	node = Node(number)
	mark := k.LogMark()
	defer func() {
		if err != nil {
			err = fmt.Errorf("assemble %s: %w%s", node, err, words(k, mark))
		}
	}()
	if number < 0 || number > maxNumber {
		return node, unix.EINVAL
	}
	if err := write(k, parameters+"new_array", fmt.Sprintf("md%d", number)); err != nil {
		return node, err
	}
	fd, err := k.Open(node, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return node, fmt.Errorf("open: %w", err)
	}
	defer k.CloseFd(fd)
	if err := run(k, fd, number, a, dev, readOnly); err != nil {
		k.IoctlInt(fd, stopArray, 0)
		return node, err
	}
	return node, nil
}

// run gives the kernel the members, and starts the array.
func run(k *lkl.Kernel, fd, number int, a *volume.Array, dev func(volume.Base) string, readOnly bool) error {
	if a.Major < 0 {
		if err := describe(k, number, a, dev); err != nil {
			return err
		}
	} else if err := addMembers(k, fd, a, dev); err != nil {
		return err
	}
	if a.Dirty && a.Degraded > 0 {
		// The plan would not be there if the caller had not asked for it.
		if err := write(k, parameters+"start_dirty_degraded", "1"); err != nil {
			return err
		}
		defer write(k, parameters+"start_dirty_degraded", "0")
	}
	return start(k, number, a.Level, readOnly)
}

// addMembers adds members with superblocks.
func addMembers(k *lkl.Kernel, fd int, a *volume.Array, dev func(volume.Base) string) error {
	// Only the version is set: the rest is in the superblocks.
	info := make([]byte, arrayInfoLen)
	binary.LittleEndian.PutUint32(info[0:], uint32(a.Major))
	binary.LittleEndian.PutUint32(info[4:], uint32(a.Minor))
	if _, err := k.Ioctl(fd, setArrayInfo, info); err != nil {
		return fmt.Errorf("set the version %d.%d: %w", a.Major, a.Minor, err)
	}
	for _, s := range a.Slots {
		if err := addDisk(k, fd, dev(s.Base)); err != nil {
			return err
		}
	}
	return nil
}

func addDisk(k *lkl.Kernel, fd int, dev string) error {
	var major, minor uint32
	if n, err := fmt.Sscanf(dev, "%d:%d", &major, &minor); n != 2 || err != nil {
		return fmt.Errorf("add the device %q: %w", dev, unix.EINVAL)
	}
	disk := make([]byte, diskInfoLen)
	binary.LittleEndian.PutUint32(disk[4:], major)
	binary.LittleEndian.PutUint32(disk[8:], minor)
	if _, err := k.Ioctl(fd, addNewDisk, disk); err != nil {
		return fmt.Errorf("add the device %s: %w", dev, err)
	}
	return nil
}

// start runs an array that has all its members.
//
// The state read-auto is writable to whoever asks, but the kernel writes no superblock and
// begins no resync before the first write. That one would begin it, so it is frozen.
func start(k *lkl.Kernel, number, level int, readOnly bool) error {
	dir := attributes(number)
	if readOnly {
		return write(k, dir+"array_state", "readonly")
	}
	if err := write(k, dir+"array_state", "read-auto"); err != nil || level <= 0 {
		return err // without redundancy there is nothing to sync
	}
	return write(k, dir+"sync_action", "frozen")
}

// Stop ends an array, and returns when its device has gone. The array must not be in use. The
// superblocks of an array that was written to become clean, unless they were not before.
func Stop(k *lkl.Kernel, number int) error {
	mark := k.LogMark()
	fd, err := k.Open(Node(number), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		_, err = k.IoctlInt(fd, stopArray, 0)
		err = errors.Join(err, k.CloseFd(fd))
	}
	if err == nil {
		err = gone(k, attributes(number))
	}
	if err == nil { // and its node, which could otherwise make another one
		err = gone(k, fmt.Sprintf("/sys/class/block/md%d", number))
	}
	if err != nil {
		return fmt.Errorf("stop %s: %w%s", Node(number), err, words(k, mark))
	}
	return nil
}

// gone waits until a directory of sysfs is not there any more: a worker of the kernel takes
// an array's device away, and nobody is told.
func gone(k *lkl.Kernel, dir string) error {
	for wait := 20 * time.Microsecond; ; wait *= 2 {
		switch err := k.Faccessat(unix.AT_FDCWD, dir, 0, 0); {
		case err == unix.ENOENT:
			return nil
		case err != nil:
			return err
		case wait > time.Second:
			return unix.EBUSY
		}
		time.Sleep(wait)
	}
}

// write writes to a file of sysfs.
func write(k *lkl.Kernel, path, text string) error {
	fd, err := k.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		_, err = k.Write(fd, []byte(text))
		k.CloseFd(fd)
	}
	if err != nil {
		return fmt.Errorf("write %q to %s: %w", text, path, err)
	}
	return nil
}

// words returns what the kernel has logged about arrays since a mark, for an error.
func words(k *lkl.Kernel, mark lkl.LogMark) string {
	lines, _ := k.LogSince(mark)
	var said []string
	for _, l := range lines {
		if strings.HasPrefix(l, "md") {
			said = append(said, l)
		}
	}
	if len(said) == 0 {
		return ""
	}
	return " (" + strings.Join(said[max(0, len(said)-3):], "; ") + ")"
}
