package vmdk

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/tables"
)

// Sizes of what is kept of the images of a chain, in bytes.
const (
	// With grains of 64 KiB, this is the tables of 64 GiB.
	tableCache = 4 << 20
	// This is one of the largest grains, or 256 of the usual ones.
	grainCache = 16 << 20
	// maxDirty is how much of the tables may wait to be written.
	maxDirty = 8 << 20
)

// Options say how [New] is to open an image. The zero value opens no file but the
// image itself.
type Options struct {
	// Refer opens the extents and the parent that an image names. The image closes what
	// it returns. Without it, an image that needs such a file is refused with a
	// [*disk.NotAllowedError].
	Refer func(disk.Reference) (disk.Device, error)
	// NoParent reads the image as if it had no parent: what is in there reads as zeros.
	NoParent bool
}

// An Image is an open image. It is a [disk.Device].
type Image struct {
	path     string
	file     disk.Device // with the descriptor
	desc     *descriptor
	size     int64
	writable bool
	extents  []*extent // without gaps
	parent   disk.Device
	cache    *tables.Cache
	blocks   *tables.Blocks

	// mu is held by whoever changes tables, or writes them back. Grains never move: who
	// reads, or writes to a grain that is there, does not need it.
	mu      sync.Mutex
	changed atomic.Bool // the image has a new CID
}

// An extent is a part of the disk.
type extent struct {
	start, size int64
	access      string
	name        string      // in the descriptor, or ""
	file        disk.Device // which is closed with it, or nil if it is the image's
	sparse      *sparse     // or nil
	flat        disk.Device // or nil; if sparse is nil too, all is zeros
	flatAt      int64       // where it begins in flat

	written atomic.Bool // it has been written to since it was flushed
}

// New opens the image on a device, whose size is the file's. It is opened for writing if
// d says that it was, see [disk.Writable]. The path is for errors. The image closes d, but
// not if New fails.
func New(d disk.Device, path string, o Options) (*Image, error) {
	m := &Image{path: path, file: d, writable: disk.Writable(d), cache: tables.NewCache(tableCache), blocks: tables.NewBlocks(grainCache)}
	if err := m.open(o); err != nil {
		m.closeOthers()
		return nil, m.wrap("open", err)
	}
	return m, nil
}

func (m *Image) open(o Options) error {
	desc, g, h, err := readImage(m.file)
	if err != nil {
		return err
	}
	m.desc = desc
	if g != nil {
		if err := m.openEmbedded(g, h); err != nil {
			return err
		}
	} else if err := m.openExtents(o); err != nil {
		return err
	}
	if m.desc.hasParent() && !o.NoParent {
		return m.openParent(o)
	}
	return nil
}

// readImage reads what an image says of itself. If the descriptor is embedded in the only
// extent, g is that one's geometry, and h its header.
func readImage(d disk.Device) (desc *descriptor, g *geometry, h *sparseHeader, err error) {
	head := make([]byte, sectorSize)
	if n, err := d.ReadAt(head, 0); n < 4 {
		return nil, nil, nil, readFullError(n, err)
	}
	switch {
	case string(head[:4]) == magicCOWD, string(head[:len(magicSESparse)]) == magicSESparse:
		return nil, nil, nil, ErrExtent
	case string(head[:4]) != magicSparse:
		if !isDescriptor(head) {
			return nil, nil, nil, ErrFormat
		}
		desc, err = readDescriptor(d, 0, d.Size())
		return desc, nil, nil, err
	}
	h, started, err := readSparseHeader(d, d.Size())
	switch {
	case err != nil:
		return nil, nil, nil, err
	case h.descriptor == 0 || h.descSize == 0:
		return nil, nil, nil, ErrExtent
	}
	if desc, err = readDescriptor(d, h.descriptor*sectorSize, h.descSize*sectorSize); err != nil {
		return nil, nil, nil, err
	}
	switch {
	case started:
		return nil, nil, nil, damaged("the stream was not finished: it has no grains and no footer")
	case h.capacity == 0:
		return desc, nil, nil, nil
	}
	g, err = h.hosted()
	return desc, g, h, err
}

func readFullError(n int, err error) error {
	if err == nil || n > 0 {
		return ErrFormat
	}
	return fmt.Errorf("%w: %w", ErrFormat, err)
}

// openEmbedded opens an image of one extent that is in the same file as the descriptor. What
// the descriptor says of it is not used: it has an old name if the file was renamed.
func (m *Image) openEmbedded(g *geometry, h *sparseHeader) error {
	access := "RW"
	if len(m.desc.extents) == 1 {
		access = m.desc.extents[0].access
	}
	e := &extent{size: g.capacity * sectorSize, access: access}
	m.extents, m.size = []*extent{e}, e.size
	if m.writable && access != "RW" && !g.compressed {
		return readOnly("its descriptor says " + access)
	}
	return m.openSparse(e, g, h, m.file)
}

// openSparse opens an extent of grains.
func (m *Image) openSparse(e *extent, g *geometry, h *sparseHeader, file disk.Device) (err error) {
	if e.sparse, err = g.open(file, m.cache); err != nil {
		return err
	}
	if !m.writable || e.access != "RW" && e.file != nil {
		return nil
	}
	switch {
	case g.compressed:
		return readOnly("its grains are compressed")
	case h == nil:
		return readOnly("it has an extent of the kind " + g.kind)
	case h.version > 2:
		return readOnly("it has a map of changed blocks")
	}
	e.sparse.hosted = true
	size := e.sparse.grainSize
	e.sparse.next = (file.Size() + size - 1) / size * size
	return nil
}

// openExtents opens the extents that the descriptor names.
func (m *Image) openExtents(o Options) (err error) {
	if m.size, err = m.desc.size(); err != nil {
		return err
	}
	start := int64(0)
	for _, line := range m.desc.extents {
		e := &extent{start: start, size: line.sectors * sectorSize, access: line.access, name: line.name}
		if e.size == 0 {
			continue
		}
		m.extents = append(m.extents, e)
		if err := m.openExtent(e, &line, o); err != nil {
			if isPathError(err) {
				return err
			}
			return e.wrap(err)
		}
		start += e.size
	}
	return nil
}

func (m *Image) openExtent(e *extent, line *extentLine, o Options) (err error) {
	switch line.kind {
	case "ZERO", "FLAT", "VMFS", "SPARSE", "VMFSSPARSE", "SESPARSE":
	default:
		return fmt.Errorf("an extent of the kind %.20q is not known here", line.kind)
	}
	if line.kind == "ZERO" || line.access == "NOACCESS" {
		return nil
	}
	ref := line.reference()
	ref.Writable = ref.Writable && m.writable
	if e.file, err = m.refer(ref, o); err != nil {
		return err
	}
	if line.kind == "FLAT" || line.kind == "VMFS" {
		e.flat, e.flatAt = e.file, line.offset*sectorSize
		if e.flatAt > e.flat.Size()-e.size {
			return damaged("it has %d bytes, and not the %d from %d on that the descriptor says (was it truncated?)", e.flat.Size(), e.size, e.flatAt)
		}
		return nil
	}
	g, h, err := readGeometry(e.file)
	if err != nil {
		return err
	}
	if g.capacity < line.sectors {
		return damaged("it has %d sectors, and not the %d that the descriptor says", g.capacity, line.sectors)
	}
	return m.openSparse(e, g, h, e.file)
}

// readGeometry reads the header of a sparse extent, which counts and not the kind that the
// descriptor says: QEMU and others write SPARSE for several.
func readGeometry(file disk.Device) (*geometry, *sparseHeader, error) {
	head := make([]byte, sectorSize)
	if err := readFull(file, head, 0); err != nil {
		return nil, nil, err
	}
	var g *geometry
	var h *sparseHeader
	var err error
	switch {
	case string(head[:4]) == magicCOWD:
		g, err = readCOWD(file)
	case string(head[:len(magicSESparse)]) == magicSESparse:
		g, err = readSESparse(file)
	default:
		if h, _, err = readSparseHeader(file, file.Size()); err == nil {
			g, err = h.hosted()
		}
	}
	return g, h, err
}

// openParent opens what the image has the changes of.
func (m *Image) openParent(o Options) error {
	ref := m.desc.parentReference()
	if ref.Name == "" {
		return damaged("the image has a parent with the CID %08x, but the descriptor does not name it", m.desc.parentCID)
	}
	parent, err := m.refer(ref, o)
	if base := path.Base(ref.Name); errors.Is(err, fs.ErrNotExist) && base != ref.Name {
		// The name is a hint: of where the images were before they were moved.
		ref.Name = base
		if moved, err2 := m.refer(ref, o); err2 == nil {
			parent, err = moved, nil
		}
	}
	if err != nil {
		return err
	}
	m.parent = parent
	below, ok := disk.As[*Image](parent)
	switch {
	case !ok:
		return fmt.Errorf("%w: %q is not a VMDK image", ErrParent, ref.Name)
	case below.desc.cid != m.desc.parentCID:
		return fmt.Errorf("%w: %q has the CID %08x, not %08x", ErrParent, ref.Name, below.desc.cid, m.desc.parentCID)
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

// extent returns the number of the extent that a byte of the disk is in.
func (m *Image) extent(off int64) int {
	return sort.Search(len(m.extents), func(i int) bool { e := m.extents[i]; return off < e.start+e.size })
}

// Parent returns the device that holds what the image does not, or nil.
func (m *Image) Parent() disk.Device { return m.parent }

// CID returns the content identifier of the image, which changes when it is written to,
// and that of its parent, which is 0xffffffff if it has none.
func (m *Image) CID() (own, parent uint32) { return m.desc.cid, m.desc.parentCID }

// CreateType returns what the image says that it is: "monolithicSparse", …
func (m *Image) CreateType() string { return m.desc.createType }

// Size returns the size of the disk in bytes.
func (m *Image) Size() int64 { return m.size }

// Writable reports whether the image was opened for writing.
func (m *Image) Writable() bool { return m.writable }

// closeOthers closes what the image names.
func (m *Image) closeOthers() error {
	var errs []error
	for _, e := range m.extents {
		if e.sparse != nil {
			e.sparse.table.Drop()
		}
		if e.file != nil {
			errs = append(errs, e.file.Close())
		}
	}
	if m.parent != nil {
		errs = append(errs, m.parent.Close())
	}
	return errors.Join(errs...)
}

// wrap names the image in an error that does not name one.
func (m *Image) wrap(op string, err error) error {
	if isPathError(err) {
		return err
	}
	return &fs.PathError{Op: op, Path: m.path, Err: err}
}

func isPathError(err error) bool {
	_, ok := errors.AsType[*fs.PathError](err)
	return ok
}

// wrap names the extent in an error that does not name it.
func (e *extent) wrap(err error) error {
	if e.name == "" || strings.Contains(err.Error(), strconv.Quote(e.name)) {
		return err
	}
	return fmt.Errorf("extent %q: %w", e.name, err)
}
