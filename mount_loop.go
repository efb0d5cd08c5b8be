package unboot

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"
)

// MountLoop mounts the file system that is in a regular file of the tree on the directory
// dir, as "mount -o loop" does: read-only where the file cannot be written to. It is a
// device /dev/loop0, or the next, as long as it is mounted: one of [Image.Devices], whose
// parents are the devices that hold the file. Errors are *[MountError] or *fs.PathError.
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
	mark := f.t.img.mark()
	fd, err := f.view.Open("/"+file, mode|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if mode == unix.O_RDWR && (errors.Is(err, unix.EROFS) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM)) {
		m.ReadOnly = true
		fd, err = f.view.Open("/"+file, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	}
	if err != nil {
		return &fs.PathError{Op: "mount", Path: file, Err: f.t.img.explain(err, mark, inodeAt(f.view, "/"+file))}
	}
	defer k.CloseFd(fd)
	d, loop, err := f.t.img.attachLoop(fd, m.ReadOnly)
	if err != nil {
		return &fs.PathError{Op: "mount", Path: file, Err: f.t.img.explain(err, mark, inodeAt(f.view, "/"+file))}
	}
	// Once it is no longer mounted, the device goes away by itself.
	defer loop.Close()
	if err := f.mountDeviceAt(d, m); err != nil {
		return err
	}
	f.t.img.addLoop(d, fd)
	return nil
}
