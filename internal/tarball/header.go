package tarball

import (
	"errors"
	"time"
)

// The types of a [Header], as the archive has them.
const (
	TypeReg     = '0'
	TypeLink    = '1' // hard link to an earlier member
	TypeSymlink = '2'
	TypeChar    = '3'
	TypeBlock   = '4'
	TypeDir     = '5'
	TypeFifo    = '6'
)

// A Header describes a member of an archive.
type Header struct {
	// Name is as it stands in the archive, any bytes but NUL. The Writer
	// puts a slash behind a directory's if there is none; the Reader takes
	// slashes off the end, and turns a regular file into a directory for
	// one, as the oldest archives have them.
	Name string
	Type byte
	// Mode holds the low 12 bits of st_mode.
	Mode     uint32
	UID, GID int64
	// User and Group are the owners' names, or "".
	User, Group string
	// Size of a regular file in bytes, holes included. The Writer ignores
	// it for other types.
	Size int64
	// Mtime, and the other two if they are not zero.
	Mtime, Atime, Ctime time.Time
	// Linkname is the target of a hard or symbolic link.
	Linkname string
	// Major and Minor of a device.
	Major, Minor uint32
	// Xattrs are the extended attributes, access control lists included.
	Xattrs []Xattr
	// Sparse says that the file has holes: only the bytes of Data follow,
	// one segment after the other.
	Sparse bool
	// Data is where the data of a sparse file are: ascending, not
	// overlapping, within Size, none of them empty.
	Data []Segment
}

// An Xattr is an extended attribute. The value may be binary.
type Xattr struct {
	Name, Value string
}

// A Segment is a run of bytes in a file.
type Segment struct {
	Off, Len int64
}

// Stored returns how many bytes of the file are in the archive.
func (h *Header) Stored() int64 {
	if h.Type != TypeReg {
		return 0
	}
	if !h.Sparse {
		return h.Size
	}
	var n int64
	for _, s := range h.Data {
		n += s.Len
	}
	return n
}

var (
	// ErrHeader is wrapped by errors about archives that are malformed.
	ErrHeader = errors.New("not a tar archive, or a damaged one")
	// ErrTooLong is returned for writing more than the header announced.
	ErrTooLong = errors.New("tarball: write beyond the announced size")
	// ErrShort is returned where less was written than announced.
	ErrShort = errors.New("tarball: less written than the announced size")
	// ErrInvalid is wrapped by errors about headers that no archive can hold.
	ErrInvalid = errors.New("tarball: invalid header")
)

const (
	blockSize = 512

	// Offsets of the ustar header's fields.
	offName     = 0
	offMode     = 100
	offUID      = 108
	offGID      = 116
	offSize     = 124
	offMtime    = 136
	offChecksum = 148
	offType     = 156
	offLinkname = 157
	offMagic    = 257
	offUser     = 265
	offGroup    = 297
	offMajor    = 329
	offMinor    = 337
	offPrefix   = 345
	lenName     = 100
	lenPrefix   = 155
	lenUser     = 32

	// Offsets of old GNU tar's fields, in the place of the prefix.
	offGNUSparse     = 386 // 4 entries of 24 bytes
	offGNUExtended   = 482
	offGNURealsize   = 483
	offGNUMoreSparse = 504 // of an extension block: after 21 entries
)

const (
	keyPath     = "path"
	keyLinkpath = "linkpath"
	keyXattr    = "SCHILY.xattr."
	keyACL      = "SCHILY.acl.access"
	keyDefACL   = "SCHILY.acl.default"
	keyLibXattr = "LIBARCHIVE.xattr."
)
