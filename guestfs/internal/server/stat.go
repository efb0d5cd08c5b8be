package server

import (
	"context"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// isType reports whether a path is a file of a type. What cannot be looked at is none.
func (s *Server) isType(p string, follow bool, typ uint16) (bool, error) {
	st, err := s.lstat(p)
	if follow {
		st, err = s.stat(p)
	}
	switch err {
	case nil:
		return fileType(&st) == typ, nil
	case unix.ENOENT, unix.ENOTDIR:
		return false, nil
	}
	return false, perror(err, "stat: %s", p)
}

// Exists reports whether there is a file, a symbolic link that leads nowhere included.
func (s *Server) Exists(ctx context.Context, a *rpc.ExistsArgs) (bool, error) {
	_, err := s.lstat(a.Path)
	return err == nil, nil
}

// IsFile reports whether a path is a regular file.
func (s *Server) IsFile(ctx context.Context, a *rpc.IsFileArgs) (bool, error) {
	return s.isType(a.Path, a.Followsymlinks.Or(false), unix.S_IFREG)
}

// IsDir reports whether a path is a directory.
func (s *Server) IsDir(ctx context.Context, a *rpc.IsDirArgs) (bool, error) {
	return s.isType(a.Path, a.Followsymlinks.Or(false), unix.S_IFDIR)
}

// IsChardev reports whether a path is a character device.
func (s *Server) IsChardev(ctx context.Context, a *rpc.IsChardevArgs) (bool, error) {
	return s.isType(a.Path, a.Followsymlinks.Or(false), unix.S_IFCHR)
}

// IsBlockdev reports whether a path is a block device.
func (s *Server) IsBlockdev(ctx context.Context, a *rpc.IsBlockdevArgs) (bool, error) {
	return s.isType(a.Path, a.Followsymlinks.Or(false), unix.S_IFBLK)
}

// IsFifo reports whether a path is a FIFO.
func (s *Server) IsFifo(ctx context.Context, a *rpc.IsFifoArgs) (bool, error) {
	return s.isType(a.Path, a.Followsymlinks.Or(false), unix.S_IFIFO)
}

// IsSocket reports whether a path is a socket.
func (s *Server) IsSocket(ctx context.Context, a *rpc.IsSocketArgs) (bool, error) {
	return s.isType(a.Path, a.Followsymlinks.Or(false), unix.S_IFSOCK)
}

// IsSymlink reports whether a path is a symbolic link.
func (s *Server) IsSymlink(ctx context.Context, a *rpc.IsSymlinkArgs) (bool, error) {
	return s.isType(a.Path, false, unix.S_IFLNK)
}

// Statns returns the metadata of a file.
func (s *Server) Statns(ctx context.Context, a *rpc.StatnsArgs) (*rpc.Statns, error) {
	st, err := s.stat(a.Path)
	if err != nil {
		return nil, perror(err, "%s", a.Path)
	}
	return statns(&st), nil
}

// Lstatns returns the metadata of a file, of a symbolic link its own.
func (s *Server) Lstatns(ctx context.Context, a *rpc.LstatnsArgs) (*rpc.Statns, error) {
	st, err := s.lstat(a.Path)
	if err != nil {
		return nil, perror(err, "%s", a.Path)
	}
	return statns(&st), nil
}

// InternalLstatnslist returns the metadata of files in a directory. That of what cannot
// be looked at has an inode number of -1.
func (s *Server) InternalLstatnslist(ctx context.Context, a *rpc.InternalLstatnslistArgs) ([]rpc.Statns, error) {
	v := s.view()
	dir, err := v.Open(a.Path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, perror(err, "open: %s", a.Path)
	}
	defer v.CloseFd(dir)
	list := make([]rpc.Statns, len(a.Names))
	stats := make([]unix.Statx_t, chainLength)
	inChains(v, len(a.Names), func(c *chain, i, slot int) {
		c.Statx(dir, a.Names[i], unix.AT_SYMLINK_NOFOLLOW, statMask, &stats[slot])
	}, func(i, slot int, err error) {
		list[i].StIno = -1
		if err == nil {
			list[i] = *statns(&stats[slot])
		}
	})
	return list, nil
}

func statns(st *unix.Statx_t) *rpc.Statns {
	return &rpc.Statns{
		StDev: int64(unix.Mkdev(st.Dev_major, st.Dev_minor)), StIno: int64(st.Ino),
		StMode: int64(st.Mode), StNlink: int64(st.Nlink), StUid: int64(st.Uid), StGid: int64(st.Gid),
		StRdev: int64(unix.Mkdev(st.Rdev_major, st.Rdev_minor)), StSize: int64(st.Size),
		StBlksize: int64(st.Blksize), StBlocks: int64(st.Blocks),
		StAtimeSec: st.Atime.Sec, StAtimeNsec: int64(st.Atime.Nsec),
		StMtimeSec: st.Mtime.Sec, StMtimeNsec: int64(st.Mtime.Nsec),
		StCtimeSec: st.Ctime.Sec, StCtimeNsec: int64(st.Ctime.Nsec),
	}
}

// Filesize returns the size of a file in bytes.
func (s *Server) Filesize(ctx context.Context, a *rpc.FilesizeArgs) (int64, error) {
	st, err := s.stat(a.File)
	if err != nil {
		return 0, perror(err, "%s", a.File)
	}
	return int64(st.Size), nil
}

// Statvfs returns the sizes of the file system that a path is in.
func (s *Server) Statvfs(ctx context.Context, a *rpc.StatvfsArgs) (*rpc.Statvfs, error) {
	var st unix.Statfs_t
	if err := s.view().Statfs(a.Path, &st); err != nil {
		return nil, perror(err, "statvfs: %s", a.Path)
	}
	frsize := st.Frsize
	if frsize == 0 {
		frsize = st.Bsize
	}
	return &rpc.Statvfs{
		Bsize: st.Bsize, Frsize: frsize,
		Blocks: int64(st.Blocks), Bfree: int64(st.Bfree), Bavail: int64(st.Bavail),
		Files: int64(st.Files), Ffree: int64(st.Ffree), Favail: int64(st.Ffree),
		Fsid: int64(uint32(st.Fsid.Val[0])) | int64(st.Fsid.Val[1])<<32,
		Flag: st.Flags &^ statfsValid, Namemax: st.Namelen,
	}, nil
}

// statfsValid is the kernel's ST_VALID, which statvfs(3) does not show.
const statfsValid = 0x20
