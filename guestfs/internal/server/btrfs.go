package server

import (
	"strings"

	fsctl "github.com/unboot/unboot/internal/fsctl/btrfs"
	"github.com/unboot/unboot/lkl"
)

// btrfs makes the ioctls of linux/btrfs.h on a directory of a mounted file system.
type btrfs struct {
	v  *lkl.View
	fd int
}

// volumes is what knows the subvolumes.
func (b btrfs) volumes() fsctl.FS { return fsctl.FS{View: b.v, FD: b.fd} }

// ioc returns the number of an ioctl: dir is 1 for writing, 2 for reading, 3 for both,
// as the program sees it.
func ioc(dir, typ, nr, size uint) uint { return dir<<30 | size<<16 | typ<<8 | nr }

func iocBtrfs(dir, nr, size uint) uint { return ioc(dir, 0x94, nr, size) }

// cString returns what is before the first NUL.
func cString(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	return s
}

// withBtrfs mounts the btrfs on a device for a while, as withMounted does.
func (s *Server) withBtrfs(device string, readOnly bool, f func(b btrfs) error) error {
	return s.withMounted(device, "btrfs", readOnly, func(fd int) error {
		img, err := s.image()
		if err != nil {
			return err
		}
		return f(btrfs{&img.Kernel().View, fd})
	})
}
