package unboot

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
	"github.com/unboot/unboot/volume/probe"
)

// MountLoop mounts the file system that is in a regular file of the tree on the directory
// dir, as "mount -o loop" does: read-only where the file cannot be written to. It is a
// device /dev/loop0, or the next, as long as it is mounted. Errors are *[MountError] or *fs.PathError.
func (f *FS) MountLoop(file, dir string, opts ...MountOption) error {
	m := Mount{Dir: dir}.with(opts)
	k := f.t.img.k
	mode := unix.O_RDWR
	if m.ReadOnly || f.ReadOnly() {
		mode, m.ReadOnly = unix.O_RDONLY, true
	}
	if !validPath(file) {
		return &fs.PathError{Op: "mount", Path: file, Err: fs.ErrInvalid}
	}
	mark := k.LogMark()
	fd, err := f.view.Open("/"+file, mode|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if mode == unix.O_RDWR && (errors.Is(err, unix.EROFS) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM)) {
		m.ReadOnly = true
		fd, err = f.view.Open("/"+file, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	}
	if err != nil {
		return &fs.PathError{Op: "mount", Path: file, Err: f.t.img.explain(err, mark, inodeAt(f.view, "/"+file))}
	}
	defer k.CloseFd(fd)
	d, loop, err := attachLoop(k, fd, m.ReadOnly)
	if err != nil {
		return &fs.PathError{Op: "mount", Path: file, Err: f.t.img.explain(err, mark, inodeAt(f.view, "/"+file))}
	}
	// Once it is not mounted it goes away by itself.
	defer k.CloseFd(loop)
	return f.mountDeviceAt(d, m)
}

// attachLoop makes a file that is open a block device, which is there until nobody has it
// open or mounted. It returns a descriptor of it.
func attachLoop(k *lkl.Kernel, file int, readOnly bool) (d *Device, fd int, err error) {
	var st unix.Statx_t
	if err := k.Fstatx(file, unix.STATX_BASIC_STATS, &st); err != nil {
		return nil, -1, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, -1, unix.EINVAL
	}
	control, err := k.Open("/dev/loop-control", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, -1, err
	}
	defer k.CloseFd(control)
	n, err := k.IoctlInt(control, unix.LOOP_CTL_GET_FREE, 0)
	if err != nil {
		return nil, -1, err
	}
	name := fmt.Sprint("/dev/loop", n)
	if fd, err = k.Open(name, unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
		return nil, -1, err
	}
	// A struct loop_config of linux/loop.h: descriptor, size of blocks, and a struct
	// loop_info64, of which only the flags are used.
	const size, flagsAt = 304, 60
	config := make([]byte, size)
	flags := uint32(unix.LO_FLAGS_AUTOCLEAR)
	if readOnly {
		flags |= unix.LO_FLAGS_READ_ONLY
	}
	binary.NativeEndian.PutUint32(config, uint32(file))
	binary.NativeEndian.PutUint32(config[flagsAt:], flags)
	d = &Device{Name: name, Kind: KindDisk, Size: int64(st.Size)}
	if _, err = k.Ioctl(fd, unix.LOOP_CONFIGURE, config); err == nil {
		d.Content, err = probe.Probe(&kernelReader{k: k, name: name, fd: fd}, d.Size)
	}
	if err != nil {
		k.CloseFd(fd)
		return nil, -1, err
	}
	return d, fd, nil
}
