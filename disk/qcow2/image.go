package qcow2

import (
	"errors"
	"io/fs"
	"syscall"

	"github.com/unboot/unboot/disk"
)

// Options say how [Open] is to open an image. The zero value opens no file but the
// image itself.
type Options struct {
	// Backing opens the backing file that an image names. The image closes what it
	// returns. Without it, an image that has a backing
	// file is refused with a [*NotAllowedError].
	Backing func(Reference) (disk.Device, error)
	// DataFile opens the external data file that an image names, in the same way.
	DataFile func(Reference) (disk.Device, error)
	// NoBacking reads the image as if it had no backing file: what is in there
	// reads as zeros.
	NoBacking bool
	// Depth is the number of images before this one in a chain. It is for
	// functions Backing that call [Open] themselves, and [Reference.Depth] in
	// there; those of [Follow] do. Above [MaxDepth], Open fails with [ErrDepth].
	Depth int

	caches *caches // of the chain, if there is one
}

// Image is an open image. It is a [disk.Device], but cannot be written to.
type Image struct {
	h        *Header
	path     string
	file     disk.Device // the image
	data     disk.Device // where clusters are: the same, or an external data file
	external bool        // it is that
	backing  disk.Device // or nil
	caches   *caches
}

// Open opens the image in a file or block device by its host path, without a lock, as
// readers do in package disk. Errors are *fs.PathError; see the errors of this package
// for what they may wrap.
func Open(path string, o Options) (*Image, error) {
	raw, err := disk.OpenRaw(path, disk.Options{AnyFormat: true})
	if err != nil {
		return nil, err
	}
	m, err := New(raw, path, o)
	if err != nil {
		raw.Close()
		return nil, err
	}
	return m, nil
}

// New opens the image that is on a device, whose size is the file's. The path is what
// names in the header are relative to, and what errors name. The image closes d,
// but not if New fails.
func New(d disk.Device, path string, o Options) (*Image, error) {
	m := &Image{path: path, file: d, data: d, caches: o.caches}
	if m.caches == nil {
		m.caches = newCaches()
	}
	if err := m.open(o); err != nil {
		m.closeOthers()
		return nil, m.wrap("open", err)
	}
	return m, nil
}

func (m *Image) open(o Options) error {
	if o.Depth > MaxDepth {
		return ErrDepth
	}
	var err error
	if m.h, err = ReadHeader(m.file); err != nil {
		return err
	}
	if err := m.h.check(); err != nil {
		return err
	}
	if end := m.h.l1Offset + int64(m.h.l1Size)*8; m.h.l1Size != 0 && end > m.file.Size() {
		return damaged("the L1 table ends at %d, behind the end of the file", end)
	}
	if m.h.ExternalData {
		d, err := m.refer(o.DataFile, Reference{Role: "data file", Name: m.h.DataFile, Format: "raw"}, o)
		if err != nil {
			return err
		}
		m.data, m.external = d, true
	}
	if m.h.BackingFile != "" && !o.NoBacking {
		d, err := m.refer(o.Backing, Reference{Role: "backing file", Name: m.h.BackingFile, Format: m.h.BackingFormat}, o)
		if err != nil {
			return err
		}
		m.backing = d
	}
	return nil
}

// refer has another file opened.
func (m *Image) refer(open func(Reference) (disk.Device, error), ref Reference, o Options) (disk.Device, error) {
	ref.Image = m.path
	ref.Path = Resolve(m.path, ref.Name)
	ref.Depth = o.Depth + 1
	ref.caches = m.caches
	if open == nil {
		return nil, &NotAllowedError{ref}
	}
	d, err := open(ref)
	if err == nil && d == nil {
		err = &NotAllowedError{ref}
	}
	return d, err
}

// Header returns what the image's header says. It must not be changed.
func (m *Image) Header() *Header { return m.h }

// Backing returns the device that holds what the image does not, or nil.
func (m *Image) Backing() disk.Device { return m.backing }

// Size returns the size of the disk in bytes.
func (m *Image) Size() int64 { return m.h.Size }

// WriteAt fails with EROFS.
func (m *Image) WriteAt(p []byte, off int64) (int, error) {
	return 0, m.wrap("write", syscall.EROFS)
}

// Flush does nothing, as there is nothing that was written.
func (m *Image) Flush() error { return nil }

// Close closes the image, and the files that were opened with it.
func (m *Image) Close() error {
	err := m.closeOthers()
	return errors.Join(m.file.Close(), err)
}

// closeOthers closes what the image names, and forgets what the caches have.
func (m *Image) closeOthers() error {
	m.caches.tables.drop(m)
	m.caches.clusters.drop(m)
	var errs []error
	if m.external {
		errs = append(errs, m.data.Close())
	}
	if m.backing != nil {
		errs = append(errs, m.backing.Close())
	}
	return errors.Join(errs...)
}

// wrap names the image in an error that does not name one.
func (m *Image) wrap(op string, err error) error {
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return err
	}
	return &fs.PathError{Op: op, Path: m.path, Err: err}
}
