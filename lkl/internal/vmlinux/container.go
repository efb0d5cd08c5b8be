package vmlinux

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/s2"
	"golang.org/x/sys/unix"
)

// A container is the packed image: blocks that are compressed each by itself,
// so that they can be decompressed at the same time, or stored. All numbers
// are little endian, 32 bits:
//
//	magic, number of blocks, then for each: its size, and its size packed,
//	which is the same if it is stored; then the blocks
//
// Every process that boots a kernel unpacks it, and the whole of a short
// command is to take less than 10 ms. For an image of 8.7 MB, copying what is
// stored takes 2 ms, s2 at its best compression 7 ms on two processors for 3.5
// MB saved, and zstd 11 ms for 4.5 MB. So the build stores, unless it is told
// otherwise.
type container struct {
	file   fs.File
	r      io.ReaderAt
	blocks []block
	size   int64
}

type block struct {
	raw, packed       int
	rawOff, packedOff int64
}

const (
	magic = 0x32734c55 // "ULs2"

	// BlockSize is how the image is cut up. Each block is unpacked within
	// the processor's cache, then written: much cheaper than page faults.
	BlockSize = 512 << 10

	maxBlocks = 1024

	copySize = 64 << 10
)

var errFormat = errors.New("not a packed kernel image")

// open reads the list of blocks.
func open(file fs.File) (*container, error) {
	r, ok := file.(io.ReaderAt)
	if !ok {
		return nil, errFormat
	}
	var head [8]byte
	if _, err := r.ReadAt(head[:], 0); err != nil || binary.LittleEndian.Uint32(head[:]) != magic {
		return nil, errFormat
	}
	n := binary.LittleEndian.Uint32(head[4:])
	if n > maxBlocks {
		return nil, errFormat
	}
	list := make([]byte, 8*n)
	if _, err := r.ReadAt(list, 8); err != nil {
		return nil, errFormat
	}
	c := &container{file: file, r: r}
	at := int64(8 + len(list))
	for ; len(list) > 0; list = list[8:] {
		b := block{
			raw:       int(binary.LittleEndian.Uint32(list)),
			packed:    int(binary.LittleEndian.Uint32(list[4:])),
			rawOff:    c.size,
			packedOff: at,
		}
		if b.raw > BlockSize || b.packed > s2.MaxEncodedLen(BlockSize) {
			return nil, errFormat
		}
		c.size += int64(b.raw)
		at += int64(b.packed)
		c.blocks = append(c.blocks, b)
	}
	return c, nil
}

// unpack writes the image to fd.
func (c *container) unpack(fd int) error {
	if err := unix.Ftruncate(fd, c.size); err != nil {
		return err
	}
	if len(c.blocks) == 0 {
		return errFormat
	}
	for _, b := range c.blocks {
		if b.packed != b.raw {
			return c.decompress(fd)
		}
	}
	// Page faults are what costs most, on nested virtual machines above
	// all: the best is to touch neither the image nor fresh memory.
	if data, ok := embeddedString(c.file); ok {
		if exe, off, ok := place(data); ok {
			defer exe.Close()
			if sendfile(fd, exe, off+c.blocks[0].packedOff, c.size) == nil {
				return nil
			}
		}
	}
	buf := make([]byte, copySize)
	for _, b := range c.blocks {
		for done := 0; done < b.raw; done += len(buf) {
			buf = buf[:min(copySize, b.raw-done)]
			if n, err := c.r.ReadAt(buf, b.packedOff+int64(done)); n < len(buf) {
				return err
			}
			if err := pwriteAll(fd, buf, b.rawOff+int64(done)); err != nil {
				return err
			}
		}
	}
	return nil
}

// decompress writes the image to fd, by all processors but at most four.
func (c *container) decompress(fd int) error {
	var next atomic.Int32
	var wg sync.WaitGroup
	errs := make([]error, min(runtime.GOMAXPROCS(0), 4, max(len(c.blocks), 1)))
	for i := range errs {
		wg.Go(func() {
			packed := make([]byte, s2.MaxEncodedLen(BlockSize))
			raw := make([]byte, BlockSize)
			for errs[i] == nil {
				n := int(next.Add(1)) - 1
				if n >= len(c.blocks) {
					return
				}
				errs[i] = c.unpackBlock(fd, c.blocks[n], packed, raw)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (c *container) unpackBlock(fd int, b block, packed, raw []byte) error {
	packed = packed[:b.packed]
	if n, err := c.r.ReadAt(packed, b.packedOff); n < len(packed) {
		return err
	}
	if b.packed == b.raw {
		raw = packed
	} else {
		var err error
		if raw, err = s2.Decode(raw, packed); err != nil || len(raw) != b.raw {
			return fmt.Errorf("%w: %v", errFormat, err)
		}
	}
	return pwriteAll(fd, raw, b.rawOff)
}

func pwriteAll(fd int, p []byte, off int64) error {
	for len(p) > 0 {
		n, err := unix.Pwrite(fd, p, off)
		if err != nil {
			return err
		}
		p, off = p[n:], off+int64(n)
	}
	return nil
}

// Pack returns image as a container, compressed if that is wanted.
func Pack(image []byte, compress bool) []byte {
	var blocks [][]byte
	head := binary.LittleEndian.AppendUint32(nil, magic)
	head = binary.LittleEndian.AppendUint32(head, uint32((len(image)+BlockSize-1)/BlockSize))
	for len(image) > 0 {
		raw := image[:min(len(image), BlockSize)]
		image = image[len(raw):]
		packed := raw
		if compress {
			if p := s2.EncodeBest(nil, raw); len(p) < len(raw) {
				packed = p
			}
		}
		head = binary.LittleEndian.AppendUint32(head, uint32(len(raw)))
		head = binary.LittleEndian.AppendUint32(head, uint32(len(packed)))
		blocks = append(blocks, packed)
	}
	for _, b := range blocks {
		head = append(head, b...)
	}
	return head
}
