package btrfs

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/fsctl"
)

const (
	// TopLevel is the number of the subvolume that is always there, and that has all
	// others in it.
	TopLevel = 5
	// SubvolumeInode is that of the root directory of each subvolume.
	SubvolumeInode = 256
	// MaxSubvolumes bounds how many are listed.
	MaxSubvolumes = 1 << 20

	maxDepth = 1000 // of subvolumes in subvolumes
)

// A Subvolume is one of a file system, or a snapshot of one.
type Subvolume struct {
	ID     uint64
	Parent uint64 // the ID of the one that it lies in
	Name   string
	Path   string // from the top level, without a slash at its start

	dir uint64 // the directory of Parent that has it
}

// Subvolumes returns all subvolumes but the top level, in the order of their IDs.
func (f FS) Subvolumes() ([]Subvolume, error) {
	const name = 18 // in a struct btrfs_root_ref
	var list []Subvolume
	index := map[uint64]int{}
	err := f.Search(rootTree, firstFree, lastFree, rootBackref, rootBackref, func(i Item) bool {
		if len(i.Data) < name {
			return true
		}
		size := int(binary.LittleEndian.Uint16(i.Data[16:]))
		if size > len(i.Data)-name {
			return true
		}
		index[i.Object] = len(list)
		list = append(list, Subvolume{
			ID: i.Object, Parent: i.Offset, dir: binary.LittleEndian.Uint64(i.Data), Name: string(i.Data[name : name+size]),
		})
		return len(list) < MaxSubvolumes
	})
	if err != nil {
		return nil, err
	}
	for i := range list {
		if err := f.findPath(list, index, i, 0); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// findPath sets the path of a subvolume, which is in a directory of another.
func (f FS) findPath(list []Subvolume, index map[uint64]int, i, depth int) error {
	v := &list[i]
	if v.Path != "" {
		return nil
	}
	dir, err := f.pathOfInode(v.Parent, v.dir)
	if err != nil {
		return err
	}
	v.Path = dir + v.Name
	if v.Parent == TopLevel {
		return nil
	}
	p, ok := index[v.Parent]
	if !ok || depth > maxDepth {
		return unix.EUCLEAN
	}
	if err := f.findPath(list, index, p, depth+1); err != nil {
		return err
	}
	v.Path = list[p].Path + "/" + v.Path
	return nil
}

// pathOfInode returns the path of a directory in a subvolume, "" or with a slash at its
// end.
func (f FS) pathOfInode(tree, inode uint64) (string, error) {
	if inode == SubvolumeInode {
		return "", nil
	}
	arg := fsctl.Words(4096, tree, inode) // struct btrfs_ioctl_ino_lookup_args
	if err := f.do(fsctl.ReadWrite, 18, arg); err != nil {
		return "", err
	}
	path, _, _ := bytes.Cut(arg[16:], []byte{0})
	return string(path), nil
}

// Default returns the ID of the subvolume that is mounted if none is named.
func (f FS) Default() (uint64, error) {
	id := uint64(TopLevel)
	err := f.Search(rootTree, rootTreeDir, rootTreeDir, dirItem, dirItem, func(i Item) bool {
		const size = 30 // of struct btrfs_dir_item
		if len(i.Data) > size && string(i.Data[size:]) == "default" {
			id = binary.LittleEndian.Uint64(i.Data)
			return false
		}
		return true
	})
	return id, err
}

// A UUID is zeroes if there is none.
type UUID [16]byte

// String returns the UUID as btrfs(8) prints it, or "" if there is none.
func (u UUID) String() string {
	if u == (UUID{}) {
		return ""
	}
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}
