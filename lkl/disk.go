package lkl

import (
	"io"
	"os"
)

// A BlockDevice serves the blocks of a disk from Go. Its methods are called
// from several goroutines at once, at most 64, with offsets and lengths that
// are multiples of the sector size and within Size.
//
// Errors that wrap a unix.Errno reach the kernel as it (ENOSPC, for one, is
// understood by file systems); all others are EIO. A panic in a method is not
// caught: it ends the program, as in any goroutine.
//
// p is memory that the kernel process can write to at any time: a method that
// computes with it must copy it first, and must not keep it.
type BlockDevice interface {
	// ReadAt is io.ReaderAt's. Where it meets io.EOF before Size, the rest
	// reads as zeros.
	io.ReaderAt
	// WriteAt is io.WriterAt's. It is not called for read-only disks.
	io.WriterAt
	// Size returns the size in bytes. It is asked once.
	Size() int64
	// Flush makes stable what has been written, as fdatasync(2).
	Flush() error
}

// A Discarder is a BlockDevice that can forget a range: reading it may give
// anything afterwards, the old content included.
type Discarder interface {
	Discard(off, n int64) error
}

// A ZeroWriter is a BlockDevice that can zero a range faster than by writing.
type ZeroWriter interface {
	WriteZeroes(off, n int64) error
}

// A Disk describes a disk to attach. Exactly one of File and Device is set.
type Disk struct {
	// File is a regular file or a block device of the host. The kernel
	// process reads and writes it by itself. It is duplicated: the caller
	// may close it when AttachDisk has returned. For a ReadOnly disk the
	// kernel process gets a descriptor that cannot write, whatever this one
	// can.
	File *os.File

	// Device serves the disk from this program. It must stay usable until
	// DetachDisk or Close have returned.
	Device BlockDevice

	// ReadOnly disks are never written to. With an Overlay they look
	// writable to the kernel, but the overlay takes all writes.
	ReadOnly bool

	// Overlay, if not nil, is an empty regular file (see [NewOverlay]) that
	// takes the writes: File and Device are only read. It is duplicated as
	// File is. What it holds is lost with the disk.
	Overlay *os.File

	// OverlayLimit bounds the bytes that the overlay may hold; writes
	// beyond fail with ENOSPC. 0 is no limit.
	OverlayLimit int64

	// SectorSize is the size of a logical block in bytes, a power of two
	// from 512 to 4096; 0 is 512, or the block device's own.
	SectorSize int

	// PhysicalSize is the size of a physical block in bytes; 0 is the
	// larger of 4096 and SectorSize, or the block device's own.
	PhysicalSize int
}
