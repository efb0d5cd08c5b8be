package qcow2

import (
	"errors"
	"io/fs"
	"sync/atomic"

	"github.com/unboot/unboot/disk"
)

// Options say how [New] is to open an image. The zero value opens no file but the
// image itself.
type Options struct {
	// Refer opens the backing file or the external data file that an image names.
	// The image closes what it returns. Without it, an image that needs such a file is
	// refused with a [*disk.NotAllowedError].
	Refer func(disk.Reference) (disk.Device, error)
	// NoBacking reads the image as if it had no backing file: what is in there
	// reads as zeros.
	NoBacking bool
	// Writable opens for writing too, for which the device must be open. One that
	// has not been closed properly (dirty) is repaired.
	Writable bool
	// Encrypted opens an encrypted image too. Nothing can be read or written before
	// [Image.Unlock].
	Encrypted bool
	// Snapshot is the name or the ID of an internal snapshot: the disk is what it was then.
	// It can only be read.
	Snapshot string
}

// Image is an open image. It is a [disk.Device].
type Image struct {
	h        *Header
	path     string
	file     disk.Device // the image
	data     disk.Device // where clusters are: the same, or an external data file
	external bool        // it is that
	backing  disk.Device // or nil
	caches   *caches
	size     atomic.Int64 // of the disk, in bytes
	cipher   disk.SectorCipher
	w        *writer // nil if it is open for reading only
}

// New opens the image that is on a device, whose size is the file's. The path is what
// names in the header are relative to, and what errors name. The image closes d,
// but not if New fails.
func New(d disk.Device, path string, o Options) (*Image, error) {
	m := &Image{path: path, file: d, data: d, caches: newCaches()}
	if err := m.open(o); err != nil {
		m.closeOthers()
		return nil, m.wrap("open", err)
	}
	return m, nil
}

func (m *Image) open(o Options) error {
	var err error
	if m.h, err = ReadHeader(m.file); err != nil {
		return err
	}
	if err := m.h.check(); err != nil {
		return err
	}
	if err := m.checkEncryption(o); err != nil {
		return err
	}
	if o.Snapshot != "" {
		if err := m.openSnapshot(o); err != nil {
			return err
		}
	}
	if end := m.h.l1Offset + int64(m.h.l1Size)*8; m.h.l1Size != 0 && end > m.file.Size() {
		return damaged("the L1 table ends at %d, past the end of the file", end)
	}
	m.size.Store(m.h.Size)
	if m.h.ExternalData {
		ref := m.h.dataReference()
		ref.Writable = o.Writable
		if m.data, err = m.refer(ref, o); err != nil {
			return err
		}
		m.external = true
	}
	if m.h.BackingFile != "" && !o.NoBacking {
		if m.backing, err = m.refer(m.h.backingReference(), o); err != nil {
			return err
		}
		if b, ok := disk.As[*Image](m.backing); ok {
			m.caches = b.caches // all images of a chain share them
		}
	}
	if o.Writable {
		return m.openWriter()
	}
	return nil
}

// refer has another file opened.
func (m *Image) refer(ref disk.Reference, o Options) (disk.Device, error) {
	ref.Image = m.path
	if o.Refer == nil {
		return nil, &disk.NotAllowedError{Reference: ref}
	}
	d, err := o.Refer(ref)
	if err == nil && d == nil {
		err = &disk.NotAllowedError{Reference: ref}
	}
	return d, err
}

// Header returns what the image's header says. It must not be changed.
func (m *Image) Header() *Header {
	defer m.hold()()
	if m.w == nil {
		return m.h
	}
	h := *m.h
	return &h
}

// Backing returns the device that holds what the image does not, or nil.
func (m *Image) Backing() disk.Device { return m.backing }

// Size returns the size of the disk in bytes.
func (m *Image) Size() int64 { return m.size.Load() }

// Writable reports whether the image was opened for writing.
func (m *Image) Writable() bool { return m.w != nil }

// Close writes what has not been written yet, and closes the image and the files that
// were opened with it.
func (m *Image) Close() error {
	var flush error
	if m.w != nil {
		flush = m.w.close()
	}
	err := m.closeOthers()
	return errors.Join(flush, m.file.Close(), err)
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
