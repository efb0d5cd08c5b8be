package lkl

import (
	"bytes"
	"encoding/binary"
	"errors"
	"iter"
	"sync"

	"golang.org/x/sys/unix"
)

// Flags of ReadDir.
const (
	READDIR_LINK  = 0x1 // with the targets of symbolic links
	READDIR_XATTR = 0x2 // with the size of each entry's listxattr(2)
	READDIR_ONCE  = 0x4 // no file of it is used soon: it need not stay in memory
)

// A Dirent is an entry of a directory and its metadata.
type Dirent struct {
	Name string
	// Type is a unix.DT_ constant as the directory says it: DT_UNKNOWN
	// where it does not know.
	Type uint8
	// Err is why Stat is not filled, or 0.
	Err unix.Errno
	// Stat is the entry's metadata; of a symbolic link, the link's own.
	Stat unix.Statx_t
	// Link is the target of a symbolic link, with READDIR_LINK.
	Link string
	// XattrSize is the size of the list of names of extended attributes,
	// with READDIR_XATTR: 0 is none. -1 means that it could not be had.
	XattrSize int
}

// readdirChunk is the size of one answer: some 280 entries.
const readdirChunk = 64 << 10

// ReadDir iterates over the rest of the entries of an open directory, except
// "." and "..", in the directory's order: a few hundred of them for each round
// trip to the kernel. mask is that of statx(2); flags are READDIR_.
//
// The Dirent is the iterator's: it is overwritten by the next one, and must not
// be kept after the last. An error
// ends the iteration. A name never holds a slash or a NUL, is never empty,
// "." or "..": an image that says so is reported as unix.EUCLEAN.
func (v *View) ReadDir(fd int, mask, flags int) iter.Seq2[*Dirent, error] {
	return func(yield func(*Dirent, error) bool) {
		r := readers.Get().(*dirReader)
		defer readers.Put(r)
		r.rest(v, fd, mask, flags, yield)
	}
}

// ReadDirAt is ReadDir of a directory that it opens and closes: one that has
// a few hundred entries in two round trips. oflags, of open(2), may hold
// O_NOFOLLOW. The directory is open until the iteration ends.
func (v *View) ReadDirAt(dirfd int, path string, oflags, mask, flags int) iter.Seq2[*Dirent, error] {
	return func(yield func(*Dirent, error) bool) {
		r := readers.Get().(*dirReader)
		defer readers.Put(r)
		c := v.borrowChain()
		defer c.giveBack()
		open := c.Openat(dirfd, path, oflags|unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		var read [2]Link
		for i := range read {
			read[i] = c.Readdirents(open.Fd(), r.buf[i][:], mask, flags)
		}
		runErr := c.Run()
		fd, err := c.Result(open)
		if err != nil {
			if runErr != nil { // that of a dead kernel, for one
				err = runErr
			}
			yield(nil, err)
			return
		}
		defer v.CloseFd(fd)
		if runErr != nil {
			yield(nil, runErr)
			return
		}
		for i := range read {
			n, _ := c.Result(read[i])
			if n == 0 {
				return
			}
			if !r.batch(r.buf[i][:n], yield) {
				return
			}
		}
		r.rest(v, fd, mask, flags, yield)
	}
}

// A dirReader is the memory of an iteration, to be used again.
type dirReader struct {
	d   Dirent
	buf [2][readdirChunk]byte
}

var readers = sync.Pool{New: func() any { return new(dirReader) }}

// rest iterates over what has not been read.
func (r *dirReader) rest(v *View, fd, mask, flags int, yield func(*Dirent, error) bool) {
	for {
		n, err := v.Readdirents(fd, r.buf[0][:], mask, flags)
		if err != nil {
			yield(nil, err)
			return
		}
		if n == 0 || !r.batch(r.buf[0][:n], yield) {
			return
		}
	}
}

// batch iterates over entries that have been read. It returns false if that
// was the end.
func (r *dirReader) batch(b []byte, yield func(*Dirent, error) bool) bool {
	for len(b) > 0 {
		var err error
		if b, err = r.d.Parse(b); err != nil {
			yield(nil, err)
			return false
		}
		if !yield(&r.d, nil) {
			return false
		}
	}
	return true
}

// Readdirents reads the next entries of an open directory into buf, for
// [Dirent.Parse]. It returns the number of bytes, 0 at the end, and
// unix.EINVAL if buf is too small for the next entry (8 KiB never are).
func (v *View) Readdirents(fd int, buf []byte, mask, flags int) (n int, err error) {
	return v.callOut(buf, maxPiece, opReaddir, uint64(fd), uint64(mask), uint64(flags))
}

var errDirent = errors.New("lkl: malformed directory entry")

// direntHeader is the size of struct lkl_dirent.
const direntHeader = 16 + statxSize

// Parse fills d with the first entry of what [View.Readdirents] has read, and
// returns the rest. It trusts nothing in b. b must not be memory of the
// window, which could change meanwhile.
func (d *Dirent) Parse(b []byte) (rest []byte, err error) {
	if len(b) < direntHeader {
		return nil, errDirent
	}
	reclen := int(binary.LittleEndian.Uint16(b[0:]))
	nameLen := int(binary.LittleEndian.Uint16(b[2:]))
	linkLen := int(binary.LittleEndian.Uint16(b[4:]))
	if reclen > len(b) || reclen%8 != 0 || reclen < direntHeader+nameLen+1+linkLen+1 {
		return nil, errDirent
	}
	d.Type = b[6]
	statErr := int32(binary.LittleEndian.Uint32(b[8:]))
	xattr := int32(binary.LittleEndian.Uint32(b[12:]))
	if statErr < 0 || statErr > 4095 {
		return nil, errDirent
	}
	d.Err = unix.Errno(statErr)
	d.XattrSize = max(int(xattr), -1)
	loadDirentStatx(b[16:16+statxSize], &d.Stat)

	name := b[direntHeader : direntHeader+nameLen]
	link := b[direntHeader+nameLen+1 : direntHeader+nameLen+1+linkLen]
	if badName(name) || bytes.IndexByte(link, 0) >= 0 {
		return nil, unix.EUCLEAN
	}
	d.Name = string(name)
	d.Link = string(link) // no memory if there is none
	return b[reclen:], nil
}

// badName reports whether no directory can hold an entry of that name. The
// caller may use names as those of host files, so this guards it.
func badName(name []byte) bool {
	switch {
	case len(name) == 0,
		len(name) == 1 && name[0] == '.',
		len(name) == 2 && name[0] == '.' && name[1] == '.':
		return true
	}
	return bytes.IndexByte(name, 0) >= 0 || bytes.IndexByte(name, '/') >= 0
}
