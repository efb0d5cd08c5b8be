package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"sync"

	"github.com/unboot/unboot"
	"golang.org/x/sys/unix"
)

// imageSink writes a tree into an image, several files at a time.
type imageSink struct {
	a    *app
	o    *opened
	fs   *unboot.FS // the tree written to: nothing of the archive gets out of it
	root string     // its path in the image, for messages
	name string     // under which name the tree goes there; "" for the root itself
	// strip is what the file system cannot hold.
	strip stripper
	p     *progress
	owner func(*unboot.Metadata)
	// keep leaves files that exist alone, print tells names.
	keep bool
	tell func(string)

	batch   []*unboot.NewFile // not yet given to a worker
	size    int
	jobs    chan []*unboot.NewFile
	workers sync.WaitGroup

	mu      sync.Mutex
	pending map[string]bool // paths on their way
	idle    sync.WaitGroup
	dirs    []dirTimes
}

// dirTimes is what is set on a directory when all is in it.
type dirTimes struct {
	path string
	meta unboot.Metadata
	acl  []byte
}

const (
	putWorkers = 6
	putBatch   = 20
	putBytes   = 512 << 10
	defaultACL = "system.posix_acl_default"
)

func newImageSink(a *app, o *opened, fsys *unboot.FS, root, name string, p *progress) *imageSink {
	s := &imageSink{a: a, o: o, fs: fsys, root: root, name: name, p: p, pending: map[string]bool{}, jobs: make(chan []*unboot.NewFile, putWorkers)}
	s.strip.a = a
	if st, err := fsys.Statfs("."); err == nil {
		s.strip.probe(int64(st.Type))
	}
	if !o.clock.IsZero() {
		return s // no workers: in turn, always the same
	}
	for range putWorkers {
		s.workers.Go(func() {
			for files := range s.jobs {
				s.putBatch(files)
			}
		})
	}
	return s
}

// putBatch makes files in a worker. Those that fail are tried again by
// themselves, with what put knows.
func (s *imageSink) putBatch(files []*unboot.NewFile) {
	for _, n := range files {
		s.strip.apply(&n.Metadata)
	}
	for i, err := range s.fs.PutFiles(files) {
		n := files[i]
		if err != nil {
			err = s.put(n.Name, &n.Metadata, func() io.Reader { return bytes.NewReader(n.Data) })
		}
		if err != nil {
			s.a.fail(fmt.Errorf("%s: %w", s.label(n.Name), reason(err)))
		}
		s.p.files.Add(1)
		s.p.bytes.Add(int64(len(n.Data)))
	}
	s.mu.Lock()
	for _, n := range files {
		delete(s.pending, n.Name)
	}
	s.mu.Unlock()
	s.idle.Done()
}

// send gives what was collected to a worker, if there are any.
func (s *imageSink) send() {
	if len(s.batch) > 0 {
		batch := s.batch
		s.batch, s.size = nil, 0
		s.idle.Add(1)
		if s.o.clock.IsZero() {
			s.jobs <- batch
		} else {
			s.putBatch(batch)
		}
	}
}

// settle waits for all files that are on their way.
func (s *imageSink) settle() {
	s.send()
	s.idle.Wait()
}

// wait waits for a path that is on its way, for something depends on it.
func (s *imageSink) wait(p string) {
	s.mu.Lock()
	on := s.pending[p]
	s.mu.Unlock()
	if on {
		s.settle()
	}
}

func (s *imageSink) label(p string) string {
	return s.o.label(unboot.CleanPath(path.Join(s.root, p)))
}

func (s *imageSink) add(it *item, src source) error {
	if it.err != nil {
		s.a.fail(fmt.Errorf("%s: %w", src.label(it.path), it.err))
		return nil
	}
	if err := s.o.img.Kernel().Err(); err != nil {
		return err
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
	p := path.Join(s.name, it.path)
	s.wait(p)
	if s.keep && !it.meta.Mode.IsDir() {
		if _, err := s.fs.Lstat(p); err == nil {
			return nil
		}
	}
	if s.tell != nil {
		s.tell(s.label(p))
	}
	var err error
	switch {
	case it.hard != "":
		err = s.link(path.Join(s.name, it.hard), p)
	case it.meta.Mode.IsDir():
		err = s.dir(p, it)
	case !it.meta.Mode.IsRegular():
		// Not later: what comes next may go through the link.
		err = s.put(p, &it.meta, func() io.Reader { return nil })
	case !it.loaded:
		err = s.large(p, it, src)
	default:
		s.mu.Lock()
		s.pending[p] = true
		s.mu.Unlock()
		s.batch = append(s.batch, &unboot.NewFile{Name: p, Metadata: it.meta, Data: it.data})
		if s.size += len(it.data); len(s.batch) >= putBatch || s.size >= putBytes {
			s.send()
		}
		return nil
	}
	s.p.files.Add(1)
	if err != nil {
		s.a.fail(fmt.Errorf("%s: %w", s.label(p), reason(err)))
	}
	return nil
}

// put puts a file, with a second try where a directory is missing, as archives
// leave them out, and without what the file system does not take.
func (s *imageSink) put(p string, m *unboot.Metadata, content func() io.Reader) error {
	s.strip.apply(m)
	err := s.fs.Put(p, m, content())
	if errors.Is(err, fs.ErrNotExist) && path.Dir(p) != "." {
		if merr := s.fs.MkdirAll(path.Dir(p), 0o755); merr != nil {
			return merr
		}
		err = s.fs.Put(p, m, content())
	}
	for s.strip.learn(m, err) {
		err = s.fs.Put(p, m, content())
	}
	return err
}

func (s *imageSink) dir(p string, it *item) error {
	m := it.meta
	last := dirTimes{path: p, meta: unboot.Metadata{Mode: m.Mode, Atime: m.Atime, Mtime: m.Mtime}}
	// What is made in a directory with a default list inherits it: at the end.
	if acl, ok := m.Xattrs[defaultACL]; ok {
		last.acl = acl
		rest := map[string][]byte{}
		for name, value := range m.Xattrs {
			if name != defaultACL {
				rest[name] = value
			}
		}
		m.Xattrs = rest
	}
	s.dirs = append(s.dirs, last)
	// A link to a directory, where an archive has the directory: as tar -h,
	// lest an unpacked /lib replaces the one that is a link to /usr/lib.
	if st, err := s.fs.Lstat(p); err == nil && st.Mode()&fs.ModeSymlink != 0 {
		if st, err := s.fs.Stat(p); err == nil && st.IsDir() {
			s.dirs = s.dirs[:len(s.dirs)-1]
			return nil
		}
	}
	return s.put(p, &m, func() io.Reader { return nil })
}

func (s *imageSink) link(target, p string) error {
	s.wait(target)
	if target == p {
		return nil
	}
	err := s.fs.Link(target, p)
	if errors.Is(err, fs.ErrNotExist) && path.Dir(p) != "." {
		if merr := s.fs.MkdirAll(path.Dir(p), 0o755); merr != nil {
			return merr
		}
		err = s.fs.Link(target, p)
	}
	if errors.Is(err, fs.ErrExist) {
		if err = s.fs.Remove(p); err == nil {
			err = s.fs.Link(target, p)
		}
	}
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EOPNOTSUPP) {
		// vfat and others have no hard links: a copy.
		return s.copyFile(target, p)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("hard link to %s: %w", quote(target), unix.ENOENT)
	}
	return err
}

func (s *imageSink) copyFile(from, to string) error {
	m, err := s.fs.Metadata(from)
	if err != nil {
		return err
	}
	f, err := s.fs.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	return s.fs.Put(to, m, f)
}

// large writes a file that is not in memory, with its holes.
func (s *imageSink) large(p string, it *item, src source) error {
	b, err := src.open(it)
	if err != nil {
		return fmt.Errorf("%s: %w", src.label(it.path), err)
	}
	defer b.Close()
	r := io.TeeReader(b, counter{s.p})
	data, sparse := b.segments()
	if !sparse && !b.holes() {
		used := false
		return s.put(p, &it.meta, func() io.Reader {
			if used { // a second try, of which the first may have read a part
				if again, err := src.open(it); err == nil {
					b.Close()
					b = again
					r = io.TeeReader(b, counter{s.p})
				}
			}
			used = true
			return r
		})
	}
	// An empty file in its place first: put knows about names in the way.
	size := it.meta.Size
	m := it.meta
	m.Size = 0
	if err := s.put(p, &m, func() io.Reader { return nil }); err != nil {
		return err
	}
	f, err := s.fs.OpenFile(p, unix.O_WRONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	if sparse {
		err = fill(f, r, data, size)
	} else {
		err = fillZeros(f, r, size)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return s.fs.SetMetadata(p, &m) // writing has changed times, and taken setuid away
}

// close ends the goroutines. It must be called, whatever has happened.
func (s *imageSink) close() {
	s.send()
	close(s.jobs)
	s.workers.Wait()
	s.strip.summary()
}

func (s *imageSink) finish() error {
	s.settle()
	for i := len(s.dirs) - 1; i >= 0; i-- {
		d := &s.dirs[i]
		if d.meta.Atime.IsZero() && d.meta.Mtime.IsZero() && d.acl == nil {
			continue
		}
		if d.acl != nil && !s.strip.xattrs.Load() {
			if err := s.fs.Setxattr(d.path, defaultACL, d.acl, 0); err != nil && !s.strip.learn(&unboot.Metadata{Xattrs: map[string][]byte{defaultACL: d.acl}}, err) {
				s.a.fail(fmt.Errorf("%s: %w", s.label(d.path), reason(err)))
			}
		}
		if err := s.fs.Lchtimes(d.path, d.meta.Atime, d.meta.Mtime); err != nil {
			s.a.fail(fmt.Errorf("%s: %w", s.label(d.path), reason(err)))
		}
	}
	return nil
}
