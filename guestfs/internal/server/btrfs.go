package server

import (
	"encoding/binary"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// btrfs makes the ioctls of linux/btrfs.h on a directory of a mounted file system.
type btrfs struct {
	v  *lkl.View
	fd int
}

const (
	btrfsRootTree     = 1
	btrfsTopLevel     = 5 // the subvolume that is always there
	btrfsRootTreeDir  = 6
	btrfsQuotaTree    = 8
	btrfsFirstFree    = 256
	btrfsLastFree     = ^uint64(255)
	btrfsDirItem      = 84
	btrfsRootItem     = 132
	btrfsRootBackref  = 144
	btrfsSubvolInode  = 256 // of the root directory of each subvolume
	btrfsMaxSubvolume = 1 << 20
)

// ioc returns the number of an ioctl: dir is 1 for writing, 2 for reading, 3 for both,
// as the program sees it.
func ioc(dir, typ, nr, size uint) uint { return dir<<30 | size<<16 | typ<<8 | nr }

func iocBtrfs(dir, nr, size uint) uint { return ioc(dir, 0x94, nr, size) }

// item is an item of a tree.
type item struct {
	object, offset uint64
	kind           uint32
	data           []byte
}

// search calls f with the items of a tree whose objects and types are in a range. f
// must not keep the data.
func (b btrfs) search(tree, minObject, maxObject uint64, minKind, maxKind uint32, f func(item) bool) error {
	const keySize, headerSize = 104, 32
	arg := make([]byte, 4096)
	le := binary.NativeEndian
	object, kind, offset := minObject, minKind, uint64(0)
	for {
		clear(arg)
		for i, v := range []uint64{tree, object, maxObject, offset, ^uint64(0), 0, ^uint64(0)} {
			le.PutUint64(arg[8*i:], v)
		}
		le.PutUint32(arg[56:], kind)
		le.PutUint32(arg[60:], maxKind)
		le.PutUint32(arg[64:], 4096)
		if _, err := b.v.Ioctl(b.fd, iocBtrfs(3, 17, 4096), arg); err != nil {
			return err
		}
		n := le.Uint32(arg[64:])
		if n == 0 {
			return nil
		}
		var last item
		rest := arg[keySize:]
		for range n {
			if len(rest) < headerSize {
				return unix.EUCLEAN
			}
			last = item{object: le.Uint64(rest[8:]), offset: le.Uint64(rest[16:]), kind: le.Uint32(rest[24:])}
			size := int(le.Uint32(rest[28:]))
			if rest = rest[headerSize:]; size < 0 || size > len(rest) {
				return unix.EUCLEAN
			}
			last.data, rest = rest[:size], rest[size:]
			// A range of keys has others between.
			if last.kind >= minKind && last.kind <= maxKind && !f(last) {
				return nil
			}
		}
		// The next key after the last one.
		object, kind, offset = last.object, last.kind, last.offset+1
		if offset == 0 {
			if kind++; kind > 255 {
				kind = 0
				if object++; object == 0 {
					return nil
				}
			}
		}
		if object > maxObject {
			return nil
		}
	}
}

// subvolume is one of a file system. Its path is from the top level.
type subvolume struct {
	id, parent, dir uint64
	name, path      string
}

// subvolumes returns all subvolumes but the top level, in the order of their ids.
func (b btrfs) subvolumes() ([]subvolume, error) {
	var list []subvolume
	index := map[uint64]int{}
	err := b.search(btrfsRootTree, btrfsFirstFree, btrfsLastFree, btrfsRootBackref, btrfsRootBackref, func(i item) bool {
		if len(i.data) < 18 {
			return true
		}
		size := int(binary.LittleEndian.Uint16(i.data[16:]))
		if size > len(i.data)-18 {
			return true
		}
		index[i.object] = len(list)
		list = append(list, subvolume{
			id: i.object, parent: i.offset, dir: binary.LittleEndian.Uint64(i.data),
			name: string(i.data[18 : 18+size]),
		})
		return len(list) < btrfsMaxSubvolume
	})
	if err != nil {
		return nil, err
	}
	for i := range list {
		if err := b.findPath(list, index, i, 0); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// findPath sets the path of a subvolume, which is in a directory of another.
func (b btrfs) findPath(list []subvolume, index map[uint64]int, i, depth int) error {
	v := &list[i]
	if v.path != "" {
		return nil
	}
	dir, err := b.pathOfInode(v.parent, v.dir)
	if err != nil {
		return err
	}
	v.path = dir + v.name
	if v.parent == btrfsTopLevel {
		return nil
	}
	p, ok := index[v.parent]
	if !ok || depth > 1000 {
		return unix.EUCLEAN
	}
	if err := b.findPath(list, index, p, depth+1); err != nil {
		return err
	}
	v.path = list[p].path + "/" + v.path
	return nil
}

// pathOfInode returns the path of a directory in a subvolume, "" or with a slash at its
// end.
func (b btrfs) pathOfInode(tree, inode uint64) (string, error) {
	if inode == btrfsSubvolInode {
		return "", nil
	}
	arg := make([]byte, 4096)
	binary.NativeEndian.PutUint64(arg, tree)
	binary.NativeEndian.PutUint64(arg[8:], inode)
	if _, err := b.v.Ioctl(b.fd, iocBtrfs(3, 18, 4096), arg); err != nil {
		return "", err
	}
	return cString(arg[16:]), nil
}

// treeOf returns the subvolume that the directory is in.
func (b btrfs) treeOf() (uint64, error) {
	arg := make([]byte, 4096)
	binary.NativeEndian.PutUint64(arg[8:], btrfsSubvolInode)
	_, err := b.v.Ioctl(b.fd, iocBtrfs(3, 18, 4096), arg)
	return binary.NativeEndian.Uint64(arg), err
}

// defaultSubvolume returns the id of the subvolume that is mounted if none is named.
func (b btrfs) defaultSubvolume() (uint64, error) {
	id := uint64(btrfsTopLevel)
	err := b.search(btrfsRootTree, btrfsRootTreeDir, btrfsRootTreeDir, btrfsDirItem, btrfsDirItem, func(i item) bool {
		const size = 30 // of struct btrfs_dir_item
		if len(i.data) > size && string(i.data[size:]) == "default" {
			id = binary.LittleEndian.Uint64(i.data)
			return false
		}
		return true
	})
	return id, err
}

// cString returns what is before the first NUL.
func cString(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	return s
}

// withBtrfs mounts the btrfs on a device for a while, as withMounted does.
func (s *Server) withBtrfs(device string, readOnly bool, f func(b btrfs) error) error {
	return s.withMounted(device, "btrfs", readOnly, func(fd int) error {
		img, err := s.image()
		if err != nil {
			return err
		}
		return f(btrfs{&img.Kernel().View, fd})
	})
}
