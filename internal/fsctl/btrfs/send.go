package btrfs

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/fsctl"
)

// A Send says how a subvolume is sent.
type Send struct {
	Parent uint64   // the ID of the subvolume that the stream is a difference to, or 0
	Clones []uint64 // the IDs of those that files may be cloned from
	// Version is that of the stream, 1 or 2.
	Version uint32
	// Compressed sends compressed extents as they are, which needs version 2.
	Compressed bool
	NoData     bool // only where data has changed, and not the data
	// Memory holds the clones: 8 bytes each, which the call uses.
	Memory fsctl.Memory
}

// Send writes a stream to a descriptor of the same kernel, from which the subvolume whose
// root directory f is can be made elsewhere (BTRFS_IOC_SEND). The subvolume has to be
// read-only: else the error is EPERM.
func (f FS) Send(fd int, s Send) error {
	const noData, version, compressed = 0x1, 0x8, 0x10
	flags := uint64(version)
	if s.NoData {
		flags |= noData
	}
	if s.Compressed {
		flags |= compressed
	}
	var clones uint64
	if len(s.Clones) > 0 {
		mem := s.Memory.Bytes()
		if len(mem) < 8*len(s.Clones) {
			return unix.EINVAL
		}
		for i, id := range s.Clones {
			binary.NativeEndian.PutUint64(mem[8*i:], id)
		}
		clones = s.Memory.Addr()
	}
	return f.do(fsctl.Write, 38, fsctl.Words(72, uint64(fd), uint64(len(s.Clones)), clones, s.Parent, flags, uint64(s.Version)))
}
