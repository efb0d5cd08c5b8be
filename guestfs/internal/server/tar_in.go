package server

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/desttree"
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
	t.tree = desttree.New(t.f, ".", desttree.NewNames(t.f, func(rel string) string { return rel }))
	t.tree.Perm = 0o777 &^ fs.FileMode(s.umask)
	t.tree.Fail = t.bad.add
	for ctx.Err() == nil {
		h, err := t.r.Next()
		if err == io.EOF {
			// What follows the archive is of no interest, but is to be read.
			if _, err := io.Copy(io.Discard, r); err != nil {
				return err
			}
			t.finish()
			return t.bad.err(a.Directory)
		}
		switch {
		case errors.Is(err, tarball.ErrHeader):
			return errorf("tar subcommand failed on directory: %s: tar: This does not look like a tar archive\ntar: Exiting with failure status due to previous errors", a.Directory)
		case err != nil:
			return perror(err, "tar subcommand failed on directory: %s", a.Directory)
		}
		// As tar does, go on with the next one.
		if err := t.put(h); err != nil {
			t.bad.add(h.Name, err)
		}
		if err := t.f.Image().Kernel().Err(); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// tarReader is an archive being unpacked.
type tarReader struct {
	s    *Server
	f    *unboot.FS
	r    *tarball.Reader
	tree *desttree.Tree
	dirs []dirMeta // of which the times are set at the end
	bad  badMembers

	xattrs, selinux, acls bool
}

// put makes the file of a member.
func (t *tarReader) put(h *tarball.Header) error {
	name, err := memberPath(h.Name)
	if err != nil {
		return err
	}
	m, err := t.metadata(h)
	if err != nil {
		return err
	}
	if m.Mode.IsDir() && h.Type != tarball.TypeLink {
		return t.dir(name, m)
	}
	if name == "." {
		return unix.EISDIR
	}
	d, err := t.tree.Dir(path.Dir(name), true)
	if err != nil {
		return err
	}
	p := path.Join(d.Path, path.Base(name))
	if t.tree.Used(p) {
		t.tree.Forget()
	}
	if _, err := t.tree.Place(d, p, name, false); err != nil {
		return err
	}
	t.strip(m, d.Kind)
	switch {
	case h.Type == tarball.TypeLink:
		err = t.link(h.Linkname, p)
	case m.Mode.IsRegular():
		err = t.file(p, m, h)
	default:
		err = t.make(p, m, nil)
	}
	if err != nil {
		return t.tree.Clash(d, p, name, err)
	}
	return t.tree.Wrote(d, p, name, m.Link)
}

// make puts what the reader gives, without attributes that the file system refuses: tar
// only warns of them.
func (t *tarReader) make(p string, m *unboot.Metadata, r io.Reader) error {
	err := t.f.Put(p, m, r)
	var call *unboot.CallError
	for errors.As(err, &call) && call.Call == "setxattr" {
		// The content is there.
		rest := maps.Clone(m.Xattrs)
		delete(rest, call.Attr)
		m.Xattrs = rest
		err = t.f.SetMetadata(p, m)
	}
	return err
}

func (t *tarReader) link(to, p string) error {
	target, err := memberPath(to)
	if err != nil {
		return err
	}
	d, err := t.tree.Dir(path.Dir(target), false)
	if err != nil {
		return err
	}
	if target = path.Join(d.Path, path.Base(target)); target == p {
		return nil
	}
	err = t.f.Link(target, p)
	if errors.Is(err, fs.ErrExist) {
		if err = t.f.Remove(p); err == nil {
			err = t.f.Link(target, p)
		}
	}
	return err
}

// file makes a regular file. Its directory is there: the content can be read but once.
func (t *tarReader) file(p string, m *unboot.Metadata, h *tarball.Header) error {
	if !h.Sparse {
		return t.make(p, m, t.r)
	}
	empty := *m
	empty.Size = 0
	if err := t.make(p, &empty, nil); err != nil {
		return err
	}
	f, err := t.f.OpenFile(p, unix.O_WRONLY|unix.O_NOFOLLOW, 0)
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
	return t.f.SetMetadata(p, &empty) // writing has changed times, and taken setuid away
}

func (t *tarReader) dir(name string, m *unboot.Metadata) error {
	d, err := t.tree.Dir(".", true)
	if err != nil {
		return err
	}
	p, parent := d.Path, d
	if name != "." {
		if parent, err = t.tree.Dir(path.Dir(name), true); err != nil {
			return err
		}
		p = path.Join(parent.Path, path.Base(name))
		var there *unboot.Entry
		if d, there, err = t.tree.Look(parent, name); err != nil {
			return err
		}
		// A link to a directory where the archive has a directory stays, lest /lib
		// of an archive replaces the one that leads to /usr/lib.
		if d != nil && d.Path != p {
			return nil
		}
		if d == nil && there != nil && t.tree.Used(p) {
			t.tree.Forget()
		}
	}
	t.strip(m, parent.Kind)
	// A default list is set at the end: what is made before would inherit it.
	now := *m
	now.Xattrs = maps.Clone(m.Xattrs)
	delete(now.Xattrs, aclDefault)
	t.dirs = append(t.dirs, dirMeta{p, m})
	if err := t.make(p, &now, nil); err != nil {
		return err
	}
	if d == nil {
		_, err = t.tree.Made(parent, name)
	}
	return err
}

// strip takes away what nobody expects a file system to keep.
func (t *tarReader) strip(m *unboot.Metadata, k *desttree.Kind) {
	if k.NoOwners {
		m.UID, m.GID = -1, -1
	}
	if k.NoXattrs {
		m.Xattrs = nil
	}
}

func (t *tarReader) finish() {
	done := map[string]bool{}
	for _, d := range slices.Backward(t.dirs) {
		if done[d.name] {
			continue // the last of several counts
		}
		done[d.name] = true
		if st, err := t.f.Lstat(d.name); err != nil || !st.IsDir() {
			continue // has become something else
		}
		if acl, ok := d.m.Xattrs[aclDefault]; ok {
			t.f.Setxattr(d.name, aclDefault, acl, 0) // tar only warns
		}
		if err := t.f.Lchtimes(d.name, d.m.Atime, d.m.Mtime); err != nil {
			t.bad.add(d.name, err)
		}
	}
}

// metadata translates a header.
func (t *tarReader) metadata(h *tarball.Header) (*unboot.Metadata, error) {
	const most = 1<<32 - 1
	if h.UID < 0 || h.UID >= most || h.GID < 0 || h.GID >= most {
		return nil, errors.New("its owner is out of range")
	}
	m := &unboot.Metadata{UID: int(h.UID), GID: int(h.GID), Mtime: h.Mtime, Atime: h.Atime, Size: h.Size}
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
