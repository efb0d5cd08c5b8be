package btrfsreceive

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/btrfsstream"
	"github.com/unboot/unboot/internal/fsctl/btrfs"
)

// open opens a file to write to, unless it is still open.
func (r *receiver) open(path string) error {
	if r.file >= 0 && r.path == path {
		return nil
	}
	r.closeFile()
	fd, err := r.view.Open(path, unix.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err == nil {
		r.file, r.path = fd, path
	}
	return err
}

func (r *receiver) closeFile() {
	if r.file >= 0 {
		r.view.CloseFd(r.file)
	}
	r.file, r.path = -1, ""
}

// data changes the content of a file.
func (r *receiver) data(c *btrfsstream.Command, path string) error {
	if c.Err() != nil {
		return c.Err()
	}
	if err := r.open(path); err != nil {
		return err
	}
	offset := c.Uint64(btrfsstream.FileOffset)
	switch c.Kind {
	case btrfsstream.Write:
		if data := c.Bytes(btrfsstream.Data); c.Err() == nil {
			return r.write(data, offset)
		}
	case btrfsstream.EncodedWrite:
		return r.encoded(c, offset)
	case btrfsstream.Fallocate:
		// The mode of the kernel's stream is one of 32 bits.
		mode, size := c.Uint32(btrfsstream.FallocateMode), c.Uint64(btrfsstream.Size)
		switch {
		case c.Err() != nil:
		case int64(offset) < 0 || int64(size) < 0:
			return unix.EFBIG
		default:
			return r.view.Fallocate(r.file, mode, int64(offset), int64(size))
		}
	case btrfsstream.Clone:
		return r.clone(c, offset)
	}
	return c.Err()
}

func (r *receiver) write(data []byte, offset uint64) error {
	if int64(offset) < 0 {
		return unix.EFBIG
	}
	if len(data) == 0 {
		return nil
	}
	_, err := r.view.Pwrite(r.file, data, int64(offset))
	return err
}

// clone makes a range of the file share extents with another.
func (r *receiver) clone(c *btrfsstream.Command, offset uint64) error {
	id, transid := c.UUID(btrfsstream.CloneUUID), c.Uint64(btrfsstream.CloneCtransid)
	from, size, source := c.Uint64(btrfsstream.CloneOffset), c.Uint64(btrfsstream.CloneLen), "/"+c.Text(btrfsstream.ClonePath)
	if c.Err() != nil {
		return c.Err()
	}
	view := r.view
	if id != r.id {
		root, err := r.openSource(id, transid)
		if err != nil {
			return err
		}
		defer r.Kernel.CloseFd(root)
		view = r.Kernel.Chroot(root)
	}
	fd, err := view.Open(source, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer r.Kernel.CloseFd(fd)
	// A length of 0 would mean all that follows.
	if size == 0 {
		return nil
	}
	return btrfs.FS{View: r.view, FD: r.file}.CloneRange(fd, from, size, offset)
}

// encoded writes an extent that is compressed: as it is if the kernel takes it, and what it
// contains otherwise.
func (r *receiver) encoded(c *btrfsstream.Command, offset uint64) error {
	e := btrfs.Encoded{
		Offset: offset, Length: c.Uint64(btrfsstream.UnencodedFileLen),
		UnencodedLength: c.Uint64(btrfsstream.UnencodedLen), UnencodedOffset: c.Uint64(btrfsstream.UnencodedOffset),
	}
	if c.Has(btrfsstream.Compression) {
		e.Compression = c.Uint32(btrfsstream.Compression)
	}
	if c.Has(btrfsstream.Encryption) {
		e.Encryption = c.Uint32(btrfsstream.Encryption)
	}
	data := c.Bytes(btrfsstream.Data)
	if c.Err() != nil {
		return c.Err()
	}
	err := r.writeEncoded(e, data)
	// The kernel refuses it in a file without checksums, and of another size of blocks.
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSPC) {
		plain, derr := decode(e, data)
		if derr != nil {
			return derr
		}
		return r.write(plain, offset)
	}
	return err
}

// maxEncoded is how long an extent is at most, compressed and decompressed:
// BTRFS_MAX_COMPRESSED and BTRFS_MAX_UNCOMPRESSED.
const maxEncoded = 128 << 10

func (r *receiver) writeEncoded(e btrfs.Encoded, data []byte) error {
	if len(data) > maxEncoded {
		return unix.EINVAL
	}
	if r.buffer == nil {
		b, err := r.Kernel.Alloc(btrfs.EncodedRoom + maxEncoded)
		if err != nil {
			return err
		}
		r.buffer = b
	}
	copy(r.buffer.Bytes()[btrfs.EncodedRoom:], data)
	return btrfs.FS{View: r.view, FD: r.file}.WriteEncoded(e, r.buffer, len(data))
}
