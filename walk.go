package unboot

import (
	"cmp"
	"io/fs"
	"iter"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// WalkOptions say how [FS.Walk] is to go. The zero value is the fastest that
// fills Entry.Stat.
type WalkOptions struct {
	// Sorted walks each directory in the order of the bytes of its names;
	// it must then hold all entries of a directory in memory. Otherwise the
	// order is the directory's own, which for the same image is the same
	// each time.
	Sorted bool
	// Links fills Entry.Link.
	Links bool
	// Xattrs fills Entry.XattrSize.
	Xattrs bool
	// OneFileSystem does not go into other file systems that are mounted
	// below root, or subvolumes.
	OneFileSystem bool
	// Mask says what is wanted of Entry.Stat, as that of statx(2); 0 is all
	// there is.
	Mask int
}

// mask returns the mask of statx(2).
func (o *WalkOptions) mask() int { return cmp.Or(o.Mask, allStat) }

// flags returns the flags of ReadDir.
func (o *WalkOptions) flags() int {
	flags := lkl.READDIR_ONCE
	if o.Links {
		flags |= lkl.READDIR_LINK
	}
	if o.Xattrs {
		flags |= lkl.READDIR_XATTR
	}
	return flags
}

// dirChunk is the size of one answer with entries of a directory: some 280.
const dirChunk = 64 << 10

// minDirent is not more than an entry takes in an answer.
const minDirent = 184

// parseEntries appends the entries of an answer to list.
func parseEntries(list []Entry, dir string, b []byte) ([]Entry, error) {
	if dir == "." {
		dir = ""
	}
	list = slices.Grow(list, len(b)/minDirent)
	var d lkl.Dirent
	for len(b) > 0 {
		var err error
		if b, err = d.Parse(b); err != nil {
			return list, err
		}
		e := Entry{name: d.Name, dir: dir, Stat: d.Stat, Link: d.Link, XattrSize: d.XattrSize}
		if d.Err != 0 {
			// Its name and, mostly, its type are known all the same.
			e.Stat = unix.Statx_t{Mode: uint16(d.Type) << 12, Mask: unix.STATX_TYPE}
			e.Err = &fs.PathError{Op: "lstat", Path: join(dir, d.Name), Err: d.Err}
		}
		list = append(list, e)
	}
	return list, nil
}

// Entries iterates over the entries of one directory, in its own order, with
// bounded memory. An error ends it. o may be nil; its Sorted is ignored.
func (f *FS) Entries(dir string, o *WalkOptions) iter.Seq2[*Entry, error] {
	if o == nil {
		o = &WalkOptions{}
	}
	return func(yield func(*Entry, error) bool) {
		buf := make([]byte, dirChunk)
		file := &File{fs: f, name: dir}
		n := 0
		err := f.call("readdir", dir, func(p string) (err error) {
			n, err = f.openDir(file, p, buf, o)
			return err
		})
		if err != nil {
			yield(nil, err)
			return
		}
		defer file.Close()
		for n > 0 {
			list, err := parseEntries(nil, dir, buf[:n])
			for i := range list {
				if !yield(&list[i], nil) {
					return
				}
			}
			if err == nil {
				err = file.do(func(fd int) error {
					n, err = f.view.Readdirents(fd, buf, o.mask(), o.flags())
					return err
				})
			}
			if err != nil {
				yield(nil, f.pathError("readdir", dir, err))
				return
			}
		}
	}
}

// openDir opens a directory and reads its first entries, in one round trip.
func (f *FS) openDir(file *File, p string, buf []byte, o *WalkOptions) (n int, err error) {
	c := f.view.NewChain()
	open := c.Openat(unix.AT_FDCWD, p, dirFlags&^unix.O_NOFOLLOW, 0)
	read := c.Readdirents(open.Fd(), buf, o.mask(), o.flags())
	err = c.Run()
	fd, openErr := c.Result(open)
	if openErr != nil {
		return 0, err
	}
	if err != nil {
		f.view.CloseFd(fd)
		return 0, err
	}
	file.fd = fd
	f.t.opened(file)
	return c.Result(read)
}

// dirFlags open a directory that was met in another.
const dirFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC

// sortEntries sorts by the bytes of names.
func sortEntries(list []Entry) {
	slices.SortFunc(list, func(a, b Entry) int { return strings.Compare(a.name, b.name) })
}
