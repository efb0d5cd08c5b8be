package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/unboot/unboot"
	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/desttree"
)

// imageSink writes a tree into an image, several files at a time. A file that could
// not be written as a whole is reported and removed: none is left that looks
// complete and is not.
type imageSink struct {
	a     *app
	o     *opened
	fs    *unboot.FS
	dest  string // the directory written to, without symbolic links
	tree  *desttree.Tree
	names *desttree.Names
	name  string // under which name the tree goes there; "" for the directory itself
	// strip is what the file system cannot hold.
	strip stripper
	p     *progress
	owner func(*unboot.Metadata)
	// keep leaves files that exist alone, tell prints names.
	keep bool
	tell func(string)
	// strict is for cp: a directory and something else do not replace each
	// other, while an archive's member replaces what is there, as for tar.
	strict bool
	skip   string // tree that is left out since its directory failed

	queue putQueue
	dirs  []dirTimes
}

// dirTimes is what is set on a directory when all is in it.
type dirTimes struct {
	path         string
	atime, mtime time.Time
	acl          []byte
}

const defaultACL = "system.posix_acl_default"

// newImageSink returns a sink into a directory, which must be a real path. names is
// what was written by others of the same command, or nil.
func newImageSink(a *app, o *opened, dir, name string, names *desttree.Names, p *progress) *imageSink {
	s := &imageSink{a: a, o: o, fs: o.fs, dest: dir, name: name, p: p}
	s.strip.a = a
	if names == nil {
		names = desttree.NewNames(o.fs, s.label)
	}
	s.names = names
	s.tree = desttree.New(o.fs, dir, names)
	s.tree.Wait = s.wait
	s.tree.Fail = func(rel string, err error) { a.fail(fmt.Errorf("%s: %w", s.label(rel), err)) }
	s.queue.start(s)
	return s
}

func (s *imageSink) label(rel string) string {
	return s.o.label(unboot.CleanPath(path.Join(s.dest, rel)))
}

// errKept is why a file was not written that is there, which is no failure.
var errKept = errors.New("kept")

func (s *imageSink) add(it *item, src source) error {
	if it.err != nil {
		it.left = true
		s.a.fail(fmt.Errorf("%s: %w", src.label(it.path), it.err))
		return nil
	}
	if err := s.o.img.Kernel().Err(); err != nil {
		return err
	}
	rel := path.Join(s.name, it.path)
	if s.skip != "" && strings.HasPrefix(rel, s.skip+"/") {
		it.left = true
		return nil
	}
	if s.owner != nil {
		s.owner(&it.meta)
	}
	if now := s.o.clock; !now.IsZero() {
		// When a file was built, or last read, is not to be seen.
		it.meta.Atime = now
		if it.meta.Mtime.After(now) {
			it.meta.Mtime = now
		}
	}
	var err error
	queued := false
	if it.hard == "" && it.meta.Mode.IsDir() {
		if s.tell != nil {
			s.tell(s.label(rel))
		}
		err = s.dir(rel, it)
	} else {
		queued, err = s.file(rel, it, src)
	}
	if err == errKept {
		it.left = true
		return nil
	}
	if !queued {
		s.p.files.Add(1)
	}
	if err != nil {
		it.left = true
		if s.strict && it.meta.Mode.IsDir() {
			s.skip = rel
		}
		s.a.fail(fmt.Errorf("%s: %w", s.label(rel), reason(err)))
	}
	return nil
}

// file writes what is not a directory, or queues it.
func (s *imageSink) file(rel string, it *item, src source) (queued bool, err error) {
	if rel == "." {
		return false, unix.EISDIR
	}
	d, err := s.tree.Dir(path.Dir(rel), true)
	if err != nil {
		return false, err
	}
	p := path.Join(d.Path, path.Base(rel))
	wasDir := s.tree.Used(p)
	if err = s.makeWay(d, p, rel); err == nil {
		queued, err = s.write(d, p, rel, it, src)
	}
	if err != nil && err != errKept {
		s.queue.failed(p)
		return queued, s.tree.Clash(d, p, rel, err)
	}
	if err == nil && wasDir {
		s.dirs = slices.DeleteFunc(s.dirs, func(d dirTimes) bool { return desttree.Below(d.path, p) })
	}
	return queued, err
}

// write writes a file to a place that is free.
func (s *imageSink) write(d *desttree.Dir, p, rel string, it *item, src source) (queued bool, err error) {
	if s.tell != nil {
		s.tell(s.label(rel))
	}
	s.strip.apply(&it.meta, d.Kind)
	switch {
	case it.hard != "":
		err = s.link(d, path.Join(s.name, it.hard), p, it)
	case !it.meta.Mode.IsRegular():
		// Not later: what comes next may go through the link.
		err = s.put(p, &it.meta, nil)
	case !it.loaded:
		err = s.large(p, it, src)
	case s.queue.takes(d, p) && fewXattrs(it.meta.Xattrs) && !s.tree.Doubtful(d, p):
		s.queue.add(d, &unboot.NewFile{Name: p, Metadata: it.meta, Data: it.data})
		queued = true
	default:
		err = s.put(p, &it.meta, it.data)
		s.p.bytes.Add(int64(len(it.data)))
	}
	if err == nil {
		link := ""
		if it.hard == "" && it.meta.Mode.Type() == fs.ModeSymlink {
			link = it.meta.Link
		}
		err = s.tree.Wrote(d, p, rel, link)
	}
	return queued, err
}

// makeWay looks at what is in a file's place, which is replaced if it may be.
func (s *imageSink) makeWay(d *desttree.Dir, p, rel string) error {
	s.wait(d, p)
	if s.tree.Used(p) {
		// A directory, or a link to one, that is to become something else.
		// What is on its way into it must be there before.
		s.queue.settle()
		s.tree.Forget()
	}
	there, err := s.tree.Place(d, p, rel, s.keep || s.strict && !d.Fresh)
	switch {
	case err != nil || there == nil:
		return err
	case s.strict && there.IsDir():
		return fmt.Errorf("cannot overwrite directory with non-directory: %w", unix.EISDIR)
	case s.keep:
		return errKept
	}
	return nil
}

// wait waits for a path that is on its way, for something depends on it.
func (s *imageSink) wait(d *desttree.Dir, p string) {
	if s.queue.has(d, p) {
		s.queue.settle()
	}
}

// finish sets what could not be set before all was in the directories.
func (s *imageSink) finish() error {
	s.queue.settle()
	done := map[string]bool{}
	for _, d := range slices.Backward(s.dirs) {
		if done[d.path] {
			continue // an archive may have a directory twice: the last one counts
		}
		done[d.path] = true
		if d.acl != nil {
			if err := s.setXattr(d.path, defaultACL, d.acl); err != nil {
				s.a.fail(fmt.Errorf("%s: %w", s.o.label(d.path), reason(err)))
			}
		}
		if d.atime.IsZero() && d.mtime.IsZero() {
			continue
		}
		if err := s.fs.Lchtimes(d.path, d.atime, d.mtime); err != nil {
			s.a.fail(fmt.Errorf("%s: %w", s.o.label(d.path), reason(err)))
		}
	}
	s.dirs = nil
	return nil
}

// close ends the goroutines. It must be called, whatever has happened.
func (s *imageSink) close() {
	s.queue.close()
	s.strip.summary()
}
