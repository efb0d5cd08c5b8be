package vhdx

import (
	"fmt"

	"github.com/unboot/unboot/disk"
)

// Where things are in a new image, after the first MiB.
const (
	newLog      = 1 * mib
	newMetadata = 2 * mib
	newBAT      = 3 * mib

	newDiffBlock = 2 << 20
	newCreator   = "unboot"
)

// The kinds of images that are created.
const (
	kindDynamic = "dynamic"
	kindFixed   = "fixed"
)

// Create writes an image without content: a dynamic one, a fixed one, which is of that kind,
// or a differencing one, which has [disk.CreateOptions.Parent], whose identity and whose size
// of logical sectors it keeps. Other images have sectors of 512 bytes, to a multiple of which the
// size is rounded up. The size of a block is [disk.CreateOptions.ClusterSize], or as QEMU
// chooses it.
func Create(d disk.Device, path string, o disk.CreateOptions) error {
	return (&Image{path: path}).wrap("create", create(d, o))
}

func create(d disk.Device, o disk.CreateOptions) error {
	m := &metadata{sector: 512, physical: 4096, block: o.ClusterSize, id: newGUID(), fixed: o.Kind == kindFixed || o.Kind == "" && o.Preallocate == "metadata"}
	switch {
	case o.Kind != "" && o.Kind != kindDynamic && o.Kind != kindFixed:
		return fmt.Errorf("VHDX images of the kind %q are not known; there are: %s, %s", o.Kind, kindDynamic, kindFixed)
	case o.Size < 0 || o.Size > maxSize:
		return fmt.Errorf("a disk of %d bytes; VHDX images have up to %d", o.Size, int64(maxSize))
	case o.ClusterSize != 0 && (o.ClusterSize < minBlock || o.ClusterSize > maxBlock || o.ClusterSize&(o.ClusterSize-1) != 0):
		return fmt.Errorf("blocks of %d bytes; those of VHDX images have a power of two, from %d to %d", o.ClusterSize, minBlock, maxBlock)
	case o.Compression != "":
		return fmt.Errorf("compression %q: VHDX images have none", o.Compression)
	case o.Version != 0 && o.Version != headerVersion:
		return fmt.Errorf("version %d of VHDX", o.Version)
	case o.Preallocate != "" && o.Preallocate != "off" && o.Preallocate != "metadata":
		return fmt.Errorf("preallocation %q", o.Preallocate)
	}
	if o.Backing != "" || o.Parent != nil {
		if m.fixed {
			return fmt.Errorf("a fixed VHDX image has no parent")
		}
		if err := m.setParent(&o); err != nil {
			return err
		}
	}
	m.size = (o.Size + m.sector - 1) &^ (m.sector - 1)
	if m.block == 0 {
		m.block = defaultBlock(m.size)
	}
	if err := m.check(); err != nil {
		return err
	}
	return m.write(d)
}

// defaultBlock returns the size of blocks for a disk of size bytes.
func defaultBlock(size int64) int64 {
	switch {
	case size > 32<<40:
		return 64 << 20
	case size > 100<<30:
		return 32 << 20
	case size > 1<<30:
		return 16 << 20
	}
	return 8 << 20
}

// setParent has a new image be one with changes to the parent.
func (m *metadata) setParent(o *disk.CreateOptions) error {
	p, ok := disk.As[*Image](o.Parent)
	if o.Parent == nil || !ok {
		return fmt.Errorf("the parent of a VHDX image is one too: %q is not", o.Backing)
	}
	var err error
	if m.parent, err = newLocator(o.Backing, p.header.dataWrite); err != nil {
		return err
	}
	m.hasParent, m.sector, m.physical = true, p.meta.sector, p.meta.physical
	if m.block == 0 {
		m.block = newDiffBlock
	}
	if o.Size == 0 {
		o.Size = p.meta.size
	}
	return nil
}

// write writes a new image: its tables, its room, and at last the signature, so that a file
// that is cut off before is not an image.
func (m *metadata) write(d disk.Device) error {
	bat := max((m.entries()*8+mib-1)/mib*mib, mib)
	end := newBAT + bat
	if m.fixed {
		end += m.blocks() * m.block
	}
	if err := grow(d, end); err != nil {
		return err
	}
	if m.fixed {
		if err := m.writeBAT(d, newBAT+bat); err != nil {
			return err
		}
	}
	h := &header{sequence: 1, fileWrite: newGUID(), dataWrite: newGUID(), logLength: mib, logAt: newLog}
	first := h.marshal()
	h.sequence++
	regions := newRegions(bat)
	for at, b := range map[int64][]byte{
		headerAt1: first, headerAt2: h.marshal(), regionsAt1: regions, regionsAt2: regions, newMetadata: m.marshal(),
	} {
		if _, err := d.WriteAt(b, at); err != nil {
			return err
		}
	}
	id := make([]byte, logSector)
	copy(id, signature)
	for i := range len(newCreator) {
		id[len(signature)+2*i] = newCreator[i]
	}
	_, err := d.WriteAt(id, 0)
	return err
}

// writeBAT writes the table of an image whose blocks are all there, one after the other.
func (m *metadata) writeBAT(d disk.Device, at int64) error {
	b := make([]byte, 0, 64<<10)
	off := int64(newBAT)
	for i := range m.blocks() {
		if i != 0 && i&(m.ratio-1) == 0 {
			b = le.AppendUint64(b, 0) // of a bitmap
		}
		b = le.AppendUint64(b, uint64(at)|statePresent)
		at += m.block
		if len(b)+16 > cap(b) || i == m.blocks()-1 {
			if _, err := d.WriteAt(b, off); err != nil {
				return err
			}
			off, b = off+int64(len(b)), b[:0]
		}
	}
	return nil
}

// newRegions returns a region table.
func newRegions(bat int64) []byte {
	b := make([]byte, regionsSize)
	copy(b, "regi")
	le.PutUint32(b[8:], 2)
	for i, r := range []struct {
		id       GUID
		at, size int64
	}{{regionBAT, newBAT, bat}, {regionMetadata, newMetadata, mib}} {
		e := b[16+32*i:]
		copy(e, r.id[:])
		le.PutUint64(e[16:], uint64(r.at))
		le.PutUint32(e[24:], uint32(r.size))
		le.PutUint32(e[28:], 1)
	}
	le.PutUint32(b[checksumAt:], checksum(b))
	return b
}

// marshal returns the metadata region, as far as it has something.
func (m *metadata) marshal() []byte {
	flags := uint32(0)
	if m.fixed {
		flags |= 1
	}
	if m.hasParent {
		flags |= 2
	}
	const virtual = 1 << 1 // of the disk, and not of the file
	items := []struct {
		id    GUID
		data  []byte
		flags uint32
	}{
		{itemParameters, le.AppendUint32(le.AppendUint32(nil, uint32(m.block)), flags), itemRequired},
		{itemSize, le.AppendUint64(nil, uint64(m.size)), itemRequired | virtual},
		{itemID, m.id[:], itemRequired | virtual},
		{itemLogicalSector, le.AppendUint32(nil, uint32(m.sector)), itemRequired | virtual},
		{itemPhysicalSector, le.AppendUint32(nil, uint32(m.physical)), itemRequired | virtual},
		{itemParent, m.parent, itemRequired},
	}
	if !m.hasParent {
		items = items[:len(items)-1]
	}
	b := make([]byte, metadataTable)
	copy(b, "metadata")
	le.PutUint16(b[10:], uint16(len(items)))
	for i, it := range items {
		e := b[32+32*i:]
		copy(e, it.id[:])
		le.PutUint32(e[16:], uint32(len(b)))
		le.PutUint32(e[20:], uint32(len(it.data)))
		le.PutUint32(e[24:], it.flags)
		b = append(b, it.data...)
	}
	return append(b, make([]byte, -len(b)&(logSector-1))...)
}
