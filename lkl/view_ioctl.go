package lkl

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// IoctlInt makes an ioctl(2) whose argument is a number or unused.
func (v *View) IoctlInt(fd int, req uint, value int) (int, error) {
	return v.call(sysIoctl, uint64(fd), uint64(req), uint64(value))
}

// Ioctl makes an ioctl(2) whose argument is a structure: arg is passed in and
// what the kernel has left in it passed out, whatever the request's direction
// bits say. Pointers inside the structure must be addresses in the window, as
// [Buffer.Addr] gives them. arg is at most 1 MiB long.
func (v *View) Ioctl(fd int, req uint, arg []byte) (int, error) {
	return v.ioctl(fd, req, arg, false)
}

// IoctlSecret is [View.Ioctl] for an argument that holds a key: the copy of it
// in the window is overwritten with zeros before another call can have that
// memory, whatever the result. arg itself, which holds the kernel's answer
// afterwards or is as it was, remains the caller's to clear, also if it is
// memory of a [Buffer]. Secrets that are read are best read into a Buffer, which
// is cleared before it is freed: then there is no copy of them.
func (v *View) IoctlSecret(fd int, req uint, arg []byte) (int, error) {
	return v.ioctl(fd, req, arg, true)
}

func (v *View) ioctl(fd int, req uint, arg []byte, secret bool) (int, error) {
	c, err := v.begin()
	if err != nil {
		return -1, err
	}
	defer c.end()
	if addr, ok := v.k.w.addr(arg); ok {
		return c.do(sysIoctl, uint64(fd), uint64(req), addr)
	}
	if err := c.reserve(len(arg)); err != nil {
		return -1, err
	}
	mem, addr := c.room(len(arg))
	if secret {
		defer clear(mem)
	}
	copy(mem, arg)
	n, err := c.do(sysIoctl, uint64(fd), uint64(req), addr)
	if c.over {
		copy(arg, mem)
	}
	return n, err
}

// IoctlGetUint64 makes an ioctl(2) that answers with 64 bits, such as
// BLKGETSIZE64.
func (v *View) IoctlGetUint64(fd int, req uint) (uint64, error) {
	var b [8]byte
	_, err := v.Ioctl(fd, req, b[:])
	return binary.LittleEndian.Uint64(b[:]), err
}

// IoctlGetUint32 makes an ioctl(2) that answers with 32 bits, such as
// BLKSSZGET or FS_IOC_GETVERSION.
func (v *View) IoctlGetUint32(fd int, req uint) (uint32, error) {
	var b [4]byte
	_, err := v.Ioctl(fd, req, b[:])
	return binary.LittleEndian.Uint32(b[:]), err
}

// Flags of Fiemap and of its extents, of linux/fiemap.h.
const (
	FIEMAP_FLAG_SYNC  = 0x1 // write the file back first
	FIEMAP_FLAG_XATTR = 0x2 // the tree of attributes

	FIEMAP_EXTENT_LAST        = 0x1    // the file's last
	FIEMAP_EXTENT_UNKNOWN     = 0x2    // its place is not known
	FIEMAP_EXTENT_DELALLOC    = 0x4    // not allocated yet
	FIEMAP_EXTENT_ENCODED     = 0x8    // compressed or the like
	FIEMAP_EXTENT_NOT_ALIGNED = 0x100  // not on block boundaries
	FIEMAP_EXTENT_INLINE      = 0x200  // mixed with metadata
	FIEMAP_EXTENT_UNWRITTEN   = 0x800  // allocated, reads as zeros
	FIEMAP_EXTENT_SHARED      = 0x2000 // with other files
)

// A FiemapExtent is a run of a file that is mapped to a run of the device.
// All are bytes.
type FiemapExtent struct {
	Logical  uint64
	Physical uint64
	Length   uint64
	Flags    uint32
}

const (
	fsIocFiemap   = 0xc020660b
	fiemapHeader  = 32
	fiemapExtent  = 56
	fiemapAtOnce  = 512
	fiemapMaximum = 1 << 22 // extents; a hostile file system has no end
)

// Fiemap returns the extents of the range of a file, as the FS_IOC_FIEMAP
// ioctl (the kernel's Documentation/filesystems/fiemap.rst).
func (v *View) Fiemap(fd int, start, length uint64, flags uint32) ([]FiemapExtent, error) {
	var extents []FiemapExtent
	arg := make([]byte, fiemapHeader+fiemapAtOnce*fiemapExtent)
	end := start + length
	if end < start {
		end = ^uint64(0)
	}
	for start < end && len(extents) < fiemapMaximum {
		clear(arg[:fiemapHeader])
		binary.LittleEndian.PutUint64(arg[0:], start)
		binary.LittleEndian.PutUint64(arg[8:], end-start)
		binary.LittleEndian.PutUint32(arg[16:], flags)
		binary.LittleEndian.PutUint32(arg[24:], fiemapAtOnce)
		if _, err := v.Ioctl(fd, fsIocFiemap, arg); err != nil {
			return extents, err
		}
		n := int(binary.LittleEndian.Uint32(arg[20:]))
		if n > fiemapAtOnce {
			return extents, unix.EIO
		}
		for i := range n {
			b := arg[fiemapHeader+i*fiemapExtent:]
			e := FiemapExtent{
				Logical:  binary.LittleEndian.Uint64(b[0:]),
				Physical: binary.LittleEndian.Uint64(b[8:]),
				Length:   binary.LittleEndian.Uint64(b[16:]),
				Flags:    binary.LittleEndian.Uint32(b[40:]),
			}
			next := e.Logical + e.Length
			if next <= start && i == n-1 {
				return extents, unix.EIO // no progress
			}
			start = max(start, next)
			extents = append(extents, e)
			if e.Flags&FIEMAP_EXTENT_LAST != 0 {
				return extents, nil
			}
		}
		if n < fiemapAtOnce {
			break
		}
	}
	return extents, nil
}
