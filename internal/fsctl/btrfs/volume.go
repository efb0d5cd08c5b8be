package btrfs

import (
	"bytes"
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/fsctl"
)

// InheritSize is how much memory a [Inherit] needs, in bytes.
const InheritSize = 80

// Inherit puts a new subvolume into a quota group.
type Inherit struct {
	Group  GroupID
	Memory fsctl.Memory // InheritSize bytes, which the call uses
}

// put writes a struct btrfs_qgroup_inherit of one group and no limit.
func (i *Inherit) put() {
	const count, groups = 8, 72
	mem := i.Memory.Bytes()[:InheritSize]
	clear(mem)
	binary.NativeEndian.PutUint64(mem[count:], 1)
	binary.NativeEndian.PutUint64(mem[groups:], uint64(i.Group))
}

// make makes a subvolume by an ioctl on a struct btrfs_ioctl_vol_args_v2.
func (f FS) make(nr uint, name string, source int, flags uint64, inherit *Inherit) error {
	const size, at, qgroup, maxName = 4096, 56, 0x4, 255
	if len(name) > maxName {
		return unix.ENAMETOOLONG
	}
	words := []uint64{uint64(source), 0, flags}
	if inherit != nil {
		inherit.put()
		words = append(words[:2], flags|qgroup, InheritSize, inherit.Memory.Addr())
	}
	arg := fsctl.Words(size, words...)
	copy(arg[at:], name)
	return f.do(fsctl.Write, nr, arg)
}

// Create makes a subvolume in f's directory, in a quota group if inherit is not nil
// (BTRFS_IOC_SUBVOL_CREATE_V2).
func (f FS) Create(name string, inherit *Inherit) error { return f.make(24, name, 0, 0, inherit) }

// Snapshot makes a snapshot in f's directory of the subvolume that the descriptor source,
// of the same kernel, is the root directory of (BTRFS_IOC_SNAP_CREATE_V2).
func (f FS) Snapshot(name string, source int, readOnly bool, inherit *Inherit) error {
	flags := uint64(0)
	if readOnly {
		flags = flagReadOnly
	}
	return f.make(23, name, source, flags, inherit)
}

// Delete deletes the subvolume or snapshot of a name in f's directory
// (BTRFS_IOC_SNAP_DESTROY).
func (f FS) Delete(name string) error { return f.named(15, 0, name) }

// SetDefault sets the subvolume that is mounted if none is named
// (BTRFS_IOC_DEFAULT_SUBVOL).
func (f FS) SetDefault(id uint64) error { return f.do(fsctl.Write, 19, fsctl.Words(8, id)) }

// Info is what there is to know of a subvolume: a struct btrfs_ioctl_get_subvol_info_args.
// Times are zero if they are not set.
type Info struct {
	ID                       uint64
	Name                     string // "" for the top level
	Parent                   uint64 // the ID of the subvolume that it lies in
	ReadOnly                 bool
	UUID                     UUID
	ParentUUID               UUID // of what it is a snapshot of
	ReceivedUUID             UUID
	Generation, Created      uint64 // transactions
	SentTransid              uint64
	ReceivedTransid          uint64
	Creation, Sent, Received time.Time
}

// Info returns what there is to know of the subvolume whose root directory f is
// (BTRFS_IOC_GET_SUBVOL_INFO).
func (f FS) Info() (*Info, error) {
	const readOnly = 1
	i := make([]byte, 504)
	if err := f.do(fsctl.Read, 60, i); err != nil {
		return nil, err
	}
	u64 := func(at int) uint64 { return binary.NativeEndian.Uint64(i[at:]) }
	when := func(at int) time.Time {
		if sec := int64(u64(at)); sec > 0 {
			return time.Unix(sec, 0).UTC()
		}
		return time.Time{}
	}
	name, _, _ := bytes.Cut(i[8:264], []byte{0})
	return &Info{
		ID: u64(0), Name: string(name), Parent: u64(264), ReadOnly: u64(288)&readOnly != 0,
		UUID: UUID(i[296:]), ParentUUID: UUID(i[312:]), ReceivedUUID: UUID(i[328:]),
		Generation: u64(280), Created: u64(352), SentTransid: u64(360), ReceivedTransid: u64(368),
		Creation: when(392), Sent: when(408), Received: when(424),
	}, nil
}

// Snapshots returns the paths of those of some subvolumes that are snapshots of another, by
// its UUID.
func (f FS) Snapshots(volumes []Subvolume, of UUID) ([]string, error) {
	if of == (UUID{}) {
		return nil, nil
	}
	roots, err := f.Roots()
	var list []string
	for _, v := range volumes {
		if roots[v.ID].ParentUUID == of {
			list = append(list, v.Path)
		}
	}
	return list, err
}
