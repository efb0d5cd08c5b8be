package vmlinux

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/s2"
	"golang.org/x/sys/unix"
)

// A container is the compressed image: blocks that are compressed each by
// itself, so that they can be decompressed at the same time. All numbers are
// little endian, 32 bits:
//
//	magic, number of blocks, then for each: its size, and its size compressed;
//	then the blocks
type container struct {
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

	// BlockSize is how the image is cut up. Each block is decompressed
	// within the processor's cache, then written.
	BlockSize = 512 << 10

	maxBlocks = 1024
)

var errFormat = errors.New("not a packed kernel image")

// open reads the list of blocks.
func open(f any) (*container, error) {
	r, ok := f.(io.ReaderAt)
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
	c := &container{r: r}
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

// unpack writes the image to fd, by all processors but at most four.
func (c *container) unpack(fd int) error {
	if err := unix.Ftruncate(fd, c.size); err != nil {
		return err
	}
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
	if _, err := c.r.ReadAt(packed, b.packedOff); err != nil && err != io.EOF {
		return err
	}
	raw, err := s2.Decode(raw, packed)
	if err != nil || len(raw) != b.raw {
		return fmt.Errorf("%w: %v", errFormat, err)
	}
	for off := b.rawOff; len(raw) > 0; {
		n, err := unix.Pwrite(fd, raw, off)
		if err != nil {
			return err
		}
		raw, off = raw[n:], off+int64(n)
	}
	return nil
}

// Pack returns image as a container.
func Pack(image []byte) []byte {
	var blocks [][]byte
	head := binary.LittleEndian.AppendUint32(nil, magic)
	head = binary.LittleEndian.AppendUint32(head, uint32((len(image)+BlockSize-1)/BlockSize))
	for len(image) > 0 {
		raw := image[:min(len(image), BlockSize)]
		image = image[len(raw):]
		packed := s2.EncodeBest(nil, raw)
		head = binary.LittleEndian.AppendUint32(head, uint32(len(raw)))
		head = binary.LittleEndian.AppendUint32(head, uint32(len(packed)))
		blocks = append(blocks, packed)
	}
	for _, b := range blocks {
		head = append(head, b...)
	}
	return head
}
