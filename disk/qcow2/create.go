package qcow2

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/bits"

	"github.com/unboot/unboot/disk"
)

const (
	defaultClusterSize   = 64 << 10 // bytes, as in QEMU
	defaultRefcountOrder = 4
)

// Create writes an image without content on a device of no size. The cluster size is a power
// of two from 512 bytes to 2 MiB, and 64 KiB by default; the version is 2 or 3, which is the
// default; the compression is "zlib", the default, or, in version 3, "zstd". The size of the
// disk is rounded up to 512 bytes, and is the parent's by default. Preallocation is "off",
// "metadata", "falloc" or "full", as in QEMU, and needs an image without a backing file.
// There is one kind. Errors are *fs.PathError.
func Create(d disk.Device, path string, o disk.CreateOptions) error {
	err := writeImage(d, path, o)
	if _, ok := errors.AsType[*fs.PathError](err); ok || err == nil {
		return err
	}
	return &fs.PathError{Op: "create", Path: path, Err: err}
}

func writeImage(d disk.Device, path string, o disk.CreateOptions) error {
	c := &creation{o: o}
	if err := c.options(); err != nil {
		return err
	}
	head, err := c.header()
	if err != nil {
		return err
	}
	// The header comes last: without it, it is no image.
	if err := c.writeTables(d); err != nil {
		return err
	}
	if err := d.Flush(); err != nil {
		return err
	}
	if _, err := d.WriteAt(head, 0); err != nil {
		return err
	}
	if err := d.Flush(); err != nil {
		return err
	}
	if o.Preallocate != "" && o.Preallocate != "off" {
		return preallocate(d, path, o.Preallocate)
	}
	return nil
}

// creation is an image that is being created.
type creation struct {
	o    disk.CreateOptions
	bits uint // logarithm of the size of a cluster
	l1   int64
	// Clusters of the tables, which follow the header in this order.
	refTable, refBlocks, l1Clusters int64
	crypt                           int64 // of the header of the encryption, which is the last
}

// tables returns how many clusters the tables have, with the header.
func (c *creation) tables() int64 { return 1 + c.refTable + c.refBlocks + c.l1Clusters }

// options checks what is wanted, and fills in what is not said.
func (c *creation) options() error {
	o := &c.o
	if o.Size == 0 && o.Parent != nil {
		o.Size = o.Parent.Size()
	}
	if o.ClusterSize == 0 {
		o.ClusterSize = defaultClusterSize
	}
	if o.Version == 0 {
		o.Version = 3
	}
	if o.Compression == "" {
		o.Compression = "zlib"
	}
	c.bits = uint(bits.TrailingZeros64(uint64(o.ClusterSize)))
	switch {
	case o.Size < 0 || o.Size > 1<<62:
		return fmt.Errorf("a disk of %d bytes", o.Size)
	case o.ClusterSize != 1<<c.bits || c.bits < minClusterBits || c.bits > maxClusterBits:
		return fmt.Errorf("clusters of %d bytes; a power of two from 512 bytes to 2 MiB is wanted", o.ClusterSize)
	case o.Version != 2 && o.Version != 3:
		return fmt.Errorf("version %d; there are 2 and 3", o.Version)
	case o.Kind != "":
		return fmt.Errorf("there is no kind %q of qcow2", o.Kind)
	case o.Compression != "zlib" && o.Compression != "zstd":
		return fmt.Errorf("compression %q; there are zlib and zstd", o.Compression)
	case o.Compression == "zstd" && o.Version == 2:
		return errors.New("version 2 has no compression with zstd")
	case len(o.Backing) > maxName:
		return fmt.Errorf("a backing file with a name of %d bytes; there may be %d", len(o.Backing), maxName)
	case bytes.IndexByte([]byte(o.Backing+o.BackingFormat), 0) >= 0:
		return errors.New("a zero byte in the name of the backing file or its format")
	}
	switch o.Preallocate {
	case "", "off":
	case "metadata", "falloc", "full":
		if o.Backing != "" {
			return errors.New("an image with a backing file is not preallocated")
		}
	default:
		return fmt.Errorf("preallocation %q; there are off, metadata, falloc and full", o.Preallocate)
	}
	if e := o.Encrypt; e != nil {
		switch {
		case o.Preallocate != "" && o.Preallocate != "off":
			return errors.New("an encrypted image is not preallocated: what was never written would not read as zeros")
		case e.HeaderSize <= 0 || e.HeaderSize > maxEncryption:
			return fmt.Errorf("a header of the encryption of %d bytes", e.HeaderSize)
		}
		c.crypt = (e.HeaderSize + o.ClusterSize - 1) / o.ClusterSize
	}
	o.Size = (o.Size + sectorSize - 1) &^ (sectorSize - 1)
	return c.layOut()
}

// layOut determines where the tables are.
func (c *creation) layOut() error {
	shift := c.bits + c.bits - 3
	c.l1 = (c.o.Size + 1<<shift - 1) >> shift
	if c.l1*8 > maxL1 {
		return fmt.Errorf("a disk of %d bytes is too large for clusters of %d bytes", c.o.Size, c.o.ClusterSize)
	}
	size := c.o.ClusterSize
	c.l1Clusters = (c.l1*8 + size - 1) / size
	per := size * 8 >> defaultRefcountOrder
	c.refTable, c.refBlocks = 1, 1
	for {
		n := c.tables() + c.crypt
		if blocks := (n + per - 1) / per; blocks > c.refBlocks {
			c.refBlocks = blocks
		} else if table := (c.refBlocks*8 + size - 1) / size; table > c.refTable {
			c.refTable = table
		} else {
			return nil
		}
	}
}

// header returns the header's cluster.
func (c *creation) header() ([]byte, error) {
	o := &c.o
	b := make([]byte, o.ClusterSize)
	copy(b, magic)
	be.PutUint32(b[4:], uint32(o.Version))
	be.PutUint32(b[20:], uint32(c.bits))
	be.PutUint64(b[24:], uint64(o.Size))
	be.PutUint32(b[36:], uint32(c.l1))
	be.PutUint64(b[40:], uint64((1+c.refTable+c.refBlocks)*o.ClusterSize))
	be.PutUint64(b[48:], uint64(o.ClusterSize))
	be.PutUint32(b[56:], uint32(c.refTable))
	at := headerSize2
	if o.Version == 3 {
		at = headerSize3 + 8
		be.PutUint32(b[96:], defaultRefcountOrder)
		be.PutUint32(b[100:], uint32(at))
		if o.Compression == "zstd" {
			be.PutUint64(b[72:], featureCompression)
			b[104] = 1
		}
	}
	var need []byte
	if o.Encrypt != nil {
		be.PutUint32(b[32:], 2)
		where := be.AppendUint64(nil, uint64(c.tables()*o.ClusterSize))
		need = appendExtension(need, extensionEncryption, be.AppendUint64(where, uint64(o.Encrypt.HeaderSize)))
	}
	if o.BackingFormat != "" {
		need = appendExtension(need, extensionBackingFormat, []byte(o.BackingFormat))
	}
	end := appendExtension(nil, extensionEnd, nil)
	if o.Version == 3 {
		names := appendExtension(nil, extensionFeatureNames, featureNames())
		if at+len(need)+len(names)+len(end)+len(o.Backing) <= len(b) {
			need = append(need, names...)
		}
	}
	need = append(need, end...)
	if at+len(need)+len(o.Backing) > len(b) {
		return nil, fmt.Errorf("the name of the backing file does not fit into a cluster of %d bytes", len(b))
	}
	at += copy(b[at:], need)
	if o.Backing != "" {
		be.PutUint64(b[8:], uint64(at))
		be.PutUint32(b[16:], uint32(len(o.Backing)))
		copy(b[at:], o.Backing)
	}
	return b, nil
}

// appendExtension appends a header extension.
func appendExtension(b []byte, kind uint32, data []byte) []byte {
	b = be.AppendUint32(b, kind)
	b = be.AppendUint32(b, uint32(len(data)))
	b = append(b, data...)
	return append(b, make([]byte, -len(data)&7)...)
}

// featureNames returns the table of the names of features, for programs that do not know
// one.
func featureNames() []byte {
	var b []byte
	for _, f := range []struct {
		kind, bit byte
		name      string
	}{
		{0, 0, "dirty bit"}, {0, 1, "corrupt bit"}, {0, 2, "external data file"}, {0, 3, "compression type"}, {0, 4, "extended L2 entries"},
		{1, 0, "lazy refcounts"},
		{2, 0, "bitmaps"}, {2, 1, "raw external data"},
	} {
		entry := make([]byte, featureName)
		entry[0], entry[1] = f.kind, f.bit
		copy(entry[2:], f.name)
		b = append(b, entry...)
	}
	return b
}

// writeTables writes the refcount table, its blocks, and an empty L1 table.
func (c *creation) writeTables(d disk.Device) error {
	size := c.o.ClusterSize
	b := make([]byte, (c.refTable+c.refBlocks)*size)
	for i := range c.refBlocks {
		be.PutUint64(b[i*8:], uint64((1+c.refTable+i)*size))
	}
	n := counts{b[c.refTable*size:], defaultRefcountOrder}
	for i := range c.tables() + c.crypt {
		n.set(int(i), 1)
	}
	if _, err := d.WriteAt(b, size); err != nil {
		return err
	}
	zeros := make([]byte, min(c.l1Clusters*size, 1<<20))
	start := (1 + c.refTable + c.refBlocks) * size
	for off := start; off < start+c.l1Clusters*size; off += int64(len(zeros)) {
		if _, err := d.WriteAt(zeros[:min(int64(len(zeros)), start+c.l1Clusters*size-off)], off); err != nil {
			return err
		}
	}
	if c.crypt == 0 {
		return nil
	}
	// All of its clusters are there, whatever the header fills of them.
	if _, err := d.WriteAt(make([]byte, c.crypt*size), c.tables()*size); err != nil {
		return err
	}
	return c.o.Encrypt.Write(&stretch{d, c.tables() * size, c.o.Encrypt.HeaderSize})
}
