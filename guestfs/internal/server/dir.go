package server

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"slices"
	"sort"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
	"github.com/unboot/unboot/lkl"
)

// names returns the names in a directory, sorted.
func (s *Server) names(dir string) ([]string, error) {
	var names []string
	for d, err := range s.view().ReadDirAt(cwd, dir, 0, unix.STATX_TYPE, lkl.READDIR_ONCE) {
		if err != nil {
			return nil, err
		}
		names = append(names, d.Name)
	}
	sort.Strings(names)
	return names, nil
}

// Ls0 returns the names in a directory, each ended by a NUL.
func (s *Server) Ls0(ctx context.Context, a *rpc.Ls0Args, out io.Writer) error {
	names, err := s.names(a.Dir)
	if err != nil {
		return perror(err, "opendir: %s", a.Dir)
	}
	return writeNames(out, names)
}

func writeNames(out io.Writer, names []string) error {
	w := bufio.NewWriterSize(out, 64<<10)
	for _, n := range names {
		w.WriteString(n)
		w.WriteByte(0)
	}
	return w.Flush()
}

// direntTypes are what a Dirent says of a DT_ constant.
var direntTypes = map[uint8]byte{
	unix.DT_BLK: 'b', unix.DT_CHR: 'c', unix.DT_DIR: 'd', unix.DT_FIFO: 'f',
	unix.DT_LNK: 'l', unix.DT_REG: 'r', unix.DT_SOCK: 's', unix.DT_UNKNOWN: 'u',
}

// dirents returns the entries of a directory in its own order, "." and ".." included.
func (s *Server) dirents(dir string) ([]rpc.Dirent, error) {
	v := s.view()
	fd, err := v.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer v.CloseFd(fd)
	list := []rpc.Dirent{}
	buf := make([]byte, 64<<10)
	for {
		n, err := v.Getdents(fd, buf)
		if n == 0 || err != nil {
			return list, err
		}
		for b := buf[:n]; len(b) > direntHead; {
			size := int(binary.LittleEndian.Uint16(b[16:]))
			if size < direntHead || size > len(b) {
				return nil, unix.EUCLEAN
			}
			name := b[direntHead:size]
			if i := slices.Index(name, 0); i >= 0 {
				name = name[:i]
			}
			typ, ok := direntTypes[b[18]]
			if !ok {
				typ = '?'
			}
			list = append(list, rpc.Dirent{Ino: int64(binary.LittleEndian.Uint64(b)), Ftyp: typ, Name: string(name)})
			b = b[size:]
		}
	}
}

// direntHead is the length of a struct linux_dirent64 before its name.
const direntHead = 19

// Readdir returns the entries of a directory.
func (s *Server) Readdir(ctx context.Context, a *rpc.ReaddirArgs) ([]rpc.Dirent, error) {
	list, err := s.dirents(a.Dir)
	if err != nil {
		return nil, perror(err, "opendir: %s", a.Dir)
	}
	return list, nil
}

// InternalReaddir writes the entries of a directory one by one in their encoding, for
// directories whose list is too long for a message.
func (s *Server) InternalReaddir(ctx context.Context, a *rpc.InternalReaddirArgs, out io.Writer) error {
	list, err := s.dirents(a.Dir)
	if err != nil {
		return perror(err, "opendir: %s", a.Dir)
	}
	w := bufio.NewWriterSize(out, 64<<10)
	for i := range list {
		c := xdr.NewEncoder(nil)
		list[i].Code(c)
		b, err := c.Result()
		if err != nil {
			return err
		}
		w.Write(b)
	}
	return w.Flush()
}

// Readlink returns the target of a symbolic link.
func (s *Server) Readlink(ctx context.Context, a *rpc.ReadlinkArgs) (string, error) {
	target, err := s.view().Readlink(cwd, a.Path)
	if err != nil {
		return "", perror(err, "readlink: %s", a.Path)
	}
	return target, nil
}

// InternalReadlinklist returns the targets of symbolic links in a directory, "" for what
// is none.
func (s *Server) InternalReadlinklist(ctx context.Context, a *rpc.InternalReadlinklistArgs) ([]string, error) {
	v := s.view()
	dir, err := v.Open(a.Path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, perror(err, "open: %s", a.Path)
	}
	defer v.CloseFd(dir)
	targets := make([]string, len(a.Names))
	for i, name := range a.Names {
		if t, err := v.Readlink(dir, name); err == nil {
			targets[i] = t
		}
	}
	return targets, nil
}

// Find0 writes the paths of all files below a directory, each ended by a NUL, without the
// directory's own: "/b" for the directory "/a", and "b" for "/a/". The directory itself is
// left out.
func (s *Server) Find0(ctx context.Context, a *rpc.Find0Args, out io.Writer) error {
	root, err := s.directory(a.Directory)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(out, 64<<10)
	slash := "/"
	if strings.HasSuffix(a.Directory, "/") {
		slash = ""
	}
	last := root
	for e, err := range s.tree().Walk(root, &unboot.WalkOptions{Mask: unix.STATX_TYPE}) {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case e == nil:
			return err
		case e.Path() == last:
			continue // root, or one that could not be read
		}
		last = e.Path()
		w.WriteString(slash + below(root, e.Path()))
		w.WriteByte(0)
	}
	return w.Flush()
}

// directory returns the path in an unboot.FS of a directory, to be walked.
func (s *Server) directory(dir string) (string, error) {
	st, err := s.stat(dir)
	if err != nil {
		return "", perror(err, "stat: %s", dir)
	}
	if fileType(&st) != unix.S_IFDIR {
		return "", errorf("%s: not a directory", dir)
	}
	real, err := s.realpath(dir)
	if err != nil {
		return "", perror(err, "%s", dir)
	}
	return unboot.CleanPath(real), nil
}

// below returns a path of an unboot.FS relative to root, "" for root itself.
func below(root, p string) string {
	switch {
	case p == root:
		return ""
	case root == ".":
		return p
	}
	return p[len(root)+1:]
}

// Du returns the space that a file, or a directory with all below it, takes, in KiB.
func (s *Server) Du(ctx context.Context, a *rpc.DuArgs) (int64, error) {
	if _, err := s.lstat(a.Path); err != nil {
		return 0, programError(err, "%s: du: cannot access '%s'", a.Path, a.Path)
	}
	type inode struct {
		dev uint64
		ino uint64
	}
	seen := map[inode]struct{}{}
	var blocks uint64
	for e, err := range s.tree().Walk(s.fsName(a.Path), nil) {
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		if e == nil {
			return 0, err
		}
		if err != nil {
			continue
		}
		st := &e.Stat
		if st.Nlink > 1 && !e.IsDir() {
			id := inode{unix.Mkdev(st.Dev_major, st.Dev_minor), st.Ino}
			if _, again := seen[id]; again {
				continue
			}
			seen[id] = struct{}{}
		}
		blocks += st.Blocks
		progress(ctx, 0, 0)
	}
	return int64((blocks*512 + 1023) / 1024), nil
}
