package guestfs

import (
	"cmp"
	"io"
	"io/fs"
	"path"
	"slices"
	"time"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
)

// tree is what is mounted in a handle, for packages that read a tree of files. Symbolic
// links end in it, wherever they point.
type tree struct{ g *Guestfs }

// Open implements fs.FS.
func (t tree) Open(name string) (fs.File, error) {
	st, err := t.stat("open", name)
	if err != nil {
		return nil, err
	}
	if st.IsDir() {
		return &treeDir{t: t, name: name, st: st}, nil
	}
	return &treeFile{t: t, name: name, st: st}, nil
}

// Stat implements fs.StatFS.
func (t tree) Stat(name string) (fs.FileInfo, error) { return t.stat("stat", name) }

func (t tree) stat(op, name string) (*treeInfo, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	st, err := query(t.g, rpc.ProcStatns, &rpc.StatnsArgs{Path: "/" + name}, codeStatNS)
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: bare(err)}
	}
	return &treeInfo{path.Base(name), st}, nil
}

// ReadDir implements fs.ReadDirFS.
func (t tree) ReadDir(name string) ([]fs.DirEntry, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrInvalid}
	}
	entries, err := query(t.g, rpc.ProcReaddir, &rpc.ReaddirArgs{Dir: "/" + name}, list(direntSize, codeDirent))
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: bare(err)}
	}
	var l []fs.DirEntry
	for _, e := range *entries {
		if e.Name != "." && e.Name != ".." && fs.ValidPath(e.Name) {
			l = append(l, treeEntry{t, path.Join(name, e.Name), e})
		}
	}
	slices.SortFunc(l, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	return l, nil
}

// direntSize is what a Dirent takes in a message at least.
const direntSize = 16

type treeInfo struct {
	name string
	st   StatNS
}

func (i *treeInfo) Name() string       { return i.name }
func (i *treeInfo) Size() int64        { return i.st.St_size }
func (i *treeInfo) Mode() fs.FileMode  { return unboot.FileMode(uint32(i.st.St_mode)) }
func (i *treeInfo) ModTime() time.Time { return time.Unix(i.st.St_mtime_sec, i.st.St_mtime_nsec) }
func (i *treeInfo) IsDir() bool        { return i.Mode().IsDir() }
func (i *treeInfo) Sys() any           { return &i.st }

// treeEntry is an entry of a directory.
type treeEntry struct {
	t    tree
	path string
	d    Dirent
}

func (e treeEntry) Name() string               { return e.d.Name }
func (e treeEntry) IsDir() bool                { return e.d.Ftyp == 'd' }
func (e treeEntry) Info() (fs.FileInfo, error) { return e.t.stat("stat", e.path) }

// Type implements fs.DirEntry, for the letters of guestfs_readdir.
func (e treeEntry) Type() fs.FileMode {
	switch e.d.Ftyp {
	case 'r':
		return 0
	case 'd':
		return fs.ModeDir
	case 'l':
		return fs.ModeSymlink
	case 'b':
		return fs.ModeDevice
	case 'c':
		return fs.ModeDevice | fs.ModeCharDevice
	case 'f':
		return fs.ModeNamedPipe
	case 's':
		return fs.ModeSocket
	}
	return fs.ModeIrregular
}

// treeDir is an open directory.
type treeDir struct {
	t       tree
	name    string
	st      *treeInfo
	entries []fs.DirEntry
	read    bool
}

func (d *treeDir) Stat() (fs.FileInfo, error) { return d.st, nil }
func (d *treeDir) Close() error               { return nil }

// Read implements fs.File.
func (d *treeDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.name, Err: fs.ErrInvalid}
}

// ReadDir implements fs.ReadDirFile.
func (d *treeDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if !d.read {
		l, err := d.t.ReadDir(d.name)
		if err != nil {
			return nil, err
		}
		d.entries, d.read = l, true
	}
	if n <= 0 || n > len(d.entries) {
		if n > 0 && len(d.entries) == 0 {
			return nil, io.EOF
		}
		n = len(d.entries)
	}
	l := d.entries[:n]
	d.entries = d.entries[n:]
	return l, nil
}

// readAhead is how much of a file is read at once.
const readAhead = 256 << 10

// treeFile is an open file.
type treeFile struct {
	t    tree
	name string
	st   *treeInfo
	off  int64
	buf  []byte // what is at off
}

func (f *treeFile) Stat() (fs.FileInfo, error) { return f.st, nil }
func (f *treeFile) Close() error               { return nil }

// Read implements fs.File.
func (f *treeFile) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(f.buf) == 0 {
		b, err := f.pread(readAhead, f.off)
		if err != nil {
			return 0, err
		}
		if len(b) == 0 {
			return 0, io.EOF
		}
		f.buf = b
	}
	n := copy(p, f.buf)
	f.buf = f.buf[n:]
	f.off += int64(n)
	return n, nil
}

// ReadAt implements io.ReaderAt.
func (f *treeFile) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		b, err := f.pread(min(len(p)-n, inMessage), off+int64(n))
		if err != nil {
			return n, err
		}
		if len(b) == 0 {
			return n, io.EOF
		}
		n += copy(p[n:], b)
	}
	return n, nil
}

func (f *treeFile) pread(count int, off int64) ([]byte, error) {
	b, err := query(f.t.g, rpc.ProcPread, &rpc.PreadArgs{Path: "/" + f.name, Count: count, Offset: off}, (*xdr.Codec).Bytes)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: f.name, Err: bare(err)}
	}
	return b, nil
}
