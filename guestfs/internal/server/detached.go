package server

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// withMounted mounts what is on a device for a while, without a place in any tree, and
// calls f with its root directory. What is mounted already for writing stays so, whatever
// readOnly says.
func (s *Server) withMounted(device, fstype string, readOnly bool, f func(fd int) error) error {
	img, err := s.image()
	if err != nil {
		return err
	}
	m := detached{k: img.Kernel(), device: device, fstype: fstype}
	switch fstype {
	case "btrfs":
		m.options = btrfsOptions(img, device)
	case "xfs":
		m.options = append(m.options, "nouuid")
	}
	fd, err := m.mount(readOnly)
	if readOnly && errors.Is(err, unix.EBUSY) {
		fd, err = m.mount(false)
	}
	if err != nil {
		return perror(err, "mount: %s", device)
	}
	defer m.k.CloseFd(fd)
	if !readOnly {
		defer s.devicesChanged()
	}
	return f(fd)
}

// detached is a mount that is nowhere.
type detached struct {
	k              *lkl.Kernel
	device, fstype string
	options        []string // KEY=VALUE or KEY
}

// mount mounts and returns the root directory, which is all there is of the mount.
func (m detached) mount(readOnly bool) (fd int, err error) {
	ctx, err := m.k.Fsopen(m.fstype, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer m.k.CloseFd(ctx)
	err = m.k.FsconfigSetString(ctx, "source", m.device)
	options := m.options
	if readOnly {
		options = append(options[:len(options):len(options)], "ro")
	}
	for _, o := range options {
		key, value, ok := strings.Cut(o, "=")
		switch {
		case err != nil:
		case ok:
			err = m.k.FsconfigSetString(ctx, key, value)
		default:
			err = m.k.FsconfigSetFlag(ctx, key)
		}
	}
	if err == nil {
		err = m.k.FsconfigCreate(ctx)
	}
	if err != nil {
		return -1, err
	}
	attrs := unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOATIME
	if readOnly {
		attrs |= unix.MOUNT_ATTR_RDONLY
	}
	mnt, err := m.k.Fsmount(ctx, unix.FSMOUNT_CLOEXEC, attrs)
	if err != nil {
		return -1, err
	}
	// What fsmount returns is O_PATH, and no file to make an ioctl on.
	defer m.k.CloseFd(mnt)
	return m.k.Openat(mnt, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
}
