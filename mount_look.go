package unboot

import (
	"bytes"
	"encoding/binary"
	"io"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/inspect"
	"github.com/unboot/unboot/lkl"
)

// A lookFS is a tree as inspection wants it. It spares round trips to the kernel: what
// takes several system calls is sent as one chain. It implements inspect.QuickFS.
type lookFS struct{ *FS }

var _ inspect.QuickFS = lookFS{}

// How much comes in one round trip, in bytes: of a file, and of the names in a directory, in
// two parts. That is enough for nearly all files that inspection reads, and for an /etc
// with some 400 names; more memory costs more to provide than the round trips that it saves.
const (
	headSize  = 8 << 10
	namesSize = 8 << 10
)

// Sub implements fs.SubFS. Without it the tree of a directory, as OSTree has them, would be
// one that is not quick.
func (l lookFS) Sub(dir string) (fs.FS, error) {
	sub, err := l.FS.Sub(dir)
	if f, ok := sub.(*FS); ok {
		return lookFS{f}, err
	}
	return sub, err
}

// ReadHead implements inspect.QuickFS.
func (l lookFS) ReadHead(name string, limit int64) ([]byte, error) {
	if !validPath(name) {
		return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrInvalid}
	}
	if err := l.begin(); err != nil {
		return nil, err
	}
	data, whole, err := l.readHead("/"+name, limit)
	l.t.end()
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	if whole {
		return data, nil
	}
	f, err := l.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}

// readHead reads the start of a file. whole reports that there is no more of it below the
// limit.
func (l lookFS) readHead(path string, limit int64) (data []byte, whole bool, err error) {
	var st unix.Statx_t
	buf := make([]byte, min(limit, headSize))
	c := l.view.NewChain()
	open := c.Openat(unix.AT_FDCWD, path, unix.O_RDONLY|openFlags, 0)
	c.Statx(open.Fd(), "", unix.AT_EMPTY_PATH, unix.STATX_TYPE|unix.STATX_SIZE, &st)
	read := c.Pread(open.Fd(), buf, 0)
	c.Close(open.Fd())
	err = c.Run()
	if _, oerr := c.Result(open); oerr == nil && st.Mode != 0 && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = fs.ErrInvalid
	}
	if err != nil {
		return nil, false, err
	}
	n, err := c.Result(read)
	if err != nil {
		return nil, false, err
	}
	return buf[:n], n < len(buf) && uint64(n) >= st.Size || int64(n) == limit, nil
}

// ReadNames implements inspect.QuickFS.
func (l lookFS) ReadNames(dir string) (list []fs.DirEntry, complete bool, err error) {
	if !validPath(dir) {
		return nil, false, &fs.PathError{Op: "readdir", Path: dir, Err: fs.ErrInvalid}
	}
	if err := l.begin(); err != nil {
		return nil, false, err
	}
	defer l.t.end()
	if list, complete, err = l.readNames("/" + dir); err != nil {
		return nil, false, &fs.PathError{Op: "readdir", Path: dir, Err: err}
	}
	return list, complete, nil
}

func (l lookFS) readNames(path string) (list []fs.DirEntry, complete bool, err error) {
	// If the last read is empty, the directory has no more names.
	const parts, last = 2, 512
	buf := make([]byte, parts*namesSize+last)
	bufs := [][]byte{buf[:namesSize], buf[namesSize : parts*namesSize], buf[parts*namesSize:]}
	c := l.view.NewChain()
	open := c.Openat(unix.AT_FDCWD, path, unix.O_RDONLY|unix.O_DIRECTORY|openFlags, 0)
	var reads [parts + 1]lkl.Link
	for i := range reads {
		reads[i] = c.Getdents(open.Fd(), bufs[i])
	}
	c.Close(open.Fd())
	if err := c.Run(); err != nil {
		return nil, false, err
	}
	for i := range bufs {
		n, err := c.Result(reads[i])
		if err != nil {
			return nil, false, err
		}
		if n == 0 {
			return list, true, nil
		}
		if list, err = appendNames(list, bufs[i][:n]); err != nil {
			return nil, false, err
		}
	}
	return list, false, nil
}

// appendNames reads struct linux_dirent64 of getdents64(2).
func appendNames(list []fs.DirEntry, b []byte) ([]fs.DirEntry, error) {
	const header = 19
	for len(b) > 0 {
		if len(b) < header {
			return nil, unix.EUCLEAN
		}
		size := int(binary.NativeEndian.Uint16(b[16:]))
		if size < header || size > len(b) {
			return nil, unix.EUCLEAN
		}
		bare, _, _ := bytes.Cut(b[header:size], []byte{0})
		if name := string(bare); name != "." && name != ".." {
			if name == "" || strings.Contains(name, "/") {
				return nil, unix.EUCLEAN
			}
			list = append(list, listedName{name, b[18]})
		}
		b = b[size:]
	}
	return list, nil
}

// A listedName is an entry of a directory, known only by its name and,
// maybe, its type: DT_ of readdir(3).
type listedName struct {
	name string
	kind uint8
}

func (l listedName) Name() string               { return l.name }
func (l listedName) IsDir() bool                { return l.kind == unix.DT_DIR }
func (l listedName) Info() (fs.FileInfo, error) { return nil, fs.ErrInvalid }

func (l listedName) Type() fs.FileMode {
	switch l.kind {
	case unix.DT_REG:
		return 0
	case unix.DT_DIR:
		return fs.ModeDir
	case unix.DT_LNK:
		return fs.ModeSymlink
	}
	return fs.ModeIrregular
}
