package qcow2

import (
	"bytes"
	"compress/flate"
	"io"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/unboot/unboot/disk"
)

// memory is a disk in memory.
type memory []byte

func (m memory) ReadAt(p []byte, off int64) (int, error) { return bytes.NewReader(m).ReadAt(p, off) }
func (m memory) WriteAt([]byte, int64) (int, error)      { return 0, syscall.EROFS }
func (m memory) Size() int64                             { return int64(len(m)) }
func (m memory) Flush() error                            { return nil }
func (m memory) Close() error                            { return nil }

// openFile opens an image by its host path, with all files that it names, which are in the
// same directory or have absolute names. (What may be opened is a matter of package source.)
func openFile(path string, o Options) (*Image, error) {
	raw, err := disk.OpenRaw(path, disk.Options{AnyFormat: true})
	if err != nil {
		return nil, err
	}
	if o.Refer == nil {
		o.Refer = func(ref disk.Reference) (disk.Device, error) {
			name := ref.Name
			if !filepath.IsAbs(name) {
				name = filepath.Join(filepath.Dir(path), name)
			}
			if ref.Format == "raw" {
				return disk.OpenRaw(name, disk.Options{AnyFormat: true})
			}
			return openFile(name, Options{})
		}
	}
	m, err := New(raw, path, o)
	if err != nil {
		raw.Close()
		return nil, err
	}
	return m, nil
}

// builder makes small images by hand, in clusters of 512 bytes, so that tests know
// where everything is: the header, the L1 table at 512, the L2 tables.
type builder struct {
	b        []byte
	clusters int // of the disk
	zstd     bool
}

const (
	testL1 = 512
	testL2 = 1024 // the first one; there are 64 entries in each
)

// newImage returns an image of version 3 of so many clusters, up to 64, all of which are
// unallocated.
func newImage(clusters int) *builder {
	b := &builder{b: make([]byte, testL2+512), clusters: clusters}
	copy(b.b, magic)
	be.PutUint32(b.b[4:], 3)
	be.PutUint32(b.b[20:], 9)
	be.PutUint64(b.b[24:], uint64(clusters)*512)
	be.PutUint32(b.b[36:], 1)
	be.PutUint64(b.b[40:], testL1)
	be.PutUint32(b.b[96:], 4)
	be.PutUint32(b.b[100:], 104)
	b.put(testL1, testL2|entryCopied)
	return b
}

func (b *builder) put(off int, v uint64) { be.PutUint64(b.b[off:], v) }

// entry sets an L2 entry.
func (b *builder) entry(cluster int, v uint64) { b.put(testL2+8*cluster, v) }

// data stores a cluster.
func (b *builder) data(cluster int, content byte) {
	b.entry(cluster, uint64(len(b.b))|entryCopied)
	b.b = append(b.b, bytes.Repeat([]byte{content}, 512)...)
}

// compressed stores a compressed cluster, at an odd place.
func (b *builder) compressed(t testing.TB, cluster int, data []byte) {
	t.Helper()
	var c bytes.Buffer
	var w io.WriteCloser
	var err error
	if b.zstd {
		w, err = zstd.NewWriter(&c)
	} else {
		w, err = flate.NewWriter(&c, 9)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	off := len(b.b) + 7
	end := off + c.Len()
	b.entry(cluster, entryCompressed|uint64((end-1)/512-off/512)<<61|uint64(off))
	b.b = append(append(b.b, make([]byte, 7)...), c.Bytes()...)
	b.b = append(b.b, bytes.Repeat([]byte{0xee}, 1024-len(b.b)%512)...) // rubbish up to the next cluster
}

// useZstd must come first.
func (b *builder) useZstd() {
	b.zstd = true
	b.b[79] |= featureCompression
	be.PutUint32(b.b[100:], 112)
	b.b[104] = 1
}

// extension adds a header extension where nothing else is.
func (b *builder) extension(off int, kind uint32, data string) int {
	be.PutUint32(b.b[off:], kind)
	be.PutUint32(b.b[off+4:], uint32(len(data)))
	return off + 8 + (copy(b.b[off+8:], data)+7)&^7
}

// backing names a backing file.
func (b *builder) backing(name, format string) {
	b.extension(104, extensionBackingFormat, format)
	b.put(8, 200)
	be.PutUint32(b.b[16:], uint32(len(name)))
	copy(b.b[200:], name)
}
