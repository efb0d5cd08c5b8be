package cpio

import (
	"bufio"
	"bytes"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// A Member is a file of an archive.
type Member struct {
	Name string // as the archive has it
	Mode uint32 // type and permissions
	Size int64  // bytes
}

// reader reads one archive.
type reader struct {
	r   *bufio.Reader
	off int64
}

// Read reads from the archive as it comes; the caller stops at the end of the member.
func (c *reader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.off += int64(n)
	return n, err
}

func (c *reader) skip(n int64) error {
	_, err := io.CopyN(io.Discard, c, n)
	return err
}

// next returns the next member, or nil at the mark of the archive's end. The caller has
// read the content of the one before, and its padding.
func (c *reader) next() (*Member, error) {
	b := make([]byte, headerBytes)
	if _, err := io.ReadFull(c, b); err != nil {
		if err == io.ErrUnexpectedEOF {
			err = ErrFormat
		}
		return nil, err
	}
	if m := string(b[:6]); m != magicNewc && m != magicCRC {
		return nil, ErrFormat
	}
	var f [13]uint32
	for i := range f {
		if _, err := fmt.Sscanf(string(b[6+8*i:14+8*i]), "%08x", &f[i]); err != nil {
			return nil, ErrFormat
		}
	}
	m := &Member{Mode: f[1], Size: int64(f[6])}
	if f[11] == 0 || f[11] > unix.PathMax {
		return nil, ErrFormat
	}
	name := make([]byte, f[11])
	if _, err := io.ReadFull(c, name); err != nil {
		return nil, ErrFormat
	}
	name, _, _ = bytes.Cut(name, []byte{0})
	m.Name = string(name)
	if err := c.skip(-c.off & 3); err != nil {
		return nil, ErrFormat
	}
	if m.Name == trailer {
		return nil, nil
	}
	return m, nil
}
