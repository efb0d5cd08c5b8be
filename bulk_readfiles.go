package unboot

import (
	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

const (
	// filesChained is how many small files go into one chain: three calls each.
	filesChained = 40
	// bytesChained is how much content comes back by one.
	bytesChained = 640 << 10
)

// ReadFiles returns the contents of regular files that [FS.Walk] or [FS.Entries]
// has met, or why one could not be read. Some forty small files take one round
// trip to the kernel, where [FS.ReadFile] takes one for each. The slices share
// memory.
func (f *FS) ReadFiles(entries []*Entry) ([][]byte, []error) {
	data, errs := make([][]byte, len(entries)), make([]error, len(entries))
	c := f.view.NewChain()
	for start := 0; start < len(entries); {
		var size int64
		end := start
		for end < len(entries) && end-start < filesChained && size+entries[end].Size() <= bytesChained {
			size += entries[end].Size()
			end++
		}
		if end == start || end == start+1 { // a large one, or one that is alone
			data[start], errs[start] = f.ReadFile(entries[start].Path())
			start++
			continue
		}
		c.Reset()
		f.readChained(c, entries[start:end], data[start:end], errs[start:end], make([]byte, size))
		start = end
	}
	return data, errs
}

// readChained reads files into buf, which has room for their sizes as the
// entries say. A file that is longer or shorter by now, or fails, or comes after
// one that fails, is read by itself.
func (f *FS) readChained(c *lkl.Chain, entries []*Entry, data [][]byte, errs []error, buf []byte) {
	const flags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY | openFlags
	reads := make([]lkl.Link, len(entries))
	// The error of the chain as a whole is among those of its calls.
	_ = f.call("read", ".", func(string) error {
		rest := buf
		for i, e := range entries {
			n := int(e.Size())
			open := c.Openat(unix.AT_FDCWD, "/"+e.Path(), flags, 0)
			data[i], rest = rest[:n:n], rest[n:]
			reads[i] = c.Read(open.Fd(), data[i])
			c.Close(open.Fd())
		}
		return c.Run()
	})
	for i, e := range entries {
		if n, err := c.Result(reads[i]); err != nil || n != len(data[i]) {
			data[i], errs[i] = f.ReadFile(e.Path())
		}
	}
}
