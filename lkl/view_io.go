package lkl

import (
	"io"

	"golang.org/x/sys/unix"
)

const (
	// pathMax is PATH_MAX: a path and its NUL.
	pathMax = 4096

	// maxPiece is the most that one call copies through scratch memory.
	maxPiece = 1 << 20

	// pieceSize is how data that is copied is cut up: small enough for the
	// processor's cache to still hold it when the other side comes to it.
	pieceSize = 256 << 10

	// directSize is where requests start to take the short way.
	directSize = 64 << 10
)

// Read reads from a file at its offset, as read(2): up to len(p) bytes, 0 at
// the end. It may return less than a whole p without being at the end.
func (v *View) Read(fd int, p []byte) (n int, err error) {
	return v.callOut(p, maxPiece, sysRead, uint64(fd))
}

// Write writes to a file at its offset, as write(2). Without an error it has
// written all of p.
func (v *View) Write(fd int, p []byte) (n int, err error) {
	return v.writePieces(p, func(c *call, addr, size uint64, _ int) (int, error) {
		return c.do(sysWrite, uint64(fd), addr, size)
	})
}

// Pread reads from a file at an offset, as pread(2): up to len(p) bytes, 0 at
// the end. Unlike pread(2) it goes on until p is full or the file has ended.
// Large requests take the way of [View.PreadDirect].
func (v *View) Pread(fd int, p []byte, offset int64) (n int, err error) {
	if len(p) >= directSize {
		return v.PreadDirect(fd, p, offset)
	}
	for {
		m, err := v.callOut(p[n:], directSize, sysPread64, uint64(fd), uint64(offset)+uint64(n))
		if err != nil && n == 0 {
			return m, err
		}
		n += max(m, 0)
		if err != nil || m == 0 || n == len(p) {
			return n, err
		}
	}
}

// Pwrite writes to a file at an offset, as pwrite(2). Without an error it has
// written all of p. Large requests take the way of [View.PwriteDirect].
func (v *View) Pwrite(fd int, p []byte, offset int64) (n int, err error) {
	if len(p) >= directSize {
		return v.PwriteDirect(fd, p, offset)
	}
	return v.writePieces(p, func(c *call, addr, size uint64, done int) (int, error) {
		return c.do(sysPwrite64, uint64(fd), addr, size, uint64(offset)+uint64(done))
	})
}

// PreadDirect reads as Pread, by the shortest way: where the file system and
// the alignment allow it, from the disk into p's memory past the kernel's page
// cache. That is best for large parts of a file that are read once, into the
// memory of a [Buffer].
func (v *View) PreadDirect(fd int, p []byte, offset int64) (n int, err error) {
	var room [2*locateMax + 1]Span
	spans, err := v.locateIn(room[:0], fd, p, offset)
	for i := range spans {
		data, rerr := spans[i].Bytes()
		n += len(data)
		if rerr != nil {
			err = rerr
			break
		}
	}
	if n == 0 && err != nil {
		return -1, err
	}
	return n, err
}

// PwriteDirect writes as Pwrite, by the shortest way, as PreadDirect.
func (v *View) PwriteDirect(fd int, p []byte, offset int64) (n int, err error) {
	return v.writePieces(p, func(c *call, addr, size uint64, done int) (int, error) {
		return c.do(opWrite, uint64(fd), addr, size, uint64(offset)+uint64(done))
	})
}

// readPieces reads through scratch memory: while the kernel fills one piece,
// the one before is copied out.
func (v *View) readPieces(fd int, p []byte, offset int64) (int, error) {
	var c [2]*call
	var mem [2][]byte
	var addr [2]uint64
	var err error
	if c[0], err = v.begin(); err != nil {
		return -1, err
	}
	defer c[0].end()
	if err := c[0].reserve(min(len(p), pieceSize)); err != nil {
		return -1, err
	}
	mem[0], addr[0] = c[0].room(min(len(p), pieceSize))
	pieces := 1
	if len(p) > pieceSize {
		// The second is only taken if it is there: no call may sleep for
		// memory while holding some.
		if c[1] = v.tryBegin(); c[1] != nil {
			defer c[1].end()
			if c[1].tryReserve(pieceSize) {
				mem[1], addr[1] = c[1].room(pieceSize)
				pieces = 2
			}
		}
	}
	post := func(i, done int) error {
		return c[i].post(opRead, uint64(fd), addr[i], uint64(min(len(p)-done, len(mem[i]))), uint64(offset)+uint64(done))
	}
	if err := post(0, 0); err != nil {
		return -1, err
	}
	done, i := 0, 0
	for {
		n, err := c[i].wait()
		if err != nil {
			if done > 0 {
				return done, err
			}
			return n, err
		}
		want := min(len(p)-done, len(mem[i]))
		if n > want {
			return done, v.k.violated("read")
		}
		more := n > 0 && done+n < len(p)
		j := (i + 1) % pieces
		if more && j != i {
			if err := post(j, done+n); err != nil {
				return done, err
			}
		}
		copy(p[done:], mem[i][:n])
		done += n
		if !more {
			return done, nil
		}
		if j == i {
			if err := post(j, done); err != nil {
				return done, err
			}
		}
		i = j
	}
}

// writePieces writes p with calls of do, which are given memory of the window
// and how much has been written before: p itself, or pieces of it copied.
func (v *View) writePieces(p []byte, do func(c *call, addr, size uint64, done int) (int, error)) (int, error) {
	c, err := v.begin()
	if err != nil {
		return -1, err
	}
	defer c.end()
	addr, inWindow := v.k.w.addr(p)
	var mem []byte
	if !inWindow {
		if err := c.reserve(min(len(p), pieceSize)); err != nil {
			return -1, err
		}
		mem, addr = c.room(min(len(p), pieceSize))
	}
	done := 0
	for {
		size, at := len(p)-done, addr+uint64(done)
		if !inWindow {
			size, at = copy(mem, p[done:]), addr
		}
		n, err := do(c, at, uint64(size), done)
		if err != nil {
			if done > 0 {
				return done, err
			}
			return n, err
		}
		if n > size {
			return done, v.k.violated("write")
		}
		done += n
		if done == len(p) {
			return done, nil
		}
		if n == 0 {
			return done, io.ErrShortWrite
		}
	}
}

// callOut makes a call that fills p, at most limit bytes of it, and whose
// arguments are args, a pointer, a length, and the rest of args after the
// first.
func (v *View) callOut(p []byte, limit int, nr int32, args ...uint64) (int, error) {
	c, err := v.begin()
	if err != nil {
		return -1, err
	}
	defer c.end()
	size := len(p)
	addr, ok := v.k.w.addr(p)
	var mem []byte
	if !ok {
		size = min(size, limit)
		if err := c.reserve(size); err != nil {
			return -1, err
		}
		mem, addr = c.room(size)
	}
	var a [6]uint64
	a[0], a[1], a[2] = args[0], addr, uint64(size)
	copy(a[3:], args[1:])
	n, err := c.do(nr, a[:2+len(args)]...)
	if err != nil {
		return n, err
	}
	if n > size {
		return -1, v.k.violated("read")
	}
	copy(p, mem[:min(n, len(mem))])
	return n, nil
}

// copyResult copies n bytes of an answer, which the kernel says it has
// written.
func copyResult(dst, mem []byte, n int) (int, error) {
	if n > len(mem) || n > len(dst) {
		return -1, unix.EIO
	}
	return copy(dst, mem[:n]), nil
}
