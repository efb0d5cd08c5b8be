package unboot

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

var typeBits = [...]struct {
	unix uint32
	mode fs.FileMode
}{
	{unix.S_IFDIR, fs.ModeDir},
	{unix.S_IFLNK, fs.ModeSymlink},
	{unix.S_IFBLK, fs.ModeDevice},
	{unix.S_IFCHR, fs.ModeDevice | fs.ModeCharDevice},
	{unix.S_IFIFO, fs.ModeNamedPipe},
	{unix.S_IFSOCK, fs.ModeSocket},
	{unix.S_IFREG, 0},
}

var flagBits = [...]struct {
	unix uint32
	mode fs.FileMode
}{
	{unix.S_ISUID, fs.ModeSetuid},
	{unix.S_ISGID, fs.ModeSetgid},
	{unix.S_ISVTX, fs.ModeSticky},
}

// FileMode translates the mode of a file in stat(2) to Go's.
func FileMode(mode uint32) fs.FileMode {
	m := fs.FileMode(mode & 0o777)
	for _, b := range flagBits {
		if mode&b.unix != 0 {
			m |= b.mode
		}
	}
	for _, b := range typeBits {
		if mode&unix.S_IFMT == b.unix {
			return m | b.mode
		}
	}
	return m | fs.ModeIrregular
}

// UnixMode translates Go's mode of a file to that of stat(2), type included.
func UnixMode(m fs.FileMode) uint32 {
	u := uint32(m.Perm())
	for _, b := range flagBits {
		if m&b.mode != 0 {
			u |= b.unix
		}
	}
	for _, b := range typeBits {
		if m.Type() == b.mode {
			return u | b.unix
		}
	}
	return u
}

// permBits is UnixMode without the type, for chmod and the like.
func permBits(m fs.FileMode) uint32 { return UnixMode(m) &^ unix.S_IFMT }
