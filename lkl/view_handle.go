package lkl

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// A FileHandle names a file of a file system without a path, as long as there is the file:
// its inode and generation, in the file system's own form.
type FileHandle struct {
	Type  int32
	Bytes []byte
}

// maxHandle is MAX_HANDLE_SZ, and handleHeader what is before it in struct file_handle.
const (
	maxHandle    = 128
	handleHeader = 8
)

// NameToHandleAt fills handle with that of a file, as name_to_handle_at(2). Symbolic links are
// not followed unless flags say so. A file system without handles is unix.EOPNOTSUPP.
func (v *View) NameToHandleAt(dirfd int, path string, handle *FileHandle, flags int) error {
	c, p, err := v.beginPath(path)
	if err != nil {
		return err
	}
	defer c.end()
	mem, addr := c.room(handleHeader + maxHandle)
	binary.LittleEndian.PutUint32(mem, maxHandle)
	_, id := c.room(8)
	if _, err := c.do(sysNameToHandleAt, uint64(dirfd), p, addr, id, uint64(flags)); err != nil {
		return err
	}
	n := binary.LittleEndian.Uint32(mem)
	if n > maxHandle {
		return v.k.violated("handle")
	}
	handle.Type = int32(binary.LittleEndian.Uint32(mem[4:]))
	handle.Bytes = append([]byte(nil), mem[handleHeader:handleHeader+n]...)
	return nil
}

// OpenByHandleAt opens a file by its handle, as open_by_handle_at(2). mountFd is any open file
// of the mount, and not one of O_PATH. A file that is no more is unix.ESTALE.
func (v *View) OpenByHandleAt(mountFd int, handle *FileHandle, flags int) (fd int, err error) {
	if len(handle.Bytes) > maxHandle {
		return -1, unix.EINVAL
	}
	c, err := v.begin()
	if err != nil {
		return -1, err
	}
	defer c.end()
	mem, addr := c.room(handleHeader + maxHandle)
	binary.LittleEndian.PutUint32(mem, uint32(len(handle.Bytes)))
	binary.LittleEndian.PutUint32(mem[4:], uint32(handle.Type))
	copy(mem[handleHeader:], handle.Bytes)
	return c.do(sysOpenByHandleAt, uint64(mountFd), addr, openFlags(flags))
}
