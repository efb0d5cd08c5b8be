package vdi

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"sync/atomic"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/tables"
)

// tableCache is how much is kept of the block maps of a chain, in bytes: that of 1 TiB.
const tableCache = 4 << 20

// Options say how [New] is to open an image. The zero value opens no file but the
// image itself.
type Options struct {
	// Refer opens the parent of a differencing image. The image closes what it returns.
	// Without it, such an image is refused with a [*disk.NotAllowedError].
	Refer func(disk.Reference) (disk.Device, error)
	// NoParent reads the image as if it had no parent: what is in there reads as zeros.
	NoParent bool
}

// An Image is an open image. It is a [disk.Device].
type Image struct {
	h        *Header
	path     string
	file     disk.Device
	writable bool
	parent   disk.Device
	cache    *tables.Cache
	table    *tables.File // the block map

	// mu is held by whoever gives room to blocks, or writes the block map. Blocks never
	// move: who reads, or writes to one that is there, does not need it.
	mu      sync.Mutex
	used    bitmap      // the places in the file that have a block
	end     int64       // the number of the place after the last of them
	changed atomic.Bool // the image has a new UUID of its content
	written atomic.Bool // it has been written to since it was flushed

	waiting sync.RWMutex // guards what follows, which also mu does for those who change it
	pending map[int64]uint32
	order   []int64 // the keys of pending, as they came
}

// New opens the image on a device, whose size is the file's. It is opened for writing if
// d says that it was, see [disk.Writable]. The path is for errors. The image closes d, but
// not if New fails.
func New(d disk.Device, path string, o Options) (*Image, error) {
	m := &Image{path: path, file: d, writable: disk.Writable(d), cache: tables.NewCache(tableCache), pending: map[int64]uint32{}}
	err := m.open(o)
	if err == nil && m.writable {
		err = m.findUsed()
	}
	if err != nil {
		m.closeParent()
		return nil, m.wrap("open", err)
	}
	return m, nil
}

func (m *Image) open(o Options) (err error) {
	if m.h, err = ReadHeader(m.file); err != nil {
		return err
	}
	if end := m.h.mapAt + m.h.Blocks*4; end > m.file.Size() {
		return damaged("the block map ends at %d, past the end of the file, which has %d bytes (was it truncated?)", end, m.file.Size())
	}
	m.table = m.cache.File(m.file)
	if m.h.Differencing() && !o.NoParent {
		return m.openParent(o)
	}
	return nil
}

// parentReference returns a reference to the parent. Its name is not in the image: it is
// the one that VirtualBox gives to the file of a snapshot, whose parent that often is.
func (h *Header) parentReference() disk.Reference {
	return disk.Reference{Role: disk.BackingFile, Name: "{" + h.Parent.String() + "}.vdi", Format: "vdi"}
}

func (m *Image) openParent(o Options) error {
	ref := m.h.parentReference()
	ref.Image = m.path
	if o.Refer == nil {
		return &disk.NotAllowedError{Reference: ref}
	}
	parent, err := o.Refer(ref)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w has the UUID %v, and its name is not in the image; to have it found, name it %s, "+
			"or make a link of that name, beside the image: %w", ErrParent, m.h.Parent, ref.Name, err)
	case err == nil && parent == nil:
		return &disk.NotAllowedError{Reference: ref}
	case err != nil:
		return err
	}
	m.parent = parent
	below, ok := disk.As[*Image](parent)
	switch {
	case !ok:
		return fmt.Errorf("%w is not a VDI image", ErrParent)
	case below.h.Create != m.h.Parent:
		return fmt.Errorf("%w has the UUID %v, not %v: it is another one", ErrParent, below.h.Create, m.h.Parent)
	case m.h.ParentModify != UUID{} && below.h.Modify != m.h.ParentModify:
		return fmt.Errorf("%w has been written to since: its content has the UUID %v, not %v", ErrParent, below.h.Modify, m.h.ParentModify)
	}
	return nil
}

// Header returns what the image's header said when it was opened. It must not be changed.
func (m *Image) Header() *Header { return m.h }

// Parent returns the device that holds what the image does not, or nil.
func (m *Image) Parent() disk.Device { return m.parent }

// Size returns the size of the disk in bytes.
func (m *Image) Size() int64 { return m.h.Size }

// Writable reports whether the image was opened for writing.
func (m *Image) Writable() bool { return m.writable }

func (m *Image) closeParent() error {
	if m.parent == nil {
		return nil
	}
	return m.parent.Close()
}

// wrap names the image in an error that does not name one. io.EOF remains what it is.
func (m *Image) wrap(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok && !errors.Is(err, ErrParent) {
		return err
	}
	return &fs.PathError{Op: op, Path: m.path, Err: err}
}
