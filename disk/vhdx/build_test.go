package vhdx

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/testdisk"
	"github.com/unboot/unboot/disk/internal/winpath"
)

var (
	parentWrite = guid("01234567-89ab-cdef-0123-456789abcdef")
	logID       = guid("11111111-2222-3333-4444-555555555555")
)

// Where a builder puts things.
const (
	testLog      = 1 * mib
	testMetadata = 2 * mib
	testBAT      = 3 * mib
	testBlocks   = 4 * mib
)

// A builder builds an image.
type builder struct {
	*testdisk.Disk
	end int64
	m   metadata
}

func (b *builder) put(at int64, p []byte) { b.Put(p, at) }

// seal puts a structure with its checksum.
func (b *builder) seal(at int64, p []byte) {
	clear(p[checksumAt:][:4])
	le.PutUint32(p[checksumAt:], checksum(p))
	b.put(at, p)
}

func newImage(size, block, sector int64, parent map[string]string) *builder {
	b := &builder{Disk: testdisk.ReadOnly(nil), end: testBlocks, m: metadata{size: size, block: block, sector: sector, hasParent: parent != nil}}
	b.put(0, []byte(signature))
	b.headers(1, GUID{})
	table := make([]byte, regionsSize)
	copy(table, "regi")
	le.PutUint32(table[8:], 2)
	for i, r := range []struct {
		id GUID
		at uint64
	}{{regionBAT, testBAT}, {regionMetadata, testMetadata}} {
		e := table[16+32*i:]
		copy(e, r.id[:])
		le.PutUint64(e[16:], r.at)
		le.PutUint32(e[24:], mib)
		le.PutUint32(e[28:], 1)
	}
	b.seal(regionsAt1, table)
	b.seal(regionsAt2, table)

	b.m.parent = make([]byte, locatorHeader)
	flags := uint32(0)
	if parent != nil {
		flags = 2
		b.m.parent = testLocator(parent)
	}
	meta := make([]byte, metadataTable)
	copy(meta, "metadata")
	off := metadataTable
	for i, it := range []struct {
		id   GUID
		data []byte
	}{
		{itemParameters, le.AppendUint32(le.AppendUint32(nil, uint32(block)), flags)},
		{itemSize, le.AppendUint64(nil, uint64(size))},
		{itemID, logID[:]},
		{itemLogicalSector, le.AppendUint32(nil, uint32(sector))},
		{itemPhysicalSector, le.AppendUint32(nil, 4096)},
		{itemParent, b.m.parent},
	} {
		e := meta[32+32*i:]
		copy(e, it.id[:])
		le.PutUint32(e[16:], uint32(off))
		le.PutUint32(e[20:], uint32(len(it.data)))
		le.PutUint32(e[24:], itemRequired)
		b.put(testMetadata+int64(off), it.data)
		off += len(it.data)
		le.PutUint16(meta[10:], uint16(i+1))
	}
	b.put(testMetadata, meta)
	if err := b.m.check(); err != nil {
		panic(err)
	}
	b.put(testBlocks-1, []byte{0})
	return b
}

// headers puts the headers.
func (b *builder) headers(sequence uint64, log GUID) {
	for i, at := range []int64{headerAt1, headerAt2} {
		h := make([]byte, headerSize)
		copy(h, "head")
		le.PutUint64(h[8:], sequence+uint64(i))
		copy(h[32:], parentWrite[:])
		copy(h[48:], log[:])
		le.PutUint16(h[66:], headerVersion)
		le.PutUint32(h[68:], mib)
		le.PutUint64(h[72:], testLog)
		b.seal(at, h)
	}
}

func testLocator(texts map[string]string) []byte {
	b := append(parentVHDX[:len(parentVHDX):len(parentVHDX)], 0, 0, byte(len(texts)), 0)
	var data []byte
	text := func(s string) (off uint32, n uint16) {
		off = uint32(locatorHeader + locatorEntry*len(texts) + len(data))
		u := winpath.Encode(s, le)
		data = append(data, u...)
		return off, uint16(len(u))
	}
	for k, v := range texts {
		ko, kn := text(k)
		vo, vn := text(v)
		b = le.AppendUint16(le.AppendUint16(le.AppendUint32(le.AppendUint32(b, ko), vo), kn), vn)
	}
	return append(b, data...)
}

// state puts the entry of a block.
func (b *builder) state(block int64, state int, at int64) {
	b.put(testBAT+8*(block+block>>b.m.ratioShift), le.AppendUint64(nil, uint64(at)|uint64(state)))
}

// data adds a block.
func (b *builder) data(block int64, state int, content []byte) {
	b.state(block, state, b.end)
	b.put(b.end, content)
	b.end += b.m.block
	b.put(b.end-1, []byte{content[len(content)-1]})
}

// bitmap adds a bitmap block for the chunk of a block.
func (b *builder) bitmap(block int64, bits []byte) {
	chunk := block >> b.m.ratioShift
	b.put(testBAT+8*((chunk+1)*(b.m.ratio+1)-1), le.AppendUint64(nil, uint64(b.end)|statePresent))
	b.put(b.end, bits)
	b.end += bitmapBlock
	b.put(b.end-1, []byte{0})
}

// logEntry returns an entry of the log: data for sectors, or for nil a range of zeros.
func logEntry(sequence uint64, id GUID, tail, flushed, last int64, changes ...any) []byte {
	head, data := make([]byte, 64), []byte(nil)
	n := 0
	for i := 0; i < len(changes); i += 2 {
		at := changes[i].(int)
		d := make([]byte, descriptor)
		le.PutUint64(d[16:], uint64(at))
		le.PutUint64(d[24:], sequence)
		switch c := changes[i+1].(type) {
		case int:
			copy(d, "zero")
			le.PutUint64(d[8:], uint64(c))
		case []byte:
			copy(d, "desc")
			copy(d[4:8], c[4092:])
			copy(d[8:], c[:8])
			s := bytes.Clone(c)
			copy(s, "data")
			le.PutUint32(s[4:], uint32(sequence>>32))
			le.PutUint32(s[4092:], uint32(sequence))
			data = append(data, s...)
		}
		head = append(head, d...)
		n++
	}
	head = append(head, make([]byte, (logSector-len(head)%logSector)%logSector)...)
	b := append(head, data...)
	copy(b, "loge")
	le.PutUint32(b[8:], uint32(len(b)))
	le.PutUint32(b[12:], uint32(tail))
	le.PutUint64(b[16:], sequence)
	le.PutUint32(b[24:], uint32(n))
	copy(b[32:], id[:])
	le.PutUint64(b[48:], uint64(flushed))
	le.PutUint64(b[56:], uint64(last))
	le.PutUint32(b[checksumAt:], checksum(b))
	return b
}

// open opens an image file.
func open(t *testing.T, path string) *Image {
	t.Helper()
	f, err := disk.OpenRaw(path, disk.Options{AnyFormat: true})
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(f, path, func(r disk.Reference) (disk.Device, error) {
		p := filepath.Join(filepath.Dir(path), r.Name)
		if _, err := os.Stat(p); err != nil {
			return nil, err
		}
		return open(t, p), nil
	})
	if err != nil {
		f.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}
