package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/unboot/unboot"
	"golang.org/x/sys/unix"
)

// hostSink writes a tree of an image to the host. The image is not trusted: it
// may have names and symbolic links made to be followed. So no path of it is ever
// given to the host's kernel: every name is one element, looked up in the open
// directory it belongs to, and never followed if it is a link. That is stricter
// than os.Root, which follows links that stay inside, and has no calls for
// devices, attributes and the like.
type hostSink struct {
	a     *app
	root  *os.File // directory that the tree goes to
	name  string   // under which name there; "" is the directory itself
	where string   // its host path, for messages
	p     *progress
	keep  bool
	// through is the host path of what is there already and takes the content
	// of a single file, or "".
	through string
	owner   func(*unboot.Metadata)
	tell    func(string)
	// chown says that owners are kept, as root can.
	chown bool
	strip stripper

	stack []openDir // from the root down to the last used
	dirs  []hostDir
	skip  string // tree that is left out since its directory failed
}

type openDir struct {
	path string
	f    *os.File
}

// hostDir is what is set on a directory when all is in it.
type hostDir struct {
	path string
	meta unboot.Metadata
}

// inner is the path below s.root.
func (s *hostSink) inner(p string) string { return path.Join(s.name, p) }

func (s *hostSink) label(p string) string { return quote(path.Join(s.where, s.inner(p))) }

func (s *hostSink) add(it *item, src source) error {
	if it.err != nil {
		it.left = true
		s.a.fail(fmt.Errorf("%s: %w", src.label(it.path), it.err))
		return nil
	}
	if s.skip != "" && strings.HasPrefix(it.path, s.skip+"/") {
		it.left = true
		return nil
	}
	if s.owner != nil {
		s.owner(&it.meta)
	}
	if s.tell != nil {
		s.tell(s.label(it.path))
	}
	err := s.write(it, src)
	s.p.files.Add(1)
	if err == nil {
		return nil
	}
	it.left = true
	if it.meta.Mode.IsDir() {
		if it.path == "." {
			return fmt.Errorf("%s: %w", s.label(it.path), reason(err))
		}
		s.skip = it.path
	}
	if errors.Is(err, unix.EPIPE) {
		return err
	}
	if err == unix.ENOSPC || err == unix.EDQUOT {
		return fmt.Errorf("%s: %w", s.label(it.path), err) // no use to go on
	}
	s.a.fail(fmt.Errorf("%s: %w", s.label(it.path), reason(err)))
	return nil
}

// write makes one file.
func (s *hostSink) write(it *item, src source) error {
	full := s.inner(it.path)
	if full == "." || full == "" { // what is copied goes into a directory that is there
		s.dirs = append(s.dirs, hostDir{".", it.meta})
		return nil
	}
	if s.through != "" {
		return s.writeThrough(it, src)
	}
	dir, err := s.dir(path.Dir(full))
	if err != nil {
		return err
	}
	fd, base := int(dir.Fd()), path.Base(full)
	if base == ".." || base == "/" {
		return unix.EINVAL
	}
	var st unix.Stat_t
	if err := unix.Fstatat(fd, base, &st, unix.AT_SYMLINK_NOFOLLOW); err == nil {
		isDir := st.Mode&unix.S_IFMT == unix.S_IFDIR
		switch {
		case isDir && it.meta.Mode.IsDir():
			s.dirs = append(s.dirs, hostDir{full, it.meta})
			return nil
		case isDir:
			return fmt.Errorf("a directory is there: %w", unix.EISDIR)
		case it.meta.Mode.IsDir():
			return fmt.Errorf("something else is there: %w", unix.ENOTDIR)
		case s.keep:
			it.left = true
			return nil
		}
		if err := unix.Unlinkat(fd, base, 0); err != nil {
			return err
		}
	}
	if it.hard != "" {
		return s.link(it, fd, base)
	}
	switch it.meta.Mode.Type() {
	case 0:
		return s.file(it, src, fd, base)
	case fs.ModeDir:
		// Nobody else's until all is in it.
		if err := unix.Mkdirat(fd, base, 0o700); err != nil {
			return err
		}
		s.dirs = append(s.dirs, hostDir{full, it.meta})
		return nil
	case fs.ModeSymlink:
		if it.meta.Link == "" {
			return errors.New("a symbolic link without a target, which the host cannot have")
		}
		s.a.linked.Store(true)
		if err := unix.Symlinkat(it.meta.Link, fd, base); err != nil {
			return err
		}
	default:
		mode := unboot.UnixMode(it.meta.Mode)
		if err := unix.Mknodat(fd, base, mode&unix.S_IFMT|0o600, int(it.meta.Rdev)); err != nil {
			if err == unix.EPERM {
				return fmt.Errorf("make a device: %w (wants root)", err)
			}
			return err
		}
	}
	return s.setNode(fd, base, &it.meta)
}

// link makes a hard link to an earlier file of this run.
func (s *hostSink) link(it *item, fd int, base string) error {
	target := s.inner(it.hard)
	f, err := s.openDir(path.Dir(target))
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Linkat(int(f.Fd()), path.Base(target), fd, base, 0)
}

func (s *hostSink) file(it *item, src source, dirfd int, base string) error {
	fd, err := unix.Openat(dirfd, base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	return s.fillFile(os.NewFile(uintptr(fd), base), it, src)
}

// fillFile gives an empty file its content and metadata, and closes it.
func (s *hostSink) fillFile(f *os.File, it *item, src source) error {
	defer f.Close()
	var err error
	if it.loaded {
		if len(it.data) > 0 {
			_, err = f.Write(it.data)
		}
		s.p.bytes.Add(int64(len(it.data)))
	} else {
		err = s.content(f, it, src)
	}
	if err == nil {
		err = s.setOpen(f, &it.meta)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return reason(err)
}

// writeThrough writes a file into what is there: a regular file behind a link gets
// all of it, a pipe or a device the content.
func (s *hostSink) writeThrough(it *item, src source) error {
	f, err := os.OpenFile(s.through, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	if st, err := f.Stat(); err == nil && st.Mode().IsRegular() {
		return s.fillFile(f, it, src)
	}
	defer f.Close()
	if it.loaded {
		_, err = f.Write(it.data)
		return reason(err)
	}
	b, err := src.open(it)
	if err != nil {
		return err
	}
	defer b.Close()
	var r io.Reader = b
	if file, ok := b.(*sectionBody); ok {
		r = file.whole // its holes, too
	}
	if s.a.progress == nil {
		_, err = io.Copy(f, r) // which does not go through our memory
	} else {
		_, err = io.Copy(io.MultiWriter(f, counter{s.p}), r)
	}
	return reason(err)
}

// content copies a large file.
func (s *hostSink) content(f *os.File, it *item, src source) error {
	b, err := src.open(it)
	if err != nil {
		return err
	}
	defer b.Close()
	data, sparse := b.segments()
	if sparse {
		return fill(f, io.TeeReader(b, counter{s.p}), data, it.meta.Size)
	}
	if b.holes() {
		return fillZeros(f, io.TeeReader(b, counter{s.p}), it.meta.Size)
	}
	if w, ok := b.(*sectionBody); ok && s.a.progress == nil {
		if to, ok := w.whole.(io.WriterTo); ok {
			_, err = to.WriteTo(f)
			return err
		}
	}
	_, err = io.CopyBuffer(io.MultiWriter(f, counter{s.p}), struct{ io.Reader }{b}, make([]byte, 1<<20))
	return err
}

// dir returns the open directory of a path, which stays open while the tree's
// walk is in it.
func (s *hostSink) dir(p string) (*os.File, error) {
	if p == "." {
		s.pop(0)
		return s.root, nil
	}
	for len(s.stack) > 0 {
		top := s.stack[len(s.stack)-1]
		if top.path == p {
			return top.f, nil
		}
		if strings.HasPrefix(p, top.path+"/") {
			break
		}
		s.pop(len(s.stack) - 1)
	}
	at, done := s.root, ""
	if n := len(s.stack); n > 0 {
		at, done = s.stack[n-1].f, s.stack[n-1].path
	}
	rest := strings.TrimPrefix(strings.TrimPrefix(p, done), "/")
	for elem := range strings.SplitSeq(rest, "/") {
		f, err := openNoFollow(at, elem)
		if err != nil {
			return nil, err
		}
		done = path.Join(done, elem)
		s.stack = append(s.stack, openDir{done, f})
		at = f
	}
	return at, nil
}

func (s *hostSink) pop(n int) {
	for _, d := range s.stack[n:] {
		d.f.Close()
	}
	s.stack = s.stack[:n]
}

// openDir opens a directory from the root down, apart from the stack.
func (s *hostSink) openDir(p string) (*os.File, error) {
	at, err := openNoFollow(s.root, ".")
	if err != nil || p == "." {
		return at, err
	}
	for elem := range strings.SplitSeq(p, "/") {
		f, err := openNoFollow(at, elem)
		at.Close()
		if err != nil {
			return nil, err
		}
		at = f
	}
	return at, nil
}

func openNoFollow(dir *os.File, name string) (*os.File, error) {
	if name == ".." || strings.ContainsRune(name, '/') {
		return nil, unix.EXDEV // no image can have it; nothing hangs on that
	}
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// finish sets the metadata of directories, the deepest first.
func (s *hostSink) finish() error {
	s.pop(0)
	for i := len(s.dirs) - 1; i >= 0; i-- {
		d := &s.dirs[i]
		f, err := s.openDir(d.path)
		if err == nil {
			err = s.setOpen(f, &d.meta)
			f.Close()
		}
		if err != nil {
			s.a.fail(fmt.Errorf("%s: %w", quote(path.Join(s.where, d.path)), reason(err)))
		}
	}
	return nil
}

func (s *hostSink) close() {
	s.pop(0)
	s.strip.summary()
}
