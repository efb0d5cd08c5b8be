// Package readonly is what formats have in common whose images are only read: a
// [disk.Device] that is read by segments, each of which is stored in one way, with the
// extents that these are.
//
// A format has a [Layout], which says where things are; [Image] does the rest.
package readonly

import (
	"errors"
	"io"
	"io/fs"
	"syscall"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/below"
)

// A Segment is a part of a disk that is stored in one way.
type Segment struct {
	Size int64 // bytes
	Kind disk.ExtentKind
	// File has the bytes of Data, from Host on. It is nil for the image's own file.
	File disk.Device
	Host int64
	// Block is where in File the unit of allocation begins that Host is in, or 0. If that
	// is there, what the file lacks of its end is zeros: the last one may be shorter.
	Block int64
}

// A Layout says where an image has what. Its methods may be called by several goroutines
// at once.
type Layout interface {
	// Segment says how up to n bytes from off on are stored, which are inside of the
	// disk. The size of what it returns is from 1 to n. A Hole is what the parent has.
	Segment(off, n int64) (Segment, error)
	// Unpack reads all of p, which begins at off of the disk, of one segment that is
	// Compressed.
	Unpack(p []byte, off int64) error
}

// An Image is a [disk.Device] that cannot be written to. Layout, Path, File and Bytes are
// set by the format.
type Image struct {
	Layout
	Path    string      // for errors
	File    disk.Device // of the image, which is closed with it
	Parent  disk.Device // or nil, which is closed too
	Others  []disk.Device
	Bytes   int64  // of the disk
	Damaged Damage // of the format
}

// ReadAt reads from the disk, as io.ReaderAt. Several goroutines may read at a time.
func (m *Image) ReadAt(p []byte, off int64) (done int, err error) {
	if off < 0 {
		return 0, m.Wrap("read", syscall.EINVAL)
	}
	var end error
	if left := m.Bytes - off; int64(len(p)) > left {
		p, end = p[:max(left, 0)], io.EOF
	}
	for done < len(p) {
		s, err := m.Segment(off, int64(len(p)-done))
		if err == nil {
			err = m.read(p[done:][:s.Size], off, s)
		}
		if err != nil {
			return done, m.Wrap("read", err)
		}
		done, off = done+int(s.Size), off+s.Size
	}
	return done, end
}

// read reads what is stored in one way.
func (m *Image) read(p []byte, off int64, s Segment) error {
	switch s.Kind {
	case disk.Data:
		return m.readData(p, s)
	case disk.Compressed:
		return m.Unpack(p, off)
	case disk.Hole:
		return below.Read(m.Parent, p, off)
	}
	clear(p)
	return nil
}

// readData reads from a file.
func (m *Image) readData(p []byte, s Segment) error {
	file := m.file(s)
	if size := file.Size(); s.Block > 0 && s.Block < size {
		there := min(max(size-s.Host, 0), int64(len(p)))
		clear(p[there:])
		p = p[:there]
	}
	return m.Damaged.ReadFull(file, p, s.Host, "data")
}

func (m *Image) file(s Segment) disk.Device {
	if s.File == nil {
		return m.File
	}
	return s.File
}

// Size returns the size of the disk in bytes.
func (m *Image) Size() int64 { return m.Bytes }

// WriteAt fails with EROFS.
func (m *Image) WriteAt([]byte, int64) (int, error) { return 0, m.Wrap("write", syscall.EROFS) }

// Flush does nothing, as there is nothing that was written.
func (m *Image) Flush() error { return nil }

// Close closes all files of the image.
func (m *Image) Close() error { return errors.Join(m.CloseOthers(), m.File.Close()) }

// CloseOthers closes all files but the image's own, for an image that cannot be opened.
func (m *Image) CloseOthers() error {
	var errs []error
	if m.Parent != nil {
		errs = append(errs, m.Parent.Close())
	}
	for _, d := range m.Others {
		errs = append(errs, d.Close())
	}
	return errors.Join(errs...)
}

// Wrap names the image in an error that does not name one.
func (m *Image) Wrap(op string, err error) error {
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return err
	}
	return &fs.PathError{Op: op, Path: m.Path, Err: err}
}

// Refer has a file opened that the image names, which is not allowed without refer.
func (m *Image) Refer(ref disk.Reference, refer func(disk.Reference) (disk.Device, error)) (disk.Device, error) {
	return below.Open([]disk.Reference{ref}, m.Path, refer)
}
