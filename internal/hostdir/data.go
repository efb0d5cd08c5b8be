package hostdir

import (
	"io/fs"
	"path"

	"golang.org/x/sys/unix"
)

// regular returns the file of a fid that is open, and no directory.
func regular(f *fid) (*openFile, error) {
	switch {
	case f.file == nil:
		return nil, unix.EBADF
	case f.file.dir:
		return nil, unix.EISDIR
	}
	return f.file, nil
}

// read reads data that the host has in memory at once, and other data while further requests
// are answered.
func (s *session) read(d *decoder, tag uint16) error {
	number, off, count := d.u32(), d.u64(), d.u32()
	f, err := s.fid(d, number)
	if err != nil {
		return err
	}
	want := int(min(count, uint32(s.size-readHeader)))
	if f.xattr != nil {
		return s.readXattr(f, off, want)
	}
	file, err := regular(f)
	if err != nil {
		return err
	}
	if file.access == unix.O_WRONLY {
		return unix.EBADF
	}
	if off > 1<<63-1-MaxMessage {
		return unix.EINVAL
	}
	p := s.e.room(want)
	n, err := unix.Preadv2(file.fd, [][]byte{p}, int64(off), unix.RWF_NOWAIT)
	if err == nil && (n == want || atEnd(file.fd, int64(off)+int64(n))) {
		s.e.filled(n)
		return nil
	}
	file.acquire()
	return s.later(msgRead, tag, func(e *encoder) error {
		defer file.release()
		n, err := pread(file.fd, e.room(want), int64(off))
		if err != nil {
			return err
		}
		e.filled(n)
		return nil
	})
}

// atEnd reports whether a file has nothing from a place on.
func atEnd(fd int, off int64) bool {
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && off >= st.Size
}

// pread fills p from a file, as far as it goes.
func pread(fd int, p []byte, off int64) (n int, err error) {
	for n < len(p) {
		var m int
		err := again(func() (err error) {
			m, err = unix.Pread(fd, p[n:], off+int64(n))
			return err
		})
		if err != nil && n == 0 {
			return 0, err
		}
		if err != nil || m <= 0 {
			break
		}
		n += m
	}
	return n, nil
}

// write writes data, less of it if there is an error after some.
func (s *session) write(d *decoder, _ uint16) error {
	number, off, count := d.u32(), d.u64(), d.u32()
	data := d.bytes(int(count))
	f, err := s.fid(d, number)
	if err != nil {
		return err
	}
	if f.xattr != nil {
		return s.writeXattr(f, off, data)
	}
	file, err := regular(f)
	if err != nil {
		return err
	}
	if file.access == unix.O_RDONLY {
		return unix.EBADF
	}
	if off > uint64(s.d.maxSize) || off+uint64(len(data)) > uint64(s.d.maxSize) {
		return s.lost(f.n, unix.EFBIG)
	}
	done := 0
	for done < len(data) {
		var n int
		err := again(func() (err error) {
			n, err = unix.Pwrite(file.fd, data[done:], int64(off)+int64(done))
			return err
		})
		if err != nil && done == 0 {
			return s.lost(f.n, err)
		}
		if err != nil || n <= 0 {
			break
		}
		done += n
	}
	s.e.u32(uint32(done))
	return nil
}

// lost notes the first write that failed, and returns its error: the client may write what a
// program has written long before, and has nobody to tell.
func (s *session) lost(n *node, err error) error {
	if s.writeErr == nil {
		s.writeErr = &fs.PathError{Op: "write", Path: path.Join(s.d.name, n.path()), Err: err}
	}
	return err
}

// fsync writes what is open to the host's disk.
func (s *session) fsync(d *decoder, tag uint16) error {
	number, data := d.u32(), d.u32()
	f, err := s.fid(d, number)
	if err != nil {
		return err
	}
	file := f.file
	if file == nil {
		return unix.EBADF
	}
	if s.d.o.ReadOnly {
		return nil
	}
	file.acquire()
	return s.later(msgFsync, tag, func(*encoder) error {
		defer file.release()
		if data != 0 {
			return again(func() error { return unix.Fdatasync(file.fd) })
		}
		return again(func() error { return unix.Fsync(file.fd) })
	})
}

const (
	lockSuccess = 0
	lockFree    = 2 // F_UNLCK
)

// lock and getlock say that there is no lock: those among the guest's own programs its kernel
// knows, and the host's are not asked, so that a guest cannot hold them up.
func (s *session) lock(d *decoder, _ uint16) error {
	number, kind, _, _, _, _, _ := d.u32(), d.u8(), d.u32(), d.u64(), d.u64(), d.u32(), d.str()
	if err := s.lockable(d, number, kind); err != nil {
		return err
	}
	s.e.u8(lockSuccess)
	return nil
}

func (s *session) getlock(d *decoder, _ uint16) error {
	number, kind, start, length, pid, client := d.u32(), d.u8(), d.u64(), d.u64(), d.u32(), d.str()
	if err := s.lockable(d, number, kind); err != nil {
		return err
	}
	s.e.u8(lockFree)
	s.e.u64(start)
	s.e.u64(length)
	s.e.u32(pid)
	s.e.str(client)
	return nil
}

func (s *session) lockable(d *decoder, number uint32, kind uint8) error {
	f, err := s.fid(d, number)
	switch {
	case err != nil:
		return err
	case kind > lockFree:
		return unix.EINVAL
	case f.file == nil:
		return unix.EBADF
	}
	return nil
}
