package hostdir

import (
	"strings"

	"golang.org/x/sys/unix"
)

// maxWalk is how many names one walk may have, as the protocol says.
const maxWalk = 16

// A qid tells the client which file is which.
type qid struct {
	kind    uint8
	version uint32
	path    uint64
}

const (
	qidDir     = 0x80
	qidSymlink = 0x02
	qidFile    = 0
)

func kindOf(mode uint32) uint8 {
	switch mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return qidDir
	case unix.S_IFLNK:
		return qidSymlink
	}
	return qidFile
}

// qidOf returns the qid of a file. Its version is never 0, which would stand for a file that
// must not be cached.
func qidOf(st *unix.Stat_t) qid {
	v := mix(uint64(st.Mtim.Sec), uint64(st.Mtim.Nsec)^uint64(st.Size)<<20)
	return qid{kindOf(st.Mode), uint32(v>>32) | 1, pathOf(uint64(st.Dev), st.Ino)}
}

// pathOf makes one number, which the client takes for the inode's, of a device and an inode.
// The directory may have several file systems in it.
func pathOf(dev, ino uint64) uint64 { return ino ^ mix(dev, 0)<<40 }

// mix is the end of splitmix64: each bit of its result depends on all of its arguments.
func mix(a, b uint64) uint64 {
	x := a*0x9e3779b97f4a7c15 + b
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// checkName refuses what is not the name of one file in a directory.
func checkName(name string) error {
	switch {
	case name == "" || name == "." || name == "..":
		return unix.EINVAL
	case strings.ContainsAny(name, "/\x00"):
		return unix.EINVAL
	case len(name) > 255:
		return unix.ENAMETOOLONG
	}
	return nil
}

// walk makes a fid of a file that is found from another fid by some names; without names, a
// copy of that. If only the first ones are found the answer has fewer qids, and there is no
// new fid.
func (s *session) walk(d *decoder, _ uint16) error {
	from, number, count := d.u32(), d.u32(), int(d.u16())
	f, err := s.fid(d, from)
	if err != nil {
		return err
	}
	if count > maxWalk || f.xattr != nil || f.file != nil && count > 0 {
		return unix.EINVAL
	}
	n := f.n
	n.refs++
	s.e.u16(0)
	found := 0
	for ; found < count; found++ {
		next, q, err := s.step(n, d)
		if err != nil {
			if found == 0 {
				s.t.release(n)
				return err
			}
			break
		}
		s.t.release(n)
		n = next
		s.e.qid(q)
	}
	s.e.b[headerSize] = uint8(found)
	if found < count {
		s.t.release(n)
		return nil
	}
	uid := f.uid
	if number == from {
		if f.file != nil {
			s.t.release(n)
			return unix.EINVAL
		}
		s.drop(from, f)
	}
	if err := s.add(number, n, uid); err != nil {
		s.t.release(n)
		return err
	}
	return nil
}

// step returns the node that the next name of a walk leads to, to which the caller refers.
func (s *session) step(n *node, d *decoder) (*node, qid, error) {
	name := d.str()
	if d.bad {
		return nil, qid{}, unix.EINVAL
	}
	if n.id.kind != unix.S_IFDIR {
		return nil, qid{}, unix.ENOTDIR
	}
	if name == ".." {
		up := n
		if n.parent != nil {
			up = n.parent
		} else if n != s.t.root {
			return nil, qid{}, unix.ESTALE // nobody knows where it is now
		}
		st, err := s.statNode(up)
		if err != nil {
			return nil, qid{}, err
		}
		up.refs++
		return up, qidOf(st), nil
	}
	if err := checkName(name); err != nil {
		return nil, qid{}, err
	}
	next, st, err := s.t.lookup(n, name)
	if err != nil {
		return nil, qid{}, err
	}
	return next, qidOf(st), nil
}

func (s *session) statNode(n *node) (*unix.Stat_t, error) {
	fd, err := s.t.descriptor(n)
	if err != nil {
		return nil, err
	}
	st := new(unix.Stat_t)
	return st, again(func() error { return unix.Fstat(fd, st) })
}

// descriptor returns a descriptor of a fid's file, which is good until the next call and may
// be of O_PATH.
func (s *session) descriptor(f *fid) (int, error) {
	if f.file != nil {
		return f.file.fd, nil
	}
	return s.t.descriptor(f.n)
}

// change returns the same for what changes the file.
func (s *session) change(f *fid) (int, error) {
	switch {
	case s.d.o.ReadOnly:
		return -1, unix.EROFS
	case f.n.closed:
		return -1, unix.EACCES
	}
	return s.descriptor(f)
}

// place returns a descriptor of a directory in which a name is to be made or removed.
func (s *session) place(f *fid, name string) (int, error) {
	fd, err := s.change(f)
	switch {
	case err != nil:
		return -1, err
	case f.n.id.kind != unix.S_IFDIR:
		return -1, unix.ENOTDIR
	}
	return fd, checkName(name)
}
