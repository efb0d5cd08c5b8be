package server

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// MountLoop mounts the file system that is in a file.
func (s *Server) MountLoop(ctx context.Context, a *rpc.MountLoopArgs) error {
	file, err := s.realpath(a.File)
	if err != nil {
		return errorf("%s on %s: mount: %s: failed to setup loop device for %s.", a.File, a.Mountpoint, a.Mountpoint, a.File)
	}
	dir, err := s.realpath(a.Mountpoint)
	if errors.Is(err, unix.ENOENT) {
		return errorf("%s on %s: mount: %s: mount point does not exist.", a.File, a.Mountpoint, a.Mountpoint)
	}
	if err == nil {
		var st unix.Statx_t
		if st, err = s.stat(dir); err == nil && fileType(&st) != unix.S_IFDIR {
			err = unix.ENOTDIR
		}
	}
	if err != nil {
		return errorf("%s on %s: mount: %s: mount point is not a directory.", a.File, a.Mountpoint, a.Mountpoint)
	}
	if unboot.CleanPath(dir) == "." {
		return errorf("mount: %s: not available in unboot: a loop device on the root", a.Mountpoint)
	}
	if err := s.tree().MountLoop(unboot.CleanPath(file), unboot.CleanPath(dir)); err != nil {
		return mountError(err, a.File, a.Mountpoint)
	}
	return nil
}
