package vdi

import (
	"fmt"
	"io/fs"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/below"
)

const (
	newBlock = 1 << 20
	newAlign = 1 << 20 // of the data in the file
	newText  = "<<< VirtualBox Disk Image made by unboot >>>\n"
)

// Create writes an image without content: a dynamic one, a static one, which is of the kind
// "static" or preallocates "metadata", or a differencing one, which has
// [disk.CreateOptions.Parent]. The name of the parent does not stand in it.
func Create(d disk.Device, path string, o disk.CreateOptions) error {
	if err := create(d, o); err != nil {
		if _, ok := err.(*fs.PathError); ok {
			return err
		}
		return &fs.PathError{Op: "create", Path: path, Err: err}
	}
	return nil
}

func create(d disk.Device, o disk.CreateOptions) error {
	h := Header{Type: typeDynamic, Size: o.Size, BlockSize: newBlock, Create: newUUID(), Modify: newUUID(), mapAt: headerSize}
	switch {
	case o.Kind == "static", o.Kind == "" && o.Preallocate == "metadata":
		h.Type = typeStatic
	case o.Kind != "" && o.Kind != "dynamic":
		return fmt.Errorf("VDI images of the kind %q are not known; there are: dynamic, static", o.Kind)
	}
	switch {
	case o.ClusterSize != 0 && o.ClusterSize != newBlock:
		return fmt.Errorf("blocks of %d bytes, and not %d", o.ClusterSize, newBlock)
	case o.Compression != "":
		return fmt.Errorf("compression %q: VDI images have none", o.Compression)
	case o.Version != 0 && o.Version != 1:
		return fmt.Errorf("version %d of VDI", o.Version)
	case o.Preallocate != "" && o.Preallocate != "off" && o.Preallocate != "metadata":
		return fmt.Errorf("preallocation %q", o.Preallocate)
	}
	if o.Backing != "" || o.Parent != nil {
		below, ok := disk.As[*Image](o.Parent)
		switch {
		case o.Parent == nil || !ok:
			return fmt.Errorf("the parent of a VDI image is one too: %q is not", o.Backing)
		case h.Type == typeStatic:
			return fmt.Errorf("a static VDI image has no parent")
		}
		h.Type, h.Parent, h.ParentModify = typeDiff, below.h.Create, below.h.Modify
		if h.Size == 0 {
			h.Size = below.h.Size
		}
	}
	h.Size = (h.Size + sectorSize - 1) &^ (sectorSize - 1)
	if h.Size < 0 || h.Size > maxBlocks*newBlock {
		return fmt.Errorf("a disk of %d bytes; VDI images have up to %d", o.Size, int64(maxBlocks)*newBlock)
	}
	h.Blocks = (h.Size + newBlock - 1) / newBlock
	h.dataAt = (h.mapAt + h.Blocks*4 + newAlign - 1) &^ (newAlign - 1)
	if h.Type == typeStatic {
		h.Allocated = h.Blocks
	}
	return h.write(d)
}

// write writes a new image: its block map, its room, and at last the header, so that a
// file that is cut off before is not an image.
func (h *Header) write(d disk.Device) error {
	b := make([]byte, 64<<10)
	for at := h.mapAt; at < h.dataAt; at += int64(len(b)) {
		b = b[:min(int64(len(b)), h.dataAt-at)]
		for i := 0; i < len(b); i += 4 {
			e := uint32(entryNone)
			if block := (at-h.mapAt)/4 + int64(i/4); h.Type == typeStatic && block < h.Blocks {
				e = uint32(block)
			}
			le.PutUint32(b[i:], e)
		}
		if _, err := d.WriteAt(b, at); err != nil {
			return err
		}
	}
	if size := h.dataOf(h.Allocated); h.Allocated > 0 {
		if r, ok := disk.As[disk.Resizer](d); !ok || r.Resize(size) != nil {
			for at := h.dataAt; at < size; at += int64(len(below.Zeros)) {
				if _, err := d.WriteAt(below.Zeros, at); err != nil {
					return err
				}
			}
		}
	}
	_, err := d.WriteAt(h.marshal(), 0)
	return err
}

func (h *Header) marshal() []byte {
	b := make([]byte, headerSize)
	copy(b, newText)
	copy(b[magicAt:], magic)
	cylinders := uint32(min(h.Size/sectorSize/(16*63), 16383))
	for at, v := range map[int]uint32{
		68: 1<<16 | 1, 72: 400, 76: h.Type, 340: uint32(h.mapAt), 344: uint32(h.dataAt),
		348: cylinders, 352: 16, 356: 63, 360: sectorSize,
		376: uint32(h.BlockSize), 384: uint32(h.Blocks), allocatedAt: uint32(h.Allocated),
	} {
		le.PutUint32(b[at:], v)
	}
	le.PutUint64(b[368:], uint64(h.Size))
	for at, u := range map[int]UUID{392: h.Create, modifyAt: h.Modify, 424: h.Parent, 440: h.ParentModify} {
		copy(b[at:], u[:])
	}
	return b
}
