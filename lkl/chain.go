package lkl

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// A Chain is a list of system calls that the kernel runs in order, in one
// round trip. A call can use the result of an earlier one instead of a
// descriptor:
//
//	c := v.NewChain()
//	open := c.Openat(unix.AT_FDCWD, "/etc/os-release", unix.O_RDONLY, 0)
//	c.Statx(open.Fd(), "", unix.AT_EMPTY_PATH, unix.STATX_SIZE, &st)
//	read := c.Read(open.Fd(), buf)
//	c.Close(open.Fd())
//	if err := c.Run(); err != nil { … }
//	n, err := c.Result(read)
//
// When a call fails, the later ones are not run, their error being
// unix.ECANCELED; except Close, which is always run if what it is to close was
// opened. What the calls write into variables and slices is there when Run has
// returned.
//
// A Chain has at most 128 calls and 1 MiB of data, not counting the memory of
// Buffers. It is for one goroutine, and can be used again after Reset.
type Chain struct {
	v      *View
	links  []abiLink
	pieces []piece
	size   int // of the pieces, in the window
	err    error
}

// A Link is a call of a Chain.
type Link int

// Fd returns a number that stands for the result of the link, as an argument
// of later links of the same chain where they take a descriptor.
func (l Link) Fd() int { return linkFd - int(l) }

// linkFd is below all that is a descriptor or AT_FDCWD.
const linkFd = -1 << 20

// A piece is memory of the window that belongs to a link's argument.
type piece struct {
	link, arg int
	off, size int
	kind      pieceKind
	str       string
	buf       []byte
	statx     *unix.Statx_t
}

type pieceKind uint8

const (
	pieceString pieceKind = iota // str and a NUL, to the kernel
	pieceIn                      // buf, to the kernel
	pieceOut                     // buf, from the kernel as far as the result says
	pieceNew                     // as pieceOut, to a buf made when the result is known
	pieceStatx                   // statx, from the kernel
)

// NewChain returns an empty chain of calls on the view.
func (v *View) NewChain() *Chain { return &Chain{v: v} }

// Reset makes the chain empty.
func (c *Chain) Reset() {
	clear(c.pieces)
	c.links, c.pieces, c.size, c.err = c.links[:0], c.pieces[:0], 0, nil
}

// Len returns the number of calls in the chain.
func (c *Chain) Len() int { return len(c.links) }

// Openat adds openat(2).
func (c *Chain) Openat(dirfd int, path string, flags int, mode uint32) Link {
	l := c.add(sysOpenat, 0, dirfd, 0, int(openFlags(flags)), int(mode))
	return c.path(l, 1, path)
}

// Openat2 adds openat2(2).
func (c *Chain) Openat2(dirfd int, path string, how *unix.OpenHow) Link {
	l := c.add(sysOpenat2, 0, dirfd, 0, 0, 24)
	h := make([]byte, 24)
	binary.LittleEndian.PutUint64(h[0:], openFlags(int(how.Flags)))
	binary.LittleEndian.PutUint64(h[8:], how.Mode)
	binary.LittleEndian.PutUint64(h[16:], how.Resolve)
	c.piece(piece{link: int(l), arg: 2, size: len(h), kind: pieceIn, buf: h})
	return c.path(l, 1, path)
}

// Close adds close(2), which is run whatever has failed before, if fd is a
// link's and that was run.
func (c *Chain) Close(fd int) Link { return c.add(sysClose, linkAlways, fd) }

// Read adds read(2). p must be smaller than 1 MiB if it is not a Buffer's.
func (c *Chain) Read(fd int, p []byte) Link {
	return c.out(c.add(sysRead, 0, fd, 0, len(p)), 1, p)
}

// Pread adds pread(2).
func (c *Chain) Pread(fd int, p []byte, offset int64) Link {
	return c.out(c.add(sysPread64, 0, fd, 0, len(p), int(offset)), 1, p)
}

// Write adds write(2). Its result may be less than len(p).
func (c *Chain) Write(fd int, p []byte) Link {
	return c.in(c.add(sysWrite, 0, fd, 0, len(p)), 1, p)
}

// Pwrite adds pwrite(2). Its result may be less than len(p).
func (c *Chain) Pwrite(fd int, p []byte, offset int64) Link {
	return c.in(c.add(sysPwrite64, 0, fd, 0, len(p), int(offset)), 1, p)
}

// Statx adds statx(2), which fills stat.
func (c *Chain) Statx(dirfd int, path string, flags, mask int, stat *unix.Statx_t) Link {
	l := c.add(sysStatx, 0, dirfd, 0, flags, mask)
	c.piece(piece{link: int(l), arg: 4, size: sizeofStatx, kind: pieceStatx, statx: stat})
	return c.path(l, 1, path)
}

// Readdirents adds [View.Readdirents].
func (c *Chain) Readdirents(fd int, buf []byte, mask, flags int) Link {
	return c.out(c.add(opReaddir, 0, fd, 0, len(buf), mask, flags), 1, buf)
}

// Getdents adds getdents64(2): see [View.Getdents].
func (c *Chain) Getdents(fd int, buf []byte) Link {
	return c.out(c.add(sysGetdents64, 0, fd, 0, len(buf)), 1, buf)
}

// Readlinkat adds readlinkat(2).
func (c *Chain) Readlinkat(dirfd int, path string, buf []byte) Link {
	l := c.out(c.add(sysReadlinkat, 0, dirfd, 0, 0, len(buf)), 2, buf)
	return c.path(l, 1, path)
}

// Mkdirat adds mkdirat(2).
func (c *Chain) Mkdirat(dirfd int, path string, mode uint32) Link {
	return c.path(c.add(sysMkdirat, 0, dirfd, 0, int(mode)), 1, path)
}

// Mknodat adds mknodat(2).
func (c *Chain) Mknodat(dirfd int, path string, mode uint32, dev int) Link {
	return c.path(c.add(sysMknodat, 0, dirfd, 0, int(mode), int(uint32(dev))), 1, path)
}

// Symlinkat adds symlinkat(2).
func (c *Chain) Symlinkat(oldpath string, newdirfd int, newpath string) Link {
	l := c.path(c.add(sysSymlinkat, 0, 0, newdirfd, 0), 0, oldpath)
	return c.path(l, 2, newpath)
}

// Linkat adds linkat(2).
func (c *Chain) Linkat(olddirfd int, oldpath string, newdirfd int, newpath string, flags int) Link {
	l := c.path(c.add(sysLinkat, 0, olddirfd, 0, newdirfd, 0, flags), 1, oldpath)
	return c.path(l, 3, newpath)
}

// Unlinkat adds unlinkat(2).
func (c *Chain) Unlinkat(dirfd int, path string, flags int) Link {
	return c.path(c.add(sysUnlinkat, 0, dirfd, 0, flags), 1, path)
}

// Ftruncate adds ftruncate(2).
func (c *Chain) Ftruncate(fd int, length int64) Link {
	return c.add(sysFtruncate, 0, fd, int(length))
}

// Fallocate adds fallocate(2).
func (c *Chain) Fallocate(fd int, mode uint32, off, length int64) Link {
	return c.add(sysFallocate, 0, fd, int(mode), int(off), int(length))
}

// Fchmod adds fchmod(2).
func (c *Chain) Fchmod(fd int, mode uint32) Link { return c.add(sysFchmod, 0, fd, int(mode)) }

// Fchmodat adds fchmodat(2) without flags.
func (c *Chain) Fchmodat(dirfd int, path string, mode uint32) Link {
	return c.path(c.add(sysFchmodat, 0, dirfd, 0, int(mode)), 1, path)
}

// Fchmodat2 adds fchmodat2(2): the flags are AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH.
func (c *Chain) Fchmodat2(dirfd int, path string, mode uint32, flags int) Link {
	return c.path(c.add(sysFchmodat2, 0, dirfd, 0, int(mode), flags), 1, path)
}

// Seek adds lseek(2).
func (c *Chain) Seek(fd int, offset int64, whence int) Link {
	return c.add(sysLseek, 0, fd, int(offset), whence)
}

// Dup adds dup(2).
func (c *Chain) Dup(fd int) Link { return c.add(sysDup, 0, fd) }

// Fchown adds fchown(2).
func (c *Chain) Fchown(fd, uid, gid int) Link {
	return c.add(sysFchown, 0, fd, int(uint32(uid)), int(uint32(gid)))
}

// Fchownat adds fchownat(2).
func (c *Chain) Fchownat(dirfd int, path string, uid, gid, flags int) Link {
	return c.path(c.add(sysFchownat, 0, dirfd, 0, int(uint32(uid)), int(uint32(gid)), flags), 1, path)
}

// Futimens adds futimens(3).
func (c *Chain) Futimens(fd int, ts []unix.Timespec) Link {
	return c.times(c.add(sysUtimensat, 0, fd, 0, 0, 0), ts)
}

// UtimesNanoAt adds utimensat(2).
func (c *Chain) UtimesNanoAt(dirfd int, path string, ts []unix.Timespec, flags int) Link {
	return c.path(c.times(c.add(sysUtimensat, 0, dirfd, 0, 0, flags), ts), 1, path)
}

// Fsetxattr adds fsetxattr(2).
func (c *Chain) Fsetxattr(fd int, attr string, data []byte, flags int) Link {
	l := c.in(c.add(sysFsetxattr, 0, fd, 0, 0, len(data), flags), 2, data)
	return c.path(l, 1, attr)
}

// Lsetxattr adds lsetxattr(2).
func (c *Chain) Lsetxattr(path, attr string, data []byte, flags int) Link {
	l := c.in(c.add(sysLsetxattr, 0, 0, 0, 0, len(data), flags), 2, data)
	return c.path(c.path(l, 0, path), 1, attr)
}

// Fsync adds fsync(2).
func (c *Chain) Fsync(fd int) Link { return c.add(sysFsync, 0, fd) }

// add appends a link. An argument that is a Link's Fd refers to its result.
func (c *Chain) add(nr int32, flags uint32, args ...int) Link {
	l := abiLink{Nr: nr, Flags: flags}
	for i, a := range args {
		if a <= linkFd && a > linkFd-chainMax {
			if linkFd-a >= len(c.links) {
				c.err = unix.EINVAL // not a link before this one
			}
			l.Flags |= 1 << i
			a = linkFd - a
		}
		l.Args[i] = uint64(a)
	}
	c.links = append(c.links, l)
	return Link(len(c.links) - 1)
}

func (c *Chain) piece(p piece) {
	p.off = c.size
	c.size += (p.size + 7) &^ 7
	c.pieces = append(c.pieces, p)
}

func (c *Chain) path(l Link, arg int, s string) Link {
	if err := checkPath(s); err != nil {
		c.err, s = err, ""
	}
	c.piece(piece{link: int(l), arg: arg, size: len(s) + 1, str: s})
	return l
}

func (c *Chain) in(l Link, arg int, b []byte) Link {
	if addr, ok := c.v.k.w.addr(b); ok {
		c.links[l].Args[arg] = addr
		return l
	}
	c.piece(piece{link: int(l), arg: arg, size: len(b), kind: pieceIn, buf: b})
	return l
}

func (c *Chain) out(l Link, arg int, b []byte) Link {
	if addr, ok := c.v.k.w.addr(b); ok {
		c.links[l].Args[arg] = addr
		return l
	}
	c.piece(piece{link: int(l), arg: arg, size: len(b), kind: pieceOut, buf: b})
	return l
}

// preadNew adds pread(2) of up to n bytes into memory that newData returns.
func (c *Chain) preadNew(fd, n int, offset int64) Link {
	l := c.add(sysPread64, 0, fd, 0, n, int(offset))
	c.piece(piece{link: int(l), arg: 1, size: n, kind: pieceNew})
	return l
}

func (c *Chain) newData(l Link) []byte {
	for i := range c.pieces {
		if p := &c.pieces[i]; p.link == int(l) && p.kind == pieceNew {
			return p.buf
		}
	}
	return nil
}

func (c *Chain) times(l Link, ts []unix.Timespec) Link {
	switch {
	case ts == nil:
	case len(ts) != 2:
		c.err = unix.EINVAL
	default:
		b := make([]byte, sizeofTimes)
		putTimes(b, ts)
		c.piece(piece{link: int(l), arg: 2, size: len(b), kind: pieceIn, buf: b})
	}
	return l
}

// sizeofLink is the size of struct lkl_link.
const sizeofLink = 64

// Run runs the chain. Its error is that of the first call that failed, or why
// none was run.
func (c *Chain) Run() error {
	switch {
	case c.err != nil:
		return c.err
	case len(c.links) == 0:
		return nil
	case len(c.links) > chainMax:
		return unix.E2BIG
	}
	links := len(c.links) * sizeofLink
	if links+c.size > maxPiece {
		return unix.E2BIG
	}
	call, err := c.v.begin()
	if err != nil {
		return err
	}
	defer call.end()
	if err := call.reserve(links + c.size); err != nil {
		return err
	}
	mem, addr := call.room(links + c.size)
	data := mem[links:]
	for i := range c.pieces {
		p := &c.pieces[i]
		c.links[p.link].Args[p.arg] = addr + uint64(links+p.off)
		switch p.kind {
		case pieceIn:
			copy(data[p.off:], p.buf)
		case pieceString:
			copy(data[p.off:], p.str)
			data[p.off+len(p.str)] = 0
		}
	}
	storeLinks(mem[:links], c.links)
	if _, err := call.do(opChain, addr, uint64(len(c.links))); err != nil {
		return err
	}
	for i := range c.links {
		c.links[i].Ret = int64(binary.LittleEndian.Uint64(mem[(i+1)*sizeofLink-8:]))
	}
	for i := range c.pieces {
		p := &c.pieces[i]
		ret := c.links[p.link].Ret
		switch {
		case ret < 0:
		case p.kind == pieceStatx:
			loadStatx(data[p.off:p.off+sizeofStatx], p.statx)
		case p.kind == pieceOut:
			if ret > int64(p.size) {
				return c.v.k.violated("chain")
			}
			copy(p.buf, data[p.off:p.off+int(ret)])
		case p.kind == pieceNew:
			if ret > int64(p.size) {
				return c.v.k.violated("chain")
			}
			p.buf = append(make([]byte, 0, ret), data[p.off:p.off+int(ret)]...)
		}
	}
	for i := range c.links {
		if _, err := result(c.links[i].Ret); err != nil {
			return err
		}
	}
	return nil
}

// Result returns the result of a call of the chain, after Run.
func (c *Chain) Result(l Link) (int, error) {
	if l < 0 || int(l) >= len(c.links) {
		return -1, unix.EINVAL
	}
	return result(c.links[l].Ret)
}

// result splits a system call's return value.
func result(ret int64) (int, error) {
	if ret < 0 && ret >= -4095 {
		return -1, unix.Errno(-ret)
	}
	return int(ret), nil
}
