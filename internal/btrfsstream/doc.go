// Package btrfsstream reads the streams that `btrfs send` makes, as
// https://btrfs.readthedocs.io/en/latest/dev/dev-send-stream.html describes them, in
// versions 1 and 2.
//
// A stream is taken to be hostile: lengths are bounded, checksums verified, and the
// attributes of a command have to fill it. What the commands ask for is for the reader's
// caller to judge.
package btrfsstream

// Magic is what a stream begins with.
const Magic = "btrfs-stream\x00"

// MaxVersion is the highest version of a stream that is read.
const MaxVersion = 2

// A Kind is what a command does: one of BTRFS_SEND_C_ in fs/btrfs/send.h of the kernel.
type Kind uint16

// The commands.
const (
	Subvol Kind = iota + 1
	Snapshot
	Mkfile
	Mkdir
	Mknod
	Mkfifo
	Mksock
	Symlink
	Rename
	Link
	Unlink
	Rmdir
	SetXattr
	RemoveXattr
	Write
	Clone
	Truncate
	Chmod
	Chown
	Utimes
	End
	UpdateExtent
	Fallocate
	FileAttr
	EncodedWrite
)

var kindNames = [...]string{
	"unspec", "subvol", "snapshot", "mkfile", "mkdir", "mknod", "mkfifo", "mksock", "symlink", "rename", "link", "unlink",
	"rmdir", "set_xattr", "remove_xattr", "write", "clone", "truncate", "chmod", "chown", "utimes", "end", "update_extent",
	"fallocate", "fileattr", "encoded_write",
}

// maxKind returns the highest command of a version.
func maxKind(version uint32) Kind {
	if version == 1 {
		return UpdateExtent
	}
	return EncodedWrite
}

// An Attr is an argument of a command: one of BTRFS_SEND_A_.
type Attr uint16

// The attributes.
const (
	UUID Attr = iota + 1
	Ctransid
	Ino
	Size
	Mode
	UID
	GID
	Rdev
	Ctime
	Mtime
	Atime
	Otime
	XattrName
	XattrData
	Path
	PathTo
	PathLink
	FileOffset
	Data
	CloneUUID
	CloneCtransid
	ClonePath
	CloneOffset
	CloneLen
	FallocateMode
	FileAttrs
	UnencodedFileLen
	UnencodedLen
	UnencodedOffset
	Compression
	Encryption
	maxAttr
)
