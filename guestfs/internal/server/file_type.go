package server

import (
	"context"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/filetype"
)

// File returns what a file or device holds, as "file -zb" does.
func (s *Server) File(ctx context.Context, a *rpc.FileArgs) (string, error) {
	if s.isDevice(a.Path) {
		return s.fileDevice(a.Path)
	}
	st, err := s.lstat(a.Path)
	if err != nil {
		return "", perror(err, "lstat: %s", a.Path)
	}
	switch fileType(&st) {
	case unix.S_IFREG:
	case unix.S_IFDIR:
		return "directory", nil
	case unix.S_IFLNK:
		return "symbolic link", nil
	case unix.S_IFIFO:
		return "FIFO", nil
	case unix.S_IFCHR:
		return "character device", nil
	case unix.S_IFBLK:
		return "block device", nil
	case unix.S_IFSOCK:
		return "socket", nil
	default:
		return "unknown file type", nil
	}
	h, err := s.openRead(a.Path)
	if err != nil {
		return "", err
	}
	defer h.close()
	text, err := filetype.Describe(h)
	if err != nil {
		return "", perror(err, "%s", a.Path)
	}
	return text, nil
}

// fileDevice describes what is on a device.
func (s *Server) fileDevice(name string) (string, error) {
	h, err := s.openRead(name)
	if err != nil {
		return "", err
	}
	defer h.close()
	size, err := h.Size()
	if err != nil {
		return "", perror(err, "%s", name)
	}
	text, err := filetype.DescribeDevice(h, size)
	if err != nil {
		return "", perror(err, "%s", name)
	}
	return text, nil
}

// Zfile describes what is compressed in a file.
func (s *Server) Zfile(ctx context.Context, a *rpc.ZfileArgs) (string, error) {
	if a.Meth != "gzip" && a.Meth != "bzip2" {
		return "", errorf("unknown method")
	}
	h, err := s.openRead(a.Path)
	if err != nil {
		return "", err
	}
	defer h.close()
	inner, ok := filetype.Unpacked(a.Meth, h)
	if !ok {
		return "", errorf("%s: not compressed by %s", a.Path, a.Meth)
	}
	return inner, nil
}
