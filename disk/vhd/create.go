package vhd

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net/url"
	"path"
	"time"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/below"
	"github.com/unboot/unboot/disk/internal/winpath"
)

// The kinds of images that are created.
const (
	kindDynamic = "dynamic"
	kindFixed   = "fixed"
)

const (
	newBlock = 2 << 20
	newTable = footerSize + headerSize
	// newCreator is Windows's: of what others have made, QEMU and Virtual PC take the
	// geometry for the size, which is smaller.
	newCreator = "win "
	// features has a bit that is always set.
	features = 2
)

// Create writes an image without content: a dynamic one, a fixed one, which is of that kind,
// or a differencing one, which has [disk.CreateOptions.Parent], whose identity it keeps. The
// disk has the size that is asked for, rounded up to a multiple of 512, whatever its geometry
// is, as QEMU makes it with force_size.
func Create(d disk.Device, path string, o disk.CreateOptions) error {
	return (&Image{path: path}).wrap("create", create(d, o))
}

func create(d disk.Device, o disk.CreateOptions) error {
	f := &Footer{Kind: Dynamic, Created: time.Now(), Creator: newCreator, ID: newID()}
	switch {
	case o.Kind == kindFixed || o.Kind == "" && o.Preallocate == "metadata":
		f.Kind = Fixed
	case o.Kind != "" && o.Kind != kindDynamic:
		return fmt.Errorf("VHD images of the kind %q are not known; there are: %s, %s", o.Kind, kindDynamic, kindFixed)
	}
	switch {
	case o.ClusterSize != 0 && o.ClusterSize != newBlock:
		return fmt.Errorf("blocks of %d bytes, and not %d", o.ClusterSize, newBlock)
	case o.Compression != "":
		return fmt.Errorf("compression %q: VHD images have none", o.Compression)
	case o.Version != 0 && o.Version != 1:
		return fmt.Errorf("version %d of VHD", o.Version)
	case o.Preallocate != "" && o.Preallocate != "off" && o.Preallocate != "metadata":
		return fmt.Errorf("preallocation %q", o.Preallocate)
	}
	var parent *Image
	if o.Backing != "" || o.Parent != nil {
		var ok bool
		switch parent, ok = disk.As[*Image](o.Parent); {
		case f.Kind == Fixed:
			return fmt.Errorf("a fixed VHD image has no parent")
		case o.Parent == nil || !ok:
			return fmt.Errorf("the parent of a VHD image is one too: %q is not", o.Backing)
		}
		f.Kind = Differencing
		if o.Size == 0 {
			o.Size = parent.size
		}
	}
	if o.Size < 0 || o.Size > maxSize {
		return fmt.Errorf("a disk of %d bytes; VHD images have up to %d", o.Size, int64(maxSize))
	}
	f.Current = roundUp(o.Size, sector)
	f.Original = f.Current
	c, h, s := geometry(f.Current / sector)
	f.Cylinders, f.Heads, f.Sectors = int(c), int(h), int(s)
	if f.Kind == Fixed {
		return createFixed(d, f)
	}
	return createSparse(d, f, o.Backing, parent)
}

func newID() (id [16]byte) {
	rand.Read(id[:])
	id[6] = id[6]&0x0f | 0x40 // version 4, at random
	id[8] = id[8]&0x3f | 0x80
	return id
}

// marshal returns the footer of an image whose dynamic header is at an offset.
func (f *Footer) marshal(header uint64) []byte {
	b := make([]byte, footerSize)
	copy(b, cookie)
	be.PutUint32(b[8:], features)
	be.PutUint32(b[12:], footerVersion)
	be.PutUint64(b[16:], header)
	be.PutUint32(b[24:], timeStamp(f.Created))
	copy(b[28:], f.Creator)
	be.PutUint32(b[32:], 0x0006_0001)
	copy(b[36:], "Wi2k")
	be.PutUint64(b[40:], uint64(f.Original))
	be.PutUint64(b[48:], uint64(f.Current))
	be.PutUint16(b[56:], uint16(f.Cylinders))
	b[58], b[59] = byte(f.Heads), byte(f.Sectors)
	be.PutUint32(b[60:], uint32(f.Kind))
	copy(b[68:], f.ID[:])
	be.PutUint32(b[checksumAt:], checksum(b, checksumAt))
	return b
}

// timeStamp returns a time in seconds since the epoch, or 0 for one that cannot be.
func timeStamp(t time.Time) uint32 {
	return uint32(min(max(int64(t.Sub(epoch)/time.Second), 0), 1<<32-1))
}

// createFixed writes an image of the disk, which is a hole, and the footer.
func createFixed(d disk.Device, f *Footer) error {
	if err := grow(d, f.Current); err != nil {
		return err
	}
	_, err := d.WriteAt(f.marshal(noOffset), f.Current)
	return err
}

// grow gives a new file a size, with zeros.
func grow(d disk.Device, size int64) error {
	if r, ok := disk.As[disk.Resizer](d); ok && r.Resize(size) == nil {
		return nil
	}
	return below.Zero(d, 0, size)
}

// createSparse writes an image of no blocks, and the footer at its beginning last: a file
// that is cut off before is not an image.
func createSparse(d disk.Device, f *Footer, backing string, parent *Image) error {
	entries := roundUp(f.Current, newBlock) / newBlock
	b := make([]byte, headerSize)
	copy(b, headerCookie)
	be.PutUint64(b[8:], noOffset)
	be.PutUint64(b[16:], newTable)
	be.PutUint32(b[24:], headerVersion)
	be.PutUint32(b[28:], uint32(entries))
	be.PutUint32(b[32:], newBlock)
	end := newTable + roundUp(entries*4, sector)
	table := bytes.Repeat([]byte{0xff}, int(end-newTable))
	if parent != nil {
		name, err := parentName(b, backing, parent, end)
		if err != nil {
			return err
		}
		table = append(table, name...)
		end += int64(len(name))
	}
	be.PutUint32(b[headerChecksumAt:], checksum(b, headerChecksumAt))
	footer := f.marshal(footerSize)
	for at, p := range map[int64][]byte{newTable: table, footerSize: b, end: footer} {
		if len(p) == 0 {
			continue
		}
		if _, err := d.WriteAt(p, at); err != nil {
			return err
		}
	}
	_, err := d.WriteAt(footer, 0)
	return err
}

// parentName names a parent in a dynamic header, and returns the sectors that have its path, to
// stand at an offset of the file.
func parentName(header []byte, backing string, parent *Image, at int64) ([]byte, error) {
	name, err := winpath.Of(backing)
	if err != nil {
		return nil, err
	}
	code, text := codeRelative, winpath.Encode(name, le)
	if name[0] == '/' {
		code, text = codeMac, []byte((&url.URL{Scheme: "file", Path: name}).String())
	}
	base := winpath.Encode(path.Base(backing), be)
	if len(base) > parentNameSize || len(text) > maxLocator {
		return nil, fmt.Errorf("the name %.100q of the parent is too long", backing)
	}
	copy(header[40:], parent.f.ID[:])
	copy(header[parentNameAt:], base)
	room := roundUp(int64(len(text)), sector)
	e := header[locatorsAt:]
	copy(e, code)
	be.PutUint32(e[4:], uint32(room/sector)) // as specified; some programs write bytes
	be.PutUint32(e[8:], uint32(len(text)))
	be.PutUint64(e[16:], uint64(at))
	return append(text, make([]byte, room-int64(len(text)))...), nil
}
