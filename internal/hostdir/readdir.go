package hostdir

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"
)

const (
	// direntHeader is what precedes the name in what getdents64(2) returns, and entryHeader
	// what precedes it in an answer.
	direntHeader = 8 + 8 + 2 + 1
	entryHeader  = 13 + 8 + 1 + 2

	// direntMax is the longest entry of getdents64(2).
	direntMax = (direntHeader + 256 + 7) &^ 7
)

// readdir returns entries of a directory that is open.
func (s *session) readdir(d *decoder, _ uint16) error {
	number, off, count := d.u32(), d.u64(), d.u32()
	f, err := s.fid(d, number)
	if err != nil {
		return err
	}
	if f.file == nil {
		return unix.EBADF
	}
	if !f.file.dir {
		return unix.ENOTDIR
	}
	if off > 1<<63-1 {
		return unix.EINVAL
	}
	limit := int(min(count, uint32(s.size-readHeader)))
	out := s.e.room(limit)
	n, err := s.entries(f, out[:0:limit], int64(off))
	if err != nil {
		return err
	}
	s.e.filled(n)
	return nil
}

// entries fills out, up to its capacity, from a place in the directory on.
func (s *session) entries(f *fid, out []byte, off int64) (int, error) {
	// Entries grow by at most a sixth.
	buf := make([]byte, max(min(cap(out), 64<<10)/7*6, direntMax))
	file := f.file
	for {
		if file.pos != off {
			if _, err := unix.Seek(file.fd, off, unix.SEEK_SET); err != nil {
				return 0, err
			}
			file.pos = off
		}
		var n int
		err := again(func() (err error) {
			n, err = unix.Getdents(file.fd, buf)
			return err
		})
		if err != nil && len(out) == 0 {
			return 0, err
		}
		if err != nil || n <= 0 {
			return len(out), nil
		}
		for p := buf[:n]; len(p) > 0; {
			ino, next := binary.NativeEndian.Uint64(p), int64(binary.NativeEndian.Uint64(p[8:]))
			size, kind := int(binary.NativeEndian.Uint16(p[16:])), p[18]
			name := p[direntHeader:size]
			name = name[:bytes.IndexByte(name, 0)]
			p = p[size:]
			if len(out)+entryHeader+len(name) > cap(out) {
				file.pos = -1 // further than what the client will have seen
				if len(out) == 0 {
					return 0, unix.EINVAL
				}
				return len(out), nil
			}
			e := encoder{out}
			q := qid{kindOf(uint32(kind) << 12), 1, pathOf(f.n.id.dev, ino)}
			if string(name) == ".." {
				q.path = s.above(f.n)
			}
			e.qid(q)
			e.u64(uint64(next))
			e.u8(kind)
			e.str(string(name))
			out, off = e.b, next
			file.pos = next
		}
		if cap(out)-len(out) < entryHeader+255 {
			return len(out), nil
		}
	}
}

// above returns the number of the directory that one lies in. What the root lies in is nobody's
// business.
func (s *session) above(n *node) uint64 {
	if n.parent != nil {
		n = n.parent
	}
	return pathOf(n.id.dev, n.id.ino)
}
