package btrfs

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/fsctl"
)

// flagReadOnly is BTRFS_SUBVOL_RDONLY.
const flagReadOnly = 0x2

// SetReadOnly makes the subvolume whose root directory f is read-only, or writable
// (BTRFS_IOC_SUBVOL_SETFLAGS).
func (f FS) SetReadOnly(on bool) error {
	flags := fsctl.Words(8)
	if err := f.do(fsctl.Read, 25, flags); err != nil {
		return err
	}
	v := binary.NativeEndian.Uint64(flags) &^ flagReadOnly
	if on {
		v |= flagReadOnly
	}
	return f.do(fsctl.Write, 26, fsctl.Words(8, v))
}

// SetReceived notes which subvolume, as of which of its transactions, that whose root
// directory f is was received from (BTRFS_IOC_SET_RECEIVED_SUBVOL).
func (f FS) SetReceived(id UUID, transid uint64) error {
	arg := make([]byte, 200)
	copy(arg, id[:])
	binary.NativeEndian.PutUint64(arg[16:], transid)
	return f.do(fsctl.ReadWrite, 37, arg)
}

// CloneRange makes a range of the file f share the extents of another file, source, of the
// same kernel (BTRFS_IOC_CLONE_RANGE). A length of 0 is up to the end.
func (f FS) CloneRange(source int, from, length, to uint64) error {
	return f.do(fsctl.Write, 13, fsctl.Words(32, uint64(source), from, length, to))
}

// An Encoded is an extent of a file in its compressed form: a struct
// btrfs_ioctl_encoded_io_args.
type Encoded struct {
	Offset          uint64 // where it begins in the file
	Length          uint64 // of the file that it is
	UnencodedLength uint64 // of what it is decompressed to
	UnencodedOffset uint64 // where in that the file's part begins
	Compression     uint32 // BTRFS_ENCODED_IO_COMPRESSION_ of linux/btrfs.h
	Encryption      uint32
}

// EncodedRoom is how much memory [FS.WriteEncoded] needs beside the data, in bytes.
const EncodedRoom = 16

// WriteEncoded writes an extent to the file f as it is, without decompressing it
// (BTRFS_IOC_ENCODED_WRITE). The data is in mem, after EncodedRoom bytes that the call
// uses; size is its length.
func (f FS) WriteEncoded(e Encoded, mem fsctl.Memory, size int) error {
	b := mem.Bytes()
	if size < 0 || len(b) < EncodedRoom+size {
		return unix.EINVAL
	}
	// A struct iovec.
	binary.NativeEndian.PutUint64(b, mem.Addr()+EncodedRoom)
	binary.NativeEndian.PutUint64(b[8:], uint64(size))
	return f.do(fsctl.Write, 64, fsctl.Words(128, mem.Addr(), 1, e.Offset, 0, e.Length, e.UnencodedLength, e.UnencodedOffset,
		uint64(e.Compression)|uint64(e.Encryption)<<32))
}
