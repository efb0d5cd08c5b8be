package server

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/tarball"
)

// TarOut writes a directory as an archive. Its members are "./" and what is below.
func (s *Server) TarOut(ctx context.Context, a *rpc.TarOutArgs, out io.Writer) error {
	return s.tarOut(ctx, a, out)
}

// TgzOut writes a directory as an archive that gzip compresses.
func (s *Server) TgzOut(ctx context.Context, a *rpc.TgzOutArgs, out io.Writer) error {
	return s.tarOut(ctx, &rpc.TarOutArgs{Directory: a.Directory, Compress: rpc.Some("gzip")}, out)
}

// TxzOut writes a directory as an archive that xz compresses.
func (s *Server) TxzOut(ctx context.Context, a *rpc.TxzOutArgs, out io.Writer) error {
	return s.tarOut(ctx, &rpc.TarOutArgs{Directory: a.Directory, Compress: rpc.Some("xz")}, out)
}

func (s *Server) tarOut(ctx context.Context, a *rpc.TarOutArgs, out io.Writer) error {
	root, err := s.directory(a.Directory)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(out, 256<<10)
	z, err := compressor(a.Compress.Or(""), 0, w)
	if err != nil {
		return err
	}
	t := &tarWriter{
		s: s, f: s.tree(), root: root, w: tarball.NewWriter(z), links: map[[3]uint64]string{},
		xattrs: a.Xattrs.Or(false), selinux: a.Selinux.Or(false), acls: a.Acls.Or(false),
	}
	if !a.Numericowner.Or(false) {
		t.owners = s.owners()
	}
	for _, e := range a.Excludes.Or(nil) {
		t.excludes = append(t.excludes, strings.TrimPrefix(e, "./"))
	}
	o := &unboot.WalkOptions{Links: true, Xattrs: t.xattrs || t.selinux || t.acls}
	for e, err := range t.f.Walk(root, o) {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = t.add(ctx, e)
		}
		if err != nil {
			return err
		}
	}
	if err := t.w.Close(); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return w.Flush()
}

// tarWriter is an archive being written.
type tarWriter struct {
	s        *Server
	f        *unboot.FS
	root     string
	w        *tarball.Writer
	links    map[[3]uint64]string // names of files with several
	owners   *owners              // or nil
	excludes []string

	xattrs, selinux, acls bool
}

// excluded reports whether a pattern matches a path or its end, as tar's --exclude. A "*"
// matches slashes too.
func (t *tarWriter) excluded(rel string) bool {
	for _, pattern := range t.excludes {
		for p := rel; ; {
			// Slashes are nothing special to tar here, but they are to path.Match.
			if ok, _ := path.Match(strings.ReplaceAll(pattern, "/", "\x01"), strings.ReplaceAll(p, "/", "\x01")); ok {
				return true
			}
			_, rest, more := strings.Cut(p, "/")
			if !more {
				break
			}
			p = rest
		}
	}
	return false
}

func (t *tarWriter) add(ctx context.Context, e *unboot.Entry) error {
	rel := below(t.root, e.Path())
	if rel != "" && t.excluded(rel) {
		e.SkipDir()
		return nil
	}
	st := &e.Stat
	h := &tarball.Header{
		Name: "./" + rel, Mode: uint32(st.Mode & 0o7777), UID: int64(st.Uid), GID: int64(st.Gid), Mtime: e.ModTime(),
	}
	if t.owners != nil {
		h.User, h.Group = t.owners.users[st.Uid], t.owners.groups[st.Gid]
	}
	switch fileType(st) {
	case unix.S_IFREG:
		h.Type, h.Size = tarball.TypeReg, e.Size()
	case unix.S_IFDIR:
		h.Type = tarball.TypeDir
	case unix.S_IFLNK:
		h.Type, h.Linkname = tarball.TypeSymlink, e.Link
	case unix.S_IFIFO:
		h.Type = tarball.TypeFifo
	case unix.S_IFCHR:
		h.Type, h.Major, h.Minor = tarball.TypeChar, st.Rdev_major, st.Rdev_minor
	case unix.S_IFBLK:
		h.Type, h.Major, h.Minor = tarball.TypeBlock, st.Rdev_major, st.Rdev_minor
	default:
		return nil // a socket, which archives do not hold
	}
	if st.Nlink > 1 && !e.IsDir() {
		id := [3]uint64{uint64(st.Dev_major), uint64(st.Dev_minor), st.Ino}
		if first, again := t.links[id]; again {
			h.Type, h.Linkname, h.Size = tarball.TypeLink, first, 0
			return t.header(h)
		}
		t.links[id] = h.Name
	}
	if e.XattrSize != 0 {
		if err := t.attributes(h, e); err != nil {
			return err
		}
	}
	if h.Type == tarball.TypeReg && h.Size > 0 {
		return t.file(ctx, h, e)
	}
	return t.header(h)
}

// header writes a header. What no archive can hold is left out.
func (t *tarWriter) header(h *tarball.Header) error {
	err := t.w.WriteHeader(h)
	if errors.Is(err, tarball.ErrInvalid) {
		t.s.logf("tar: %s: %v", h.Name, err)
		return nil
	}
	return err
}

func (t *tarWriter) attributes(h *tarball.Header, e *unboot.Entry) error {
	attrs, err := t.s.xattrs(guestPath(e.Path()), false)
	if err != nil {
		return err
	}
	for _, x := range attrs {
		if t.wants(x.Attrname) {
			h.Xattrs = append(h.Xattrs, tarball.Xattr{Name: x.Attrname, Value: string(x.Attrval)})
		}
	}
	return nil
}

func (t *tarWriter) wants(attr string) bool {
	switch {
	case attr == selinuxAttr:
		return t.selinux
	case attr == aclAccess, attr == aclDefault:
		return t.acls
	}
	return t.xattrs
}

// file writes a regular file, with its holes. What has become unreadable is zeros in the
// archive, and ends it with an error.
func (t *tarWriter) file(ctx context.Context, h *tarball.Header, e *unboot.Entry) error {
	in, err := t.s.openPath(guestPath(e.Path()), unix.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return perror(err, "%s", guestPath(e.Path()))
	}
	defer in.close()
	data := []tarball.Segment{{Off: 0, Len: h.Size}}
	if e.Stat.Blocks*512 < e.Stat.Size {
		if found, ok := in.extents(h.Size); ok {
			h.Sparse = true
			h.Data = tarball.Align(found, h.Size)
			data = h.Data
		}
	}
	if err := t.w.WriteHeader(h); err != nil {
		if errors.Is(err, tarball.ErrInvalid) {
			return nil
		}
		return err
	}
	for _, d := range data {
		n, err := in.writeTo(ctx, &private{w: t.w}, d.Off, d.Len)
		if err != nil {
			return perror(err, "read: %s", in.path)
		}
		if n < d.Len {
			break // it has become shorter
		}
	}
	return t.w.Fill()
}

// extents returns where the data of a file is, if it has holes.
func (h *handle) extents(size int64) (list []tarball.Segment, ok bool) {
	for pos := int64(0); pos < size; {
		data, err := h.v.Seek(h.fd, pos, unix.SEEK_DATA)
		if err == unix.ENXIO {
			break
		}
		if err != nil {
			return nil, false
		}
		hole, err := h.v.Seek(h.fd, data, unix.SEEK_HOLE)
		if err != nil || data < pos || hole <= data {
			return nil, false
		}
		if hole = min(hole, size); hole > data {
			list = append(list, tarball.Segment{Off: data, Len: hole - data})
		}
		pos = hole
	}
	whole := len(list) == 1 && list[0] == tarball.Segment{Len: size}
	return list, !whole
}

// owners are the names of users and groups by their numbers.
type owners struct{ users, groups map[uint32]string }

// owners returns the names in the guest's files, which are taken as far as they are sane.
func (s *Server) owners() *owners {
	read := func(p string) map[uint32]string {
		const most = 4 << 20
		names := map[uint32]string{}
		text, err := s.view().ReadFile(p, most)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.logf("%s: %v", p, err)
		}
		for line := range bytes.Lines(text) {
			f := strings.Split(string(line), ":")
			if len(f) < 4 || f[0] == "" {
				continue
			}
			id, err := strconv.ParseUint(f[2], 10, 32)
			if _, again := names[uint32(id)]; err == nil && !again && len(f[0]) <= 32 {
				names[uint32(id)] = f[0]
			}
		}
		return names
	}
	return &owners{read("/etc/passwd"), read("/etc/group")}
}
