package hostdir

import (
	"golang.org/x/sys/unix"
)

const (
	// attrBasic are the attributes that stat(2) has.
	attrBasic = 0x7ff

	attrMode     = 0x1
	attrUID      = 0x2
	attrGID      = 0x4
	attrSize     = 0x8
	attrAtime    = 0x10
	attrMtime    = 0x20
	attrAtimeSet = 0x80
	attrMtimeSet = 0x100
)

// getattr returns attributes, as stat(2).
func (s *session) getattr(d *decoder, _ uint16) error {
	number, _ := d.u32(), d.u64()
	f, err := s.fid(d, number)
	if err != nil {
		return err
	}
	fd, err := s.descriptor(f)
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := again(func() error { return unix.Fstat(fd, &st) }); err != nil {
		return err
	}
	e, o := &s.e, s.d.o.Owners
	e.u64(attrBasic)
	e.qid(qidOf(&st))
	e.u32(st.Mode)
	e.u32(o.user(s.d.own, st.Uid))
	e.u32(o.group(s.d.own, st.Gid))
	e.u64(uint64(st.Nlink))
	e.u64(device(uint64(st.Rdev)))
	e.u64(uint64(st.Size))
	e.u64(uint64(st.Blksize))
	e.u64(uint64(st.Blocks))
	for _, t := range []unix.Timespec{st.Atim, st.Mtim, st.Ctim, {}} {
		e.u64(uint64(t.Sec))
		e.u64(uint64(t.Nsec))
	}
	e.u64(0) // generation
	e.u64(0) // data version
	return nil
}

// device encodes a device number as the kernel's new_encode_dev().
func device(dev uint64) uint64 {
	major, minor := uint64(unix.Major(dev)), uint64(unix.Minor(dev))
	return minor&0xff | major<<8 | minor&^0xff<<12
}

// setattr sets attributes, the size first, and the times last: the others change them.
func (s *session) setattr(d *decoder, _ uint16) error {
	number, valid, mode, uid, gid, size := d.u32(), d.u32(), d.u32(), d.u32(), d.u32(), d.u64()
	var times [2]unix.Timespec
	for i := range times {
		times[i] = unix.Timespec{Sec: int64(d.u64()), Nsec: int64(d.u64())}
	}
	f, err := s.fid(d, number)
	if err != nil {
		return err
	}
	fd, err := s.change(f)
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := again(func() error { return unix.Fstat(fd, &st) }); err != nil {
		return err
	}
	if valid&attrSize != 0 {
		if err := s.truncate(f, fd, &st, size); err != nil {
			return err
		}
	}
	if valid&(attrUID|attrGID) != 0 {
		if err := s.chown(fd, valid, uid, gid); err != nil {
			return err
		}
	}
	if valid&attrMode != 0 {
		mode &= 0o7777
		if privileged(st.Mode&unix.S_IFMT | mode) {
			return unix.EPERM
		}
		if err := again(func() error { return unix.Chmod(procPath(fd), mode) }); err != nil {
			return err
		}
	}
	if valid&(attrAtime|attrMtime) != 0 {
		return s.utimes(fd, valid, times)
	}
	return nil
}

func (s *session) truncate(f *fid, fd int, st *unix.Stat_t, size uint64) error {
	switch {
	case st.Mode&unix.S_IFMT == unix.S_IFDIR:
		return unix.EISDIR
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return unix.EINVAL
	case privileged(st.Mode):
		return unix.EPERM
	case size > uint64(s.d.maxSize):
		return unix.EFBIG
	}
	if f.file != nil && f.file.access != unix.O_RDONLY {
		return again(func() error { return unix.Ftruncate(fd, int64(size)) })
	}
	return again(func() error { return unix.Truncate(procPath(fd), int64(size)) })
}

func (s *session) chown(fd int, valid, uid, gid uint32) error {
	if valid&attrUID == 0 {
		uid = noUID
	}
	if valid&attrGID == 0 {
		gid = noUID
	}
	user, err := s.d.o.Owners.toHost(s.d.own.uid, uid)
	if err != nil {
		return err
	}
	group, err := s.d.o.Owners.toHost(s.d.own.gid, gid)
	if err != nil {
		return err
	}
	return again(func() error { return unix.Fchownat(fd, "", user, group, unix.AT_EMPTY_PATH) })
}

func (s *session) utimes(fd int, valid uint32, times [2]unix.Timespec) error {
	for i, bits := range [2][2]uint32{{attrAtime, attrAtimeSet}, {attrMtime, attrMtimeSet}} {
		switch {
		case valid&bits[0] == 0:
			times[i].Nsec = unix.UTIME_OMIT
		case valid&bits[1] == 0:
			times[i].Nsec = unix.UTIME_NOW
		case uint64(times[i].Nsec) >= 1e9:
			return unix.EINVAL
		}
	}
	return again(func() error { return unix.UtimesNanoAt(unix.AT_FDCWD, procPath(fd), times[:], 0) })
}

// readlink returns the target of a symbolic link.
func (s *session) readlink(d *decoder, _ uint16) error {
	number := d.u32()
	f, err := s.fid(d, number)
	if err != nil {
		return err
	}
	if f.n.id.kind != unix.S_IFLNK {
		return unix.EINVAL
	}
	fd, err := s.t.descriptor(f.n)
	if err != nil {
		return err
	}
	var target [unix.PathMax]byte
	var n int
	err = again(func() (err error) {
		n, err = unix.Readlinkat(fd, "", target[:])
		return err
	})
	if err != nil {
		return err
	}
	if n == len(target) || headerSize+2+n > s.size {
		return unix.ENAMETOOLONG
	}
	s.e.str(string(target[:n]))
	return nil
}

// fsMagic is what the kernel's own client calls its file systems.
const fsMagic = 0x01021997

// statfs says how full the file system of a file is.
func (s *session) statfs(d *decoder, _ uint16) error {
	number := d.u32()
	f, err := s.fid(d, number)
	if err != nil {
		return err
	}
	fd, err := s.descriptor(f)
	if err != nil {
		return err
	}
	var st unix.Statfs_t
	if err := again(func() error { return unix.Fstatfs(fd, &st) }); err != nil {
		return err
	}
	e := &s.e
	e.u32(fsMagic)
	e.u32(uint32(st.Bsize))
	e.u64(st.Blocks)
	e.u64(st.Bfree)
	e.u64(st.Bavail)
	e.u64(st.Files)
	e.u64(st.Ffree)
	e.u64(mix(f.n.id.dev, 1))
	e.u32(uint32(min(st.Namelen, 255)))
	return nil
}
