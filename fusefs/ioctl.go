package fusefs

import (
	"os"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// The requests that go to the image's kernel: those about files and file systems that are
// structures of a fixed size without pointers in them. The host takes care of who may make them.
const (
	ioctlGetFlags   = 0x80086601 // FS_IOC_GETFLAGS
	ioctlSetFlags   = 0x40086602
	ioctlGetVersion = 0x80087601
	ioctlFsGetXattr = 0x801c581f // FS_IOC_FSGETXATTR
	ioctlFsSetXattr = 0x401c5820
	ioctlTrim       = 0xc0185879 // FITRIM
	ioctlGetFSLabel = 0x81009431 // FS_IOC_GETFSLABEL
	ioctlSetFSLabel = 0x41009432
	ioctlGetFSUUID  = 0x80111500 // FS_IOC_GETFSUUID
)

// changing are those that need a mount that is writable, and what the value says is whether
// only the host's root may.
var ioctls = map[uint32]struct{ changes, root bool }{
	ioctlGetFlags: {}, ioctlSetFlags: {changes: true}, ioctlGetVersion: {},
	ioctlFsGetXattr: {}, ioctlFsSetXattr: {changes: true},
	ioctlTrim: {changes: true, root: true}, ioctlGetFSLabel: {}, ioctlSetFSLabel: {changes: true, root: true},
	ioctlGetFSUUID: {},
}

// Ioctl makes a request on an open file or directory.
func (f *FS) Ioctl(_ <-chan struct{}, in *fuse.IoctlIn, inbuf []byte, out *fuse.IoctlOut, outbuf []byte) fuse.Status {
	f.used()
	known, ok := ioctls[in.Cmd]
	if !ok || in.Flags&fuse.IOCTL_COMPAT != 0 {
		return fuse.Status(unix.ENOTTY)
	}
	if known.changes {
		defer f.changed()
		if f.readOnly {
			return fuse.EROFS
		}
	}
	if known.root && in.Uid != 0 && in.Uid != uint32(os.Geteuid()) {
		return fuse.EPERM
	}
	fd := -1
	if f.readOnly {
		h, err := f.opened(in.NodeId, in.Fh)
		if err != nil {
			return f.status(err)
		}
		defer f.done(h)
		fd = h.fd
	} else if h := f.file(in.Fh); h != nil {
		fd = h.fd
	} else {
		f.mu.Lock()
		if d := f.dirs[in.Fh]; d != nil {
			fd = d.fd
		}
		f.mu.Unlock()
	}
	if fd < 0 {
		return fuse.EBADF
	}
	size := int(in.Cmd>>16) & 0x3fff // as _IOC_SIZE
	arg := make([]byte, size)
	copy(arg, inbuf)
	n, err := f.v.Ioctl(fd, uint(in.Cmd), arg)
	if err != nil {
		return f.status(err)
	}
	copy(outbuf, arg)
	out.Result = int32(n)
	return fuse.OK
}
