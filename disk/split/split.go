// Package split reads raw disks that were cut into several files, as split(1), dd(1) and FTK
// Imager do: IMAGE.001, IMAGE.002 and so on, as a [disk.Device] that cannot be written to.
//
// Nothing in such a file says what it is. It is taken for the first part of a disk if its
// name ends with .001 and there is a file whose name ends with .002; who means the file
// alone says that its format is raw.
//
// # Hostile images
//
// The other parts are files with names that are derived from that of the first one, in the
// same directory. They are opened by a rule of package source all the same.
package split

import (
	"errors"
	"fmt"
	"math"
	"os"
	"sort"
	"strings"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/readonly"
)

// ErrDamaged is returned for a part that is smaller than it was.
var ErrDamaged = errors.New("damaged split image")

var damage = readonly.Damage{Err: ErrDamaged}

const (
	first    = ".001"
	maxParts = 999
)

// part returns the name of a part.
func part(image string, number int) string {
	return fmt.Sprintf("%s.%03d", strings.TrimSuffix(image, first), number)
}

// First reports whether a host path is that of the first part of a disk.
func First(path string) bool {
	return strings.HasSuffix(path, first) && len(sizes(path, 2)) > 0
}

// sizes returns the sizes of the parts after the first one, as many as there are, up to the
// one of a number.
func sizes(path string, last int) (list []int64) {
	if !strings.HasSuffix(path, first) {
		return nil
	}
	for number := 2; number <= last; number++ {
		st, err := os.Stat(part(path, number))
		if err != nil || !st.Mode().IsRegular() {
			break
		}
		list = append(list, st.Size())
	}
	return list
}

func reference(path string, number int) disk.Reference {
	return disk.Reference{Role: disk.DataFile, Name: readonly.Beside(readonly.Base(part(path, number))), Format: "raw"}
}

// Stat returns the size of the disk in bytes, and the other parts.
func Stat(d disk.Device) (size int64, refs []disk.Reference, err error) {
	path := readonly.Path(d)
	size = d.Size()
	for i, n := range sizes(path, maxParts) {
		if n > math.MaxInt64-size {
			return 0, nil, damage.Errorf("the parts have more than %d bytes", int64(math.MaxInt64))
		}
		size += n
		refs = append(refs, reference(path, i+2))
	}
	return size, refs, nil
}

// An image is an open disk.
type image struct {
	readonly.Image
	parts []disk.Device
	ends  []int64 // of the parts, on the disk
}

// Open opens the disk whose first part is on a device. The others are opened by refer.
func Open(d disk.Device, path string, refer func(disk.Reference) (disk.Device, error)) (disk.Device, error) {
	m := &image{}
	m.Image = readonly.Image{Layout: m, Path: path, File: d, Damaged: damage}
	err := m.add(d)
	for i, n := 0, len(sizes(path, maxParts)); i < n && err == nil; i++ {
		var next disk.Device
		if next, err = m.Refer(reference(path, i+2), refer); err == nil {
			m.Others = append(m.Others, next)
			err = m.add(next)
		}
	}
	if err != nil {
		m.CloseOthers()
		return nil, m.Wrap("open", err)
	}
	return m, nil
}

// add adds the next part.
func (m *image) add(d disk.Device) error {
	if d.Size() > math.MaxInt64-m.Bytes {
		return damage.Errorf("the parts have more than %d bytes", int64(math.MaxInt64))
	}
	m.Bytes += d.Size()
	m.parts = append(m.parts, d)
	m.ends = append(m.ends, m.Bytes)
	return nil
}

// Segment implements [readonly.Layout].
func (m *image) Segment(off, n int64) (readonly.Segment, error) {
	i := sort.Search(len(m.ends), func(i int) bool { return m.ends[i] > off })
	d := m.parts[i]
	return readonly.Segment{Size: min(n, m.ends[i]-off), Kind: disk.Data, File: d, Host: off - (m.ends[i] - d.Size())}, nil
}

// Unpack is not called: nothing is compressed.
func (m *image) Unpack([]byte, int64) error { return nil }
