package lkl

import (
	"sync"

	"golang.org/x/sys/unix"
)

// smallFile is the size up to which ReadFile needs one round trip.
const smallFile = 32 << 10

// ReadFile returns the content of a regular file: a small one in one round
// trip. A file of more than limit bytes is unix.EFBIG, a directory
// unix.EISDIR, anything else that is not a regular file unix.EINVAL.
func (v *View) ReadFile(path string, limit int64) ([]byte, error) {
	return v.ReadFileAt(unix.AT_FDCWD, path, 0, limit)
}

// ReadFileAt is ReadFile of a path that starts at dirfd. flags, of open(2),
// may hold O_NOFOLLOW.
func (v *View) ReadFileAt(dirfd int, path string, flags int, limit int64) ([]byte, error) {
	var st unix.Statx_t
	// O_NONBLOCK: opening a FIFO must not wait for a writer.
	flags |= unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC
	size := int(min(smallFile, max(limit, 0)+1))
	c := v.borrowChain()
	defer c.giveBack()
	open := c.Openat(dirfd, path, flags, 0)
	c.Statx(open.Fd(), "", unix.AT_EMPTY_PATH, unix.STATX_TYPE|unix.STATX_SIZE, &st)
	read := c.preadNew(open.Fd(), size, 0)
	c.Close(open.Fd())
	err := c.Run()
	if _, e := c.Result(open); err != nil && (e != nil || st.Mode == 0) {
		return nil, err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
	case unix.S_IFDIR:
		return nil, unix.EISDIR
	default:
		return nil, unix.EINVAL
	}
	if err != nil {
		return nil, err
	}
	n, err := c.Result(read)
	switch {
	case err != nil:
		return nil, err
	case int64(n) > limit:
		return nil, unix.EFBIG
	case n < size && uint64(n) >= st.Size:
		return c.newData(read), nil
	}
	// There is more, or what ended the read was an error, which the next one meets.
	return v.readLarge(dirfd, path, flags, limit, int64(st.Size))
}

// chains are those of ReadFile, to be used again.
var chains = sync.Pool{New: func() any { return new(Chain) }}

func (v *View) borrowChain() *Chain {
	c := chains.Get().(*Chain)
	c.v = v
	return c
}

func (c *Chain) giveBack() {
	c.Reset()
	c.v = nil
	chains.Put(c)
}

// readLarge reads a file that is about size bytes large.
func (v *View) readLarge(dirfd int, path string, flags int, limit, size int64) ([]byte, error) {
	fd, err := v.Openat(dirfd, path, flags, 0)
	if err != nil {
		return nil, err
	}
	defer v.CloseFd(fd)
	// The size is what an image says: it is believed only as far as data
	// follows.
	data := make([]byte, 0, min(size, limit, 16<<20)+1)
	for {
		n, err := v.Pread(fd, data[len(data):cap(data)], int64(len(data)))
		if err != nil {
			return nil, err
		}
		data = data[:len(data)+n]
		if int64(len(data)) > limit {
			return nil, unix.EFBIG
		}
		if n == 0 {
			return data, nil
		}
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
	}
}
