package treecopy

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/acl"
	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/desttree"
)

// An ImageSink writes a tree into an image, several files at a time. A file that could
// not be written as a whole is reported and removed: none is left that looks
// complete and is not.
type ImageSink struct {
	FS *unboot.FS
	// Dir is the directory that is written to, a path without symbolic links.
	Dir string
	// Name is under which name the tree goes there, "" for Dir itself.
	Name string
	// After, if not nil, is the sink of an earlier transfer of the same work. A file
	// that it has written is not replaced by one whose name the file system takes for
	// the same.
	After *ImageSink
	// Change, if not nil, changes what is to be set.
	Change func(*unboot.Metadata)
	// Keep leaves files that exist alone.
	Keep bool
	// Strict is for copies: a directory and something else do not replace each
	// other, while an archive's member replaces what is there, as for tar.
	Strict bool
	// NoDirLinks says that a link to a directory is none: it stays for an archive,
	// lest an unpacked /lib replaces the one that leads to /usr/lib, and is in the
	// way of cp(1).
	NoDirLinks bool
	// Through writes into a file that exists, or into what a link that is there leads
	// to, which keeps its owner and mode; KeepDirs leaves those of directories alone.
	Through, KeepDirs bool
	// CopyLinks makes a copy of a file where the file system has no hard links.
	CopyLinks bool
	// Clock, if not zero, is the time at which an image is made that has to come out
	// the same each time.
	Clock time.Time
	// Umask is the permissions that directories do not get which a tree leaves out.
	Umask fs.FileMode
	// Label is how messages call a path of the FS. Without it, they call an
	// archive's member by its name in it.
	Label  func(p string) string
	Report Report

	tree  *desttree.Tree
	names *desttree.Names
	skip  string // tree that is left out since its directory failed
	queue putQueue
	dirs  later[dirMeta]
	end   error // why the work has to end
}

// dirMeta is what is set on a directory when all is in it.
type dirMeta struct {
	member       string // its name in an archive
	atime, mtime time.Time
	acl          []byte
}

func (s *ImageSink) start() {
	label := func(rel string) string { return s.named("", path.Join(s.Dir, rel)) }
	if s.After != nil {
		s.names = s.After.names
	} else {
		s.names = desttree.NewNames(s.FS, label)
	}
	s.tree = desttree.New(s.FS, s.Dir, s.names)
	s.tree.Wait = s.wait
	s.tree.Fail = func(rel string, err error) {
		if s.end == nil {
			s.end = s.fail(label(rel), err)
		}
	}
	s.tree.Perm = 0o777 &^ s.Umask
	s.queue.start(s)
}

// label is how messages call a path below Dir, to which an item goes.
func (s *ImageSink) label(it *Item, rel string) string {
	return s.named(it.Name, path.Join(s.Dir, rel))
}

// named is how messages call a path of the FS. member is its name in an archive, or "".
func (s *ImageSink) named(member, p string) string {
	switch {
	case s.Label != nil:
		return s.Label(unboot.CleanPath(p))
	case member != "":
		return member
	}
	return p
}

// With [ImageSink.Strict], a file and a directory do not replace each other; with
// [ImageSink.Through], a file is not written into itself.
var (
	ErrIsDir    = fmt.Errorf("cannot overwrite directory with non-directory: %w", unix.EISDIR)
	ErrNotDir   = fmt.Errorf("cannot overwrite non-directory with directory: %w", unix.ENOTDIR)
	ErrSameFile = errors.New("is the same file")
)

// errKept is why a file was not written that is there, which is no failure.
var errKept = errors.New("kept")

// add implements [Sink].
func (s *ImageSink) add(it *Item, src Source) error {
	if err := s.reported(); err != nil {
		return err
	}
	if it.Err != nil {
		it.left = true
		return s.fail(src.label(it), it.Err)
	}
	if err := s.FS.Image().Kernel().Err(); err != nil {
		return err
	}
	rel := path.Join(s.Name, it.Path)
	if s.skip != "" && strings.HasPrefix(rel, s.skip+"/") {
		it.left = true
		return nil
	}
	if s.Change != nil {
		s.Change(&it.Meta)
	}
	if now := s.Clock; !now.IsZero() {
		// When a file was built, or last read, is not to be seen.
		it.Meta.Atime = now
		if it.Meta.Mtime.After(now) {
			it.Meta.Mtime = now
		}
	}
	var err error
	queued := false
	if it.Hard == "" && it.Meta.Mode.IsDir() {
		s.tell(it, rel)
		err = s.dir(rel, it)
	} else {
		queued, err = s.file(rel, it, src)
	}
	if err == errKept {
		it.left = true
		return nil
	}
	if !queued {
		s.Report.moved()
	}
	if err != nil {
		it.left = true
		if s.Strict && it.Meta.Mode.IsDir() {
			s.skip = rel
		}
		return s.fail(s.label(it, rel), err)
	}
	return nil
}

// fail reports an error about a file, after those about files that came before it.
func (s *ImageSink) fail(name string, err error) error {
	s.queue.settle()
	if err := s.reported(); err != nil {
		return err
	}
	return s.Report.fail(name, err)
}

// reported reports the errors of files that were on their way. It returns why the work
// has to end.
func (s *ImageSink) reported() error {
	for _, f := range s.queue.failures() {
		if s.end == nil {
			s.end = s.Report.fail(f.name, f.err)
		}
	}
	return s.end
}

func (s *ImageSink) tell(it *Item, rel string) {
	if s.Report.Tell != nil {
		s.Report.Tell(s.label(it, rel))
	}
}

// file writes what is not a directory, or queues it.
func (s *ImageSink) file(rel string, it *Item, src Source) (queued bool, err error) {
	if rel == "." {
		return false, unix.EISDIR
	}
	d, err := s.tree.Dir(path.Dir(rel), true)
	if err != nil {
		return false, err
	}
	p := path.Join(d.Path, path.Base(rel))
	wasDir := s.tree.Used(p)
	there, err := s.makeWay(d, p, rel)
	if err == nil {
		queued, err = s.write(d, p, rel, there, it, src)
	}
	if err != nil && err != errKept {
		s.queue.failed(p)
		return queued, s.tree.Clash(d, p, rel, err)
	}
	if err == nil && wasDir {
		s.dirs.drop(func(dir string) bool { return desttree.Below(dir, p) })
	}
	return queued, err
}

// write writes a file to its place, where there is something that may be replaced, or nil.
func (s *ImageSink) write(d *desttree.Dir, p, rel string, there *unboot.Entry, it *Item, src Source) (queued bool, err error) {
	s.tell(it, rel)
	s.strip(it.Name, p, &it.Meta, d.Kind)
	switch {
	case it.Hard != "":
		err = s.link(d, path.Join(s.Name, it.Hard), p, it)
	case !it.Meta.Mode.IsRegular():
		// Not later: what comes next may go through the link.
		err = s.put(it.Name, p, &it.Meta, nil)
	case s.Through && there != nil:
		err = s.through(p, it, src)
	case !it.loaded:
		err = s.large(p, it, src)
	case s.queue.takes(d, p) && fewXattrs(it.Meta.Xattrs) && !s.tree.Doubtful(d, p):
		s.queue.add(d, it.Name, &unboot.NewFile{Name: p, Metadata: it.Meta, Data: it.data})
		queued = true
	default:
		err = s.put(it.Name, p, &it.Meta, it.data)
		s.Report.passed(len(it.data))
	}
	if err == nil {
		link := ""
		if it.Hard == "" && it.Meta.Mode.Type() == fs.ModeSymlink {
			link = it.Meta.Link
		}
		err = s.tree.Wrote(d, p, rel, link)
	}
	return queued, err
}

// makeWay looks at what is in a file's place, which is replaced if it may be.
func (s *ImageSink) makeWay(d *desttree.Dir, p, rel string) (*unboot.Entry, error) {
	s.wait(d, p)
	if s.tree.Used(p) {
		// A directory, or a link to one, that is to become something else.
		// Files that are on their way into it must be there before.
		s.queue.settle()
		s.tree.Forget()
	}
	there, err := s.tree.Place(d, p, rel, s.Keep || s.Strict && !d.Fresh)
	switch {
	case err != nil || there == nil:
		return nil, err
	case s.Strict && there.IsDir():
		return there, ErrIsDir
	case s.Keep:
		return there, errKept
	}
	return there, nil
}

// wait waits for a path that is on its way, for something depends on it.
func (s *ImageSink) wait(d *desttree.Dir, p string) {
	if s.queue.has(d, p) {
		s.queue.settle()
	}
}

// finish sets what could not be set before all was in the directories.
func (s *ImageSink) finish() error {
	s.queue.settle()
	if err := s.reported(); err != nil {
		return err
	}
	for _, d := range s.dirs.take() {
		if err := s.FS.Image().Kernel().Err(); err != nil {
			return err
		}
		var errs [2]error
		if d.meta.acl != nil {
			errs[0] = s.setXattr(d.meta.member, d.path, acl.Default, d.meta.acl)
		}
		if !d.meta.atime.IsZero() || !d.meta.mtime.IsZero() {
			errs[1] = s.FS.Lchtimes(d.path, d.meta.atime, d.meta.mtime)
		}
		for _, err := range errs {
			if err == nil {
				continue
			}
			if err := s.fail(s.named(d.meta.member, d.path), err); err != nil {
				return err
			}
		}
	}
	return nil
}

// close ends the goroutines.
func (s *ImageSink) close() { s.queue.close() }
