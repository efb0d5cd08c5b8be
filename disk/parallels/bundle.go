package parallels

import (
	"fmt"
	"sort"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/readonly"
)

// A bundle is an open disk that a descriptor describes.
type bundle struct {
	readonly.Image
	parts []part
}

// A part is a storage with its open images.
type part struct {
	storage
	top disk.Device
}

// newBundle opens the images that the descriptor on a device names.
func newBundle(d disk.Device, path string, refer func(disk.Reference) (disk.Device, error)) (*bundle, error) {
	b := &bundle{}
	b.Image = readonly.Image{Layout: b, Path: path, File: d, Damaged: damage}
	list, size, err := readDescriptor(d)
	b.Bytes = size
	for i := 0; i < len(list) && err == nil; i++ {
		err = b.add(list[i], refer)
	}
	if err != nil {
		b.CloseOthers()
		return nil, b.Wrap("open", err)
	}
	return b, nil
}

// add opens the images of a storage: each is what the one before it does not have.
func (b *bundle) add(s storage, refer func(disk.Reference) (disk.Device, error)) error {
	var above *Image
	var top disk.Device
	for i, ref := range s.images {
		d, err := b.Refer(ref.reference(), refer)
		if err != nil {
			return err
		}
		if above == nil {
			top = d
			b.Others = append(b.Others, d)
		} else {
			above.Parent = d // which closes it
		}
		if d.Size() < s.size {
			return damage.Errorf("%q has %d bytes, and its storage %d", ref.name, d.Size(), s.size)
		}
		m, ok := disk.As[*Image](d)
		if !ok && i+1 < len(s.images) {
			return damage.Errorf("%q, which is a plain image, is one of changes to another", ref.name)
		}
		above = m
	}
	b.parts = append(b.parts, part{s, top})
	return nil
}

// Segment implements [readonly.Layout]. That of a part is said by Extents of its images.
func (b *bundle) Segment(off, n int64) (readonly.Segment, error) {
	i := sort.Search(len(b.parts), func(i int) bool { p := b.parts[i]; return off < p.start+p.size })
	p := &b.parts[i]
	in := off - p.start
	n = min(n, p.size-in)
	m, ok := disk.As[*Image](p.top)
	if !ok {
		return readonly.Segment{Size: n, Kind: disk.Data, File: p.top, Host: in}, nil
	}
	return m.find(in, n)
}

// find returns the segment of the image, or of those below, whose bytes are in a file, or
// which is a hole.
func (m *Image) find(off, n int64) (readonly.Segment, error) {
	s, err := m.Segment(off, n)
	if err != nil {
		return s, fmt.Errorf("%s: %w", m.Path, err)
	}
	if s.Kind == disk.Data {
		s.File = m.File
		return s, nil
	}
	switch parent, ok := disk.As[*Image](m.Parent); {
	case m.Parent == nil:
		return s, nil
	case ok:
		return parent.find(off, min(s.Size, max(parent.Bytes-off, 1)))
	}
	if left := m.Parent.Size() - off; left > 0 {
		return readonly.Segment{Size: min(s.Size, left), Kind: disk.Data, File: m.Parent, Host: off}, nil
	}
	return s, nil
}
