package server

import (
	"context"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/lkl"
)

// view returns the system calls in which "/" is what is mounted there.
//
// Preconditions: there is a tree, as of a call with a path there is.
func (s *Server) view() *lkl.View { return s.tree().View() }

// cwd is where relative paths would begin.
const cwd = unix.AT_FDCWD

// openFlags are those of every open(2) on a path of the guest: it may be a FIFO, which
// must not make us wait.
const openFlags = unix.O_CLOEXEC | unix.O_NOCTTY | unix.O_NONBLOCK

// isDevice reports whether an argument that may be a path or a device is a device.
func (s *Server) isDevice(name string) bool {
	return strings.HasPrefix(name, "/dev/") && s.deviceExists(name)
}

// fsName returns a path of the guest as a path of an unboot.FS. Where ".." stands in it,
// the kernel goes up from what a symbolic link leads to, so those are followed first.
func (s *Server) fsName(p string) string {
	for elem := range strings.SplitSeq(p, "/") {
		if elem != ".." {
			continue
		}
		dir, base := path.Split(strings.TrimRight(p, "/"))
		if base == ".." || base == "." {
			dir, base = p, ""
		}
		if real, err := s.realpath(dir); err == nil {
			return unboot.CleanPath(real + "/" + base)
		}
		break
	}
	return unboot.CleanPath(p)
}

// stat returns what statx(2) says of a path, and lstat of a symbolic link itself.
func (s *Server) stat(p string) (st unix.Statx_t, err error) {
	err = s.view().Statx(cwd, p, 0, statMask, &st)
	return st, err
}

func (s *Server) lstat(p string) (st unix.Statx_t, err error) {
	err = s.view().Statx(cwd, p, unix.AT_SYMLINK_NOFOLLOW, statMask, &st)
	return st, err
}

const statMask = unix.STATX_BASIC_STATS

func fileType(st *unix.Statx_t) uint16 { return st.Mode & unix.S_IFMT }

// maxLinks is how many symbolic links a path may lead through, as in the kernel.
const maxLinks = 40

// realpath resolves all symbolic links of a path, as realpath(3).
func (s *Server) realpath(p string) (string, error) {
	v := s.view()
	done, rest, links := "", strings.Split(p, "/"), 0
	for len(rest) > 0 {
		elem := rest[0]
		rest = rest[1:]
		switch elem {
		case "", ".":
			continue
		case "..":
			done = done[:max(strings.LastIndexByte(done, '/'), 0)]
			continue
		}
		next := done + "/" + elem
		st, err := s.lstat(next)
		if err != nil {
			return "", err
		}
		switch fileType(&st) {
		case unix.S_IFLNK:
			if links++; links > maxLinks {
				return "", unix.ELOOP
			}
			target, err := v.Readlink(cwd, next)
			if err != nil {
				return "", err
			}
			if strings.HasPrefix(target, "/") {
				done = ""
			}
			rest = append(strings.Split(target, "/"), rest...)
			continue
		case unix.S_IFDIR:
		default:
			if len(rest) > 0 {
				return "", unix.ENOTDIR
			}
		}
		done = next
	}
	if done == "" {
		done = "/"
	}
	return done, nil
}

// Realpath resolves all symbolic links of a path.
func (s *Server) Realpath(ctx context.Context, a *rpc.RealpathArgs) (string, error) {
	p, err := s.realpath(a.Path)
	if err != nil {
		return "", perror(err, "realpath: %s", a.Path)
	}
	return p, nil
}

// CaseSensitivePath finds the case in which the elements of a path are spelt in the
// directories. The last one need not exist.
func (s *Server) CaseSensitivePath(ctx context.Context, a *rpc.CaseSensitivePathArgs) (string, error) {
	done := ""
	elems := strings.FieldsFunc(a.Path, func(r rune) bool { return r == '/' })
	for i, elem := range elems {
		if elem == "." || elem == ".." {
			return "", errorf("path contained . or .. elements")
		}
		name, err := s.spelling(guestPath(done), elem)
		if err != nil {
			return "", err
		}
		if name == "" {
			if i < len(elems)-1 {
				return "", errorf("%s: not found", elem)
			}
			name = elem
		}
		done += "/" + name
	}
	if strings.HasSuffix(a.Path, "/") && done != "" {
		if st, err := s.stat(done); err == nil && st.Mode&unix.S_IFMT != unix.S_IFDIR {
			return "", perror(unix.ENOTDIR, "opendir: %s", done)
		}
	}
	return guestPath(done), nil
}

// spelling returns the name of the entry of a directory that is a name but for its
// case: the name itself if it is there, or "".
func (s *Server) spelling(dir, name string) (string, error) {
	if _, err := s.lstat(dir + "/" + name); err == nil && !s.foldsCase(dir) {
		return name, nil
	}
	found := ""
	for d, err := range s.view().ReadDirAt(cwd, dir, 0, unix.STATX_TYPE, 0) {
		if err != nil {
			return "", perror(err, "opendir: %s", dir)
		}
		if d.Name == name {
			return name, nil
		}
		if found == "" && strings.EqualFold(d.Name, name) {
			found = d.Name
		}
	}
	return found, nil
}

// foldsCase reports whether the file system of a directory takes names in any case, so
// that finding one says nothing of how it is spelt.
func (s *Server) foldsCase(dir string) bool {
	var st unix.Statfs_t
	if s.view().Statfs(dir, &st) != nil {
		return true
	}
	switch st.Type {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC:
		return false
	}
	return true
}
