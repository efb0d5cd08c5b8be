package lkl

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// A hostFile is a file or a block device of the host as a BlockDevice: for the
// requests that the kernel process passes on because they would make it wait.
type hostFile struct {
	fd   int
	size int64
}

func (f *hostFile) Size() int64 { return f.size }

func (f *hostFile) ReadAt(p []byte, off int64) (done int, err error) {
	for done < len(p) {
		n, err := unix.Pread(f.fd, p[done:], off+int64(done))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return done, err
		}
		if n == 0 {
			return done, f.end()
		}
		done += n
	}
	return done, nil
}

// dup returns the same with a descriptor of its own.
func (f *hostFile) dup() (*hostFile, error) {
	fd, err := unix.FcntlInt(uintptr(f.fd), unix.F_DUPFD_CLOEXEC, 0)
	return &hostFile{fd: fd, size: f.size}, err
}

// sendTo sends size bytes from off on to a file by sendfile(2), or as many as can be.
func (f *hostFile) sendTo(w *os.File, off int64, size int) (done int) {
	conn, err := w.SyscallConn()
	if err != nil {
		return 0
	}
	// An error shows when the rest is written.
	_ = conn.Write(func(fd uintptr) bool {
		for done < size {
			at := off + int64(done)
			n, err := unix.Sendfile(int(fd), f.fd, &at, size-done)
			switch {
			case err == unix.EINTR:
			case err == unix.EAGAIN:
				return false // called again when it can take more
			case err != nil || n <= 0:
				return true
			default:
				done += n
			}
		}
		return true
	})
	return done
}

// end is the error of a read past the end. A disk that has become shorter
// than it was when it was attached must not read as zeros.
func (f *hostFile) end() error {
	if f.size > 0 {
		return unix.EIO
	}
	return io.EOF
}

func (f *hostFile) WriteAt(p []byte, off int64) (done int, err error) {
	for done < len(p) {
		n, err := unix.Pwrite(f.fd, p[done:], off+int64(done))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return done, err
		}
		done += n
	}
	return done, nil
}

func (f *hostFile) Flush() error {
	for {
		err := unix.Fdatasync(f.fd)
		if err != unix.EINTR {
			return err
		}
	}
}

func (f *hostFile) Discard(off, n int64) error {
	return f.fallocate(unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
}

func (f *hostFile) WriteZeroes(off, n int64) error {
	err := f.fallocate(unix.FALLOC_FL_ZERO_RANGE|unix.FALLOC_FL_KEEP_SIZE, off, n)
	if err == unix.EOPNOTSUPP {
		err = f.Discard(off, n) // which reads as zeros for a file
	}
	return err
}

func (f *hostFile) fallocate(mode uint32, off, n int64) error {
	for {
		err := unix.Fallocate(f.fd, mode, off, n)
		if err != unix.EINTR {
			return err
		}
	}
}

// probe finds out what kind of file it is and what can be done with it.
func (p *prepared) probe(f *hostFile, writable bool) error {
	var st unix.Stat_t
	if err := unix.Fstat(f.fd, &st); err != nil {
		return err
	}
	p.abi.LogicalBlock, p.abi.PhysicalBlock = 512, 4096
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		f.size = st.Size
		p.abi.Flags |= diskNowait
		// A hole beyond the end changes nothing, and shows whether the file
		// system can make holes.
		if end := (st.Size + 4095) &^ 4095; writable && f.Discard(end, 4096) == nil {
			p.abi.Flags |= diskDiscard | diskZeroes
		}
	case unix.S_IFBLK:
		size, err := unix.Seek(f.fd, 0, io.SeekEnd) // as BLKGETSIZE64
		if err != nil {
			return err
		}
		f.size = size
		p.abi.Flags |= diskBlkdev | diskZeroes
		if n, err := unix.IoctlGetInt(f.fd, unix.BLKSSZGET); err == nil {
			p.abi.LogicalBlock = uint32(n)
		}
		if n, err := unix.IoctlGetInt(f.fd, unix.BLKPBSZGET); err == nil {
			p.abi.PhysicalBlock = uint32(n)
		}
		if canDiscard(st.Rdev) {
			p.abi.Flags |= diskDiscard
		}
	case unix.S_IFDIR:
		return unix.EISDIR
	default:
		return errors.New("neither a regular file nor a block device")
	}
	p.disk.size = f.size
	return nil
}

// canDiscard asks sysfs about a block device, which may be a partition.
func canDiscard(rdev uint64) bool {
	dir := fmt.Sprintf("/sys/dev/block/%d:%d/", unix.Major(rdev), unix.Minor(rdev))
	for _, queue := range []string{"queue/", "../queue/"} {
		if b, err := os.ReadFile(dir + queue + "discard_max_bytes"); err == nil {
			return len(b) > 0 && b[0] != '0'
		}
	}
	return false
}

// dup duplicates a file's descriptor without changing its mode.
func dup(f *os.File) (fd int, err error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	cerr := conn.Control(func(old uintptr) {
		fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
	})
	if cerr != nil {
		return -1, cerr
	}
	return fd, err
}

// readOnlyAgain returns a descriptor of the same file that cannot write, in
// place of fd, if there is a way to get one.
func readOnlyAgain(fd int) int {
	if mode, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil || mode&unix.O_ACCMODE == unix.O_RDONLY {
		return fd
	}
	again, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fd
	}
	unix.Close(fd)
	return again
}

// NewOverlay returns a new empty file for Disk.Overlay, without a name: in
// dir, or in memory if dir is "".
func NewOverlay(dir string) (*os.File, error) {
	if dir == "" {
		fd, err := unix.MemfdCreate("unboot-overlay", unix.MFD_CLOEXEC)
		if err != nil {
			return nil, os.NewSyscallError("memfd_create", err)
		}
		return os.NewFile(uintptr(fd), "overlay in memory"), nil
	}
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return os.NewFile(uintptr(fd), dir+"/overlay"), nil
	}
	if err != unix.EOPNOTSUPP && err != unix.EISDIR {
		return nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	f, err := os.CreateTemp(dir, "unboot-overlay-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
