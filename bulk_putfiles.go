package unboot

import (
	"bytes"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// A NewFile is a small regular file to be made by [FS.PutFiles].
type NewFile struct {
	Name string
	Metadata
	Data []byte
}

// PutFiles makes small regular files as [FS.Put] does, and returns the error of
// each: a dozen or more take one round trip to the kernel. The names must differ.
func (f *FS) PutFiles(files []*NewFile) []error {
	errs := make([]error, len(files))
	c := f.view.NewChain()
	for start := 0; start < len(files); {
		calls, size, end := 0, 0, start
		for end < len(files) {
			n := 6 + len(files[end].Xattrs) // open, write, owner, mode, times, close
			if calls+n > 3*filesChained || size+len(files[end].Data) > bytesChained || !validPath(files[end].Name) {
				break
			}
			calls, size, end = calls+n, size+len(files[end].Data), end+1
		}
		if end <= start+1 {
			errs[start] = f.putFile(files[start])
			start++
			continue
		}
		c.Reset()
		f.putChained(c, files[start:end], errs[start:end])
		start = end
	}
	return errs
}

// putChained makes files by one chain. If a call fails, its file and those after
// it are made one by one: what was begun of it is replaced then.
func (f *FS) putChained(c *lkl.Chain, files []*NewFile, errs []error) {
	var room [64]lkl.Link
	writes := room[:0] // of each file, or its open if it is empty
	var bounds [64]lkl.Link
	last := bounds[:0] // the close of each file
	// The error of the chain as a whole is among those of its calls.
	_ = f.call("put", ".", func(string) error {
		for _, n := range files {
			open := c.Openat(unix.AT_FDCWD, "/"+n.Name, createNew, permBits(n.Mode))
			write := open
			if len(n.Data) > 0 {
				write = c.Write(open.Fd(), n.Data)
			}
			n.set(c, open.Fd())
			writes, last = append(writes, write), append(last, c.Close(open.Fd()))
		}
		return c.Run()
	})
	for i, n := range files {
		if !made(c, writes, last, i, len(n.Data)) {
			errs[i] = f.putFile(n)
		}
	}
}

// made reports whether all calls for a file went well.
func made(c *lkl.Chain, writes, last []lkl.Link, i, size int) bool {
	if i >= len(last) { // the tree is unmounted: there was no chain
		return false
	}
	first := lkl.Link(0)
	if i > 0 {
		first = last[i-1] + 1
	}
	for l := first; l <= last[i]; l++ {
		n, err := c.Result(l)
		if err != nil || l == writes[i] && size > 0 && n != size {
			return false
		}
	}
	return true
}

func (f *FS) putFile(n *NewFile) error {
	return f.Put(n.Name, &n.Metadata, bytes.NewReader(n.Data))
}
