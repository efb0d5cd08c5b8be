package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/guestfs/rpc"
	"github.com/unboot/unboot/internal/tarball"
)

// TarIn unpacks an archive into a directory.
func (s *Server) TarIn(ctx context.Context, a *rpc.TarInArgs, in io.Reader) error {
	return s.tarIn(ctx, a, in)
}

// TgzIn unpacks an archive that gzip has compressed.
func (s *Server) TgzIn(ctx context.Context, a *rpc.TgzInArgs, in io.Reader) error {
	return s.tarIn(ctx, &rpc.TarInArgs{Directory: a.Directory, Compress: rpc.Some("gzip")}, in)
}

// TxzIn unpacks an archive that xz has compressed.
func (s *Server) TxzIn(ctx context.Context, a *rpc.TxzInArgs, in io.Reader) error {
	return s.tarIn(ctx, &rpc.TarInArgs{Directory: a.Directory, Compress: rpc.Some("xz")}, in)
}

func (s *Server) tarIn(ctx context.Context, a *rpc.TarInArgs, in io.Reader) error {
	if _, err := s.stat(a.Directory); err != nil {
		return perror(err, "%s", a.Directory)
	}
	root, err := s.directory(a.Directory)
	if err != nil {
		return err
	}
	r, err := decompressor(a.Compress.Or(""), in)
	if err != nil {
		return err
	}
	// A tree of its own, out of which no link of the archive leads.
	sub, err := s.tree().Sub(root)
	if err != nil {
		return err
	}
	t := &tarReader{
		s: s, f: sub.(*unboot.FS), r: tarball.NewReader(r),
		xattrs: a.Xattrs.Or(false), selinux: a.Selinux.Or(false), acls: a.Acls.Or(false),
	}
	if st, err := t.f.Statfs("."); err == nil {
		t.noOwners = st.Type == unix.MSDOS_SUPER_MAGIC || st.Type == unix.EXFAT_SUPER_MAGIC
	}
	for ctx.Err() == nil {
		h, err := t.r.Next()
		if err == io.EOF {
			// What follows the archive is of no interest, but is to be read.
			if _, err := io.Copy(io.Discard, r); err != nil {
				return err
			}
			return t.finish()
		}
		if err == nil {
			err = t.put(h)
		}
		if errors.Is(err, tarball.ErrHeader) {
			return errorf("tar subcommand failed on directory: %s: tar: This does not look like a tar archive\ntar: Exiting with failure status due to previous errors", a.Directory)
		}
		if err != nil {
			return perror(err, "tar subcommand failed on directory: %s", a.Directory)
		}
	}
	return ctx.Err()
}

// tarReader is an archive being unpacked.
type tarReader struct {
	s    *Server
	f    *unboot.FS
	r    *tarball.Reader
	dirs []dirMeta // of which the times are set at the end

	xattrs, selinux, acls bool
	noOwners              bool // the file system has none
}

// put makes the file of a member.
func (t *tarReader) put(h *tarball.Header) error {
	name, err := memberPath(h.Name)
	if err != nil {
		return fmt.Errorf("%s: %w", h.Name, err)
	}
	m, err := t.metadata(h)
	if err != nil {
		return fmt.Errorf("%s: %w", h.Name, err)
	}
	if err := t.make(name, m, h); err != nil {
		return fmt.Errorf("%s: %w", h.Name, err)
	}
	return nil
}

func (t *tarReader) make(name string, m *unboot.Metadata, h *tarball.Header) error {
	if h.Type == tarball.TypeLink {
		target, err := memberPath(h.Linkname)
		if err != nil || target == name {
			return err
		}
		return t.retry(name, func() error {
			err := t.f.Link(target, name)
			if errors.Is(err, fs.ErrExist) {
				if err = t.f.Remove(name); err == nil {
					err = t.f.Link(target, name)
				}
			}
			return err
		})
	}
	if m.Mode.IsDir() {
		return t.dir(name, m)
	}
	if !m.Mode.IsRegular() {
		return t.retry(name, func() error { return t.f.Put(name, m, nil) })
	}
	if !h.Sparse {
		// With its directory there first, as the content can be read but once.
		if dir := path.Dir(name); dir != "." {
			if _, err := t.f.Stat(dir); errors.Is(err, fs.ErrNotExist) {
				if err := t.f.MkdirAll(dir, t.dirPerm()); err != nil {
					return err
				}
			}
		}
		return t.f.Put(name, m, t.r)
	}
	return t.sparse(name, m, h)
}

// sparse makes a file with holes.
func (t *tarReader) sparse(name string, m *unboot.Metadata, h *tarball.Header) error {
	empty := *m
	empty.Size = 0
	if err := t.retry(name, func() error { return t.f.Put(name, &empty, nil) }); err != nil {
		return err
	}
	f, err := t.f.OpenFile(name, unix.O_WRONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	err = f.Truncate(h.Size)
	for _, d := range h.Data {
		if err != nil {
			break
		}
		if _, err = f.Seek(d.Off, io.SeekStart); err == nil {
			_, err = io.CopyN(f, t.r, d.Len)
		}
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return t.f.SetMetadata(name, &empty) // writing has changed times, and taken setuid away
}

func (t *tarReader) dirPerm() fs.FileMode { return 0o777 &^ fs.FileMode(t.s.umask) }

// retry tries again with the directory of a file made, as archives may leave them out.
func (t *tarReader) retry(name string, do func() error) error {
	err := do()
	if errors.Is(err, fs.ErrNotExist) && path.Dir(name) != "." {
		if merr := t.f.MkdirAll(path.Dir(name), t.dirPerm()); merr != nil {
			return merr
		}
		err = do()
	}
	return err
}

func (t *tarReader) dir(name string, m *unboot.Metadata) error {
	// A default list is set at the end: what is made before would inherit it.
	now := *m
	now.Xattrs = nil
	for k, v := range m.Xattrs {
		if k != aclDefault {
			if now.Xattrs == nil {
				now.Xattrs = map[string][]byte{}
			}
			now.Xattrs[k] = v
		}
	}
	// A link to a directory where the archive has a directory stays, lest /lib of an
	// archive replaces the one that leads to /usr/lib.
	if st, err := t.f.Lstat(name); err == nil && st.Mode()&fs.ModeSymlink != 0 {
		if st, err := t.f.Stat(name); err == nil && st.IsDir() {
			return nil
		}
	}
	t.dirs = append(t.dirs, dirMeta{name, m})
	return t.retry(name, func() error { return t.f.Put(name, &now, nil) })
}

func (t *tarReader) finish() error {
	for _, d := range slices.Backward(t.dirs) {
		if acl, ok := d.m.Xattrs[aclDefault]; ok {
			if err := t.f.Setxattr(d.name, aclDefault, acl, 0); err != nil {
				return err
			}
		}
		if err := t.f.Lchtimes(d.name, d.m.Atime, d.m.Mtime); err != nil {
			return err
		}
	}
	return nil
}

// metadata translates a header.
func (t *tarReader) metadata(h *tarball.Header) (*unboot.Metadata, error) {
	const most = 1<<32 - 1
	if h.UID < 0 || h.UID >= most || h.GID < 0 || h.GID >= most {
		return nil, errors.New("its owner is out of range")
	}
	m := &unboot.Metadata{UID: int(h.UID), GID: int(h.GID), Mtime: h.Mtime, Atime: h.Atime, Size: h.Size}
	if t.noOwners {
		m.UID, m.GID = -1, -1
	}
	if m.Atime.IsZero() {
		m.Atime = time.Now()
	}
	typ := uint32(unix.S_IFREG)
	switch h.Type {
	case tarball.TypeSymlink:
		typ, m.Link = unix.S_IFLNK, h.Linkname
		if h.Linkname == "" || len(h.Linkname) >= unix.PathMax {
			return nil, unix.ENAMETOOLONG
		}
	case tarball.TypeDir:
		typ = unix.S_IFDIR
	case tarball.TypeFifo:
		typ = unix.S_IFIFO
	case tarball.TypeChar:
		typ, m.Rdev = unix.S_IFCHR, unix.Mkdev(h.Major, h.Minor)
	case tarball.TypeBlock:
		typ, m.Rdev = unix.S_IFBLK, unix.Mkdev(h.Major, h.Minor)
	}
	m.Mode = unboot.FileMode(typ | h.Mode&0o7777)
	for _, x := range h.Xattrs {
		want := t.xattrs
		switch x.Name {
		case selinuxAttr:
			want = t.selinux
		case aclAccess, aclDefault:
			want = t.acls
		}
		if !want {
			continue
		}
		if m.Xattrs == nil {
			m.Xattrs = map[string][]byte{}
		}
		m.Xattrs[x.Name] = []byte(x.Value)
	}
	return m, nil
}

// memberPath makes a path of a member's name: slashes at the start are dropped, as tar
// does, and what climbs up is refused.
func memberPath(name string) (string, error) {
	for elem := range strings.SplitSeq(name, "/") {
		if elem == ".." {
			return "", errors.New("member name contains '..'")
		}
		if len(elem) > unix.NAME_MAX {
			return "", unix.ENAMETOOLONG
		}
	}
	p := unboot.CleanPath(name)
	if len(p) >= unix.PathMax {
		return "", unix.ENAMETOOLONG
	}
	return p, nil
}
