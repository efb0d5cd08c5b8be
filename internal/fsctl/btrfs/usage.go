package btrfs

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/fsctl"
)

// BTRFS_BLOCK_GROUP_ of linux/btrfs_tree.h: what chunks are for, and their profiles.
const (
	ForData     = 1 << 0
	ForSystem   = 1 << 1
	ForMetadata = 1 << 2
	// ForReserve is what the file system keeps for itself of ForMetadata.
	ForReserve = 1 << 49

	raid5 = 1 << 7
	raid6 = 1 << 8
)

// profiles are the other bits, with how many copies each has of everything.
var profiles = []struct {
	bit    uint64
	name   string
	copies uint64
}{
	{1 << 3, "RAID0", 1}, {1 << 4, "RAID1", 2}, {1 << 5, "DUP", 2}, {1 << 6, "RAID10", 2},
	{raid5, "RAID5", 1}, {raid6, "RAID6", 1}, {1 << 9, "RAID1C3", 3}, {1 << 10, "RAID1C4", 4},
}

// A Space is what a file system has allocated for a purpose with a profile, in bytes.
type Space struct {
	Flags uint64 // For… and the bit of the profile
	Size  uint64 // of what can be stored in it
	Used  uint64
	// Allocated is what it takes on the devices.
	Allocated uint64
}

// Profile returns the name of the profile, as btrfs(8) writes it.
func (s *Space) Profile() string {
	for _, p := range profiles {
		if s.Flags&p.bit != 0 {
			return p.name
		}
	}
	return "single"
}

// Copies returns how many copies of everything the profile has.
func (s *Space) Copies() uint64 {
	for _, p := range profiles {
		if s.Flags&p.bit != 0 {
			return p.copies
		}
	}
	return 1
}

// maxSpaces bounds how many spaces are asked for: there are some ten.
const maxSpaces = 1000

// Spaces returns what the file system has allocated (BTRFS_IOC_SPACE_INFO).
func (f FS) Spaces() ([]Space, error) {
	const header, entry = 16, 24
	ne := binary.NativeEndian
	// The number is that of the structure without entries.
	req := fsctl.Number(fsctl.ReadWrite, ioctlType, 20, header)
	arg := make([]byte, header)
	if _, err := f.View.Ioctl(f.FD, req, arg); err != nil {
		return nil, err
	}
	n := ne.Uint64(arg[8:])
	if n > maxSpaces {
		return nil, unix.EUCLEAN
	}
	arg = fsctl.Words(int(header+n*entry), n)
	if _, err := f.View.Ioctl(f.FD, req, arg); err != nil {
		return nil, err
	}
	allocated, err := f.allocated()
	if err != nil {
		return nil, err
	}
	var list []Space
	for i := range min(n, ne.Uint64(arg[8:])) {
		e := arg[header+i*entry:]
		s := Space{Flags: ne.Uint64(e), Size: ne.Uint64(e[8:]), Used: ne.Uint64(e[16:])}
		s.Allocated = allocated[s.Flags]
		list = append(list, s)
	}
	return list, nil
}

// allocated returns how many bytes chunks take on the devices, by their flags.
func (f FS) allocated() (map[uint64]uint64, error) {
	const (
		chunkTree, chunkItem, stripes = 3, 228, 44 // the last is in a struct btrfs_chunk
		chunks                        = 256        // BTRFS_FIRST_CHUNK_TREE_OBJECTID
	)
	m := map[uint64]uint64{}
	err := f.Search(chunkTree, chunks, chunks, chunkItem, chunkItem, func(i Item) bool {
		if len(i.Data) < stripes+2 {
			return true
		}
		le := binary.LittleEndian
		s := Space{Flags: le.Uint64(i.Data[24:])}
		size, n := le.Uint64(i.Data), uint64(le.Uint16(i.Data[stripes:]))
		switch parity := s.parity(); {
		case parity > 0 && n > parity:
			m[s.Flags] += size / (n - parity) * n
		default:
			m[s.Flags] += size * s.Copies()
		}
		return true
	})
	return m, err
}

// parity returns how many of the stripes of a chunk have no data.
func (s *Space) parity() uint64 {
	switch {
	case s.Flags&raid5 != 0:
		return 1
	case s.Flags&raid6 != 0:
		return 2
	}
	return 0
}

// Devices returns the devices of the file system, with those that are missing.
func (f FS) Devices() (list []Device, err error) {
	err = f.eachDevice(func(d Device) (bool, error) {
		list = append(list, d)
		return true, nil
	})
	return list, err
}
