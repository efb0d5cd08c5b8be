package vmdk

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/unboot/unboot/disk"
)

// The kinds of images that are created.
const (
	kindSparse = "monolithicSparse"
	kindStream = "streamOptimized"
)

const (
	newGrain   = 128 // sectors, as all that is known uses
	newEntries = 512 // of a grain table
	newDesc    = 20  // sectors of room for the descriptor
)

// Create writes an image without content: a monolithicSparse one, with all of its grain
// tables, as QEMU and VMware make them, or a streamOptimized one, which is then written
// to in order: see [Stream]. Of a parent it needs the CID: [disk.CreateOptions.Parent] is a
// VMDK image. Version 2 has entries for grains of zeros.
func Create(d disk.Device, path string, o disk.CreateOptions) error {
	if err := create(d, o); err != nil {
		return (&Image{path: path}).wrap("create", err)
	}
	return nil
}

func create(d disk.Device, o disk.CreateOptions) error {
	kind := o.Kind
	if kind == "" {
		kind = kindSparse
	}
	switch {
	case kind != kindSparse && kind != kindStream:
		return fmt.Errorf("VMDK images of the kind %q are not created here; those of one file are: %s, %s", kind, kindSparse, kindStream)
	case o.Size < 0:
		return fmt.Errorf("a disk of %d bytes", o.Size)
	case o.ClusterSize != 0 && o.ClusterSize != newGrain*sectorSize:
		return fmt.Errorf("grains of %d bytes, and not %d", o.ClusterSize, newGrain*sectorSize)
	case o.Compression != "" && (o.Compression != "zlib" || kind != kindStream):
		return fmt.Errorf("compression %q, and not zlib in a %s image", o.Compression, kindStream)
	case o.Preallocate != "" && o.Preallocate != "off" && (o.Preallocate != "metadata" || kind != kindSparse):
		return fmt.Errorf("preallocation %q", o.Preallocate)
	case o.Version < 0 || o.Version > 2 || o.Version != 0 && kind == kindStream:
		return fmt.Errorf("version %d of a %s image", o.Version, kind)
	case o.Backing != "" && kind == kindStream:
		return fmt.Errorf("a %s image has no parent", kindStream)
	case o.Backing != "" && o.BackingFormat != "" && o.BackingFormat != "vmdk":
		return fmt.Errorf("the parent of a VMDK image is one too, not a %s image", o.BackingFormat)
	case strings.ContainsAny(o.Backing, "\"\n\r\x00") || len(o.Backing) > 1024:
		return fmt.Errorf("the name %.100q of a parent cannot be in a descriptor", o.Backing)
	case o.Size > maxSector*sectorSize:
		return fmt.Errorf("a disk of %d bytes; %s images have up to %d", o.Size, kind, int64(maxSector)*sectorSize)
	}
	parentCID := uint32(noParent)
	if o.Backing != "" {
		below, ok := disk.As[*Image](o.Parent)
		if o.Parent == nil || !ok {
			return fmt.Errorf("the parent of a VMDK image is one too: %q is not", o.Backing)
		}
		parentCID = below.desc.cid
		if o.Size == 0 {
			o.Size = below.size
		}
	}
	sectors := (o.Size + sectorSize - 1) / sectorSize
	if kind == kindStream {
		return createStream(d, sectors)
	}
	text := newDescriptor(kind, sectors, parentCID, o.Backing)
	return createSparse(d, sectors, text, o.Version == 2)
}

// newDescriptor returns the text of a descriptor. The name of the extent in it, which is
// the file itself, is not used by anybody.
func newDescriptor(kind string, sectors int64, parentCID uint32, parent string) string {
	var b strings.Builder
	cid := rand.Uint32N(0xfffffffe-0x10000000) + 0x10000000 // of eight digits, and not that of no parent
	fmt.Fprintf(&b, "# Disk DescriptorFile\nversion=1\nCID=%08x\nparentCID=%08x\ncreateType=\"%s\"\n", cid, parentCID, kind)
	if parent != "" {
		fmt.Fprintf(&b, "parentFileNameHint=\"%s\"\n", parent)
	}
	access := "RW"
	if kind == kindStream {
		access = "RDONLY"
	}
	cylinders := min(sectors/(16*63), 16383)
	fmt.Fprintf(&b, "\n# Extent description\n%s %d SPARSE \"disk.vmdk\"\n", access, sectors)
	fmt.Fprintf(&b, "\n# The Disk Data Base\n#DDB\n\nddb.virtualHWVersion = \"4\"\nddb.geometry.cylinders = \"%d\"\n"+
		"ddb.geometry.heads = \"16\"\nddb.geometry.sectors = \"63\"\nddb.adapterType = \"ide\"\n", cylinders)
	return b.String()
}

// marshal returns the sector of a header.
func (h *sparseHeader) marshal() []byte {
	b := make([]byte, sectorSize)
	copy(b, magicSparse)
	le.PutUint32(b[4:], h.version)
	le.PutUint32(b[8:], h.flags)
	for at, v := range map[int]int64{12: h.capacity, 20: h.grain, 28: h.descriptor, 36: h.descSize, 48: h.redundant, 56: h.directory, 64: h.overhead} {
		le.PutUint64(b[at:], uint64(v))
	}
	if h.footer {
		le.PutUint64(b[56:], atEnd)
	}
	le.PutUint32(b[44:], uint32(h.entries))
	copy(b[73:], "\n \r\n")
	if h.compressed {
		le.PutUint16(b[77:], compressDeflate)
	}
	return b
}

// createSparse lays out header, descriptor, the redundant directory and its tables, the
// directory and its tables, and room up to the first grain. The header is written last: a
// file that is cut off before is not an image.
func createSparse(d disk.Device, sectors int64, text string, zeroGrain bool) error {
	perTable := int64(newGrain * newEntries)
	tables := (sectors + perTable - 1) / perTable
	const tableSectors = newEntries * 4 / sectorSize
	directory := (tables*4 + sectorSize - 1) / sectorSize
	h := &sparseHeader{version: 1, flags: flagNewlines | flagRedundant, capacity: sectors, grain: newGrain,
		descriptor: 1, descSize: newDesc, entries: newEntries, redundant: 1 + newDesc}
	if zeroGrain {
		h.version, h.flags = 2, h.flags|flagZeroGrain
	}
	// A disk of no size has a directory of no entries, somewhere.
	directory = max(directory, 1)
	h.directory = h.redundant + directory + tables*tableSectors
	end := h.directory + directory + tables*tableSectors
	h.overhead = (end + newGrain - 1) / newGrain * newGrain
	if err := zeroFile(d, h.overhead*sectorSize); err != nil {
		return err
	}
	for _, start := range []int64{h.redundant, h.directory} {
		b := make([]byte, directory*sectorSize)
		for i := range tables {
			le.PutUint32(b[i*4:], uint32(start+directory+i*tableSectors))
		}
		if _, err := d.WriteAt(b, start*sectorSize); err != nil {
			return err
		}
	}
	b := make([]byte, newDesc*sectorSize)
	copy(b, text)
	if _, err := d.WriteAt(b, sectorSize); err != nil {
		return err
	}
	_, err := d.WriteAt(h.marshal(), 0)
	return err
}

// zeroFile gives a new file a size, all zeros.
func zeroFile(d disk.Device, size int64) error {
	if r, ok := disk.As[disk.Resizer](d); ok && d.Size() == 0 {
		return r.Resize(size)
	}
	for off := int64(0); off < size; off += int64(len(zeros)) {
		if _, err := d.WriteAt(zeros[:min(size-off, int64(len(zeros)))], off); err != nil {
			return err
		}
	}
	return nil
}
