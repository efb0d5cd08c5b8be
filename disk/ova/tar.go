package ova

import (
	"archive/tar"
	"errors"
	"io"
	"path"
	"strings"

	"github.com/unboot/unboot/disk"
)

// MaxMembers is how many members of a package are looked at.
const MaxMembers = 10000

// A member is a file in a package.
type member struct {
	name     string
	at, size int64
}

// counter counts what was read, for the place of a member.
type counter struct {
	*io.SectionReader
}

func (c counter) at() int64 {
	at, _ := c.Seek(0, io.SeekCurrent)
	return at
}

// readTar returns the members of a package, and its descriptor.
func readTar(d disk.Device) (list []member, descriptor []byte, err error) {
	c := counter{io.NewSectionReader(d, 0, d.Size())}
	r := tar.NewReader(c)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list, descriptor, nil
		}
		if err != nil {
			return nil, nil, damage.Errorf("the archive, near %d: %v", c.at(), err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		m := member{path.Clean(h.Name), c.at(), h.Size}
		if m.size > d.Size()-m.at {
			return nil, nil, damage.Errorf("%q has %d bytes at %d, past the end of the file (was it truncated?)", m.name, m.size, m.at)
		}
		if list = append(list, m); len(list) > MaxMembers {
			return nil, nil, damage.Errorf("more than %d members", MaxMembers)
		}
		if descriptor != nil || !strings.EqualFold(path.Ext(m.name), ".ovf") {
			continue
		}
		if m.size > maxDescriptor {
			return nil, nil, damage.Errorf("a descriptor of %d bytes", m.size)
		}
		if descriptor, err = io.ReadAll(r); err != nil {
			return nil, nil, damage.Errorf("the descriptor at %d: %v", m.at, err)
		}
	}
}
