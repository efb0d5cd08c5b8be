package unboot

import (
	"math/bits"

	"github.com/unboot/unboot/internal/fsctl/btrfs"
)

// A BtrfsUsage says how full a btrfs is, as `btrfs filesystem usage` does. Everything is in
// bytes. How much more can be stored depends on what: the file system allocates space to
// profiles as it is needed.
type BtrfsUsage struct {
	Size        uint64 // of all devices
	Allocated   uint64 // of that to profiles
	Unallocated uint64
	Missing     uint64 // the size of devices that are not there
	Used        uint64 // of what is allocated, counting all copies
	// Free is an estimate of how much more data fits. FreeMin is the least that it can be,
	// if new space is allocated by the profile with the most copies.
	Free, FreeMin            uint64
	DataRatio, MetadataRatio float64 // bytes on the devices for one that is stored
	Reserve, ReserveUsed     uint64  // of the space for metadata, what is kept back
	Profiles                 []BtrfsProfile
	Devices                  []BtrfsDevice
}

// A BtrfsProfile is the space of a btrfs for one purpose. Size and Used count what is stored
// once, however many copies there are.
type BtrfsProfile struct {
	Purpose string // "Data", "Metadata", "System", or "Data+Metadata"
	Profile string // "single", "DUP", "RAID0", "RAID1", "RAID10", "RAID1C3"…
	Size    uint64
	Used    uint64
	// Allocated is what it takes on the devices.
	Allocated uint64
}

// A BtrfsDevice is a device of a btrfs.
type BtrfsDevice struct {
	Path      string // its name in the image, "" if it is missing
	Size      uint64
	Allocated uint64
}

// BtrfsUsage returns how full the btrfs is that the directory name is on. The error wraps
// unix.ENOTTY if it is another file system.
func (f *FS) BtrfsUsage(name string) (u *BtrfsUsage, err error) {
	err = f.onBtrfs("usage", name, func(b btrfs.FS) error {
		spaces, err := b.Spaces()
		if err != nil {
			return err
		}
		devices, err := b.Devices()
		if err == nil {
			u = newUsage(spaces, devices)
		}
		return err
	})
	return u, err
}

// purposes are those of spaces, in the order in which they are looked for.
var purposes = []struct {
	flags uint64
	name  string
}{
	{btrfs.ForData | btrfs.ForMetadata, "Data+Metadata"}, {btrfs.ForData, "Data"},
	{btrfs.ForMetadata, "Metadata"}, {btrfs.ForSystem, "System"},
}

// onDevices returns what a part of a space takes on the devices.
func onDevices(s *btrfs.Space, n uint64) uint64 {
	if s.Size == 0 {
		return 0
	}
	hi, lo := bits.Mul64(min(n, s.Size), s.Allocated)
	if hi >= s.Size {
		return 0
	}
	q, _ := bits.Div64(hi, lo, s.Size)
	return q
}

// newUsage sums up as btrfs(8) does. The numbers may be a hostile image's: none of the
// differences is less than 0.
func newUsage(spaces []btrfs.Space, devices []btrfs.Device) *BtrfsUsage {
	u := &BtrfsUsage{DataRatio: 1, MetadataRatio: 1}
	for _, d := range devices {
		u.Size += d.Size
		u.Allocated += d.Allocated
		if d.Path == "" {
			u.Missing += d.Size
		}
		u.Devices = append(u.Devices, BtrfsDevice{d.Path, d.Size, d.Allocated})
	}
	u.Unallocated = u.Size - min(u.Allocated, u.Size)
	var data, metadata btrfs.Space // sums
	used, most, mixed := uint64(0), 1.0, false
	for i := range spaces {
		s := &spaces[i]
		if s.Flags&btrfs.ForReserve != 0 {
			u.Reserve, u.ReserveUsed = s.Size, s.Used
			continue
		}
		if s.Size > 0 {
			most = max(most, float64(s.Allocated)/float64(s.Size))
		}
		onDevice := onDevices(s, s.Used)
		u.Used += onDevice
		if s.Flags&btrfs.ForData != 0 {
			data.Size, data.Allocated = data.Size+s.Size, data.Allocated+s.Allocated
			used += onDevice
		}
		if s.Flags&btrfs.ForMetadata != 0 {
			metadata.Size, metadata.Allocated = metadata.Size+s.Size, metadata.Allocated+s.Allocated
		}
		mixed = mixed || s.Flags&purposes[0].flags == purposes[0].flags
		for _, p := range purposes {
			if s.Flags&p.flags == p.flags {
				u.Profiles = append(u.Profiles, BtrfsProfile{p.name, s.Profile(), s.Size, s.Used, s.Allocated})
				break
			}
		}
	}
	ratio := func(s btrfs.Space) float64 {
		if s.Size == 0 || s.Allocated == 0 {
			return 1
		}
		return float64(s.Allocated) / float64(s.Size)
	}
	u.DataRatio, u.MetadataRatio = ratio(data), ratio(metadata)
	free := float64(data.Allocated-min(used, data.Allocated)) / u.DataRatio
	if mixed {
		free = max(0, free-float64(u.Reserve))
	}
	u.Free, u.FreeMin = uint64(free), uint64(free)
	// Less than a chunk cannot be allocated.
	const least = 16 << 20
	if u.Unallocated >= least {
		u.Free += uint64(float64(u.Unallocated) / u.DataRatio)
		u.FreeMin += uint64(float64(u.Unallocated) / most)
	}
	return u
}
