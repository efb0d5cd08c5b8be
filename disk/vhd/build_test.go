package vhd

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/winpath"
)

var (
	parentID = [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	childID  = [16]byte{16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1}
)

// testFooter returns a footer.
func testFooter(kind Kind, size int64, creator string, id [16]byte) []byte {
	b := make([]byte, footerSize)
	copy(b, cookie)
	be.PutUint32(b[8:], 2)
	be.PutUint32(b[12:], footerVersion)
	be.PutUint64(b[16:], noOffset)
	if kind != Fixed {
		be.PutUint64(b[16:], footerSize)
	}
	copy(b[28:], creator)
	be.PutUint64(b[40:], uint64(size))
	be.PutUint64(b[48:], uint64(size))
	be.PutUint32(b[60:], uint32(kind))
	copy(b[68:], id[:])
	return sum(b, checksumAt)
}

func sum(b []byte, at int) []byte {
	be.PutUint32(b[at:], checksum(b, at))
	return b
}

// A sparse builds a dynamic or differencing image.
type sparse struct {
	footer []byte
	header []byte
	table  []byte
	names  []byte // at 4096
	blocks []byte // from 8192 on
	block  int
}

func newSparse(kind Kind, size, block int64, id [16]byte) *sparse {
	s := &sparse{footer: testFooter(kind, size, "win ", id), header: make([]byte, headerSize), block: int(block)}
	copy(s.header, headerCookie)
	n := (size + block - 1) / block
	be.PutUint64(s.header[8:], noOffset)
	be.PutUint64(s.header[16:], 1536)
	be.PutUint32(s.header[24:], headerVersion)
	be.PutUint32(s.header[28:], uint32(n))
	be.PutUint32(s.header[32:], uint32(block))
	s.table = bytes.Repeat([]byte{0xff}, int(n*4))
	return s
}

// data adds a block, of which those sectors are there whose bits are set.
func (s *sparse) data(block int, bits []byte, content []byte) {
	be.PutUint32(s.table[block*4:], uint32(8192+len(s.blocks))/sector)
	bitmap := make([]byte, roundUp(int64(s.block/sector), 8*sector)/8)
	copy(bitmap, bits)
	s.blocks = append(append(s.blocks, bitmap...), content...)
}

// parent names the parent.
func (s *sparse) parent(id [16]byte, name string, locators ...string) {
	copy(s.header[40:], id[:])
	copy(s.header[parentNameAt:], winpath.Encode(name, be))
	for i := 0; i < len(locators); i += 2 {
		text := []byte(locators[i+1])
		if c := locators[i]; c == codeRelative || c == codeAbsolute {
			text = winpath.Encode(locators[i+1], le)
		}
		b := s.header[locatorsAt+locatorSize*i/2:]
		copy(b, locators[i])
		be.PutUint32(b[4:], sector)
		be.PutUint32(b[8:], uint32(len(text)))
		be.PutUint64(b[16:], uint64(4096+len(s.names)))
		s.names = append(s.names, text...)
	}
}

func (s *sparse) bytes() []byte {
	b := make([]byte, 8192)
	copy(b, sum(s.footer, checksumAt))
	copy(b[512:], sum(s.header, headerChecksumAt))
	copy(b[1536:], s.table)
	copy(b[4096:], s.names)
	return append(append(b, s.blocks...), s.footer...)
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
