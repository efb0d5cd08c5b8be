package treecopy

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

// A HostSink writes a tree to the host. The tree is not trusted: it
// may have names and symbolic links made to be followed. So no path of it is ever
// given to the host's kernel: every name is one element, looked up in the open
// directory it belongs to, and never followed if it is a link. That is stricter
// than os.Root, which follows links that stay inside, and has no calls for
// devices, attributes and the like.
type HostSink struct {
	// Root is the open directory that the tree goes to. It stays open.
	Root *os.File
	// Name is under which name the tree goes there, "" for Root itself.
	Name string
	// Keep leaves files that exist alone.
	Keep bool
	// Through is the host path of what is there already and takes the content
	// of a single file, or "".
	Through string
	// Change, if not nil, changes what is to be set.
	Change func(*unboot.Metadata)
	// Chown says that owners are kept, as root can. Without it, nothing is setuid.
	Chown bool
	// NoDevices leaves out what is neither a file, a directory nor a symbolic link.
	NoDevices bool
	// Label is how messages call a path below Root.
	Label  func(p string) string
	Report Report

	stack  []openDir // from the root down to the last used
	dirs   later[unboot.Metadata]
	skip   string // tree that is left out since its directory failed
	linked bool
}

type openDir struct {
	path string
	f    *os.File
}

// Linked reports whether a symbolic link was made.
func (s *HostSink) Linked() bool { return s.linked }

// inner is the path below s.Root.
func (s *HostSink) inner(p string) string { return path.Join(s.Name, p) }

// label is how messages call a path below Root.
func (s *HostSink) label(p string) string {
	if s.Label != nil {
		return s.Label(p)
	}
	return p
}

// start implements [Sink].
func (s *HostSink) start() {}

// add implements [Sink].
func (s *HostSink) add(it *Item, src Source) error {
	if it.Err != nil {
		it.left = true
		return s.Report.fail(src.label(it), it.Err)
	}
	if s.skip != "" && strings.HasPrefix(it.Path, s.skip+"/") {
		it.left = true
		return nil
	}
	if s.Change != nil {
		s.Change(&it.Meta)
	}
	label := s.label(s.inner(it.Path))
	if s.Report.Tell != nil {
		s.Report.Tell(label)
	}
	err := s.write(it, src)
	s.Report.moved()
	if err == nil {
		return nil
	}
	it.left = true
	if it.Meta.Mode.IsDir() {
		if it.Path == "." {
			return fmt.Errorf("%s: %w", label, cause(err))
		}
		s.skip = it.Path
	}
	switch {
	case errors.Is(err, unix.EPIPE):
		return err
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return fmt.Errorf("%s: %w", label, cause(err)) // no use to go on
	}
	return s.Report.fail(label, err)
}

// write makes one file.
func (s *HostSink) write(it *Item, src Source) error {
	full := s.inner(it.Path)
	if full == "." || full == "" { // what is copied goes into a directory that is there
		s.dirs.add(".", it.Meta)
		return nil
	}
	if s.Through != "" {
		return s.writeThrough(it, src)
	}
	if it.Hard == it.Path {
		return nil // an archive may link a member to itself
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
		case isDir && it.Meta.Mode.IsDir():
			s.dirs.add(full, it.Meta)
			return nil
		case isDir:
			return fmt.Errorf("cannot overwrite directory with non-directory: %w", unix.EISDIR)
		case it.Meta.Mode.IsDir():
			return fmt.Errorf("cannot overwrite non-directory with directory: %w", unix.ENOTDIR)
		case s.Keep:
			it.left = true
			return nil
		}
		if err := unix.Unlinkat(fd, base, 0); err != nil {
			return err
		}
	}
	if it.Hard != "" {
		return s.link(it, fd, base)
	}
	switch it.Meta.Mode.Type() {
	case 0:
		return s.file(it, src, fd, base)
	case fs.ModeDir:
		// Nobody else's until all is in it.
		if err := unix.Mkdirat(fd, base, 0o700); err != nil {
			return err
		}
		s.dirs.add(full, it.Meta)
		return nil
	case fs.ModeSymlink:
		if it.Meta.Link == "" {
			return errors.New("a symbolic link without a target, which the host cannot have")
		}
		s.linked = true
		if err := unix.Symlinkat(it.Meta.Link, fd, base); err != nil {
			return err
		}
	default:
		if s.NoDevices {
			it.left = true
			return nil
		}
		mode := unboot.UnixMode(it.Meta.Mode)
		if err := unix.Mknodat(fd, base, mode&unix.S_IFMT|0o600, int(it.Meta.Rdev)); err != nil {
			if err == unix.EPERM {
				return fmt.Errorf("cannot create special file: %w (requires root)", err)
			}
			return err
		}
	}
	return s.setNode(full, fd, base, &it.Meta)
}

// link makes a hard link to an earlier file of this run.
func (s *HostSink) link(it *Item, fd int, base string) error {
	target := s.inner(it.Hard)
	f, err := s.openDir(path.Dir(target))
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Linkat(int(f.Fd()), path.Base(target), fd, base, 0)
}

func (s *HostSink) file(it *Item, src Source, dirfd int, base string) error {
	fd, err := unix.Openat(dirfd, base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	return s.fillFile(os.NewFile(uintptr(fd), base), it, src)
}

// fillFile gives an empty file its content and metadata, and closes it.
func (s *HostSink) fillFile(f *os.File, it *Item, src Source) error {
	defer f.Close()
	var err error
	if it.loaded {
		if len(it.data) > 0 {
			_, err = f.Write(it.data)
		}
		s.Report.passed(len(it.data))
	} else {
		err = s.content(f, it, src)
	}
	if err == nil {
		err = s.setOpen(s.inner(it.Path), f, &it.Meta)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// writeThrough writes a file into what is there: a regular file that a link leads to gets
// all of it, a pipe or a device the content.
func (s *HostSink) writeThrough(it *Item, src Source) error {
	f, err := os.OpenFile(s.Through, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	if st, err := f.Stat(); err == nil && st.Mode().IsRegular() {
		return s.fillFile(f, it, src)
	}
	defer f.Close()
	if it.loaded {
		_, err = f.Write(it.data)
		return err
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
	if s.Report.Bytes == nil {
		_, err = io.Copy(f, r) // which does not go through our memory
	} else {
		_, err = io.Copy(io.MultiWriter(f, counter{&s.Report}), r)
	}
	return err
}

// content copies a large file.
func (s *HostSink) content(f *os.File, it *Item, src Source) error {
	b, err := src.open(it)
	if err != nil {
		return err
	}
	defer b.Close()
	data, sparse := b.segments()
	if sparse {
		return fill(f, io.TeeReader(b, counter{&s.Report}), data, it.Meta.Size)
	}
	if b.holes() {
		return fillZeros(f, io.TeeReader(b, counter{&s.Report}), it.Meta.Size)
	}
	if w, ok := b.(*sectionBody); ok && s.Report.Bytes == nil {
		if to, ok := w.whole.(io.WriterTo); ok {
			_, err = to.WriteTo(f)
			return err
		}
	}
	_, err = io.CopyBuffer(io.MultiWriter(f, counter{&s.Report}), struct{ io.Reader }{b}, make([]byte, 1<<20))
	return err
}

// dir returns the open directory of a path, which stays open while the tree's
// walk is in it.
func (s *HostSink) dir(p string) (*os.File, error) {
	if p == "." {
		s.pop(0)
		return s.Root, nil
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
	at, done := s.Root, ""
	if n := len(s.stack); n > 0 {
		at, done = s.stack[n-1].f, s.stack[n-1].path
	}
	rest := strings.TrimPrefix(strings.TrimPrefix(p, done), "/")
	for elem := range strings.SplitSeq(rest, "/") {
		f, err := openNoFollow(at, elem)
		if err == unix.ENOENT { // archives leave directories out
			if err = unix.Mkdirat(int(at.Fd()), elem, 0o755); err == nil {
				f, err = openNoFollow(at, elem)
			}
		}
		if err != nil {
			return nil, err
		}
		done = path.Join(done, elem)
		s.stack = append(s.stack, openDir{done, f})
		at = f
	}
	return at, nil
}

func (s *HostSink) pop(n int) {
	for _, d := range s.stack[n:] {
		d.f.Close()
	}
	s.stack = s.stack[:n]
}

// openDir opens a directory from the root down, apart from the stack.
func (s *HostSink) openDir(p string) (*os.File, error) {
	at, err := openNoFollow(s.Root, ".")
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
func (s *HostSink) finish() error {
	s.pop(0)
	for _, d := range s.dirs.take() {
		f, err := s.openDir(d.path)
		if err == nil {
			err = s.setOpen(d.path, f, &d.meta)
			f.Close()
		}
		if err != nil {
			if err := s.Report.fail(s.label(d.path), err); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *HostSink) close() { s.pop(0) }
